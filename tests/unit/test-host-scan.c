/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read from sysfs, on machines made of files. */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "host/host-scan.h"

#define DISPLAY ((PciAddress){ 0, 1, 0, 0 })
#define AUDIO ((PciAddress){ 0, 1, 0, 1 })
#define DEVICES "sys/bus/pci/devices/"

typedef struct Scan {
        FakeHost *fake;
        Root root;
        Host host;
        Config config;
        RunState state;
} Scan;

static int set_up(void **state) {
        Scan *scan = calloc(1, sizeof(*scan));

        scan->fake = fake_host_new();
        assert_int_equal(root_open(fake_host_path(scan->fake), &scan->root), 0);
        assert_false(scan->root.is_live);
        *state = scan;
        return 0;
}

static int tear_down(void **state) {
        Scan *scan = *state;

        root_close(&scan->root);
        fake_host_freep(&scan->fake);
        free(scan);
        return 0;
}

static void configure(Scan *scan, const char *text) {
        ConfigSource source = { "test", text, strlen(text) };
        ConfigErrors errors;

        assert_int_equal(config_parse(&source, 1, &scan->config, &errors), 0);
}

static const char *addresses(const Host *host, char *text) {
        text[0] = '\0';
        for (size_t i = 0; i < host->n_functions; i++) {
                char address[PCI_ADDRESS_SIZE];

                (void)strcat(strcat(text, pci_address_format(host->functions[i].address, address)),
                             " ");
        }
        return text;
}

#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define BY_ADDRESS GENERAL "[device gpu]\naddress = 0000:01:00.0\n"
#define BY_ID GENERAL "[device gpu]\nid = 10de:2484\n"

/* --- one function --- */

static void test_facts(void **state) {
        Scan *scan = *state;
        Function function;

        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .driver = "nvidia",
                          .boot_vga = true);
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_int_equal(pci_address_compare(function.address, DISPLAY), 0);
        assert_int_equal(function.id.vendor, 0x10de);
        assert_int_equal(function.id.device, 0x2484);
        assert_int_equal(function.class_code, 0x030000);
        assert_string_equal(function.driver, "nvidia");
        assert_string_equal(function.driver_override, "");
        assert_int_equal(function.iommu_group, 12);
        assert_false(function.on_vfio);
        assert_true(function.boot_vga);
        assert_int_equal(function.holder.pid, 0);
}

static void test_nothing_known(void **state) {
        Scan *scan = *state;
        Function function;

        fake_host_add_function(scan->fake, "0000:01:00.0", .id = "1af4:10ff",
                               .class_code = 0x088000);
        fake_host_remove(scan->fake, DEVICES "0000:01:00.0/driver_override");
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_string_equal(function.driver, "");
        assert_string_equal(function.driver_override, "");
        assert_int_equal(function.iommu_group, -1);
        assert_false(function.on_vfio || function.boot_vga);
}

static void test_absent(void **state) {
        Scan *scan = *state;
        Function function;

        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), -ENOENT);
}

/* Whoever opens it waits for ever, as for the lock of a driver that is stuck. */
static void test_beside_a_switch(void **state) {
        static const char override[] = DEVICES "0000:01:00.0/driver_override";
        Scan *scan = *state;

        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .driver = "nvidia");
        fake_host_remove(scan->fake, override);
        assert_int_equal(mkfifoat(scan->root.fd, override, 0600), 0);
        assert_int_equal(host_scan_all_beside(&scan->root, &scan->host), 0);
        assert_int_equal(scan->host.n_functions, 1);
        assert_string_equal(scan->host.functions[0].driver, "nvidia");
        assert_string_equal(scan->host.functions[0].driver_override, "");
        assert_true(scan->host.without_overrides);
        fake_host_remove(scan->fake, override);
        fake_host_write(scan->fake, override, "vfio-pci\n");
        assert_int_equal(host_scan_all(&scan->root, &scan->host), 0);
        assert_string_equal(scan->host.functions[0].driver_override, "vfio-pci");
        assert_false(scan->host.without_overrides);
}

static void test_on_vfio(void **state) {
        Scan *scan = *state;
        Function function;

        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .driver = "vfio-pci",
                          .audio = true);
        fake_host_set_override(scan->fake, "0000:01:00.0", "vfio-pci");
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_true(function.on_vfio);
        assert_string_equal(function.driver_override, "vfio-pci");
}

static void test_on_variant(void **state) {
        Scan *scan = *state;
        Function function;

        fake_host_add_vfio_driver(scan->fake, "nvgrace-gpu-vfio-pci");
        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12,
                          .driver = "nvgrace-gpu-vfio-pci");
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_true(function.on_vfio);
        assert_string_equal(function.driver, "nvgrace-gpu-vfio-pci");
}

static void test_override_that_is_long(void **state) {
        Scan *scan = *state;
        char text[4096];
        Function function;

        (void)memset(text, 'x', sizeof(text));
        text[4094] = '\0';
        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12);
        fake_host_set_override(scan->fake, "0000:01:00.0", text);
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_int_equal(strlen(function.driver_override), CONFIG_DRIVER_SIZE - 1);
}

static void test_no_vga_has_no_boot_vga(void **state) {
        Scan *scan = *state;
        Function function;

        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .not_vga = true);
        fake_host_write(scan->fake, DEVICES "0000:01:00.0/boot_vga", "1\n");
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), 0);
        assert_false(function.boot_vga);
        assert_true(function_is_display(&function));
}

typedef struct Damage {
        const char *title, *path, *text;
        int error;
} Damage;

static const Damage damages[] = {
        { "a modalias that is none", DEVICES "0000:01:00.0/modalias", "usb:v1d6Bp0002\n", -EINVAL },
        { "a modalias of two lines' length", DEVICES "0000:01:00.0/modalias",
          "pci:v000010DEd00002484sv00001AF4sd00001100bc03sc00i00xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
          -EFBIG },
};

static void test_damage(void **state) {
        const Damage *damage = *state;
        Function function, untouched;
        Scan *scan = NULL;

        (void)set_up((void **)&scan);
        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12);
        fake_host_write(scan->fake, damage->path, damage->text);
        (void)memset(&function, 0x5a, sizeof(function));
        untouched = function;
        assert_int_equal(host_scan_function(&scan->root, DISPLAY, &function), damage->error);
        assert_memory_equal(&function, &untouched, sizeof(function));
        configure(scan, BY_ADDRESS);
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host),
                         damage->error);
        (void)tear_down((void **)&scan);
}

/* --- the machine --- */

static void test_machine(void **state) {
        Scan *scan = *state;

        assert_int_equal(host_scan(&scan->root, NULL, &scan->state, &scan->host), 0);
        assert_true(scan->host.iommu && scan->host.vfio_pci && scan->host.vfio_iommu_type1);
        assert_int_equal(scan->host.n_functions, 0);
        fake_host_remove(scan->fake, "sys/class/iommu/dmar0");
        fake_host_remove(scan->fake, "sys/bus/pci/drivers/vfio-pci");
        fake_host_remove(scan->fake, "sys/module/vfio_iommu_type1");
        assert_int_equal(host_scan(&scan->root, NULL, &scan->state, &scan->host), 0);
        assert_false(scan->host.iommu || scan->host.vfio_pci || scan->host.vfio_iommu_type1);
        fake_host_remove(scan->fake, "sys/class/iommu");
        assert_int_equal(host_scan(&scan->root, NULL, &scan->state, &scan->host), 0);
        assert_false(scan->host.iommu);
}

/* A waiting driver's modules; one that is built in has none. */
static void test_module_stack(void **state) {
        static const char *const order[] = { "nvidia_drm", "nvidia_modeset", "nvidia" };
        Scan *scan = *state;
        const ModuleStack *stack = &scan->host.stack;
        char path[256];

        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .driver = "nvidia");
        fake_host_add_gpu(scan->fake, "0000:02:00.0", .group = 13, .driver = "nvidia");
        configure(scan, "[device gpu]\naddress = 0000:01:00.0\n");
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), 0);
        assert_string_equal(stack->driver, "nvidia");
        assert_int_equal(stack->n_modules, 0);
        assert_int_equal(stack->n_functions, 2);
        (void)snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers/nvidia/module",
                       fake_host_path(scan->fake));
        assert_int_equal(symlink("../../../../module/nvidia", path), 0);
        fake_host_write(scan->fake, "sys/module/nvidia/refcnt", "3\n");
        fake_host_write(scan->fake, "sys/module/nvidia/holders/nvidia_drm", "");
        fake_host_write(scan->fake, "sys/module/nvidia/holders/nvidia_modeset", "");
        fake_host_write(scan->fake, "sys/module/nvidia_modeset/refcnt", "1\n");
        fake_host_write(scan->fake, "sys/module/nvidia_modeset/holders/nvidia_drm", "");
        fake_host_write(scan->fake, "sys/module/nvidia_drm/refcnt", "2\n");
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), 0);
        assert_int_equal(stack->n_modules, 3);
        for (size_t i = 0; i < 3; i++)
                assert_string_equal(stack->modules[i].name, order[i]);
        assert_int_equal(stack->modules[0].n_users, 2);
        assert_int_equal(stack->modules[1].n_users, 0);
        assert_int_equal(stack->modules[2].n_users, 1);
        fake_host_remove(scan->fake, "sys/module/nvidia/refcnt");
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), 0);
        assert_int_equal(stack->n_modules, 0);
        fake_host_remove_function(scan->fake, "0000:01:00.0");
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), 0);
        assert_string_equal(stack->driver, "");
}

static void test_no_pci_at_all(void **state) {
        Scan *scan = *state;

        fake_host_remove(scan->fake, "sys/bus");
        configure(scan, BY_ID);
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), 0);
        assert_int_equal(host_scan_all(&scan->root, &scan->host), 0);
        assert_int_equal(scan->host.n_functions, 0);
}

/* A machine with what the scans below may and may not look at. */
static void add_machine(Scan *scan) {
        fake_host_add_bridge(scan->fake, "0000:00:01.0", 12);
        fake_host_add_gpu(scan->fake, "0000:01:00.0", .group = 12, .driver = "nvidia",
                          .audio = true);
        fake_host_add_gpu(scan->fake, "0000:02:00.0", .group = 13, .driver = "nvidia");
        fake_host_add_nic(scan->fake, "0000:03:00.0", 14);
        fake_host_add_nic(scan->fake, "0000:04:00.0", 0);
        fake_host_add_nic(scan->fake, "10000:e0:00.0", 15);
}

typedef struct Row {
        const char *title, *config, *home, *addresses;
} Row;

static const Row rows[] = {
        { "a slot by its address, and its group", BY_ADDRESS, NULL,
          "0000:00:01.0 0000:01:00.0 0000:01:00.1 " },
        { "every slot that has the id, so that two are seen as two", BY_ID, NULL,
          "0000:00:01.0 0000:01:00.0 0000:01:00.1 0000:02:00.0 " },
        { "what `also` names", BY_ADDRESS "also = 0000:03:00.0 0000:09:00.0\n", NULL,
          "0000:00:01.0 0000:01:00.0 0000:01:00.1 0000:03:00.0 " },
        { "what we moved, with its group, without any configuration", NULL, "0000:01:00.1",
          "0000:00:01.0 0000:01:00.0 0000:01:00.1 " },
        { "what we moved and what is configured", GENERAL "[device nic]\naddress = 0000:04:00.0\n",
          "0000:03:00.0", "0000:03:00.0 0000:04:00.0 " },
        { "what we moved and what was pulled out since", NULL, "0000:09:00.0", "" },
        { "a domain with more than four digits", GENERAL "[device nic]\naddress = 10000:e0:00.0\n",
          NULL, "10000:e0:00.0 " },
        { "a slot where nothing is", GENERAL "[device nic]\naddress = 0000:09:00.0\n", NULL, "" },
        { "nothing is configured", GENERAL, NULL, "" },
};

static void test_row(void **state) {
        const Row *row = *state;
        Scan *scan = NULL;
        char text[1024];

        (void)set_up((void **)&scan);
        add_machine(scan);
        if (row->config)
                configure(scan, row->config);
        if (row->home) {
                HomeFunction home = { 0 };

                assert_int_equal(pci_address_parse(row->home, &home.address), 0);
                assert_int_equal(run_state_add_home(&scan->state, &home), 0);
        }
        assert_int_equal(host_scan(&scan->root, row->config ? &scan->config : NULL, &scan->state,
                                   &scan->host),
                         0);
        assert_string_equal(addresses(&scan->host, text), row->addresses);
        (void)tear_down((void **)&scan);
}

static void test_all(void **state) {
        Scan *scan = *state;
        char text[1024];

        add_machine(scan);
        fake_host_write(scan->fake, DEVICES "nonsense", "");
        assert_int_equal(host_scan_all(&scan->root, &scan->host), 0);
        assert_string_equal(addresses(&scan->host, text),
                            "0000:00:01.0 0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:03:00.0 "
                            "0000:04:00.0 10000:e0:00.0 ");
}

static void test_too_many(void **state) {
        Scan *scan = *state;

        for (unsigned i = 0; i <= HOST_FUNCTIONS_MAX; i++) {
                char address[32];

                (void)snprintf(address, sizeof(address), "0000:%02x:%02x.0", 1 + i / 32, i % 32);
                fake_host_add_function(scan->fake, address, .id = "8086:10d3",
                                       .class_code = 0x020000, .group = 1);
        }
        configure(scan, BY_ADDRESS);
        assert_int_equal(host_scan(&scan->root, &scan->config, &scan->state, &scan->host), -ENOSPC);
        assert_int_equal(host_scan_all(&scan->root, &scan->host), -ENOSPC);
}

static void test_root(void **state) {
        Root root = ROOT_NULL;

        assert_int_equal(root_open("/no/such/directory", &root), -ENOENT);
        assert_int_equal(root.fd, -1);
        assert_int_equal(root_open(NULL, &root), 0);
        assert_true(root.is_live);
        root_close(&root);
        assert_int_equal(root.fd, -1);
        root_close(&root);
}

#define ON_FAKE(title, function) { (title), (function), set_up, tear_down, NULL }

int main(void) {
        struct CMUnitTest tests[13 + ARRAY_SIZE(rows) + ARRAY_SIZE(damages)] = {
                ON_FAKE("a graphics card with all its facts", test_facts),
                ON_FAKE("a function of which nothing is known", test_nothing_known),
                ON_FAKE("an address where nothing is", test_absent),
                ON_FAKE("a function on vfio-pci", test_on_vfio),
                ON_FAKE("no override is read beside a switch", test_beside_a_switch),
                ON_FAKE("a function on a variant of vfio-pci", test_on_variant),
                ON_FAKE("an override longer than any driver's name is cut",
                        test_override_that_is_long),
                ON_FAKE("only class 0300 has a boot_vga", test_no_vga_has_no_boot_vga),
                ON_FAKE("IOMMU and VFIO drivers, there and not there", test_machine),
                ON_FAKE("the modules of a driver that waits", test_module_stack),
                ON_FAKE("a machine without PCI", test_no_pci_at_all),
                ON_FAKE("every function, for a person's list", test_all),
                ON_FAKE("more functions than a scan holds", test_too_many),
                { "the root directory: another one, and the live machine's", test_root, NULL, NULL,
                  NULL },
        };
        size_t n = 12;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[n++] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                  (void *)(uintptr_t)&rows[i] };
        for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
                tests[n++] = (struct CMUnitTest){ damages[i].title, test_damage, NULL, NULL,
                                                  (void *)(uintptr_t)&damages[i] };
        return cmocka_run_group_tests_name("host-scan", tests, NULL, NULL);
}

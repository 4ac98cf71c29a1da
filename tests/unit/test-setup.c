/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which card a first configuration is about, and what it takes over from the kernel's command line.
 */
#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/setup.h"
#include "table.h"

/* --- machines: a function a line, "ADDRESS ID CLASS DRIVER GROUP [vga]"; "-" is no driver --- */

#define IGPU "0000:00:02.0 8086:9bc5 030000 i915 1 vga\n"
#define GPU "0000:01:00.0 10de:2484 030000 nvidia 2\n"
#define GPU_AUDIO "0000:01:00.1 10de:228b 040300 snd_hda_intel 2\n"
#define ONE "0000:01:00.0 10de:2484 030000 nvidia 2 vga\n" GPU_AUDIO
#define TWIN "0000:02:00.0 10de:2484 030000 nvidia 3\n"
#define NIC "0000:05:00.0 8086:10d3 020000 e1000e 4\n"

static void read_host(const char *text, Host *ret) {
        while (*text) {
                Function *function = &ret->functions[ret->n_functions++];
                char address[32], id[16], driver[32], vga[8] = "";
                unsigned class_code;

                assert_true(sscanf(text, "%31s %15s %x %31s %d%7[ vga]", address, id, &class_code,
                                   driver, &function->iommu_group, vga) >= 5);
                assert_int_equal(pci_address_parse(address, &function->address), 0);
                assert_int_equal(pci_id_parse(id, &function->id), 0);
                function->class_code = class_code;
                function->boot_vga = strstr(vga, "vga");
                if (strcmp(driver, "-") != 0)
                        (void)strcpy(function->driver, driver);
                function->on_vfio = driver_name_is_vfio(function->driver);
                text += strcspn(text, "\n") + 1;
        }
}

/* --- the choice --- */

static const struct Row {
        const char *title;
        const char *host;
        const char *device; /* NULL: nobody named one */
        const char *cmdline;
        SetupChoice choice;
        const char *first; /* NULL: none was chosen */
        const char *driver;
        bool takes_screen;
        size_t n_companions, n_strangers;
} rows[] = {
        { "the only card", ONE NIC, NULL, "", SETUP_ONLY, "0000:01:00.0", "nvidia", true, 1, 0 },
        { "no card", NIC, NULL, "", SETUP_NONE, NULL, "", false, 0, 0 },
        { "beside the processor's own", IGPU GPU GPU_AUDIO, NULL, "", SETUP_ONLY_NOT_VGA,
          "0000:01:00.0", "nvidia", false, 1, 0 },
        { "a laptop's, which is no VGA", IGPU "0000:01:00.0 10de:25a2 030200 nouveau 2\n", NULL, "",
          SETUP_ONLY_NOT_VGA, "0000:01:00.0", "nouveau", false, 0, 0 },
        { "two of a kind", ONE TWIN, NULL, "", SETUP_ONLY_NOT_VGA, "0000:02:00.0", "nvidia", false,
          0, 0 },
        { "three", IGPU GPU TWIN, NULL, "", SETUP_UNKNOWN, NULL, "", false, 0, 0 },
        { "one of three is on vfio-pci already",
          IGPU GPU "0000:02:00.0 10de:2484 030000 vfio-pci 3\n", NULL, "", SETUP_ALREADY,
          "0000:02:00.0", "", false, 0, 0 },
        { "one of three is kept from its driver",
          IGPU GPU "0000:02:00.0 10de:2484 030000 pci-stub 3\n", NULL, "", SETUP_ALREADY,
          "0000:02:00.0", "", false, 0, 0 },
        { "one of three was named by its id", IGPU GPU "0000:02:00.0 1002:73bf 030000 - 3\n", NULL,
          "quiet vfio-pci.ids=10de:228b,1002:73BF", SETUP_ALREADY, "0000:02:00.0", "", false, 0,
          0 },
        { "the one that the PC boots with is set up for it",
          "0000:01:00.0 10de:2484 030000 vfio-pci 2 vga\n" TWIN, NULL, "", SETUP_ALREADY,
          "0000:01:00.0", "", true, 0, 0 },
        { "an id that only begins so", IGPU GPU "0000:02:00.0 1002:73bf 030000 - 3\n", NULL,
          "vfio-pci.ids=1002:73bf0", SETUP_UNKNOWN, NULL, "", false, 0, 0 },
        { "an id with those of the board", IGPU GPU "0000:02:00.0 1002:73bf 030000 - 3\n", NULL,
          "vfio-pci.ids=1002:73bf:1043:04f0", SETUP_ALREADY, "0000:02:00.0", "", false, 0, 0 },
        { "an id as the kernel reads it, too", IGPU GPU "0000:02:00.0 102b:0522 030000 - 3\n", NULL,
          "vfio-pci.ids=junk,0x102B:522", SETUP_ALREADY, "0000:02:00.0", "", false, 0, 0 },
        { "somebody says which", IGPU GPU TWIN, "0000:02:00.0", "", SETUP_NAMED, "0000:02:00.0",
          "nvidia", false, 0, 0 },
        { "by another of its functions", IGPU ONE TWIN, "0000:01:00.1", "", SETUP_NAMED,
          "0000:01:00.0", "nvidia", true, 1, 0 },
        { "somebody names what is none", IGPU GPU NIC, "0000:05:00.0", "", SETUP_NONE, NULL, "",
          false, 0, 0 },
        { "others of its group",
          ONE "0000:00:01.0 8086:1901 060400 pcieport 2\n"
              "0000:03:00.0 8086:10d3 020000 e1000e 2\n"
              "0000:04:00.0 8086:10d3 020000 - 2\n",
          NULL, "", SETUP_ONLY, "0000:01:00.0", "nvidia", true, 1, 1 },
        { "without an IOMMU nobody is of its group",
          "0000:01:00.0 10de:2484 030000 nvidia -1 vga\n"
          "0000:05:00.0 8086:10d3 020000 e1000e -1\n",
          NULL, "", SETUP_ONLY, "0000:01:00.0", "nvidia", true, 0, 0 },
        { "a driver that no configuration could name", "0000:01:00.0 10de:2484 030000 a/b 2 vga\n",
          NULL, "", SETUP_ONLY, "0000:01:00.0", "", true, 0, 0 },
};

static void test_choice(void **state) {
        const struct Row *row = *state;
        Host *host = calloc(1, sizeof(*host));
        Setup *setup = calloc(1, sizeof(*setup));
        char address[PCI_ADDRESS_SIZE];
        PciAddress device;

        read_host(row->host, host);
        if (row->device)
                assert_int_equal(pci_address_parse(row->device, &device), 0);
        setup_make(&(SetupSources){ .host = host,
                                    .cmdline = row->cmdline,
                                    .device = row->device ? &device : NULL },
                   setup);
        assert_int_equal(setup->choice, row->choice);
        assert_int_equal(!setup->first, !row->first);
        if (row->first) {
                assert_string_equal(pci_address_format(setup->first->address, address), row->first);
                assert_true(strlen(setup_choice_text(setup->choice)) > 0);
        }
        assert_string_equal(setup->host_driver, row->driver);
        assert_int_equal(setup->takes_screen, row->takes_screen);
        assert_int_equal(setup->n_companions, row->n_companions);
        assert_int_equal(setup->n_strangers, row->n_strangers);
        free(setup);
        free(host);
}

/* A guest that names any function of one of three; ids in modprobe.d and overrides of driverctl,
 * which count for more. */
static void test_guest(_unused_ void **state) {
        GuestDefinitions *guests = calloc(1, sizeof(*guests));
        Host *host = calloc(1, sizeof(*host));
        Setup *setup = calloc(1, sizeof(*setup));
        SetupSources sources = { .host = host, .cmdline = "", .guests = guests };
        char address[PCI_ADDRESS_SIZE];

        read_host(IGPU GPU GPU_AUDIO TWIN, host);
        guests->n = 2;
        guests->guests[0].vm.n_addresses = 1;
        guests->guests[0].vm.addresses[0] = (PciAddress){ .bus = 5 };
        guests->guests[1].vm.n_addresses = 1;
        guests->guests[1].vm.addresses[0] = (PciAddress){ .bus = 1, .function = 1 };
        setup_make(&sources, setup);
        assert_int_equal(setup->choice, SETUP_GUEST);
        assert_string_equal(pci_address_format(setup->first->address, address), "0000:01:00.0");
        guests->guests[0].vm.addresses[0] = (PciAddress){ .bus = 2 };
        setup_make(&sources, setup);
        assert_int_equal(setup->choice, SETUP_UNKNOWN);
        guests->n = 1;
        sources.ids = "8086:9bc5";
        setup_make(&sources, setup);
        assert_int_equal(setup->choice, SETUP_ALREADY);
        assert_string_equal(pci_address_format(setup->first->address, address), "0000:00:02.0");
        sources.ids = NULL;
        sources.overridden = (const PciAddress[]){ { .bus = 5 }, { .bus = 2 } };
        sources.n_overridden = 2;
        setup_make(&sources, setup);
        assert_int_equal(setup->choice, SETUP_ALREADY);
        assert_string_equal(pci_address_format(setup->first->address, address), "0000:02:00.0");
        free(setup);
        free(host);
        free(guests);
}

/* More than are kept, and a group of more than are named. */
static void test_many(_unused_ void **state) {
        Host *host = calloc(1, sizeof(*host));
        Setup *setup = calloc(1, sizeof(*setup));

        for (unsigned i = 0; i < HOST_FUNCTIONS_MAX; i++) {
                Function *function = &host->functions[host->n_functions++];

                function->address = (PciAddress){ .bus = (uint8_t)i };
                function->class_code = i < 30 ? 0x030000 : 0x020000;
                (void)strcpy(function->driver, "x");
        }
        setup_make(&(SetupSources){ .host = host,
                                    .cmdline = "",
                                    .device = &host->functions[3].address },
                   setup);
        assert_int_equal(setup->n_cards, SETUP_CARDS_MAX);
        assert_int_equal(setup->choice, SETUP_NAMED);
        assert_int_equal(setup->n_strangers, SETUP_STRANGERS_MAX);
        free(setup);
        free(host);
}

/* --- the command line --- */

static const struct PagesRow {
        const char *title;
        const char *cmdline;
        uint32_t pages[_HUGEPAGE_SIZE_MAX];
} pages[] = {
        { "none", "root=/dev/sda1 quiet", { 0, 0 } },
        { "as many write it", "amd_iommu=on hugepagesz=1GB hugepages=20", { 20, 0 } },
        { "the default size", "hugepages=512", { 0, 512 } },
        { "another default size", "default_hugepagesz=1G hugepages=4", { 4, 0 } },
        { "both sizes", "hugepagesz=2M hugepages=64 hugepagesz=1G hugepages=8", { 8, 64 } },
        { "in smaller units", "hugepagesz=1048576k hugepages=3", { 3, 0 } },
        { "the last word counts", "hugepages=1 hugepages=2", { 0, 2 } },
        { "a size that there is not", "hugepagesz=16G hugepages=2", { 0, 0 } },
        { "a size that is none", "hugepagesz=G hugepages=2", { 0, 0 } },
        { "a size that is too long", "hugepagesz=99999999999G hugepages=2", { 0, 0 } },
        { "by node, added up", "hugepagesz=1G hugepages=0:2,1:3", { 5, 0 } },
        { "a number that is none", "hugepages=0:2,1", { 0, 0 } },
        { "a node that is none", "hugepages=a:2", { 0, 0 } },
        { "no number", "hugepages=", { 0, 0 } },
        { "more than a mode may have", "hugepagesz=1G hugepages=99999999", { 0, 0 } },
};

static void test_pages(void **state) {
        const struct PagesRow *row = *state;
        Host *host = calloc(1, sizeof(*host));
        Setup *setup = calloc(1, sizeof(*setup));

        setup_make(&(SetupSources){ .host = host, .cmdline = row->cmdline }, setup);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                assert_int_equal(setup->hugepages[size], row->pages[size]);
        free(setup);
        free(host);
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_choice, rows);
        table_add(&table, "a guest has it", test_guest, NULL);
        table_add(&table, "more than are kept", test_many, NULL);
        TABLE_ROWS(&table, test_pages, pages);
        return table_run("setup", &table);
}

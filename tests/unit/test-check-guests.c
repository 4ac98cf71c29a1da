/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that name a mode's devices: who is found, and who would be refused after a boot. */
#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/check-guests.h"
#include "boot-machine.h"
#include "host/guest-scan.h"
#include "host/host-scan.h"
#include "table.h"

#define GPU "0000:01:00.0"
#define NIC "0000:05:00.0"
#define DEVICES \
        "[device gpu]\naddress = " GPU "\nconsent = boot-vga\n[device nic]\naddress = " NIC "\n"
#define CONFIG(general, keys)                                             \
        "[general]\n" general DEVICES "[mode host]\nvfio-devices = nic\n" \
        "[mode passthrough]\nvfio-devices = gpu nic\n" keys
#define XML(bus)                                                                                \
        "<domain><devices><hostdev><source><address domain='0x0000' bus='" bus "' slot='0x00' " \
        "function='0x0'/></source></hostdev></devices></domain>"

#define QEMU "etc/libvirt/qemu/"
#define LONG "a-guest-whose-name-is-longer-than-sixty-bytes-and-which-has-a-neighbour-"
#define PVE "etc/pve/qemu-server/"

typedef struct File {
        const char *path, *text;
} File;

static const struct Row {
        const char *title;
        const char *config;
        File files[4];
        const char *armed; /* the mode that the next boot was told; NULL: none */
        CheckResult result;
        const char *says, *advises;
} rows[] = {
        { "nobody", CONFIG("", ""), { { NULL, NULL } }, NULL, CHECK_PASS, "No guest", "" },
        { "one that does not start by itself",
          CONFIG("", ""),
          { { QEMU "win.xml", XML("0x01") } },
          NULL,
          CHECK_PASS,
          "named by 'win'.",
          "" },
        { "one that names what the host mode has, too",
          CONFIG("", ""),
          { { QEMU "router.xml", XML("0x05") }, { QEMU "autostart/router.xml", "" } },
          NULL,
          CHECK_PASS,
          "No guest",
          "" },
        { "one that starts with the machine",
          CONFIG("", ""),
          { { QEMU "win.xml", XML("0x01") }, { QEMU "autostart/win.xml", "" } },
          NULL,
          CHECK_WARN,
          "'win' of libvirt starts with the machine and names a device that mode 'host', to which",
          "Set switch-for-vm = yes, or: virsh autostart --disable 'win'" },
        { "one of a long name",
          CONFIG("", ""),
          { { QEMU LONG "1.xml", XML("0x01") }, { QEMU "autostart/" LONG "1.xml", "" } },
          NULL,
          CHECK_WARN,
          "'" LONG "1' of libvirt",
          ", or: virsh autostart --disable '" LONG "1'" },
        { "one that a shell would call another",
          CONFIG("", ""),
          { { QEMU "it's.xml", XML("0x01") }, { QEMU "autostart/it's.xml", "" } },
          NULL,
          CHECK_WARN,
          "'it's' of libvirt",
          "Set switch-for-vm = yes." },
        { "more than there is room for",
          CONFIG("", ""),
          { { QEMU LONG "1.xml", XML("0x01") },
            { QEMU LONG "2.xml", XML("0x01") },
            { QEMU LONG "3.xml", XML("0x01") },
            { QEMU LONG "4.xml", XML("0x01") } },
          NULL,
          CHECK_PASS,
          "named by '" LONG "1', '" LONG "2' and 2 more.",
          "" },
        { "of Proxmox VE",
          CONFIG("", ""),
          { { PVE "100.conf", "onboot: 1\nhostpci0: 01:00,pcie=1\n" } },
          NULL,
          CHECK_WARN,
          "'100' of Proxmox VE starts with the machine",
          "Set switch-for-vm = yes, or: qm set 100 --onboot 0" },
        { "it may have it switched to",
          CONFIG("", "switch-for-vm = yes\n"),
          { { PVE "100.conf", "onboot: 1\nhostpci0: 01:00.0\n" } },
          NULL,
          CHECK_PASS,
          "named by '100' (starts with the machine).",
          "" },
        { "the boot goes there",
          CONFIG("default-mode = passthrough\n", ""),
          { { PVE "100.conf", "onboot: 1\nhostpci0: 01:00.0\n" } },
          NULL,
          CHECK_PASS,
          "named by '100'",
          "" },
        { "somebody has chosen the next boot",
          CONFIG("", "switch-for-vm = yes\n"),
          { { PVE "100.conf", "onboot: 1\nhostpci0: 01:00.0\n" } },
          "host",
          CHECK_WARN,
          "somebody's choice and is held",
          "vfio-modectl release, after the boot" },
        { "somebody has chosen that it goes there",
          CONFIG("", ""),
          { { PVE "100.conf", "onboot: 1\nhostpci0: 01:00.0\n" } },
          "passthrough",
          CHECK_PASS,
          "named by",
          "" },
        { "a definition that nobody understands",
          CONFIG("", ""),
          { { QEMU "a.xml", "<domain>" },
            { PVE "x.conf", "hostpci0: 01:00.0\n" },
            { PVE "101.conf", "hostpci0: x\n" } },
          NULL,
          CHECK_WARN,
          "2 definitions of guests could not be read",
          "Look at them" },
        { "a directory that cannot be read",
          CONFIG("", ""),
          { { "etc/pve/qemu-server", "" } },
          NULL,
          CHECK_WARN,
          "Not all definitions of guests could be read.",
          "Look at them" },
};

static int set_up(void **state) {
        const struct Row *row = *state;
        BootMachine *machine;

        if (boot_machine_set_up(state) != 0)
                return -1;
        machine = *state;
        fake_host_add_gpu(machine->fake, GPU, .group = 1, .driver = "nvidia", .boot_vga = true);
        fake_host_add_nic(machine->fake, NIC, 2);
        boot_machine_config(machine, row->config);
        for (size_t i = 0; i < ARRAY_SIZE(row->files) && row->files[i].path; i++)
                fake_host_write(machine->fake, row->files[i].path, row->files[i].text);
        return 0;
}

static void arm(BootMachine *machine, const char *mode) {
        const NextBootOptions options = { .tries = 1 };

        boot_machine_prove(machine);
        assert_int_equal(next_boot_set_once(&machine->root, &machine->config, mode, &options,
                                            &machine->answer, &machine->refusal),
                         REFUSAL_NONE);
}

/* Beside those of the hooks of guests of Proxmox VE, which tests/ctl looks at. */
static const Check *the_only(const Inspection *inspection, const char *id) {
        const Check *found = NULL;

        for (size_t i = 0; i < inspection->n_checks; i++) {
                if (strcmp(inspection->checks[i].id, id) != 0) {
                        assert_string_equal(inspection->checks[i].id, "proxmox-hook");
                        continue;
                }
                assert_null(found);
                found = &inspection->checks[i];
        }
        assert_non_null(found);
        return found;
}

static void test_row(void **state) {
        const struct Row *row = *state;
        const Check *check;
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        _cleanup_free_ Situation *now = calloc(1, sizeof(*now));
        _cleanup_free_ GuestDefinitions *guests = calloc(1, sizeof(*guests));
        BootMachine *machine;

        assert_int_equal(set_up(state), 0);
        machine = *state;
        if (row->armed)
                arm(machine, row->armed);
        next_boot_read(&machine->root, &machine->now);
        now->root = &machine->root;
        now->config = machine->config;
        assert_int_equal(host_scan(&machine->root, &now->config, &now->state, &now->host), 0);
        guest_scan(&machine->root, guests);
        check_guests(now, config_find_mode(&now->config, "passthrough"), &machine->now, guests,
                     inspection);
        check = the_only(inspection, "guests");
        assert_int_equal(check->result, row->result);
        if (!strstr(check->message, row->says) || !strstr(check->advice, row->advises))
                fail_msg("'%s' → '%s'", check->message, check->advice);
        (void)memset(inspection, 0, sizeof(*inspection));
        check_guests(now, config_find_mode(&now->config, "host"), &machine->now, guests,
                     inspection);
        assert_int_equal(inspection->n_checks, 0);
        assert_int_equal(boot_machine_tear_down(state), 0);
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_row, rows);
        return table_run("check-guests", &table);
}

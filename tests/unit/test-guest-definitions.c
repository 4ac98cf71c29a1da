/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that a guest is given, out of libvirt's XML and Proxmox VE's lines. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/libvirt-domain.h"
#include "model/proxmox-guest.h"
#include "table.h"

#define ADDRESS(bus, function) \
        "<address domain='0x0000' bus='" bus "' slot='0x00' function='" function "'/>"
#define HOSTDEV(bus, function)                                                                     \
        "<hostdev mode='subsystem' type='pci' managed='no'><driver name='vfio'/><source>" ADDRESS( \
                bus, function) "</source><address type='pci' domain='0x0000' bus='0x09' "          \
                               "slot='0x00' function='0x0'/></hostdev>"
#define ROM(before, attributes, after) \
        "<hostdev type='pci'>" before "<rom" attributes "/>" after "</hostdev>"
#define DOMAIN(devices)                                                             \
        "<?xml version='1.0'?><domain type='kvm'><name>win</name><devices>" devices \
        "</devices></domain>"

static const struct Domain {
        const char *title, *xml;
        int r;
        const char *addresses; /* and files, as print() has them */
} domains[] = {
        { "nothing of the host",
          DOMAIN("<disk type='file'><source file='x'/><address type='pci' "
                 "domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>"),
          0, "" },
        { "a card and its sound", DOMAIN(HOSTDEV("0x0b", "0x0") HOSTDEV("0x0b", "0x1")), 0,
          "0000:0b:00.0 0000:0b:00.1" },
        { "decimal numbers", DOMAIN(HOSTDEV("11", "1")), 0, "0000:0b:00.1" },
        { "a network card as an interface",
          DOMAIN("<interface type='hostdev'><source><address type='pci' domain='0x0001' bus='0x05' "
                 "slot='0x1f' function='0x7'/></source></interface>"),
          0, "0001:05:1f.7" },
        { "an NVMe drive as a disk",
          DOMAIN("<disk type='nvme'><source type='pci' managed='yes' namespace='1'>" ADDRESS(
                  "0x06", "0x0") "</source></disk>"),
          0, "0000:06:00.0" },
        { "USB is not PCI",
          DOMAIN("<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source>"
                 "</hostdev>"),
          0, "" },
        { "a comment is none", DOMAIN("<!-- " HOSTDEV("0x0b", "0x0") " -->"), 0, "" },
        { "metadata is none",
          "<domain><metadata><x><source>" ADDRESS("0x0b",
                                                  "0x0") "</source></x></metadata></domain>",
          0, "" },
        { "nor what lies deeper",
          DOMAIN("<hostdev><x><source>" ADDRESS("0x0b", "0x0") "</source></x></hostdev>"), 0, "" },
        { "a file for a card's ROM",
          DOMAIN(ROM("<source>" ADDRESS("0x0b", "0x0") "</source>", " file='/a&amp;b.rom'", "")), 0,
          "0000:0b:00.0 0000:0b:00.0=/a&b.rom" },
        { "before the source, and of the first of two cards",
          DOMAIN(ROM("", " bar='off' file='/x'", "<source>" ADDRESS("0x0b", "0x0") "</source>")
                         HOSTDEV("0x0b", "0x1")),
          0, "0000:0b:00.0 0000:0b:00.1 0000:0b:00.0=/x" },
        { "a ROM, but no file for it",
          DOMAIN(ROM("<source>" ADDRESS("0x0b", "0x0") "</source>", " enabled='no'", "")
                         ROM("<source>" ADDRESS("0x0b", "0x1") "</source>", " file=''", "")),
          0, "0000:0b:00.0 0000:0b:00.1" },
        { "a file for a device of the guest's own",
          DOMAIN("<interface type='network'><rom file='/x'/></interface>" HOSTDEV("0x0b", "0x0")),
          0, "0000:0b:00.0" },
        { "a number that is none", DOMAIN(HOSTDEV("0x100", "0x0") HOSTDEV("-1", "0x0")), 0, "" },
        { "another document", "<network/>", -EBADMSG, "" },
        { "no document", "", -EBADMSG, "" },
        { "half a document", "<domain><devices>", -EBADMSG, "" },
        { "entities", "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>", -EBADMSG, "" },
};

/* The addresses, and ADDRESS=PATH of the files for their ROMs, where these are given. */
static const char *print(const Vm *vm, const GuestRoms *roms, char *buffer, size_t size) {
        char address[PCI_ADDRESS_SIZE];
        size_t length = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < vm->n_addresses; i++)
                length += (size_t)snprintf(buffer + length, size - length, "%s%s", i > 0 ? " " : "",
                                           pci_address_format(vm->addresses[i], address));
        for (size_t i = 0; roms && i < roms->n; i++)
                length += (size_t)snprintf(buffer + length, size - length, " %s=%s",
                                           pci_address_format(roms->roms[i].address, address),
                                           roms->roms[i].path);
        return buffer;
}

/* As many functions have a file, and it is called so. */
static void check_unnamed(const GuestRoms *before, const GuestRoms *after, const char *path) {
        for (size_t i = 0; i < before->n; i++)
                assert_true(guest_roms_has(after, before->roms[i].address));
        for (size_t i = 0; i < after->n; i++) {
                assert_true(guest_roms_has(before, after->roms[i].address));
                assert_string_equal(after->roms[i].path, path);
        }
}

static void test_domain(void **state) {
        const struct Domain *row = *state;
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        _cleanup_free_ char *written = NULL;
        char text[2048], again[2048];
        GuestRoms roms, again_roms;

        assert_int_equal(libvirt_domain_parse(row->xml, strlen(row->xml), vm, &roms), row->r);
        if (row->r < 0)
                return;
        assert_string_equal(print(vm, &roms, text, sizeof(text)), row->addresses);
        (void)print(vm, NULL, text, sizeof(text));
        written = libvirt_domain_format(vm, &roms);
        assert_non_null(written);
        assert_int_equal(libvirt_domain_parse(written, strlen(written), vm, &again_roms), 0);
        check_unnamed(&roms, &again_roms, "/" GUEST_ROM_UNNAMED);
        assert_string_equal(print(vm, NULL, again, sizeof(again)), text);
}

static void test_many(_unused_ void **state) {
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        (void)fputs("<domain><devices>", file);
        for (unsigned i = 0; i <= VM_ADDRESSES_MAX; i++)
                (void)fputs(HOSTDEV("0x0b", "0x0"), file);
        (void)fputs("</devices></domain>", file);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(libvirt_domain_parse(text, size, vm, NULL), -E2BIG);
}

static void test_rom_room(_unused_ void **state) {
        const PciAddress address = { .bus = 0x0b };
        char name[GUEST_ROM_PATH_SIZE + 1];
        GuestRoms roms = { 0 };

        (void)memset(name, 'x', sizeof(name));
        guest_roms_add(&roms, address, "/", name, GUEST_ROM_PATH_SIZE);
        guest_roms_add(&roms, address, "/", name, GUEST_ROM_PATH_SIZE - 1);
        assert_int_equal(roms.n, 0);
        assert_int_equal(roms.n_left_out, 2);
        for (size_t i = 0; i <= GUEST_ROMS_MAX; i++)
                guest_roms_add(&roms, address, "/", name, GUEST_ROM_PATH_SIZE - 2);
        assert_int_equal(roms.n, GUEST_ROMS_MAX);
        assert_int_equal(roms.n_left_out, 3);
        assert_int_equal(strlen(roms.roms[GUEST_ROMS_MAX - 1].path), GUEST_ROM_PATH_SIZE - 1);
        guest_roms_add(&roms, address, "/", "", 0);
        assert_int_equal(roms.n_left_out, 3);
}

static void test_reason(_unused_ void **state) {
        char reason[16];

        libvirt_log_reason("", reason, sizeof(reason));
        assert_string_equal(reason, "");
        libvirt_log_reason("2026-01-01 10:00:00.1+0000: shutting down, reason=shutdown\nx\n"
                           "2026-01-02 10:00:00.1+0000: shutting down, reason=failed\n",
                           reason, sizeof(reason));
        assert_string_equal(reason, "failed");
        assert_int_equal(libvirt_reason_word("failed"), VM_WORD_FAILED);
        assert_int_equal(libvirt_reason_word("crashed"), VM_WORD_FAILED);
        assert_int_equal(libvirt_reason_word("daemon"), VM_WORD_FAILED);
        assert_int_equal(libvirt_reason_word("destroyed"), VM_WORD_STOPPED);
        assert_int_equal(libvirt_reason_word(""), VM_WORD_STOPPED);
}

/* --- Proxmox VE --- */

#define MAPPINGS                                                                        \
        "gaming\n\tdescription a card\n\tmap id=10de:2484,node=other,path=0000:0c:00\n" \
        "\tmap id=10de:2484,iommugroup=1,node=pve,path=0000:0b:00.0;0000:0b:00.1\n"     \
        "\nnic\n\tmap id=8086:10d3,node=pve,path=0000:05:00.0\n"

static const struct Guest {
        const char *title, *text;
        int r;
        const char *addresses; /* and files, as print() has them */
} guests[] = {
        { "nothing of the host", "boot: order=scsi0\nhostname: x\n", 0, "" },
        { "a function", "hostpci0: 0000:0b:00.1,pcie=1,x-vga=1\n", 0, "0000:0b:00.1" },
        { "without a domain", "hostpci15: 0b:00.0\n", 0, "0000:0b:00.0" },
        { "a slot is all its functions", "hostpci0: 0b:00,pcie=1\n", 0,
          "0000:0b:00.0 0000:0b:00.1 0000:0b:00.2 0000:0b:00.3 0000:0b:00.4 0000:0b:00.5 0000:0b:00.6 "
          "0000:0b:00.7" },
        { "several", "hostpci0: host=0b:00.0;0001:05:00.1,driver=keep\n", 0,
          "0000:0b:00.0 0001:05:00.1" },
        { "a mapping of this node", "hostpci0: mapping=gaming,pcie=1\nhostpci1: 0d:00.0\n", 0,
          "0000:0d:00.0 0000:0b:00.0 0000:0b:00.1" },
        { "a file for the first function of a line",
          "hostpci0: 0b:00.0;0b:00.1,romfile=gpu.rom,x-vga=1\nhostpci1: romfile=b,host=0c:00.0\n",
          0,
          "0000:0b:00.0 0000:0b:00.1 0000:0c:00.0 0000:0b:00.0=/usr/share/kvm/gpu.rom 0000:0c:00.0=/usr/share/kvm/b" },
        { "a file for a mapping", "hostpci0: mapping=gaming,romfile=/usr/share/kvm/gpu.rom\n", 0,
          "0000:0b:00.0 0000:0b:00.1 0000:0b:00.0=/usr/share/kvm//usr/share/kvm/gpu.rom" },
        { "a mapping that there is not", "hostpci0: mapping=gone\n", 0, "" },
        { "a snapshot is of the past", "cores: 2\n[before]\nhostpci0: 0b:00.0\n", 0, "" },
        { "the last line without an end", "hostpci0: 0b:00.0", 0, "0000:0b:00.0" },
        { "what looks like one", "hostpci: 0b:00.0\nhostpcix: 1\n#hostpci0: 0b:00.0\n", 0, "" },
        { "no address", "hostpci0: pcie=1\n", -EBADMSG, "" },
        { "what is no address", "hostpci0: 0b\n", -EBADMSG, "" },
        { "an address too few", "hostpci0: 0b:00.0;\n", -EBADMSG, "" },
        { "a mapping without a name", "hostpci0: mapping=\n", -EBADMSG, "" },
        { "too many", "hostpci0: 0b:00;0b:01;0b:02;0b:03;0b:04;0b:05;0b:06;0b:07;0b:08\n", -E2BIG,
          "" },
};

static void test_guest(void **state) {
        _cleanup_free_ char *written = NULL;
        const struct Guest *row = *state;
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        ProxmoxGuest guest, again_guest;
        char text[2048], again[2048];

        assert_int_equal(proxmox_guest_parse(row->text, vm, &guest), row->r);
        if (row->r < 0)
                return;
        for (size_t i = 0; i < guest.n_mappings; i++)
                assert_int_equal(
                        proxmox_mapping_parse(MAPPINGS, &guest.mappings[i], "pve", vm, &guest), 0);
        assert_string_equal(print(vm, &guest.roms, text, sizeof(text)), row->addresses);
        (void)print(vm, NULL, text, sizeof(text));
        written = proxmox_guest_format(vm, &guest.roms, guest.bound, false);
        assert_non_null(written);
        vm->n_addresses = 0;
        assert_int_equal(proxmox_guest_parse(written, vm, &again_guest), 0);
        check_unnamed(&guest.roms, &again_guest.roms, "/usr/share/kvm/" GUEST_ROM_UNNAMED);
        assert_string_equal(print(vm, NULL, again, sizeof(again)), text);
        assert_int_equal(again_guest.bound, guest.bound);
}

static const struct Bound {
        const char *title, *text;
        uint64_t bound;
} bounds[] = {
        { "a driver is not named", "hostpci0: 0b:00.0;0b:00.1,pcie=1\n", 3 },
        { "the driver is kept", "hostpci0: 0b:00.0;0b:00.1,driver=keep\n", 0 },
        { "the driver is kept of a slot", "hostpci0: driver=keep,host=0b:00\n", 0 },
        { "the driver of one line", "hostpci0: 0b:00.0,driver=keep\nhostpci1: 0b:00.1\n", 2 },
        { "the driver of a function that is named twice, and has a ROM",
          "hostpci0: 0b:00.0,romfile=a\nhostpci1: 0b:00.0;0b:00.1,driver=keep\n", 1 },
        { "the driver of a mapping", "hostpci0: mapping=gaming\nhostpci1: 0d:00.0,driver=keep\n",
          6 },
        { "the driver is kept of a mapping", "hostpci0: mapping=gaming,driver=keep\n", 0 },
        { "another driver", "hostpci0: 0b:00.0,driver=vfio\n", 1 },
        { "a driver that begins alike", "hostpci0: 0b:00.0,driver=kee\n", 1 },
        { "a driver of a snapshot", "hostpci0: 0b:00.0\n[x]\nhostpci0: 0b:00.0,driver=keep\n", 1 },
};

static void test_bound(void **state) {
        _cleanup_free_ char *written = NULL;
        const struct Bound *row = *state;
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        ProxmoxGuest guest;

        assert_int_equal(proxmox_guest_parse(row->text, vm, &guest), 0);
        for (size_t i = 0; i < guest.n_mappings; i++)
                assert_int_equal(
                        proxmox_mapping_parse(MAPPINGS, &guest.mappings[i], "pve", vm, &guest), 0);
        assert_int_equal(guest.bound, row->bound);
        written = proxmox_guest_format(vm, &guest.roms, guest.bound, false);
        assert_non_null(written);
        vm->n_addresses = 0;
        assert_int_equal(proxmox_guest_parse(written, vm, &guest), 0);
        assert_int_equal(guest.bound, row->bound);
}

static const struct Onboot {
        const char *title, *text;
        bool onboot;
} onboots[] = {
        { "not said", "cores: 2\n", false },
        { "said", "onboot: 1\n", true },
        { "in another word", "onboot: yes\ncores: 1\n", true },
        { "denied", "onboot: 0\n", false },
        { "the last one counts", "onboot: 1\nonboot: 0\n", false },
        { "of a snapshot", "onboot: 0\n[before]\nonboot: 1\n", false },
        { "another key", "onboots: 1\n#onboot: 1\n", false },
};

static void test_onboot(void **state) {
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        _cleanup_free_ char *written = NULL;
        const struct Onboot *row = *state;
        ProxmoxGuest guest;

        assert_int_equal(proxmox_guest_parse(row->text, vm, &guest), 0);
        assert_int_equal(guest.onboot, row->onboot);
        written = proxmox_guest_format(vm, &guest.roms, guest.bound, guest.onboot);
        assert_non_null(written);
        assert_int_equal(proxmox_guest_parse(written, vm, &guest), 0);
        assert_int_equal(guest.onboot, row->onboot);
}

#define STORAGES                                                                               \
        "dir: local\n\tcontent iso,snippets\n\tpath /var/lib/vz\n\npathology: x\n\tpathy /p\n" \
        "\nnfs: far\n\texport /x\n\tserver 192.0.2.1\n\tpath   /mnt/pve/far \n\nzfspool: fast\n\tpool p\n"

static const struct Storage {
        const char *title, *name;
        int r;
        const char *path;
} storages[] = {
        { "a directory", "local", 0, "/var/lib/vz" },
        { "of another kind", "far", 0, "/mnt/pve/far" },
        { "one without files", "fast", -ENOENT, "" },
        { "a key that begins alike", "x", -ENOENT, "" },
        { "one that is not there", "loca", -ENOENT, "" },
        { "no name", "", -ENOENT, "" },
};

static void test_storage(void **state) {
        const struct Storage *row = *state;
        char path[PROXMOX_PATH_SIZE] = "";

        assert_int_equal(proxmox_storage_parse(STORAGES, row->name, strlen(row->name), path),
                         row->r);
        assert_string_equal(path, row->path);
}

static void test_hookscript(_unused_ void **state) {
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        ProxmoxGuest guest;

        assert_int_equal(proxmox_guest_parse("cores: 1\nhookscript:  local:snippets/a b \n"
                                             "[old]\nhookscript: local:snippets/x\n",
                                             vm, &guest),
                         0);
        assert_string_equal(guest.hookscript, "local:snippets/a b");
        assert_int_equal(proxmox_guest_parse("#hookscript: x\nhookscripts: y\n", vm, &guest), 0);
        assert_string_equal(guest.hookscript, "");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_domain, domains);
        TABLE_ROWS(&table, test_storage, storages);
        table_add(&table, "a hookscript", test_hookscript, NULL);
        table_add(&table, "more functions than fit", test_many, NULL);
        table_add(&table, "more files than fit, and longer ones", test_rom_room, NULL);
        table_add(&table, "how a domain ended", test_reason, NULL);
        TABLE_ROWS(&table, test_guest, guests);
        TABLE_ROWS(&table, test_bound, bounds);
        TABLE_ROWS(&table, test_onboot, onboots);
        return table_run("guest-definitions", &table);
}

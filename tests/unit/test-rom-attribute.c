/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attribute `rom` is disabled again whatever comes of the reading. pread(2) and pwrite(2) are
 * a kernel's that fails as ordered, on a plain file; the real one is asked in the emulated PC.
 */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/sysfs.h"
#include "table.h"

#define PAGE 4096
#define ADDRESS "0000:01:00.0"
#define PATH "sys/bus/pci/devices/" ADDRESS "/rom"

/* What the attribute does, and what it was told. */
static struct {
        size_t size;          /* of the ROM */
        unsigned failing;     /* the read that fails; 0: none */
        int error;            /* of it */
        int disable_error;    /* 0: none */
        unsigned stop_before; /* the read before which somebody wants to stop; 0: none */
        unsigned n_reads, n_asked;
        bool is_enabled, was_enabled;
} rom;

ssize_t pread(int fd, void *buffer, size_t size, off_t offset) {
        (void)fd;
        if (!rom.is_enabled || ++rom.n_reads == rom.failing) {
                errno = rom.is_enabled ? rom.error : EINVAL;
                return -1;
        }
        if ((size_t)offset >= rom.size)
                return 0;
        if (size > PAGE)
                size = PAGE;
        if (size > rom.size - (size_t)offset)
                size = rom.size - (size_t)offset;
        for (size_t i = 0; i < size; i++)
                ((uint8_t *)buffer)[i] = (uint8_t)(((size_t)offset + i) / 100);
        return (ssize_t)size;
}

/* As strict as pci_write_rom() may be. */
ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset) {
        bool is_no = offset == 0 && size == 2 && ((const char *)buffer)[0] == '0';

        (void)fd;
        if (is_no && rom.disable_error != 0) {
                errno = rom.disable_error;
                return -1;
        }
        rom.is_enabled = !is_no;
        rom.was_enabled |= rom.is_enabled;
        return (ssize_t)size;
}

static bool stop(void) {
        return ++rom.n_asked == rom.stop_before;
}

static const struct Row {
        const char *title;
        size_t size, room;
        unsigned failing;
        int error;
        unsigned stop_before;
        ssize_t expected;
} rows[] = {
        { "one page", PAGE, 4 * PAGE, 0, 0, 0, PAGE },
        { "some pages and a bit", 3 * PAGE + 7, 4 * PAGE, 0, 0, 0, 3 * PAGE + 7 },
        { "more than there is room for", 8 * PAGE, 2 * PAGE + 1, 0, 0, 0, 2 * PAGE + 1 },
        { "nothing", 0, PAGE, 0, 0, 0, 0 },
        { "no ROM that the kernel takes for one", PAGE, PAGE, 1, EIO, 0, -EIO },
        { "an error midway", 4 * PAGE, 4 * PAGE, 3, EIO, 0, -EIO },
        { "somebody else disables it midway", 4 * PAGE, 4 * PAGE, 3, EINVAL, 0, -EINVAL },
        { "interrupted at once", 4 * PAGE, 4 * PAGE, 0, 0, 1, -EINTR },
        { "interrupted midway", 4 * PAGE, 4 * PAGE, 0, 0, 3, -EINTR },
};

static ssize_t read_it(FakeHost *host, uint8_t *buffer, size_t size) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        PciAddress address;

        assert_int_equal(pci_address_parse(ADDRESS, &address), 0);
        assert_int_equal(root_open(fake_host_path(host), &root), 0);
        return sysfs_read_rom(&root, address, buffer, size, stop);
}

static void test_row(void **state) {
        _cleanup_(fake_host_freep) FakeHost *host = fake_host_new();
        const struct Row *row = *state;
        _cleanup_free_ uint8_t *buffer = malloc(row->room);

        fake_host_add_function(host, ADDRESS, .id = "10de:2484", .class_code = 0x030000);
        fake_host_write(host, PATH, "");
        (void)memset(&rom, 0, sizeof(rom));
        rom.size = row->size;
        rom.failing = row->failing;
        rom.error = row->error;
        rom.stop_before = row->stop_before;
        assert_int_equal(read_it(host, buffer, row->room), row->expected);
        assert_true(rom.was_enabled);
        assert_false(rom.is_enabled);
        for (ssize_t i = 0; i < row->expected; i++)
                assert_int_equal(buffer[i], (uint8_t)(i / 100));
}

static void test_cannot_be_disabled(void **state) {
        _cleanup_(fake_host_freep) FakeHost *host = fake_host_new();
        uint8_t buffer[PAGE];

        (void)state;
        fake_host_add_function(host, ADDRESS, .id = "10de:2484", .class_code = 0x030000);
        assert_int_equal(read_it(host, buffer, sizeof(buffer)), -ENOENT);
        fake_host_write(host, PATH, "");
        (void)memset(&rom, 0, sizeof(rom));
        rom.size = PAGE;
        rom.disable_error = ENODEV;
        assert_int_equal(read_it(host, buffer, sizeof(buffer)), -ENODEV);
        /* The first reason counts. */
        (void)memset(&rom, 0, sizeof(rom));
        rom.size = PAGE;
        rom.failing = 1;
        rom.error = EIO;
        rom.disable_error = ENODEV;
        assert_int_equal(read_it(host, buffer, sizeof(buffer)), -EIO);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "there is none, or it cannot be disabled", test_cannot_be_disabled, NULL);
        return table_run("rom-attribute", &table);
}

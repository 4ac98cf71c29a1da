/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The displays of a machine made of files, and which of them has the console. */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "../fake/fake-needs.h"
#include "host/needs-screens.h"
#include "table.h"

#define FIRST "0000:01:00.0"
#define SECOND "0000:02:00.0"
#define THIRD "0000:03:00.0"

#define VGA { .driver = "nvidia", .boot_vga = true, .audio = true }
#define PLAIN { .driver = "bochs-drm", .not_vga = true }

typedef struct Row {
        const char *title;
        FakeGpu first, second;
        const char *console; /* where the first framebuffer is below sys/devices; NULL: none */
        const char *other;   /* the next one */
        const char *iomem;   /* NULL: none */
        const char *screens; /* address, console, boot_vga, away */
} Row;

static const Row rows[] = {
        { .title = "one without boot_vga", .first = PLAIN, .screens = FIRST " - - -\n" },
        { .title = "one with the console of its driver",
          .first = PLAIN,
          .console = "pci0000:01/" FIRST "/graphics/fb0",
          .screens = FIRST " console - -\n" },
        { .title = "one with the firmware's framebuffer",
          .first = PLAIN,
          .console = "pci0000:01/" FIRST "/simple-framebuffer.0/graphics/fb0",
          .screens = FIRST " console - -\n" },
        { .title = "a framebuffer that is no PCI device's",
          .first = PLAIN,
          .console = "platform/efi-framebuffer.0/graphics/fb0",
          .screens = FIRST " - - -\n" },
        { .title = "the firmware's framebuffer, which claims memory of a function (kernel 6.1)",
          .first = PLAIN,
          .second = PLAIN,
          .console = "platform/efi-framebuffer.0/graphics/fb0",
          .iomem = "00000000-00000000 : PCI Bus 0000:02\n"
                   "  00000000-00000000 : " SECOND "\n"
                   "    00000000-00000000 : efifb\n",
          .screens = FIRST " - - -\n" SECOND " console - -\n" },
        { .title = "a VGA, and another with the console",
          .first = VGA,
          .second = PLAIN,
          .console = "pci0000:02/" SECOND "/graphics/fb0",
          .other = "pci0000:01/" FIRST "/graphics/fb1",
          .screens = FIRST " - boot_vga -\n" SECOND " console - -\n" },
        { .title = "the first framebuffer is gone, and the next has the console",
          .first = { .driver = "vfio-pci", .boot_vga = true, .group = 1 },
          .second = PLAIN,
          .other = "pci0000:02/" SECOND "/graphics/fb1",
          .screens = FIRST " - boot_vga away\n" SECOND " console - -\n" },
};

static void describe(const Needs *needs, char *text, size_t size) {
        text[0] = '\0';
        for (size_t i = 0; i < needs->n_needs; i++) {
                const Need *need = &needs->needs[i];
                char address[PCI_ADDRESS_SIZE];
                size_t length = strlen(text);

                assert_int_equal(need->kind, NEED_SCREEN);
                assert_true(need->is_function && need->chain[0] != '\0');
                (void)snprintf(text + length, size - length, "%s %s %s %s\n",
                               pci_address_format(need->path[need->n_path - 1], address),
                               need->shows_console ? "console" : "-",
                               need->is_boot_vga ? "boot_vga" : "-", need->is_away ? "away" : "-");
        }
}

static int compare(const void *a, const void *b) {
        const Need *one = a, *other = b;

        return pci_address_compare(one->path[one->n_path - 1], other->path[other->n_path - 1]);
}

static void assert_screens(FakeHost *fake, const char *expected) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        Needs *needs = calloc(1, sizeof(*needs));
        char text[512];

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(needs_scan_screens(&root, needs), 0);
        qsort(needs->needs, needs->n_needs, sizeof(needs->needs[0]), compare);
        describe(needs, text, sizeof(text));
        assert_string_equal(text, expected);
        free(needs);
}

static void add_framebuffer(FakeHost *fake, const char *name, const char *where) {
        char path[64], target[128];

        if (!where)
                return;
        (void)snprintf(path, sizeof(path), "sys/class/graphics/%s", name);
        (void)snprintf(target, sizeof(target), "../../devices/%s", where);
        fake_host_link(fake, path, target);
}

static void test_row(void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        const Row *row = *state;

        fake_host_add_gpu_(fake, FIRST, &row->first);
        if (row->second.driver)
                fake_host_add_gpu_(fake, SECOND, &row->second);
        add_framebuffer(fake, "fb0", row->console);
        if (row->iomem)
                fake_host_write(fake, "proc/iomem", row->iomem);
        add_framebuffer(fake, "fb1", row->other);
        fake_host_add_nic(fake, "0000:05:00.0", 0);
        assert_screens(fake, row->screens);
}

/* It has no outputs, unless it has the console after all. */
static void test_3d_controller(void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();

        fake_host_add_function(fake, THIRD, .id = "10de:1c8c", .class_code = 0x030200);
        assert_screens(fake, "");
        add_framebuffer(fake, "fb0", "pci0000:03/" THIRD "/graphics/fb0");
        assert_screens(fake, THIRD " console - -\n");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "a 3D controller", test_3d_controller, NULL);
        return table_run("screens", &table);
}

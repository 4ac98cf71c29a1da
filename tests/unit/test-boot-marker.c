/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The marker of a boot on the kernel command line. */
#undef NDEBUG

#include <errno.h>
#include <string.h>

#include "model/boot-state.h"
#include "model/kernel-cmdline.h"
#include "table.h"

static const struct Row {
        const char *title;
        const char *cmdline;
        int result;
        BootMarker marker;
        bool proves_grub;
} rows[] = {
        { "nothing", "", 0, { 0 }, false },
        { "other words",
          "quiet vfio_mode=game boot=trial.1.0 vfio_mode.boots=idle.1.0",
          0,
          { 0 },
          false },
        { "idle", "quiet vfio_mode.boot=idle.17.0", 1, { BOOT_KIND_IDLE, 17, 0 }, true },
        { "idle, not written", "vfio_mode.boot=idle.17.1", 1, { BOOT_KIND_IDLE, 17, 1 }, false },
        { "once", "vfio_mode.boot=once.17.0 quiet", 1, { BOOT_KIND_ONCE, 17, 0 }, true },
        { "trial", "vfio_mode.boot=trial.17.2", 1, { BOOT_KIND_TRIAL, 17, 2 }, true },
        { "default", "vfio_mode.boot=default.17.3", 1, { BOOT_KIND_DEFAULT, 17, 3 }, true },
        { "skipped", "vfio_mode.boot=skipped.17.3", 1, { BOOT_KIND_SKIPPED, 17, 3 }, true },
        { "expired", "vfio_mode.boot=expired.17.0", 1, { BOOT_KIND_EXPIRED, 17, 0 }, true },
        { "unwritable",
          "vfio_mode.boot=unwritable.17.1",
          1,
          { BOOT_KIND_UNWRITABLE, 17, 1 },
          false },
        { "damaged", "vfio_mode.boot=damaged.0.0", 1, { BOOT_KIND_DAMAGED, 0, 0 }, false },
        { "missing", "vfio_mode.boot=missing.0.0", 1, { BOOT_KIND_MISSING, 0, 0 }, false },
        { "menu", "vfio_mode.boot=menu.0.0", 1, { BOOT_KIND_MENU, 0, 0 }, false },
        { "no sequence", "vfio_mode.boot=trial.0.0", 1, { BOOT_KIND_TRIAL, 0, 0 }, false },
        { "the last one wins",
          "vfio_mode.boot=trial.17.2 vfio_mode.boot=menu.0.0",
          1,
          { BOOT_KIND_MENU, 0, 0 },
          false },
        { "a dash, as the kernel reads it",
          "vfio-mode.boot=once.5.0",
          1,
          { BOOT_KIND_ONCE, 5, 0 },
          true },
        { "quotes, as the kernel reads them",
          "\"vfio_mode.boot=once.5.0\"",
          1,
          { BOOT_KIND_ONCE, 5, 0 },
          true },
        { "the largest sequence",
          "vfio_mode.boot=once.18446744073709551615.0",
          1,
          { BOOT_KIND_ONCE, UINT64_MAX, 0 },
          true },
        { "an empty one", "vfio_mode.boot=", -EBADMSG, { 0 }, false },
        { "an unknown kind", "vfio_mode.boot=often.1.0", -EBADMSG, { 0 }, false },
        { "the kind of no marker", "vfio_mode.boot=none.1.0", -EBADMSG, { 0 }, false },
        { "one point", "vfio_mode.boot=once.1", -EBADMSG, { 0 }, false },
        { "three points", "vfio_mode.boot=once.1.0.0", -EBADMSG, { 0 }, false },
        { "a sequence that is none", "vfio_mode.boot=once.x.0", -EBADMSG, { 0 }, false },
        { "a sequence that is too large",
          "vfio_mode.boot=once.18446744073709551616.0",
          -EBADMSG,
          { 0 },
          false },
        { "left that cannot be", "vfio_mode.boot=once.1.4", -EBADMSG, { 0 }, false },
        { "no left", "vfio_mode.boot=once.1.", -EBADMSG, { 0 }, false },
        { "one that does not fit",
          "vfio_mode.boot=once.00000000000000000000000000000000000000000000000000000000000001.0",
          -EBADMSG,
          { 0 },
          false },
        { "a good one and a bad one behind it",
          "vfio_mode.boot=once.1.0 vfio_mode.boot=x",
          -EBADMSG,
          { 0 },
          false },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        BootMarker marker = { BOOT_KIND_MENU, 4711, 3 };

        assert_int_equal(boot_marker_find(row->cmdline, &marker), row->result);
        assert_int_equal(marker.kind, row->marker.kind);
        assert_true(marker.sequence == row->marker.sequence);
        assert_int_equal(marker.left, row->marker.left);
        assert_int_equal(boot_marker_proves_grub(&marker), row->proves_grub);
}

static void test_names(void **state) {
        (void)state;
        for (unsigned kind = 0; kind < _BOOT_KIND_MAX; kind++) {
                assert_int_equal(boot_kind_by_name(boot_kind_name((BootKind)kind)), kind);
                assert_true(*boot_kind_text((BootKind)kind));
        }
        assert_int_equal(boot_kind_by_name("Trial"), BOOT_KIND_NONE);
        assert_int_equal(boot_kind_by_name(""), BOOT_KIND_NONE);
}

static void test_value(void **state) {
        char value[4] = "?";

        (void)state;
        assert_int_equal(kernel_cmdline_value("a=1 b=2", "c", value, sizeof(value)), -ENOENT);
        assert_string_equal(value, "?");
        assert_int_equal(kernel_cmdline_value("a=1 b=2 a=\"3 4\"", "a", value, sizeof(value)), 0);
        assert_string_equal(value, "3 4");
        assert_int_equal(kernel_cmdline_value("a=1 a=1234", "a", value, sizeof(value)),
                         -ENAMETOOLONG);
        assert_int_equal(kernel_cmdline_value("a", "a", value, sizeof(value)), -ENOENT);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "names of kinds", test_names, NULL);
        table_add(&table, "a value on the command line", test_value, NULL);
        return table_run("boot-marker", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one-shot EFI variable, in a tree of plain files. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot-machine.h"
#include "boot/efi-one-shot.h"
#include "table.h"

#define VARIABLE EFI_VARIABLES_DIR "/" EFI_ONE_SHOT_NAME

static void test_available(void **state) {
        BootMachine *machine = *state;

        assert_true(efi_is_available(&machine->root));
        boot_machine_mounts(machine, MOUNT_ROOT MOUNT_ESP);
        assert_false(efi_is_available(&machine->root));
        boot_machine_mounts(machine, MOUNT_ROOT
                            "27 26 0:28 / /sys/firmware/efi/efivars rw - efivarfs x ro\n");
        assert_false(efi_is_available(&machine->root));
        /* A service may see it bound read-only; who writes is another one. */
        boot_machine_mounts(machine, MOUNT_ROOT
                            "27 26 0:28 / /sys/firmware/efi/efivars ro - efivarfs x rw\n");
        assert_true(efi_is_available(&machine->root));
        fake_host_remove(machine->fake, "proc/self/mountinfo");
        assert_false(efi_is_available(&machine->root));
}

static void test_write_and_read(void **state) {
        BootMachine *machine = *state;
        char mode[CONFIG_NAME_SIZE] = "untouched";
        _cleanup_free_ char *text = NULL;
        struct stat st;

        assert_int_equal(efi_one_shot_read(&machine->root, mode), 0);
        assert_string_equal(mode, "untouched");
        assert_int_equal(efi_one_shot_write(&machine->root, "passthrough"), 0);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 1);
        assert_string_equal(mode, "passthrough");
        text = fake_host_read(machine->fake, VARIABLE);
        assert_memory_equal(text, "\7\0\0\0passthrough", 4 + 11);
        assert_int_equal(fstatat(machine->root.fd, VARIABLE, &st, 0), 0);
        assert_int_equal(st.st_size, 4 + 11);
}

static void test_replace(void **state) {
        BootMachine *machine = *state;
        char mode[CONFIG_NAME_SIZE];
        struct stat before, after;

        assert_int_equal(efi_one_shot_write(&machine->root, "passthrough"), 0);
        assert_int_equal(efi_one_shot_write(&machine->root, "vm"), 0);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 1);
        assert_string_equal(mode, "vm");
        /* Flash wears: what is there is not written again. */
        assert_int_equal(fstatat(machine->root.fd, VARIABLE, &before, 0), 0);
        assert_int_equal(efi_one_shot_write(&machine->root, "vm"), 0);
        assert_int_equal(fstatat(machine->root.fd, VARIABLE, &after, 0), 0);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        assert_int_equal(before.st_ino, after.st_ino);
}

static void test_delete(void **state) {
        BootMachine *machine = *state;
        char mode[CONFIG_NAME_SIZE];

        assert_int_equal(efi_one_shot_delete(&machine->root), 0);
        assert_int_equal(efi_one_shot_write(&machine->root, "passthrough"), 0);
        assert_int_equal(efi_one_shot_delete(&machine->root), 0);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 0);
        assert_int_equal(efi_one_shot_delete(&machine->root), 0);
}

static void test_errors(void **state) {
        BootMachine *machine = *state;

        assert_int_equal(efi_one_shot_write(&machine->root, "not a mode"), -EINVAL);
        assert_int_equal(efi_one_shot_write(&machine->root, "fallback"), -EINVAL);
        assert_int_equal(efi_one_shot_write(&machine->root, ""), -EINVAL);
        fake_host_remove(machine->fake, EFI_VARIABLES_DIR);
        assert_int_equal(efi_one_shot_write(&machine->root, "passthrough"), -ENOENT);
        assert_int_equal(efi_one_shot_delete(&machine->root), 0);
        assert_int_equal(mkdirat(machine->root.fd, EFI_VARIABLES_DIR, 0755), 0);
        assert_int_equal(mkdirat(machine->root.fd, VARIABLE, 0755), 0);
        assert_int_equal(efi_one_shot_delete(&machine->root), -EISDIR);
}

/* --- damaged ones --- */

typedef struct Row {
        const char *title, *bytes;
        size_t size;
} Row;

#define BYTES(text) (text), sizeof(text) - 1

static const Row rows[] = {
        { "an empty variable", BYTES("") },
        { "attributes that are cut", BYTES("\7\0") },
        { "attributes and no name", BYTES("\7\0\0\0") },
        { "a name with a newline", BYTES("\7\0\0\0host\n") },
        { "a name with its NUL", BYTES("\7\0\0\0host\0") },
        { "a name in UTF-16", BYTES("\7\0\0\0h\0o\0s\0t\0") },
        { "a name that is too long", BYTES("\7\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
        { "a name of 33 bytes", BYTES("\7\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
        { "a reserved name", BYTES("\7\0\0\0fallback") },
        { "a path", BYTES("\7\0\0\0../host") },
};

static void test_row(void **state) {
        const Row *row = *state;
        char mode[CONFIG_NAME_SIZE] = "untouched";
        void *made = NULL;
        BootMachine *machine;

        (void)boot_machine_set_up(&made);
        machine = made;
        fake_host_write_bytes(machine->fake, VARIABLE, row->bytes, row->size);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), -EBADMSG);
        assert_string_equal(mode, "untouched");
        assert_int_equal(efi_one_shot_delete(&machine->root), 0);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 0);
        (void)boot_machine_tear_down(&made);
}

#define ON_MACHINE(title, function) \
        { (title), (function), boot_machine_set_up, boot_machine_tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("whether variables can be written", test_available),
                ON_MACHINE("what is written is read", test_write_and_read),
                ON_MACHINE("another mode, and the same again", test_replace),
                ON_MACHINE("deleting it", test_delete),
                ON_MACHINE("what cannot be written or deleted", test_errors),
        };
        static Table table;

        TABLE_ROWS(&table, test_row, rows);
        for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                table.tests[table.n_tests++] = tests[i];
        return table_run("efi-one-shot", &table);
}

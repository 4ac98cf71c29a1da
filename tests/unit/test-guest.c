/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest is by its unit, what virsh and qm call it, and which switch ends it. */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "model/guest.h"
#include "table.h"

#define UUID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define QEMU "qemu-system-x86_64\0-name\0guest=win\0"

typedef struct Row {
        const char *title, *unit, *cmdline;
        size_t size;
        GuestKind kind;
        const char *id; /* NULL: none */
} Row;

#define CMDLINE(text) (text), sizeof(text) - 1

static const Row rows[] = {
        { "of no unit, or of a user", "", CMDLINE(""), GUEST_PROCESS, NULL },
        { "a service", "guest.service", CMDLINE(QEMU "-uuid\0" UUID "\0"), GUEST_SERVICE, NULL },
        { "a scope that somebody made", "run-r12.scope", CMDLINE(""), GUEST_PROCESS, NULL },
        { "libvirt's scope", "machine-qemu\\x2d1\\x2dwin.scope",
          CMDLINE(QEMU "-uuid\0" UUID "\0-S\0"), GUEST_LIBVIRT, UUID },
        { "libvirt without scopes", "virtqemud.service", CMDLINE(QEMU "-uuid\0" UUID "\0"),
          GUEST_LIBVIRT, UUID },
        { "libvirt of old without scopes", "libvirtd.service", CMDLINE("-uuid\0" UUID),
          GUEST_LIBVIRT, UUID },
        { "no UUID", "libvirtd.service", CMDLINE(QEMU), GUEST_LIBVIRT, NULL },
        { "nothing behind it", "libvirtd.service", CMDLINE(QEMU "-uuid\0"), GUEST_LIBVIRT, NULL },
        { "what is none behind it", "libvirtd.service",
          CMDLINE("-uuid\0--all-of-them-and-then-some-more-----\0"), GUEST_LIBVIRT, NULL },
        { "another container's scope", "machine-debian.scope", CMDLINE(""), GUEST_PROCESS, NULL },
        { "Proxmox", "100.scope", CMDLINE("/usr/bin/kvm\0-id\000100\0"), GUEST_PROXMOX, "100" },
        { "a number that is none", "100a.scope", CMDLINE(""), GUEST_PROCESS, NULL },
        { "a service with a number", "100.service", CMDLINE(""), GUEST_SERVICE, NULL },
        { "a number that is too long", "1234567890123456789012345678901234567.scope", CMDLINE(""),
          GUEST_PROCESS, NULL },
};

static void test_kind(void **state) {
        const Row *row = *state;
        char id[GUEST_ID_SIZE] = "untouched";

        assert_int_equal(guest_kind(row->unit), row->kind);
        assert_true(guest_manner(row->kind)[0] != '\0');
        assert_int_equal(guest_id(row->unit, row->cmdline, row->size, id), row->id != NULL);
        assert_string_equal(id, row->id ? row->id : "untouched");
}

static const struct Leaving {
        const char *title, *mode, *old_mode, *to, *left;
        bool ends;
} leavings[] = {
        { "from one mode to another", "passthrough", "host", "host", "passthrough", true },
        { "the same mode again", "host", "passthrough", "host", "host", false },
        { "the first one since boot", "", "", "host", "", false },
        { "on from half-way", "", "passthrough", "host", "passthrough", true },
        { "back from half-way", "", "host", "host", "host", true },
};

static void test_leaving(void **state) {
        const struct Leaving *row = *state;
        RunState *now = calloc(1, sizeof(*now));

        (void)snprintf(now->mode, sizeof(now->mode), "%s", row->mode);
        (void)snprintf(now->old_mode, sizeof(now->old_mode), "%s", row->old_mode);
        assert_string_equal(guest_left_mode(now), row->left);
        assert_int_equal(guest_may_be_ended(now, row->to), row->ends);
        free(now);
}

int main(void) {
        Table table = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                table_add(&table, rows[i].title, test_kind, &rows[i]);
        for (size_t i = 0; i < ARRAY_SIZE(leavings); i++)
                table_add(&table, leavings[i].title, test_leaving, &leavings[i]);
        return table_run("guest", &table);
}

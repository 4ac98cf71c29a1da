/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests by their units: libvirt has systemd-machined or systemd make a scope "machine-qemu..." for
 * each, and where there is neither, they stay in its own service. Proxmox has a scope that is
 * called as the guest's number.
 */
#include <ctype.h>
#include <string.h>

#include "base/parse.h"
#include "guest.h"

#define DIGITS "0123456789"
#define SCOPE ".scope"

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), behind = strlen(end);

        return length > behind && strcmp(text + length - behind, end) == 0;
}

GuestKind guest_kind(const char *unit) {
        size_t n_digits = strspn(unit, DIGITS);

        if (n_digits > 0 && n_digits < GUEST_ID_SIZE && strcmp(unit + n_digits, SCOPE) == 0)
                return GUEST_PROXMOX;
        if ((strncmp(unit, "machine-qemu", strlen("machine-qemu")) == 0 &&
             ends_with(unit, SCOPE)) ||
            strcmp(unit, "libvirtd.service") == 0 || strcmp(unit, "virtqemud.service") == 0)
                return GUEST_LIBVIRT;
        return ends_with(unit, ".service") ? GUEST_SERVICE : GUEST_PROCESS;
}

const char *guest_manner(GuestKind kind) {
        static const char *const manners[] = {
                [GUEST_PROCESS] = "by SIGTERM",
                [GUEST_SERVICE] = "by stopping its unit",
                [GUEST_LIBVIRT] = "by virsh shutdown",
                [GUEST_PROXMOX] = "by qm shutdown",
        };

        return manners[kind];
}

/* By its length: the last argument of a process that has changed its own may have no end. */
static bool is_uuid(const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (!isxdigit((unsigned char)text[i]) && text[i] != '-')
                        return false;
        return length == GUEST_ID_SIZE - 1;
}

static bool find_uuid(const char *cmdline, size_t size, char ret[static GUEST_ID_SIZE]) {
        const char *end = cmdline + size, *argument = cmdline;
        bool is_next = false;

        while (argument < end) {
                size_t length = strnlen(argument, (size_t)(end - argument));

                if (is_next && is_uuid(argument, length))
                        return parse_copy(ret, GUEST_ID_SIZE, argument, length) >= 0;
                is_next = length == strlen("-uuid") && strncmp(argument, "-uuid", length) == 0;
                argument += length + 1;
        }
        return false;
}

bool guest_id(const char *unit, const char *cmdline, size_t size, char ret[static GUEST_ID_SIZE]) {
        switch (guest_kind(unit)) {
        case GUEST_PROXMOX:
                return parse_copy(ret, GUEST_ID_SIZE, unit, strspn(unit, DIGITS)) >= 0;
        case GUEST_LIBVIRT:
                return find_uuid(cmdline, size, ret);
        case GUEST_PROCESS:
        case GUEST_SERVICE:
                break;
        }
        return false;
}

const char *guest_left_mode(const RunState *state) {
        return state->mode[0] != '\0' ? state->mode : state->old_mode;
}

bool guest_may_be_ended(const RunState *state, const char *mode) {
        return guest_left_mode(state)[0] != '\0' && strcmp(state->mode, mode) != 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest by its unit and its command line, which is whatever the process has made of it: the name
 * that a hypervisor is told has no characters but those of a number or a UUID. The input is a unit,
 * an end of line, and /proc/PID/cmdline.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        size_t rest = end ? size - length - 1 : 0;
        char *unit = malloc(length + 1);
        char *cmdline = malloc(rest > 0 ? rest : 1); /* no NUL behind it but its own */
        char id[GUEST_ID_SIZE];

        assert(unit && cmdline);
        if (length > 0)
                (void)memcpy(unit, data, length);
        unit[length] = '\0';
        if (rest > 0)
                (void)memcpy(cmdline, end + 1, rest);
        if (guest_id(unit, cmdline, rest, id)) {
                assert(id[0] != '\0' && strlen(id) < sizeof(id));
                assert(id[strspn(id, "0123456789abcdefABCDEF-")] == '\0');
                assert(guest_kind(unit) == GUEST_LIBVIRT || guest_kind(unit) == GUEST_PROXMOX);
        }
        assert(guest_manner(guest_kind(unit)));
        free(unit);
        free(cmdline);
        return 0;
}

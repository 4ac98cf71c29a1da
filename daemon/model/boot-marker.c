/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The marker that GRUB leaves on the kernel command line: vfio_mode.boot=KIND.SEQUENCE.LEFT.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "boot-state.h"
#include "kernel-cmdline.h"

typedef struct KindRow {
        const char *name;
        const char *text;
} KindRow;

static const KindRow kinds[_BOOT_KIND_MAX] = {
        [BOOT_KIND_NONE] = { "none", "GRUB said nothing about a mode" },
        [BOOT_KIND_IDLE] = { "idle", "no mode was armed" },
        [BOOT_KIND_ONCE] = { "once", "one boot into the mode was asked for" },
        [BOOT_KIND_TRIAL] = { "trial", "a trial of the mode as default" },
        [BOOT_KIND_DEFAULT] = { "default", "the mode is the confirmed default" },
        [BOOT_KIND_SKIPPED] = { "skipped", "one boot in the fallback mode was asked for" },
        [BOOT_KIND_EXPIRED] = { "expired",
                                "the boots that were left of the armed mode are used up" },
        [BOOT_KIND_UNWRITABLE] = { "unwritable", "GRUB could not write the boot environment" },
        [BOOT_KIND_DAMAGED] = { "damaged", "the boot environment was damaged" },
        [BOOT_KIND_MISSING] = { "missing", "GRUB did not find the boot environment" },
        [BOOT_KIND_MENU] = { "menu", "the mode was picked from the boot menu" },
};

const char *boot_kind_name(BootKind kind) {
        return kinds[kind].name;
}

const char *boot_kind_text(BootKind kind) {
        return kinds[kind].text;
}

BootKind boot_kind_by_name(const char *name) {
        for (unsigned kind = BOOT_KIND_NONE; kind < _BOOT_KIND_MAX; kind++)
                if (strcmp(kinds[kind].name, name) == 0)
                        return (BootKind)kind;
        return BOOT_KIND_NONE;
}

bool boot_kind_is_armed(BootKind kind) {
        return kind == BOOT_KIND_ONCE || kind == BOOT_KIND_TRIAL || kind == BOOT_KIND_DEFAULT;
}

/* Splits the text at its points. */
int boot_marker_parse(const char *text, BootMarker *ret) {
        char copy[BOOT_MARKER_SIZE], *sequence, *left;
        BootMarker marker = { 0 };
        uint64_t number;

        if (parse_copy(copy, sizeof(copy), text, strlen(text)) < 0)
                return -EBADMSG;
        sequence = strchr(copy, '.');
        left = sequence ? strchr(sequence + 1, '.') : NULL;
        if (!left)
                return -EBADMSG;
        *sequence++ = '\0';
        *left++ = '\0';

        marker.kind = boot_kind_by_name(copy);
        if (marker.kind == BOOT_KIND_NONE ||
            parse_decimal(sequence, UINT64_MAX, &marker.sequence) < 0 ||
            parse_decimal(left, BOOT_LEFT_CONFIRMED, &number) < 0)
                return -EBADMSG;
        marker.left = (unsigned)number;
        *ret = marker;
        return 0;
}

int boot_marker_find(const char *cmdline, BootMarker *ret) {
        char text[BOOT_MARKER_SIZE];
        int r;

        *ret = (BootMarker){ 0 };
        r = kernel_cmdline_value(cmdline, "vfio_mode.boot", text, sizeof(text));
        if (r == -ENOENT)
                return 0;
        if (r < 0 || boot_marker_parse(text, ret) < 0)
                return -EBADMSG;
        return 1;
}

bool boot_marker_proves_grub(const BootMarker *marker) {
        switch (marker->kind) {
        case BOOT_KIND_IDLE:
                return marker->sequence != 0 && marker->left == 0;
        case BOOT_KIND_ONCE:
        case BOOT_KIND_TRIAL:
        case BOOT_KIND_DEFAULT:
        case BOOT_KIND_EXPIRED:
        case BOOT_KIND_SKIPPED:
                return marker->sequence != 0;
        default:
                return false;
        }
}

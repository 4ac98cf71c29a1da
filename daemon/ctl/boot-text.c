/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reasons are the service's own; what is added is what a person has to know to judge them.
 */
#include <string.h>

#include "ctl/boot-text.h"
#include "view/describe.h"
#include "view/words.h"

static char *protection_text(const json_object *next_boot) {
        const char *protection = json_get_text(next_boot, "protection");
        const char *kind = json_get_text(next_boot, "kind");
        int64_t left = json_get_integer(next_boot, "tries_left");
        const char *where = strcmp(protection, "grub") == 0 ? "counted by GRUB"
                            : strcmp(protection, "efi") == 0
                                    ? "named by an EFI variable that is deleted first"
                                    : "without protection";

        /* Of what goes to the fallback mode anyway there is nothing to protect. */
        if (strcmp(kind, "once") != 0 && strcmp(kind, "trial") != 0 &&
            strcmp(kind, "default") != 0 && strcmp(kind, "efi") != 0)
                return text_format("%s", "");
        if (strcmp(kind, "efi") == 0)
                return text_format(" (%s)", where);
        return text_format(" (%s; %lld %s left)", where, (long long)left,
                           left == 1 ? "boot" : "boots");
}

char *boot_text_next(const json_object *next_boot) {
        _cleanup_free_ char *protection = protection_text(next_boot);
        const char *mode = json_get_word(next_boot, "mode");
        const char *reason = json_get_text(next_boot, "reason");

        return text_format("%s%s%s%s", mode ? mode : "not known", reason[0] != '\0' ? ": " : "",
                           reason, protection);
}

char *boot_text_done(const json_object *boot) {
        const char *mode = json_get_word(boot, "mode"), *wanted = json_get_word(boot, "wanted");
        const char *reason = json_get_text(boot, "reason"), *kind = json_get_text(boot, "kind");
        const char *refusal = json_get_text(boot, "refusal");
        const char *not_run = json_get_word(boot, "not_run");
        _cleanup_free_ char *instead = NULL, *armed = NULL;

        if (!json_get_word(boot, "source"))
                return NULL;
        instead = wanted && mode && strcmp(wanted, mode) != 0
                          ? text_format(" instead of %s", wanted)
                          : text_format("%s", "");
        armed = not_run ? text_format("; '%s' was armed, and not run", not_run)
                        : text_format("%s", "");
        return text_format("%s%s%s%s%s%s%s%s%s", mode ? mode : NO_MODE, instead,
                           strcmp(kind, "none") != 0 ? ", " : "",
                           strcmp(kind, "none") != 0 ? kind : "",
                           json_get_bool(boot, "confirmed") ? ", confirmed" : "",
                           reason[0] != '\0' ? ": " : "", reason,
                           strcmp(refusal, "none") != 0 ? " (refused)" : "", armed);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "boot-menu.h"

#define SET_STYLE "set timeout_style="
#define SET_TIMEOUT "set timeout="
#define FALLBACK_ID "'vfio-mode-fallback-"
#define TIMEOUT_MAX 86400

/* What is no number, or none that somebody would wait for, is for ever; as is -1. */
static int parse_timeout(const char *text) {
        char digits[16];
        uint64_t seconds;

        (void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(text, "0123456789"), text);
        return parse_decimal(digits, TIMEOUT_MAX, &seconds) < 0 ? BOOT_MENU_WAITS : (int)seconds;
}

/* At the beginning of the text, or after a blank or the end of a line: it is no part of a word. */
static const char *find_word(const char *text, const char *word) {
        const char *found = text;

        while ((found = strstr(found, word))) {
                if (found == text || strchr(" \t\n;", found[-1]))
                        return found + strlen(word);
                found++;
        }
        return NULL;
}

void boot_menu_parse(const char *grub_cfg, BootMenu *ret) {
        const char *style = find_word(grub_cfg, SET_STYLE);
        const char *timeout = find_word(style ? style : grub_cfg, SET_TIMEOUT);

        *ret = (BootMenu){
                .is_hidden = style && strncmp(style, "hidden", strlen("hidden")) == 0,
                .timeout = timeout ? parse_timeout(timeout) : BOOT_MENU_WAITS,
                .has_entry = strstr(grub_cfg, FALLBACK_ID) != NULL,
        };
}

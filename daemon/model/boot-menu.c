/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "boot-menu.h"

#define SET_STYLE "set timeout_style="
#define SET_TIMEOUT "set timeout="
#define SET_DEFAULT "set default=\""
#define OWN_ID "'vfio-mode"
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

static bool line_has(const char *line, size_t length, const char *word) {
        return memmem(line, length, word, strlen(word)) != NULL;
}

/* Whether an entry or a submenu of ours is called so, by its title or its id, which begins so. */
static bool is_own(const char *grub_cfg, const char *id, const char *name, size_t length) {
        char quoted[BOOT_MENU_NAME_SIZE + 2];

        (void)snprintf(quoted, sizeof(quoted), "'%.*s'", (int)length, name);
        for (const char *line = grub_cfg; *line; line += *line == '\n') {
                size_t n = strcspn(line, "\n");

                if (line_has(line, n, "menu") && line_has(line, n, id) && line_has(line, n, quoted))
                        return true;
                line += n;
        }
        return false;
}

/* grub-mkconfig writes a variable where GRUB is to remember it. "SUBMENU>ENTRY" is a path. */
static void find_own_default(const char *grub_cfg, BootMenu *ret) {
        const char *value = grub_cfg;

        while ((value = find_word(value, SET_DEFAULT))) {
                size_t length = strcspn(value, "\"\n"), first = strcspn(value, ">\"\n");

                const char *last = value + length;

                while (last > value && last[-1] != '>')
                        last--;
                if (*value == '$' || length == 0 || length >= sizeof(ret->own_default) ||
                    !is_own(grub_cfg, OWN_ID, value, first))
                        continue;
                (void)snprintf(ret->own_default, sizeof(ret->own_default), "%.*s", (int)length,
                               value);
                ret->default_is_fallback =
                        is_own(grub_cfg, FALLBACK_ID, last, (size_t)(value + length - last));
        }
}

void boot_menu_parse(const char *grub_cfg, BootMenu *ret) {
        const char *style = find_word(grub_cfg, SET_STYLE);
        const char *timeout = find_word(style ? style : grub_cfg, SET_TIMEOUT);

        *ret = (BootMenu){
                .is_hidden = style && strncmp(style, "hidden", strlen("hidden")) == 0,
                .timeout = timeout ? parse_timeout(timeout) : BOOT_MENU_WAITS,
                .has_entry = strstr(grub_cfg, FALLBACK_ID) != NULL,
        };
        find_own_default(grub_cfg, ret);
}

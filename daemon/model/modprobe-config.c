/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "modprobe-config.h"

#define LINE_SIZE 4096

const char *modprobe_command_name(ModprobeCommand command) {
        static const char *const names[_MODPROBE_COMMAND_MAX] = {
                [MODPROBE_BLACKLIST] = "blacklist", [MODPROBE_OPTIONS] = "options",
                [MODPROBE_INSTALL] = "install",     [MODPROBE_SOFTDEP] = "softdep",
                [MODPROBE_ALIAS] = "alias",
        };

        return names[command];
}

/* Takes a line with those that go on with it, behind a backslash; before anything else that is
 * dropped, as libkmod does. */
static bool take_line(const char **cursor, unsigned *number, char line[static LINE_SIZE],
                      bool *ret_is_cut) {
        const char *at = *cursor;
        size_t length = 0;

        *ret_is_cut = false;
        if (*at == '\0')
                return false;
        for (; *at && *at != '\n'; at++) {
                if (at[0] == '\\' && at[1] != '\0') {
                        at++;
                        if (*at == '\n') {
                                (*number)++;
                                continue;
                        }
                }
                if (length < LINE_SIZE - 1)
                        line[length++] = *at;
                else
                        *ret_is_cut = true;
        }
        line[length] = '\0';
        (*number)++;
        *cursor = at + (*at == '\n');
        return true;
}

static bool find_command(const char *word, size_t length, ModprobeCommand *ret) {
        for (ModprobeCommand command = 0; command < _MODPROBE_COMMAND_MAX; command++) {
                const char *name = modprobe_command_name(command);

                if (strlen(name) == length && memcmp(name, word, length) == 0) {
                        *ret = command;
                        return true;
                }
        }
        return false;
}

static void put_underscores(char *name) {
        for (; *name; name++)
                if (*name == '-')
                        *name = '_';
}

static bool parse_line(const char *line, ModprobeLine *ret) {
        const char *cursor = line, *word;
        size_t length;

        word = parse_word(&cursor, &length);
        if (!word || !find_command(word, length, &ret->command))
                return false;
        word = parse_word(&cursor, &length);
        if (!word)
                return false;
        if (length >= sizeof(ret->module)) {
                length = sizeof(ret->module) - 1;
                ret->is_cut = true;
        }
        (void)memcpy(ret->module, word, length);
        ret->module[length] = '\0';
        put_underscores(ret->module);
        cursor += strspn(cursor, " \t");
        if (ret->command == MODPROBE_BLACKLIST)
                cursor = "";
        length = ret->command == MODPROBE_ALIAS ? strcspn(cursor, " \t") : strlen(cursor);
        ret->is_cut |= length >= sizeof(ret->value);
        (void)snprintf(ret->value, sizeof(ret->value), "%.*s", (int)length, cursor);
        if (ret->command == MODPROBE_ALIAS)
                put_underscores(ret->value);
        return ret->command == MODPROBE_BLACKLIST || ret->value[0] != '\0';
}

bool modprobe_config_next(const char **cursor, unsigned *number, ModprobeLine *ret) {
        char line[LINE_SIZE];

        for (;;) {
                unsigned begin = *number + 1;

                if (!take_line(cursor, number, line, &ret->is_cut))
                        return false;
                if (parse_line(line, ret)) {
                        ret->line = begin;
                        ret->last_line = *number;
                        return true;
                }
        }
}

bool modprobe_is_same_module(const char *a, const char *b) {
        for (; *a && *b; a++, b++)
                if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
                        return false;
        return *a == *b;
}

bool modprobe_install_loads(const char *command) {
        static const char option[] = "--ignore-install", program[] = "modprobe";
        bool is_modprobe = false;
        const char *word;
        size_t length;

        while ((word = parse_word(&command, &length))) {
                if ((length == strlen(option) && memcmp(word, option, length) == 0) ||
                    (is_modprobe && length == 2 && memcmp(word, "-i", 2) == 0))
                        return true;
                is_modprobe |= length >= strlen(program) && memcmp(word + length - strlen(program),
                                                                   program, strlen(program)) == 0;
        }
        return false;
}

bool modprobe_install_only_loads(const char *command) {
        return modprobe_install_loads(command) && !strpbrk(command, ";&|");
}

bool modprobe_option(const char *options, const char *name, char *buffer, size_t size) {
        size_t length, n = strlen(name);
        bool fits = true;
        const char *word;

        buffer[0] = '\0';
        while ((word = parse_word(&options, &length))) {
                if (length <= n || memcmp(word, name, n) != 0 || word[n] != '=')
                        continue;
                fits = parse_copy(buffer, size, word + n + 1, length - n - 1) >= 0;
                if (!fits)
                        buffer[0] = '\0';
        }
        return fits;
}

/* Kernel: drm/nouveau/nouveau_drm.c, drm/radeon/radeon_drv.c, drm/i915/i915_module.c */
bool modprobe_turns_off(const ModprobeLine *line) {
        static const char *const modules[] = { "nouveau", "radeon", "i915" };
        char value[2];

        if (line->command != MODPROBE_OPTIONS ||
            !modprobe_option(line->value, "modeset", value, sizeof(value)) ||
            strcmp(value, "0") != 0)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
                if (modprobe_is_same_module(line->module, modules[i]))
                        return true;
        return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot environment, the EFI variable and the boot menu hold what the configuration said when
 * they were written.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "boot-loader.h"
#include "model/kernel-cmdline.h"
#include "next-boot.h"

#define MENU_MARK "vfio_mode.boot=menu.0.0"

typedef struct Lines {
        char (*texts)[NEXT_BOOT_DRIFT_SIZE];
        size_t n, max;
} Lines;

static void _printf_(2, 3) add(Lines *lines, const char *format, ...) {
        va_list arguments;

        if (lines->n == lines->max)
                return;
        va_start(arguments, format);
        (void)vsnprintf(lines->texts[lines->n++], sizeof(lines->texts[0]), format, arguments);
        va_end(arguments);
}

/* --- the boot environment --- */

static void add_armed(const NextBoot *now, const Config *config, Lines *lines) {
        const BootState *state = &now->state;
        const char *verb = state->keep == BOOT_KEEP_NO ? "next" : "set-default";
        char arguments[BOOT_ARGUMENTS_SIZE] = "";
        const ConfigMode *mode;

        if (now->state_result < 0 || (state->mode[0] == '\0' && !state->skip))
                return;
        if (!now->place.has_scripts && now->place.why_no_scripts[0] != '\0')
                add(lines,
                    "GRUB's configuration was made without vfio-mode's script, so that it will "
                    "not see what is armed: %s. When that is mended run \"%s\".",
                    now->place.why_no_scripts, now->place.grub_command);
        else if (!now->place.has_scripts) /* which takes back all but a confirmed default */
                add(lines,
                    "GRUB's configuration does not have vfio-mode's script, so that it will "
                    "not see what is armed: run \"%s\"%s.",
                    now->place.grub_command,
                    state->keep == BOOT_KEEP_YES ? "" : ", and arm it anew");
        if (state->mode[0] == '\0')
                return;
        mode = config_find_mode(config, state->mode);
        if (!mode) {
                add(lines,
                    "The boot environment goes to '%s', a mode that the configuration does not "
                    "have: run \"vfio-modectl set-default %s\".",
                    state->mode, config->fallback_mode);
                return;
        }
        if (strcmp(mode->name, config->fallback_mode) != 0 &&
            kernel_cmdline_arguments(mode, arguments, sizeof(arguments)) < 0)
                return;
        if (strcmp(arguments, state->arguments) != 0)
                add(lines,
                    "The cmdline of '%s' was changed after it was armed: run \"vfio-modectl %s "
                    "%s\".",
                    state->mode, verb, state->mode);
}

/* --- the EFI variable --- */

/* It carries a name only, and was taken for a mode that needed no more. Where GRUB names a mode it
 * decides nothing. */
static void add_one_shot(const NextBoot *now, const Config *config, Lines *lines) {
        const ConfigMode *mode = config_find_mode(config, now->efi_mode);
        NextBootOutlook next;

        next_boot_outlook(now, config, &next);
        if (strcmp(next.kind, "efi") != 0)
                return;
        if (!mode)
                add(lines,
                    "The one-shot EFI variable names '%s', a mode that the configuration does not "
                    "have: run \"vfio-modectl next --cancel\".",
                    now->efi_mode);
        else if (mode->cmdline[0] != '\0' && strcmp(mode->name, config->fallback_mode) != 0)
                add(lines,
                    "The cmdline of '%s' was added after it was armed, and a boot by the EFI "
                    "variable has none of it: run \"vfio-modectl next --cancel\".",
                    mode->name);
}

/* --- default-mode --- */

/* What default-mode decides comes without arguments: no boot loader knows of it. */
static void add_default(const NextBoot *now, const Config *config, Lines *lines) {
        const ConfigMode *mode = config_find_mode(config, config->default_mode);

        if (mode && mode->cmdline[0] != '\0' &&
            (now->state_result < 0 || now->state.mode[0] == '\0'))
                add(lines,
                    "A boot that goes to '%s' by default-mode has none of the mode's cmdline: run "
                    "\"vfio-modectl set-default %s\".",
                    mode->name, mode->name);
}

/* --- the boot menu --- */

static bool menu_has(const char *text, const ConfigMode *mode) {
        char arguments[BOOT_ARGUMENTS_SIZE];
        char entry[sizeof(arguments) + CONFIG_NAME_SIZE + 64];

        if (kernel_cmdline_arguments(mode, arguments, sizeof(arguments)) < 0)
                return true;
        (void)snprintf(entry, sizeof(entry), " vfio_mode=%s %s " MENU_MARK, mode->name, arguments);
        return strstr(text, entry);
}

/* Whether an entry names a mode that is gone. */
static bool menu_has_stranger(const char *text, const Config *config) {
        static const char word[] = " vfio_mode=";

        while ((text = strstr(text, word))) {
                const char *line_end = text + strcspn(text, "\n");
                const char *mark = strstr(text, MENU_MARK);
                char name[CONFIG_NAME_SIZE];

                text += sizeof(word) - 1;
                if (!mark || mark > line_end)
                        continue;
                (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, " \n"), text);
                if (strcmp(name, "fallback") != 0 && !config_find_mode(config, name))
                        return true;
        }
        return false;
}

static void add_menu(const Root *root, const NextBoot *now, const Config *config, Lines *lines) {
        _cleanup_free_ char *text = NULL;
        char path[BOOT_PATH_SIZE];
        bool is_old;

        if (now->place.grub_directory[0] == '\0')
                return;
        (void)snprintf(path, sizeof(path), "%s/grub.cfg", now->place.grub_directory);
        if (file_read_alloc_at(root->fd, path, GRUB_CFG_MAX, &text) < 0 || !strstr(text, MENU_MARK))
                return; /* no entries of ours at all: somebody does not want them */
        is_old = menu_has_stranger(text, config);
        for (size_t i = 0; i < config->n_modes && !is_old; i++)
                is_old = strcmp(config->modes[i].name, config->fallback_mode) != 0 &&
                         !menu_has(text, &config->modes[i]);
        if (is_old)
                add(lines, "The boot menu's entries are older than the configuration: run \"%s\".",
                    now->place.grub_command);
}

size_t next_boot_drift(const Root *root, const NextBoot *now, const Config *config,
                       char ret[][NEXT_BOOT_DRIFT_SIZE], size_t max) {
        Lines lines = { ret, 0, max };

        if (!config)
                return 0;
        add_armed(now, config, &lines);
        add_one_shot(now, config, &lines);
        add_default(now, config, &lines);
        add_menu(root, now, config, &lines);
        return lines.n;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/connectors.h"
#include "host/reachability-scan.h"
#include "host/units.h"
#include "model/device.h"
#include "model/rescue.h"
#include "ways-back-scan.h"

#define CONSOLES_PATH "sys/class/tty/console/active"

typedef struct Scan {
        WaysBackFacts facts;
        Needs needs;
        PciAddress away[HOST_FUNCTIONS_MAX];
        size_t n_away;
} Scan;

static bool read_menu(const Root *root, const char *directory, BootMenu *ret) {
        _cleanup_free_ char *text = NULL;
        char path[BOOT_PATH_SIZE + sizeof("/grub.cfg")];

        (void)snprintf(path, sizeof(path), "%s/grub.cfg", directory);
        if (file_read_alloc_at(root->fd, path, GRUB_CFG_MAX, &text) < 0)
                return false;
        boot_menu_parse(text, ret);
        return true;
}

static void find_menu(const Root *root, const BootPlace *place, WaysBackFacts *facts) {
        if (place->loader != BOOT_LOADER_UNKNOWN)
                facts->boot_loader = boot_loader_name(place->loader);
        facts->menu_command = place->grub_command ? place->grub_command : "";
        /* Another boot loader's machine may have a grub.cfg as well, which it does not boot by. */
        facts->has_menu = place->loader == BOOT_LOADER_GRUB && place->grub_directory[0] != '\0';
        facts->menu_is_read =
                facts->has_menu && read_menu(root, place->grub_directory, &facts->menu);
}

/* Of a device that is not there nobody can say what hangs below it. */
static int find_away(const Config *config, const ConfigMode *mode, const Host *host, Scan *scan) {
        for (size_t i = 0; i < config->n_devices; i++) {
                PciAddress functions[DEVICE_FUNCTIONS_MAX];
                Refusal refusal;
                size_t n = 0;

                if (!(mode->vfio_devices & UINT32_C(1) << i))
                        continue;
                if (device_resolve(&config->devices[i], host, functions, &n, &refusal) !=
                    REFUSAL_NONE)
                        return -ENODEV;
                for (size_t j = 0; j < n && scan->n_away < HOST_FUNCTIONS_MAX; j++)
                        scan->away[scan->n_away++] = functions[j];
        }
        return 0;
}

/* "tty0 ttyS0": a screen's have a digit right after their tty. */
static void find_serial(const Root *root, WaysBackFacts *facts) {
        char line[256], *cursor = line;
        const char *name;

        if (file_read_line_at(root->fd, CONSOLES_PATH, line, sizeof(line)) <= 0)
                return;
        while ((name = strsep(&cursor, " "))) {
                if (name[0] == '\0' || strlen(name) >= sizeof(facts->serial) ||
                    (strncmp(name, "tty", 3) == 0 && name[3] >= '0' && name[3] <= '9'))
                        continue;
                (void)snprintf(facts->serial, sizeof(facts->serial), "%s", name);
        }
}

/* All at once. Of a captured machine nobody can be asked. */
static void ask_units(const Root *root, WaysBackFacts *facts) {
        enum {
                LOGIN = 4
        };
        char names[][CONFIG_UNIT_SIZE] = { "ssh.service", "sshd.service", "ssh.socket",
                                           "sshd.socket", "" };
        const size_t n = facts->serial[0] != '\0' ? LOGIN + 1 : LOGIN;
        UnitState states[ARRAY_SIZE(names)];

        (void)snprintf(names[LOGIN], sizeof(names[LOGIN]), "serial-getty@%s.service",
                       facts->serial);
        if (!root->is_live || units_look((const char(*)[CONFIG_UNIT_SIZE])names, n, states) < 0)
                return;
        facts->units_are_known = true;
        for (size_t i = 0; i < LOGIN; i++)
                facts->has_ssh |= states[i].runs;
        facts->has_login = n > LOGIN && states[LOGIN].runs;
}

int ways_back_find(const Root *root, const Config *config, const ConfigMode *mode, const Host *host,
                   const NextBoot *next, WayBack ret[static _WAY_BACK_MAX]) {
        _cleanup_free_ Scan *scan = calloc(1, sizeof(*scan));
        WaysBackFacts *facts;
        int r;

        if (!scan)
                return -ENOMEM;
        facts = &scan->facts;
        facts->mode = mode->name;
        facts->fallback_mode = config->fallback_mode;
        find_menu(root, &next->place, facts);
        facts->rescues = rescue_is_wanted(config, mode, host);
        facts->takes_screen = facts->rescues || rescue_takes_screen(config, mode, host);
        r = find_away(config, mode, host, scan);
        if (r >= 0)
                r = reachability_scan(root, &scan->needs);
        if (r < 0)
                return r;
        facts->needs = &scan->needs;
        facts->away = scan->away;
        facts->n_away = scan->n_away;
        facts->has_other_screen = connectors_have_screen(root, scan->away, scan->n_away);
        find_serial(root, facts);
        ask_units(root, facts);
        facts->is_counted = next_boot_is_counted(next);
        facts->is_unproven = next->place.path[0] != '\0' && next->place.has_scripts &&
                             !boot_marker_proves_grub(&next->marker);
        facts->is_once = next_boot_is_once(next, mode);
        facts->is_default = strcmp(config->default_mode, mode->name) == 0;
        ways_back_judge(facts, ret);
        return 0;
}

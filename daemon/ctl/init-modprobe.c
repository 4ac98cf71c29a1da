/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver is known by the modules that modules.alias has for the function, and by what it has now.
 * What a package has put below /usr is nobody's setup by hand; but it counts where it is asked
 * which drivers are left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "boot/initramfs-stamp.h"
#include "ctl/init-modprobe.h"
#include "ctl/text.h"
#include "model/modules-alias.h"

#define MODALIAS_SIZE 128

/* --- reading --- */

static void collect(const char *path, const ModprobeLine *line, int error, void *userdata) {
        InitModprobe *modprobe = userdata;
        InitModprobeLine *new;
        char ids[SETUP_IDS_SIZE];

        if (!line) {
                warn("/%s cannot be read, and is not looked at: %s", path, strerror(-error));
                return;
        }
        if (line->is_cut) {
                warn("/%s:%u: the line is too long, and is not looked at.", path, line->line);
                return;
        }
        modprobe->lines = must_have(
                reallocarray(modprobe->lines, modprobe->n_lines + 1, sizeof(*modprobe->lines)));
        new = &modprobe->lines[modprobe->n_lines++];
        new->path = must_have(strdup(path));
        new->line = *line;
        if (line->command != MODPROBE_OPTIONS || !modprobe_is_same_module(line->module, "vfio_pci"))
                return;
        if (!modprobe_option(line->value, "ids", ids, sizeof(ids)))
                warn("/%s:%u: ids= is longer than %zu bytes, and is not looked at.", path,
                     line->line, sizeof(ids) - 1);
        if (ids[0] != '\0')
                (void)memcpy(modprobe->ids, ids, sizeof(ids));
}

void init_modprobe_read(const Root *root, InitModprobe *ret) {
        int r;

        *ret = (InitModprobe){ .n_lines = 0 };
        r = modprobe_scan(root, collect, ret);
        if (r == -ENOMEM)
                (void)must_have(NULL);
        if (r < 0)
                warn("Not every file of modprobe.d is read: there are too many.");
}

void init_modprobe_done(InitModprobe *modprobe) {
        for (size_t i = 0; i < modprobe->n_lines; i++)
                free(modprobe->lines[i].path);
        free(TAKE_PTR(modprobe->lines));
}

/* --- which drivers the functions have --- */

typedef struct Drivers {
        const InitModprobe *modprobe;
        const Root *root;
        const Function *function;
        char modalias[MODALIAS_SIZE];
        ModulesFor modules;
        bool are_known; /* modules.alias could be read */
        Lines *remarks;
} Drivers;

static const char *bound_driver(const Drivers *drivers) {
        const char *driver = drivers->function->driver;

        return driver[0] != '\0' && !driver_is_no_home(driver) ? driver : NULL;
}

static bool is_driver(const Drivers *drivers, const char *module) {
        const char *bound = bound_driver(drivers);

        for (size_t i = 0; i < drivers->modules.n; i++)
                if (modprobe_is_same_module(drivers->modules.names[i], module))
                        return true;
        return bound && modprobe_is_same_module(bound, module);
}

/* What follows the module's name where the line is shown. */
static const char *option_shown(const ModprobeLine *line) {
        return modprobe_turns_off(line) ? " modeset=0" : "";
}

/* Whether the line keeps its module from being loaded by itself, or from the card. */
static bool holds_back(const ModprobeLine *line) {
        return line->command == MODPROBE_BLACKLIST || modprobe_turns_off(line) ||
               (line->command == MODPROBE_INSTALL && !modprobe_install_loads(line->value));
}

static bool is_by_hand(const InitModprobeLine *line) {
        return strncmp(line->path, "etc/", 4) == 0 || strncmp(line->path, "run/", 4) == 0;
}

/* @by_package: by a line that nobody is advised to take away */
static bool is_held_back_by(const Drivers *drivers, const char *module, bool by_package) {
        for (size_t i = 0; i < drivers->modprobe->n_lines; i++) {
                const ModprobeLine *line = &drivers->modprobe->lines[i].line;

                if (holds_back(line) && modprobe_is_same_module(line->module, module) &&
                    !(by_package && is_by_hand(&drivers->modprobe->lines[i])))
                        return true;
        }
        return false;
}

static bool is_held_back(const Drivers *drivers, const char *module) {
        return is_held_back_by(drivers, module, false);
}

/* A driver that a boot in host mode would load; NULL where there is none left. */
static const char *find_left(const Drivers *drivers) {
        const char *bound = bound_driver(drivers);

        /* Of what is only guessed nobody knows whether it is installed. */
        for (size_t i = 0; drivers->are_known && i < drivers->modules.n; i++)
                if (!is_held_back(drivers, drivers->modules.names[i]))
                        return drivers->modules.names[i];
        return !drivers->are_known && bound && !is_held_back(drivers, bound) ? bound : NULL;
}

/* Of several that are held back the one that the host is to have again: that it has now; or that of
 * its vendor, which somebody has installed beside the kernel's. To let both in would have either of
 * them take the card. NULL: not known, or a package keeps it away. */
static const char *find_home(const Drivers *drivers) {
        const char *bound = bound_driver(drivers), *home = drivers->are_known ? NULL : bound;

        /* A boot loads those alone that are for the function. */
        for (size_t i = 0; drivers->are_known && i < drivers->modules.n; i++)
                if (bound ? modprobe_is_same_module(drivers->modules.names[i], bound)
                          : waiting_driver(drivers->modules.names[i]) != NULL)
                        home = drivers->modules.names[i];
        return home && !is_held_back_by(drivers, home, true) ? home : NULL;
}

/* Drivers of the text console alone. They are for every card of their vendors, and distributions
 * keep them away, since with one of them nothing else gets the card: nobody's home. */
static bool is_console_driver(const char *module) {
        static const char *const modules[] = { "nvidiafb", "rivafb", "radeonfb", "aty128fb",
                                               "atyfb",    "i810fb", "intelfb" };

        for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
                if (modprobe_is_same_module(module, modules[i]))
                        return true;
        return false;
}

static void leave_out_console_drivers(ModulesFor *modules) {
        size_t n = 0;

        for (size_t i = 0; i < modules->n; i++)
                if (!is_console_driver(modules->names[i]))
                        (void)memmove(modules->names[n++], modules->names[i],
                                      sizeof(modules->names[0]));
        modules->n = n;
}

/* Where modules.alias is not there, by the vendor. */
static void guess_modules(const Function *function, ModulesFor *ret) {
        const char *module;

        for (ret->n = 0; (module = function_display_module(function, ret->n)); ret->n++)
                (void)snprintf(ret->names[ret->n], CONFIG_DRIVER_SIZE, "%s", module);
}

static void find_drivers(Drivers *drivers, const Function *function) {
        char address[PCI_ADDRESS_SIZE];
        _cleanup_free_ char *path = text_format("sys/bus/pci/devices/%s/modalias",
                                                pci_address_format(function->address, address));

        drivers->function = function;
        drivers->modules.n = 0;
        if (file_read_line_at(drivers->root->fd, path, drivers->modalias,
                              sizeof(drivers->modalias)) < 0)
                drivers->modalias[0] = '\0';
        drivers->are_known = drivers->modalias[0] != '\0' &&
                             modules_for(drivers->root, drivers->modalias, &drivers->modules) >= 0;
        if (drivers->are_known)
                leave_out_console_drivers(&drivers->modules);
        else
                guess_modules(function, &drivers->modules);
}

/* --- taking it back --- */

/* The image that a boot begins with has modprobe.d in it. */
static char *then_renew(const Root *root) {
        static const struct {
                const char *program, *image; /* any that it would make */
        } tools[] = {
                { "usr/sbin/update-initramfs", "initramfs-tools-*" },
                { "usr/bin/dracut", "dracut-*" },
                { "usr/bin/mkinitcpio", "mkinitcpio-*" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
                if (faccessat(root->fd, tools[i].program, F_OK, 0) == 0)
                        return text_format(" && %s", initramfs_tool_of(tools[i].image)->renew);
        return text_format("%s", "");
}

/* @script: sed(1)'s, behind the line's number. Of a line that goes on over several it would see the
 * first alone: these are a person's to change. */
static char *edit_line(const Root *root, const InitModprobeLine *line, const char *script,
                       const char *by_hand) {
        _cleanup_free_ char *absolute = text_format("/%s", line->path);
        _cleanup_free_ char *path = text_quote(absolute), *renew = then_renew(root);

        if (line->line.last_line > line->line.line)
                return text_format("%s lines %u to %u of %s%s%s", by_hand, line->line.line,
                                   line->line.last_line, absolute,
                                   renew[0] != '\0' ? ", then: " : "",
                                   renew[0] != '\0' ? renew + strlen(" && ") : "");
        return text_format("sed --in-place --follow-symlinks '%u%s' %s%s", line->line.line, script,
                           path, renew);
}

/* Lines keep their numbers, so that several commands for one file do not disturb each other. */
static char *comment_out(const Root *root, const InitModprobeLine *line) {
        return edit_line(root, line, "s/^/#/", "take away");
}

static bool is_only_option(const char *options) {
        return options[strcspn(options, " \t")] == '\0';
}

/* @name: with its "=" */
static char *take_option_out(const Root *root, const InitModprobeLine *line, const char *name) {
        _cleanup_free_ char *script = text_format("s/[[:blank:]]%s[^[:blank:]]*//", name);
        _cleanup_free_ char *by_hand = text_format("take %s out of", name);

        return is_only_option(line->line.value) ? comment_out(root, line)
                                                : edit_line(root, line, script, by_hand);
}

/* --- vfio-pci's own options --- */

static void remark_on_ids(const InitModprobeLine *line, const Root *root, const char *driver,
                          Lines *remarks) {
        char ids[SETUP_IDS_SIZE];
        _cleanup_free_ char *command = take_option_out(root, line, "ids=");

        (void)modprobe_option(line->line.value, "ids", ids, sizeof(ids));
        if (ids[0] != '\0')
                lines_add(remarks,
                          "%s is told to take every %s, in whatever mode (/%s:%u). The modes say "
                          "it now → %s",
                          driver, ids, line->path, line->line.line, command);
}

/* The usual guide's script writes driver_override of all cards but one. */
static void remark_on_vfio_install(const InitModprobeLine *line, const Root *root, Lines *remarks) {
        _cleanup_free_ char *command = comment_out(root, line);

        if (modprobe_install_only_loads(line->line.value))
                return;
        lines_add(remarks,
                  "install %s (/%s:%u) runs '%s' whenever vfio-pci is loaded by modprobe, "
                  "in whatever mode: a script there may put cards on vfio-pci, and what does not "
                  "load it keeps every switch from it. The modes say it now → %s",
                  line->line.module, line->path, line->line.line, line->line.value, command);
}

/* As the kernel reads a bool (kstrtobool() in lib/kstrtox.c): by its first letters. */
static bool is_on(const char *value) {
        return value[0] != '\0' && !strchr("0nNfF", value[0]) && strncasecmp(value, "of", 2) != 0;
}

static void remark_on_interrupts(const InitModprobeLine *line, Lines *remarks) {
        char value[SETUP_IDS_SIZE];

        (void)modprobe_option(line->line.value, "allow_unsafe_interrupts", value, sizeof(value));
        if (is_on(value))
                lines_add(remarks,
                          "allow_unsafe_interrupts=%s (/%s:%u) lets a guest send any interrupt to "
                          "the host: take it out where the board has interrupt remapping.",
                          value, line->path, line->line.line);
}

static void remark_on_vfio(const InitModprobeLine *line, const Root *root, Lines *remarks) {
        char value[SETUP_IDS_SIZE];

        remark_on_ids(line, root, VFIO_DRIVER, remarks);
        (void)modprobe_option(line->line.value, "disable_vga", value, sizeof(value));
        if (is_on(value))
                lines_add(remarks,
                          "disable_vga=%s (/%s:%u) takes legacy VGA from what vfio-pci has: right "
                          "for guests with UEFI firmware, wrong for one with SeaBIOS whose first "
                          "card it is. It is vfio-pci's own, and stays in effect.",
                          value, line->path, line->line.line);
}

/* --- drivers of the host --- */

static bool has_word(const char *text, const char *module) {
        _cleanup_free_ char *copy = must_have(strdup(text));
        char *cursor = copy, *word;

        while ((word = strsep(&cursor, " \t")))
                if (modprobe_is_same_module(word, module))
                        return true;
        return false;
}

static bool loads_vfio_first(const ModprobeLine *line) {
        return line->command == MODPROBE_SOFTDEP && has_word(line->value, "vfio_pci");
}

static const char *what_is_lost(const Function *function) {
        return function_is_display(function) ? "no picture" : "no driver";
}

static void remark_on_left(const Drivers *drivers, const InitModprobeLine *line, const char *left) {
        char address[PCI_ADDRESS_SIZE];

        lines_add(drivers->remarks,
                  "%s %s%s (/%s:%u) leaves %s to %s, in host mode as well; it may stay.",
                  modprobe_command_name(line->line.command), line->line.module,
                  option_shown(&line->line), line->path, line->line.line,
                  pci_address_format(drivers->function->address, address), left);
}

static void remark_on_blacklist(const Drivers *drivers, const InitModprobeLine *line,
                                const char *command) {
        char address[PCI_ADDRESS_SIZE];

        lines_add(drivers->remarks,
                  "blacklist %s (/%s:%u) leaves no driver%s for %s: a switch loads it all the "
                  "same, but a boot in host mode has %s → %s",
                  line->line.module, line->path, line->line.line,
                  drivers->are_known ? "" : " that is known",
                  pci_address_format(drivers->function->address, address),
                  what_is_lost(drivers->function), command);
}

static void remark_on_modeset(const Drivers *drivers, const InitModprobeLine *line) {
        _cleanup_free_ char *command = take_option_out(drivers->root, line, "modeset=");
        char address[PCI_ADDRESS_SIZE];

        lines_add(
                drivers->remarks,
                "options %s modeset=0 (/%s:%u) keeps that driver from every card, loaded or not: no "
                "picture of %s, neither after a boot in host mode nor after a switch → %s",
                line->line.module, line->path, line->line.line,
                pci_address_format(drivers->function->address, address), command);
}

static void remark_on_driver(const Drivers *drivers, const InitModprobeLine *line) {
        _cleanup_free_ char *command = comment_out(drivers->root, line);
        const char *left = find_left(drivers), *home = find_home(drivers);
        const ModprobeLine *said = &line->line;
        char address[PCI_ADDRESS_SIZE];

        if (!left && home && !modprobe_is_same_module(home, said->module))
                left = home;
        (void)pci_address_format(drivers->function->address, address);
        if (holds_back(said) && left)
                remark_on_left(drivers, line, left);
        else if (said->command == MODPROBE_BLACKLIST)
                remark_on_blacklist(drivers, line, command);
        else if (modprobe_turns_off(said))
                remark_on_modeset(drivers, line);
        else if (holds_back(said))
                lines_add(drivers->remarks,
                          "install %s (/%s:%u) runs '%s' in its place, a driver of %s: where that "
                          "does not load it, nothing brings it back, a switch neither → %s",
                          said->module, line->path, said->line, said->value, address, command);
        else if (loads_vfio_first(said))
                lines_add(drivers->remarks,
                          "softdep %s %s (/%s:%u) loads vfio-pci before a driver of %s, which no "
                          "mode needs → %s",
                          said->module, said->value, line->path, said->line, address, command);
}

/* udev asks by the device's alias, which a line here answers before any module does. */
static bool takes_alias(const Drivers *drivers, const ModprobeLine *line) {
        const ModulesAlias alias = { line->module, line->value };

        return line->command == MODPROBE_ALIAS && modules_alias_is_for(&alias, drivers->modalias) &&
               (modprobe_is_same_module(line->value, "vfio_pci") ||
                modprobe_is_same_module(line->value, "pci_stub"));
}

static void remark_on_alias(const Drivers *drivers, const InitModprobeLine *line) {
        _cleanup_free_ char *command = comment_out(drivers->root, line);
        char address[PCI_ADDRESS_SIZE];

        lines_add(drivers->remarks,
                  "alias %s %s (/%s:%u) has a boot load that in place of the drivers of %s, in "
                  "host mode as well. The modes say it now → %s",
                  line->line.module, line->line.value, line->path, line->line.line,
                  pci_address_format(drivers->function->address, address), command);
}

/* --- drivers of others --- */

/* Of graphics cards that are not chosen, or not there. */
static bool is_graphics(const char *module) {
        static const char *const modules[] = { "nouveau", "nvidia", "nvidia_drm", "amdgpu",
                                               "radeon",  "i915",   "xe" };

        for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
                if (modprobe_is_same_module(module, modules[i]))
                        return true;
        return false;
}

static void remark_on_stranger(const InitModprobeLine *line, Lines *remarks) {
        const ModprobeLine *said = &line->line;

        if (holds_back(said))
                lines_add(remarks,
                          "%s %s%s (/%s:%u) is about a driver that the chosen card does not have: "
                          "it changes nothing for it.",
                          modprobe_command_name(said->command), said->module, option_shown(said),
                          line->path, said->line);
}

/* Such as drm, which guides name for whatever driver the card may have. */
static void remark_on_softdep(const InitModprobeLine *line, const Root *root, Lines *remarks) {
        _cleanup_free_ char *command = comment_out(root, line);

        lines_add(remarks,
                  "softdep %s %s (/%s:%u) loads vfio-pci before that, which no mode needs → %s",
                  line->line.module, line->line.value, line->path, line->line.line, command);
}

void init_modprobe_remark(const InitModprobe *modprobe, const Root *root, const Setup *setup,
                          Lines *remarks) {
        Drivers drivers[PCI_SLOT_FUNCTIONS + 1];
        size_t n = 0;

        for (size_t i = 0; i <= setup->n_companions; i++) {
                drivers[n] = (Drivers){ .modprobe = modprobe, .root = root, .remarks = remarks };
                find_drivers(&drivers[n++], i == 0 ? setup->first : setup->companions[i - 1]);
        }
        for (size_t i = 0; i < modprobe->n_lines; i++) {
                const InitModprobeLine *line = &modprobe->lines[i];
                size_t of = 0;

                if (!is_by_hand(line))
                        continue;
                for (size_t j = 0; j < n; j++)
                        if (takes_alias(&drivers[j], &line->line))
                                remark_on_alias(&drivers[j], line);
                while (of < n && !is_driver(&drivers[of], line->line.module))
                        of++;
                if (line->line.command == MODPROBE_OPTIONS &&
                    modprobe_is_same_module(line->line.module, "vfio_pci"))
                        remark_on_vfio(line, root, remarks);
                else if (line->line.command == MODPROBE_INSTALL &&
                         modprobe_is_same_module(line->line.module, "vfio_pci"))
                        remark_on_vfio_install(line, root, remarks);
                else if (line->line.command == MODPROBE_OPTIONS &&
                         modprobe_is_same_module(line->line.module, "vfio_iommu_type1"))
                        remark_on_interrupts(line, remarks);
                else if (line->line.command == MODPROBE_OPTIONS &&
                         modprobe_is_same_module(line->line.module, "pci_stub"))
                        remark_on_ids(line, root, "pci-stub", remarks);
                else if (of < n)
                        remark_on_driver(&drivers[of], line);
                else if (loads_vfio_first(&line->line))
                        remark_on_softdep(line, root, remarks);
                else if (is_graphics(line->line.module))
                        remark_on_stranger(line, remarks);
        }
}

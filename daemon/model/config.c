/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as a value: what may be a name, looking up, and writing it out. Knows nothing
 * of how it is read.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config.h"

#define CMDLINE_COLUMNS 197 /* of an indented line, which has at most 198 bytes */

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

bool device_is_wanted_on_vfio(const Config *config, const ConfigMode *mode,
                              const ConfigDevice *device) {
        return mode->vfio_devices & (UINT32_C(1) << (device - config->devices));
}

const ConfigMode *config_find_mode(const Config *config, const char *name) {
        for (size_t i = 0; i < config->n_modes; i++)
                if (strcmp(config->modes[i].name, name) == 0)
                        return &config->modes[i];
        return NULL;
}

const char *config_consent_name(unsigned index) {
        static const char *const names[] = { "boot-vga", "network", "storage", "input",
                                             "shared-driver" };

        return index < ARRAY_SIZE(names) ? names[index] : NULL;
}

bool config_name_is_valid(const char *name) {
        size_t length = strspn(name, LOWER DIGITS "_-");

        return length > 0 && length < CONFIG_NAME_SIZE && !name[length] && name[0] != '_' &&
               name[0] != '-' && strcmp(name, "none") != 0 && strcmp(name, "fallback") != 0;
}

bool config_driver_is_valid(const char *name) {
        size_t length = strspn(name, LOWER UPPER DIGITS "-_.");

        return length > 0 && length < CONFIG_DRIVER_SIZE && !name[length] &&
               strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool config_unit_is_valid(const char *name) {
        static const char *const types[] = {
                ".service", ".socket", ".timer", ".path", ".target",
                ".mount",   ".scope",  ".slice", ".swap", ".automount"
        };
        size_t length = strspn(name, LOWER UPPER DIGITS ":-_.\\@");
        const char *type = strrchr(name, '.');

        if (length == 0 || length >= CONFIG_UNIT_SIZE || name[length] || name[0] == '-' ||
            type == name || !type || type[-1] == '@')
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

static const char *const holders_names[_CONFIG_HOLDERS_MAX] = {
        [CONFIG_HOLDERS_REFUSE] = "refuse",
        [CONFIG_HOLDERS_STOP] = "stop",
        [CONFIG_HOLDERS_KILL] = "kill",
};

static const char *const confirm_names[_CONFIG_CONFIRM_MAX] = {
        [CONFIG_CONFIRM_MANUAL] = "manual",
        [CONFIG_CONFIRM_BOOT] = "boot",
        [CONFIG_CONFIRM_VM] = "vm",
};

uint32_t config_own_devices(const Config *config, const ConfigMode *mode) {
        const ConfigMode *fallback = config_find_mode(config, config->fallback_mode);

        return mode->vfio_devices & ~(fallback ? fallback->vfio_devices : 0);
}

bool config_reboots(const Config *config, const char *from, const char *to) {
        for (size_t i = 0; i < config->n_modes; i++) {
                const ConfigMode *mode = &config->modes[i];

                if (mode->on_wedged == CONFIG_ON_WEDGED_REBOOT &&
                    (!from || strcmp(mode->name, from) == 0 || strcmp(mode->name, to) == 0))
                        return true;
        }
        return false;
}

ConfigConfirm config_default_confirm(const Config *config, const ConfigMode *mode) {
        return config_own_devices(config, mode) != 0 ? CONFIG_CONFIRM_VM : CONFIG_CONFIRM_MANUAL;
}

const char *config_confirm_name(ConfigConfirm confirm) {
        return confirm_names[confirm];
}

uint32_t config_stop_vm(const ConfigMode *mode) {
        return mode && mode->stop_vm > 0 ? mode->stop_vm : CONFIG_STOP_VM_DEFAULT;
}

uint32_t config_vm_exit_grace(const ConfigMode *mode) {
        return mode->vm_exit_grace > 0 ? mode->vm_exit_grace : CONFIG_VM_EXIT_GRACE_DEFAULT;
}

const char *config_holders_name(ConfigHolders holders) {
        return holders_names[holders];
}

int config_holders_parse(const char *word, ConfigHolders *ret) {
        for (unsigned i = 0; i < _CONFIG_HOLDERS_MAX; i++) {
                if (strcmp(word, holders_names[i]) == 0) {
                        *ret = (ConfigHolders)i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* ---- Writing ---- */

typedef struct Output {
        char *text; /**< CONFIG_FILE_MAX bytes, more than the largest Config takes */
        size_t length;
} Output;

_printf_(2, 3) static void append(Output *output, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        output->length += (size_t)vsnprintf(output->text + output->length,
                                            CONFIG_FILE_MAX - output->length, format, arguments);
        va_end(arguments);
}

static void append_functions(Output *output, uint8_t functions) {
        if (functions == CONFIG_FUNCTIONS_ALL)
                return;
        append(output, "functions =");
        for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
                if (functions & 1u << i)
                        append(output, " %u", i);
        append(output, "\n");
}

static void append_consent(Output *output, unsigned consent) {
        const char *name;

        if (consent == 0)
                return;
        append(output, "consent =");
        for (unsigned i = 0; (name = config_consent_name(i)); i++)
                if (consent & 1u << i)
                        append(output, " %s", name);
        append(output, "\n");
}

static void append_device(Output *output, const ConfigDevice *device) {
        char text[PCI_ADDRESS_SIZE];

        append(output, "\n[device %s]\n", device->name);
        if (device->has_address)
                append(output, "address = %s\n", pci_address_format(device->address, text));
        if (device->has_id)
                append(output, "id = %s\n", pci_id_format(device->id, text));
        append_functions(output, device->functions);
        if (device->host_driver[0])
                append(output, "host-driver = %s\n", device->host_driver);
        append_consent(output, device->consent);
        if (device->n_also > 0)
                append(output, "also =\n");
        for (size_t i = 0; i < device->n_also; i++)
                append(output, "  %s\n", pci_address_format(device->also[i], text));
}

/* In lines that the parser takes. */
static void append_cmdline(Output *output, const char *cmdline) {
        size_t column = 0, length;
        const char *word;

        if (!cmdline[0])
                return;
        append(output, "cmdline =");
        while ((word = parse_word(&cmdline, &length))) {
                bool fits = column > 0 && column + 1 + length <= CMDLINE_COLUMNS;

                append(output, "%s%.*s", fits ? " " : "\n ", (int)length, word);
                column = fits ? column + 1 + length : length;
        }
        append(output, "\n");
}

static void append_hugepages(Output *output, const HugepagesWanted *wanted) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (wanted->pages[size] > 0)
                        append(output, "hugepages-%s = %u\n", hugepage_name(size),
                               wanted->pages[size]);
        if (wanted->has_min)
                append(output, "hugepages-min = %u%s\n", wanted->min,
                       wanted->min_is_percent ? "%" : "");
        if (wanted->keep)
                append(output, "hugepages-keep = yes\n");
}

static void append_mode(Output *output, const Config *config, const ConfigMode *mode) {
        append(output, "\n[mode %s]\nvfio-devices =\n", mode->name);
        for (size_t i = 0; i < config->n_devices; i++)
                if (mode->vfio_devices & 1u << i)
                        append(output, "  %s\n", config->devices[i].name);
        append_cmdline(output, mode->cmdline);
        append_hugepages(output, &mode->hugepages);
        if (mode->n_stop_units > 0)
                append(output, "stop-units =\n");
        for (size_t i = 0; i < mode->n_stop_units; i++)
                append(output, "  %s\n", mode->stop_units[i]);
        if (mode->holders != CONFIG_HOLDERS_REFUSE)
                append(output, "holders = %s\n", config_holders_name(mode->holders));
        if (mode->end_sessions)
                append(output, "end-sessions = yes\n");
        if (mode->switch_for_vm)
                append(output, "switch-for-vm = yes\n");
        if (mode->stop_vm > 0)
                append(output, "stop-vm = %us\n", mode->stop_vm);
        if (mode->expect_vm > 0)
                append(output, "expect-vm = %us\n", mode->expect_vm);
        if (mode->rescue != CONFIG_RESCUE_UNSET)
                append(output, "rescue = %s\n",
                       mode->rescue == CONFIG_RESCUE_NONE ? "none" : "power-button");
        if (mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK)
                append(output, "on-vm-exit = fallback\n");
        if (mode->vm_exit_grace > 0)
                append(output, "vm-exit-grace = %us\n", mode->vm_exit_grace);
        if (mode->confirm != config_default_confirm(config, mode))
                append(output, "confirm = %s\n", config_confirm_name(mode->confirm));
        if (mode->on_wedged == CONFIG_ON_WEDGED_REBOOT)
                append(output, "on-wedged = reboot\n");
}

int config_format(const Config *config, char **ret) {
        Output output = { .text = malloc(CONFIG_FILE_MAX) };

        if (!output.text)
                return -ENOMEM;
        append(&output, "[general]\ndefault-mode = %s\nfallback-mode = %s\n", config->default_mode,
               config->fallback_mode);
        for (size_t i = 0; i < config->n_devices; i++)
                append_device(&output, &config->devices[i]);
        for (size_t i = 0; i < config->n_modes; i++)
                append_mode(&output, config, &config->modes[i]);
        *ret = output.text;
        return (int)output.length;
}

const char *config_errors_format(const ConfigErrors *errors, char *buffer, size_t size) {
        const ConfigError *first = &errors->errors[0];

        if (first->line > 0)
                (void)snprintf(buffer, size, "%s:%u: %s", first->file, first->line, first->text);
        else
                (void)snprintf(buffer, size, "%s: %s", first->file, first->text);
        return buffer;
}

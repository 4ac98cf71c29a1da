/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each key's text means: one setter a key. Knows nothing of lines and sections; whether a
 * value goes together with the others is config-check's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/time-span.h"
#include "config-parser.h"
#include "kernel-cmdline.h"

typedef void (*Setter)(Parser *parser, const char *value);

static ConfigDevice *device_of(Parser *p) {
        return &p->config.devices[p->section->index];
}

static ConfigMode *mode_of(Parser *p) {
        return &p->config.modes[p->section->index];
}

static void set_mode_name(Parser *p, const char *value, char name[static CONFIG_NAME_SIZE]) {
        if (config_name_is_valid(value))
                (void)snprintf(name, CONFIG_NAME_SIZE, "%s", value);
        else
                config_refuse(p, "%s '%.64s' is not a mode's name", config_key(p->key)->name,
                              value);
}

static void set_default_mode(Parser *p, const char *value) {
        set_mode_name(p, value, p->config.default_mode);
}

static void set_fallback_mode(Parser *p, const char *value) {
        set_mode_name(p, value, p->config.fallback_mode);
}

static bool parse_address(Parser *p, const char *text, PciAddress *ret) {
        if (pci_address_parse(text, ret) >= 0)
                return true;
        config_refuse(p, "%s '%.64s' is not a whole PCI address such as 0000:0b:00.0",
                      config_key(p->key)->name, text);
        return false;
}

static void set_address(Parser *p, const char *value) {
        char slot[PCI_ADDRESS_SIZE];
        PciAddress address;

        if (!parse_address(p, value, &address))
                return;
        if (address.function != 0) {
                unsigned function = address.function;

                address.function = 0;
                config_refuse(p, "address '%.64s' is one function: write %s, and functions = %u",
                              value, pci_address_format(address, slot), function);
                return;
        }
        device_of(p)->address = address;
        device_of(p)->has_address = true;
}

static void set_id(Parser *p, const char *value) {
        if (pci_id_parse(value, &device_of(p)->id) >= 0)
                device_of(p)->has_id = true;
        else
                config_refuse(p, "id '%.64s' is not a PCI id such as 10de:2484", value);
}

static bool parse_functions(const char *value, uint8_t *ret) {
        char word[CONFIG_WORD_SIZE];
        uint8_t functions = 0;

        if (strcmp(value, "all") == 0) {
                *ret = CONFIG_FUNCTIONS_ALL;
                return true;
        }
        while (config_word(&value, word)) {
                unsigned bit;

                if (word[0] < '0' || word[0] >= '0' + PCI_SLOT_FUNCTIONS || word[1])
                        return false;
                bit = 1u << (word[0] - '0');
                if (functions & bit)
                        return false;
                functions = (uint8_t)(functions | bit);
        }
        *ret = functions;
        return true;
}

static void set_functions(Parser *p, const char *value) {
        if (!parse_functions(value, &device_of(p)->functions))
                config_refuse(p,
                              "functions '%.64s' is neither 'all' nor different digits from 0 to 7",
                              value);
}

static void set_host_driver(Parser *p, const char *value) {
        if (config_driver_is_valid(value))
                (void)snprintf(device_of(p)->host_driver, CONFIG_DRIVER_SIZE, "%s", value);
        else
                config_refuse(p, "host-driver '%.64s' is not a driver's name such as nvidia",
                              value);
}

static bool find_consent(const char *word, unsigned *ret) {
        const char *name;

        for (unsigned i = 0; (name = config_consent_name(i)); i++)
                if (strcmp(word, name) == 0) {
                        *ret = 1u << i;
                        return true;
                }
        return false;
}

static void set_consent(Parser *p, const char *value) {
        ConfigDevice *device = device_of(p);
        char word[CONFIG_WORD_SIZE];
        unsigned consent;

        if (!p->goes_on)
                device->consent = 0;
        while (config_word(&value, word)) {
                if (find_consent(word, &consent))
                        device->consent |= consent;
                else
                        config_refuse(p,
                                      "consent '%s' is unknown: there are boot-vga, network, "
                                      "storage, input and shared-driver",
                                      word);
        }
}

static bool has_also(const ConfigDevice *device, PciAddress address) {
        for (size_t i = 0; i < device->n_also; i++)
                if (pci_address_compare(device->also[i], address) == 0)
                        return true;
        return false;
}

static void set_also(Parser *p, const char *value) {
        ConfigDevice *device = device_of(p);
        char word[CONFIG_WORD_SIZE];
        PciAddress address;

        if (!p->goes_on)
                device->n_also = 0;
        while (config_word(&value, word)) {
                if (!parse_address(p, word, &address))
                        continue;
                if (has_also(device, address))
                        config_refuse(p, "also names %s twice", word);
                else if (device->n_also == CONFIG_ALSO_MAX)
                        config_refuse(p, "also %s is one too many: at most %d", word,
                                      CONFIG_ALSO_MAX);
                else
                        device->also[device->n_also++] = address;
        }
}

static void set_vfio_devices(Parser *p, const char *value) {
        ConfigMode *mode = mode_of(p);
        char word[CONFIG_WORD_SIZE];

        if (!p->goes_on)
                mode->vfio_devices = 0;
        while (config_word(&value, word)) {
                const Section *device = config_section_find(p, CONFIG_DEVICE, word);

                if (!device)
                        config_refuse(p, "vfio-devices names '%s', and there is no [device %s]",
                                      word, word);
                else if (mode->vfio_devices & 1u << device->index)
                        config_refuse(p, "vfio-devices names '%s' twice", word);
                else
                        mode->vfio_devices |= 1u << device->index;
        }
}

/* ---- Kernel arguments ---- */

/*
 * What GRUB, a boot loader specification's entry and the kernel carry byte for byte. GRUB's scripts
 * split and glob, entries are pasted into a script, and the kernel knows no backslash, so there is
 * no quoting that all of them undo.
 */
#define ARGUMENT_BYTES                                                   \
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
        "_.,:=/@+%~^!-"

static bool check_bytes(Parser *p, const char *word) {
        size_t length = strspn(word, ARGUMENT_BYTES);

        if (word[length])
                config_refuse(p, "cmdline '%.64s' has a '%c', which boot loaders may change", word,
                              word[length]);
        else if (word[0] == '/' || word[0] == '!')
                config_refuse(p, "cmdline '%.64s' begins with '%c', which boot loaders may change",
                              word, word[0]);
        else
                return true;
        return false;
}

/* Whether the argument has this name, to which the kernel '-' and '_' are the same. A name that
 * ends with a point is the beginning of one. */
static bool has_name(const char *word, const char *name) {
        size_t i = 0;

        for (; name[i]; i++)
                if (word[i] != name[i] && !(word[i] == '-' && name[i] == '_'))
                        return false;
        return name[i - 1] == '.' || word[i] == '=' || !word[i];
}

static bool check_argument(Parser *p, const char *word) {
        static const char *const ours[] = { "vfio_mode", "vfio_mode." };
        static const char *const systems[] = { "root", "init", "rdinit" };
        KernelCmdlineRequest request;

        if (!check_bytes(p, word))
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
                if (has_name(word, ours[i])) {
                        config_refuse(p, "cmdline '%.64s' is for vfio-mode itself to say", word);
                        return false;
                }
        }
        for (size_t i = 0; i < ARRAY_SIZE(systems); i++) {
                if (has_name(word, systems[i])) {
                        config_refuse(p, "cmdline '%.64s' would boot another system", word);
                        return false;
                }
        }
        kernel_cmdline_request(word, &request);
        if (request.rescue[0])
                config_refuse(p,
                              "cmdline '%.64s' asks for a rescue system, which is booted in the "
                              "fallback mode",
                              word);
        else if (strcmp(word, "--") == 0)
                config_refuse(p, "cmdline '--' ends the arguments of the kernel");
        else
                return true;
        return false;
}

static void set_cmdline(Parser *p, const char *value) {
        ConfigMode *mode = mode_of(p);
        size_t used, length;
        const char *text;

        if (!p->goes_on)
                mode->cmdline[0] = '\0';
        while ((text = parse_word(&value, &length))) {
                char word[CONFIG_CMDLINE_SIZE];

                used = strlen(mode->cmdline);
                if (parse_copy(word, sizeof(word), text, length) < 0 ||
                    used + 1 + length >= sizeof(mode->cmdline)) {
                        config_refuse(p, "cmdline is longer than %d bytes",
                                      CONFIG_CMDLINE_SIZE - 1);
                        return;
                }
                if (check_argument(p, word))
                        (void)snprintf(mode->cmdline + used, sizeof(mode->cmdline) - used, "%s%s",
                                       used > 0 ? " " : "", word);
        }
}

/* ---- Hugepages ---- */

static void set_pages(Parser *p, HugepageSize size, const char *value) {
        uint64_t pages;

        if (parse_decimal(value, hugepages_max(size), &pages) >= 0)
                mode_of(p)->hugepages.pages[size] = (uint32_t)pages;
        else
                config_refuse(p, "%s '%.64s' is not a number of pages from 0 to %" PRIu64,
                              config_key(p->key)->name, value, hugepages_max(size));
}

static void set_hugepages_1g(Parser *p, const char *value) {
        set_pages(p, HUGEPAGE_1G, value);
}

static void set_hugepages_2m(Parser *p, const char *value) {
        set_pages(p, HUGEPAGE_2M, value);
}

static void set_hugepages_min(Parser *p, const char *value) {
        HugepagesWanted *wanted = &mode_of(p)->hugepages;
        char number[CONFIG_WORD_SIZE];
        size_t length = strlen(value);
        bool is_percent = length > 0 && value[length - 1] == '%';
        uint64_t min;

        if (parse_copy(number, sizeof(number), value, length - is_percent) < 0 ||
            parse_decimal(number, is_percent ? 100 : hugepages_max(HUGEPAGE_2M), &min) < 0) {
                config_refuse(p,
                              "hugepages-min '%.64s' is neither a number of pages nor a percentage "
                              "from 0%% to 100%%",
                              value);
                return;
        }
        wanted->has_min = true;
        wanted->min_is_percent = is_percent;
        wanted->min = (uint32_t)min;
}

static void set_boolean(Parser *p, const char *name, const char *value, bool *ret) {
        bool yes = strcmp(value, "yes") == 0;

        if (yes || strcmp(value, "no") == 0)
                *ret = yes;
        else
                config_refuse(p, "%s '%.64s' is neither yes nor no", name, value);
}

static void set_hugepages_keep(Parser *p, const char *value) {
        set_boolean(p, "hugepages-keep", value, &mode_of(p)->hugepages.keep);
}

/* ---- */

static void set_confirm(Parser *p, const char *value) {
        for (ConfigConfirm confirm = 0; confirm < _CONFIG_CONFIRM_MAX; confirm++)
                if (strcmp(value, config_confirm_name(confirm)) == 0) {
                        mode_of(p)->confirm = confirm;
                        return;
                }
        config_refuse(p, "confirm '%.64s' is unknown: there are vm, boot and manual", value);
}

static void set_on_wedged(Parser *p, const char *value) {
        if (strcmp(value, "stay") == 0)
                mode_of(p)->on_wedged = CONFIG_ON_WEDGED_STAY;
        else if (strcmp(value, "reboot") == 0)
                mode_of(p)->on_wedged = CONFIG_ON_WEDGED_REBOOT;
        else
                config_refuse(p, "on-wedged '%.64s' is unknown: there are stay and reboot", value);
}

static bool has_stop_unit(const ConfigMode *mode, const char *unit) {
        for (size_t i = 0; i < mode->n_stop_units; i++)
                if (strcmp(mode->stop_units[i], unit) == 0)
                        return true;
        return false;
}

static void add_stop_unit(Parser *p, const char *unit) {
        ConfigMode *mode = mode_of(p);

        if (!config_unit_is_valid(unit))
                config_refuse(p, "stop-units '%.64s' is not a unit's name such as foo.service",
                              unit);
        else if (strncmp(unit, "vfio-mode", strlen("vfio-mode")) == 0)
                config_refuse(p, "stop-units '%.64s' is a unit of vfio-mode itself", unit);
        else if (has_stop_unit(mode, unit))
                config_refuse(p, "stop-units names %.64s twice", unit);
        else if (mode->n_stop_units == CONFIG_STOP_UNITS_MAX)
                config_refuse(p, "stop-units %.64s is one too many: at most %d", unit,
                              CONFIG_STOP_UNITS_MAX);
        else
                (void)snprintf(mode->stop_units[mode->n_stop_units++], CONFIG_UNIT_SIZE, "%s",
                               unit);
}

static void set_stop_units(Parser *p, const char *value) {
        const char *text;
        size_t length;

        if (!p->goes_on)
                mode_of(p)->n_stop_units = 0;
        while ((text = parse_word(&value, &length))) {
                char unit[CONFIG_UNIT_SIZE];

                if (parse_copy(unit, sizeof(unit), text, length) < 0)
                        config_refuse(p, "stop-units '%.64s' is longer than %d bytes", text,
                                      CONFIG_UNIT_SIZE - 1);
                else
                        add_stop_unit(p, unit);
        }
}

static void set_holders(Parser *p, const char *value) {
        if (config_holders_parse(value, &mode_of(p)->holders) < 0)
                config_refuse(p, "holders '%.64s' is unknown: there are refuse, stop and kill",
                              value);
}

static void set_switch_for_vm(Parser *p, const char *value) {
        set_boolean(p, "switch-for-vm", value, &mode_of(p)->switch_for_vm);
}

static void set_end_sessions(Parser *p, const char *value) {
        set_boolean(p, "end-sessions", value, &mode_of(p)->end_sessions);
}

static void set_stop_vm(Parser *p, const char *value) {
        uint64_t seconds;

        if (time_span_parse(value, CONFIG_STOP_VM_MAX, &seconds) >= 0 && seconds > 0)
                mode_of(p)->stop_vm = (uint32_t)seconds;
        else
                config_refuse(p, "stop-vm '%.64s' is not a time from 1s to 10min", value);
}

static void set_expect_vm(Parser *p, const char *value) {
        uint64_t seconds;

        if (time_span_parse(value, CONFIG_EXPECT_VM_MAX, &seconds) >= 0)
                mode_of(p)->expect_vm = (uint32_t)seconds;
        else
                config_refuse(p, "expect-vm '%.64s' is not a time up to 1d", value);
}

static void set_on_vm_exit(Parser *p, const char *value) {
        if (strcmp(value, "stay") == 0)
                mode_of(p)->on_vm_exit = CONFIG_ON_VM_EXIT_STAY;
        else if (strcmp(value, "fallback") == 0)
                mode_of(p)->on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK;
        else
                config_refuse(p, "on-vm-exit '%.64s' is unknown: there are stay and fallback",
                              value);
}

static void set_rescue(Parser *p, const char *value) {
        if (strcmp(value, "power-button") == 0)
                mode_of(p)->rescue = CONFIG_RESCUE_POWER_BUTTON;
        else if (strcmp(value, "none") == 0)
                mode_of(p)->rescue = CONFIG_RESCUE_NONE;
        else
                config_refuse(p, "rescue '%.64s' is unknown: there are power-button and none",
                              value);
}

static void set_vm_exit_grace(Parser *p, const char *value) {
        uint64_t seconds;

        if (time_span_parse(value, CONFIG_VM_EXIT_GRACE_MAX, &seconds) >= 0 && seconds > 0)
                mode_of(p)->vm_exit_grace = (uint32_t)seconds;
        else
                config_refuse(p, "vm-exit-grace '%.64s' is not a time from 1s to 10min", value);
}

void config_value_set(Parser *p, const char *value) {
        static const Setter setters[CONFIG_KEY_COUNT] = {
                [CONFIG_KEY_DEFAULT_MODE] = set_default_mode,
                [CONFIG_KEY_FALLBACK_MODE] = set_fallback_mode,
                [CONFIG_KEY_ADDRESS] = set_address,
                [CONFIG_KEY_ID] = set_id,
                [CONFIG_KEY_FUNCTIONS] = set_functions,
                [CONFIG_KEY_HOST_DRIVER] = set_host_driver,
                [CONFIG_KEY_CONSENT] = set_consent,
                [CONFIG_KEY_ALSO] = set_also,
                [CONFIG_KEY_VFIO_DEVICES] = set_vfio_devices,
                [CONFIG_KEY_CMDLINE] = set_cmdline,
                [CONFIG_KEY_HUGEPAGES_1G] = set_hugepages_1g,
                [CONFIG_KEY_HUGEPAGES_2M] = set_hugepages_2m,
                [CONFIG_KEY_HUGEPAGES_MIN] = set_hugepages_min,
                [CONFIG_KEY_HUGEPAGES_KEEP] = set_hugepages_keep,
                [CONFIG_KEY_CONFIRM] = set_confirm,
                [CONFIG_KEY_ON_WEDGED] = set_on_wedged,
                [CONFIG_KEY_STOP_UNITS] = set_stop_units,
                [CONFIG_KEY_HOLDERS] = set_holders,
                [CONFIG_KEY_END_SESSIONS] = set_end_sessions,
                [CONFIG_KEY_SWITCH_FOR_VM] = set_switch_for_vm,
                [CONFIG_KEY_STOP_VM] = set_stop_vm,
                [CONFIG_KEY_EXPECT_VM] = set_expect_vm,
                [CONFIG_KEY_ON_VM_EXIT] = set_on_vm_exit,
                [CONFIG_KEY_RESCUE] = set_rescue,
                [CONFIG_KEY_VM_EXIT_GRACE] = set_vm_exit_grace,
        };

        setters[p->key](p, value);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only the whole configuration tells, after every source has been read. Knows nothing of text:
 * each complaint points to the line that a key or section was last written on.
 */
#include <stdio.h>
#include <string.h>

#include "base/plural.h"
#include "config-parser.h"

static const Section *device_section(Parser *p, const ConfigDevice *device) {
        return config_section_find(p, CONFIG_DEVICE, device->name);
}

/* Where the last of the two devices got this key. */
static Origin last_origin(Parser *p, ConfigKeyId key, const ConfigDevice *a,
                          const ConfigDevice *b) {
        Origin of_a = device_section(p, a)->keys[key];
        Origin of_b = device_section(p, b)->keys[key];

        return config_origin_before(of_a, of_b) ? of_b : of_a;
}

static void check_device(Parser *p, const ConfigDevice *device) {
        const Section *section = device_section(p, device);

        if (!device->has_address && !device->has_id)
                config_refuse_at(p, section->header, "device '%s' needs an address or an id",
                                 device->name);
        if (device->host_driver[0] && !(device->functions & 1))
                config_refuse_at(p, section->keys[CONFIG_KEY_HOST_DRIVER],
                                 "host-driver is of function 0, which device '%s' leaves out",
                                 device->name);
}

/* One function belongs to one device. What only an id places may be wherever that id is. */
static void check_pair(Parser *p, const ConfigDevice *a, const ConfigDevice *b) {
        char text[PCI_ADDRESS_SIZE];

        if (!(a->functions & b->functions))
                return;
        if (a->has_address && b->has_address) {
                if (pci_address_compare(a->address, b->address) == 0)
                        config_refuse_at(p, last_origin(p, CONFIG_KEY_ADDRESS, a, b),
                                         "devices '%s' and '%s' share a function of %s", a->name,
                                         b->name, pci_address_format(a->address, text));
        } else if (a->has_id && b->has_id && pci_id_equal(a->id, b->id)) {
                config_refuse_at(p, last_origin(p, CONFIG_KEY_ID, a, b),
                                 "devices '%s' and '%s' have the same id %s: give each its address",
                                 a->name, b->name, pci_id_format(a->id, text));
        }
}

static void check_also(Parser *p, const ConfigDevice *device, const ConfigDevice *other) {
        Origin origin = device_section(p, device)->keys[CONFIG_KEY_ALSO];
        char text[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < device->n_also; i++) {
                PciAddress also = device->also[i];

                if (other->has_address && pci_address_same_slot(also, other->address) &&
                    other->functions & 1u << also.function)
                        config_refuse_at(p, origin, "also %s is a function of device '%s'",
                                         pci_address_format(also, text), other->name);
        }
}

static void check_devices(Parser *p) {
        const ConfigDevice *end = p->config.devices + p->config.n_devices;

        for (const ConfigDevice *a = p->config.devices; a < end; a++) {
                check_device(p, a);
                for (const ConfigDevice *b = a + 1; b < end; b++) {
                        check_pair(p, a, b);
                        check_also(p, a, b);
                        check_also(p, b, a);
                }
        }
}

/* A rescue boot and a boot loader that knows nothing of us go to the fallback mode without any. */
static void check_fallback_cmdline(Parser *p) {
        const ConfigMode *fallback = config_find_mode(&p->config, p->config.fallback_mode);

        if (fallback && fallback->cmdline[0])
                config_refuse_at(p,
                                 config_section_find(p, CONFIG_MODE, fallback->name)
                                         ->keys[CONFIG_KEY_CMDLINE],
                                 "the fallback mode '%s' takes no cmdline: what every boot needs "
                                 "belongs into the boot loader's configuration",
                                 fallback->name);
}

/* Pages that are always wanted are no mode's, and the way back must not have to look for memory. */
static void check_fallback_hugepages(Parser *p, const ConfigMode *mode, const Section *section) {
        static const ConfigKeyId keys[] = { CONFIG_KEY_HUGEPAGES_1G, CONFIG_KEY_HUGEPAGES_2M };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (mode->hugepages.pages[i == 0 ? HUGEPAGE_1G : HUGEPAGE_2M] > 0)
                        config_refuse_at(p, section->keys[keys[i]],
                                         "the fallback mode '%s' takes no hugepages: those that "
                                         "are always wanted belong into vm.nr_hugepages or the "
                                         "boot loader's configuration",
                                         mode->name);
}

/* A number of pages is one of which size? And nobody can get more than is asked for. */
static void check_hugepages_min(Parser *p, const ConfigMode *mode, const Section *section) {
        const HugepagesWanted *wanted = &mode->hugepages;
        Origin origin = section->keys[CONFIG_KEY_HUGEPAGES_MIN];
        uint32_t all = wanted->pages[HUGEPAGE_1G] + wanted->pages[HUGEPAGE_2M];

        if (!wanted->has_min || wanted->min_is_percent)
                return;
        if (wanted->pages[HUGEPAGE_1G] > 0 && wanted->pages[HUGEPAGE_2M] > 0)
                config_refuse_at(
                        p, origin,
                        "hugepages-min of mode '%s' is a number of pages, and it wants two "
                        "sizes: give a percentage",
                        mode->name);
        else if (wanted->min > all)
                config_refuse_at(
                        p, origin, "hugepages-min of mode '%s' is %u page%s, and only %u %s wanted",
                        mode->name, wanted->min, plural_s(wanted->min), all, plural_are(all));
}

static void check_hugepages(Parser *p) {
        for (size_t i = 0; i < p->config.n_modes; i++) {
                const ConfigMode *mode = &p->config.modes[i];
                const Section *section = config_section_find(p, CONFIG_MODE, mode->name);

                check_hugepages_min(p, mode, section);
                if (strcmp(mode->name, p->config.fallback_mode) == 0)
                        check_fallback_hugepages(p, mode, section);
        }
}

static bool is_about_a_device(const ConfigMode *mode, ConfigKeyId key) {
        if (key == CONFIG_KEY_EXPECT_VM)
                return mode->expect_vm > 0;
        if (key == CONFIG_KEY_ON_VM_EXIT)
                return mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK;
        if (key == CONFIG_KEY_SWITCH_FOR_VM)
                return mode->switch_for_vm;
        if (key == CONFIG_KEY_RESCUE)
                return mode->rescue == CONFIG_RESCUE_POWER_BUTTON;
        return mode->confirm == CONFIG_CONFIRM_VM;
}

/* A key that could never do anything was meant otherwise. */
static void check_vm_keys(Parser *p, ConfigMode *mode, const Section *section) {
        static const ConfigKeyId keys[] = { CONFIG_KEY_EXPECT_VM, CONFIG_KEY_ON_VM_EXIT,
                                            CONFIG_KEY_SWITCH_FOR_VM, CONFIG_KEY_RESCUE,
                                            CONFIG_KEY_CONFIRM };

        if (mode->vm_exit_grace > 0 && mode->on_vm_exit != CONFIG_ON_VM_EXIT_FALLBACK)
                config_refuse_at(p, section->keys[CONFIG_KEY_VM_EXIT_GRACE],
                                 "vm-exit-grace of mode '%s' needs on-vm-exit = fallback",
                                 mode->name);
        if (section->keys[CONFIG_KEY_CONFIRM].source == 0)
                mode->confirm = config_default_confirm(&p->config, mode);
        if (config_own_devices(&p->config, mode) != 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (is_about_a_device(mode, keys[i]))
                        config_refuse_at(p, section->keys[keys[i]],
                                         "%s of mode '%s' is about a device that the fallback mode "
                                         "does not have, and it has none",
                                         config_key(keys[i])->name, mode->name);
}

/* On the way back nobody is asked to let go, and no boot into that mode waits for anybody's word.
 */
static void check_fallback_keys(Parser *p) {
        const ConfigMode *mode = config_find_mode(&p->config, p->config.fallback_mode);
        const Section *section =
                mode ? config_section_find(p, CONFIG_MODE, p->config.fallback_mode) : NULL;
        const struct {
                ConfigKeyId key;
                bool is_unheard;
                const char *why;
        } keys[] = {
                { CONFIG_KEY_HOLDERS, mode && mode->holders != CONFIG_HOLDERS_REFUSE,
                  "on the way to it nobody is asked to let go" },
                { CONFIG_KEY_END_SESSIONS, mode && mode->end_sessions,
                  "on the way to it no session ends" },
                { CONFIG_KEY_CONFIRM,
                  section && section->keys[CONFIG_KEY_CONFIRM].source != 0 &&
                          mode->confirm == CONFIG_CONFIRM_MANUAL,
                  "a boot into it is good when it has completed" },
        };

        for (size_t i = 0; section && i < ARRAY_SIZE(keys); i++)
                if (keys[i].is_unheard)
                        config_refuse_at(p, section->keys[keys[i].key],
                                         "the fallback mode '%s' takes no such %s: %s", mode->name,
                                         config_key(keys[i].key)->name, keys[i].why);
}

static void check_vms(Parser *p) {
        for (size_t i = 0; i < p->config.n_modes; i++)
                check_vm_keys(p, &p->config.modes[i],
                              config_section_find(p, CONFIG_MODE, p->config.modes[i].name));
}

static void check_modes(Parser *p) {
        static const Origin whole = { .source = 1 };
        const Section *general = config_section_find(p, CONFIG_GENERAL, "");
        Config *config = &p->config;

        if (!config->fallback_mode[0])
                (void)snprintf(config->fallback_mode, CONFIG_NAME_SIZE, "host");
        if (!config_find_mode(config, config->fallback_mode) &&
            !config_section_add(p, CONFIG_MODE, config->fallback_mode))
                config_refuse_at(p, whole, "no room for the fallback mode '%s' beside %d others",
                                 config->fallback_mode, CONFIG_MODES_MAX);
        check_fallback_cmdline(p);
        check_fallback_keys(p);
        check_hugepages(p);
        check_vms(p);

        if (!config->default_mode[0])
                (void)memcpy(config->default_mode, config->fallback_mode, CONFIG_NAME_SIZE);
        else if (!config_find_mode(config, config->default_mode))
                config_refuse_at(p, general->keys[CONFIG_KEY_DEFAULT_MODE],
                                 "default-mode names '%s', and there is no [mode %s]",
                                 config->default_mode, config->default_mode);
}

void config_check(Parser *p) {
        check_devices(p);
        check_modes(p);
}

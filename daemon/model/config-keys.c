/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of every key of vfio-mode.ini(5). What a value means once it is read is the parser's.
 */
#include <string.h>

#include "base/cleanup.h"
#include "config-keys.h"

#define KEY(section_, name_, type_, default_, range_, description_) \
        { .section = CONFIG_##section_,                             \
          .name = (name_),                                          \
          .type = CONFIG_TYPE_##type_,                              \
          .default_text = (default_),                               \
          .range = (range_),                                        \
          .description = (description_) }

/* clang-format off: a table */
static const ConfigKey keys[] = {
        [CONFIG_KEY_DEFAULT_MODE] =
                KEY(GENERAL, "default-mode", MODE, "the fallback mode", "a mode",
                    "what a boot goes to when nothing else names a mode"),
        [CONFIG_KEY_FALLBACK_MODE] =
                KEY(GENERAL, "fallback-mode", MODE, "host", "a mode", "where every failure leads"),

        [CONFIG_KEY_ADDRESS] =
                KEY(DEVICE, "address", ADDRESS, "", "a whole PCI address of function 0",
                    "the slot where the device is"),
        [CONFIG_KEY_ID] = KEY(DEVICE, "id", ID, "", "VENDOR:DEVICE, four hexadecimal digits each",
                              "what must be there; alone it must match exactly one slot"),
        [CONFIG_KEY_FUNCTIONS] =
                KEY(DEVICE, "functions", FUNCTIONS, "all", "all, or different digits from 0 to 7",
                    "the functions of the slot that belong to the device"),
        [CONFIG_KEY_HOST_DRIVER] = KEY(DEVICE, "host-driver", DRIVER, "what the modalias picks",
                                       "a driver's name", "the driver of function 0 in host mode"),
        [CONFIG_KEY_CONSENT] =
                KEY(DEVICE, "consent", WORDS, "", "boot-vga network storage input shared-driver",
                    "dangers accepted by name"),
        [CONFIG_KEY_ALSO] = KEY(DEVICE, "also", ADDRESSES, "", "up to 16 whole PCI addresses",
                                "further members of its IOMMU group that may go with it"),

        [CONFIG_KEY_VFIO_DEVICES] =
                KEY(MODE, "vfio-devices", DEVICES, "", "names of devices",
                    "what is on vfio-pci in this mode; everything else is on its host driver"),
        [CONFIG_KEY_CMDLINE] =
                KEY(MODE, "cmdline", ARGUMENTS, "", "kernel arguments",
                    "appended to the kernel command line when booting into this mode"),
        [CONFIG_KEY_HUGEPAGES_1G] =
                KEY(MODE, "hugepages-1G", COUNT, "0", "a number of pages up to 16384",
                    "pages of 1 GiB wanted while in this mode"),
        [CONFIG_KEY_HUGEPAGES_2M] =
                KEY(MODE, "hugepages-2M", COUNT, "0", "a number of pages up to 8388608",
                    "pages of 2 MiB wanted while in this mode"),
        [CONFIG_KEY_HUGEPAGES_MIN] =
                KEY(MODE, "hugepages-min", COUNT, "all of them",
                    "a percentage or a number of pages", "fewer pages than this are a refusal"),
        [CONFIG_KEY_HUGEPAGES_KEEP] =
                KEY(MODE, "hugepages-keep", BOOLEAN, "no", "yes no", "keep the pages when leaving"),
        [CONFIG_KEY_STOP_UNITS] = KEY(MODE, "stop-units", UNITS, "", "up to 10 names of units",
                                      "stopped on the way in, started again on the way back"),
        [CONFIG_KEY_END_SESSIONS] = KEY(MODE, "end-sessions", BOOLEAN, "no", "yes no",
                                        "graphical sessions on the device's seat are ended"),
        [CONFIG_KEY_HOLDERS] = KEY(MODE, "holders", WORD, "refuse", "refuse stop kill",
                                   "what happens to processes that have the device open"),
        [CONFIG_KEY_EXPECT_VM] =
                KEY(MODE, "expect-vm", TIME, "0", "a time up to 1d, 0 for off",
                    "a virtual machine must open a device within this time, else fallback"),
        [CONFIG_KEY_ON_VM_EXIT] = KEY(MODE, "on-vm-exit", WORD, "stay", "stay fallback",
                                      "what follows when the last virtual machine has gone"),
        [CONFIG_KEY_VM_EXIT_GRACE] =
                KEY(MODE, "vm-exit-grace", TIME, "15s", "a time from 1s to 10min",
                    "how long after the last virtual machine has gone"),
        [CONFIG_KEY_STOP_VM] = KEY(MODE, "stop-vm", TIME, "60s", "a time from 1s to 10min",
                                   "how long a guest has for an orderly shutdown when leaving"),
        [CONFIG_KEY_SWITCH_FOR_VM] =
                KEY(MODE, "switch-for-vm", BOOLEAN, "no", "yes no",
                    "a hook may switch to this mode for a guest that names its devices"),
        [CONFIG_KEY_CONFIRM] = KEY(
                MODE, "confirm", WORD,
                "vm where this mode has a device that the fallback mode does not have, else manual",
                "vm boot manual", "when a trial boot is good"),
        [CONFIG_KEY_RESCUE] = KEY(
                MODE, "rescue", WORD,
                "power-button where this mode takes the fallback mode's boot_vga device, else none",
                "power-button none", "what brings the screen back"),
        [CONFIG_KEY_ON_WEDGED] = KEY(MODE, "on-wedged", WORD, "stay", "stay reboot",
                                     "what follows when the device cannot be had back at run time"),
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(keys) == CONFIG_KEY_COUNT, "a row for each key");

const ConfigKey *config_key(ConfigKeyId id) {
        return &keys[id];
}

bool config_key_find(ConfigSectionKind section, const char *name, ConfigKeyId *ret) {
        for (ConfigKeyId id = 0; id < CONFIG_KEY_COUNT; id++) {
                if (keys[id].section == section && strcmp(keys[id].name, name) == 0) {
                        *ret = id;
                        return true;
                }
        }
        return false;
}

bool config_type_is_list(ConfigType type) {
        return type >= CONFIG_TYPE_WORDS;
}

const char *config_section_kind_name(ConfigSectionKind kind) {
        static const char *const names[] = {
                [CONFIG_GENERAL] = "general",
                [CONFIG_DEVICE] = "device",
                [CONFIG_MODE] = "mode",
        };

        return names[kind];
}

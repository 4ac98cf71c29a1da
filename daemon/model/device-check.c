/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "device-check.h"
#include "rom-check.h"

#define BAR_ALWAYS_MIB 256 /* what cards had before Resizable BAR; every guest can map it */

typedef struct DeviceCheck {
        const DeviceFacts *facts;
        const Host *host;
        const PciAddress *taken;
        size_t n_taken;
        Inspection *ret;
} DeviceCheck;

static void add(const DeviceCheck *c, CheckResult result, const char *what, const char *advice,
                const char *text) {
        char id[sizeof("framebuffer-") + CONFIG_NAME_SIZE];

        (void)snprintf(id, sizeof(id), "%s-%s", what, c->facts->device->name);
        inspection_add_check(c->ret, result, id, advice, "%s", text);
}

static const Function *function_at(const DeviceCheck *c, size_t n) {
        return host_find(c->host, c->facts->functions[n]);
}

static bool is_taken(const DeviceCheck *c, PciAddress address) {
        for (size_t i = 0; i < c->n_taken; i++)
                if (pci_address_compare(c->taken[i], address) == 0)
                        return true;
        return false;
}

/* --- the group --- */

static const Need *find_need(const DeviceCheck *c, PciAddress address) {
        return c->facts->needs ? reachability_need_of(c->facts->needs, address) : NULL;
}

/* What a mode that gives it away needs for that, by the plan's own rules. */
static const char *say_need(const Need *need) {
        static const char *const words[] = {
                [NEED_NETWORK] = ", carries the default route: consent = network",
                [NEED_STORAGE] = ", has a disk in use: consent = storage",
                [NEED_INPUT] = ", has a keyboard: consent = input if it is the last",
                [NEED_SCREEN] = ", has a screen: consent = boot-vga if it is the last",
        };

        if (need && need->is_essential)
                return ", has a disk that the system needs: cannot go";
        return need ? words[need->kind] : "";
}

/* Who would have to go along, as far as there is room to name them. Returns how many.
 * @ret_can_go: none of them is one that the system needs */
static size_t name_strangers(const DeviceCheck *c, int group, char *buffer, size_t size,
                             bool *ret_can_go) {
        const size_t room = size - sizeof(" and 4096 more");
        size_t n = 0, n_named = 0, length = 0;

        *ret_can_go = true;
        for (size_t i = 0; i < c->host->n_functions; i++) {
                const Function *function = &c->host->functions[i];
                const Need *need = find_need(c, function->address);
                char text[160], address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];

                if (function->iommu_group != group || is_taken(c, function->address) ||
                    function_leaves_group_viable(function))
                        continue;
                (void)snprintf(text, sizeof(text), "%s%s [%s] (%s%s)", n > 0 ? ", " : "",
                               pci_address_format(function->address, address),
                               pci_id_format(function->id, id), function->driver, say_need(need));
                *ret_can_go &= !need || !need->is_essential;
                if (n_named == n && length + strlen(text) < room) {
                        length += (size_t)snprintf(buffer + length, size - length, "%s", text);
                        n_named++;
                }
                n++;
        }
        if (n > n_named)
                (void)snprintf(buffer + length, size - length, " and %zu more", n - n_named);
        return n;
}

#define NO_ACS                                                                                          \
        "(pcie_acs_override= would part them in name only: without ACS they reach each other past the " \
        "IOMMU.)"

/* Returns whether all is well with it. */
static bool judge_group(const DeviceCheck *c, const Function *function, bool has_reserved_region) {
        char text[REFUSAL_TEXT_SIZE], strangers[432] = "";
        bool can_go;

        if (function->iommu_group < 0) {
                add(c, CHECK_FAIL, "group", "Look at dmesg for why the IOMMU leaves it out.",
                    "It is in no IOMMU group, so no guest can have it.");
        } else if (has_reserved_region) {
                (void)snprintf(text, sizeof(text),
                               "The firmware keeps memory of IOMMU group %d for itself (RMRR): the "
                               "kernel gives it to no guest.",
                               function->iommu_group);
                add(c, CHECK_FAIL, "group",
                    "Some firmware can be told not to (\"shared memory features\").", text);
        } else if (name_strangers(c, function->iommu_group, strangers, sizeof(strangers), &can_go) >
                   0) {
                (void)snprintf(text, sizeof(text),
                               "IOMMU group %d has others in it that would have to go along: %s.",
                               function->iommu_group, strangers);
                add(c, CHECK_FAIL, "group",
                    can_go ? "Put the card into another slot, update the firmware, or give them to "
                             "the mode, too (key also), where the host can do without. " NO_ACS
                           : "Put the card into another slot, or update the firmware: a group that "
                             "has what the system needs cannot go. " NO_ACS,
                    text);
        } else {
                return true;
        }
        return false;
}

/* With ACS the functions of a slot may be in several. The first that is not well is said. */
static void check_group(const DeviceCheck *c) {
        const Function *first = function_at(c, 0);
        char text[REFUSAL_TEXT_SIZE];

        /* Without an IOMMU nothing is in a group. */
        if (!first || !c->host->iommu)
                return;
        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const Function *function = function_at(c, i);

                if (function && !judge_group(c, function, c->facts->facts[i].has_reserved_region))
                        return;
        }
        (void)snprintf(text, sizeof(text), "Nothing else in IOMMU group %d is in the way.",
                       first->iommu_group);
        add(c, CHECK_PASS, "group", "", text);
}

/* --- the screen --- */

static bool is_display(const DeviceCheck *c) {
        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const Function *function = function_at(c, i);

                if (function && function_is_display(function))
                        return true;
        }
        return false;
}

static void check_screen(const DeviceCheck *c) {
        bool boots = false;

        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const Function *function = function_at(c, i);

                boots |= function && function->boot_vga;
        }
        if (c->facts->other_screen)
                add(c, CHECK_PASS, "screen", "",
                    boots ? "The PC boots with it; another card has a screen, too."
                          : "Another card has a screen.");
        else
                add(c, CHECK_WARN, "screen", "Know the ways back, below.",
                    boots ? "The PC boots with it, and no other card has a screen: while a guest "
                            "has it, the host has none."
                          : "No other card has a screen connected: while a guest has it, the host "
                            "has none.");
}

/* QEMU maps its BARs only when a guest starts, and fails then ("can't reserve"). */
static void check_framebuffer(const DeviceCheck *c) {
        char text[REFUSAL_TEXT_SIZE];

        if (!c->facts->memory_is_known)
                return;
        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const Function *function = function_at(c, i);
                const char *driver = c->facts->facts[i].framebuffer;

                if (!function || driver[0] == '\0')
                        continue;
                if (function->on_vfio) {
                        (void)snprintf(text, sizeof(text),
                                       "The firmware's framebuffer (%s) still has memory of it: "
                                       "a guest will fail to start.",
                                       driver);
                        add(c, CHECK_FAIL, "framebuffer",
                            "Reboot; and where it comes back, add initcall_blacklist=sysfb_init to "
                            "the mode's cmdline.",
                            text);
                } else {
                        (void)snprintf(text, sizeof(text),
                                       "The firmware's framebuffer (%s) is in its memory; a switch "
                                       "takes it off.",
                                       driver);
                        add(c, CHECK_PASS, "framebuffer", "", text);
                }
                return;
        }
        add(c, CHECK_PASS, "framebuffer", "", "No framebuffer of the firmware's is in its memory.");
}

/* --- resets --- */

/* Cards that are known not to be as new after a reset, whatever the kernel says of it
 * (https://github.com/gnif/vendor-reset; the integrated ones: its issue 135). */
static const struct {
        const char *name;
        uint16_t vendor, from, to; /* both included */
        bool has_module;           /* vendor-reset knows it */
} quirks[] = {
        { "AMD Polaris 10 and 11", 0x1002, 0x67c0, 0x67ff, true },
        { "AMD Polaris 12", 0x1002, 0x6980, 0x699f, true },
        { "AMD Polaris 20", 0x1002, 0x6fdf, 0x6fdf, true },
        { "AMD Vega 10", 0x1002, 0x6860, 0x687f, true },
        { "AMD Vega 20", 0x1002, 0x66a0, 0x66af, true },
        { "AMD Navi 10", 0x1002, 0x7310, 0x731f, true },
        { "AMD Navi 12", 0x1002, 0x7360, 0x7362, true },
        { "AMD Navi 14", 0x1002, 0x7340, 0x734f, true },
        { "AMD Raphael", 0x1002, 0x164e, 0x164e, false },
};

static bool has_word(const char *words, const char *word) {
        size_t n = strlen(word), length;
        const char *found;

        while ((found = parse_word(&words, &length)))
                if (length == n && memcmp(found, word, n) == 0)
                        return true;
        return false;
}

/* Returns whether the function is one of those that a quirk is of. */
static bool check_quirk(const DeviceCheck *c, const Function *function, const char *reset) {
        char text[REFUSAL_TEXT_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(quirks); i++) {
                if (function->id.vendor != quirks[i].vendor ||
                    function->id.device < quirks[i].from || function->id.device > quirks[i].to)
                        continue;
                if (quirks[i].has_module && has_word(reset, "device_specific")) {
                        (void)snprintf(text, sizeof(text),
                                       "%s needs a reset of its own, which is there.",
                                       quirks[i].name);
                        add(c, CHECK_PASS, "reset", "", text);
                        return true;
                }
                (void)snprintf(text, sizeof(text),
                               "%s is known not to come back well from a guest: the next one, or "
                               "the host, may find it dead.",
                               quirks[i].name);
                add(c, CHECK_WARN, "reset",
                    quirks[i].has_module
                            ? "Install the module vendor-reset, load it at boot, and write "
                              "device_specific to the card's reset_method."
                            : "Try it, twice; where it does not come back, only a reboot helps.",
                    text);
                return true;
        }
        return false;
}

/* The bus can be reset only where a guest has all of it, whatever the kernel lists for function 0:
 * it does so before it has found the others (6.1 and 6.12). */
static bool shares_bus(const DeviceCheck *c, PciAddress address) {
        for (size_t i = 0; i < c->host->n_functions; i++) {
                const Function *function = &c->host->functions[i];

                if (function->address.domain == address.domain &&
                    function->address.bus == address.bus && !function_is_bridge(function) &&
                    !is_taken(c, function->address))
                        return true;
        }
        return false;
}

static void check_reset(const DeviceCheck *c) {
        const Function *first = function_at(c, 0);
        const char *reset = c->facts->facts[0].reset;
        char text[REFUSAL_TEXT_SIZE];

        if (!first || check_quirk(c, first, reset))
                return;
        if (reset[0] == '\0') {
                add(c, CHECK_WARN, "reset",
                    "Start a guest twice; where the second start fails, only a reboot helps.",
                    "The kernel knows no way to reset it.");
        } else if (strcmp(reset, "bus") == 0 && shares_bus(c, first->address)) {
                add(c, CHECK_WARN, "reset",
                    "Give the mode what is on its bus, too, or start a guest twice and see.",
                    "It can be reset with its whole bus only, of which the mode does not have "
                    "all.");
        } else {
                (void)snprintf(text, sizeof(text), "The kernel can reset it (%s).", reset);
                add(c, CHECK_PASS, "reset", "", text);
        }
}

/* --- power --- */

static void check_power(const DeviceCheck *c) {
        char text[REFUSAL_TEXT_SIZE], address[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const char *state = c->facts->facts[i].power_state;

                (void)pci_address_format(c->facts->functions[i], address);
                if (strcmp(state, "unknown") == 0 || strcmp(state, "error") == 0) {
                        (void)snprintf(text, sizeof(text),
                                       "%s does not say in which power state it is (%s).", address,
                                       state);
                        add(c, CHECK_WARN, "power", "Switch the PC off, not only reboot it.", text);
                        return;
                }
                if (strcmp(state, "D3cold") == 0) {
                        (void)snprintf(text, sizeof(text),
                                       "%s has no power (D3cold), which not every card comes back "
                                       "from for a guest.",
                                       address);
                        add(c, CHECK_WARN, "power",
                            "Where a guest finds it dead, write 0 to its d3cold_allowed.", text);
                        return;
                }
        }
        if (c->facts->facts[0].power_state[0] == '\0')
                return; /* before 5.11 */
        (void)snprintf(text, sizeof(text), "It is in power state %s.",
                       c->facts->facts[0].power_state);
        add(c, CHECK_PASS, "power", "", text);
}

/* --- memory --- */

/* A function that may have large ones, of which that is not known; NULL: there is none. */
static const Function *without_bars(const DeviceCheck *c) {
        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const Function *function = function_at(c, i);

                if (function && function_is_display(function) && !c->facts->facts[i].bars_are_known)
                        return function;
        }
        return NULL;
}

/* Of a function that sleeps it is not known which sizes it could have. */
static void check_bars(const DeviceCheck *c) {
        char text[REFUSAL_TEXT_SIZE], advice[256], address[PCI_ADDRESS_SIZE];
        const Function *unknown = without_bars(c);

        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const FunctionFacts *facts = &c->facts->facts[i];

                if (facts->bar_mib <= BAR_ALWAYS_MIB ||
                    (facts->bar_least_mib > 0 && facts->bar_mib <= facts->bar_least_mib))
                        continue;
                (void)snprintf(text, sizeof(text),
                               "BAR %u %s %" PRIu64
                               " MiB, which not every guest's firmware or driver can map (code "
                               "43).",
                               facts->bar, facts->bar_least_mib > 0 ? "has been resized to" : "has",
                               facts->bar_mib);
                (void)snprintf(advice, sizeof(advice),
                               "Where a guest fails, switch Resizable BAR off in the firmware's "
                               "setup, or shrink it by resource%u_resize while no driver has it.",
                               facts->bar);
                add(c, CHECK_WARN, "bars", advice, text);
                return;
        }
        if (!unknown) {
                add(c, CHECK_PASS, "bars", "",
                    "None of its BARs has been resized to more than 256 MiB.");
                return;
        }
        (void)snprintf(advice, sizeof(advice), "On the machine itself, `lspci -vs %s` shows them.",
                       pci_address_format(unknown->address, address));
        add(c, CHECK_WARN, "bars", advice, "How large its BARs are is not known.");
}

/* --- the ROM --- */

/*
 * By what the kernel tells without reading it: who checks may not write to /sys, which reading the
 * firmware's copy takes, too; and to have a card decode its ROM may keep it from its driver
 * (kernel: pci_enable_rom()), or mean waking it, which is nothing for a mere look.
 */
static void check_rom(const DeviceCheck *c) {
        for (size_t i = 0; i < c->facts->n_functions; i++) {
                const FunctionFacts *facts = &c->facts->facts[i];
                const Function *function = function_at(c, i);

                if (function && function_is_display(function))
                        rom_check_unread(&(RomOwner){ c->facts->device->name, function,
                                                      facts->rom_is_known ? &facts->rom : NULL },
                                         c->ret);
        }
}

void device_check(const DeviceFacts *facts, const Host *host, const PciAddress *taken,
                  size_t n_taken, Inspection *ret) {
        const DeviceCheck c = { facts, host, taken, n_taken, ret };

        check_group(&c);
        if (is_display(&c)) {
                check_screen(&c);
                check_framebuffer(&c);
                check_bars(&c);
                check_rom(&c);
        }
        check_reset(&c);
        check_power(&c);
}

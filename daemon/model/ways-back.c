/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "ways-back.h"

static const char *const names[_WAY_BACK_MAX] = {
        [WAY_BACK_BOOT_MENU] = "boot-menu",
        [WAY_BACK_POWER_BUTTON] = "power-button",
        [WAY_BACK_SSH] = "ssh",
        [WAY_BACK_SERIAL] = "serial-console",
        [WAY_BACK_TRIAL] = "trial",
};

const char *way_back_name(WayBackKind kind) {
        return names[kind];
}

static void _printf_(4, 5)
        set(WayBack *way, bool is_open, const char *advice, const char *format, ...) {
        va_list arguments;

        way->is_open = is_open;
        (void)snprintf(way->advice, sizeof(way->advice), "%s", is_open ? "" : advice);
        va_start(arguments, format);
        (void)vsnprintf(way->text, sizeof(way->text), format, arguments);
        va_end(arguments);
}

/* --- the boot menu --- */

static void judge_grub(const WaysBackFacts *facts, WayBack *way) {
        const char *loader = facts->boot_loader, *mode = facts->fallback_mode;
        const BootMenu *menu = &facts->menu;
        char advice[96];

        (void)snprintf(advice, sizeof(advice), "Run %s.", facts->menu_command);
        if (!menu->has_entry)
                set(way, false, advice, "The menu of %s has no entry for '%s'.", loader, mode);
        else if (menu->timeout == BOOT_MENU_WAITS)
                set(way, true, "", "The menu of %s waits for a pick, and has an entry for '%s'.",
                    loader, mode);
        else if (menu->is_hidden)
                set(way, true, "",
                    "The menu of %s has an entry for '%s', and is hidden: press Esc, or hold "
                    "Shift, as it starts.",
                    loader, mode);
        else if (menu->timeout == 0)
                set(way, false, "Set GRUB_TIMEOUT in /etc/default/grub.",
                    "The menu of %s has an entry for '%s', and is never shown.", loader, mode);
        else
                set(way, true, "", "The menu of %s is shown for %d s, and has an entry for '%s'.",
                    loader, menu->timeout, mode);
}

static void judge_boot_menu(const WaysBackFacts *facts, WayBack *way) {
        char advice[sizeof(way->advice)];

        (void)snprintf(advice, sizeof(advice), "Add vfio_mode=%s to the kernel command line there.",
                       facts->fallback_mode);
        if (!facts->boot_loader)
                set(way, false, "", "How this machine boots is not known.");
        else if (!facts->has_menu)
                set(way, false, advice, "The menu of %s has no entry of vfio-mode.",
                    facts->boot_loader);
        else if (!facts->menu_is_read)
                set(way, false, "", "The configuration of %s cannot be read.", facts->boot_loader);
        else
                judge_grub(facts, way);
}

/* --- the power button --- */

static void judge_power_button(const WaysBackFacts *facts, WayBack *way) {
        if (!facts->takes_screen)
                set(way, true, "", "Mode '%s' leaves the host its screen.", facts->mode);
        else if (!facts->rescues)
                set(way, false, "Set rescue = power-button in the mode.",
                    "The power button does what it always does.");
        else if (facts->has_other_screen)
                set(way, false, "",
                    "Another card has a screen, and the power button does what it always does.");
        else
                set(way, true, "", "A press of the power button brings the screen back.");
}

/* --- the network --- */

/* One that is on a VFIO driver now has no interface that could be found. */
static bool leaves(const WaysBackFacts *facts, const Need *need) {
        for (size_t i = 0; i < need->n_path; i++)
                for (size_t n = 0; n < facts->n_away; n++)
                        if (pci_address_compare(need->path[i], facts->away[n]) == 0)
                                return true;
        return false;
}

static bool stays(const WaysBackFacts *facts, const Need *need) {
        return need->n_path > 0 && !leaves(facts, need);
}

/* One that stays, if there is one. */
static const Need *best_network(const WaysBackFacts *facts) {
        const Need *best = NULL;

        for (size_t i = 0; i < facts->needs->n_needs; i++) {
                const Need *need = &facts->needs->needs[i];

                if (need->kind == NEED_NETWORK && (!best || stays(facts, need)))
                        best = need;
        }
        return best;
}

static void judge_ssh(const WaysBackFacts *facts, WayBack *way) {
        const Need *network = best_network(facts);

        if (!facts->units_are_known)
                set(way, false, "", "SSH: whether a server runs is not known.");
        else if (!facts->has_ssh)
                set(way, false, "Install openssh-server, or start it.", "No SSH server runs.");
        else if (!network)
                set(way, false, "", "SSH: this host has no default route over a card of its own.");
        else if (stays(facts, network))
                set(way, true, "", "SSH: %s stays with the host.", network->chain);
        else if (network->n_path == 0)
                set(way, false, "",
                    "SSH: %s has a virtual machine behind it, and there is no card of the host's "
                    "beside: when that is gone, so is this way.",
                    network->chain);
        else
                set(way, false, "", "SSH: %s goes with the mode, and this way with it.",
                    network->chain);
}

/* --- the rest --- */

static void judge_serial(const WaysBackFacts *facts, WayBack *way) {
        char advice[sizeof(way->advice)];

        (void)snprintf(advice, sizeof(advice), "systemctl enable --now serial-getty@%s.service",
                       facts->serial);
        if (facts->serial[0] == '\0')
                /* The last one is /dev/console, where an initramfs asks for a passphrase. */
                set(way, false, "Add console=ttyS0,115200 console=tty0 to the kernel command line.",
                    "The kernel has no console but the screen.");
        else if (!facts->units_are_known)
                set(way, false, "", "Whether the kernel's console %s has a login is not known.",
                    facts->serial);
        else if (!facts->has_login)
                set(way, false, advice, "The kernel's console %s has no login.", facts->serial);
        else
                set(way, true, "", "The kernel's console %s has a login.", facts->serial);
}

static void judge_trial(const WaysBackFacts *facts, WayBack *way) {
        if (facts->is_counted)
                set(way, true, "",
                    "A boot into '%s' is counted by GRUB before it is made: one that fails, or is "
                    "not confirmed, leads to '%s'.",
                    facts->mode, facts->fallback_mode);
        else if (facts->is_once)
                set(way, true, "",
                    "A boot into '%s' is made once, by an EFI variable that it uses up: the boot "
                    "after it is as always.",
                    facts->mode);
        else if (facts->is_default)
                set(way, true, "",
                    "'%s' is the default mode, whose boots are counted: two in a row that are not "
                    "confirmed lead to '%s'.",
                    facts->mode, facts->fallback_mode);
        else if (facts->is_unproven)
                set(way, false, "Reboot once, so that GRUB is seen to read and write it.",
                    "A boot into '%s' cannot be tried before GRUB has been seen to write the boot "
                    "environment.",
                    facts->mode);
        else
                set(way, false, "",
                    "A boot into '%s' cannot be tried: nothing here leads back from one that "
                    "fails.",
                    facts->mode);
}

void ways_back_judge(const WaysBackFacts *facts, WayBack ret[static _WAY_BACK_MAX]) {
        judge_boot_menu(facts, &ret[WAY_BACK_BOOT_MENU]);
        judge_power_button(facts, &ret[WAY_BACK_POWER_BUTTON]);
        judge_ssh(facts, &ret[WAY_BACK_SSH]);
        judge_serial(facts, &ret[WAY_BACK_SERIAL]);
        judge_trial(facts, &ret[WAY_BACK_TRIAL]);
}

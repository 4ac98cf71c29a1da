/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The menu that grub.cfg makes; and each way back from a mode, open and not. */
#undef NDEBUG
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/ways-back.h"
#include "table.h"

/* --- the menu --- */

#define ENTRY "menuentry 'x' $menuentry_id_option 'vfio-mode-fallback-simple' {\n}\n"

static const struct MenuRow {
        const char *title;
        const char *text;
        BootMenu menu;
} menus[] = {
        { "nothing", "", { false, BOOT_MENU_WAITS, false, "", false } },
        { "shown for a while",
          "set timeout_style=menu\nset timeout=5\n" ENTRY,
          { false, 5, true, "", false } },
        { "hidden",
          "set timeout_style=hidden\n  set timeout=0\n" ENTRY,
          { true, 0, true, "", false } },
        { "what counts down is shown",
          "set timeout_style=countdown\nset timeout=7\n",
          { false, 7, false, "", false } },
        { "waits",
          "set timeout_style=menu\nset timeout=-1\n",
          { false, BOOT_MENU_WAITS, false, "", false } },
        { "the time after a failure is another one",
          "set timeout=30\nelse\nset timeout_style=menu\nset timeout=2\nset timeout=9\n",
          { false, 2, false, "", false } },
        { "without a style", "  set timeout=3\n", { false, 3, false, "", false } },
        { "no time of the menu's",
          "set gfxtimeout=1\nunset timeout=4\n",
          { false, BOOT_MENU_WAITS, false, "", false } },
        { "a time that is none",
          "set timeout=${x}\n",
          { false, BOOT_MENU_WAITS, false, "", false } },
        { "a time that nobody waits for",
          "set timeout=99999999999999999999\n",
          { false, BOOT_MENU_WAITS, false, "", false } },
        { "a default of ours by its id",
          "if [ x ] ; then\n  set default=\"${next_entry}\"\nelse\n  set default=\"vfio-mode-fallback-simple\"\n"
          "fi\n" ENTRY,
          { false, BOOT_MENU_WAITS, true, "vfio-mode-fallback-simple", true } },
        { "one by its title, and one in the submenu",
          "set default=\"x\"\n" ENTRY "set default=\"vfio-mode>0\"\n"
          "submenu 'vfio-mode' $menuentry_id_option 'vfio-mode' {\n",
          { false, BOOT_MENU_WAITS, true, "vfio-mode>0", false } },
        { "the fallback mode's in the submenu",
          "set default=\"vfio-mode>y\"\nsubmenu 'vfio-mode' $menuentry_id_option 'vfio-mode' {\n" ENTRY
          "menuentry 'y' $menuentry_id_option 'vfio-mode-fallback-y' {\n}\n",
          { false, BOOT_MENU_WAITS, true, "vfio-mode>y", true } },
        { "another mode's beside it",
          "set default=\"y\"\n" ENTRY
          "menuentry 'y' $menuentry_id_option 'vfio-mode-p-simple' {\n}\n",
          { false, BOOT_MENU_WAITS, true, "y", false } },
        { "a default of the distribution's",
          "set default=\"0\"\nset default=\"y\"\nset default=\"\"\nset default=\"Linux>x\"\nmenuentry 'y' {\n" ENTRY,
          { false, BOOT_MENU_WAITS, true, "", false } },
        { "an entry of another mode",
          "menuentry 'x' $menuentry_id_option 'vfio-mode-host-simple' {\n}\n",
          { false, BOOT_MENU_WAITS, false, "", false } },
};

static void test_menu(void **state) {
        const struct MenuRow *row = *state;
        BootMenu menu;

        boot_menu_parse(row->text, &menu);
        assert_int_equal(menu.is_hidden, row->menu.is_hidden);
        assert_int_equal(menu.timeout, row->menu.timeout);
        assert_int_equal(menu.has_entry, row->menu.has_entry);
        assert_string_equal(menu.own_default, row->menu.own_default);
        assert_int_equal(menu.default_is_fallback, row->menu.default_is_fallback);
}

/* --- the ways --- */

#define MENU(hidden, timeout, entry)                                   \
        .boot_loader = "GRUB", .has_menu = true, .menu_is_read = true, \
        .menu = { (hidden), (timeout), (entry), "", false }, .menu_command = "update-grub"

static const struct Row {
        const char *title;
        WayBackKind kind;
        WaysBackFacts facts; /* needs: below */
        const char *network; /* "eth0 5": behind that bus; "tap 0": behind none; NULL: none */
        const char *other;   /* likewise */
        bool is_open;
        const char *text;
        const char *advice;
} rows[] = {
        { "a menu",
          WAY_BACK_BOOT_MENU,
          { MENU(false, 5, true) },
          NULL,
          NULL,
          true,
          "The menu of GRUB is shown for 5 s, and has an entry for 'host'.",
          "" },
        { "a menu that waits",
          WAY_BACK_BOOT_MENU,
          { MENU(false, BOOT_MENU_WAITS, true) },
          NULL,
          NULL,
          true,
          "The menu of GRUB waits for a pick, and has an entry for 'host'.",
          "" },
        { "a hidden menu",
          WAY_BACK_BOOT_MENU,
          { MENU(true, 0, true) },
          NULL,
          NULL,
          true,
          "The menu of GRUB has an entry for 'host', and is hidden: press Esc, or hold Shift, as "
          "it starts.",
          "" },
        { "a menu that is not shown",
          WAY_BACK_BOOT_MENU,
          { MENU(false, 0, true) },
          NULL,
          NULL,
          false,
          "The menu of GRUB has an entry for 'host', and is never shown.",
          "Set GRUB_TIMEOUT in /etc/default/grub." },
        { "a menu without an entry",
          WAY_BACK_BOOT_MENU,
          { MENU(false, 5, false) },
          NULL,
          NULL,
          false,
          "The menu of GRUB has no entry for 'host'.",
          "Run update-grub." },
        { "another boot loader",
          WAY_BACK_BOOT_MENU,
          { .boot_loader = "systemd-boot" },
          NULL,
          NULL,
          false,
          "The menu of systemd-boot has no entry of vfio-mode.",
          "Add vfio_mode=host to the kernel command line there." },
        { "a menu that cannot be read",
          WAY_BACK_BOOT_MENU,
          { .boot_loader = "GRUB", .has_menu = true },
          NULL,
          NULL,
          false,
          "The configuration of GRUB cannot be read.",
          "" },
        { "no boot loader that is known",
          WAY_BACK_BOOT_MENU,
          { 0 },
          NULL,
          NULL,
          false,
          "How this machine boots is not known.",
          "" },

        { "the power button",
          WAY_BACK_POWER_BUTTON,
          { .takes_screen = true, .rescues = true },
          NULL,
          NULL,
          true,
          "A press of the power button brings the screen back.",
          "" },
        { "the power button beside another screen",
          WAY_BACK_POWER_BUTTON,
          { .takes_screen = true, .rescues = true, .has_other_screen = true },
          NULL,
          NULL,
          false,
          "Another card has a screen, and the power button does what it always does.",
          "" },
        { "a power button that is left alone",
          WAY_BACK_POWER_BUTTON,
          { .takes_screen = true },
          NULL,
          NULL,
          false,
          "The power button does what it always does.",
          "Set rescue = power-button in the mode." },
        { "a mode without the screen",
          WAY_BACK_POWER_BUTTON,
          { 0 },
          NULL,
          NULL,
          true,
          "Mode 'game' leaves the host its screen.",
          "" },

        { "a card that stays",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "eth0 6",
          NULL,
          true,
          "SSH: eth0 stays with the host.",
          "" },
        { "a card that goes",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "eth0 5",
          NULL,
          false,
          "SSH: eth0 goes with the mode, and this way with it.",
          "" },
        { "one of two stays",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "eth0 5",
          "eth1 6",
          true,
          "SSH: eth1 stays with the host.",
          "" },
        { "the first of two stays",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "eth0 6",
          "eth1 5",
          true,
          "SSH: eth0 stays with the host.",
          "" },
        { "a router in a VM",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "tap 0",
          NULL,
          false,
          "SSH: tap has a virtual machine behind it, and there is no card of the host's beside: when that "
          "is gone, so is this way.",
          "" },
        { "a card beside the taps of its bridge",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          "tap 0",
          "eth1 6",
          true,
          "SSH: eth1 stays with the host.",
          "" },
        { "no route",
          WAY_BACK_SSH,
          { .has_ssh = true, .units_are_known = true },
          NULL,
          NULL,
          false,
          "SSH: this host has no default route over a card of its own.",
          "" },
        { "no server",
          WAY_BACK_SSH,
          { .units_are_known = true },
          "eth0 6",
          NULL,
          false,
          "No SSH server runs.",
          "Install openssh-server, or start it." },
        { "nobody can be asked for a server",
          WAY_BACK_SSH,
          { .has_ssh = true },
          "eth0 6",
          NULL,
          false,
          "SSH: whether a server runs is not known.",
          "" },

        { "a serial console",
          WAY_BACK_SERIAL,
          { .serial = "ttyS0", .units_are_known = true, .has_login = true },
          NULL,
          NULL,
          true,
          "The kernel's console ttyS0 has a login.",
          "" },
        { "a serial console without a login",
          WAY_BACK_SERIAL,
          { .serial = "hvc0", .units_are_known = true },
          NULL,
          NULL,
          false,
          "The kernel's console hvc0 has no login.",
          "systemctl enable --now serial-getty@hvc0.service" },
        { "nobody can be asked for a login",
          WAY_BACK_SERIAL,
          { .serial = "hvc0" },
          NULL,
          NULL,
          false,
          "Whether the kernel's console hvc0 has a login is not known.",
          "" },
        { "no serial console",
          WAY_BACK_SERIAL,
          { 0 },
          NULL,
          NULL,
          false,
          "The kernel has no console but the screen.",
          "Add console=ttyS0,115200 console=tty0 to the kernel command line." },

        { "a trial that GRUB counts",
          WAY_BACK_TRIAL,
          { .is_counted = true, .is_once = true },
          NULL,
          NULL,
          true,
          "A boot into 'game' is counted by GRUB before it is made: one that fails, or is not "
          "confirmed, leads to 'host'.",
          "" },
        { "a trial by an EFI variable",
          WAY_BACK_TRIAL,
          { .is_once = true },
          NULL,
          NULL,
          true,
          "A boot into 'game' is made once, by an EFI variable that it uses up: the boot after it is as "
          "always.",
          "" },
        { "the default mode",
          WAY_BACK_TRIAL,
          { .is_default = true },
          NULL,
          NULL,
          true,
          "'game' is the default mode, whose boots are counted: two in a row that are not confirmed "
          "lead to 'host'.",
          "" },
        { "a trial that GRUB was not seen to count yet",
          WAY_BACK_TRIAL,
          { .is_unproven = true },
          NULL,
          NULL,
          false,
          "A boot into 'game' cannot be tried before GRUB has been seen to write the boot "
          "environment.",
          "Reboot once, so that GRUB is seen to read and write it." },
        { "no trial",
          WAY_BACK_TRIAL,
          { 0 },
          NULL,
          NULL,
          false,
          "A boot into 'game' cannot be tried: nothing here leads back from one that fails.",
          "" },
};

static void add_network(Needs *needs, const char *network) {
        Need *need = &needs->needs[needs->n_needs];
        char name[16];
        int bus;

        if (!network)
                return;
        assert_int_equal(sscanf(network, "%15s %d", name, &bus), 2);
        *need = (Need){ .kind = NEED_NETWORK, .n_path = bus > 0 ? 1 : 0 };
        need->path[0] = (PciAddress){ .bus = (uint8_t)bus };
        (void)strcpy(need->chain, name);
        needs->n_needs++;
}

static void test_way(void **state) {
        static const PciAddress away[] = { { .bus = 1 }, { .bus = 5 } };
        const struct Row *row = *state;
        WaysBackFacts facts = row->facts;
        Needs *needs = calloc(1, sizeof(*needs));
        WayBack ways[_WAY_BACK_MAX];

        /* What is no network does not count as one. */
        needs->needs[needs->n_needs++] = (Need){ .kind = NEED_STORAGE, .n_path = 1 };
        add_network(needs, row->network);
        add_network(needs, row->other);
        facts.mode = "game";
        facts.fallback_mode = "host";
        facts.needs = needs;
        facts.away = away;
        facts.n_away = ARRAY_SIZE(away);
        ways_back_judge(&facts, ways);
        assert_string_equal(ways[row->kind].text, row->text);
        assert_int_equal(ways[row->kind].is_open, row->is_open);
        assert_string_equal(ways[row->kind].advice, row->advice);
        free(needs);
}

/* The words that JSON and the ids of checks have. */
static void test_names(_unused_ void **state) {
        static const char *const names[_WAY_BACK_MAX] = { "boot-menu", "power-button", "ssh",
                                                          "serial-console", "trial" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_string_equal(way_back_name((WayBackKind)i), names[i]);
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_menu, menus);
        TABLE_ROWS(&table, test_way, rows);
        table_add(&table, "their words", test_names, NULL);
        return table_run("ways-back", &table);
}

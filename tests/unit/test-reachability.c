/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plan would cut the host off from, by example: a row is a configuration, what the host
 * needs, and the refusal with its sentence. How the needs are found is in test-reachability-scan.c.
 */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "model/reachability.h"
#include "plan-words.h"
#include "table.h"

typedef struct NeedWords {
        NeedKind kind;
        const char *chain, *path; /**< addresses with blanks between them */
        bool is_essential, is_function;
        bool shows_console, is_boot_vga, is_away;
} NeedWords;

typedef struct Row {
        const char *title;
        const char *config, *mode; /**< NULL: "away" */
        NeedWords needs[4];
        bool nic_is_away; /**< on vfio-pci already */
        RefusalKind refusal;
        const char *says;  /**< the whole sentence; NULL: any */
        const char *steps; /**< of the fallback mode */
        const char *note;  /**< likewise, how it begins */
} Row;

#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define NIC(consent) "[device nic]\naddress = 0000:05:00.0\n" consent
#define USB(consent) "[device usb]\naddress = 0000:06:00.0\n" consent
#define TWO_USB(consent) USB("") "[device usb2]\naddress = 0000:07:00.0\n" consent
#define MODE(devices) "[mode away]\nvfio-devices = " devices "\n"

#define ETH0                                                               \
        { .kind = NEED_NETWORK,                                            \
          .chain = "eth0, which carries the default route through vmbr0,", \
          .path = "0000:00:1c.0 0000:05:00.0",                             \
          .is_function = true }
#define DISK(where) { .kind = NEED_STORAGE, .chain = "sda1, which holds /srv,", .path = (where) }
#define ROOT_DISK(where)                                \
        { .kind = NEED_STORAGE,                         \
          .chain = "sda2, which holds / through luks,", \
          .path = (where),                              \
          .is_essential = true }
#define KEYBOARD(where) { .kind = NEED_INPUT, .chain = "The keyboard 'Model M'", .path = (where) }

#define SCREEN(where)                              \
        { .kind = NEED_SCREEN,                     \
          .chain = "The last display of the host", \
          .path = (where),                         \
          .is_function = true }
#define CONSOLE(where)                                   \
        { .kind = NEED_SCREEN,                           \
          .chain = "The display that shows the console", \
          .path = (where),                               \
          .is_function = true,                           \
          .shows_console = true }
#define BOOT_VGA(where)        \
        { .kind = NEED_SCREEN, \
          .chain = "?",        \
          .path = (where),     \
          .is_boot_vga = true, \
          .shows_console = true }
#define AWAY(where) \
        { .kind = NEED_SCREEN, .chain = "?", .path = (where), .is_boot_vga = true, .is_away = true }

#define SCREEN_ADVICE                                                                              \
        ": its screen goes dark when it leaves. If that is meant, add 'boot-vga' to the device's " \
        "consent (consent = boot-vga)."
#define ROUTE_ADVICE                                                                               \
        "Give the default route to another interface; or, if that is meant, add 'network' to the " \
        "device's consent."
#define MOUNT_ADVICE                                                                              \
        "Take it out of use first (umount); or, if that is meant, add 'storage' to the device's " \
        "consent."
#define ESSENTIAL_ADVICE                                                                        \
        "The running system needs that disk, so no consent lets it go: take the device out of " \
        "the mode, or put the disk elsewhere."

static const Row rows[] = {
        { "nothing is needed", .config = NIC("") MODE("nic") },
        { "the default route", .config = NIC("") MODE("nic"), .needs = { ETH0 },
          .refusal = REFUSAL_WOULD_CUT_NETWORK,
          .says = "eth0, which carries the default route through vmbr0, is 0000:05:00.0 of device "
                  "'nic'. " ROUTE_ADVICE },
        { "the default route of a stick in a USB controller that goes",
          .config = USB("") MODE("usb"),
          .needs = { { .kind = NEED_NETWORK,
                       .chain = "wlan0, which carries the default route,",
                       .path = "0000:06:00.0" } },
          .refusal = REFUSAL_WOULD_CUT_NETWORK,
          .says = "wlan0, which carries the default route, hangs below 0000:06:00.0 of device "
                  "'usb'. " ROUTE_ADVICE },
        { "the default route of a virtual function whose physical one goes",
          .config = NIC("") MODE("nic"),
          .needs = { { .kind = NEED_NETWORK,
                       .chain = "eth0v1, which carries the default route,",
                       .path = "0000:05:00.0 0000:05:10.0",
                       .is_function = true } },
          .refusal = REFUSAL_WOULD_CUT_NETWORK,
          .says = "eth0v1, which carries the default route, hangs below 0000:05:00.0 of device "
                  "'nic'. " ROUTE_ADVICE },
        { "the default route with consent", .config = NIC("consent = network\n") MODE("nic"),
          .needs = { ETH0 } },
        { "a consent to something else",
          .config = NIC("consent = boot-vga storage input\n") MODE("nic"), .needs = { ETH0 },
          .refusal = REFUSAL_WOULD_CUT_NETWORK },
        { "the consent of another device",
          .config = NIC("") USB("consent = network\n") MODE("nic usb"), .needs = { ETH0 },
          .refusal = REFUSAL_WOULD_CUT_NETWORK },
        { "another device than the one that is needed", .config = USB("") MODE("usb"),
          .needs = { ETH0 } },
        { "a mode that leaves the device with the host", .config = NIC("") USB("") MODE("usb"),
          .needs = { ETH0 } },
        { "the way to the fallback mode leaves what is needed with the host, and does the rest",
          .config = NIC("consent = storage\n") USB("") "[mode host]\nvfio-devices = nic usb\n",
          .mode = "host", .needs = { ROOT_DISK("0000:05:00.0") },
          .steps = "set-override 0000:06:00.0 vfio-pci\nunbind 0000:06:00.0 some\n"
                   "bind 0000:06:00.0 vfio-pci\n",
          .note = "sda2, which holds / through luks, hangs below 0000:05:00.0 of device 'nic'." },
        { "the way to the fallback mode with consent",
          .config = NIC("consent = network\n") "[mode host]\nvfio-devices = nic\n", .mode = "host",
          .needs = { ETH0 },
          .steps = "set-override 0000:05:00.0 vfio-pci\nunbind 0000:05:00.0 some\n"
                   "bind 0000:05:00.0 vfio-pci\n" },
        { "what is away already is not lost", .config = NIC("") USB("") MODE("nic usb"),
          .needs = { ETH0 }, .nic_is_away = true },

        { "a mounted disk", .config = USB("") MODE("usb"),
          .needs = { DISK("0000:00:1d.0 0000:06:00.0") }, .refusal = REFUSAL_WOULD_CUT_STORAGE,
          .says = "sda1, which holds /srv, hangs below 0000:06:00.0 of device "
                  "'usb'. " MOUNT_ADVICE },
        { "a mounted disk with consent", .config = USB("consent = storage\n") MODE("usb"),
          .needs = { DISK("0000:06:00.0") } },
        { "the root disk", .config = USB("") MODE("usb"), .needs = { ROOT_DISK("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_STORAGE,
          .says = "sda2, which holds / through luks, hangs below 0000:06:00.0 of device "
                  "'usb'. " ESSENTIAL_ADVICE },
        { "the root disk goes with no consent",
          .config = USB("consent = boot-vga network storage input\n") MODE("usb"),
          .needs = { DISK("0000:06:00.0"), ROOT_DISK("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_STORAGE,
          .says = "sda2, which holds / through luks, hangs below 0000:06:00.0 of device "
                  "'usb'. " ESSENTIAL_ADVICE },
        { "the root disk is said before what a consent would help for",
          .config = NIC("") USB("") MODE("nic usb"),
          .needs = { ETH0, DISK("0000:06:00.0"), ROOT_DISK("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_STORAGE,
          .says = "sda2, which holds / through luks, hangs below 0000:06:00.0 of device "
                  "'usb'. " ESSENTIAL_ADVICE },
        { "two functions on the way, and one does not consent",
          .config = TWO_USB("consent = storage\n") MODE("usb usb2"),
          .needs = { DISK("0000:07:00.0 0000:06:00.0") }, .refusal = REFUSAL_WOULD_CUT_STORAGE,
          .says = "sda1, which holds /srv, hangs below 0000:06:00.0 of device "
                  "'usb'. " MOUNT_ADVICE },

        { "the only keyboard", .config = USB("") MODE("usb"), .needs = { KEYBOARD("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_INPUT,
          .says = "The keyboard 'Model M' hangs below 0000:06:00.0 of device 'usb', and no other "
                  "keyboard would be left. Plug one in elsewhere; or, if that is meant, add "
                  "'input' to the device's consent." },
        { "the only keyboard with consent", .config = USB("consent = input\n") MODE("usb"),
          .needs = { KEYBOARD("0000:06:00.0") } },
        { "a keyboard that is no PCI device's is left", .config = USB("") MODE("usb"),
          .needs = { KEYBOARD("0000:06:00.0"), KEYBOARD("") } },
        { "a keyboard at another controller is left", .config = USB("") MODE("usb"),
          .needs = { KEYBOARD("0000:07:00.0"), KEYBOARD("0000:06:00.0") } },
        { "two keyboards, and both go", .config = TWO_USB("") MODE("usb usb2"),
          .needs = { KEYBOARD("0000:07:00.0"), KEYBOARD("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_INPUT },
        { "two keyboards, both go, and one of the devices consents",
          .config = TWO_USB("consent = input\n") MODE("usb usb2"),
          .needs = { KEYBOARD("0000:07:00.0"), KEYBOARD("0000:06:00.0") },
          .refusal = REFUSAL_WOULD_CUT_INPUT },
        { "a machine without a keyboard has none to lose", .config = USB("") MODE("usb"),
          .needs = { ETH0 } },

        { "the only display", .config = NIC("") MODE("nic"), .needs = { SCREEN("0000:05:00.0") },
          .refusal = REFUSAL_DRIVES_THE_CONSOLE,
          .says = "The last display of the host is 0000:05:00.0 of device 'nic'" SCREEN_ADVICE },
        { "the console's display, and another is left", .config = NIC("") MODE("nic"),
          .needs = { SCREEN("0000:06:00.0"), CONSOLE("0000:05:00.0") },
          .refusal = REFUSAL_DRIVES_THE_CONSOLE,
          .says = "The display that shows the console is 0000:05:00.0 of device 'nic'" SCREEN_ADVICE },
        { "the console's display with consent", .config = NIC("consent = boot-vga\n") MODE("nic"),
          .needs = { CONSOLE("0000:05:00.0") } },
        { "a consent to something else than the screen",
          .config = NIC("consent = network storage input\n") MODE("nic"),
          .needs = { CONSOLE("0000:05:00.0") }, .refusal = REFUSAL_DRIVES_THE_CONSOLE },
        { "a second display needs no consent", .config = NIC("") MODE("nic"),
          .needs = { CONSOLE("0000:06:00.0"), SCREEN("0000:05:00.0") } },
        { "nor one beside the boot_vga, even with the console on it", .config = NIC("") MODE("nic"),
          .needs = { BOOT_VGA("0000:06:00.0"), CONSOLE("0000:05:00.0") } },
        { "both go, and only the boot_vga consents",
          .config = NIC("") USB("consent = boot-vga\n") MODE("nic usb"),
          .needs = { BOOT_VGA("0000:06:00.0"), SCREEN("0000:05:00.0") },
          .refusal = REFUSAL_DRIVES_THE_CONSOLE,
          .says = "The last display of the host is 0000:05:00.0 of device 'nic'" SCREEN_ADVICE },
        { "both go, and a third is left",
          .config = NIC("") USB("consent = boot-vga\n") MODE("nic usb"),
          .needs = { BOOT_VGA("0000:06:00.0"), SCREEN("0000:05:00.0"), SCREEN("0000:07:00.0") } },
        { "the boot_vga is away already, and the last one goes",
          .config = NIC("") USB("consent = boot-vga\n") MODE("usb nic"),
          .needs = { AWAY("0000:05:00.0"), CONSOLE("0000:06:00.0") }, .nic_is_away = true },
        { "the boot_vga is away already, and the last one goes without consent",
          .config = NIC("consent = boot-vga\n") USB("") MODE("usb nic"),
          .needs = { AWAY("0000:05:00.0"), SCREEN("0000:06:00.0") }, .nic_is_away = true,
          .refusal = REFUSAL_DRIVES_THE_CONSOLE },
        { "the boot_vga comes back in its place", .config = NIC("") USB("") MODE("usb"),
          .needs = { AWAY("0000:05:00.0"), CONSOLE("0000:06:00.0") }, .nic_is_away = true },
        { "another's that is away for good shows nothing", .config = USB("") MODE("usb"),
          .needs = { AWAY("0000:07:00.0"), SCREEN("0000:06:00.0") },
          .refusal = REFUSAL_DRIVES_THE_CONSOLE },
        { "the way to the fallback mode leaves the console's display with the host",
          .config = NIC("") USB("") "[mode host]\nvfio-devices = nic usb\n", .mode = "host",
          .needs = { CONSOLE("0000:05:00.0") },
          .steps = "set-override 0000:06:00.0 vfio-pci\nunbind 0000:06:00.0 some\n"
                   "bind 0000:06:00.0 vfio-pci\n",
          .note = "The display that shows the console is 0000:05:00.0 of device 'nic'" },
};

static void add_need(Needs *needs, const NeedWords *words) {
        Need *need = &needs->needs[needs->n_needs++];
        const char *at = words->path, *word;
        size_t length;

        *need = (Need){ .kind = words->kind,
                        .is_essential = words->is_essential,
                        .is_function = words->is_function,
                        .shows_console = words->shows_console,
                        .is_boot_vga = words->is_boot_vga,
                        .is_away = words->is_away };
        (void)snprintf(need->chain, sizeof(need->chain), "%s", words->chain);
        while ((word = parse_word(&at, &length))) {
                char text[PCI_ADDRESS_SIZE];

                assert_int_equal(parse_copy(text, sizeof(text), word, length), 0);
                assert_int_equal(pci_address_parse(text, &need->path[need->n_path++]), 0);
        }
}

static void test_row(void **state) {
        static const char *const addresses[] = { "0000:05:00.0", "0000:06:00.0", "0000:07:00.0" };
        static Machine machine;
        static Needs needs;
        static Plan plan;
        const Row *row = *state;
        Refusal refusal = { 0 };
        PlanInput input = { &machine.config, &machine.host,
                            &machine.state,  row->mode ? row->mode : "away",
                            false,           false };
        char config[1024], text[1024];

        machine_init(&machine);
        (void)snprintf(config, sizeof(config), GENERAL "%s", row->config);
        machine_configure(&machine, config);
        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
                machine_add(&machine,
                            &(Words){ .address = addresses[i],
                                      .id = "8086:10d3",
                                      .class_code = 0x020000,
                                      .driver = i == 0 && row->nic_is_away ? "vfio-pci" : "some",
                                      .group = 1 + (int)i });
        needs.n_needs = 0;
        for (size_t i = 0; i < ARRAY_SIZE(row->needs) && row->needs[i].chain; i++)
                add_need(&needs, &row->needs[i]);

        assert_int_equal(plan_make(&input, &plan, &refusal), REFUSAL_NONE);
        assert_int_equal(reachability_check(&input, &plan, &needs, &refusal), row->refusal);
        if (row->says)
                assert_string_equal(refusal.text, row->says);
        if (row->mode)
                assert_string_equal(plan_text(&plan, text, sizeof(text)), row->steps);
        if (row->note)
                assert_int_equal(strncmp(plan.notes[0], row->note, strlen(row->note)), 0);
        assert_int_equal(plan.n_notes, row->note ? 1 : 0);
}

/* Where nothing is at stake, nobody has to look for needs. */
static void test_at_stake(void **state) {
        static Machine machine;
        static Plan plan;
        PlanInput input = { &machine.config, &machine.host, &machine.state, "away", false, false };
        Refusal refusal;

        (void)state;
        machine_init(&machine);
        machine_configure(&machine, GENERAL NIC("") MODE("nic"));
        machine_add(&machine, &(Words){ .address = "0000:05:00.0",
                                        .id = "8086:10d3",
                                        .class_code = 0x020000,
                                        .driver = "e1000e",
                                        .group = 1 });
        assert_int_equal(plan_make(&input, &plan, &refusal), REFUSAL_NONE);
        assert_true(reachability_is_at_stake(&input, &plan));
        machine_simulate(&machine, &plan);
        assert_int_equal(plan_make(&input, &plan, &refusal), REFUSAL_NONE);
        assert_false(reachability_is_at_stake(&input, &plan));
        input.mode = "host";
        assert_int_equal(plan_make(&input, &plan, &refusal), REFUSAL_NONE);
        assert_false(reachability_is_at_stake(&input, &plan));
}

/* The host's most urgent one, of what is not away already. */
static void test_need_of(_unused_ void **state) {
        static const NeedWords words[] = {
                KEYBOARD("0000:06:00.0"), SCREEN("0000:06:00.0"),    ETH0,
                DISK("0000:05:00.0"),     ROOT_DISK("0000:07:00.0"), AWAY("0000:08:00.0")
        };
        static const struct {
                const char *address;
                int chain; /* index of the need; -1: none */
        } expected[] = { { "0000:05:00.0", 3 }, { "0000:00:1c.0", 2 },  { "0000:06:00.0", 1 },
                         { "0000:07:00.0", 4 }, { "0000:08:00.0", -1 }, { "0000:09:00.0", -1 } };
        static Needs needs;

        needs.n_needs = 0;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                add_need(&needs, &words[i]);
        for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
                PciAddress address;

                assert_int_equal(pci_address_parse(expected[i].address, &address), 0);
                assert_ptr_equal(reachability_need_of(&needs, address),
                                 expected[i].chain < 0 ? NULL : &needs.needs[expected[i].chain]);
        }
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "something is at stake only where a function leaves", test_at_stake,
                  NULL);
        table_add(&table, "what the host needs most of a function", test_need_of, NULL);
        return table_run("reachability", &table);
}

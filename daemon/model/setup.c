/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "kernel-cmdline.h"
#include "page-reservation.h"
#include "setup.h"

/* --- what the kernel was told --- */

/* A number of any length, as the kernel's "%x" reads it. Moves the cursor behind it. */
static uint32_t take_hex(const char **cursor) {
        uint32_t number = 0, digit;

        if (strncasecmp(*cursor, "0x", 2) == 0)
                *cursor += 2;
        for (; parse_hex_digits(*cursor, 1, &digit) >= 0; (*cursor)++)
                number = number << 4 | digit;
        return number;
}

/* Sub-system ids and a class may follow. */
bool setup_lists_id(const char *ids, PciId id) {
        while (*ids) {
                const char *at = ids;
                uint32_t vendor = take_hex(&at);

                if (*at++ == ':' && vendor == id.vendor && take_hex(&at) == id.device)
                        return true;
                ids += strcspn(ids, ",");
                ids += *ids == ',';
        }
        return false;
}

/* --- the cards --- */

static bool has_guest(const GuestDefinitions *guests, PciAddress address) {
        for (size_t i = 0; guests && i < guests->n; i++)
                if (guest_names_slot(&guests->guests[i], address))
                        return true;
        return false;
}

static bool is_overridden(const SetupSources *sources, PciAddress address) {
        for (size_t i = 0; i < sources->n_overridden; i++)
                if (pci_address_compare(sources->overridden[i], address) == 0)
                        return true;
        return false;
}

static void add_card(const SetupSources *sources, const Function *function, Setup *ret) {
        SetupCard *card = ret->n_cards > 0 ? &ret->cards[ret->n_cards - 1] : NULL;

        if (!card || !pci_address_same_slot(card->display->address, function->address)) {
                if (ret->n_cards == SETUP_CARDS_MAX)
                        return;
                card = &ret->cards[ret->n_cards++];
                card->display = function;
        }
        card->is_boot_vga |= function->boot_vga;
        card->is_set_up |= function->on_vfio || driver_is_no_home(function->driver) ||
                           setup_lists_id(ret->ids, function->id) ||
                           (sources->ids && setup_lists_id(sources->ids, function->id)) ||
                           is_overridden(sources, function->address);
        card->has_guest |= has_guest(sources->guests, function->address);
}

/* In the order in which they count. */
static bool is_candidate(const SetupCard *card, SetupChoice why) {
        switch (why) {
        case SETUP_ALREADY:
                return card->is_set_up;
        case SETUP_GUEST:
                return card->has_guest;
        case SETUP_ONLY_NOT_VGA:
                return !card->is_boot_vga;
        default:
                return false;
        }
}

static const SetupCard *find_only(const Setup *setup, SetupChoice why) {
        const SetupCard *only = NULL;

        for (size_t i = 0; i < setup->n_cards; i++) {
                if (!is_candidate(&setup->cards[i], why))
                        continue;
                if (only)
                        return NULL;
                only = &setup->cards[i];
        }
        return only;
}

static const SetupCard *find_named(const Setup *setup, PciAddress device) {
        for (size_t i = 0; i < setup->n_cards; i++)
                if (pci_address_same_slot(setup->cards[i].display->address, device))
                        return &setup->cards[i];
        return NULL;
}

static const SetupCard *choose(const Setup *setup, const PciAddress *device, SetupChoice *ret) {
        static const SetupChoice whys[] = { SETUP_ALREADY, SETUP_GUEST, SETUP_ONLY_NOT_VGA };
        const SetupCard *card = device ? find_named(setup, *device) : NULL;

        if (device || setup->n_cards == 0) {
                *ret = card ? SETUP_NAMED : SETUP_NONE;
                return card;
        }
        if (setup->n_cards == 1) {
                *ret = SETUP_ONLY;
                return &setup->cards[0];
        }
        for (size_t i = 0; i < ARRAY_SIZE(whys); i++) {
                card = find_only(setup, whys[i]);
                if (card) {
                        *ret = whys[i];
                        return card;
                }
        }
        *ret = SETUP_UNKNOWN;
        return NULL;
}

/* --- what goes with it --- */

bool setup_is_stranger(const Function *card, const Function *function) {
        return !pci_address_same_slot(function->address, card->address) &&
               function->iommu_group >= 0 && function->iommu_group == card->iommu_group &&
               !function_leaves_group_viable(function);
}

static void add_neighbour(const Function *function, Setup *ret) {
        if (setup_is_stranger(ret->first, function) && ret->n_strangers < SETUP_STRANGERS_MAX)
                ret->strangers[ret->n_strangers++] = function;
        else if (pci_address_same_slot(function->address, ret->first->address) &&
                 function != ret->first && !function_is_bridge(function))
                ret->companions[ret->n_companions++] = function;
}

static void look_around(const Host *host, const SetupCard *card, Setup *ret) {
        ret->first = card->display;
        for (size_t i = host->n_functions; i-- > 0;)
                if (pci_address_same_slot(host->functions[i].address, card->display->address))
                        ret->first = &host->functions[i];
        for (size_t i = 0; i < host->n_functions; i++)
                add_neighbour(&host->functions[i], ret);
        ret->takes_screen = card->is_boot_vga || ret->n_cards == 1;
        if (!driver_is_no_home(ret->first->driver) && config_driver_is_valid(ret->first->driver))
                ret->host_driver = ret->first->driver;
}

void setup_make(const SetupSources *sources, Setup *ret) {
        const Host *host = sources->host;
        PageReservation reserved;
        const SetupCard *card;

        *ret = (Setup){ .host_driver = "" };
        if (kernel_cmdline_value(sources->cmdline, "vfio_pci.ids", ret->ids, sizeof(ret->ids)) < 0)
                ret->ids[0] = '\0';
        if (kernel_cmdline_value(sources->cmdline, "pci_stub.ids", ret->stub_ids,
                                 sizeof(ret->stub_ids)) < 0)
                ret->stub_ids[0] = '\0';
        page_reservation_read(sources->cmdline, &reserved);
        (void)memcpy(ret->hugepages, reserved.pages, sizeof(ret->hugepages));
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                page_reservation_copy(sources->cmdline, size, ret->hugepage_words[size],
                                      sizeof(ret->hugepage_words[size]));
        for (size_t i = 0; i < host->n_functions; i++)
                if (function_is_display(&host->functions[i]))
                        add_card(sources, &host->functions[i], ret);
        card = choose(ret, sources->device, &ret->choice);
        if (card)
                look_around(host, card, ret);
}

const char *setup_choice_text(SetupChoice choice) {
        static const char *const texts[_SETUP_CHOICE_MAX] = {
                [SETUP_NAMED] = "it was named",
                [SETUP_ALREADY] = "it is the only card that is set up for virtual machines",
                [SETUP_GUEST] = "it is the only card that a virtual machine's definition names",
                [SETUP_ONLY] = "it is the only graphics card",
                [SETUP_ONLY_NOT_VGA] = "it is the only card that the PC does not boot with",
        };

        return texts[choice] ? texts[choice] : "";
}

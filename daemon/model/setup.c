/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kernel-cmdline.h"
#include "page-reservation.h"
#include "setup.h"

/* --- what the kernel was told --- */

static bool is_listed(const char *ids, PciId id) {
        char text[PCI_ID_SIZE];
        const char *item = ids;

        (void)pci_id_format(id, text);
        while (*item) {
                /* Sub-system ids and a class may follow. */
                if (strncasecmp(item, text, strlen(text)) == 0 &&
                    strchr(",:", item[strlen(text)])) /* or the end */
                        return true;
                item += strcspn(item, ",");
                item += *item == ',';
        }
        return false;
}

/* --- the cards --- */

static void add_card(const Function *function, const char *ids, Setup *ret) {
        SetupCard *card = ret->n_cards > 0 ? &ret->cards[ret->n_cards - 1] : NULL;

        if (!card || !pci_address_same_slot(card->display->address, function->address)) {
                if (ret->n_cards == SETUP_CARDS_MAX)
                        return;
                card = &ret->cards[ret->n_cards++];
                card->display = function;
        }
        card->is_boot_vga |= function->boot_vga;
        card->is_set_up |= function->on_vfio || driver_is_no_home(function->driver) ||
                           is_listed(ids, function->id);
}

static const SetupCard *choose(const Setup *setup, const PciAddress *device, SetupChoice *ret) {
        const SetupCard *named = NULL, *set_up = NULL, *not_vga = NULL;
        size_t n_set_up = 0, n_not_vga = 0;

        for (size_t i = 0; i < setup->n_cards; i++) {
                const SetupCard *card = &setup->cards[i];

                if (device && pci_address_same_slot(card->display->address, *device))
                        named = card;
                if (card->is_set_up) {
                        set_up = card;
                        n_set_up++;
                }
                if (!card->is_boot_vga) {
                        not_vga = card;
                        n_not_vga++;
                }
        }
        if (device || setup->n_cards == 0) {
                *ret = named ? SETUP_NAMED : SETUP_NONE;
                return named;
        }
        if (setup->n_cards == 1) {
                *ret = SETUP_ONLY;
                return &setup->cards[0];
        }
        *ret = n_set_up == 1 ? SETUP_ALREADY : n_not_vga == 1 ? SETUP_ONLY_NOT_VGA : SETUP_UNKNOWN;
        return n_set_up == 1 ? set_up : n_not_vga == 1 ? not_vga : NULL;
}

/* --- what goes with it --- */

static void add_neighbour(const Function *function, Setup *ret) {
        if (pci_address_same_slot(function->address, ret->first->address)) {
                if (function != ret->first && !function_is_bridge(function))
                        ret->companions[ret->n_companions++] = function;
                return;
        }
        if (function->iommu_group >= 0 && function->iommu_group == ret->first->iommu_group &&
            !function_leaves_group_viable(function) && ret->n_strangers < SETUP_STRANGERS_MAX)
                ret->strangers[ret->n_strangers++] = function;
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

void setup_make(const Host *host, const char *cmdline, const PciAddress *device, Setup *ret) {
        PageReservation reserved;
        const SetupCard *card;

        *ret = (Setup){ .host_driver = "" };
        if (kernel_cmdline_value(cmdline, "vfio_pci.ids", ret->ids, sizeof(ret->ids)) < 0)
                ret->ids[0] = '\0';
        page_reservation_read(cmdline, &reserved);
        (void)memcpy(ret->hugepages, reserved.pages, sizeof(ret->hugepages));
        for (size_t i = 0; i < host->n_functions; i++)
                if (function_is_display(&host->functions[i]))
                        add_card(&host->functions[i], ret->ids, ret);
        card = choose(ret, device, &ret->choice);
        if (card)
                look_around(host, card, ret);
}

const char *setup_choice_text(SetupChoice choice) {
        static const char *const texts[_SETUP_CHOICE_MAX] = {
                [SETUP_NAMED] = "it was named",
                [SETUP_ALREADY] = "it is the only card that is set up for virtual machines",
                [SETUP_ONLY] = "it is the only graphics card",
                [SETUP_ONLY_NOT_VGA] = "it is the only card that the PC does not boot with",
        };

        return texts[choice] ? texts[choice] : "";
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "kernel-cmdline.h"
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

/* "1G", "1GB", "2M", "2048k": what the kernel's memparse() makes the same of. */
static bool parse_page_size(const char *text, HugepageSize *ret) {
        size_t n = strspn(text, "0123456789");
        char digits[8];
        uint64_t kib;

        if (n == 0 || n >= sizeof(digits))
                return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
        if (parse_decimal(digits, 1u << 21, &kib) < 0)
                return false;
        if (text[n] == 'G' || text[n] == 'g')
                kib <<= 20;
        else if (text[n] == 'M' || text[n] == 'm')
                kib <<= 10;
        else if (text[n] != 'K' && text[n] != 'k')
                return false;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (kib == hugepage_kib(size)) {
                        *ret = size;
                        return true;
                }
        return false;
}

/* hugepages= is about the size before it, or the default one (kernel:
 * Documentation/admin-guide/kernel-parameters.txt). */
static void read_hugepages(const char *cmdline, uint32_t pages[static _HUGEPAGE_SIZE_MAX]) {
        HugepageSize size = HUGEPAGE_2M;
        const char *cursor = cmdline, *word;
        bool is_known = true;
        size_t length;

        while ((word = kernel_cmdline_next(&cursor, &length))) {
                char text[64];
                uint64_t n;

                if (length >= sizeof(text))
                        continue;
                (void)snprintf(text, sizeof(text), "%.*s", (int)length, word);
                if (strncmp(text, "hugepagesz=", 11) == 0)
                        is_known = parse_page_size(text + 11, &size);
                else if (strncmp(text, "default_hugepagesz=", 19) == 0)
                        is_known = parse_page_size(text + 19, &size);
                else if (strncmp(text, "hugepages=", 10) == 0 && is_known &&
                         parse_decimal(text + 10, hugepages_max(size), &n) >= 0)
                        pages[size] = (uint32_t)n;
        }
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
        const SetupCard *card;

        *ret = (Setup){ .host_driver = "" };
        if (kernel_cmdline_value(cmdline, "vfio_pci.ids", ret->ids, sizeof(ret->ids)) < 0)
                ret->ids[0] = '\0';
        read_hugepages(cmdline, ret->hugepages);
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

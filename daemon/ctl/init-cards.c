/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/init-cards.h"
#include "ctl/text.h"

#define NAME_SIZE 128

/* --- text --- */

static void print_group(const InitCards *cards, const Function *card, FILE *file) {
        char address[PCI_ADDRESS_SIZE];
        const char *before = " with ";

        if (card->iommu_group < 0)
                return;
        (void)fprintf(file, "; in IOMMU group %d", card->iommu_group);
        for (size_t i = 0; i < cards->host->n_functions; i++) {
                const Function *other = &cards->host->functions[i];

                if (!setup_is_stranger(card, other))
                        continue;
                (void)fprintf(file, "%s%s (%s)", before,
                              pci_address_format(other->address, address), other->driver);
                before = ", ";
        }
}

static void print_guests(const InitCards *cards, const Function *card, FILE *file) {
        const char *before = "; named by ";

        for (size_t i = 0; i < cards->guests->n; i++) {
                const GuestDefinition *guest = &cards->guests->guests[i];

                if (!guest_names_slot(guest, card->address))
                        continue;
                (void)fprintf(file, "%s'%s' of %s", before, guest->vm.name,
                              guest_hypervisor_name(guest->hypervisor));
                before = ", ";
        }
}

static void print_facts(const InitCards *cards, const Function *card) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file = must_have(open_memstream(&text, &size));

        (void)fprintf(file, "on %s", card->driver[0] != '\0' ? card->driver : "no driver");
        print_group(cards, card, file);
        print_guests(cards, card, file);
        if (fclose(file) < 0)
                abort();
        text_line(stderr, "      %s", text);
}

void init_cards_print(const InitCards *cards) {
        for (size_t i = 0; i < cards->setup->n_cards; i++) {
                const SetupCard *card = &cards->setup->cards[i];
                char address[PCI_ADDRESS_SIZE], name[NAME_SIZE];

                text_line(stderr, "  %s  %s%s", pci_address_format(card->display->address, address),
                          pci_names_device(cards->names, card->display->id, name, sizeof(name)),
                          card->is_boot_vga ? " (the PC boots with it)" : "");
                print_facts(cards, card->display);
        }
}

/* --- JSON --- */

static json_object *list_strangers(const InitCards *cards, const Function *card) {
        json_object *list = json_list();
        char address[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < cards->host->n_functions; i++)
                if (setup_is_stranger(card, &cards->host->functions[i]))
                        json_append_string(
                                list,
                                pci_address_format(cards->host->functions[i].address, address));
        return list;
}

static json_object *list_guests(const InitCards *cards, const Function *card) {
        json_object *list = json_list();

        for (size_t i = 0; i < cards->guests->n; i++)
                if (guest_names_slot(&cards->guests->guests[i], card->address))
                        json_append_string(list, cards->guests->guests[i].vm.name);
        return list;
}

static json_object *describe(const InitCards *cards, const SetupCard *card) {
        const Function *display = card->display;
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], name[NAME_SIZE];
        json_object *object = json_new();

        json_add_string(object, "address", pci_address_format(display->address, address));
        json_add_string(object, "id", pci_id_format(display->id, id));
        json_add_string(object, "name",
                        pci_names_device(cards->names, display->id, name, sizeof(name)));
        json_add_word(object, "driver", display->driver);
        json_add_bool(object, "boot_vga", card->is_boot_vga);
        if (display->iommu_group >= 0)
                json_add_integer(object, "iommu_group", display->iommu_group);
        else
                json_add(object, "iommu_group", NULL);
        json_add(object, "group_others", list_strangers(cards, display));
        json_add(object, "guests", list_guests(cards, display));
        return object;
}

json_object *init_cards_json(const InitCards *cards) {
        json_object *list = json_list();

        for (size_t i = 0; i < cards->setup->n_cards; i++)
                json_append(list, describe(cards, &cards->setup->cards[i]));
        return list;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a first configuration says of this machine: which graphics card goes to virtual machines,
 * what goes with it, and what was set up by hand for the same until now. Pure.
 */
#pragma once

#include "guest-definition.h"
#include "host.h"

#define SETUP_CARDS_MAX 16
#define SETUP_STRANGERS_MAX 16
#define SETUP_IDS_SIZE 256
#define SETUP_WORDS_SIZE 256

typedef struct SetupCard {
        const Function *display; /**< the first of its slot that is one */
        bool is_boot_vga;        /**< the firmware's screen is on it */
        bool is_set_up; /**< it is on a VFIO driver, or is put there at boot, by its id or address
                         */
        bool has_guest; /**< a guest's definition names it */
} SetupCard;

/** Why a card was chosen. */
typedef enum SetupChoice {
        SETUP_UNKNOWN,      /**< none was: there are several it could be */
        SETUP_NONE,         /**< there is no card, or none at that address */
        SETUP_NAMED,        /**< somebody said so */
        SETUP_ALREADY,      /**< it is the only one that is set up for it */
        SETUP_GUEST,        /**< it is the only one that a guest names */
        SETUP_ONLY,         /**< there is no other */
        SETUP_ONLY_NOT_VGA, /**< it is the only one that the PC does not boot with */
        _SETUP_CHOICE_MAX,
} SetupChoice;

/** What a choice is made from. */
typedef struct SetupSources {
        const Host *host;             /**< every function of the machine */
        const char *cmdline;          /**< the kernel's */
        const char *ids;              /**< of vfio-pci in modprobe.d; NULL: none */
        const PciAddress *overridden; /**< functions that another tool keeps on a VFIO driver */
        size_t n_overridden;
        const GuestDefinitions *guests; /**< NULL: not known */
        const PciAddress *device; /**< the slot that somebody named, by any of its functions; NULL:
                                     nobody did */
} SetupSources;

typedef struct Setup {
        SetupCard cards[SETUP_CARDS_MAX];
        size_t n_cards; /**< those kept; by address */
        SetupChoice choice;
        const Function *first;                          /**< of the chosen slot */
        const Function *companions[PCI_SLOT_FUNCTIONS]; /**< its others */
        const Function *strangers[SETUP_STRANGERS_MAX]; /**< in its IOMMU group, and in the way */
        size_t n_companions, n_strangers;
        bool takes_screen;       /**< the PC boots with it, or no other card is there */
        const char *host_driver; /**< that it has now; "": none that would be a home */
        uint32_t hugepages[_HUGEPAGE_SIZE_MAX]; /**< that the kernel was told to reserve */
        char hugepage_words[_HUGEPAGE_SIZE_MAX][SETUP_WORDS_SIZE]; /**< by which */
        char ids[SETUP_IDS_SIZE]; /**< the value of vfio-pci.ids= on its command line; "": none */
        char stub_ids[SETUP_IDS_SIZE]; /**< the same of pci-stub.ids= */
} Setup;

/** Finds the graphics cards and chooses one. @ret points into the sources. */
void setup_make(const SetupSources *sources, Setup *ret);

/** Whether a function would have to go to a guest along with a card of another slot, since its
 * IOMMU group is not viable with it as it is. */
bool setup_is_stranger(const Function *card, const Function *function);

/** Whether a list of ids as vfio-pci takes it, such as "10de:2484,10de:228b:1043:87b8", names a
 * function by its vendor and device. */
bool setup_lists_id(const char *ids, PciId id);

/** Why, in words: "it is the only graphics card", say. Only where one was chosen. */
const char *setup_choice_text(SetupChoice choice);

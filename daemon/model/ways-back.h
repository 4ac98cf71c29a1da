/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways on which a person gets the host back from a mode that has taken its screen: which there
 * are on this machine, and why not, in words. Pure; boot/ways-back-scan finds out what they are
 * judged by.
 */
#pragma once

#include "boot-menu.h"
#include "plan.h"
#include "reachability.h"

typedef enum WayBackKind {
        WAY_BACK_BOOT_MENU,    /**< "boot-menu": an entry of the fallback mode's */
        WAY_BACK_POWER_BUTTON, /**< "power-button" */
        WAY_BACK_SSH,          /**< "ssh": a server, and a network that stays with the host */
        WAY_BACK_SERIAL,       /**< "serial-console": with a login on it */
        WAY_BACK_TRIAL,        /**< "trial": a boot that fails leads back by itself */
        _WAY_BACK_MAX,
} WayBackKind;

#define WAY_BACK_ID_PREFIX "way-back-" /* of the checks that say of them */

typedef struct WayBack {
        bool is_open;
        char text[256];   /**< a sentence */
        char advice[128]; /**< what would open it; "": nothing, or it is */
} WayBack;

/** What is known of a mode on this machine. */
typedef struct WaysBackFacts {
        const char *mode, *fallback_mode;
        const char *boot_loader; /**< its name; NULL: nobody knows */
        bool has_menu;           /**< it is one whose menu we make entries in */
        bool menu_is_read;       /**< `menu` is known */
        BootMenu menu;
        const char *menu_command; /**< makes the menu anew; "": none does */
        bool takes_screen;        /**< the mode takes the boot_vga device, or `rescue` says so */
        bool rescues;             /**< the power button is to */
        bool has_other_screen;    /**< another card has one, which leaves the button alone */
        bool units_are_known;     /**< the service manager was asked for has_ssh and has_login */
        bool has_ssh;             /**< a server of it runs, or is started by who comes */
        const Needs *needs;       /**< of the host's network; others do not matter */
        const PciAddress *away;   /**< the functions that are on vfio-pci in the mode */
        size_t n_away;
        char serial[32];  /**< the kernel's console that is no screen; "": none */
        bool has_login;   /**< on it */
        bool is_counted;  /**< GRUB counts a trial before it makes it */
        bool is_once;     /**< else, a boot into the mode is one, by the EFI variable */
        bool is_unproven; /**< GRUB would, but it has not been seen to */
        bool is_default;  /**< else, the mode is default-mode, whose boots are counted here */
} WaysBackFacts;

/** A way's word. */
const char *way_back_name(WayBackKind kind);

/** Judges all of them. */
void ways_back_judge(const WaysBackFacts *facts, WayBack ret[static _WAY_BACK_MAX]);

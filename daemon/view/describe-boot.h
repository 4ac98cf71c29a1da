/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of a description that is about boots: the next one, this one and the one before.
 */
#pragma once

#include "boot/next-boot.h"
#include "json.h"
#include "machine.h"

/** What was found out about boots. */
typedef struct Boots {
        NextBoot next;
        NextBootOutlook outlook;
        char default_mode[CONFIG_NAME_SIZE]; /**< what boots go to from now on; "": not known */
} Boots;

/** Reads it; the caller frees it. */
Boots *boots_read(const Machine *machine);

/** What boots go to from now on: what `set-default` said, else default-mode; the fallback mode
 * while neither is to be trusted. Writes "" where there is no configuration. */
void boots_default_mode(const NextBoot *next, const NextBootOutlook *outlook, const Config *config,
                        char ret[static CONFIG_NAME_SIZE]);

/** Adds `default_mode`, `next_boot`, `boot_environment`, `last_boot`, `previous_boot` and
 * `timed_switch`. */
void boots_add(const Boots *boots, const Machine *machine, json_object *answer);

/** Adds what differs between what is armed and the configuration to a list of words. */
void boots_add_drift(const Boots *boots, const Machine *machine, json_object *list);

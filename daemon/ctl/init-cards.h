/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tells the graphics cards of a machine apart, for whoever has to say which one is meant. */
#pragma once

#include "host/pci-names.h"
#include "model/setup.h"
#include "view/json.h"

typedef struct InitCards {
        const Setup *setup;
        const Host *host;
        const GuestDefinitions *guests;
        PciNames *names;
} InitCards;

/** Prints two lines on stderr for each. */
void init_cards_print(const InitCards *cards);

/** The same as a list of objects. */
json_object *init_cards_json(const InitCards *cards);

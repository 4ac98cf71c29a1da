/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method's options, a{sv}: each named in a table with its type. What is not named there is
 * refused, so that a misspelt option is never taken for one that was not given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"

#define OPTIONS_MAX 16      /* entries of a dictionary */
#define OPTION_WORD_SIZE 32 /* of a string option, with its NUL */

/** Where an option's value goes. */
typedef struct OptionRow {
        const char *name; /**< NULL ends the table */
        char type;     /**< 's': char[OPTION_WORD_SIZE]; 'u': uint32_t; 't': uint64_t; 'b': int */
        size_t offset; /**< of the value, from @base */
        size_t given;  /**< of a bool that is set where the option was given */
} OptionRow;

/**
 * Reads a dictionary of options.
 *
 * Returns 0; a negative errno with @error set to InvalidArgs where the dictionary is too long, an
 * option is unknown, given twice, or of another type.
 */
_must_check_ int options_read(sd_bus_message *message, const OptionRow *rows, void *base,
                              sd_bus_error *error);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Columns of text: as wide as their widest cell, two blanks between them, the last one as it comes.
 * Knows nothing of what the cells mean. Fails as text.h does: not at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "text.h"

typedef struct Table Table;

/** Makes a table; @headers are borrowed and say how many columns there are. */
Table *table_new(const char *const *headers, size_t n_columns);

/** Adds the next cell of the current row, cleaned; behind the last column a new row begins. */
void table_add(Table *table, Colour colour, const char *format, ...) _printf_(3, 4);

/** Prints the rows, below a line of headers where @with_headers, each line behind @indent blanks.
 */
void table_print(const Table *table, int indent, bool with_headers, bool coloured);

/** Frees it; for `_cleanup_(table_freep)`. */
void table_freep(Table **table);

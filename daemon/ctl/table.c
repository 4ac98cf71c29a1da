/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cells are kept cleaned and in reading order; the widths are found when everything is there. An
 * empty cell is printed as "-", so that a script that splits at blanks finds the same columns in
 * every row.
 */
#include <stdarg.h>

#include "table.h"

typedef struct Cell {
        char *text;
        Colour colour;
} Cell;

struct Table {
        const char *const *headers;
        size_t n_columns;
        Cell *cells;
        size_t n_cells;
};

Table *table_new(const char *const *headers, size_t n_columns) {
        Table *table = must_have(calloc(1, sizeof(*table)));

        table->headers = headers;
        table->n_columns = n_columns;
        return table;
}

void table_add(Table *table, Colour colour, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_format_list(format, arguments);
        va_end(arguments);
        table->cells =
                must_have(reallocarray(table->cells, table->n_cells + 1, sizeof(table->cells[0])));
        table->cells[table->n_cells++] =
                (Cell){ .text = text_clean(text[0] != '\0' ? text : "-"), .colour = colour };
}

static size_t column_width(const Table *table, size_t column, bool with_headers) {
        size_t width = with_headers ? text_width(table->headers[column]) : 0;

        for (size_t i = column; i < table->n_cells; i += table->n_columns) {
                size_t cell = text_width(table->cells[i].text);

                if (cell > width)
                        width = cell;
        }
        return width;
}

/* The last column is not padded: no blanks at the end of a line. */
static void print_cell(const Table *table, size_t column, size_t width, Cell cell, bool coloured) {
        bool is_last = column + 1 == table->n_columns;
        int padding = is_last ? 0 : (int)(width - text_width(cell.text)) + 2;

        (void)printf("%s%s%s%*s%s", colour_on(cell.colour, coloured), cell.text,
                     colour_off(cell.colour, coloured), padding, "", is_last ? "\n" : "");
}

static void print_row(const Table *table, const Cell *row, const size_t *widths, int indent,
                      bool coloured) {
        (void)printf("%*s", indent, "");
        for (size_t i = 0; i < table->n_columns; i++)
                print_cell(table, i, widths[i], row[i], coloured);
}

void table_print(const Table *table, int indent, bool with_headers, bool coloured) {
        _cleanup_free_ size_t *widths = must_have(calloc(table->n_columns, sizeof(*widths)));
        _cleanup_free_ Cell *head = must_have(calloc(table->n_columns, sizeof(*head)));

        for (size_t i = 0; i < table->n_columns; i++) {
                widths[i] = column_width(table, i, with_headers);
                head[i] = (Cell){ .text = (char *)table->headers[i], .colour = COLOUR_BOLD };
        }
        if (with_headers)
                print_row(table, head, widths, indent, coloured);
        for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
                print_row(table, &table->cells[i], widths, indent, coloured);
}

void table_freep(Table **table) {
        if (!*table)
                return;
        for (size_t i = 0; i < (*table)->n_cells; i++)
                free((*table)->cells[i].text);
        free((*table)->cells);
        free(*table);
        *table = NULL;
}

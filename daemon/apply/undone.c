/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list is cut between two functions, and says how many more there are.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "undone.h"

#define MORE_SIZE sizeof(" and 128 more")

/* The whole of it, or nothing. */
_printf_(3, 4) static bool append(char *buffer, size_t size, const char *format, ...) {
        size_t length = strlen(buffer);
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(buffer + length, size - length, format, arguments);
        va_end(arguments);
        if (n >= 0 && (size_t)n < size - length)
                return true;
        buffer[length] = '\0';
        return false;
}

void undone_add(Undone *undone, const HomeFunction *home, int result) {
        const char *join = (result < 0 ? undone->left : undone->back)[0] != '\0' ? ", " : "";
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(home->address, address);
        if (result < 0)
                undone->n_left_more +=
                        !append(undone->left, sizeof(undone->left), "%s%s", join, address);
        else if (result > 0 && home->driver[0] == '\0')
                undone->n_back_more += !append(undone->back, sizeof(undone->back),
                                               "%s%s has no driver again", join, address);
        else if (result > 0)
                undone->n_back_more += !append(undone->back, sizeof(undone->back),
                                               "%s%s is on %s again", join, address, home->driver);
}

static const char *format_more(size_t n, char buffer[static MORE_SIZE]) {
        buffer[0] = '\0';
        if (n > 0)
                (void)snprintf(buffer, MORE_SIZE, " and %zu more", n);
        return buffer;
}

void undone_say(const Undone *undone, Refusal *refusal) {
        char tail[REFUSAL_TEXT_SIZE] = "", more[MORE_SIZE];
        const Refusal cause = *refusal;
        int left;

        if (refusal->kind == REFUSAL_HALF_WAY)
                (void)append(tail, sizeof(tail), " Not everything could be put back%s%s%s.",
                             undone->left[0] != '\0' ? ": " : "", undone->left,
                             format_more(undone->n_left_more, more));
        if (undone->back[0] != '\0')
                (void)append(tail, sizeof(tail), " Undone: %s%s.", undone->back,
                             format_more(undone->n_back_more, more));
        else if (refusal->kind != REFUSAL_HALF_WAY)
                (void)append(tail, sizeof(tail), " Undone: no function had left its driver.");
        left = (int)(sizeof(refusal->text) - 1 - strlen(tail));
        (void)refusal_set(refusal, cause.kind, "%.*s%s", left, cause.text, tail);
        if (cause.public_text[0] != '\0')
                refusal_set_public(refusal, "%.*s%s", left, cause.public_text, tail);
}

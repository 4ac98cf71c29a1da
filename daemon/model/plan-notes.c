/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notes of a plan.
 */
#include <stdarg.h>
#include <stdio.h>

#include "plan-notes.h"

void plan_note(Plan *plan, const char *format, ...) {
        va_list arguments;

        if (plan->n_notes == PLAN_NOTES_MAX)
                return;
        va_start(arguments, format);
        (void)vsnprintf(plan->notes[plan->n_notes++], sizeof(plan->notes[0]), format, arguments);
        va_end(arguments);
}

void plan_note_no_return(Plan *plan, const Function *function) {
        char address[PCI_ADDRESS_SIZE];

        /* The firmware's picture is bound to it again. */
        if (!function->cannot_return || function->framebuffer[0] != '\0')
                return;
        (void)pci_address_format(function->address, address);
        if (function->driver[0] == '\0')
                plan_note(
                        plan,
                        "%s returns by reboot only: this host has no driver for it, and a picture "
                        "that the firmware left on it does not come back.",
                        address);
        else
                plan_note(plan,
                          "%s returns by reboot only: its host-driver is not on this host, and %s, "
                          "which it has now, is not asked again.",
                          address, function->driver);
}

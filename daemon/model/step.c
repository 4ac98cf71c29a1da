/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a step is about, for who lists steps.
 */
#include <stdio.h>

#include "plan.h"

bool step_has_address(const Step *step) {
        return step->kind != STEP_LOAD_MODULE && step->kind != STEP_HUGEPAGES;
}

const char *step_object(const Step *step, char buffer[static PLAN_STEP_OBJECT_SIZE]) {
        char address[PCI_ADDRESS_SIZE];

        if (step->kind == STEP_HUGEPAGES)
                (void)snprintf(buffer, PLAN_STEP_OBJECT_SIZE, "hugepages-%s",
                               hugepage_name(step->size));
        else
                (void)snprintf(buffer, PLAN_STEP_OBJECT_SIZE, "%s",
                               step_has_address(step) ? pci_address_format(step->address, address)
                                                      : step->driver);
        return buffer;
}

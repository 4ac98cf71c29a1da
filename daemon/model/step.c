/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a step is about, and a step in words.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/plural.h"
#include "plan.h"

bool step_has_address(const Step *step) {
        return step->kind != STEP_LOAD_MODULE && step->kind != STEP_RELOAD_MODULE &&
               step->kind != STEP_HUGEPAGES;
}

bool step_takes_from_driver(const Step *step) {
        return step->kind == STEP_UNBIND || step->kind == STEP_UNLOAD_MODULE ||
               step->kind == STEP_RELEASE_FRAMEBUFFER;
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

const char *step_kind_name(StepKind kind) {
        static const char *const names[] = {
                [STEP_LOAD_MODULE] = "load-module",
                [STEP_RELOAD_MODULE] = "load-module",
                [STEP_UNLOAD_MODULE] = "unload-module",
                [STEP_SET_OVERRIDE] = "set-override",
                [STEP_UNBIND] = "unbind",
                [STEP_RELEASE_FRAMEBUFFER] = "release-framebuffer",
                [STEP_RETURN_FRAMEBUFFER] = "return-framebuffer",
                [STEP_BIND] = "bind",
                [STEP_PROBE] = "probe",
                [STEP_COLDPLUG] = "coldplug",
                [STEP_HUGEPAGES] = "hugepages",
        };

        return names[kind];
}

static void format_hugepages(const Step *step, char buffer[static PLAN_STEP_TEXT_SIZE]) {
        (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE,
                       "hugepages of %s: %s the pool from %" PRIu64 " to %" PRIu64,
                       hugepage_name(step->size),
                       step->pages > step->pages_before ? "raise" : "lower", step->pages_before,
                       step->pages);
}

const char *step_format(const Step *step, char buffer[static PLAN_STEP_TEXT_SIZE]) {
        char address[PCI_ADDRESS_SIZE];
        const char *driver = step->driver;
        int n;

        (void)pci_address_format(step->address, address);
        switch (step->kind) {
        case STEP_LOAD_MODULE:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "load the module %s", driver);
                break;
        case STEP_RELOAD_MODULE:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "load the module %s again", driver);
                break;
        case STEP_UNLOAD_MODULE:
                n = snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: unload the module %s", address,
                             driver);
                if (step->n_users > 0)
                        (void)snprintf(buffer + n, PLAN_STEP_TEXT_SIZE - (size_t)n,
                                       " (in use %u time%s)", step->n_users,
                                       plural_s(step->n_users));
                break;
        case STEP_SET_OVERRIDE:
                if (driver[0] != '\0')
                        (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: set driver_override to %s",
                                       address, driver);
                else
                        (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: clear driver_override",
                                       address);
                break;
        case STEP_UNBIND:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: unbind from %s", address, driver);
                break;
        case STEP_RELEASE_FRAMEBUFFER:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: release the firmware's %s",
                               address, driver);
                break;
        case STEP_RETURN_FRAMEBUFFER:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: without a driver%s%s, back to %s",
                               address, step->home_driver[0] != '\0' ? " or beside " : "",
                               step->home_driver, driver);
                break;
        case STEP_BIND:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: bind to %s", address, driver);
                break;
        case STEP_PROBE:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE,
                               "%s: bind to the driver that its modalias picks", address);
                break;
        case STEP_COLDPLUG:
                (void)snprintf(buffer, PLAN_STEP_TEXT_SIZE, "%s: let the kernel find its driver",
                               address);
                break;
        case STEP_HUGEPAGES:
                format_hugepages(step, buffer);
                break;
        }
        return buffer;
}

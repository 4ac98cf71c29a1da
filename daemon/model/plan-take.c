/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "plan-notes.h"
#include "plan-take.h"
#include "plan-unload.h"

#define VFIO_IOMMU_MODULE "vfio_iommu_type1"

static bool loads(const Planner *planner, const char *module) {
        for (size_t i = 0; i < planner->plan->n_steps; i++)
                if (planner->plan->steps[i].kind == STEP_LOAD_MODULE &&
                    strcmp(planner->plan->steps[i].driver, module) == 0)
                        return true;
        return false;
}

/* A driver has to be known before an override can name it. */
void plan_take_add_modules(Planner *planner) {
        const Host *host = planner->input->host;
        bool takes = false;

        for (size_t i = 0; i < planner->n_wants; i++) {
                const Function *function = planner->wants[i].function;
                const char *driver = function_vfio_driver(function);

                if (!planner->wants[i].vfio || function->on_vfio)
                        continue;
                takes = true;
                if (!(function->variant[0] != '\0' ? function->variant_is_loaded
                                                   : host->vfio_pci) &&
                    !loads(planner, driver))
                        planner_add_step(planner, STEP_LOAD_MODULE, NULL, driver);
        }
        if (takes && !host->vfio_iommu_type1)
                planner_add_step(planner, STEP_LOAD_MODULE, NULL, VFIO_IOMMU_MODULE);
}

void plan_take_add_bind(Planner *planner, const Function *function) {
        char address[PCI_ADDRESS_SIZE];

        if (function->framebuffer[0] != '\0') {
                plan_note(planner->plan,
                          "%s shows what the firmware's framebuffer has, such as the console; that "
                          "goes dark.",
                          pci_address_format(function->address, address));
                planner_add_step(planner, STEP_RELEASE_FRAMEBUFFER, function,
                                 function->framebuffer);
        }
        planner_add_step(planner, STEP_BIND, function, function_vfio_driver(function));
}

/* On a VFIO driver by another's doing (new_id, ids=) is as good; what we put there keeps our
 * override. */
void plan_take_add(Planner *planner, const Function *function) {
        bool placed =
                function->on_vfio && !run_state_find_home(planner->input->state, function->address);
        const char *driver = function_vfio_driver(function);

        if (plan_unload_take(planner, function))
                return;
        if (!placed && strcmp(function->driver_override, driver) != 0)
                planner_add_step(planner, STEP_SET_OVERRIDE, function, driver);
        if (function->on_vfio)
                return;
        plan_note_no_return(planner->plan, function);
        if (function->driver[0] != '\0')
                planner_add_step(planner, STEP_UNBIND, function, function->driver);
        plan_take_add_bind(planner, function);
}

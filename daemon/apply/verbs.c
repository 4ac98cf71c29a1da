/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that switch by themselves: switch and replug. (boot is in verbs-boot.c.)
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "host/units.h"
#include "model/hold.h"
#include "report.h"
#include "situation.h"
#include "switch.h"
#include "verbs.h"

/* Nobody says who had a unit started; but who requires it is being started, too. */
static bool find_starter(const Root *root, const char *mode, SwitchOrigin *ret) {
        char starter[CONFIG_UNIT_SIZE];

        if (!root->is_live || !units_find_starter(mode, starter))
                return false;
        (void)snprintf(ret->source, sizeof(ret->source), SOURCE_VM_UNIT);
        (void)snprintf(ret->reason, sizeof(ret->reason), "%s needs it", starter);
        return true;
}

/* Not where it was left meanwhile: that would be a switch that nobody asked for. */
static RefusalKind go_on(const Root *root, const char *mode) {
        char in_force[CONFIG_NAME_SIZE], fallback[CONFIG_NAME_SIZE];

        if (!mode_in_force_read(root, in_force) || strcmp(in_force, mode) != 0) {
                log_notice("The machine is not in mode '%s' any more.", mode);
                return REFUSAL_FAILED;
        }
        log_info("Mode '%s' goes on.", mode);
        situation_fallback_mode(root, fallback);
        report_goes_on(root, mode, strcmp(mode, fallback) != 0);
        return REFUSAL_NONE;
}

RefusalKind apply_switch(const Root *root, const char *mode, bool without_units) {
        SwitchOrigin origin = { 0 };
        SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = without_units ? SOURCE_COMMAND : SOURCE_UNIT,
                .reason =
                        without_units ? "vfio-mode-apply was run by hand" : "its unit was started",
                .without_units = without_units || !root->is_live,
        };
        SwitchResult result;

        if (!without_units &&
            (origin_take(root, mode, &origin) || find_starter(root, mode, &origin))) {
                request.source = origin.source;
                request.reason = origin.reason;
                request.holders = origin.holders;
        }
        if (strcmp(request.source, SOURCE_STAY) == 0)
                return go_on(root, mode);
        request.is_held = hold_is_by(request.source);
        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
}

/* --- replug --- */

RefusalKind apply_replug(const Root *root, const char *address) {
        const SwitchRequest request = {
                .verb = "replug",
                .source = SOURCE_REPLUG,
                .reason = "a function came back",
                .without_units = true,
                .wait_for_lock = true,
                .mend_only = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        /* Then there is no mode any more; else the one in force goes on without the function. */
        if (result.run.kind == REFUSAL_HALF_WAY || result.is_stranded)
                report_switch(root, &result);
        if (result.run.kind != REFUSAL_NONE)
                log_error("%s came back, but mode '%s' cannot have it (%s): %s", address,
                          result.run.mode, refusal_name(result.run.kind), result.run.text);
        else if (result.run.n_steps > 0)
                log_notice("%s came back and was taken for mode '%s' again.", address,
                           result.run.mode);
        return result.run.kind;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that switch by themselves: switch and replug. (boot is in verbs-boot.c.)
 */
#include "verbs.h"
#include "base/log.h"
#include "host/origin-file.h"
#include "report.h"
#include "switch.h"

RefusalKind apply_switch(const Root *root, const char *mode, bool without_units) {
        SwitchOrigin origin = { 0 };
        SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = without_units ? "command" : "unit",
                .reason =
                        without_units ? "vfio-mode-apply was run by hand" : "its unit was started",
                .without_units = without_units || !root->is_live,
        };
        SwitchResult result;

        if (!without_units && origin_take(root, mode, &origin)) {
                request.source = origin.source;
                request.reason = origin.reason;
                request.holders = origin.holders;
        }
        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
}

/* --- replug --- */

RefusalKind apply_replug(const Root *root, const char *address) {
        const SwitchRequest request = {
                .verb = "replug",
                .source = "replug",
                .reason = "a function came back",
                .without_units = true,
                .wait_for_lock = true,
                .mend_only = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        if (result.run.kind != REFUSAL_NONE)
                log_error("%s came back, but mode '%s' cannot have it (%s): %s", address,
                          result.run.mode, refusal_name(result.run.kind), result.run.text);
        else if (result.run.n_steps > 0)
                log_notice("%s came back and was taken for mode '%s' again.", address,
                           result.run.mode);
        return result.run.kind;
}

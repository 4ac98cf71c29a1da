/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "conflicts.h"
#include "host-plan.h"
#include "needs-screens.h"
#include "reachability-scan.h"

static RefusalKind check_reachability(const Root *root, const PlanInput *input, Plan *plan,
                                      Refusal *refusal) {
        _cleanup_free_ Needs *needs = calloc(1, sizeof(*needs));
        int r;

        r = needs ? reachability_scan(root, needs) : -ENOMEM;
        if (r >= 0 && reachability_screen_is_at_stake(input, plan))
                r = needs_scan_screens(root, needs);
        if (r < 0)
                return refusal_set(
                        refusal, REFUSAL_FAILED,
                        "It cannot be found out which disks, networks and displays the host "
                        "needs: %s.",
                        strerror(-r));
        return reachability_check(input, plan, needs, refusal);
}

RefusalKind host_plan_make(const Root *root, const PlanInput *input, Plan *ret,
                           Refusal *ret_refusal) {
        RefusalKind kind;

        kind = plan_make(input, ret, ret_refusal);
        /* A mode that is in force is mended, whoever else wants its devices. */
        if (kind == REFUSAL_NONE && strcmp(input->state->mode, input->mode) != 0)
                kind = conflicts_judge(root, input->config, input->host, ret, ret_refusal);
        if (kind != REFUSAL_NONE || !reachability_is_at_stake(input, ret))
                return kind;
        kind = check_reachability(root, input, ret, ret_refusal);
        /* The way back is gone as well as it is known. */
        return strcmp(input->mode, input->config->fallback_mode) == 0 ? REFUSAL_NONE : kind;
}

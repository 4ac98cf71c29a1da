/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "conflicts.h"
#include "host-plan.h"
#include "reachability-scan.h"

RefusalKind host_plan_make(const Root *root, const PlanInput *input, Plan *ret,
                           Refusal *ret_refusal) {
        _cleanup_free_ Needs *needs = NULL;
        RefusalKind kind;
        int r;

        kind = plan_make(input, ret, ret_refusal);
        /* A mode that is in force is mended, whoever else wants its devices. */
        if (kind == REFUSAL_NONE && strcmp(input->state->mode, input->mode) != 0)
                kind = conflicts_judge(root, input->config, input->host, ret, ret_refusal);
        if (kind != REFUSAL_NONE || !reachability_is_at_stake(input, ret))
                return kind;
        needs = calloc(1, sizeof(*needs));
        if (!needs)
                return refusal_set(ret_refusal, REFUSAL_FAILED, "Out of memory.");
        r = reachability_scan(root, needs);
        if (r < 0)
                return refusal_set(
                        ret_refusal, REFUSAL_FAILED,
                        "It cannot be found out which disks and networks the host needs: %s.",
                        strerror(-r));
        return reachability_check(input, ret, needs, ret_refusal);
}

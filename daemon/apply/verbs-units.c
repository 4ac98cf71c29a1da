/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that go by way of systemd: leave, fallback and revert.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "disarm.h"
#include "host/state-files.h"
#include "host/units.h"
#include "lock.h"
#include "report.h"
#include "switch.h"
#include "verbs.h"

#define FALLBACK_TRIES 3

static bool is_being_restarted(const char *mode) {
        char job[16];

        return units_job(mode, job) > 0 && strcmp(job, "restart") == 0;
}

static RefusalKind go_without_units(const Root *root, const char *mode, const char *source,
                                    const char *reason) {
        const SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = source,
                .reason = reason,
                .without_units = true,
                .wait_for_lock = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
}

/* Nothing can be asked of systemd, or it did not help: the card comes back all the same. */
static RefusalKind fall_back_without_units(const Root *root, const char *mode) {
        return go_without_units(root, mode, "fallback", "the fallback mode was asked for");
}

/* Whether the machine is in the mode; false where that cannot be read. */
static bool is_in_mode(const Root *root, const char *mode) {
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));

        return state && state_read(root, state) >= 0 && strcmp(state->mode, mode) == 0;
}

/*
 * The start that is queued here takes the place of the stop job that runs us, so that the unit of
 * the mode that the machine is in stays active; who asked for the stop is told that it was
 * cancelled.
 */
static RefusalKind stay(const char *mode) {
        return units_start(mode, UNIT_START_QUEUE) < 0 ? REFUSAL_FAILED : REFUSAL_NONE;
}

RefusalKind apply_leave(const Root *root, const char *mode) {
        char fallback[CONFIG_NAME_SIZE];

        if (lock_is_taken(root) || !is_in_mode(root, mode))
                return REFUSAL_NONE;
        switch_fallback_mode(root, fallback);
        if (!root->is_live)
                return fall_back_without_units(root, fallback);
        if (units_system_is_stopping() || is_being_restarted(mode))
                return REFUSAL_NONE;
        if (strcmp(fallback, mode) == 0) {
                log_notice("'%s' is the fallback mode and stays; start another mode to leave it.",
                           mode);
                return stay(mode);
        }
        if (units_start(fallback, UNIT_START_WAIT) >= 0)
                return REFUSAL_NONE;
        if (!is_in_mode(root, mode))
                return REFUSAL_FAILED;
        log_error("'%s' could not be left for '%s'; it stays.", mode, fallback);
        return stay(mode);
}

static void wait_for_switch(const Root *root) {
        int fd = -1;

        if (lock_take(root, true, &fd) >= 0)
                closep(&fd);
}

/* The last way: no unit got there. A guest that still holds the card is none of our failures, but
 * the next boot is to be without it all the same. */
static RefusalKind fall_back_or_disarm(const Root *root, const char *mode) {
        RefusalKind kind = fall_back_without_units(root, mode);

        if (kind != REFUSAL_NONE && kind != REFUSAL_FAILED && kind != REFUSAL_HALF_WAY)
                disarm_next_boot(root);
        return kind;
}

RefusalKind apply_fallback(const Root *root) {
        char mode[CONFIG_NAME_SIZE];

        if (!root->is_live) {
                switch_fallback_mode(root, mode);
                return fall_back_or_disarm(root, mode);
        }
        if (units_system_is_stopping()) {
                log_notice("The machine is going down; no device is moved any more.");
                return REFUSAL_SHUTTING_DOWN;
        }
        for (unsigned i = 0; i < FALLBACK_TRIES; i++) {
                wait_for_switch(root);
                switch_fallback_mode(root, mode);
                if (units_start(mode, UNIT_REAPPLY_WAIT) >= 0)
                        return REFUSAL_NONE;
                if (units_system_is_stopping())
                        return REFUSAL_SHUTTING_DOWN;
        }
        log_warning("The unit of the fallback mode '%s' did not start; going there without it.",
                    mode);
        return fall_back_or_disarm(root, mode);
}

/* --- revert --- */

static RefusalKind go_back(const Root *root, const SwitchTrial *trial) {
        log_notice("The switch to '%s' was not confirmed in time; going back to %s.", trial->mode,
                   trial->back[0] != '\0' ? trial->back : "the fallback mode");
        if (trial->back[0] == '\0')
                return apply_fallback(root);
        if (root->is_live
                    ? units_start(trial->back, UNIT_REAPPLY_WAIT) >= 0
                    : go_without_units(root, trial->back, "revert",
                                       "the switch was not confirmed in time") == REFUSAL_NONE)
                return REFUSAL_NONE;
        log_error("Going back to '%s' was refused; going to the fallback mode.", trial->back);
        return apply_fallback(root);
}

RefusalKind apply_revert(const Root *root) {
        RefusalKind kind = REFUSAL_NONE;
        SwitchTrial trial;
        int r;

        wait_for_switch(root);
        r = trial_read(root, &trial);
        if (r == -ENOENT) {
                log_info("No switch waits to be confirmed.");
                return REFUSAL_NONE;
        }
        if (root->is_live && units_system_is_stopping())
                return REFUSAL_SHUTTING_DOWN;
        if (r < 0) {
                log_warning_errno(r, "/" TRIAL_PATH " cannot be read, so the way back is the "
                                     "fallback mode: %m");
                kind = apply_fallback(root);
        } else if (is_in_mode(root, trial.mode)) {
                kind = go_back(root, &trial);
        } else {
                log_notice("The machine is not in mode '%s' any more; it stays where it is.",
                           trial.mode);
        }
        (void)unlinkat(root->fd, TRIAL_PATH, 0);
        return kind;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that go by way of systemd: leave and fallback.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
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

/* Nothing can be asked of systemd, or it did not help: the card comes back all the same. */
static RefusalKind fall_back_without_units(const Root *root, const char *mode) {
        const SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = "fallback",
                .reason = "the fallback mode was asked for",
                .without_units = true,
                .wait_for_lock = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
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

RefusalKind verb_leave(const Root *root, const char *mode) {
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

RefusalKind verb_fallback(const Root *root) {
        char mode[CONFIG_NAME_SIZE];

        if (!root->is_live) {
                switch_fallback_mode(root, mode);
                return fall_back_without_units(root, mode);
        }
        if (units_system_is_stopping()) {
                log_notice("The machine is going down; no device is moved any more.");
                return REFUSAL_SHUTTING_DOWN;
        }
        for (unsigned i = 0; i < FALLBACK_TRIES; i++) {
                int fd = -1;

                if (lock_take(root, true, &fd) >= 0)
                        closep(&fd);
                switch_fallback_mode(root, mode);
                if (units_start(mode, UNIT_REAPPLY_WAIT) >= 0)
                        return REFUSAL_NONE;
                if (units_system_is_stopping())
                        return REFUSAL_SHUTTING_DOWN;
        }
        log_warning("The unit of the fallback mode '%s' did not start; going there without it.",
                    mode);
        return fall_back_without_units(root, mode);
}

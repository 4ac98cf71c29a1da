/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is missing is said where the switch's own result stands; there is nothing better to go back
 * to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/state-files.h"
#include "host/units.h"
#include "lock.h"
#include "notify.h"
#include "state-write.h"
#include "verbs.h"
#include "verdict.h"

#define TIMER "vfio-mode-verdict.timer"

static int look(UnitState *ret) {
        static const char names[1][CONFIG_UNIT_SIZE] = { DISPLAY_MANAGER };

        return units_look(names, 1, ret);
}

void verdict_arm(const Root *root, const char *unit) {
        const char *invocation = getenv("INVOCATION_ID");
        UnitState state;

        if (look(&state) < 0 || (strcmp(unit, state.id) != 0 && strcmp(unit, DISPLAY_MANAGER) != 0))
                return;
        if (!invocation ||
            file_replace_at(root->fd, VERDICT_PATH, invocation, strlen(invocation)) < 0)
                (void)unlinkat(root->fd, VERDICT_PATH, 0);
        if (units_queue_restart(TIMER) < 0)
                log_warning("%s cannot be started; nobody will look whether %s stays.", TIMER,
                            unit);
}

/* By a switch that came meanwhile, which has stopped it or keeps it from starting. */
static bool is_meant_to_be_off(const Root *root, const char *unit) {
        _cleanup_free_ RunState *now = calloc(1, sizeof(*now));

        return !now || faccessat(root->fd, SCREEN_AWAY_PATH, F_OK, 0) == 0 ||
               (state_read(root, now) >= 0 && run_state_find_unit(now, unit));
}

static void add_text(char result[static REFUSAL_TEXT_SIZE], const char *text) {
        size_t length = strlen(result);

        (void)snprintf(result + length, REFUSAL_TEXT_SIZE - length, " %s", text);
}

static void add_to_result(const Root *root, const char *text) {
        char invocation[sizeof(((RunResult *)NULL)->invocation)];
        RunResult result;
        int r;

        if (file_read_line_at(root->fd, VERDICT_PATH, invocation, sizeof(invocation)) < 0)
                return;
        r = result_read(root, &result);
        /* Another switch has put its own there, perhaps a refusal. */
        if (r == -ENOENT || (r >= 0 && strcmp(result.invocation, invocation) != 0))
                return;
        if (r >= 0) {
                add_text(result.text, text);
                if (result.full_text[0] != '\0')
                        add_text(result.full_text, text);
                r = result_write(root, RESULT_PATH, &result);
        }
        if (r < 0)
                log_warning_errno(r, "/" RESULT_PATH " cannot be written: %m");
}

RefusalKind apply_verdict(const Root *root) {
        _cleanup_close_ int lock_fd = -1;
        char text[REFUSAL_TEXT_SIZE];
        unsigned restarts = 0;
        UnitState state;
        int r;

        r = look(&state);
        if (r < 0) {
                log_warning_errno(r, "Whether the display manager runs cannot be found out: %m");
                return REFUSAL_FAILED;
        }
        restarts = units_restarts(DISPLAY_MANAGER);
        if (state.runs && restarts == 0)
                return REFUSAL_NONE;
        /* A switch is not refused for the time that systemctl takes, only while this writes. What
         * one that is under way starts, its own timer has looked at. */
        r = lock_take(root, false, &lock_fd);
        if (r == -EAGAIN)
                return REFUSAL_NONE;
        if (r < 0)
                log_warning_errno(r, "The lock /" LOCK_PATH " cannot be taken: %m");
        if (is_meant_to_be_off(root, state.id))
                return REFUSAL_NONE;
        (void)snprintf(
                text, sizeof(text),
                "The display manager, %s, was started again and %s; see: systemctl status %s",
                state.id,
                state.runs ? "has ended within ten seconds, and systemd has started it anew"
                           : "does not run ten seconds later",
                state.id);
        add_to_result(root, text);
        closep(&lock_fd);
        lock_fd = -1;
        notify_status(text);
        log_warning("%s", text);
        return REFUSAL_NONE;
}

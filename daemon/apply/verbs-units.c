/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that go by way of systemd: leave, fallback, late-return, cut-short and revert.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "host/units.h"
#include "lock.h"
#include "model/hold.h"
#include "notify.h"
#include "report.h"
#include "situation.h"
#include "switch.h"
#include "verbs.h"
#include "wedged.h"

#define FALLBACK_TRIES 3
/* More than reading a ROM takes; and less than a switch has, which may wait for us: it does where
 * it stops a unit that is to stop after ours. */
#define LOCK_TIME (UINT64_C(120) * 1000 * 1000)
#define LEAVE_TIME (UINT64_C(1200) * 1000 * 1000) /* more than ending a guest takes */
#define FALLBACK_UNIT "vfio-mode-fallback.service"
#define ASKED "the fallback mode was asked for"
#define STOPPED "the unit of the mode before was stopped"
#define GOES_ON "the mode goes on"
#define CAME_BACK "what was stuck in the kernel has come back"
#define UNCONFIRMED "the switch was not confirmed in time"

static bool is_being_restarted(const char *mode) {
        char job[16];

        return units_job(mode, job) > 0 && strcmp(job, "restart") == 0;
}

static RefusalKind go_without_units(const Root *root, const char *mode, const char *source,
                                    const char *reason, bool is_last_way) {
        const SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = source,
                .reason = reason,
                .without_units = true,
                .wait_for_lock = true,
                .is_last_way = is_last_way,
                .is_held = hold_is_by(source),
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
}

/*
 * Nothing can be asked of systemd, or it did not help: the card comes back all the same. Where it
 * does not, the next boot is to be without it; also where a guest still holds it, which is none of
 * our failures.
 */
static RefusalKind fall_back_without_units(const Root *root, const char *mode, const char *source,
                                           const char *reason) {
        return go_without_units(root, mode, source, reason, true);
}

/* By the mode's unit, which is to say on whose behalf. */
static int start_on_behalf(const Root *root, const char *mode, const char *source,
                           const char *reason, UnitStart how) {
        int r;

        r = origin_leave(root, APPLY_ORIGIN_PATH, mode, source, reason, "");
        if (r < 0)
                log_warning_errno(r, "/" APPLY_ORIGIN_PATH " cannot be written: %m");
        r = units_start(mode, how);
        origin_drop(root, APPLY_ORIGIN_PATH);
        return r;
}

/* Whether the machine is in the mode; false where that cannot be read. */
static bool is_in_mode(const Root *root, const char *mode) {
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));

        return state && state_read(root, state) >= 0 && strcmp(state->mode, mode) == 0;
}

/* Its unit is only to be active again, whatever a mending would be refused for. */
static RefusalKind go_on(const Root *root, const char *mode) {
        int r = origin_leave(root, APPLY_ORIGIN_PATH, mode, SOURCE_STAY, GOES_ON, "");

        /* Without that word it would be a switch, refused for what the last one was, and so on. */
        if (r < 0) {
                log_error_errno(r,
                                "/" APPLY_ORIGIN_PATH " cannot be written, and the unit of '%s' "
                                "is not started again: %m",
                                mode);
                return REFUSAL_FAILED;
        }
        if (units_start(mode, UNIT_START_QUEUE) >= 0)
                return REFUSAL_NONE;
        origin_drop(root, APPLY_ORIGIN_PATH);
        return REFUSAL_FAILED;
}

/* A switch that has us stopped goes elsewhere. Others who have the lock do not. */
static bool is_stopped_by_a_switch(const Root *root) {
        int r = lock_is_stopping_us(root, false);

        if (r == -EAGAIN) {
                notify_extend_timeout(LOCK_TIME);
                r = lock_is_stopping_us(root, true);
        }
        if (r < 0)
                log_warning_errno(r, "Whether a switch is under way cannot be found out: %m");
        return r > 0;
}

RefusalKind apply_leave(const Root *root, const char *mode) {
        char fallback[CONFIG_NAME_SIZE];

        if (is_stopped_by_a_switch(root) || !is_in_mode(root, mode))
                return REFUSAL_NONE;
        /* A guest may take its time to end. */
        notify_extend_timeout(LEAVE_TIME);
        situation_fallback_mode(root, fallback);
        if (!root->is_live)
                return go_without_units(root, fallback, SOURCE_STOP, STOPPED, false);
        if (units_system_is_stopping() > 0 || is_being_restarted(mode))
                return REFUSAL_NONE;
        /* The start that is queued in these cases takes the place of the stop job that runs us; who
         * asked for the stop is told that it was cancelled. */
        if (strcmp(fallback, mode) == 0) {
                log_notice("'%s' is the fallback mode and stays; start another mode to leave it.",
                           mode);
                return go_on(root, mode);
        }
        if (start_on_behalf(root, fallback, SOURCE_STOP, STOPPED, UNIT_START_WAIT) >= 0)
                return REFUSAL_NONE;
        if (!is_in_mode(root, mode))
                return REFUSAL_FAILED;
        log_error("'%s' could not be left for '%s'; it stays.", mode, fallback);
        return go_on(root, mode);
}

static void wait_for_switch(const Root *root) {
        int fd = -1;

        if (lock_await_end(root, &fd) >= 0)
                closep(&fd);
}

/* @is_needed: asked when no switch is under way; NULL: in any case. */
static RefusalKind fall_back_if(const Root *root, const char *source, const char *reason,
                                bool (*is_needed)(const Root *root)) {
        char mode[CONFIG_NAME_SIZE];

        if (!root->is_live) {
                situation_fallback_mode(root, mode);
                return fall_back_without_units(root, mode, source, reason);
        }
        if (units_system_is_stopping() > 0) {
                log_notice("The machine is going down; no device is moved any more.");
                return REFUSAL_SHUTTING_DOWN;
        }
        for (unsigned i = 0; i < FALLBACK_TRIES; i++) {
                wait_for_switch(root);
                if (is_needed && !is_needed(root))
                        return REFUSAL_NONE;
                situation_fallback_mode(root, mode);
                if (start_on_behalf(root, mode, source, reason, UNIT_REAPPLY_WAIT) >= 0)
                        return REFUSAL_NONE;
                if (units_system_is_stopping() > 0)
                        return REFUSAL_SHUTTING_DOWN;
        }
        log_warning("The unit of the fallback mode '%s' did not start; going there without it.",
                    mode);
        return fall_back_without_units(root, mode, source, reason);
}

static RefusalKind fall_back(const Root *root, const char *source, const char *reason) {
        return fall_back_if(root, source, reason, NULL);
}

/* The guard's. It stays until we are done: who is killed and begun again finds it, however old it
 * is by then. */
static bool find_word(const Root *root, SwitchOrigin *ret) {
        char mode[CONFIG_NAME_SIZE];
        SwitchOrigin origin;

        situation_fallback_mode(root, mode);
        if (origin_read_of_guard(root, &origin) < 0 || strcmp(origin.mode, mode) != 0)
                return false;
        if (!switch_origin_is_of(&origin, mode, now_usec()) &&
            (!root->is_live || units_restarts(FALLBACK_UNIT) == 0)) {
                /* Or who is begun again would believe it. */
                origin_drop(root, GUARD_ORIGIN_PATH);
                return false;
        }
        *ret = origin;
        return true;
}

/* Whom systemd starts for another unit's OnFailure= it tells which that was (systemd.exec(5), from
 * 251 on); also where somebody else starts us, and that one has not failed. */
static void find_reason(const Root *root, SwitchOrigin *ret) {
        const char *unit = getenv("MONITOR_UNIT"), *result = getenv("MONITOR_SERVICE_RESULT");

        if (find_word(root, ret))
                return;
        (void)snprintf(ret->source, sizeof(ret->source), SOURCE_FALLBACK);
        if (unit && (!result || strcmp(result, "success") != 0))
                (void)snprintf(ret->reason, sizeof(ret->reason), "%s has failed (%s)", unit,
                               result ? result : "unknown");
        else
                (void)snprintf(ret->reason, sizeof(ret->reason), ASKED);
}

RefusalKind apply_fallback(const Root *root) {
        SwitchOrigin origin = { 0 };
        RefusalKind kind;

        find_reason(root, &origin);
        kind = fall_back(root, origin.source, origin.reason);
        origin_drop(root, GUARD_ORIGIN_PATH);
        return kind;
}

/* What gets stuck on the way there has come back from one write more, each time. */
RefusalKind apply_late_return(const Root *root) {
        RefusalKind kind = REFUSAL_WEDGED;

        while (kind == REFUSAL_WEDGED) {
                if (!wedged_wait(root))
                        return REFUSAL_NONE;
                log_notice("What was stuck in the kernel has come back; going to the fallback "
                           "mode.");
                kind = fall_back(root, SOURCE_FALLBACK, CAME_BACK);
        }
        return kind;
}

/* --- cut-short --- */

/* In a mode, with its unit: a switch that is cut short may have stopped that and moved nothing. */
static bool is_whole(const Root *root) {
        char mode[CONFIG_NAME_SIZE];

        return mode_in_force_read(root, mode) && (!root->is_live || units_mode_may_run(mode));
}

/* While nobody has the lock: the undo log of a switch that is under way looks like that of one that
 * was cut short. Where there is neither a log nor a record, nothing was ever moved. */
static bool was_cut_short(const Root *root) {
        _cleanup_close_ int fd = -1;

        if (lock_await_end(root, &fd) < 0)
                fd = -1; /* and nobody has it: what there is decides */
        if (faccessat(root->fd, UNDO_PATH, F_OK, 0) < 0 && errno == ENOENT &&
            faccessat(root->fd, STATUS_PATH, F_OK, 0) < 0 && errno == ENOENT)
                return false;
        return !is_whole(root);
}

/* Of a unit that has not failed, which is active whatever became of it. Who saw to the end of a
 * reload leaves no log, or that of a write that is stuck. */
static bool was_reload_cut_short(const Root *root) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        _cleanup_close_ int fd = -1;
        int r;

        /* Nobody's guest is ended for a want of memory. */
        if (!undo)
                return false;
        if (lock_await_end(root, &fd) < 0)
                fd = -1; /* and nobody has it: what there is decides */
        r = undo_read(root, undo);
        return r < 0 ? r != -ENOENT : undo->writer.wedged == 0 && !run_state_is_of_rom(undo);
}

/* By apply, and not by who should have run it: systemd's own exit codes begin at 200. */
static bool was_refused(void) {
        const char *result = getenv("MONITOR_SERVICE_RESULT"),
                   *status = getenv("MONITOR_EXIT_STATUS");
        uint64_t code;

        return result && strcmp(result, "exit-code") == 0 && status &&
               parse_decimal(status, UINT8_MAX, &code) >= 0 && code > EXIT_APPLY_BASE &&
               code <= EXIT_APPLY_BASE + EXIT_CODE_TIMED_OUT;
}

/*
 * What was refused, or was undone, has been seen to by who found it out. Only a restart of the mode
 * that is on cannot be: its unit was stopped for that, and is the one whose start was refused, or
 * did not come about since another unit's did not.
 */
static RefusalKind see_that_it_goes_on(const Root *root, const char *unit) {
        char mode[CONFIG_NAME_SIZE], name[UNIT_NAME_SIZE];
        _cleanup_close_ int fd = -1;

        if (lock_await_end(root, &fd) < 0)
                fd = -1; /* and nobody has it */
        if (!root->is_live || !mode_in_force_read(root, mode) ||
            strcmp(unit, unit_name(mode, name)) != 0 || units_mode_may_run(mode))
                return REFUSAL_NONE;
        log_notice("Mode '%s' goes on.", mode);
        return go_on(root, mode);
}

RefusalKind apply_cut_short(const Root *root) {
        const char *unit = getenv("MONITOR_UNIT"), *result = getenv("MONITOR_SERVICE_RESULT");
        char reason[sizeof(((SwitchOrigin *)NULL)->reason)];
        const bool is_reload = result && strcmp(result, "success") == 0;
        bool (*is_needed)(const Root *root) = is_reload ? was_reload_cut_short : was_cut_short;

        if (result && strcmp(result, "exit-code") == 0)
                return was_refused() ? see_that_it_goes_on(root, unit ? unit : "") : REFUSAL_NONE;
        if (!is_needed(root))
                return is_reload ? see_that_it_goes_on(root, unit ? unit : "") : REFUSAL_NONE;
        (void)snprintf(reason, sizeof(reason), "%s was cut short (%s)", unit ? unit : "a switch",
                       is_reload ? "reload"
                       : result  ? result
                                 : "unknown");
        log_warning("%s; going to the fallback mode.", reason);
        return fall_back_if(root, SOURCE_FALLBACK, reason, is_needed);
}

/* --- revert --- */

static RefusalKind go_back(const Root *root, const SwitchTrial *trial) {
        log_notice("The switch to '%s' was not confirmed in time; going back to %s.", trial->mode,
                   trial->back[0] != '\0' ? trial->back : "the fallback mode");
        if (trial->back[0] == '\0')
                return fall_back(root, SOURCE_FALLBACK, UNCONFIRMED);
        if (root->is_live ? start_on_behalf(root, trial->back, SOURCE_REVERT, UNCONFIRMED,
                                            UNIT_REAPPLY_WAIT) >= 0
                          : go_without_units(root, trial->back, SOURCE_REVERT, UNCONFIRMED,
                                             false) == REFUSAL_NONE)
                return REFUSAL_NONE;
        log_error("Going back to '%s' was refused; going to the fallback mode.", trial->back);
        return fall_back(root, SOURCE_FALLBACK, UNCONFIRMED);
}

/* A clock of an earlier switch may have started us while the next one was on its way. */
static bool is_due(const SwitchTrial *trial) {
        return now_usec() >= trial->due;
}

typedef struct TrialFile {
        const char *path;
        int (*read)(const Root *root, SwitchTrial *ret);
} TrialFile;

/* Another switch may have put its own there meanwhile, which has a clock of its own. */
static void forget_trial(const Root *root, const TrialFile *file, const SwitchTrial *trial) {
        SwitchTrial now;

        if (trial && file->read(root, &now) >= 0 &&
            (now.due != trial->due || strcmp(now.mode, trial->mode) != 0))
                return;
        (void)unlinkat(root->fd, file->path, 0);
}

static RefusalKind revert_one(const Root *root, const TrialFile *file) {
        RefusalKind kind = REFUSAL_NONE;
        SwitchTrial trial;
        int r;

        r = file->read(root, &trial);
        if (r == -ENOENT)
                return REFUSAL_NONE;
        if (root->is_live && units_system_is_stopping() > 0)
                return REFUSAL_SHUTTING_DOWN;
        if (r < 0) {
                log_warning_errno(r, "/%s cannot be read, so the way back is the fallback mode: %m",
                                  file->path);
                kind = fall_back(root, SOURCE_FALLBACK, UNCONFIRMED);
        } else if (!is_due(&trial)) {
                log_info("There is still time to confirm mode '%s'.", trial.mode);
                return REFUSAL_NONE;
        } else if (is_in_mode(root, trial.mode)) {
                kind = go_back(root, &trial);
        } else {
                log_notice("The machine is not in mode '%s' that waited to be confirmed; it stays "
                           "where it is.",
                           trial.mode);
        }
        forget_trial(root, file, r < 0 ? NULL : &trial);
        return kind;
}

RefusalKind apply_revert(const Root *root) {
        static const TrialFile files[] = { { TRIAL_NEXT_PATH, trial_next_read },
                                           { TRIAL_PATH, trial_read } };
        RefusalKind kind = REFUSAL_NONE;

        wait_for_switch(root);
        for (size_t i = 0; i < ARRAY_SIZE(files) && kind == REFUSAL_NONE; i++)
                kind = revert_one(root, &files[i]);
        return kind;
}

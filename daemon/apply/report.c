/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The result file, the service manager, the journal. None of them can make a run fail. In that
 * order: journald may be stuck with the device (kernel 6.1).
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "disarm.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "host/units.h"
#include "notify.h"
#include "report.h"
#include "state-write.h"
#include "tell.h"
#include "wedged.h"

/* `systemctl status` is for everybody, the journal is not. */
static void say_status(const RunResult *result) {
        char status[REFUSAL_TEXT_SIZE + 64];

        (void)snprintf(status, sizeof(status), "%s%s", result->text,
                       result->full_text[0] != '\0' ? " Root is told by: vfio-modectl status."
                                                    : "");
        notify_status(status);
}

static void say(const RunResult *result) {
        bool has_names = result->full_text[0] != '\0';

        say_status(result);
        if (result->kind == REFUSAL_NONE)
                log_info("%s", result->text);
        else
                log_error("%s: %s", refusal_name(result->kind),
                          has_names ? result->full_text : result->text);
}

static void keep(const Root *root, const char *path, const RunResult *result) {
        int r = result_write(root, path, result);

        if (r < 0) {
                /* What stands there is of another run: none is better, and there is room again. */
                (void)unlinkat(root->fd, path, 0);
                r = result_write(root, path, result);
        }
        if (r < 0)
                log_warning_errno(r, "/%s cannot be written: %m", path);
}

void report(const Root *root, const char *path, const RunResult *result) {
        keep(root, path, result);
        say(result);
}

/* Only queued: waiting for a start job from inside another deadlocks. */
static void queue_start(const Root *root, const SwitchResult *result) {
        int r;

        /* Half-way the mode is the fallback mode, and nobody asked for that. */
        if (result->run.kind == REFUSAL_HALF_WAY &&
            origin_leave(root, APPLY_ORIGIN_PATH, result->start, SOURCE_FALLBACK, result->run.text,
                         "") < 0)
                log_warning("/" APPLY_ORIGIN_PATH " cannot be written.");
        r = units_start(result->start, UNIT_START_QUEUE);
        /* Nobody else brings the screen back: not given up at the first error. */
        if (r < 0)
                r = units_start(result->start, UNIT_START_QUEUE);
        if (r < 0)
                log_error("The unit of mode '%s' could not be queued.", result->start);
}

/* It waits for the mode's own unit, whose start job we are. One that runs already goes by the
 * configuration that was there when it was started. */
static void queue_guard(const char *mode, bool anew) {
        int r = units_queue_guard(mode, anew);

        /* What has failed once may be over. */
        if (r < 0)
                r = units_queue_guard(mode, anew);
        if (r < 0)
                log_error("The guard of mode '%s' cannot be started; nobody will see whether a VM "
                          "comes.",
                          mode);
}

/* To everybody, by way of journald. */
static void reboot_machine(const Root *root, Reboot how) {
        if (how == REBOOT_BY_FORCE) {
                log_line(LOG_EMERG, "The machine is reset now: a device is stuck in the kernel "
                                    "(on-wedged = reboot).");
                wedged_reset(root);
        } else if (how == REBOOT_IN_ORDER && root->is_live) {
                log_line(LOG_EMERG, "The machine is rebooted now: the card cannot be had back "
                                    "(on-wedged = reboot).");
                if (units_queue_reboot() < 0)
                        log_error("The reboot could not be queued.");
        }
}

void report_goes_on(const Root *root, const char *mode, bool has_guard) {
        notify_status("It goes on as it was. How the last switch ended: vfio-modectl status.");
        if (has_guard && root->is_live)
                queue_guard(mode, false);
}

void report_switch(const Root *root, const SwitchResult *result) {
        if (result->run.kind != REFUSAL_NONE || result->changed)
                keep(root, RESULT_PATH, &result->run);
        say_status(&result->run);
        tell_end(result);
        if (result->run.kind == REFUSAL_WEDGED)
                wedged_await_return(root);
        tell_everybody(root, result);
        /* Never into a boot that might go the same way again. */
        if (result->is_stranded && disarm_next_boot(root))
                reboot_machine(root, result->reboot);
        if (result->start[0] != '\0' && root->is_live)
                queue_start(root, result);
        if (result->has_guard)
                queue_guard(result->run.mode, result->has_new_config);
        else if (result->ends_guard && units_queue_guard_stop(result->run.mode) < 0)
                log_error("The guard of mode '%s' cannot be stopped; it goes by what the mode had.",
                          result->run.mode);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal, the service manager, the result file. None of them can make a run fail.
 */
#include "report.h"
#include "base/log.h"
#include "disarm.h"
#include "host/state-files.h"
#include "host/units.h"
#include "notify.h"
#include "state-write.h"

static void say(const RunResult *result) {
        if (result->kind == REFUSAL_NONE)
                log_info("%s", result->text);
        else
                log_error("%s: %s", refusal_name(result->kind), result->text);
        notify_status(result->text);
}

static void keep(const Root *root, const char *path, const RunResult *result) {
        int r = result_write(root, path, result);

        if (r < 0)
                log_warning_errno(r, "/%s cannot be written: %m", path);
}

void report(const Root *root, const char *path, const RunResult *result) {
        say(result);
        keep(root, path, result);
}

void report_switch(const Root *root, const SwitchResult *result) {
        say(&result->run);
        if (result->run.kind != REFUSAL_NONE || result->changed)
                keep(root, RESULT_PATH, &result->run);
        if (result->is_stranded)
                disarm_next_boot(root);
        /* Only queued: waiting for a start job from inside another deadlocks. */
        if (result->start[0] != '\0' && units_start(result->start, UNIT_START_QUEUE) < 0)
                log_error("The unit of mode '%s' could not be queued.", result->start);
}

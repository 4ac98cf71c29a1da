/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal, the service manager, the result file. None of them can make a run fail.
 */
#include "report.h"
#include "base/log.h"
#include "notify.h"
#include "state-write.h"

void report(const Root *root, const char *path, const RunResult *result) {
        int r;

        if (result->kind == REFUSAL_NONE)
                log_info("%s", result->text);
        else
                log_error("%s: %s", refusal_name(result->kind), result->text);
        notify_status(result->text);
        r = result_write(root, path, result);
        if (r < 0)
                log_warning_errno(r, "/%s cannot be written: %m", path);
}

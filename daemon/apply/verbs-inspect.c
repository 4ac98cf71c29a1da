/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb inspect: leaves what inspect.c found for vfio-moded, which has neither the rights to
 * look nor any to be lent to its callers; and print-inspection, which keeps nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "host/state-files.h"
#include "inspect.h"
#include "notify.h"
#include "state-write.h"
#include "verbs.h"

/* The process exits right after, so the umask need not come back. */
static int write_inspection(const Root *root, const Inspection *inspection) {
        _cleanup_free_ char *text = NULL;
        char path[sizeof(INSPECT_DIR "/") + CONFIG_NAME_SIZE];
        int n;

        n = inspection_format(inspection, &text);
        if (n < 0)
                return n;
        if (run_dir_make(root) < 0 || (mkdirat(root->fd, INSPECT_DIR, 0700) < 0 && errno != EEXIST))
                return -errno;
        file_sweep_at(root->fd, INSPECT_DIR);
        (void)umask(0077);
        (void)snprintf(path, sizeof(path), INSPECT_DIR "/%s", inspection->mode);
        return file_replace_at(root->fd, path, text, (size_t)n);
}

static int print_inspection(_unused_ const Root *root, const Inspection *inspection) {
        _cleanup_free_ char *text = NULL;
        int n;

        n = inspection_format(inspection, &text);
        if (n < 0)
                return n;
        return fputs(text, stdout) == EOF || fflush(stdout) == EOF ? -EIO : 0;
}

static RefusalKind inspect_for(const Root *root, const char *mode,
                               int (*give)(const Root *root, const Inspection *inspection)) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        int r;

        if (!config_name_is_valid(mode)) {
                log_error("'%s' cannot be the name of a mode.", mode);
                return REFUSAL_UNKNOWN_MODE;
        }
        r = inspection ? inspect(root, mode, inspection) : -ENOMEM;
        if (r >= 0)
                r = give(root, inspection);
        if (r < 0) {
                (void)log_error_errno(r, "Mode '%s' cannot be inspected: %m", mode);
                return REFUSAL_FAILED;
        }
        notify_status(inspection->kind == REFUSAL_NONE ? "There is a plan."
                                                       : inspection->public_text);
        return REFUSAL_NONE;
}

RefusalKind apply_inspect(const Root *root, const char *mode) {
        return inspect_for(root, mode, write_inspection);
}

RefusalKind apply_print_inspection(const Root *root, const char *mode) {
        return inspect_for(root, mode, print_inspection);
}

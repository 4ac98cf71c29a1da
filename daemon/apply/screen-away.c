/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A condition and no mask: a start that is kept back is no failure, systemd remembers that it was
 * wanted, and nothing has to be reloaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "host/sessions.h"
#include "host/state-files.h"
#include "host/units.h"
#include "screen-away.h"
#include "verdict.h"

static bool takes_last_screen(const Situation *now, const Plan *plan) {
        const ConfigMode *mode = config_find_mode(&now->config, now->mode);

        if (!mode || !mode->end_sessions)
                return false;
        for (size_t i = 0; i < plan->n_vfio; i++) {
                const Function *function = host_find(&now->host, plan->vfio[i]);

                if (function && function_is_display(function))
                        return !sessions_have_other_screen(now->root, plan);
        }
        return false;
}

static int try_to_set_mark(const Root *root) {
        _cleanup_close_ int fd = -1;

        fd = openat(root->fd, SCREEN_AWAY_PATH, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        return fd < 0 ? -errno : 0;
}

/* Without it the display manager would start without a screen: not given up at the first error. */
static int set_mark(const Root *root) {
        int r = try_to_set_mark(root);

        return r < 0 ? try_to_set_mark(root) : r;
}

/* And with it, it would not start with one. Returns whether it was there, or a negative errno. */
static int remove_mark(const Root *root) {
        if (unlinkat(root->fd, SCREEN_AWAY_PATH, 0) >= 0)
                return 1;
        if (errno != ENOENT && unlinkat(root->fd, SCREEN_AWAY_PATH, 0) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static int start_kept_back(const Root *root) {
        int r;

        if (!root->is_live || !units_was_kept_back(DISPLAY_MANAGER))
                return 0;
        log_info("start the display manager, which had to wait for the screen");
        r = units_queue_service(DISPLAY_MANAGER);
        if (r >= 0)
                verdict_arm(root, DISPLAY_MANAGER);
        return r;
}

void screen_away_record(const Situation *now, const Plan *plan, bool is_whole) {
        int r;

        if (is_whole && takes_last_screen(now, plan)) {
                r = set_mark(now->root);
        } else {
                r = remove_mark(now->root);
                if (r > 0)
                        r = start_kept_back(now->root);
        }
        if (r < 0)
                log_warning_errno(r, "/" SCREEN_AWAY_PATH
                                     ", and the display manager's start with it: %m");
}

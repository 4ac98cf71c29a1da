/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb disarm, and who asks for its unit.
 */
#include "disarm.h"
#include "base/log.h"
#include "boot/next-boot.h"
#include "host/units.h"
#include "notify.h"
#include "verbs.h"

RefusalKind apply_disarm(const Root *root) {
        int r;

        r = next_boot_disarm(root);
        if (r < 0) {
                log_error_errno(r,
                                "The next boot cannot be made one in the fallback mode: %m; pick "
                                "the host's entry in the boot menu.");
                notify_status("The next boot could not be made one in the fallback mode.");
                return REFUSAL_FAILED;
        }
        log_notice("The next boot goes to the fallback mode, whatever was armed.");
        notify_status("The next boot goes to the fallback mode.");
        return REFUSAL_NONE;
}

bool disarm_next_boot(const Root *root) {
        if (!root->is_live || units_start_service(DISARM_UNIT) < 0)
                return apply_disarm(root) == REFUSAL_NONE;
        log_notice("The next boot goes to the fallback mode (" DISARM_UNIT ").");
        return true;
}

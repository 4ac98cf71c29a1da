/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "hold.h"
#include "host/hold.h"
#include "host/state-files.h"

void hold_method_release(Request *request) {
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));
        Service *service = request->service;
        int r;

        service_refresh(service);
        if (snapshot_is_switching(&service->snapshot)) {
                request_refuse(request, REFUSAL_ALREADY_SWITCHING,
                               "A switch is under way; what it leads to can be released then.");
                return;
        }
        r = state ? state_read(&service->root, state) : -ENOMEM;
        if (r >= 0 && state->hold.since > 0)
                r = hold_release(&service->root, state);
        if (r < 0 && r != -ENOENT) {
                request_refuse(request, REFUSAL_FAILED, "The hold cannot be released.");
                return;
        }
        if (state->hold.since > 0)
                log_info("Mode '%s' is not held any more.", state->mode);
        service_refresh(service);
        request_done(request);
}

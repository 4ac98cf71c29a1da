/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens libsystemd only where somebody listens.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "notify.h"

#define LIBRARY "libsystemd.so.0"

static void tell(const char *message) {
        __typeof__(sd_notify) *notify = NULL;
        void *library;

        if (!getenv("NOTIFY_SOCKET"))
                return;
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!library)
                return;
        *(void **)&notify = dlsym(library, "sd_notify");
        if (notify)
                (void)notify(0, message);
        (void)dlclose(library);
}

void notify_status(const char *text) {
        char message[1024];

        (void)snprintf(message, sizeof(message), "STATUS=%s", text);
        tell(message);
}

void notify_extend_timeout(uint64_t usec) {
        char message[64];

        (void)snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
        tell(message);
}

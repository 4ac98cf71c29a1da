/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens libsystemd only where somebody listens.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "notify.h"

#define LIBRARY "libsystemd.so.0"

void notify_status(const char *text) {
        __typeof__(sd_notify) *notify = NULL;
        char message[1024];
        void *library;

        if (!getenv("NOTIFY_SOCKET"))
                return;
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!library)
                return;
        *(void **)&notify = dlsym(library, "sd_notify");
        if (notify && snprintf(message, sizeof(message), "STATUS=%s", text) > 0)
                (void)notify(0, message);
        (void)dlclose(library);
}

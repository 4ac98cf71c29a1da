/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function's power/runtime_status changes too when a virtual machine takes it, but the kernel
 * tells nobody of that (no sysfs_notify() in drivers/base/power, 6.12): it would have to be looked
 * at, as the holders are.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <systemd/sd-login.h>

#include "base/log.h"
#include "host/state-files.h"
#include "signs.h"

#define VFIO_NODES_DIR "/dev/vfio"

struct Signs {
        SignHandler handler;
        void *userdata;
        sd_login_monitor *monitor; /* of the directory in which machined writes them down */
        sd_event_source *word, *opened, *machine;
};

static int on_word(_unused_ sd_event_source *source, _unused_ const struct inotify_event *event,
                   void *userdata) {
        const Signs *signs = userdata;

        return signs->handler(SIGN_WORD, signs->userdata);
}

static int on_opened(_unused_ sd_event_source *source, _unused_ const struct inotify_event *event,
                     void *userdata) {
        const Signs *signs = userdata;

        return signs->handler(SIGN_OPENED, signs->userdata);
}

static int on_machine(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events,
                      void *userdata) {
        const Signs *signs = userdata;
        int r;

        r = sd_login_monitor_flush(signs->monitor);
        return r < 0 ? r : signs->handler(SIGN_MACHINE, signs->userdata);
}

static int watch_machines(Signs *signs, sd_event *event) {
        int r;

        r = sd_login_monitor_new("machine", &signs->monitor);
        if (r >= 0)
                r = sd_event_add_io(event, &signs->machine, sd_login_monitor_get_fd(signs->monitor),
                                    EPOLLIN, on_machine, signs);
        return r;
}

int signs_open(sd_event *event, SignHandler handler, void *userdata, Signs **ret) {
        Signs *signs = calloc(1, sizeof(*signs));
        int r;

        *ret = signs;
        if (!signs)
                return -ENOMEM;
        signs->handler = handler;
        signs->userdata = userdata;
        r = sd_event_add_inotify(event, &signs->word, "/" VM_LIST_DIR, IN_MOVED_TO | IN_ONLYDIR,
                                 on_word, signs);
        if (r < 0)
                log_warning_errno(r, "What hooks tell is heard only when it is looked at: %m");
        r = sd_event_add_inotify(event, &signs->opened, VFIO_NODES_DIR, IN_OPEN | IN_ONLYDIR,
                                 on_opened, signs);
        if (r < 0)
                log_info("Who opens a device is seen only when it is looked at: " VFIO_NODES_DIR
                         " cannot be watched.");
        r = watch_machines(signs, event);
        if (r < 0)
                log_info("Guests of libvirt are seen only when they are looked for, or told of by "
                         "its hook: systemd-machined's cannot be watched.");
        return 0;
}

void signs_closep(Signs **signs) {
        if (!*signs)
                return;
        (void)sd_event_source_disable_unref((*signs)->word);
        (void)sd_event_source_disable_unref((*signs)->opened);
        (void)sd_event_source_disable_unref((*signs)->machine);
        (void)sd_login_monitor_unref((*signs)->monitor);
        free(*signs);
        *signs = NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories, not files: those are replaced by rename(2). What is not there yet is waited for in
 * the directory above it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "boot/boot-history.h"
#include "boot/efi-one-shot.h"
#include "host/config-load.h"
#include "host/state-files.h"
#include "watch.h"

/* Closing after writing: the lock of a switch is let go of so, and it is the last that one does. */
#define EVENTS                                                                                   \
        (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF | \
         IN_MOVE_SELF | IN_ONLYDIR)
/* Where these are found is no constant. */
#define BLOCK (WATCHES_MAX - 1)    /* the boot environment */
#define GRUB_CFG (WATCHES_MAX - 2) /* what reads it, and the boot menu */
#define PLACES GRUB_CFG

typedef struct Place {
        const char *path, *prefix;
} Place;

static const Place places[PLACES] = {
        { "run", "vfio-mode" },      { RUN_DIR, NULL },   { "etc", "vfio-mode.ini" },
        { CONFIG_DROPIN_DIR, NULL }, { STATE_DIR, NULL }, { EFI_VARIABLES_DIR, EFI_ONE_SHOT_NAME },
};

static void watch_drop(Watch *watch) {
        watch->source = sd_event_source_disable_unref(watch->source);
}

static int on_event(_unused_ sd_event_source *source, const struct inotify_event *event,
                    void *userdata) {
        Watch *watch = userdata;

        if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
                watch_drop(watch);
        else if (watch->prefix && event->len > 0 &&
                 strncmp(event->name, watch->prefix, strlen(watch->prefix)) != 0)
                return 0;
        service_refresh_soon(watch->service);
        return 0;
}

/* It may have moved to another place. */
static void set_directory(Watch *watch, const char *path) {
        if (strcmp(path, watch->path) == 0)
                return;
        watch_drop(watch);
        (void)snprintf(watch->path, sizeof(watch->path), "%s", path);
}

static void find_block(Service *service) {
        char path[sizeof(service->snapshot.block_path)];
        char *slash;

        (void)snprintf(path, sizeof(path), "%s", service->snapshot.block_path);
        slash = strrchr(path, '/');
        if (slash)
                *slash = '\0';
        set_directory(&service->watches[BLOCK], path);
}

/* Where there is none it may be on its way to where it was. */
static void find_grub_cfg(Service *service) {
        Watch *watch = &service->watches[GRUB_CFG];

        watch->prefix = "grub.cfg";
        if (service->snapshot.grub_directory[0] != '\0')
                set_directory(watch, service->snapshot.grub_directory);
}

static void watch_begin(Service *service, Watch *watch) {
        _cleanup_close_ int fd =
                openat(service->root.fd, watch->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        watch->service = service;
        if (fd < 0)
                return;
        if (sd_event_add_inotify_fd(service->event, &watch->source, fd, EVENTS, on_event, watch) <
            0)
                watch->source = NULL;
        else
                /* Of what happened since the last look there is no event. */
                service_refresh_soon(service);
}

/* --- what is stuck in the kernel --- */

static int on_writer_ended(sd_event_source *source, _unused_ int fd, _unused_ uint32_t events,
                           void *userdata) {
        Service *service = userdata;

        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        service_refresh_soon(service);
        return 0;
}

/* Nothing is written when it ends, so that nobody else would tell. */
static void watch_writer(Service *service) {
        int pid = snapshot_is_switching(&service->snapshot) ? 0 : service->snapshot.writer, fd;

        if (pid == service->writer_pid)
                return;
        service->writer = sd_event_source_disable_unref(service->writer);
        service->writer_pid = 0;
        if (pid == 0)
                return;
        fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0 && errno == ESRCH)
                service_refresh_soon(service); /* it has ended just now */
        if (fd < 0)
                return;
        if (sd_event_add_io(service->event, &service->writer, fd, EPOLLIN, on_writer_ended,
                            service) < 0) {
                closep(&fd);
                return;
        }
        (void)sd_event_source_set_io_fd_own(service->writer, true);
        service->writer_pid = pid;
}

void watch_update(Service *service) {
        watch_writer(service);
        find_block(service);
        find_grub_cfg(service);
        for (size_t i = 0; i < WATCHES_MAX; i++) {
                Watch *watch = &service->watches[i];

                if (i < PLACES) {
                        (void)snprintf(watch->path, sizeof(watch->path), "%s", places[i].path);
                        watch->prefix = places[i].prefix;
                }
                if (!watch->source && watch->path[0] != '\0')
                        watch_begin(service, watch);
        }
}

void watch_free(Service *service) {
        for (size_t i = 0; i < WATCHES_MAX; i++)
                watch_drop(&service->watches[i]);
        service->writer = sd_event_source_disable_unref(service->writer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was told is written after it was told: a service that is killed in between tells twice, and
 * not never.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "announce.h"
#include "base/file.h"
#include "base/log.h"
#include "view/describe.h"

static bool is_from(const Snapshot *now, const char *source) {
        return snapshot_has_mode(now) && strcmp(now->source, source) == 0;
}

/* The mode that was told last. Returns whether that is known. */
static bool read_announced(const Service *service, char ret[static CONFIG_NAME_SIZE]) {
        return file_read_line_at(service->root.fd, ANNOUNCED_PATH, ret, CONFIG_NAME_SIZE) > 0 &&
               (config_name_is_valid(ret) || strcmp(ret, NO_MODE) == 0);
}

/* At the first time since boot: the mode of the boot, which is no news; if that is not the one in
 * force any more, the one before it. */
static const char *guess_announced(const Snapshot *now) {
        if (!snapshot_has_mode(now) || is_from(now, "boot") || is_from(now, "replug"))
                return now->current_mode;
        return now->old_mode[0] != '\0' ? now->old_mode : NO_MODE;
}

static void write_announced(const Service *service) {
        char text[CONFIG_NAME_SIZE + 1];
        int n, r;

        n = snprintf(text, sizeof(text), "%s\n", service->snapshot.current_mode);
        r = file_replace_at(service->root.fd, ANNOUNCED_PATH, text, (size_t)n);
        if (r < 0)
                log_warning_errno(r, "/" ANNOUNCED_PATH " cannot be written: %m");
}

static bool fell_back(const Snapshot *now) {
        return is_from(now, "fallback") || is_from(now, "revert");
}

static void tell(const Service *service, const char *old) {
        const Snapshot *now = &service->snapshot;

        (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "ModeChanged", "sss", old,
                                 now->current_mode, now->mode_reason);
        if (fell_back(now))
                (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "FellBack", "sss",
                                         old, now->current_mode, now->mode_reason);
}

/* What changed while the service was not running: there is no snapshot from before to compare. */
static void tell_properties(const Service *service) {
        (void)sd_bus_emit_properties_changed(service->bus, BUS_PATH, BUS_MANAGER, "CurrentMode",
                                             "ModeReason", "Drift", NULL);
}

void announce(Service *service) {
        const Snapshot *now = &service->snapshot;
        char old[CONFIG_NAME_SIZE] = "";
        bool is_known, is_new;

        if (!service->is_named || snapshot_is_switching(now))
                return;
        is_known = read_announced(service, old);
        if (!is_known)
                (void)snprintf(old, sizeof(old), "%s", guess_announced(now));
        is_new = strcmp(old, now->current_mode) != 0;
        if (is_new && !service->was_announced)
                tell_properties(service);
        if (is_new)
                tell(service, old);
        service->was_announced = true;
        if (is_new || !is_known)
                write_announced(service);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was told is written after it was told: a service that is killed in between tells twice, and
 * not never.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "announce.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "boot/boot-history.h"
#include "model/switch-origin.h"
#include "view/describe.h"

static bool is_from(const Snapshot *now, const char *source) {
        return snapshot_has_mode(now) && strcmp(now->source, source) == 0;
}

/* The mode that was told last. Returns whether that is known. */
static bool read_announced(const Service *service, char ret[static CONFIG_NAME_SIZE]) {
        char line[CONFIG_NAME_SIZE + 1]; /* with its newline */

        if (file_read_line_at(service->root.fd, ANNOUNCED_PATH, line, sizeof(line)) <= 0 ||
            (!config_name_is_valid(line) && strcmp(line, NO_MODE) != 0))
                return false;
        return parse_copy(ret, CONFIG_NAME_SIZE, line, strlen(line)) >= 0;
}

/* At the first time since boot: the mode of the boot, which is no news; if that is not the one in
 * force any more, the one before it. */
static const char *guess_announced(const Snapshot *now) {
        if (!snapshot_has_mode(now) || is_from(now, SOURCE_BOOT) || is_from(now, SOURCE_REPLUG))
                return now->current_mode;
        return now->old_mode[0] != '\0' ? now->old_mode : NO_MODE;
}

static void note(const Service *service, const char *path, const char *word) {
        char text[64];
        int n, r;

        n = snprintf(text, sizeof(text), "%s\n", word);
        r = file_replace_at(service->root.fd, path, text, (size_t)n);
        if (r < 0)
                log_warning_errno(r, "/%s cannot be written: %m", path);
}

/* --- this boot --- */

/* What is written of it may come later than the service: its place in /var may not be there yet. */
static bool is_boot_announced(const Service *service) {
        const SnapshotBoot *boot = &service->snapshot.last_boot;
        char id[BOOT_ID_SIZE + 1]; /* with its newline */

        return !boot->is_known ||
               (file_read_line_at(service->root.fd, BOOT_ANNOUNCED_PATH, id, sizeof(id)) > 0 &&
                strcmp(id, boot->record.boot_id) == 0);
}

/* GRUB says of a mode whose boots are used up in each boot, until somebody decides anew; that is
 * told once, after the last of them. */
static bool is_given_up(const SnapshotBoot *boot) {
        return boot->previous_is_known && boot_kind_is_armed(boot->previous.marker.kind) &&
               boot->previous.marker.sequence == boot->record.marker.sequence;
}

/* The mode that a failure kept this boot from, NO_MODE: not known; NULL where none did. */
static const char *boot_fell_from(const Snapshot *now) {
        const SnapshotBoot *boot = &now->last_boot;
        const BootRecord *record = &boot->record;
        const char *from = record->wanted;

        if (strcmp(record->mode, now->fallback_mode) != 0 || !boot_record_fell_back(record))
                return NULL;
        /* Who says that it failed asks for the fallback mode, too. */
        if (strcmp(from, record->mode) == 0) {
                if (record->marker.kind == BOOT_KIND_EXPIRED && !is_given_up(boot))
                        return NULL;
                from = record->marker.kind == BOOT_KIND_EXPIRED ? boot->previous.wanted : "";
        }
        return from[0] != '\0' ? from : NO_MODE;
}

static void announce_boot(const Service *service) {
        const BootRecord *record = &service->snapshot.last_boot.record;
        const char *from;

        if (is_boot_announced(service))
                return;
        from = boot_fell_from(&service->snapshot);
        if (from)
                (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "FellBack", "sss",
                                         from, record->mode, record->reason);
        note(service, BOOT_ANNOUNCED_PATH, record->boot_id);
}

/* --- the mode --- */

static bool fell_back(const Snapshot *now) {
        return is_from(now, SOURCE_FALLBACK) || is_from(now, SOURCE_REVERT);
}

/* For the next boot: whoever rebooted a machine that fell back may want to know why it did. */
static void remember_fall(const Service *service, const char *from) {
        const Snapshot *now = &service->snapshot;
        FallRecord fall = { .time = now->mode_since };
        int r;

        if (strcmp(from, NO_MODE) != 0)
                (void)snprintf(fall.from, sizeof(fall.from), "%s", from);
        (void)snprintf(fall.to, sizeof(fall.to), "%s", now->current_mode);
        (void)snprintf(fall.reason, sizeof(fall.reason), "%s", now->mode_reason);
        r = fall_record_write(&service->root, &fall);
        if (r < 0)
                log_warning_errno(r, "/" FALL_RECORD_PATH " cannot be written: %m");
}

/* A mode that was left half-way and is mended is on again for the reason that it was on before. */
static void tell_fall(const Service *service, const char *old) {
        const Snapshot *now = &service->snapshot;
        char since[32], told[sizeof(since)];

        (void)snprintf(since, sizeof(since), "%" PRIu64, now->mode_since);
        if (file_read_line_at(service->root.fd, FALL_ANNOUNCED_PATH, told, sizeof(told)) > 0 &&
            strcmp(told, since) == 0)
                return;
        (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "FellBack", "sss", old,
                                 now->current_mode, now->mode_reason);
        remember_fall(service, old);
        note(service, FALL_ANNOUNCED_PATH, since);
}

static void tell(const Service *service, const char *old) {
        const Snapshot *now = &service->snapshot;

        (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "ModeChanged", "sss", old,
                                 now->current_mode, now->mode_reason);
        if (fell_back(now))
                tell_fall(service, old);
}

void announce(Service *service) {
        const Snapshot *now = &service->snapshot;
        char old[CONFIG_NAME_SIZE] = "";
        bool is_known, is_new;

        if (!service->is_named || snapshot_is_switching(now))
                return;
        announce_boot(service);
        is_known = read_announced(service, old);
        if (!is_known)
                (void)snprintf(old, sizeof(old), "%s", guess_announced(now));
        is_new = strcmp(old, now->current_mode) != 0;
        if (is_new)
                tell(service, old);
        else if (fell_back(now))
                /* On a way that was cut short the machine was in no mode, and nobody looked. */
                tell_fall(service, now->old_mode[0] != '\0' ? now->old_mode : NO_MODE);
        if (is_new || !is_known)
                note(service, ANNOUNCED_PATH, now->current_mode);
}

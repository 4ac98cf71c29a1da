/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taken is removed: a word is for one switch.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "origin-file.h"

int origin_leave(const Root *root, const char *path, const char *mode, const char *source,
                 const char *reason, const char *holders) {
        SwitchOrigin origin = { .time = now_usec() };
        char text[SWITCH_ORIGIN_SIZE_MAX];
        int r;

        (void)snprintf(origin.mode, sizeof(origin.mode), "%s", mode);
        (void)snprintf(origin.source, sizeof(origin.source), "%s", source);
        (void)snprintf(origin.reason, sizeof(origin.reason), "%s", reason);
        (void)snprintf(origin.holders, sizeof(origin.holders), "%s", holders);
        r = switch_origin_format(&origin, text, sizeof(text));
        if (r >= 0)
                r = file_replace_private_at(root->fd, path, text, (size_t)r);
        if (r < 0)
                origin_drop(root, path);
        return r;
}

void origin_drop(const Root *root, const char *path) {
        (void)unlinkat(root->fd, path, 0);
}

static int read_one(const Root *root, const char *path, SwitchOrigin *ret) {
        char text[SWITCH_ORIGIN_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, path, text, sizeof(text));
        return n < 0 ? (int)n : switch_origin_parse(text, ret);
}

static bool take_one(const Root *root, const char *path, const char *mode, SwitchOrigin *ret) {
        uint64_t now = now_usec();
        SwitchOrigin origin;
        bool is_of;
        int r;

        r = read_one(root, path, &origin);
        if (r == -ENOENT)
                return false;
        if (r < 0) {
                origin_drop(root, path);
                return false;
        }
        is_of = switch_origin_is_of(&origin, mode, now);
        /* One that is fresh and of another mode is somebody else's, who comes in a moment. */
        if (is_of || !switch_origin_is_of(&origin, origin.mode, now))
                origin_drop(root, path);
        if (is_of)
                *ret = origin;
        return is_of;
}

bool origin_take(const Root *root, const char *mode, SwitchOrigin *ret) {
        SwitchOrigin from_service;
        bool is_apply = take_one(root, APPLY_ORIGIN_PATH, mode, ret);

        if (!take_one(root, SERVICE_ORIGIN_PATH, mode, &from_service))
                return is_apply;
        if (!is_apply)
                *ret = from_service;
        return true;
}

int origin_read_of_guard(const Root *root, SwitchOrigin *ret) {
        return read_one(root, GUARD_ORIGIN_PATH, ret);
}

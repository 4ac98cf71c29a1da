/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule is applied to what the block holds under the lock, not to what was read before it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "next-boot-write.h"

typedef struct Change {
        BlockRule rule;
        const void *input;
        BootState *after;
        RefusalKind kind;
        Refusal *refusal;
} Change;

uint64_t next_boot_time(void) {
        time_t now = time(NULL);

        return now > 0 ? (uint64_t)now : 1;
}

static int apply_rule(BootState *state, bool damaged, void *userdata) {
        Change *change = userdata;
        BootState old = *state;

        change->kind = change->rule(&old, change->input, state, change->refusal);
        if (change->kind != REFUSAL_NONE)
                return 0;
        *change->after = *state;
        return damaged || !boot_state_equal(&old, state);
}

static RefusalKind explain(int error, const char *path, Refusal *refusal) {
        if (error == -EOPNOTSUPP && refusal->kind != REFUSAL_NONE)
                return refusal->kind;
        if (error == -EIO)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The boot environment /%s does not hold what was written to it: "
                                   "its disk may be failing.",
                                   path);
        /* Whose file system is read-only is no place for it: then this is a service's own view. */
        return refusal_set(
                refusal, REFUSAL_FAILED, "The boot environment /%s cannot be written: %s.%s", path,
                strerror(-error),
                error == -EROFS ? " Where its directory was made after vfio-moded had been "
                                  "started: run \"systemctl stop vfio-moded\", and try again."
                                : "");
}

RefusalKind next_boot_write(const Root *root, const NextBoot *now, BlockRule rule,
                            const void *input, BootState *ret_after, bool *ret_changed,
                            Refusal *refusal) {
        Change change = { .rule = rule, .input = input, .after = ret_after, .refusal = refusal };
        int r;

        refusal->kind = REFUSAL_NONE;
        r = env_file_update(root, now->place.path, apply_rule, &change, refusal);
        if (r < 0)
                return explain(r, now->place.path, refusal);
        if (r > 0)
                *ret_changed = true;
        return change.kind;
}

/* --- making it --- */

/* A good block stays as it is, whatever it holds. */
static RefusalKind mend(const BootState *old, const void *input, BootState *ret, Refusal *refusal) {
        (void)input;
        (void)refusal;
        *ret = *old;
        if (old->sequence == 0)
                boot_state_cancel(old, next_boot_time(), ret);
        return REFUSAL_NONE;
}

/* A service may write only below directories that were there when it started (ReadWritePaths=). */
static RefusalKind explain_creation(const Root *root, const NextBoot *now, int error,
                                    Refusal *refusal) {
        char directory[BOOT_PATH_SIZE];
        struct stat st;

        (void)snprintf(directory, sizeof(directory), "%s", now->place.path);
        *strrchr(directory, '/') = '\0';
        if (fstatat(root->fd, directory, &st, 0) == 0 && S_ISDIR(st.st_mode))
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The boot environment /%s cannot be made: %s. "
                                   "\"%s\" makes it, too.",
                                   now->place.path, strerror(-error), now->place.grub_command);
        return refusal_set(refusal, REFUSAL_FAILED,
                           "The boot environment's directory /%s is gone, and a service may not "
                           "make it: %s. Run \"%s\", which makes both.",
                           directory, strerror(-error), now->place.grub_command);
}

RefusalKind next_boot_ensure(const Root *root, NextBoot *now, bool *ret_changed, Refusal *refusal) {
        const char *path = now->place.path;
        BootState after;
        int r;

        if (now->state_result >= 0)
                return REFUSAL_NONE;
        if (next_boot_is_opaque(now)) /* it is there, and would stay as it is */
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The boot environment /%s cannot be read: %s.", path,
                                   strerror(-now->state_result));
        r = env_file_create(root, path);
        if (r < 0)
                return explain_creation(root, now, r, refusal);
        if (r > 0)
                *ret_changed = true;
        if (next_boot_write(root, now, mend, NULL, &after, ret_changed, refusal) != REFUSAL_NONE)
                return refusal->kind;
        now->state = after;
        now->state_result = 0;
        return REFUSAL_NONE;
}

/* --- the count --- */

RefusalKind next_boot_reset_count(const Root *root, NextBoot *now, bool *ret_changed,
                                  Refusal *refusal) {
        int r;

        if (now->record_result < 0 || now->record.unconfirmed == 0)
                return REFUSAL_NONE;
        now->record.unconfirmed = 0;
        r = boot_record_write(root, &now->record);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The count of unconfirmed boots in /" BOOT_RECORD_PATH
                                   " cannot be written: %s.",
                                   strerror(-r));
        *ret_changed = true;
        return REFUSAL_NONE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb confirm: what is left to do once a boot has completed. Each part stands for itself: what
 * one cannot do is said, and the next one is done all the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "boot/next-boot-write.h"
#include "disarm.h"
#include "host/config-load.h"
#include "host/state-files.h"
#include "host/units.h"
#include "model/boot-choice.h"
#include "notify.h"
#include "situation.h"
#include "verbs.h"
#include "wedged.h"

#define DECIDE                                                                      \
        "decide with `vfio-modectl next MODE`, `vfio-modectl set-default MODE` or " \
        "`vfio-modectl next --cancel`"

typedef struct Confirm {
        const Root *root;
        Config config;
        ConfigErrors errors;
        NextBoot now;
        char mode_now[CONFIG_NAME_SIZE]; /* the mode in force; "": none */
        uint64_t mode_since;
        char said[REFUSAL_TEXT_SIZE];
} Confirm;

static void _printf_(3, 4) say(Confirm *c, int level, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(c->said, sizeof(c->said), format, arguments);
        va_end(arguments);
        log_line(level, "%s", c->said);
        notify_status(c->said);
}

/* --- the record that the early boot could not write --- */

/* What is known without vfio-mode-boot: it is not enabled, or it did not get there. */
static void make_up_record(const Confirm *c, const char *boot_id, BootRecord *ret) {
        *ret = (BootRecord){
                .time = (uint64_t)time(NULL),
                .source = BOOT_SOURCE_NONE,
                .marker = c->now.marker,
        };
        (void)snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", boot_id);
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", c->mode_now);
        (void)snprintf(ret->reason, sizeof(ret->reason),
                       "vfio-mode-boot.service has left no word of this boot");
        if (c->now.record_result >= 0) {
                ret->unconfirmed = c->now.record.unconfirmed;
                ret->repeated = boot_is_repeated(&ret->marker, &c->now.record.marker);
        }
}

static void write_missing_record(Confirm *c) {
        char boot_id[BOOT_ID_SIZE];
        BootRecord record;
        int r;

        if (c->now.record_is_current)
                return;
        r = boot_id_read(c->root, boot_id);
        if (r >= 0) {
                if (boot_record_read(c->root, BOOT_RECORD_RUN_PATH, &record) < 0 ||
                    strcmp(record.boot_id, boot_id) != 0)
                        make_up_record(c, boot_id, &record);
                r = boot_record_write(c->root, &record);
        }
        if (r < 0) {
                log_warning_errno(r, "/" BOOT_RECORD_PATH " cannot be written: %m");
                return;
        }
        (void)unlinkat(c->root->fd, BOOT_RECORD_RUN_PATH, 0);
        next_boot_read(c->root, &c->now);
}

/* --- the block --- */

/* Where nothing may be written to it, or made in its place: GRUB goes by it all the same. */
static bool say_unfit(const Confirm *c) {
        const BootPlace *place = &c->now.place;

        if (place->unfit_path[0] != '\0' || place->is_out_of_reach)
                log_warning("%s It is not made anew.", place->why_not.text);
        else if (next_boot_is_opaque(&c->now))
                log_warning_errno(c->now.state_result,
                                  "The boot environment /%s cannot be read: %m", place->path);
        else
                return false;
        return true;
}

/* It becomes idle: what was armed in it is lost, and default-mode decides by its own rules. */
static void mend_block(Confirm *c) {
        const BootPlace *place = &c->now.place;
        bool is_missing = c->now.state_result == -ENOENT, changed = false;
        Refusal refusal = { 0 };

        if (c->now.place_result < 0 || (place->has_scripts && say_unfit(c)) ||
            place->path[0] == '\0' || (!is_missing && c->now.state_result != -EBADMSG) ||
            (is_missing && !place->has_scripts))
                return;
        log_warning("The boot environment /%s %s. It is made anew, with nothing armed in it.",
                    place->path, is_missing ? "was missing" : "is damaged");
        if (next_boot_ensure(c->root, &c->now, &changed, &refusal) != REFUSAL_NONE)
                log_error("%s", refusal.text);
}

/* --- this boot --- */

/* The guard starts us again when a VM has settled. */
static bool has_had_vm(const Confirm *c) {
        VmWatch watch;

        return vm_watch_read(c->root, &watch) >= 0 && watch.has_settled &&
               strcmp(watch.mode, c->mode_now) == 0 && watch.mode_since == c->mode_since;
}

static ConfigConfirm confirmed_by(const Confirm *c) {
        const ConfigMode *mode = config_find_mode(&c->config, c->mode_now);

        return mode ? mode->confirm : CONFIG_CONFIRM_MANUAL;
}

static bool confirms_itself(const Confirm *c) {
        return strcmp(c->mode_now, c->config.fallback_mode) == 0 ||
               confirmed_by(c) == CONFIG_CONFIRM_BOOT ||
               (confirmed_by(c) == CONFIG_CONFIRM_VM && has_had_vm(c));
}

static RefusalKind confirm_boot(Confirm *c) {
        NextBootAnswer answer = { 0 };
        Refusal refusal = { 0 };
        RefusalKind kind;

        if (!confirms_itself(c)) {
                say(c, LOG_NOTICE,
                    "This boot into '%s' is not confirmed yet: if all is well, %ssay `vfio-modectl "
                    "confirm`.",
                    c->mode_now,
                    confirmed_by(c) == CONFIG_CONFIRM_VM ? "start a VM on its devices, or " : "");
                return REFUSAL_NONE;
        }
        kind = next_boot_confirm(c->root, &c->config, c->mode_now, &answer, &refusal);
        if (kind == REFUSAL_NONE)
                say(c, answer.changed ? LOG_NOTICE : LOG_INFO, "%s", answer.text);
        else
                say(c, LOG_WARNING, "This boot into '%s' is not confirmed (%s): %s", c->mode_now,
                    refusal_name(kind), refusal.text);
        return kind == REFUSAL_FAILED ? kind : REFUSAL_NONE;
}

/* What did not come to pass is said once a boot, and never forgotten by itself. */
static void acknowledge(Confirm *c) {
        const BootRecord *record = &c->now.record;
        size_t length = strlen(record->reason);

        if (!c->now.record_is_current)
                return;
        /* A refusal is a sentence with a point of its own, what decided is none. */
        if (record->kind != REFUSAL_NONE)
                say(c, LOG_NOTICE, "This boot did not go where it should (%s): %s%s",
                    refusal_name(record->kind), record->reason,
                    length > 0 && record->reason[length - 1] == '.' ? "" : ".");
        else if (record->marker.kind == BOOT_KIND_EXPIRED)
                say(c, LOG_NOTICE,
                    "This boot went to '%s': %s. It stays so at every boot: " DECIDE ".",
                    record->mode, record->reason);
        else if (record->marker.kind == BOOT_KIND_DAMAGED ||
                 record->marker.kind == BOOT_KIND_UNWRITABLE)
                say(c, LOG_NOTICE, "This boot went to '%s': %s; " DECIDE ".", record->mode,
                    record->reason);
        else if (record->source == BOOT_SOURCE_DEFAULT && strcmp(record->wanted, record->mode) != 0)
                say(c, LOG_NOTICE,
                    "This boot went to '%s': %s. It stays so at every boot: " DECIDE ".",
                    record->mode, record->reason);
}

/* Whether or not it is still armed: the boot may have been counted. */
static void say_not_run(Confirm *c) {
        const char *mode = next_boot_not_run(&c->now);

        if (mode[0] != '\0')
                say(c, LOG_NOTICE, "'%s' was armed for this boot, and not run: %s.", mode,
                    c->now.record.reason);
}

/* --- the guard --- */

/*
 * A soft-reboot ends it, and neither the boot unit nor the mode's, which goes on, is run then. What
 * /etc says by now is not asked: who has nothing to watch ends by itself.
 */
static void start_guard(const Root *root) {
        char mode[CONFIG_NAME_SIZE], fallback[CONFIG_NAME_SIZE], name[UNIT_NAME_SIZE];

        if (!root->is_live || !mode_in_force_read(root, mode))
                return;
        situation_fallback_mode(root, fallback);
        if (strcmp(mode, fallback) == 0 || !units_is_active(unit_name(mode, name)))
                return;
        if (units_queue_guard(mode, false) < 0)
                log_error("The guard of mode '%s' cannot be started.", mode);
}

/* --- all of it --- */

static void load(Confirm *c) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));
        char text[256];

        if (state && state_read(c->root, state) >= 0)
                (void)snprintf(c->mode_now, sizeof(c->mode_now), "%s", state->mode);
        c->mode_since = state ? state->since : 0;
        if (config_load(c->root, &files, &c->config, &c->errors) >= 0)
                return;
        log_warning("%s; going by an empty configuration.",
                    config_errors_format(&c->errors, text, sizeof(text)));
        if (config_parse(NULL, 0, &c->config, &c->errors) < 0)
                (void)snprintf(c->config.fallback_mode, sizeof(c->config.fallback_mode), "host");
}

RefusalKind apply_confirm(const Root *root) {
        _cleanup_free_ Confirm *c = calloc(1, sizeof(*c));
        RefusalKind kind = REFUSAL_NONE;
        int r;

        if (!c)
                return REFUSAL_FAILED;
        r = root->is_live ? units_system_is_stopping() : 0;
        if (r < 0) {
                log_error_errno(r, "Whether the machine is going down cannot be asked, so this "
                                   "boot is not confirmed: %m");
                return REFUSAL_FAILED;
        }
        if (r > 0) {
                log_notice("The machine is going down; this boot is not confirmed any more.");
                return REFUSAL_NONE;
        }
        c->root = root;
        load(c);
        start_guard(root);
        next_boot_read(root, &c->now);
        write_missing_record(c);
        mend_block(c);
        if (c->now.record_is_current && c->now.record.kind == REFUSAL_WEDGED) {
                wedged_await_return(root);
                if (!disarm_next_boot(root))
                        kind = REFUSAL_FAILED;
        }
        say_not_run(c);
        if (c->now.record_is_current &&
            boot_record_awaits_confirmation(&c->now.record, c->mode_now, c->config.fallback_mode))
                kind = confirm_boot(c);
        else
                acknowledge(c);
        return kind;
}

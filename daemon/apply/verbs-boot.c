/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb boot. The record of the boot is on the disk before anything is bound: a boot that hangs
 * or panics afterwards is counted all the same. What the record or the EFI variable cannot do never
 * fails the boot; it means the fallback mode where a mode relies on it, and is said.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/boot-history.h"
#include "boot/efi-one-shot.h"
#include "bound-early.h"
#include "host/config-load.h"
#include "host/state-files.h"
#include "host/units.h"
#include "initramfs.h"
#include "model/boot-choice.h"
#include "model/switch-origin.h"
#include "processes.h"
#include "report.h"
#include "state-write.h"
#include "switch.h"
#include "verbs.h"

#define PANIC_PATH "proc/sys/kernel/panic"

typedef struct Boot {
        const Root *root;
        uint64_t since; /* CLOCK_MONOTONIC, in microseconds */
        Config config;
        ConfigErrors errors;
        BootChoiceInput input;
        BootChoice choice;
        BootRecord own; /* that is there already, where the unit runs a second time in this boot */
        BootRecord record;
        RunResult result;
        InitramfsKept kept;
        int record_result; /* < 0: the record cannot be written */
} Boot;

/* --- what the choice is made from --- */

static bool is_second_run(const Boot *boot) {
        return boot->own.boot_id[0] != '\0';
}

/* What is there when the unit runs a second time is for the next boot; this one had its own. */
static void repeat_one_shot(Boot *boot) {
        BootChoiceInput *input = &boot->input;

        if (boot->own.source != BOOT_SOURCE_EFI)
                return;
        (void)snprintf(input->efi_mode, sizeof(input->efi_mode), "%s", boot->own.wanted);
        if (input->efi_mode[0] == '\0')
                input->efi_result = -ENODATA;
}

/* Whatever decides this boot, a variable for one boot does not outlive it. */
static void take_one_shot(Boot *boot) {
        BootChoiceInput *input = &boot->input;
        int r;

        if (is_second_run(boot)) {
                repeat_one_shot(boot);
                return;
        }
        input->efi_result = efi_one_shot_read(boot->root, input->efi_mode);
        if (input->efi_result == 0) {
                input->efi_mode[0] = '\0';
                return;
        }
        r = efi_one_shot_delete(boot->root);
        if (r < 0)
                input->efi_result = r;
        if (input->efi_result < 0) {
                input->efi_mode[0] = '\0';
                log_warning_errno(input->efi_result,
                                  "The one-shot EFI variable cannot be read and deleted: %m");
        }
}

static void read_earlier_boots(Boot *boot) {
        BootChoiceInput *input = &boot->input;
        int r;

        r = boot_id_read(boot->root, boot->record.boot_id);
        if (r < 0) {
                log_warning_errno(r, "The id of this boot cannot be read: %m");
                input->previous_result = r == -ENOENT ? -EIO : r;
                return;
        }
        r = boot_record_read(boot->root, BOOT_RECORD_PATH, &input->previous);
        if (r >= 0 && strcmp(input->previous.boot_id, boot->record.boot_id) == 0) {
                boot->own = input->previous;
                r = boot_record_read(boot->root, BOOT_RECORD_PREVIOUS_PATH, &input->previous);
        }
        input->previous_result = r;
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                log_warning_errno(r, "/" BOOT_RECORD_PATH " cannot be read: %m");
}

/* --- the record --- */

static void write_record(Boot *boot) {
        char text[BOOT_RECORD_SIZE_MAX];
        int r;

        r = boot->record.boot_id[0] == '\0' ? -ENODATA
                                            : boot_record_write(boot->root, &boot->record);
        /* Said once: it is written three times at most. */
        if (r < 0 && boot->record_result >= 0)
                log_warning_errno(r, "/" BOOT_RECORD_PATH " cannot be written this early: %m");
        boot->record_result = r;
        if (r >= 0)
                return;
        /* vfio-mode-confirm.service brings it there. */
        r = boot_record_format(&boot->record, text, sizeof(text));
        if (r >= 0 && run_dir_make(boot->root) >= 0)
                r = file_replace_at(boot->root->fd, BOOT_RECORD_RUN_PATH, text, (size_t)r);
        if (r < 0)
                log_warning_errno(r, "/" BOOT_RECORD_RUN_PATH " cannot be written: %m");
}

static void fill_record(Boot *boot) {
        BootRecord *record = &boot->record;
        const BootChoice *choice = &boot->choice;

        record->time = (uint64_t)time(NULL);
        record->marker = boot->input.marker;
        record->repeated = boot->input.previous_result >= 0 &&
                           boot_is_repeated(&record->marker, &boot->input.previous.marker);
        record->source = choice->source;
        record->kind = choice->kind;
        record->unconfirmed = choice->unconfirmed;
        (void)snprintf(record->wanted, sizeof(record->wanted), "%s", choice->wanted);
        (void)snprintf(record->reason, sizeof(record->reason), "%s", choice->reason);
        if (is_second_run(boot)) {
                record->confirmed = boot->own.confirmed;
                record->unconfirmed = boot->own.unconfirmed;
        }
}

static bool relies_on_the_count(const Boot *boot) {
        return boot->choice.source == BOOT_SOURCE_DEFAULT &&
               strcmp(boot->choice.mode, boot->config.fallback_mode) != 0;
}

static void choose(Boot *boot) {
        boot->input.config = &boot->config;
        boot_choose(&boot->input, &boot->choice);
        fill_record(boot);
        write_record(boot);
        if (boot->record_result >= 0 || !relies_on_the_count(boot))
                return;
        boot->input.previous_result =
                boot->record_result == -ENOENT ? -ENOTDIR : boot->record_result;
        boot_choose(&boot->input, &boot->choice);
        fill_record(boot);
        write_record(boot);
}

static bool leaves_it_broken(RefusalKind kind) {
        return kind == REFUSAL_HALF_WAY || kind == REFUSAL_WEDGED;
}

static void record_outcome(Boot *boot) {
        const RunResult *result = &boot->result;
        BootRecord *record = &boot->record;

        (void)snprintf(record->mode, sizeof(record->mode), "%s", result->mode);
        if (result->kind != boot->choice.kind)
                (void)snprintf(record->reason, sizeof(record->reason), "%s", result->text);
        record->kind = result->kind;
        /* Refused before anything was touched: that boot was none into default-mode. Of a second
         * run that says nothing, since the first one may have gone there. */
        if (!is_second_run(boot) && relies_on_the_count(boot) &&
            strcmp(result->mode, boot->choice.mode) != 0 && result->kind != REFUSAL_FAILED &&
            !leaves_it_broken(result->kind) && record->unconfirmed > 0)
                record->unconfirmed--;
        write_record(boot);
}

/* --- the switch --- */

/*
 * Without its screen a machine whose kernel panics would stand still unseen. What carries a mode
 * with kernel arguments has panic= among them; an EFI variable and default-mode carry none. An
 * administrator's own value comes later, by systemd-sysctl.
 */
static void reboot_after_panic(const Boot *boot) {
        char seconds[16];
        int r;

        if (strcmp(boot->choice.mode, boot->config.fallback_mode) == 0 ||
            file_read_line_at(boot->root->fd, PANIC_PATH, seconds, sizeof(seconds)) < 0 ||
            strcmp(seconds, "0") != 0)
                return;
        r = file_write_at(boot->root->fd, PANIC_PATH, BOOT_PANIC_SECONDS);
        if (r < 0)
                log_warning_errno(r, "A kernel that panics will not reboot by itself: %m");
}

static RefusalKind switch_at_boot(const Boot *boot, const char *mode, const char *reason,
                                  bool is_held, RunResult *ret) {
        const SwitchRequest request = {
                .verb = "boot",
                .mode = mode,
                .source = SOURCE_BOOT,
                .reason = reason,
                .early = true,
                .early_since = boot->since,
                .without_units = true,
                .is_held = is_held,
        };
        SwitchResult result;

        (void)switch_run(boot->root, &request, &result);
        *ret = result.run;
        return ret->kind;
}

/* What a boot goes to when nobody has said anything is nobody's choice. */
static bool is_choice(const BootChoice *choice) {
        return choice->source != BOOT_SOURCE_DEFAULT || choice->fell_back ||
               choice->kind != REFUSAL_NONE;
}

/* A mode that is refused at boot means the fallback mode, and the reason is kept with the result.
 */
static void go_to_mode(Boot *boot) {
        const BootChoice *choice = &boot->choice;
        const char *fallback_mode = boot->config.fallback_mode;
        RunResult *result = &boot->result, fallback;

        (void)switch_at_boot(boot, choice->mode, choice->reason, is_choice(choice), result);
        initramfs_release(boot->root, boot->since, result->mode, &boot->kept);
        if (result->kind == REFUSAL_NONE) {
                result->kind = choice->kind;
                (void)snprintf(result->text, sizeof(result->text), "Booted to '%s': %.400s.",
                               choice->mode, choice->reason);
        }
        if (result->kind == REFUSAL_NONE || strcmp(choice->mode, fallback_mode) == 0)
                return;
        log_error("Mode '%s' was refused (%s): %s Booting to '%s'.", choice->mode,
                  refusal_name(result->kind), result->text, fallback_mode);
        (void)switch_at_boot(boot, fallback_mode, result->text, true, &fallback);
        (void)snprintf(result->mode, sizeof(result->mode), "%s", fallback_mode);
        if (leaves_it_broken(fallback.kind))
                result->kind = fallback.kind;
        else if (fallback.kind == REFUSAL_NONE && leaves_it_broken(result->kind))
                /* A write that was late has come back meanwhile, or no device waits for it: the
                 * machine is whole. */
                result->kind = REFUSAL_FAILED;
}

/* What was kept and could not be let go is said, unless that hides something worse. */
static void let_go(Boot *boot) {
        RunResult *result = &boot->result;
        const Refusal *refusal = &boot->kept.refusal;

        initramfs_probe(boot->root, boot->since, result->mode, &boot->kept);
        if (refusal->kind == REFUSAL_NONE || leaves_it_broken(result->kind) ||
            (result->kind != REFUSAL_NONE && !leaves_it_broken(refusal->kind)))
                return;
        result->kind = refusal->kind;
        run_result_set_refusal(result, refusal);
}

/* Every device stays with its host driver, and no mode's unit is active. */
static void stay_without_config(Boot *boot) {
        RunResult *result = &boot->result;

        (void)snprintf(result->verb, sizeof(result->verb), "boot");
        result->kind = REFUSAL_CONFIG_INVALID;
        (void)config_errors_format(&boot->errors, result->text, sizeof(result->text));
        initramfs_release(boot->root, boot->since, "", &boot->kept);
        let_go(boot);
        boot->choice.kind = result->kind;
        boot->choice.unconfirmed =
                boot->input.previous_result >= 0 ? boot->input.previous.unconfirmed : 0;
        (void)snprintf(boot->choice.reason, sizeof(boot->choice.reason), "%s", result->text);
        fill_record(boot);
        write_record(boot);
        report(boot->root, BOOT_PATH, result);
}

/*
 * "systemctl restart vfio-mode-boot" in a machine that is up, as an upgrade of packages may do it:
 * where that is by now somebody has seen to, and nobody is asked this early whether he uses a
 * device.
 */
static bool is_over(const Boot *boot) {
        char mode[CONFIG_NAME_SIZE], name[UNIT_NAME_SIZE];

        if (!is_second_run(boot) || !boot->root->is_live || !mode_in_force_read(boot->root, mode) ||
            !units_is_active(unit_name(mode, name)))
                return false;
        log_notice("This boot has begun before, and mode '%s' is on: it stays.", mode);
        return true;
}

RefusalKind apply_boot(const Root *root) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ Boot *boot = calloc(1, sizeof(*boot));

        if (!boot)
                return REFUSAL_FAILED;
        boot->root = root;
        boot->since = now_usec();
        boot_read_cmdline(root, &boot->input);
        read_earlier_boots(boot);
        if (is_over(boot))
                return REFUSAL_NONE;
        take_one_shot(boot);
        if (config_load(root, &files, &boot->config, &boot->errors) < 0) {
                stay_without_config(boot);
                return boot->result.kind;
        }
        choose(boot);
        log_line(boot->choice.fell_back ? LOG_WARNING : LOG_INFO, "Booting to mode '%s': %s.",
                 boot->choice.mode, boot->choice.reason);
        reboot_after_panic(boot);
        bound_early_note(root, &boot->config);
        go_to_mode(boot);
        let_go(boot);
        record_outcome(boot);
        report(root, BOOT_PATH, &boot->result);
        /* While a driver is stuck the machine is in no mode; vfio-mode-confirm.service sees to the
         * next boot, since nothing that has to do with it can be written so early. */
        if (boot->result.kind == REFUSAL_WEDGED)
                return boot->result.kind;
        if (root->is_live && units_start(boot->result.mode, UNIT_START_QUEUE) < 0)
                log_warning("The unit of mode '%s' could not be queued.", boot->result.mode);
        return boot->result.kind;
}

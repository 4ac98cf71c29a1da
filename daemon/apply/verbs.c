/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that switch by themselves: switch, boot, replug.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/config-load.h"
#include "host/state-files.h"
#include "host/units.h"
#include "model/boot-choice.h"
#include "report.h"
#include "state-write.h"
#include "switch.h"
#include "verbs.h"

RefusalKind verb_switch(const Root *root, const char *mode, bool without_units) {
        const SwitchRequest request = {
                .verb = "switch",
                .mode = mode,
                .source = without_units ? "command" : "unit",
                .reason =
                        without_units ? "vfio-mode-apply was run by hand" : "its unit was started",
                .without_units = without_units || !root->is_live,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        report_switch(root, &result);
        return result.run.kind;
}

/* --- boot --- */

static RefusalKind switch_at_boot(const Root *root, const char *mode, const char *reason,
                                  RunResult *ret) {
        const SwitchRequest request = {
                .verb = "boot",
                .mode = mode,
                .source = "boot",
                .reason = reason,
                .early = true,
                .without_units = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        *ret = result.run;
        return ret->kind;
}

static void set_config_error(RunResult *result, const ConfigErrors *errors) {
        (void)snprintf(result->verb, sizeof(result->verb), "boot");
        result->kind = REFUSAL_CONFIG_INVALID;
        (void)config_errors_format(errors, result->text, sizeof(result->text));
}

static void choose_mode(const Root *root, const Config *config, BootChoice *ret) {
        char cmdline[KERNEL_CMDLINE_MAX] = "";
        KernelCmdlineRequest request;
        ssize_t n;

        n = file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline));
        if (n < 0)
                log_warning_errno((int)n,
                                  "/proc/cmdline cannot be read, going by default-mode: %m");
        kernel_cmdline_request(n < 0 ? "" : cmdline, &request);
        boot_choose(config, &request, ret);
}

/* A mode that is refused at boot means the fallback mode, and the reason is kept with the result.
 */
static void go_to_mode(const Root *root, const Config *config, const BootChoice *choice,
                       RunResult *result) {
        RunResult fallback;

        (void)switch_at_boot(root, choice->mode, choice->reason, result);
        if (result->kind == REFUSAL_NONE) {
                if (!choice->as_asked)
                        result->kind = REFUSAL_UNKNOWN_MODE;
                (void)snprintf(result->text, sizeof(result->text), "Booted to '%s': %.400s.",
                               choice->mode, choice->reason);
        }
        if (result->kind == REFUSAL_NONE || strcmp(choice->mode, config->fallback_mode) == 0)
                return;
        log_error("Mode '%s' was refused (%s): %s Booting to '%s'.", choice->mode,
                  refusal_name(result->kind), result->text, config->fallback_mode);
        (void)switch_at_boot(root, config->fallback_mode, result->text, &fallback);
        (void)snprintf(result->mode, sizeof(result->mode), "%s", config->fallback_mode);
        if (fallback.kind == REFUSAL_HALF_WAY)
                result->kind = fallback.kind;
}

RefusalKind verb_boot(const Root *root) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        RunResult result = { 0 };
        BootChoice choice;

        if (!errors || !config)
                return REFUSAL_FAILED;
        if (config_load(root, &files, config, errors) < 0) {
                /* Every device stays with its host driver, and no mode's unit is active. */
                set_config_error(&result, errors);
                report(root, BOOT_PATH, &result);
                return result.kind;
        }
        choose_mode(root, config, &choice);
        log_info("Booting to mode '%s': %s.", choice.mode, choice.reason);
        go_to_mode(root, config, &choice, &result);
        report(root, BOOT_PATH, &result);
        if (root->is_live && units_start(result.mode, UNIT_START_QUEUE) < 0)
                log_warning("The unit of mode '%s' could not be queued.", result.mode);
        return result.kind;
}

/* --- replug --- */

RefusalKind verb_replug(const Root *root, const char *address) {
        const SwitchRequest request = {
                .verb = "replug",
                .source = "replug",
                .reason = "a function came back",
                .without_units = true,
                .wait_for_lock = true,
                .mend_only = true,
        };
        SwitchResult result;

        (void)switch_run(root, &request, &result);
        if (result.run.kind != REFUSAL_NONE)
                log_error("%s came back, but mode '%s' cannot have it (%s): %s", address,
                          result.run.mode, refusal_name(result.run.kind), result.run.text);
        else if (result.run.n_steps > 0)
                log_notice("%s came back and was taken for mode '%s' again.", address,
                           result.run.mode);
        return result.run.kind;
}

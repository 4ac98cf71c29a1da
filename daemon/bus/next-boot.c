/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The upper half of each order runs in the child, the lower in the service.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "boot/next-boot.h"
#include "host/config-load.h"
#include "next-boot.h"
#include "trial.h"
#include "unit-job.h"
#include "view/machine.h"
#include "work.h"

/* --- in the child --- */

static void refuse(WorkAnswer *ret, RefusalKind kind, const char *text) {
        ret->kind = refusal_set(&ret->refusal, kind, "%s", text);
}

typedef RefusalKind (*SetMode)(const Root *root, const Config *config, const char *mode,
                               const NextBootOptions *options, NextBootAnswer *ret,
                               Refusal *refusal);

/* What is armed goes by the configuration as it is now, or is refused. */
static void set_mode(const Root *root, const Arguments *arguments, SetMode set, WorkAnswer *ret) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        char text[REFUSAL_TEXT_SIZE];
        int r;

        if (!errors || !config) {
                refuse(ret, REFUSAL_FAILED, "Out of memory.");
                return;
        }
        r = config_load(root, &files, config, errors);
        if (r < 0)
                refuse(ret, REFUSAL_CONFIG_INVALID,
                       r == -ENOENT ? CONFIG_MISSING
                                    : config_errors_format(errors, text, sizeof(text)));
        else
                ret->kind = set(root, config, arguments->mode, &arguments->next_boot, &ret->answer,
                                &ret->refusal);
}

static void run_set_once(const Root *root, const Arguments *arguments, WorkAnswer *ret) {
        set_mode(root, arguments, next_boot_set_once, ret);
}

static void run_set_default(const Root *root, const Arguments *arguments, WorkAnswer *ret) {
        set_mode(root, arguments, next_boot_set_default, ret);
}

static void run_cancel(const Root *root, _unused_ const Arguments *arguments, WorkAnswer *ret) {
        ret->kind = next_boot_cancel(root, &ret->answer, &ret->refusal);
}

static void run_confirm(const Root *root, _unused_ const Arguments *arguments, WorkAnswer *ret) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        const Config *config;

        if (machine_read(root, MACHINE_SCAN_NOTHING, &machine) < 0) {
                refuse(ret, REFUSAL_FAILED, "The machine cannot be read.");
                return;
        }
        config = machine_config(machine);
        if (!config)
                refuse(ret, REFUSAL_CONFIG_INVALID, "There is no configuration that can be used.");
        else
                ret->kind = next_boot_confirm(root, config, machine_mode(machine), &ret->answer,
                                              &ret->refusal);
}

/* --- in the service --- */

static void answer_done(Request *request) {
        service_refresh(request->service);
        request_done(request);
}

/* Whoever called is not to take what was done for undone. */
static void refuse_efi(Request *request, const char *why) {
        char text[REFUSAL_TEXT_SIZE];

        (void)snprintf(text, sizeof(text), "%s%s",
                       request->is_written ? "The boot environment was written, but the old EFI "
                                             "variable could not be deleted: "
                                           : "",
                       why);
        service_refresh(request->service);
        request_refuse(request, REFUSAL_FAILED, text);
}

static void on_efi_written(void *userdata, const UnitJobEnd *end) {
        Request *request = userdata;
        Service *service = request->service;

        if (end->done)
                answer_done(request);
        else if (end->refused)
                refuse_efi(request, end->text);
        else
                refuse_efi(request, request->is_written
                                            ? "see systemctl status 'vfio-mode-one-shot@*'"
                                            : "The EFI variable could not be written; see: "
                                              "systemctl status 'vfio-mode-one-shot@*'");
        work_go_on(service);
}

/* Units run side by side: the last who asks is to be the last who writes. */
static void write_efi(Request *request, const char *mode) {
        const UnitJobHandler handler = { .ended = on_efi_written, .userdata = request };
        char unit[128];

        (void)snprintf(unit, sizeof(unit), "vfio-mode-one-shot@%s.service", mode);
        if (unit_job_call(request->service, "StartUnit", unit, &handler) >= 0)
                work_hold(request->service);
        else
                refuse_efi(request, "systemd cannot be asked.");
}

static void on_done(Request *request, const WorkAnswer *answer) {
        if (answer->kind != REFUSAL_NONE) {
                request_refuse(request, answer->kind, answer->refusal.text);
                return;
        }
        if (answer->answer.changed)
                log_info("%s: %s", request->method->member, answer->answer.text);
        request->is_written = answer->answer.is_written;
        if (answer->answer.needs_efi_write)
                write_efi(request, answer->answer.efi_mode);
        else
                answer_done(request);
}

/* The switch was confirmed already; that this boot need not be is no failure. */
static void on_also_confirmed(Request *request, const WorkAnswer *answer) {
        const WorkAnswer nothing = { 0 };

        on_done(request, answer->kind == REFUSAL_NONE ? answer : &nothing);
}

void next_boot_method_set_once(Request *request) {
        static const WorkOrder order = { .run = run_set_once, .done = on_done };

        work_begin(request, &order);
}

void next_boot_method_set_default(Request *request) {
        static const WorkOrder order = { .run = run_set_default, .done = on_done };

        work_begin(request, &order);
}

void next_boot_method_cancel(Request *request) {
        static const WorkOrder order = { .run = run_cancel, .done = on_done };

        work_begin(request, &order);
}

void next_boot_method_confirm(Request *request) {
        static const WorkOrder order = { .run = run_confirm, .done = on_done };
        static const WorkOrder order_after_switch = { .run = run_confirm,
                                                      .done = on_also_confirmed };
        Service *service = request->service;
        bool was_switch = trial_exists(service);
        int r;

        service_refresh(service);
        if (was_switch && snapshot_is_switching(&service->snapshot)) {
                request_refuse(request, REFUSAL_ALREADY_SWITCHING,
                               "The switch is under way; it can be confirmed when it is done.");
                return;
        }
        if (was_switch) {
                r = trial_end(service);
                if (r < 0) {
                        request_refuse(request, REFUSAL_FAILED,
                                       "What goes back by itself cannot be stopped.");
                        return;
                }
                log_info("The switch is confirmed.");
        }
        work_begin(request, was_switch ? &order_after_switch : &order);
}

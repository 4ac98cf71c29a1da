/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor starts what it may start: whoever names no device of ours is told so, also where our
 * configuration cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hold.h"
#include "host/state-files.h"
#include "jobs.h"
#include "model/vm-request.h"
#include "polkit.h"
#include "view/machine.h"
#include "vms.h"

/* --- what is remembered --- */

static int write_list(const Service *service, const VmList *list) {
        _cleanup_free_ char *text = malloc(VM_LIST_SIZE_MAX);
        int r;

        if (!text)
                return -ENOMEM;
        r = vm_list_format(list, text, VM_LIST_SIZE_MAX);
        if (r < 0)
                return r;
        if (mkdirat(service->root.fd, VM_LIST_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        return file_replace_at(service->root.fd, VM_LIST_PATH, text, (size_t)r);
}

/* @is_end: only of one that is known */
static void note(Service *service, const Vm *vm, bool is_end) {
        _cleanup_free_ VmList *list = calloc(1, sizeof(*list));
        Vm *known, told = *vm;
        int r;

        if (!list)
                return;
        r = vm_list_read(&service->root, list);
        if (r < 0 && r != -ENOENT)
                log_warning_errno(r, "/" VM_LIST_PATH " cannot be read, and is made anew: %m");
        known = vm_list_find(list, vm->name);
        if (is_end && !known)
                return;
        if (is_end) {
                told = *known;
                told.word = vm->word;
        }
        told.time = now_usec();
        r = vm_list_note(list, &told);
        if (r >= 0)
                r = write_list(service, list);
        if (r < 0)
                log_warning_errno(r, "What was told of '%s' cannot be kept: %m", vm->name);
        else
                log_info("Virtual machine '%s': %s.", vm->name, vm_word_name(told.word));
        service_refresh(service);
}

/* --- BeginVM --- */

static void answer(Request *request, VmDecision decision) {
        sd_bus_message *reply = NULL;

        if (decision != VM_NONE)
                note(request->service, &request->arguments.vm, false);
        if (sd_bus_message_new_method_return(request->call, &reply) < 0 ||
            sd_bus_message_append(reply, "s", vm_decision_name(decision)) < 0)
                reply = sd_bus_message_unref(reply);
        request_send(request, reply);
}

void vms_switched(Request *request) {
        answer(request, VM_SWITCH);
}

static void begin(Request *request) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        Service *service = request->service;
        char mode[CONFIG_NAME_SIZE];
        VmDecision decision;
        const Config *config;
        Refusal refusal = { 0 };

        request->waits_for_switch = false;
        if (machine_read(&service->root, MACHINE_SCAN_NOTHING, &machine) < 0) {
                request_refuse(request, REFUSAL_FAILED, "The machine cannot be read.");
                return;
        }
        config = machine_config(machine);
        if (!config || machine_scan_for(machine, config) < 0) {
                answer(request, VM_NONE);
                return;
        }
        if (vm_request_decide(config, &machine->host, machine_mode(machine), &request->arguments.vm,
                              &decision, mode, &refusal) != REFUSAL_NONE &&
            !snapshot_is_switching(&service->snapshot))
                request_refuse(request, refusal.kind, refusal.text);
        else if (decision != VM_NONE && snapshot_is_switching(&service->snapshot))
                request->waits_for_switch = true;
        else if (decision != VM_SWITCH)
                answer(request, decision);
        else if (hold_is_against(&machine->state, mode, config->fallback_mode))
                request_refuse(request, hold_refuse(&machine->state, &refusal), refusal.text);
        else /* apply asks the same once more, with its lock */
                jobs_switch_for_vm(request, mode);
}

void vms_method_begin(Request *request) {
        service_refresh(request->service);
        begin(request);
}

static Request *find_waiting(const Service *service) {
        Request *request = service->requests;

        while (request && !request->waits_for_switch)
                request = request->next;
        return request;
}

/* A hook that has waited too long has refused the start: nobody is to lose his screen for it. */
static void go_on(Request *request) {
        Caller caller;

        polkit_find_caller(request->call, &caller);
        if (caller.uid != CALLER_UNKNOWN) {
                begin(request);
                return;
        }
        log_info("Whoever asked for the start of virtual machine '%s' does not wait any more.",
                 request->arguments.vm.name);
        request_free(request);
}

void vms_go_on(Service *service) {
        Request *request;

        /* A look at the machine, which what follows takes, comes by here. */
        if (service->is_going_on)
                return;
        service->is_going_on = true;
        while (!snapshot_is_switching(&service->snapshot) && (request = find_waiting(service)))
                go_on(request);
        service->is_going_on = false;
}

/* --- EndVM --- */

void vms_method_end(Request *request) {
        note(request->service, &request->arguments.vm, true);
        request_done(request);
}

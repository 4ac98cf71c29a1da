/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vtable, one line a property; reading the arguments of each method. Whether a caller may is
 * polkit's, what is done is in the file of its name.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "errors.h"
#include "hold.h"
#include "inspect.h"
#include "jobs.h"
#include "last-boot.h"
#include "manager.h"
#include "next-boot.h"
#include "options.h"
#include "polkit.h"
#include "trial.h"
#include "view/describe.h"
#include "vms.h"

/* --- arguments --- */

static int read_nothing(_unused_ Request *request, _unused_ sd_bus_error *error) {
        return 0;
}

static int read_mode(Request *request, sd_bus_error *error) {
        const char *mode;
        int r;

        r = sd_bus_message_read_basic(request->call, SD_BUS_TYPE_STRING, (void *)&mode);
        if (r < 0)
                return r;
        if (!config_name_is_valid(mode))
                return bus_error_set(error, REFUSAL_UNKNOWN_MODE, "That is no name of a mode.");
        (void)snprintf(request->arguments.mode, sizeof(request->arguments.mode), "%s", mode);
        return 0;
}

static int read_switch(Request *request, sd_bus_error *error) {
        struct {
                char holders[OPTION_WORD_SIZE];
                uint64_t within;
                bool has_holders, has_within;
        } options = { 0 };
        static const OptionRow rows[] = {
                { "holders", SD_BUS_TYPE_STRING, offsetof(__typeof__(options), holders),
                  offsetof(__typeof__(options), has_holders) },
                { "confirm-within", SD_BUS_TYPE_UINT64, offsetof(__typeof__(options), within),
                  offsetof(__typeof__(options), has_within) },
                { 0 },
        };
        ConfigHolders how;
        int r;

        r = read_mode(request, error);
        if (r >= 0)
                r = options_read(request->call, rows, &options, error);
        if (r < 0)
                return r;
        if (options.has_holders && config_holders_parse(options.holders, &how) < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "holders is one of refuse, stop and kill.");
        if (options.has_within && (options.within == 0 || options.within > TRIAL_USEC_MAX))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "confirm-within must be more than 0 and at most 24 h.");
        request->arguments.confirm_within = options.within;
        (void)memcpy(request->arguments.holders, options.holders, sizeof(options.holders));
        return 0;
}

static int read_next_boot(Request *request, sd_bus_error *error) {
        struct {
                uint32_t tries;
                int without_protection;
                bool has_tries, has_without;
        } options = { 0 };
        static const OptionRow rows[] = {
                { "tries", SD_BUS_TYPE_UINT32, offsetof(__typeof__(options), tries),
                  offsetof(__typeof__(options), has_tries) },
                { "without-protection", SD_BUS_TYPE_BOOLEAN,
                  offsetof(__typeof__(options), without_protection),
                  offsetof(__typeof__(options), has_without) },
                { 0 },
        };
        int r;

        r = read_mode(request, error);
        if (r >= 0)
                r = options_read(request->call, rows, &options, error);
        if (r < 0)
                return r;
        if (options.has_tries && (options.tries == 0 || options.tries > BOOT_TRIES_MAX))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "tries must be 1 to %d.",
                                         BOOT_TRIES_MAX);
        request->arguments.next_boot = (NextBootOptions){
                .tries = options.tries,
                .without_protection = options.without_protection,
        };
        return 0;
}

static int read_vm_name(Request *request, sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(request->call, SD_BUS_TYPE_STRING, (void *)&name);
        if (r < 0)
                return r;
        if (!vm_name_is_valid(name))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "A virtual machine's name has 1 to %d bytes, and no "
                                         "control characters.",
                                         VM_NAME_SIZE - 1);
        (void)snprintf(request->arguments.vm.name, VM_NAME_SIZE, "%s", name);
        return 0;
}

static int read_begin_vm(Request *request, sd_bus_error *error) {
        Vm *vm = &request->arguments.vm;
        const char *address;
        int r;

        r = read_vm_name(request, error);
        if (r >= 0)
                r = sd_bus_message_enter_container(request->call, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(request->call, SD_BUS_TYPE_STRING,
                                              (void *)&address)) > 0) {
                if (vm->n_addresses == VM_ADDRESSES_MAX)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                                 "A virtual machine has at most %d functions.",
                                                 VM_ADDRESSES_MAX);
                if (pci_address_parse(address, &vm->addresses[vm->n_addresses]) < 0)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                                "An address is a whole one, as in 0000:0b:00.0.");
                vm->n_addresses++;
        }
        return r < 0 ? r : sd_bus_message_exit_container(request->call);
}

static int read_end_vm(Request *request, sd_bus_error *error) {
        const char *result;
        int r;

        r = read_vm_name(request, error);
        if (r >= 0)
                r = sd_bus_message_read_basic(request->call, SD_BUS_TYPE_STRING, (void *)&result);
        if (r < 0)
                return r;
        if (vm_word_parse_end(result, &request->arguments.vm.word) < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "result is one of stopped, ended, failed and restarting.");
        return 0;
}

/* --- methods --- */

/* Root may know of each switch, who was allowed one that came by us who was in the way of that. */
static const char *names_of(const Request *request) {
        const char *sender = sd_bus_message_get_sender(request->call);
        const Service *service = request->service;

        if (request->sees_all)
                return NULL;
        return sender && strcmp(sender, service->switch_caller) == 0 ? service->switch_invocation
                                                                     : "";
}

static void perform_describe(Request *request) {
        _cleanup_free_ char *json = NULL;
        sd_bus_message *reply = NULL;
        int r;

        r = describe(&request->service->root, names_of(request), &json);
        if (r < 0) {
                request_refuse(request, REFUSAL_FAILED, "The machine cannot be read.");
                return;
        }
        if (sd_bus_message_new_method_return(request->call, &reply) < 0 ||
            sd_bus_message_append(reply, "s", json) < 0)
                reply = sd_bus_message_unref(reply);
        request_send(request, reply);
}

static const Method methods[] = {
        { "SwitchMode", read_switch, jobs_switch, false },
        { "PlanSwitch", read_mode, inspect_plan, false },
        { "CheckMode", read_mode, inspect_check, false },
        { "SetNextBoot", read_next_boot, next_boot_method_set_once, false },
        { "SetDefault", read_next_boot, next_boot_method_set_default, false },
        { "CancelNextBoot", read_nothing, next_boot_method_cancel, false },
        { "Confirm", read_nothing, next_boot_method_confirm, false },
        { "BeginVM", read_begin_vm, vms_method_begin, false },
        { "EndVM", read_end_vm, vms_method_end, false },
        { "Release", read_nothing, hold_method_release, false },
        { "Describe", read_nothing, perform_describe, true },
};

static const Method *find_method(const char *member) {
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (strcmp(methods[i].member, member) == 0)
                        return &methods[i];
        return NULL;
}

/* Every method comes by here. */
static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Method *method = find_method(sd_bus_message_get_member(call));
        Service *service = userdata;
        Request *request;
        Caller caller;
        int r = 0;

        if (!method)
                return bus_error_set(error, REFUSAL_NOT_AUTHORISED, "");
        polkit_find_caller(call, &caller);
        if (!method->is_immediate)
                r = request_check_room(service, &caller, error);
        if (r >= 0)
                r = request_new(service, call, method, &caller, &request);
        if (r < 0)
                return r;
        r = method->read(request, error);
        if (r < 0) {
                request_free(request);
                return r;
        }
        polkit_authorise(request);
        return 1;
}

/* --- properties --- */

static int get_text(_unused_ sd_bus *bus, _unused_ const char *path, _unused_ const char *interface,
                    _unused_ const char *property, sd_bus_message *reply, void *userdata,
                    _unused_ sd_bus_error *error) {
        return sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, userdata);
}

static int get_words(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const SnapshotWords *words = userdata;
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; r >= 0 && i < words->n; i++)
                r = sd_bus_message_append(reply, "s", words->words[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_lines(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const SnapshotLines *lines = userdata;
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; r >= 0 && i < lines->n; i++)
                r = sd_bus_message_append(reply, "s", lines->lines[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_last_boot(_unused_ sd_bus *bus, _unused_ const char *path,
                         _unused_ const char *interface, _unused_ const char *property,
                         sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        return last_boot_append(reply, userdata);
}

static int append_vm(sd_bus_message *reply, const SnapshotVm *vm) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}", "vm", "s", vm->name, "state", "s",
                                          vm->state);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "addresses");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < vm->n_addresses; i++)
                r = sd_bus_message_append(reply, "s", vm->addresses[i]);
        for (int i = 0; r >= 0 && i < 4; i++)
                r = sd_bus_message_close_container(reply);
        return r;
}

static int get_vms(_unused_ sd_bus *bus, _unused_ const char *path, _unused_ const char *interface,
                   _unused_ const char *property, sd_bus_message *reply, void *userdata,
                   _unused_ sd_bus_error *error) {
        const SnapshotVms *vms = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < vms->n; i++)
                r = append_vm(reply, &vms->vms[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define OPTIONS_METHOD(name)                                                                      \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", mode, "a{sv}", options), SD_BUS_NO_RESULT, \
                                on_call, SD_BUS_VTABLE_UNPRIVILEGED)
#define ROWS_METHOD(name)                                                                    \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", mode), SD_BUS_RESULT("aa{sv}", rows), \
                                on_call, SD_BUS_VTABLE_UNPRIVILEGED)
#define PLAIN_METHOD(name)                                                       \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_call, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define PROPERTY(name, signature, getter, field)                                    \
        SD_BUS_PROPERTY(name, signature, getter, offsetof(Service, snapshot.field), \
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("SwitchMode", SD_BUS_ARGS("s", mode, "a{sv}", options),
                                SD_BUS_RESULT("o", job), on_call, SD_BUS_VTABLE_UNPRIVILEGED),
        ROWS_METHOD("PlanSwitch"),
        ROWS_METHOD("CheckMode"),
        OPTIONS_METHOD("SetNextBoot"),
        OPTIONS_METHOD("SetDefault"),
        PLAIN_METHOD("CancelNextBoot"),
        PLAIN_METHOD("Confirm"),
        PLAIN_METHOD("Release"),
        SD_BUS_METHOD_WITH_ARGS("BeginVM", SD_BUS_ARGS("s", vm, "as", addresses),
                                SD_BUS_RESULT("s", decision), on_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("EndVM", SD_BUS_ARGS("s", vm, "s", result), SD_BUS_NO_RESULT,
                                on_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_call,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        PROPERTY("CurrentMode", "s", get_text, current_mode),
        PROPERTY("ModeReason", "s", get_text, mode_reason),
        PROPERTY("State", "s", get_text, state),
        PROPERTY("HeldBy", "s", get_text, held_by),
        PROPERTY("DefaultMode", "s", get_text, default_mode),
        PROPERTY("FallbackMode", "s", get_text, fallback_mode),
        PROPERTY("Modes", "as", get_words, modes),
        PROPERTY("NextBootMode", "s", get_text, next_mode),
        PROPERTY("NextBootKind", "s", get_text, next_kind),
        PROPERTY("NextBootCommandLine", "s", get_text, next_arguments),
        PROPERTY("NextBootTriesLeft", "u", NULL, next_tries_left),
        PROPERTY("NextBootProtection", "s", get_text, next_protection),
        PROPERTY("LastBoot", "a{sv}", get_last_boot, last_boot),
        PROPERTY("Drift", "as", get_lines, drift),
        PROPERTY("VMs", "aa{sv}", get_vms, vms),
        SD_BUS_SIGNAL_WITH_ARGS("ModeChanged",
                                SD_BUS_ARGS("s", old_mode, "s", new_mode, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("FellBack", SD_BUS_ARGS("s", from, "s", to, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobFinished", SD_BUS_ARGS("o", job, "s", result, "s", message), 0),
        SD_BUS_VTABLE_END,
};

int manager_export(Service *service) {
        return sd_bus_add_object_vtable(service->bus, NULL, BUS_PATH, BUS_MANAGER, manager_vtable,
                                        service);
}

/* --- changes --- */

typedef struct Field {
        const char *property;
        size_t offset, size; /* in Snapshot */
} Field;

#define FIELD(name, field) { name, offsetof(Snapshot, field), sizeof(((Snapshot *)NULL)->field) }

static const Field fields[] = {
        FIELD("CurrentMode", current_mode),
        FIELD("ModeReason", mode_reason),
        FIELD("State", state),
        FIELD("HeldBy", held_by),
        FIELD("DefaultMode", default_mode),
        FIELD("FallbackMode", fallback_mode),
        FIELD("Modes", modes),
        FIELD("NextBootMode", next_mode),
        FIELD("NextBootKind", next_kind),
        FIELD("NextBootCommandLine", next_arguments),
        FIELD("NextBootTriesLeft", next_tries_left),
        FIELD("NextBootProtection", next_protection),
        FIELD("LastBoot", last_boot),
        FIELD("Drift", drift),
        FIELD("VMs", vms),
};

int manager_tell_changes(Service *service, const Snapshot *before) {
        char *names[ARRAY_SIZE(fields) + 1] = { NULL };
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (!before || memcmp((const char *)before + fields[i].offset,
                                      (const char *)&service->snapshot + fields[i].offset,
                                      fields[i].size) != 0)
                        names[n++] = (char *)fields[i].property;
        if (n == 0)
                return 0;
        return sd_bus_emit_properties_changed_strv(service->bus, BUS_PATH, BUS_MANAGER, names);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every call waits for its answer, and signals are looked at only in bus_wait(): so a JobFinished
 * that overtakes the reply with the job's path lies in the queue until the path is known.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "ctl/bus-internal.h"
#include "host/units.h"
#include "view/words.h"

#define ERROR_PREFIX "org.vfiomode1.Error."

#define CHANGE_TIMEOUT (300 * SECOND) /* somebody may have to find a password */

/* --- errors --- */

/* Whether @camel, such as "GroupNotViable", is @name, such as "group-not-viable". */
static bool is_camel_case_of(const char *camel, const char *name) {
        bool at_start = true;

        for (; *name; name++) {
                if (*name == '-') {
                        at_start = true;
                        continue;
                }
                if (*camel++ != (at_start ? *name - 'a' + 'A' : *name))
                        return false;
                at_start = false;
        }
        return *camel == '\0';
}

static RefusalKind refusal_by_camel_case(const char *camel) {
        for (unsigned kind = REFUSAL_NONE + 1; kind < _REFUSAL_MAX; kind++)
                if (is_camel_case_of(camel, refusal_name((RefusalKind)kind)))
                        return (RefusalKind)kind;
        return REFUSAL_FAILED;
}

static bool is_one_of(const char *name, const char *const *names) {
        for (; *names; names++)
                if (strncmp(name, *names, strlen(*names)) == 0)
                        return true;
        return false;
}

/* The bus started no service or lost it; what begins so is meant. */
static bool means_unreachable(const char *name) {
        static const char *const prefixes[] = {
                "org.freedesktop.DBus.Error.Disconnected",
                "org.freedesktop.DBus.Error.NameHasNoOwner",
                "org.freedesktop.DBus.Error.NoReply",
                "org.freedesktop.DBus.Error.NoServer",
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "org.freedesktop.DBus.Error.Spawn.",
                "org.freedesktop.systemd1.",
                "System.Error.",
                NULL,
        };

        return is_one_of(name, prefixes);
}

static bool means_not_authorised(const char *name) {
        static const char *const prefixes[] = {
                SD_BUS_ERROR_ACCESS_DENIED,
                SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                SD_BUS_ERROR_AUTH_FAILED,
                NULL,
        };

        return is_one_of(name, prefixes);
}

int bus_explain(int r, const sd_bus_error *from, bool is_remote, BusError *ret) {
        const char *name = from->name ? from->name : "System.Error.", *text = from->message;

        *ret = (BusError){ .exit_code = EXIT_CODE_FAILED };
        if (strncmp(name, ERROR_PREFIX, strlen(ERROR_PREFIX)) == 0) {
                ret->kind = refusal_by_camel_case(name + strlen(ERROR_PREFIX));
        } else if (means_not_authorised(name)) {
                ret->kind = REFUSAL_NOT_AUTHORISED;
        } else if (means_unreachable(name)) { /* NoReply is ETIMEDOUT, too */
                ret->is_unreachable = true;
        } else if (r == -ETIMEDOUT) {
                ret->kind = REFUSAL_TIMED_OUT;
                text = "The service of vfio-mode does not answer.";
        } else if (strcmp(name, SD_BUS_ERROR_INVALID_ARGS) == 0) {
                ret->exit_code = EXIT_CODE_USAGE;
        }
        /* The bus and the service end long before the last unit does. */
        if (ret->is_unreachable && !is_remote && units_system_is_stopping() > 0) {
                ret->kind = REFUSAL_SHUTTING_DOWN;
                text = refusal_sentence(ret->kind);
        }
        if (ret->kind != REFUSAL_NONE)
                ret->exit_code = (int)refusal_exit_code(ret->kind);
        (void)snprintf(ret->text, sizeof(ret->text), "%s",
                       text && text[0] != '\0' ? text : strerror(-r));
        return r;
}

/* --- the connection --- */

int bus_open(const char *host, Bus **ret, BusError *error) {
        _cleanup_(bus_closep) Bus *bus = must_have(calloc(1, sizeof(*bus)));
        int r;

        bus->is_remote = host;
        r = host ? sd_bus_open_system_remote(&bus->bus, host) : sd_bus_open_system(&bus->bus);
        if (r < 0)
                return bus_explain(r, &SD_BUS_ERROR_NULL, bus->is_remote, error);
        *ret = TAKE_PTR(bus);
        return 0;
}

void bus_closep(Bus **bus) {
        if (!*bus)
                return;
        sd_bus_flush_close_unref((*bus)->bus);
        free(*bus);
        *bus = NULL;
}

void bus_allow_questions(Bus *bus) {
        (void)sd_bus_set_allow_interactive_authorization(bus->bus, true);
}

static int new_call(Bus *bus, const char *method, const char *mode, sd_bus_message **ret) {
        int r;

        r = sd_bus_message_new_method_call(bus->bus, ret, SERVICE, OBJECT, INTERFACE, method);
        if (r < 0 || !mode)
                return r;
        return sd_bus_message_append(*ret, "s", mode);
}

/* @call: the message, or the error of making it */
static int call(Bus *bus, int r, sd_bus_message *message, uint64_t timeout, sd_bus_message **ret,
                BusError *error) {
        _cleanup_error_ sd_bus_error failure = SD_BUS_ERROR_NULL;

        if (r >= 0)
                r = sd_bus_call(bus->bus, message, timeout, &failure, ret);
        return r < 0 ? bus_explain(r, &failure, bus->is_remote, error) : 0;
}

/* An answer that is not what the interface says. */
static int misunderstood(int r, BusError *ret) {
        *ret = (BusError){ .exit_code = EXIT_CODE_FAILED };
        (void)snprintf(ret->text, sizeof(ret->text), "the answer of %s cannot be understood",
                       SERVICE);
        return r < 0 ? r : -EBADMSG;
}

/* --- reading --- */

int bus_describe(Bus *bus, json_object **ret, BusError *error) {
        _cleanup_message_ sd_bus_message *message = NULL, *reply = NULL;
        const char *text = NULL;
        int r;

        r = new_call(bus, "Describe", NULL, &message);
        r = call(bus, r, message, READ_TIMEOUT, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                *ret = json_parse(text);
        return r < 0 || !*ret ? misunderstood(r, error) : 0;
}

/* One a{sv}, of which the strings are kept. */
static int read_row(sd_bus_message *message, json_object *rows) {
        json_object *row = json_new();
        const char *key, *type, *value;
        int r;

        json_append(rows, row);
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        while (r >= 0 &&
               (r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_peek_type(message, NULL, &type);
                if (r >= 0 && strcmp(type, "s") != 0)
                        r = sd_bus_message_skip(message, "v");
                else if (r >= 0 && (r = sd_bus_message_read(message, "v", "s", &value)) >= 0)
                        json_add_string(row, key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_rows(sd_bus_message *message, json_object *rows) {
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "a{sv}");
        while (r >= 0 && sd_bus_message_at_end(message, false) == 0)
                r = read_row(message, rows);
        return r;
}

int bus_rows(Bus *bus, const char *method, const char *mode, json_object **ret, BusError *error) {
        _cleanup_message_ sd_bus_message *message = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = json_list();
        int r;

        r = new_call(bus, method, mode, &message);
        r = call(bus, r, message, READ_TIMEOUT, &reply, error);
        if (r < 0)
                return r;
        r = read_rows(reply, rows);
        if (r < 0)
                return misunderstood(r, error);
        *ret = TAKE_PTR(rows);
        return 0;
}

/* --- changing --- */

static int append_options(sd_bus_message *message, const BusOptions *options) {
        int r;

        r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0 && options->confirm_within > 0)
                r = sd_bus_message_append(message, "{sv}", "confirm-within", "t",
                                          options->confirm_within);
        if (r >= 0 && options->holders)
                r = sd_bus_message_append(message, "{sv}", "holders", "s", options->holders);
        if (r >= 0 && options->tries > 0)
                r = sd_bus_message_append(message, "{sv}", "tries", "u", (uint32_t)options->tries);
        if (r >= 0 && options->without_protection)
                r = sd_bus_message_append(message, "{sv}", "without-protection", "b", 1);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int call_with_options(Bus *bus, const char *method, const char *mode,
                             const BusOptions *options, sd_bus_message **ret, BusError *error) {
        _cleanup_message_ sd_bus_message *message = NULL;
        int r;

        r = new_call(bus, method, mode, &message);
        if (r >= 0 && mode)
                r = append_options(message, options);
        return call(bus, r, message, CHANGE_TIMEOUT, ret, error);
}

int bus_change(Bus *bus, const char *method, const char *mode, const BusOptions *options,
               BusError *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;

        return call_with_options(bus, method, mode, options, &reply, error);
}

int bus_begin_vm(Bus *bus, const Vm *vm, uint64_t usec, BusError *error) {
        _cleanup_message_ sd_bus_message *message = NULL, *reply = NULL;
        char address[PCI_ADDRESS_SIZE];
        int r;

        r = new_call(bus, "BeginVM", vm->name, &message);
        if (r >= 0)
                r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; r >= 0 && i < vm->n_addresses; i++)
                r = sd_bus_message_append(message, "s",
                                          pci_address_format(vm->addresses[i], address));
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return call(bus, r, message, usec, &reply, error);
}

int bus_end_vm(Bus *bus, const Vm *vm, uint64_t usec, BusError *error) {
        _cleanup_message_ sd_bus_message *message = NULL, *reply = NULL;
        int r;

        r = new_call(bus, "EndVM", vm->name, &message);
        if (r >= 0)
                r = sd_bus_message_append(message, "s", vm_word_name(vm->word));
        return call(bus, r, message, usec, &reply, error);
}

static int on_job_finished(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *job, *result, *text;
        Bus *bus = userdata;

        (void)error;
        if (sd_bus_message_read(message, "oss", &job, &result, &text) < 0 ||
            strcmp(job, bus->job) != 0)
                return 0;
        bus->is_finished = true;
        bus->answer.kind = refusal_by_name(result);
        /* A word that this version does not know is no success. */
        if (bus->answer.kind == REFUSAL_NONE && strcmp(result, "done") != 0)
                bus->answer.kind = REFUSAL_FAILED;
        (void)snprintf(bus->answer.text, sizeof(bus->answer.text), "%s", text);
        return 0;
}

static int on_fell_back(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *from, *to, *reason;
        Bus *bus = userdata;

        (void)error;
        if (sd_bus_message_read(message, "sss", &from, &to, &reason) < 0)
                return 0;
        bus->has_fallen = true;
        (void)snprintf(bus->fall.to, sizeof(bus->fall.to), "%s", to);
        (void)snprintf(bus->fall.reason, sizeof(bus->fall.reason), "%s", reason);
        return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        Bus *bus = userdata;

        (void)error;
        if (sd_bus_message_read(message, "sss", &name, &old, &new) >= 0)
                bus->is_another = true;
        return 0;
}

static int subscribe(Bus *bus) {
        int r;

        r = sd_bus_match_signal(bus->bus, NULL, SERVICE, OBJECT, INTERFACE, "JobFinished",
                                on_job_finished, bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus->bus, NULL, SERVICE, OBJECT, INTERFACE, "FellBack",
                                        on_fell_back, bus);
        if (r < 0)
                return r;
        return sd_bus_add_match(bus->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                "arg0='" SERVICE "'",
                                on_owner_changed, bus);
}

int bus_switch(Bus *bus, const char *mode, const BusOptions *options, BusError *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *job;
        int r;

        r = subscribe(bus);
        if (r < 0)
                return bus_explain(r, &SD_BUS_ERROR_NULL, bus->is_remote, error);
        r = call_with_options(bus, "SwitchMode", mode, options, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &job);
        if (r < 0 || strlen(job) >= sizeof(bus->job))
                return misunderstood(r, error);
        (void)snprintf(bus->job, sizeof(bus->job), "%s", job);
        return 0;
}

/* --- waiting --- */

/* Until something comes, or @until. Returns 0, -EINTR on a signal, or -ETIMEDOUT. */
static int wait_for_more(Bus *bus, int signal_fd, uint64_t until) {
        struct pollfd polled[] = {
                { .fd = bus->is_gone ? -1 : sd_bus_get_fd(bus->bus),
                  .events = bus->is_gone ? 0 : (short)sd_bus_get_events(bus->bus) },
                { .fd = signal_fd, .events = POLLIN },
        };
        uint64_t time = now_usec();

        if (time >= until)
                return -ETIMEDOUT;
        if (poll(polled, ARRAY_SIZE(polled), (int)((until - time) / 1000 + 1)) < 0 &&
            errno != EINTR)
                return -errno;
        return polled[1].revents != 0 ? -EINTR : 0;
}

/* @done: set by what is waited for */
static int process(Bus *bus, int signal_fd, uint64_t until, const bool *done) {
        while (!*done) {
                int r = bus->is_gone ? 0 : sd_bus_process(bus->bus, NULL);

                if (*done)
                        break;
                if (bus->is_another)
                        return 0;
                bus->is_gone |= r < 0;
                if (r == 0)
                        r = wait_for_more(bus, signal_fd, until);
                if (r < 0)
                        return r;
        }
        return 1;
}

void bus_hold_signals(Bus *bus) {
        bus->holds_signals = true;
}

static int wait_until_done(Bus *bus, uint64_t usec, const bool *done) {
        const uint64_t until = now_usec() + usec;
        _cleanup_close_ int signal_fd = -1;
        sigset_t signals, before;
        int r;

        (void)sigemptyset(&signals);
        if (!bus->holds_signals) {
                (void)sigaddset(&signals, SIGINT);
                (void)sigaddset(&signals, SIGTERM);
                (void)sigaddset(&signals, SIGHUP);
        }
        (void)sigprocmask(SIG_BLOCK, &signals, &before);
        signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
        if (signal_fd < 0)
                return -errno;
        bus->is_another = false;
        r = process(bus, signal_fd, until, done);
        if (r != -EINTR)
                (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}

int bus_wait(Bus *bus, uint64_t usec, BusJob *ret) {
        int r = wait_until_done(bus, usec, &bus->is_finished);

        if (r > 0)
                *ret = bus->answer;
        return r;
}

int bus_wait_fall(Bus *bus, uint64_t usec, BusFall *ret) {
        int r = wait_until_done(bus, usec, &bus->has_fallen);

        if (r > 0)
                *ret = bus->fall;
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The matches come first, then the question, and both are worked off in the order in which the bus
 * has them. The service looks at the machine before it answers GetAll, and tells what it finds: so
 * a change is either in the answer or is told behind it, and not both.
 *
 * A service that is gone is no event: it goes when it is idle, and the next one tells what has
 * happened in between. That one tells all properties again, and one that was killed may have told
 * the mode just before; what is known already is passed over.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "ctl/bus-internal.h"

#define DBUS "org.freedesktop.DBus"
#define LOCAL "org.freedesktop.DBus.Local"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define NAME_SIZE 256 /* dbus-specification: 255 at most */

typedef struct Watch {
        Bus *bus;
        sd_event *event;
        BusListener *listener;
        void *userdata;
        char owner[NAME_SIZE];     /* of the service's name: who may tell; "": nobody */
        json_object *properties;   /* as told last */
        json_object *early;        /* what was told before the answer; NULL: the answer is there */
        json_object *mode_changed; /* the last one; NULL: none */
        json_object *fell_back;    /* the last one since; NULL: none */
        int result;
        BusError *error;
} Watch;

static void watch_done(Watch *watch) {
        /* The connection outlives this, but nobody looks at it any more. */
        (void)sd_bus_detach_event(watch->bus->bus);
        (void)sd_event_unref(watch->event);
        json_putp(&watch->properties);
        json_putp(&watch->early);
        json_putp(&watch->mode_changed);
        json_putp(&watch->fell_back);
}

/* --- events --- */

static json_object *event_new(const char *name) {
        json_object *event = json_new();

        json_add_string(event, "event", name);
        return event;
}

static void tell(Watch *watch, json_object *event) {
        if (!watch->listener(watch->userdata, event))
                (void)sd_event_exit(watch->event, 0);
}

static bool is_same_as(json_object **last, json_object *event) {
        if (json_object_equal(*last, event))
                return true;
        json_object_put(*last);
        *last = json_object_get(event);
        return false;
}

static void on_mode_changed(Watch *watch, json_object *event) {
        if (is_same_as(&watch->mode_changed, event))
                return;
        json_putp(&watch->fell_back);
        /* The answer will say the mode that it led to. */
        if (!watch->early)
                tell(watch, event);
}

static void on_job_finished(Watch *watch, json_object *event) {
        if (watch->early)
                json_append(watch->early, json_object_get(event));
        else
                tell(watch, event);
}

static void on_fell_back(Watch *watch, json_object *event) {
        if (!is_same_as(&watch->fell_back, event))
                on_job_finished(watch, event);
}

/* --- properties --- */

static json_object *next_boot(const json_object *properties) {
        json_object *next = json_new();

        json_add_word(next, "mode", json_get_text(properties, "NextBootMode"));
        json_add_string(next, "kind", json_get_text(properties, "NextBootKind"));
        json_add_string(next, "arguments", json_get_text(properties, "NextBootCommandLine"));
        json_add_integer(next, "tries_left", json_get_integer(properties, "NextBootTriesLeft"));
        json_add_string(next, "protection", json_get_text(properties, "NextBootProtection"));
        return next;
}

static json_object *drift(const json_object *properties) {
        json_object *lines = json_get(properties, "Drift");

        return lines ? json_object_get(lines) : json_list();
}

/* Takes on those of @names that differ. Returns whether any did. */
static bool take(Watch *watch, const json_object *told, const char *const *names) {
        bool is_changed = false;

        for (; *names; names++) {
                json_object *value = json_get(told, *names);

                if (!value || json_object_equal(value, json_get(watch->properties, *names)))
                        continue;
                json_add(watch->properties, *names, json_object_get(value));
                is_changed = true;
        }
        return is_changed;
}

static void tell_state(Watch *watch, const char *before) {
        _cleanup_json_ json_object *event = event_new("state-changed");

        json_add_string(event, "old_state", before);
        json_add_string(event, "new_state", json_get_text(watch->properties, "State"));
        json_add_string(event, "mode", json_get_text(watch->properties, "CurrentMode"));
        tell(watch, event);
}

static void tell_value(Watch *watch, const char *name, const char *key, json_object *value) {
        _cleanup_json_ json_object *event = event_new(name);

        json_add(event, key, value);
        tell(watch, event);
}

static void on_properties(Watch *watch, const json_object *told) {
        static const char *const mode[] = { "CurrentMode", "ModeReason", NULL };
        static const char *const state[] = { "State", NULL };
        static const char *const next[] = { "NextBootMode",        "NextBootKind",
                                            "NextBootCommandLine", "NextBootTriesLeft",
                                            "NextBootProtection",  NULL };
        static const char *const differs[] = { "Drift", NULL };
        _cleanup_json_ json_object *before = json_object_get(json_get(watch->properties, "State"));

        (void)take(watch, told, mode); /* ModeChanged tells it, when it is settled */
        if (take(watch, told, state))
                tell_state(watch, before ? json_object_get_string(before) : "");
        if (take(watch, told, next))
                tell_value(watch, "next-boot-changed", "next_boot", next_boot(watch->properties));
        if (take(watch, told, differs))
                tell_value(watch, "drift-changed", "drift", drift(watch->properties));
}

static void tell_beginning(Watch *watch) {
        _cleanup_json_ json_object *event = event_new("mode"), *early = TAKE_PTR(watch->early);

        json_add_string(event, "mode", json_get_text(watch->properties, "CurrentMode"));
        json_add_string(event, "reason", json_get_text(watch->properties, "ModeReason"));
        json_add_string(event, "state", json_get_text(watch->properties, "State"));
        json_add(event, "next_boot", next_boot(watch->properties));
        json_add(event, "drift", drift(watch->properties));
        tell(watch, event);
        for (size_t i = 0; i < json_length(early); i++)
                tell(watch, json_at(early, i));
}

/* --- messages --- */

static int read_list(sd_bus_message *message, json_object *ret) {
        const char *text;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "s");
        while (r >= 0 && (r = sd_bus_message_read(message, "s", &text)) > 0)
                json_append_string(ret, text);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* The value of a property, if it is of a type that one of ours has. */
static int read_value(sd_bus_message *message, const char *key, json_object *ret) {
        const char *type, *text;
        uint32_t number;
        int r;

        r = sd_bus_message_peek_type(message, NULL, &type);
        if (r < 0)
                return r;
        if (strcmp(type, "s") != 0 && strcmp(type, "u") != 0 && strcmp(type, "as") != 0)
                return sd_bus_message_skip(message, "v");
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, type);
        if (r < 0)
                return r;
        if (type[0] == 's') {
                if ((r = sd_bus_message_read(message, "s", &text)) >= 0)
                        json_add_string(ret, key, text);
        } else if (type[0] == 'u') {
                if ((r = sd_bus_message_read(message, "u", &number)) >= 0)
                        json_add_integer(ret, key, number);
        } else {
                json_add(ret, key, json_list());
                r = read_list(message, json_get(ret, key));
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_properties(sd_bus_message *message, json_object *ret) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        while (r >= 0 &&
               (r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r >= 0)
                        r = read_value(message, key, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

typedef struct Signal {
        const char *member;
        const char *signature; /* three texts */
        const char *event;
        const char *keys[3]; /* of the event */
        void (*handle)(Watch *watch, json_object *event);
} Signal;

static const Signal signals[] = {
        { "ModeChanged",
          "sss",
          "mode-changed",
          { "old_mode", "new_mode", "reason" },
          on_mode_changed },
        { "FellBack", "sss", "fell-back", { "from", "to", "reason" }, on_fell_back },
        { "JobFinished", "oss", "job-finished", { "job", "result", "message" }, on_job_finished },
};

static void handle_signal(Watch *watch, const Signal *as, sd_bus_message *message) {
        _cleanup_json_ json_object *event = event_new(as->event);
        const char *values[3];

        if (sd_bus_message_read(message, as->signature, &values[0], &values[1], &values[2]) < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                json_add_string(event, as->keys[i], values[i]);
        as->handle(watch, event);
}

static void handle_properties(Watch *watch, sd_bus_message *message) {
        _cleanup_json_ json_object *told = json_new();
        const char *interface;

        if (watch->early || sd_bus_message_read(message, "s", &interface) < 0 ||
            strcmp(interface, INTERFACE) != 0 || read_properties(message, told) < 0)
                return;
        on_properties(watch, told);
}

/* Everybody may send a signal to everybody, and the match alone does not keep that out. */
static bool is_from(sd_bus_message *message, const char *name) {
        const char *sender = sd_bus_message_get_sender(message);

        return name[0] != '\0' && sender && strcmp(sender, name) == 0;
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Watch *watch = userdata;

        (void)error;
        if (!is_from(message, watch->owner))
                return 0;
        if (sd_bus_message_is_signal(message, PROPERTIES, "PropertiesChanged") > 0)
                handle_properties(watch, message);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                if (sd_bus_message_is_signal(message, INTERFACE, signals[i].member) > 0)
                        handle_signal(watch, &signals[i], message);
        return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        Watch *watch = userdata;

        (void)error;
        if (is_from(message, DBUS) && sd_bus_message_read(message, "sss", &name, &old, &new) >= 0)
                (void)snprintf(watch->owner, sizeof(watch->owner), "%s", new);
        return 0;
}

static void fail(Watch *watch, int r, const sd_bus_error *error) {
        watch->result = bus_explain(r, error, watch->bus->is_remote, watch->error);
        (void)sd_event_exit(watch->event, 0);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        static const sd_bus_error gone = SD_BUS_ERROR_MAKE_CONST(
                "org.freedesktop.DBus.Error.Disconnected", "the connection to the bus is gone");
        Watch *watch = userdata;

        (void)message;
        (void)error;
        /* A question that it left without an answer has failed already. */
        if (watch->result >= 0)
                fail(watch, -ENOTCONN, &gone);
        return 0;
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        static const sd_bus_error unknown = SD_BUS_ERROR_MAKE_CONST(
                SD_BUS_ERROR_FAILED, "the answer of " SERVICE " cannot be understood");
        Watch *watch = userdata;

        (void)error;
        if (sd_bus_message_is_method_error(message, NULL) > 0)
                fail(watch, -sd_bus_message_get_errno(message), sd_bus_message_get_error(message));
        else if (read_properties(message, watch->properties) < 0)
                fail(watch, -EBADMSG, &unknown);
        else
                tell_beginning(watch);
        return 0;
}

/* --- setting up --- */

/* Who has the name now, where nobody starts it: what that one tells before the answer counts. */
static int find_owner(Watch *watch) {
        _cleanup_error_ sd_bus_error failure = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *owner;
        int r;

        r = sd_bus_call_method(watch->bus->bus, DBUS, "/org/freedesktop/DBus", DBUS, "GetNameOwner",
                               &failure, &reply, "s", SERVICE);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &owner);
        else if (sd_bus_error_has_name(&failure, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return 0;
        if (r < 0)
                return bus_explain(r, &failure, watch->bus->is_remote, watch->error);
        (void)snprintf(watch->owner, sizeof(watch->owner), "%s", owner);
        return 0;
}

static int subscribe(Watch *watch) {
        sd_bus *bus = watch->bus->bus;
        int r;

        r = sd_bus_match_signal(bus, NULL, LOCAL, "/org/freedesktop/DBus/Local", LOCAL,
                                "Disconnected", on_disconnected, watch);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL,
                                     "type='signal',sender='" DBUS "',interface='" DBUS "',"
                                     "member='NameOwnerChanged',arg0='" SERVICE "'",
                                     on_owner_changed, watch);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL,
                                     "type='signal',sender='" SERVICE "',path='" OBJECT "'",
                                     on_signal, watch);
        if (r < 0)
                return bus_explain(r, &SD_BUS_ERROR_NULL, watch->bus->is_remote, watch->error);
        return find_owner(watch);
}

static int ask(Watch *watch) {
        _cleanup_message_ sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_method_call(watch->bus->bus, &message, SERVICE, OBJECT, PROPERTIES,
                                           "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", INTERFACE);
        return r < 0 ? r
                     : sd_bus_call_async(watch->bus->bus, NULL, message, on_answer, watch,
                                         READ_TIMEOUT);
}

static int on_reader_gone(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        const Watch *watch = userdata;

        (void)source;
        (void)fd;
        (void)events;
        return sd_event_exit(watch->event, 0);
}

/* Ctrl-C ends an ssh(1) between us and the bus as well: the signal has to be seen first. */
static int end_by(Watch *watch, int number) {
        sd_event_source *source;
        int r;

        r = sd_event_add_signal(watch->event, &source, number, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0)
                r = sd_event_source_set_floating(source, true);
        (void)sd_event_source_unref(source);
        return r;
}

static int set_up_loop(Watch *watch) {
        sigset_t set;
        int r;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGPIPE); /* the failed write says it */
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        r = sd_event_new(&watch->event);
        if (r >= 0)
                r = end_by(watch, SIGINT);
        if (r >= 0)
                r = end_by(watch, SIGTERM);
        if (r < 0)
                return r;
        /* Asks for nothing but that: else it is only noticed at the next event. A file cannot be
         * watched so, nor does its reader go. */
        (void)sd_event_add_io(watch->event, NULL, STDOUT_FILENO, 0, on_reader_gone, watch);
        return sd_bus_attach_event(watch->bus->bus, watch->event, SD_EVENT_PRIORITY_NORMAL);
}

int bus_watch(Bus *bus, BusListener *listener, void *userdata, BusError *error) {
        _cleanup_(watch_done) Watch watch = { .bus = bus,
                                              .listener = listener,
                                              .userdata = userdata,
                                              .properties = json_new(),
                                              .early = json_list(),
                                              .error = error };
        int r;

        r = subscribe(&watch);
        if (r < 0)
                return r;
        r = set_up_loop(&watch);
        if (r >= 0)
                r = ask(&watch);
        if (r >= 0)
                r = sd_event_loop(watch.event);
        if (r < 0)
                return bus_explain(r, &SD_BUS_ERROR_NULL, bus->is_remote, error);
        return watch.result;
}

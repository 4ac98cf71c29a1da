/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sd-login reads what logind keeps below /run/systemd, and is told of changes by inotify.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "base/clock.h"
#include "command.h"
#include "login.h"
#include "model/sessions.h"
#include "user-name.h"

#define LIBRARY "libsystemd.so.0"
#define OUTPUT_SIZE (16 * 1024)
#define USEC_PER_SEC UINT64_C(1000000)
#define LOOK_AGAIN (USEC_PER_SEC / 5)

typedef struct Login {
        void *library;
        __typeof__(sd_seat_get_sessions) *seat_get_sessions;
        __typeof__(sd_get_sessions) *get_sessions;
        __typeof__(sd_session_get_seat) *session_get_seat;
        __typeof__(sd_session_get_service) *session_get_service;
        __typeof__(sd_session_get_uid) *session_get_uid;
        __typeof__(sd_session_get_type) *session_get_type;
        __typeof__(sd_session_get_class) *session_get_class;
        __typeof__(sd_login_monitor_new) *monitor_new;
        __typeof__(sd_login_monitor_get_fd) *monitor_get_fd;
        __typeof__(sd_login_monitor_flush) *monitor_flush;
        __typeof__(sd_login_monitor_unref) *monitor_unref;
} Login;

static void login_close(const Login *login) {
        if (login->library)
                (void)dlclose(login->library);
}

static int login_open(Login *ret) {
        const struct {
                const char *name;
                void **function;
        } symbols[] = {
                { "sd_seat_get_sessions", (void **)&ret->seat_get_sessions },
                { "sd_get_sessions", (void **)&ret->get_sessions },
                { "sd_session_get_seat", (void **)&ret->session_get_seat },
                { "sd_session_get_service", (void **)&ret->session_get_service },
                { "sd_session_get_uid", (void **)&ret->session_get_uid },
                { "sd_session_get_type", (void **)&ret->session_get_type },
                { "sd_session_get_class", (void **)&ret->session_get_class },
                { "sd_login_monitor_new", (void **)&ret->monitor_new },
                { "sd_login_monitor_get_fd", (void **)&ret->monitor_get_fd },
                { "sd_login_monitor_flush", (void **)&ret->monitor_flush },
                { "sd_login_monitor_unref", (void **)&ret->monitor_unref },
        };

        ret->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!ret->library)
                return -ELIBACC;
        for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
                *symbols[i].function = dlsym(ret->library, symbols[i].name);
                if (!*symbols[i].function)
                        return -ELIBBAD;
        }
        return 0;
}

/* --- sessions --- */

static void strings_free(char ***strings) {
        for (char **string = *strings; string && *string; string++)
                free(*string);
        free(*strings);
}

static bool is_graphical(const char *type) {
        static const char *const types[] = { "x11", "wayland", "mir" };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

/* A remote one has no seat, for example: "". */
static int read_property(int (*get)(const char *, char **), const char *id, char *ret,
                         size_t size) {
        _cleanup_free_ char *value = NULL;
        int r = get(id, &value);

        (void)snprintf(ret, size, "%s", r >= 0 ? value : "");
        return r == -ENODATA ? 0 : r;
}

/* What sd-login says of a session that is not there. */
static bool has_ended(int r) {
        return r == -ENXIO;
}

static int read_session(const Login *login, const Root *root, const char *id, const char *manager,
                        Session *ret) {
        char type[32], class[32], service[CONFIG_UNIT_SIZE];
        uid_t uid;
        int r;

        if (strlen(id) >= sizeof(ret->id))
                return -ENAMETOOLONG;
        (void)memset(ret, 0, sizeof(*ret));
        r = login->session_get_uid(id, &uid);
        if (r >= 0)
                r = read_property(login->session_get_seat, id, ret->seat, sizeof(ret->seat));
        if (r >= 0)
                r = read_property(login->session_get_type, id, type, sizeof(type));
        if (r >= 0)
                r = read_property(login->session_get_class, id, class, sizeof(class));
        if (r >= 0)
                r = read_property(login->session_get_service, id, service, sizeof(service));
        if (r < 0)
                return r;
        (void)snprintf(ret->id, sizeof(ret->id), "%s", id);
        (void)snprintf(ret->user, sizeof(ret->user), "%u", uid);
        user_name(root, ret->user, sizeof(ret->user));
        ret->uid = uid;
        ret->is_graphical = is_graphical(type);
        ret->is_greeter = strcmp(class, "greeter") == 0;
        ret->is_of_manager = session_service_is_of(service, manager);
        return 0;
}

static bool is_listed(const Sessions *sessions, const char *id) {
        for (size_t i = 0; i < sessions->n; i++)
                if (strcmp(sessions->list[i].id, id) == 0)
                        return true;
        return false;
}

int login_list_sessions(const Root *root, const char *seat, Sessions *ret) {
        _cleanup_(login_close) Login login = { 0 };
        _cleanup_(strings_free) char **ids = NULL;
        int r;

        r = login_open(&login);
        if (r >= 0)
                r = login.seat_get_sessions(seat, &ids, NULL, NULL);
        if (r < 0)
                return r == -ENOENT || r == -ENXIO ? 0 : r; /* no such seat, no logind */
        for (char **id = ids; id && *id && ret->n < SESSIONS_MAX; id++) {
                r = read_session(&login, root, *id, ret->manager, &ret->list[ret->n]);
                if (r < 0 && !has_ended(r))
                        return r;
                ret->n += r >= 0;
        }
        return 0;
}

int login_list_sessions_of_manager(const Root *root, Sessions *ret) {
        _cleanup_(login_close) Login login = { 0 };
        _cleanup_(strings_free) char **ids = NULL;
        int r;

        r = login_open(&login);
        if (r >= 0)
                r = login.get_sessions(&ids);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* no logind */
        for (char **id = ids; id && *id && ret->n < SESSIONS_MAX; id++) {
                Session *session = &ret->list[ret->n];

                if (is_listed(ret, *id))
                        continue;
                r = read_session(&login, root, *id, ret->manager, session);
                if (r < 0 && !has_ended(r))
                        return r;
                ret->n += r >= 0 && session->is_of_manager;
        }
        return 0;
}

/* Not by sd-login: a session's file is gone a moment before its user's says what that means. */
bool login_is_closing(unsigned uid) {
        char number[16], output[32];
        const char *const arguments[] = { "loginctl",         "show-user", "--value",
                                          "--property=State", number,      NULL };

        (void)snprintf(number, sizeof(number), "%u", uid);
        return command_run(arguments, output, sizeof(output)) == 0 &&
               strcmp(output, "closing\n") == 0;
}

/* --- waiting --- */

/* @timeout: in µs; shortened where one could not be read, whose end may have been told already */
static bool is_any_there(const Login *login, const char *const *ids, size_t n, uint64_t *timeout) {
        bool is_there = false;
        uid_t uid;

        for (size_t i = 0; i < n; i++) {
                int r = login->session_get_uid(ids[i], &uid);

                is_there |= !has_ended(r);
                if (r < 0 && !has_ended(r) && *timeout > LOOK_AGAIN)
                        *timeout = LOOK_AGAIN;
        }
        return is_there;
}

/* Watched before it is looked, so that no end is missed. */
static int wait_with(const Login *login, sd_login_monitor *monitor, const char *const *ids,
                     size_t n, uint64_t timeout_usec) {
        uint64_t now = now_usec(), deadline = now + timeout_usec, left = timeout_usec;

        while (is_any_there(login, ids, n, &left)) {
                struct pollfd fd = { .fd = login->monitor_get_fd(monitor), .events = POLLIN };

                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&fd, 1, (int)(left / 1000 + 1)) < 0)
                        return -errno;
                (void)login->monitor_flush(monitor);
                now = now_usec();
                left = now < deadline ? deadline - now : 0;
        }
        return 0;
}

int login_wait(const char *const *ids, size_t n, uint64_t timeout_usec) {
        _cleanup_(login_close) Login login = { 0 };
        sd_login_monitor *monitor = NULL;
        int r;

        r = login_open(&login);
        if (r >= 0)
                r = login.monitor_new("session", &monitor);
        if (r < 0)
                return r;
        r = wait_with(&login, monitor, ids, n, timeout_usec);
        (void)login.monitor_unref(monitor);
        return r;
}

/* --- locks --- */

int login_find_inhibitor(Inhibitor *ret) {
        static const char *const arguments[] = { "busctl",
                                                 "--timeout=5",
                                                 "call",
                                                 "org.freedesktop.login1",
                                                 "/org/freedesktop/login1",
                                                 "org.freedesktop.login1.Manager",
                                                 "ListInhibitors",
                                                 NULL };
        _cleanup_free_ char *output = malloc(OUTPUT_SIZE);
        int r;

        if (!output)
                return -ENOMEM;
        r = command_run(arguments, output, OUTPUT_SIZE);
        if (r != 0)
                return r < 0 ? r : -EIO;
        output[strcspn(output, "\n")] = '\0';
        return inhibitors_parse(output, ret);
}

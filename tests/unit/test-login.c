/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session that cannot be read is not one that has ended. The library is one of the test's own;
 * the real one, and logind, are in tests/sweep and tests/vm/test_sessions.py.
 */
#undef NDEBUG
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "host/login.h"
#include "table.h"

#define MANAGER "gdm.service"

/* Of session 3; there is no other. */
static const char *failing = ""; /* what fails, once, or what it is that has no value */
static int failing_errno;
static unsigned n_uids; /* times that it was asked for */
static bool is_there;
static int event_fd = -1;

/* --- the library --- */

static int fails(const char *what) {
        if (strcmp(failing, what) != 0)
                return 0;
        failing = "";
        return -failing_errno;
}

static int answer(const char *what, const char *value, char **ret) {
        int r = is_there ? fails(what) : -ENXIO;

        if (r < 0)
                return r;
        *ret = strdup(value);
        return 0;
}

static int list_ids(char ***ret) {
        *ret = calloc(2, sizeof(**ret));
        (*ret)[0] = strdup("3");
        return 1;
}

static int seat_get_sessions(_unused_ const char *seat, char ***ret, _unused_ uid_t **uids,
                             _unused_ unsigned *n_seat_uids) {
        return list_ids(ret);
}

static int session_get_uid(_unused_ const char *id, uid_t *ret) {
        int r = fails(is_there ? "uid" : "uid at its end");

        n_uids++;
        *ret = 1000;
        return r < 0 || is_there ? r : -ENXIO;
}

static int session_get_seat(_unused_ const char *id, char **ret) {
        return answer("seat", "seat0", ret);
}

static int session_get_type(_unused_ const char *id, char **ret) {
        return answer("type", "wayland", ret);
}

static int session_get_class(_unused_ const char *id, char **ret) {
        return answer("class", "user", ret);
}

static int session_get_service(_unused_ const char *id, char **ret) {
        return answer("service", "gdm-password", ret);
}

static int monitor_new(_unused_ const char *category, sd_login_monitor **ret) {
        *ret = NULL;
        return 0;
}

static int monitor_get_fd(_unused_ sd_login_monitor *monitor) {
        return event_fd;
}

/* What has been heard of is the end. */
static int monitor_flush(_unused_ sd_login_monitor *monitor) {
        uint64_t n;

        if (read(event_fd, &n, sizeof(n)) == sizeof(n))
                is_there = false;
        return 0;
}

static sd_login_monitor *monitor_unref(_unused_ sd_login_monitor *monitor) {
        return NULL;
}

/* The linker has the program's calls end here; and those of clang's sanitizers, which it links into
 * the program and which look for what is theirs before they can be used. */
#define NOT_SANITIZED __attribute__((no_sanitize("address"), no_sanitize("undefined")))

void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlsym(void *library, const char *name);
void *__real_dlsym(void *library, const char *name);
int __wrap_dlclose(void *library);

void *__wrap_dlopen(_unused_ const char *name, _unused_ int flags) {
        return &is_there;
}

int __wrap_dlclose(_unused_ void *library) {
        return 0;
}

static void *find(const char *name) {
        static const struct {
                const char *name;
                void (*function)(void);
        } symbols[] = {
                { "sd_seat_get_sessions", (void (*)(void))seat_get_sessions },
                { "sd_get_sessions", (void (*)(void))list_ids },
                { "sd_session_get_seat", (void (*)(void))session_get_seat },
                { "sd_session_get_service", (void (*)(void))session_get_service },
                { "sd_session_get_uid", (void (*)(void))session_get_uid },
                { "sd_session_get_type", (void (*)(void))session_get_type },
                { "sd_session_get_class", (void (*)(void))session_get_class },
                { "sd_login_monitor_new", (void (*)(void))monitor_new },
                { "sd_login_monitor_get_fd", (void (*)(void))monitor_get_fd },
                { "sd_login_monitor_flush", (void (*)(void))monitor_flush },
                { "sd_login_monitor_unref", (void (*)(void))monitor_unref },
        };
        void *found = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
                if (strcmp(symbols[i].name, name) == 0)
                        (void)memcpy(&found, &symbols[i].function, sizeof(found));
        return found;
}

NOT_SANITIZED void *__wrap_dlsym(void *library, const char *name) {
        return library == &is_there ? find(name) : __real_dlsym(library, name);
}

/* --- what is made of it --- */

typedef struct Row {
        const char *title, *failing;
        int error;
        int result;     /* of looking */
        size_t n;       /* sessions that are found */
        const char *no; /* property that it then has not */
} Row;

static const Row rows[] = {
        { "one that is there", "", 0, 0, 1, "" },
        { "it has ended meanwhile", "uid", ENXIO, 0, 0, "" },
        { "it ends while it is read", "class", ENXIO, 0, 0, "" },
        { "it is on no seat", "seat", ENODATA, 0, 1, "seat" },
        { "it has no type", "type", ENODATA, 0, 1, "type" },
        { "it cannot be read", "uid", EMFILE, -EMFILE, 0, "" },
        { "its seat cannot be read", "seat", EIO, -EIO, 0, "" },
        { "its type cannot be read", "type", EIO, -EIO, 0, "" },
        { "its class cannot be read", "class", EIO, -EIO, 0, "" },
        { "its service cannot be read", "service", EIO, -EIO, 0, "" },
};

static int look(bool at_seat, const Root *root, const Row *row, Sessions *ret) {
        (void)memset(ret, 0, sizeof(*ret));
        (void)strcpy(ret->manager, MANAGER);
        is_there = true;
        failing = row->failing;
        failing_errno = row->error;
        return at_seat ? login_list_sessions(root, "seat0", ret)
                       : login_list_sessions_of_manager(root, ret);
}

static void test_list(void **state) {
        const Row *row = *state;
        FakeHost *fake = fake_host_new();
        Root root;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        for (unsigned at_seat = 0; at_seat < 2; at_seat++) {
                Sessions *sessions = calloc(1, sizeof(*sessions));
                const Session *session = &sessions->list[0];

                assert_int_equal(look(at_seat, &root, row, sessions), row->result);
                assert_int_equal(sessions->n, row->n);
                if (row->n > 0) {
                        assert_string_equal(session->seat,
                                            strcmp(row->no, "seat") == 0 ? "" : "seat0");
                        assert_int_equal(session->is_graphical, strcmp(row->no, "type") != 0);
                        assert_true(session->is_of_manager && !session->is_greeter);
                }
                free(sessions);
        }
        root_close(&root);
        fake_host_freep(&fake);
}

typedef struct Wait {
        const char *title;
        bool is_there;
        const char *failing;
        bool is_heard;
        uint64_t timeout_usec;
        int result;
        unsigned n_looks;
} Wait;

static const Wait waits[] = {
        { "it has ended before", .failing = "", .n_looks = 1 },
        { "it ends", true, "", true, 60000000, 0, 2 },
        { "it cannot be read, and ends then", true, "uid", true, 60000000, 0, 2 },
        { "it cannot be read when it has ended", true, "uid at its end", true, 60000000, 0, 3 },
        { "it does not end", true, "", false, 0, -ETIMEDOUT, 1 },
};

static void test_wait(void **state) {
        static const char *const ids[] = { "3" };
        const Wait *row = *state;

        is_there = row->is_there;
        failing = row->failing;
        failing_errno = EMFILE;
        n_uids = 0;
        (void)alarm(30); /* no event tells of the end a second time */
        event_fd = eventfd(row->is_heard, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_true(event_fd >= 0);
        assert_int_equal(login_wait(ids, 1, row->timeout_usec), row->result);
        (void)alarm(0);
        assert_int_equal(n_uids, row->n_looks);
        closep(&event_fd);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_list, rows);
        TABLE_ROWS(&table, test_wait, waits);
        return table_run("login", &table);
}

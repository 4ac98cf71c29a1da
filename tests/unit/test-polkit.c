/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is not asked about at all: a method that nobody has given a row is denied, to everybody. The
 * service has none, and always has a bus, so that tests/bus cannot see it. What the service answers
 * with is played here, in the place of bus/request.c.
 */
#undef NDEBUG

#include "bus/polkit.h"
#include "table.h"

static unsigned performed;
static RefusalKind refused;

static void perform(Request *request) {
        (void)request;
        performed++;
}

void request_refuse(Request *request, RefusalKind kind, const char *text) {
        (void)request;
        (void)text;
        refused = kind;
}

void request_fail(Request *request, const char *name, const char *text) {
        (void)request;
        (void)name;
        (void)text;
        fail();
}

static int set_up(void **state) {
        (void)state;
        performed = 0;
        refused = REFUSAL_NONE;
        return 0;
}

static void authorise(const char *member, bool sees_all) {
        const Method method = { .member = member, .perform = perform };
        Request request = { .method = &method, .sees_all = sees_all };

        polkit_authorise(&request);
}

static void test_no_row(void **state) {
        static const char *const members[] = { "Reboot", "", "switchmode", "SwitchModes",
                                               "Switch" };

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                for (unsigned is_root = 0; is_root < 2; is_root++) {
                        (void)set_up(state);
                        authorise(members[i], is_root);
                        assert_int_equal(refused, REFUSAL_NOT_AUTHORISED);
                        assert_int_equal(performed, 0);
                }
}

static void test_open_to_all(void **state) {
        (void)state;
        authorise("Describe", false);
        authorise("CheckMode", false);
        assert_int_equal(performed, 2);
        assert_int_equal(refused, REFUSAL_NONE);
}

static void test_root(void **state) {
        (void)state;
        authorise("SwitchMode", true);
        assert_int_equal(performed, 1);
        assert_int_equal(refused, REFUSAL_NONE);
}

/* Nor is anybody let through who could not be asked about. */
static void test_polkit_cannot_be_asked(void **state) {
        const Method method = { .member = "SwitchMode", .perform = perform };
        Service service = { 0 }; /* without a bus */
        Request request = { .method = &method, .service = &service };

        (void)state;
        polkit_authorise(&request);
        assert_int_equal(refused, REFUSAL_NOT_AUTHORISED);
        assert_int_equal(performed, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                { "a method without a row", test_no_row, set_up, NULL, NULL },
                { "a method that is free", test_open_to_all, set_up, NULL, NULL },
                { "root needs no polkit", test_root, set_up, NULL, NULL },
                { "a question that cannot be sent", test_polkit_cannot_be_asked, set_up, NULL,
                  NULL },
        };

        return cmocka_run_group_tests_name("polkit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was undone, in words that have a bound. test-plan-apply holds them against what was done.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/undone.h"

/* However many functions there are, what failed comes first, and the text has its end. */
static void test_undone_has_an_end(void **state) {
        Refusal refusal = { .kind = REFUSAL_HALF_WAY };
        HomeFunction home = { .driver = "a-driver-of-a-long-name" };
        Undone undone = { 0 };

        for (unsigned i = 0; i < 100; i++) {
                home.address.bus = (uint8_t)i;
                undone_add(&undone, &home, (int)(i % 3) - 1);
        }
        (void)memset(refusal.text, 'x', sizeof(refusal.text) - 1);
        undone_say(&undone, &refusal);
        assert_int_equal(strspn(refusal.text, "x"), strchr(refusal.text, ' ') - refusal.text);
        assert_true(strspn(refusal.text, "x") > 150);
        assert_non_null(strstr(refusal.text, ", 0000:09:00.0 and 30 more. Undone: 0000:02:00.0 is "
                                             "on a-driver-of-a-long-name again, "));
        assert_string_equal(refusal.text + strlen(refusal.text) - strlen(" more."), " more.");
}

/* Who may not know of processes is told as much of the functions. */
static void test_public(void **state) {
        HomeFunction home = { .driver = "bochs-drm" };
        Undone undone = { 0 };
        Refusal refusal;

        (void)refusal_set(&refusal, REFUSAL_BUSY, "By process 7 (qemu).");
        refusal_set_public(&refusal, "By a process.");
        undone_add(&undone, &home, 1);
        undone_say(&undone, &refusal);
        assert_string_equal(refusal.text, "By process 7 (qemu). Undone: 0000:00:00.0 is on "
                                          "bochs-drm again.");
        assert_string_equal(refusal.public_text,
                            "By a process. Undone: 0000:00:00.0 is on bochs-drm again.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                { "a hundred functions", test_undone_has_an_end, NULL, NULL, NULL },
                { "without names of processes", test_public, NULL, NULL, NULL },
        };

        return cmocka_run_group_tests_name("undone", tests, NULL, NULL);
}

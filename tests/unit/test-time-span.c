/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base/time-span: what is a span, what is none, and where it ends.
 */
#include <errno.h>
#include <stdio.h>

#include "base/time-span.h"
#include "table.h"

#define DAY UINT64_C(86400)
#define UNTOUCHED UINT64_C(4711)

typedef struct Row {
        const char *text;
        int result;
        uint64_t seconds;
} Row;

static const Row rows[] = {
        { "30s", 0, 30 },
        { "5min", 0, 300 },
        { "1h", 0, 3600 },
        { "90", 0, 90 },
        { "0", 0, 0 },
        { "007s", 0, 7 },
        { "1h 30min", 0, 5400 },
        { "1h30min", 0, 5400 },
        { "1 h 30 min 5", 0, 5405 },
        { "30min 1h", 0, 5400 },
        { "2m", 0, 120 },
        { "2minutes", 0, 120 },
        { "1hr", 0, 3600 },
        { "1d", 0, DAY },
        { "1day", 0, DAY },
        { "24hours", 0, DAY },
        { "86400 seconds ", 0, DAY },
        { "", -EINVAL, 0 },
        { " ", -EINVAL, 0 },
        { "s", -EINVAL, 0 },
        { " 5s", -EINVAL, 0 },
        { "-5s", -EINVAL, 0 },
        { "+5s", -EINVAL, 0 },
        { "1.5h", -EINVAL, 0 },
        { "5S", -EINVAL, 0 },
        { "5ms", -EINVAL, 0 },
        { "5us", -EINVAL, 0 },
        { "5 parsecs", -EINVAL, 0 },
        { "5sx", -EINVAL, 0 },
        { "5s,", -EINVAL, 0 },
        { "5s 5s", -EINVAL, 0 },
        { "5 5s", -EINVAL, 0 },
        { "infinity", -EINVAL, 0 },
        { "5\n", -EINVAL, 0 },
        { "86401", -ERANGE, 0 },
        { "1d 1s", -ERANGE, 0 },
        { "2d", -ERANGE, 0 },
        { "25h", -ERANGE, 0 },
        { "18446744073709551616", -ERANGE, 0 },
        { "307445734561825861min", -ERANGE, 0 },
};

static void test_spans(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                uint64_t seconds = UNTOUCHED;
                int r = time_span_parse(rows[i].text, DAY, &seconds);

                if (r != rows[i].result)
                        fail_msg("'%s': %d, not %d", rows[i].text, r, rows[i].result);
                assert_int_equal(seconds, r < 0 ? UNTOUCHED : rows[i].seconds);
        }
}

/* No sum overflows, whatever the limit is. */
static void test_the_largest_limit(void **state) {
        uint64_t seconds = UNTOUCHED;

        assert_int_equal(time_span_parse("18446744073709551615", UINT64_MAX, &seconds), 0);
        assert_true(seconds == UINT64_MAX);
        assert_int_equal(time_span_parse("18446744073709551616", UINT64_MAX, &seconds), -ERANGE);
        assert_int_equal(time_span_parse("18446744073709551615 1min", UINT64_MAX, &seconds),
                         -ERANGE);
        assert_int_equal(time_span_parse("307445734561825861min", UINT64_MAX, &seconds), -ERANGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_the_largest_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

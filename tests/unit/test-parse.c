/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/parse: numbers and words. */
#undef NDEBUG

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "table.h"

static const struct Decimal {
        const char *title;
        const char *text;
        uint64_t max;
        int result;
        uint64_t value;
} decimals[] = {
        { "zero", "0", 9, 0, 0 },
        { "a number at its limit", "120", 120, 0, 120 },
        { "a number above its limit", "121", 120, -ERANGE, 0 },
        { "a digit above its limit", "9", 8, -ERANGE, 0 },
        { "zeros in front", "007", 9, 0, 7 },
        { "the largest there is", "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
        { "one more than the largest there is", "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
        { "a number of many digits", "99999999999999999999999", UINT64_MAX, -ERANGE, 0 },
        { "nothing", "", 9, -EINVAL, 0 },
        { "a sign", "+1", 9, -EINVAL, 0 },
        { "a minus", "-1", 9, -EINVAL, 0 },
        { "a blank in front", " 1", 9, -EINVAL, 0 },
        { "a line break behind", "1\n", 9, -EINVAL, 0 },
        { "hexadecimal", "0x1", 9, -EINVAL, 0 },
        { "junk behind a number that is too large", "100x", 9, -EINVAL, 0 },
};

static void test_decimal(void **state) {
        const struct Decimal *row = *state;
        uint64_t value = 4711;

        assert_int_equal(parse_decimal(row->text, row->max, &value), row->result);
        assert_int_equal(value, row->result < 0 ? 4711 : row->value);
}

static const struct Hex {
        const char *title;
        const char *text;
        size_t digits;
        int result;
        uint32_t value;
} hexes[] = {
        { "hex digits of lower case", "10de", 4, 0, 0x10de },
        { "hex digits of upper case", "10DE", 4, 0, 0x10de },
        { "the limits of each range of digits", "09afAF", 6, 0, 0x09afaf },
        { "eight hex digits", "ffffffff", 8, 0, UINT32_MAX },
        { "what follows the hex digits is not looked at", "0b:00", 2, 0, 0x0b },
        { "too few hex digits", "10d", 4, -EINVAL, 0 },
        { "behind F", "G", 1, -EINVAL, 0 },
        { "behind f", "g", 1, -EINVAL, 0 },
        { "before A", "@", 1, -EINVAL, 0 },
        { "before a", "`", 1, -EINVAL, 0 },
        { "before 0", "/", 1, -EINVAL, 0 },
        { "no hex digits wanted", "1", 0, -EINVAL, 0 },
        { "nine hex digits wanted", "123456789", 9, -EINVAL, 0 },
};

static void test_hex(void **state) {
        const struct Hex *row = *state;
        uint32_t value = 4711;

        assert_int_equal(parse_hex_digits(row->text, row->digits, &value), row->result);
        assert_int_equal(value, row->result < 0 ? 4711 : row->value);
}

static const struct Words {
        const char *title;
        const char *text;
        const char *words[4];
} lists[] = {
        { "words between blanks", "  gpu\trouter-nic  x ", { "gpu", "router-nic", "x" } },
        { "one word", "gpu", { "gpu" } },
        { "a line break is no blank", "a\nb c", { "a\nb", "c" } },
        { "an empty list", "", { NULL } },
        { "a list of blanks", " \t ", { NULL } },
};

static void test_words(void **state) {
        const struct Words *row = *state;
        const char *cursor = row->text;
        size_t length = 4711;

        for (const char *const *expected = row->words; *expected; expected++) {
                const char *word = parse_word(&cursor, &length);

                assert_non_null(word);
                assert_int_equal(length, strlen(*expected));
                assert_memory_equal(word, *expected, length);
        }
        length = 4711;
        assert_null(parse_word(&cursor, &length));
        assert_null(parse_word(&cursor, &length));
        assert_int_equal(length, 4711);
        assert_ptr_equal(cursor, row->text + strlen(row->text));
}

static void test_copy(void **state) {
        char buffer[4] = "abc";

        (void)state;
        assert_int_equal(parse_copy(buffer, sizeof(buffer), "wxyz", 4), -ENAMETOOLONG);
        assert_int_equal(parse_copy(buffer, 0, "", 0), -ENAMETOOLONG);
        assert_string_equal(buffer, "abc");
        assert_int_equal(parse_copy(buffer, sizeof(buffer), "wxyz", 3), 0);
        assert_string_equal(buffer, "wxy");
        assert_int_equal(parse_copy(buffer, sizeof(buffer), "wxyz", 0), 0);
        assert_string_equal(buffer, "");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_decimal, decimals);
        TABLE_ROWS(&table, test_hex, hexes);
        TABLE_ROWS(&table, test_words, lists);
        table_add(&table, "copying what fits, and only that", test_copy, NULL);
        return table_run("parse", &table);
}

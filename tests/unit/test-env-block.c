/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GRUB's environment block: what is read out of bytes, good and bad, and what an edit makes of
 * them. tests/differential holds the edits against grub-editenv(1).
 */
#undef NDEBUG

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/env-block.h"
#include "table.h"

#define SIGNATURE "# GRUB Environment Block\n"

/* A block of @text behind the signature and '#' behind that. */
static void fill(EnvBlock *block, const char *text) {
        (void)memset(block->bytes, '#', sizeof(block->bytes));
        (void)memcpy(block->bytes, SIGNATURE, strlen(SIGNATURE));
        (void)memcpy(block->bytes + strlen(SIGNATURE), text, strlen(text));
}

static void assert_block(const EnvBlock *block, const char *text) {
        EnvBlock expected;

        fill(&expected, text);
        assert_memory_equal(block->bytes, expected.bytes, sizeof(expected.bytes));
}

/* ---- Reading ---- */

static const struct Get {
        const char *title;
        const char *text, *name;
        const char *value; /* NULL: there is none */
} gets[] = {
        { "a variable", "a=1\n", "a", "1" },
        { "an empty value", "a=\nb=2\n", "a", "" },
        { "a variable behind others", "a=1\nab=2\nabc=3\n", "abc", "3" },
        { "a name that only begins another's", "ab=2\n", "a", NULL },
        { "a name that goes on", "a=2\n", "ab", NULL },
        { "the last of two", "a=1\nb=2\na=3\n", "a", "3" },
        { "a value with equals signs and '#'", "a=b=c#d\n", "a", "b=c#d" },
        { "backslashes", "a=b\\\\c\\\nd\\e\n", "a", "b\\c\nde" },
        { "a comment between", "a=1\n# b=7\nb=2\n", "b", "2" },
        { "what stands in a comment", "# b=7\n", "b", NULL },
        { "a comment that goes on", "# c\\\nb=7\nc=1\n", "b", NULL },
        { "nothing at all", "", "a", NULL },
        { "a line without an equals sign takes the next along", "junk\na=1\nb=2\n", "a", NULL },
        { "and the one behind that is seen", "junk\na=1\nb=2\n", "b", "2" },
        { "an empty line takes the next along", "a=1\n\nb=2\n", "b", NULL },
        { "a value without an end", "a=1\nb=2", "b", NULL },
        { "before a value without an end", "a=1\nb=2", "a", "1" },
        { "a value whose newline is taken along", "a=1\nb=2\\\n", "b", NULL },
};

static void test_get(void **state) {
        const struct Get *row = *state;
        char value[64] = "untouched";
        EnvBlock block;
        int r;

        fill(&block, row->text);
        r = env_block_get(&block, row->name, value, sizeof(value));
        if (row->value) {
                assert_int_equal(r, strlen(row->value));
                assert_string_equal(value, row->value);
        } else {
                assert_int_equal(r, -ENOENT);
                assert_string_equal(value, "untouched");
        }
}

static void test_get_nul(void **state) {
        char value[8];
        EnvBlock block;

        (void)state;
        fill(&block, "aXb=1X2\n");
        block.bytes[strlen(SIGNATURE) + 1] = '\0';
        block.bytes[strlen(SIGNATURE) + 5] = '\0';
        assert_int_equal(env_block_get(&block, "a", value, sizeof(value)), 1);
        assert_string_equal(value, "1");
}

static void test_get_too_long(void **state) {
        char value[4];
        EnvBlock block;

        (void)state;
        fill(&block, "a=123\nb=1234\n");
        assert_int_equal(env_block_get(&block, "a", value, sizeof(value)), 3);
        assert_int_equal(env_block_get(&block, "b", value, sizeof(value)), -ENAMETOOLONG);
        assert_int_equal(env_block_get(&block, "a", value, 0), -ENAMETOOLONG);
}

static void test_check(void **state) {
        EnvBlock block;

        (void)state;
        env_block_init(&block);
        assert_int_equal(env_block_check(block.bytes, sizeof(block.bytes)), 0);
        assert_int_equal(env_block_check(block.bytes, 26), 0);
        assert_int_equal(env_block_check(block.bytes, 25), -EBADMSG);
        assert_int_equal(env_block_check("", 0), -EBADMSG);
        block.bytes[24] = ' ';
        assert_int_equal(env_block_check(block.bytes, sizeof(block.bytes)), -EBADMSG);
}

/* ---- Writing ---- */

static const struct Set {
        const char *title;
        const char *before, *name, *value;
        int error;
        const char *after; /* NULL: the same */
} sets[] = {
        { "a first variable", "", "a", "1", 0, "a=1\n" },
        { "a second variable", "a=1\n", "b", "2", 0, "a=1\nb=2\n" },
        { "the same length", "a=1\nb=2\n", "a", "3", 0, "a=3\nb=2\n" },
        { "a longer value in its place", "a=1\nb=2\n", "a", "123", 0, "a=123\nb=2\n" },
        { "a shorter value in its place", "a=123\nb=2\n", "a", "1", 0, "a=1\nb=2\n" },
        { "an empty value", "a=123\nb=2\n", "a", "", 0, "a=\nb=2\n" },
        { "backslashes", "", "a", "b\\c\nd", 0, "a=b\\\\c\\\nd\n" },
        { "a value with backslashes becomes shorter", "a=b\\\\c\\\nd\nb=2\n", "a", "x", 0,
          "a=x\nb=2\n" },
        { "the first of two", "a=1\na=2\n", "a", "3", 0, "a=3\na=2\n" },
        { "'#' at the end of a value", "a=1##\n", "b", "##", 0, "a=1##\nb=##\n" },
        { "behind a comment", "# c\n", "a", "1", 0, "# c\na=1\n" },
        { "a block without an end", "a=1", "b", "2", -ENOSPC, NULL },
        { "a value without an end", "a=1\\\n", "a", "2", -ENOSPC, NULL },
        { "no name", "", "", "1", -EINVAL, NULL },
        { "a name with an equals sign", "", "a=b", "1", -EINVAL, NULL },
        { "a name with a newline", "", "a\nb", "1", -EINVAL, NULL },
};

static void test_set(void **state) {
        const struct Set *row = *state;
        EnvBlock block;

        fill(&block, row->before);
        assert_int_equal(env_block_set(&block, row->name, row->value), row->error);
        assert_block(&block, row->after ? row->after : row->before);
}

/* A newline behind the filling, as other tools have left it: GRUB has no room any more. */
static void test_newline_behind_the_filling(void **state) {
        EnvBlock block;
        char value[8];

        (void)state;
        fill(&block, "a=1\n");
        block.bytes[ENV_BLOCK_SIZE - 1] = '\n';
        assert_int_equal(env_block_set(&block, "b", "2"), -ENOSPC);
        assert_int_equal(env_block_set(&block, "a", "12"), -ENOSPC);
        assert_int_equal(env_block_set(&block, "a", "2"), 0);
        assert_int_equal(env_block_get(&block, "a", value, sizeof(value)), 1);
        assert_string_equal(value, "2");
}

/* Writable is what takes a value of the length that is there. */
static void test_writable(void **state) {
        EnvBlock block;

        (void)state;
        fill(&block, "a=1\n");
        assert_true(env_block_is_writable(&block));
        block.bytes[ENV_BLOCK_SIZE - 1] = '\n';
        assert_true(env_block_is_writable(&block));
        block.bytes[ENV_BLOCK_SIZE - 1] = 'x';
        assert_false(env_block_is_writable(&block));
        assert_int_equal(env_block_set(&block, "a", "2"), -ENOSPC);
        fill(&block, "a=1");
        assert_false(env_block_is_writable(&block));
}

static void test_no_signature(void **state) {
        EnvBlock block;

        (void)state;
        (void)memset(block.bytes, '#', sizeof(block.bytes));
        assert_int_equal(env_block_set(&block, "a", "1"), -ENOSPC);
}

static void test_full(void **state) {
        char value[ENV_BLOCK_SIZE];
        EnvBlock block, before;

        (void)state;
        env_block_init(&block);
        (void)memset(value, 'x', sizeof(value));
        /* 1024 - 94 of the two lines in front - "a=" and a newline */
        value[927] = '\0';
        before = block;
        assert_int_equal(strlen(value), 927);
        assert_int_equal(env_block_set(&block, "abcd", value), -ENOSPC);
        assert_memory_equal(&block, &before, sizeof(block));
        value[920] = '\0';
        assert_int_equal(env_block_set(&block, "a", value), 0);
        before = block;
        assert_int_equal(env_block_set(&block, "bcd", "1234567890"), -ENOSPC);
        assert_memory_equal(&block, &before, sizeof(block));
        assert_int_equal(env_block_set(&block, "a", "1"), 0);
        assert_int_equal(env_block_set(&block, "bcd", "1234567890"), 0);
}

/* ---- What is set is read ---- */

static uint32_t next_random(uint64_t *random) {
        *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (uint32_t)(*random >> 33);
}

static void test_what_is_set_is_read(void **state) {
        static const char bytes[] = "ab\\\n=#\xff";
        static const char *const names[] = { "a", "b", "ab", "ba", "c" };
        char values[ARRAY_SIZE(names)][256] = { 0 }, value[256];
        bool present[ARRAY_SIZE(names)] = { 0 };
        uint64_t random = 3;
        EnvBlock block;

        (void)state;
        env_block_init(&block);
        for (unsigned i = 0; i < 20000; i++) {
                size_t which = next_random(&random) % ARRAY_SIZE(names);
                size_t length = next_random(&random) % (sizeof(value) - 1);

                for (size_t j = 0; j < length; j++)
                        value[j] = bytes[next_random(&random) % (sizeof(bytes) - 1)];
                value[length] = '\0';
                if (next_random(&random) % 64 == 0) {
                        env_block_init(&block);
                        (void)memset(present, 0, sizeof(present));
                } else if (env_block_set(&block, names[which], value) == 0) {
                        present[which] = true;
                        (void)strcpy(values[which], value);
                }
                for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
                        assert_int_equal(env_block_get(&block, names[j], value, sizeof(value)),
                                         present[j] ? (int)strlen(values[j]) : -ENOENT);
                        if (present[j])
                                assert_string_equal(value, values[j]);
                }
        }
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_get, gets);
        TABLE_ROWS(&table, test_set, sets);
        table_add(&table, "a NUL byte ends a name and a value", test_get_nul, NULL);
        table_add(&table, "a value that does not fit", test_get_too_long, NULL);
        table_add(&table, "the signature alone makes a block", test_check, NULL);
        table_add(&table, "a newline behind the filling", test_newline_behind_the_filling, NULL);
        table_add(&table, "what GRUB can write", test_writable, NULL);
        table_add(&table, "bytes that are no block", test_no_signature, NULL);
        table_add(&table, "a block that is full stays as it is", test_full, NULL);
        table_add(&table, "what is set is read", test_what_is_set_is_read, NULL);
        return table_run("env-block", &table);
}

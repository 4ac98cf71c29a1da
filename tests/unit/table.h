/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests as tables for cmocka: each row is a test of its own, named by its `title` in plain words,
 * and finds itself in *state.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

typedef struct Table {
        struct CMUnitTest tests[256];
        size_t n_tests;
} Table;

static inline void table_add(Table *table, const char *title, CMUnitTestFunction run,
                             const void *row) {
        assert_in_range(table->n_tests, 0, ARRAY_SIZE(table->tests) - 1);
        table->tests[table->n_tests++] = (struct CMUnitTest){
                .name = title,
                .test_func = run,
                .initial_state = (void *)row,
        };
}

#define TABLE_ROWS(table, run, rows)                           \
        for (size_t row_ = 0; row_ < ARRAY_SIZE(rows); row_++) \
        table_add((table), (rows)[row_].title, (run), &(rows)[row_])

static inline int table_run(const char *name, const Table *table) {
        return _cmocka_run_group_tests(name, table->tests, table->n_tests, NULL, NULL);
}

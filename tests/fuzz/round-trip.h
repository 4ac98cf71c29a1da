/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of a file that we write ourselves: whatever lies there, it is refused, or it is written and read
 * back to the same text.
 */
#pragma once

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A function of that name: what is in @text as it is written by a format() that allocates, NULL
 * where it is refused. The caller frees it. */
#define ROUND_TRIP(name, type, parse, format)               \
        static char *name(const char *text) {               \
                type *value = malloc(sizeof(*value));       \
                char *first = NULL, *second = NULL;         \
                                                            \
                assert(value);                              \
                if (parse(text, value) >= 0) {              \
                        assert(format(value, &first) > 0);  \
                        assert(parse(first, value) == 0);   \
                        assert(format(value, &second) > 0); \
                        assert(strcmp(first, second) == 0); \
                }                                           \
                free(second);                               \
                free(value);                                \
                return first;                               \
        }

/* The fuzz target of one that fits in a buffer. */
#define FUZZ_ROUND_TRIP(type, parse, format, size_max)                      \
        int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {      \
                char first[size_max], second[size_max];                     \
                type value;                                                 \
                char *text;                                                 \
                                                                            \
                if (size >= (size_max))                                     \
                        return 0;                                           \
                text = malloc(size + 1);                                    \
                assert(text);                                               \
                (void)memcpy(text, data, size);                             \
                text[size] = '\0';                                          \
                if (parse(text, &value) >= 0) {                             \
                        assert(format(&value, first, sizeof(first)) > 0);   \
                        assert(parse(first, &value) == 0);                  \
                        assert(format(&value, second, sizeof(second)) > 0); \
                        assert(strcmp(first, second) == 0);                 \
                }                                                           \
                free(text);                                                 \
                return 0;                                                   \
        }

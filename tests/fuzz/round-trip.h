/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzz target of a file that we write ourselves: whatever lies there, it is refused, or it is
 * written and read back to the same text.
 */
#pragma once

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GRUB's environment block: whatever the bytes are, nothing is read or written beside them, what
 * was set is read, and an edit that is refused changes nothing. The first line of the input is a
 * name, the second a value, the rest the block from behind its signature on.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/env-block.h"

#define SIGNATURE_LENGTH 25

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes a line off the input. The caller frees it. */
static char *take_line(const uint8_t **data, size_t *size) {
        const uint8_t *newline = *size > 0 ? memchr(*data, '\n', *size) : NULL;
        size_t length = newline ? (size_t)(newline - *data) : *size;
        char *line = malloc(length + 1);

        assert(line);
        if (length > 0)
                (void)memcpy(line, *data, length);
        line[length] = '\0';
        *data += length + (newline ? 1 : 0);
        *size -= length + (newline ? 1 : 0);
        return line;
}

static void walk(const EnvBlock *block) {
        char value[ENV_BLOCK_SIZE];
        EnvVariable variable;
        size_t cursor = 0;

        while (env_block_next(block, &cursor, &variable)) {
                assert(variable.name >= block->bytes + SIGNATURE_LENGTH);
                assert(variable.name + variable.name_length < variable.value);
                assert(variable.value + variable.value_length < block->bytes + ENV_BLOCK_SIZE);
                assert(env_variable_value(&variable, value, sizeof(value)) >= 0);
        }
}

/* Whether the value that is read is the last of two: then it is not the one that set() changes. */
static int edit(EnvBlock *block, const char *name, const char *value) {
        EnvBlock before = *block;
        int r = env_block_set(block, name, value);

        assert(r == 0 || memcmp(block, &before, sizeof(before)) == 0);
        walk(block);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *name = take_line(&data, &size), *value = take_line(&data, &size);
        char got[ENV_BLOCK_SIZE];
        EnvBlock *block = malloc(sizeof(*block));

        assert(block);
        env_block_init(block);
        if (size > ENV_BLOCK_SIZE - SIGNATURE_LENGTH)
                size = ENV_BLOCK_SIZE - SIGNATURE_LENGTH;
        if (size > 0)
                (void)memcpy(block->bytes + SIGNATURE_LENGTH, data, size);

        walk(block);
        assert(edit(block, name, value) < 0 || env_block_is_writable(block));

        env_block_init(block);
        if (edit(block, name, value) == 0 && name[0] != '#') {
                assert(env_block_get(block, name, got, sizeof(got)) == (int)strlen(value));
                assert(strcmp(got, value) == 0);
        }
        free(name);
        free(value);
        free(block);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever stands around it, what says whose machine it is goes. Whichever lines of a file are
 * taken, there are no more than before.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/redact-file.h"
#include "model/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const secrets[] = {
        " 6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44 ",
        " 1A2B-3C4D ",
        " 76666966a01d4f4da0de000000000001 ",
        " 52:54:00:ab:cd:ef ",
        " enx525400abcdef ",
        " 192.168.1.7 ",
        " fe80::5054:ff:feab:cdef ",
        " alice ",
        " my-pc ",
        " /home/bob ",
};

static void check_text(Redactor *redactor, const char *text, size_t size) {
        _cleanup_free_ char *result = NULL;
        size_t length;

        assert(redact(redactor, text, size, &result, &length) == 0 && result[length] == '\0');
        for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
                assert(!memmem(result, length, secrets[i], strlen(secrets[i])));
}

static void check_texts(const char *data, size_t size) {
        _cleanup_(redactor_freep) Redactor *redactor = redactor_new();
        _cleanup_free_ char *text = malloc(2 * size + 64);

        assert(text && redactor && redactor_add_word(redactor, REDACT_USER_NAME, "alice") == 0 &&
               redactor_add_word(redactor, REDACT_HOST_NAME, "my-pc") == 0);
        for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
                size_t length = strlen(secrets[i]);

                (void)memcpy(text, data, size);
                (void)memcpy(text + size, secrets[i], length);
                (void)memcpy(text + size + length, data, size);
                check_text(redactor, text, 2 * size + length);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 2);

        assert(text);
        check_texts((const char *)data, size);
        for (RedactFile what = REDACT_FILE_TEXT; what <= REDACT_FILE_NVIDIA; what++) {
                (void)memcpy(text, data, size);
                text[size] = '\0';
                assert(redact_file(what, text, size) <= size);
        }
        free(text);
        return 0;
}

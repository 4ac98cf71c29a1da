/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever stands around it, what says whose machine it is goes. Whichever lines of a file are
 * taken, there are no more than before.
 */
#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/redact-file.h"
#include "model/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const secrets[] = {
        "6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44",
        "6d3f1c52\\x2d8f0e\\x2d4a53\\x2d9d0c\\x2d2f5b7c1e9a44",
        "1A2B-3C4D",
        "1A2B\\x2d3C4D",
        "01D9A2B3C4D5E6F7",
        "3EI0yF-1UiS-tcbW-gHEF-5KM5-m0Cc-cFWRtK",
        "PARTUUID=1a2b3c4d-02",
        "76666966a01d4f4da0de000000000001",
        "3600508b400105e210000900000490000",
        "wwn-0x5002538e40b0c0d1",
        "disk/by-id/ata-WDC_WD40_WCC7K0",
        "52:54:00:ab:cd:ef",
        "BOOTIF=01-52-54-00-ab-cd-ef",
        "enx525400abcdef",
        "192.168.1.7",
        "fe80::5054:ff:feab:cdef",
        "rd.iscsi.password=hunter2",
        "http://me:hunter2@nas",
        "Alice",
        "alice_crypt",
        "my-PC",
        "my--pc",
        "my\\x2dpc",
        "Win 11",
        "/home/bob",
};

/* What a secret may stand between. */
static const struct Around {
        const char *before, *after;
} around[] = {
        { " ", " " }, { "\n", "\n" }, { "=", "," },
        { "'", "'" }, { "/", "/" },   { "by\\x2duuid-", ".device" },
};

static void check_text(Redactor *redactor, const char *text, size_t size, const char *secret) {
        _cleanup_free_ char *result = NULL;
        size_t length;

        assert(redact(redactor, text, size, &result, &length) == 0 && result[length] == '\0');
        assert(!memmem(result, length, secret, strlen(secret)));
}

/* Between one pair of them each time: all would be too slow to get anywhere. */
static void check_secret(Redactor *redactor, const char *secret, const char *data, size_t size) {
        const struct Around *stands = &around[size % ARRAY_SIZE(around)];
        _cleanup_free_ char *text = malloc(2 * size + 128);
        char middle[96];
        int length =
                snprintf(middle, sizeof(middle), "%s%s%s", stands->before, secret, stands->after);

        assert(text && length > 0 && length < (int)sizeof(middle));
        (void)memcpy(text, data, size);
        (void)memcpy(text + size, middle, (size_t)length);
        (void)memcpy(text + size + length, data, size);
        check_text(redactor, text, 2 * size + (size_t)length, middle);
}

static void check_texts(const char *data, size_t size) {
        _cleanup_(redactor_freep) Redactor *redactor = redactor_new();

        assert(redactor && redactor_add_word(redactor, REDACT_USER_NAME, "alice") == 0 &&
               redactor_add_word(redactor, REDACT_HOST_NAME, "my-pc") == 0 &&
               redactor_add_word(redactor, REDACT_GUEST_NAME, "win 11") == 0);
        for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
                check_secret(redactor, secrets[i], data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 2);

        assert(text);
        check_texts((const char *)data, size);
        for (RedactFile what = REDACT_FILE_TEXT; what <= REDACT_FILE_DIRECTORY; what++) {
                (void)memcpy(text, data, size);
                text[size] = '\0';
                assert(redact_file(what, text, size) <= size);
        }
        free(text);
        return 0;
}

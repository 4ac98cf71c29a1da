/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of refusals: names and exit codes are a contract with scripts. */
#undef NDEBUG
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/host.h"
#include "model/refusal.h"
#include "model/run-result.h"

typedef struct Row {
        RefusalKind kind;
        const char *name;
        int exit_code;
} Row;

/* DESIGN §6 and §7. */
static const Row rows[] = {
        { REFUSAL_NONE, "none", 0 },
        { REFUSAL_CONFIG_INVALID, "config-invalid", 3 },
        { REFUSAL_UNKNOWN_MODE, "unknown-mode", 3 },
        { REFUSAL_FALLBACK_TAKES_DISPLAY, "fallback-takes-display", 3 },
        { REFUSAL_NOT_FOUND, "not-found", 5 },
        { REFUSAL_OTHER_DEVICE_THERE, "other-device-there", 5 },
        { REFUSAL_AMBIGUOUS_ID, "ambiguous-id", 5 },
        { REFUSAL_NO_IOMMU, "no-iommu", 5 },
        { REFUSAL_GROUP_NOT_VIABLE, "group-not-viable", 5 },
        { REFUSAL_DRIVES_THE_CONSOLE, "drives-the-console", 6 },
        { REFUSAL_WOULD_CUT_NETWORK, "would-cut-network", 6 },
        { REFUSAL_WOULD_CUT_STORAGE, "would-cut-storage", 6 },
        { REFUSAL_WOULD_CUT_INPUT, "would-cut-input", 6 },
        { REFUSAL_SHARED_DRIVER, "shared-driver", 6 },
        { REFUSAL_CONFLICTING_OWNER, "conflicting-owner", 5 },
        { REFUSAL_BUSY, "busy", 4 },
        { REFUSAL_INHIBITED, "inhibited", 4 },
        { REFUSAL_NO_MEMORY, "no-memory", 10 },
        { REFUSAL_MODULE_UNAVAILABLE, "module-unavailable", 5 },
        { REFUSAL_ALREADY_SWITCHING, "already-switching", 4 },
        { REFUSAL_SHUTTING_DOWN, "shutting-down", 4 },
        { REFUSAL_NOT_FOR_VM, "not-for-vm", 6 },
        { REFUSAL_HELD, "held", 11 },
        { REFUSAL_NOT_SUPPORTED, "not-supported", 5 },
        { REFUSAL_UNPROTECTED, "unprotected", 5 },
        { REFUSAL_CMDLINE_TOO_LONG, "cmdline-too-long", 5 },
        { REFUSAL_OTHER_DEFAULT, "other-default", 4 },
        { REFUSAL_OTHER_BOOT, "other-boot", 5 },
        { REFUSAL_NOT_AUTHORISED, "not-authorised", 8 },
        { REFUSAL_TIMED_OUT, "timed-out", 12 },
        { REFUSAL_WEDGED, "wedged", 7 },
        { REFUSAL_FAILED, "failed", 1 },
        { REFUSAL_HALF_WAY, "half-way", 1 },
};

static void test_row(void **state) {
        const Row *row = *state;
        const char *sentence = refusal_sentence(row->kind);

        assert_string_equal(refusal_name(row->kind), row->name);
        assert_int_equal(refusal_exit_code(row->kind), row->exit_code);
        assert_int_equal(refusal_by_name(row->name), row->kind);
        assert_true(isupper((unsigned char)sentence[0]));
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
}

static void test_all_are_here(void **state) {
        assert_int_equal(ARRAY_SIZE(rows), _REFUSAL_MAX);
}

static void test_unknown_name(void **state) {
        assert_int_equal(refusal_by_name("no-such-refusal"), REFUSAL_NONE);
        assert_int_equal(refusal_by_name(""), REFUSAL_NONE);
}

static void test_set(void **state) {
        Refusal refusal = { 0 };

        assert_int_equal(
                refusal_set(&refusal, REFUSAL_BUSY, "%s is in use by %d.", "0000:01:00.0", 42),
                REFUSAL_BUSY);
        assert_int_equal(refusal.kind, REFUSAL_BUSY);
        assert_string_equal(refusal.text, "0000:01:00.0 is in use by 42.");
        assert_string_equal(refusal_public(&refusal), "0000:01:00.0 is in use by 42.");
        refusal_set_public(&refusal, "%s is in use.", "0000:01:00.0");
        assert_string_equal(refusal.text, "0000:01:00.0 is in use by 42.");
        assert_string_equal(refusal_public(&refusal), "0000:01:00.0 is in use.");
        (void)refusal_set(&refusal, REFUSAL_FAILED, "Something else.");
        assert_string_equal(refusal_public(&refusal), "Something else.");
}

/* A process is named to root, and only that there is one to everybody. */
static void test_set_holder(void **state) {
        static const PciAddress gpu = { 0, 1, 0, 0 };
        const Holder qemu = { .pid = 42, .command = "qemu" }, unseen = { .pid = HOLDER_UNSEEN };
        RunResult result = { 0 };
        Refusal refusal;

        assert_int_equal(refusal_set_holder(&refusal, gpu, &qemu, "is in use"), REFUSAL_BUSY);
        run_result_set_refusal(&result, &refusal);
        assert_string_equal(result.full_text, "0000:01:00.0 is in use by process 42 (qemu); shut "
                                              "that guest down first.");
        assert_string_equal(result.text, "0000:01:00.0 is in use by a process, not named to "
                                         "everybody; shut that guest down first.");
        result = (RunResult){ 0 };
        (void)refusal_set_holder(&refusal, gpu, &unseen, "has come into use meanwhile,");
        run_result_set_refusal(&result, &refusal);
        assert_string_equal(result.full_text, "");
        assert_string_equal(result.text,
                            "0000:01:00.0 has come into use meanwhile, by a process that cannot be "
                            "seen from here; shut that guest down first.");
}

static void test_set_cuts(void **state) {
        Refusal refusal = { 0 };
        char text[2 * REFUSAL_TEXT_SIZE];

        (void)memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        (void)refusal_set(&refusal, REFUSAL_FAILED, "%s", text);
        assert_int_equal(strlen(refusal.text), REFUSAL_TEXT_SIZE - 1);
}

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(rows) + 5] = {
                { "every refusal is in this list", test_all_are_here, NULL, NULL, NULL },
                { "an unknown name is no refusal", test_unknown_name, NULL, NULL, NULL },
                { "a refusal is said of this machine", test_set, NULL, NULL, NULL },
                { "who has it is not named to everybody", test_set_holder, NULL, NULL, NULL },
                { "a text that is too long is cut", test_set_cuts, NULL, NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[5 + i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL,
                                                    (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text form of RunResult. Written by one version and read by the same one within one boot, so
 * it has no version of its own; what is not understood is refused.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "run-result.h"

void run_result_set_refusal(RunResult *result, const Refusal *refusal) {
        (void)snprintf(result->text, sizeof(result->text), "%s", refusal_public(refusal));
        if (strcmp(result->text, refusal->text) != 0)
                (void)snprintf(result->full_text, sizeof(result->full_text), "%s", refusal->text);
}

void run_result_print(const RunResult *result, FILE *file) {
        record_print(file, "invocation", result->invocation);
        record_print(file, "verb", result->verb);
        record_print(file, "mode", result->mode);
        record_print(file, "result", refusal_name(result->kind));
        (void)fprintf(file, "steps=%u\n", result->n_steps);
        record_print(file, "text", result->text);
}

static int parse_line(const char *key, const char *value, RunResult *result) {
        uint64_t number;

        if (strcmp(key, "invocation") == 0)
                return parse_copy(result->invocation, sizeof(result->invocation), value,
                                  strlen(value));
        if (strcmp(key, "verb") == 0)
                return parse_copy(result->verb, sizeof(result->verb), value, strlen(value));
        if (strcmp(key, "mode") == 0)
                return parse_copy(result->mode, sizeof(result->mode), value, strlen(value));
        if (strcmp(key, "text") == 0)
                return parse_copy(result->text, sizeof(result->text), value, strlen(value));
        if (strcmp(key, "result") == 0) {
                result->kind = refusal_by_name(value);
                return result->kind == REFUSAL_NONE &&
                                       strcmp(value, refusal_name(REFUSAL_NONE)) != 0
                               ? -EBADMSG
                               : 0;
        }
        if (strcmp(key, "steps") == 0 && parse_decimal(value, UINT16_MAX, &number) >= 0) {
                result->n_steps = (unsigned)number;
                return 0;
        }
        return -EBADMSG;
}

int run_result_parse(const char *text, RunResult *ret) {
        char line[REFUSAL_TEXT_SIZE + 64];
        RunResult result = { 0 };
        const char *value;
        int r;

        while ((r = record_next(&text, line, sizeof(line), &value)) > 0)
                if (parse_line(line, value, &result) < 0)
                        return -EBADMSG;
        if (r < 0 || result.verb[0] == '\0')
                return -EBADMSG;
        *ret = result;
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text form of Inspection. One version writes and reads it, seconds apart; what is not
 * understood is refused.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "in-use.h"
#include "inspection.h"
#include "record.h"

#define HEADER_KEY "vfio-mode-inspection"
#define VERSION "1"
#define NOTHING "-" /* an empty word, so that a line always has them all */

static const char *const result_names[_CHECK_RESULT_MAX] = {
        [CHECK_PASS] = "pass",
        [CHECK_WARN] = "warn",
        [CHECK_FAIL] = "fail",
};

const char *check_result_name(CheckResult result) {
        return result_names[result];
}

void inspection_add_check(Inspection *inspection, CheckResult result, const char *id,
                          const char *advice, const char *format, ...) {
        va_list arguments;
        Check *check;

        if (inspection->n_checks == INSPECTION_CHECKS_MAX)
                return;
        check = &inspection->checks[inspection->n_checks++];
        *check = (Check){ .result = result };
        (void)snprintf(check->id, sizeof(check->id), "%s", id);
        (void)snprintf(check->advice, sizeof(check->advice), "%s",
                       result == CHECK_PASS ? "" : advice);
        va_start(arguments, format);
        (void)vsnprintf(check->message, sizeof(check->message), format, arguments);
        va_end(arguments);
}

void inspection_hide_processes(Inspection *inspection) {
        for (size_t i = 0; i < inspection->n_steps; i++) {
                InspectionStep *step = &inspection->steps[i];

                if (strcmp(step->step, plan_stop_name(PLAN_KILL_HOLDER)) != 0 &&
                    strcmp(step->step, plan_stop_name(PLAN_END_GUEST)) != 0)
                        continue;
                step->object[0] = '\0';
                (void)snprintf(step->note, sizeof(step->note),
                               "end a process that cannot be named to you");
        }
}

static bool has_names(const Check *check) {
        return strcmp(check->id, "holders") == 0 || strcmp(check->id, "guests") == 0 ||
               strncmp(check->id, INSPECTION_GUEST_ROM, strlen(INSPECTION_GUEST_ROM)) == 0;
}

void inspection_hide_names(Inspection *inspection) {
        for (size_t i = 0; i < inspection->n_checks; i++) {
                Check *check = &inspection->checks[i];

                if (!has_names(check))
                        continue;
                (void)snprintf(check->message, sizeof(check->message),
                               "What was found has names that only root is told.");
                check->advice[0] = '\0';
        }
}

/* --- writing --- */

/* A blank in a word must not make two of it. */
static void print_word(FILE *file, const char *word) {
        if (word[0] == '\0')
                (void)fputs(NOTHING, file);
        for (; *word; word++)
                (void)fputc(*word == ' ' || iscntrl((unsigned char)*word) ? '_' : *word, file);
        (void)fputc(' ', file);
}

static void print_step(FILE *file, const InspectionStep *step) {
        (void)fputs("step=", file);
        print_word(file, step->step);
        print_word(file, step->object);
        (void)fputc('\n', file);
        record_print(file, "note", step->note);
}

static void print_check(FILE *file, const Check *check) {
        (void)fputs("check=", file);
        print_word(file, check->id);
        print_word(file, check_result_name(check->result));
        (void)fputc('\n', file);
        record_print(file, "message", check->message);
        record_print(file, "advice", check->advice);
}

int inspection_format(const Inspection *inspection, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file;

        file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;
        (void)fprintf(file, "%s=%s\n", HEADER_KEY, VERSION);
        record_print(file, "mode", inspection->mode);
        record_print(file, "invocation", inspection->invocation);
        record_print(file, "result", refusal_name(inspection->kind));
        record_print(file, "text", inspection->text);
        record_print(file, "public-text", inspection->public_text);
        for (size_t i = 0; i < inspection->n_steps; i++)
                print_step(file, &inspection->steps[i]);
        for (size_t i = 0; i < inspection->n_checks; i++)
                print_check(file, &inspection->checks[i]);
        if (fclose(file) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return (int)size;
}

/* --- reading --- */

static int parse_text(char *ret, size_t size, const char *value) {
        return parse_copy(ret, size, value, strlen(value)) < 0 ? -EBADMSG : 0;
}

static int parse_name(char ret[static CONFIG_NAME_SIZE], const char *value) {
        if (value[0] != '\0' && !config_name_is_valid(value))
                return -EBADMSG;
        return parse_text(ret, CONFIG_NAME_SIZE, value);
}

static int parse_kind(const char *value, RefusalKind *ret) {
        *ret = refusal_by_name(value);
        return *ret == REFUSAL_NONE && strcmp(value, refusal_name(REFUSAL_NONE)) != 0 ? -EBADMSG
                                                                                      : 0;
}

static int take_word(const char **cursor, char *ret, size_t size) {
        const char *word;
        size_t length;

        word = parse_word(cursor, &length);
        if (!word || parse_copy(ret, size, word, length) < 0)
                return -EBADMSG;
        if (strcmp(ret, NOTHING) == 0)
                ret[0] = '\0';
        return 0;
}

static bool is_at_end(const char *cursor) {
        size_t length;

        return !parse_word(&cursor, &length);
}

static int parse_step(const char *value, Inspection *inspection) {
        InspectionStep *step = &inspection->steps[inspection->n_steps];

        if (inspection->n_steps == ARRAY_SIZE(inspection->steps) || inspection->n_checks > 0 ||
            take_word(&value, step->step, sizeof(step->step)) < 0 ||
            take_word(&value, step->object, sizeof(step->object)) < 0 || !is_at_end(value))
                return -EBADMSG;
        inspection->n_steps++;
        return 0;
}

static int parse_check(const char *value, Inspection *inspection) {
        Check *check = &inspection->checks[inspection->n_checks];
        char result[8];

        if (inspection->n_checks == ARRAY_SIZE(inspection->checks) ||
            take_word(&value, check->id, sizeof(check->id)) < 0 ||
            take_word(&value, result, sizeof(result)) < 0 || !is_at_end(value))
                return -EBADMSG;
        for (unsigned i = 0; i < _CHECK_RESULT_MAX; i++) {
                if (strcmp(result_names[i], result) == 0) {
                        check->result = (CheckResult)i;
                        inspection->n_checks++;
                        return 0;
                }
        }
        return -EBADMSG;
}

/* What belongs to the step or the check above. */
static int parse_detail(const char *key, const char *value, Inspection *inspection) {
        if (strcmp(key, "note") == 0 && inspection->n_steps > 0 && inspection->n_checks == 0) {
                InspectionStep *step = &inspection->steps[inspection->n_steps - 1];

                return parse_text(step->note, sizeof(step->note), value);
        }
        if (inspection->n_checks > 0) {
                Check *check = &inspection->checks[inspection->n_checks - 1];

                if (strcmp(key, "message") == 0)
                        return parse_text(check->message, sizeof(check->message), value);
                if (strcmp(key, "advice") == 0)
                        return parse_text(check->advice, sizeof(check->advice), value);
        }
        return -EBADMSG;
}

static int parse_line(const char *key, const char *value, Inspection *inspection) {
        if (strcmp(key, "mode") == 0)
                return parse_name(inspection->mode, value);
        if (strcmp(key, "invocation") == 0)
                return parse_text(inspection->invocation, sizeof(inspection->invocation), value);
        if (strcmp(key, "result") == 0)
                return parse_kind(value, &inspection->kind);
        if (strcmp(key, "text") == 0)
                return parse_text(inspection->text, sizeof(inspection->text), value);
        if (strcmp(key, "public-text") == 0)
                return parse_text(inspection->public_text, sizeof(inspection->public_text), value);
        if (strcmp(key, "step") == 0)
                return parse_step(value, inspection);
        if (strcmp(key, "check") == 0)
                return parse_check(value, inspection);
        return parse_detail(key, value, inspection);
}

int inspection_parse(const char *text, Inspection *ret) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        char line[REFUSAL_TEXT_SIZE + 64];
        const char *value;
        int r;

        if (!inspection)
                return -ENOMEM;
        r = record_expect(&text, HEADER_KEY, VERSION);
        if (r < 0)
                return r;
        while ((r = record_next(&text, line, sizeof(line), &value)) > 0)
                if (parse_line(line, value, inspection) < 0)
                        return -EBADMSG;
        if (r < 0)
                return r;
        *ret = *inspection;
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an inspection found, as text: it must come back as it was written, or be refused. */
#undef NDEBUG

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/inspection.h"
#include "table.h"

#define HEADER "vfio-mode-inspection=1\n"

static const struct Row {
        const char *title;
        const char *text;
        int error;
} rows[] = {
        { "a header alone", HEADER, 0 },
        { "a refusal",
          HEADER "mode=game\ninvocation=0123\nresult=busy\ntext=who it is\npublic-text=somebody\n",
          0 },
        { "steps, a note and checks",
          HEADER "mode=game\nstep=unbind 0000:01:00.0\nnote=a b\nstep=note -\nnote=c\n"
                 "check=iommu pass\nmessage=there\nadvice=\ncheck=device-gpu warn\n",
          0 },
        { "nothing at all", "", -EBADMSG },
        { "another version", "vfio-mode-inspection=2\n", -EPROTONOSUPPORT },
        { "an unknown key", HEADER "x=y\n", -EBADMSG },
        { "a line without a newline", HEADER "mode=game", -EBADMSG },
        { "a mode that cannot be one", HEADER "mode=Game\n", -EBADMSG },
        { "an unknown result", HEADER "result=x\n", -EBADMSG },
        { "a step without an object", HEADER "step=unbind\n", -EBADMSG },
        { "a step with a word too many", HEADER "step=unbind a b\n", -EBADMSG },
        { "a step whose word does not fit", HEADER "step=0123456789012345 a\n", -EBADMSG },
        { "a note of no step", HEADER "note=a\n", -EBADMSG },
        { "a check without a result", HEADER "check=iommu\n", -EBADMSG },
        { "a check with an unknown result", HEADER "check=iommu perhaps\n", -EBADMSG },
        { "a check with a word too many", HEADER "check=iommu pass well\n", -EBADMSG },
        { "a message of no check", HEADER "message=a\n", -EBADMSG },
        { "advice of no check", HEADER "step=a b\nadvice=a\n", -EBADMSG },
        { "a step behind the checks", HEADER "check=a pass\nstep=a b\n", -EBADMSG },
        { "a note behind the checks", HEADER "step=a b\ncheck=a pass\nnote=x\n", -EBADMSG },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        Inspection *inspection = malloc(sizeof(*inspection));

        assert_non_null(inspection);
        (void)memset(inspection, 0x5a, sizeof(*inspection));
        assert_int_equal(inspection_parse(row->text, inspection), row->error);
        if (row->error < 0)
                for (size_t i = 0; i < sizeof(*inspection); i++)
                        assert_int_equal(((const char *)inspection)[i], 0x5a);
        free(inspection);
}

static void test_too_many(void **state) {
        Inspection *inspection = calloc(1, sizeof(*inspection));
        char *text = malloc(INSPECTION_SIZE_MAX);
        size_t length, max;

        (void)state;
        assert_true(inspection && text);
        length = (size_t)sprintf(text, HEADER);
        for (unsigned i = 0; i < INSPECTION_CHECKS_MAX; i++)
                length += (size_t)sprintf(text + length, "check=c%u fail\n", i);
        assert_int_equal(inspection_parse(text, inspection), 0);
        assert_int_equal(inspection->n_checks, INSPECTION_CHECKS_MAX);
        (void)strcpy(text + length, "check=c fail\n");
        assert_int_equal(inspection_parse(text, inspection), -EBADMSG);

        length = (size_t)sprintf(text, HEADER);
        max = ARRAY_SIZE(inspection->steps);
        for (size_t i = 0; i < max; i++)
                length += (size_t)sprintf(text + length, "step=bind m%zu\n", i);
        assert_int_equal(inspection_parse(text, inspection), 0);
        assert_int_equal(inspection->n_steps, max);
        (void)strcpy(text + length, "step=bind m\n");
        assert_int_equal(inspection_parse(text, inspection), -EBADMSG);
        free(inspection);
        free(text);
}

static void fill(char *text, size_t size, char c) {
        (void)memset(text, c, size - 1);
        text[size - 1] = '\0';
}

/* The largest there is comes back whole, and fits into what readers of the file take. */
static void test_largest(void **state) {
        Inspection *inspection = calloc(1, sizeof(*inspection)), *again;
        char *text = NULL;

        (void)state;
        again = calloc(1, sizeof(*again));
        assert_true(inspection && again);
        fill(inspection->mode, sizeof(inspection->mode), 'm');
        fill(inspection->invocation, sizeof(inspection->invocation), 'i');
        fill(inspection->text, sizeof(inspection->text), 't');
        fill(inspection->public_text, sizeof(inspection->public_text), 'p');
        inspection->kind = REFUSAL_HALF_WAY;
        inspection->n_steps = ARRAY_SIZE(inspection->steps);
        for (size_t i = 0; i < inspection->n_steps; i++) {
                fill(inspection->steps[i].step, sizeof(inspection->steps[i].step), 's');
                fill(inspection->steps[i].object, sizeof(inspection->steps[i].object), 'o');
                fill(inspection->steps[i].note, sizeof(inspection->steps[i].note), '=');
        }
        inspection->n_checks = ARRAY_SIZE(inspection->checks);
        for (size_t i = 0; i < inspection->n_checks; i++) {
                fill(inspection->checks[i].id, sizeof(inspection->checks[i].id), 'c');
                fill(inspection->checks[i].message, sizeof(inspection->checks[i].message), ' ');
                fill(inspection->checks[i].advice, sizeof(inspection->checks[i].advice), '-');
                inspection->checks[i].result = (CheckResult)(i % _CHECK_RESULT_MAX);
        }
        assert_in_range(inspection_format(inspection, &text), 100000, INSPECTION_SIZE_MAX - 1);
        assert_int_equal(inspection_parse(text, again), 0);
        assert_memory_equal(inspection, again, sizeof(*again));
        free(text);
        free(inspection);
        free(again);
}

/* Who may not see processes still sees that one would be ended. */
static void test_hide_processes(void **state) {
        static const InspectionStep steps[] = {
                { "stop-holder", "gdm.service", "stop gdm.service, which uses 0000:01:00.0" },
                { "kill-holder", "4711", "end process 4711 (mpv), which uses 0000:01:00.1" },
        };
        Inspection *inspection = calloc(1, sizeof(*inspection));

        (void)state;
        assert_non_null(inspection);
        (void)memcpy(inspection->steps, steps, sizeof(steps));
        inspection->n_steps = ARRAY_SIZE(steps);
        inspection_hide_processes(inspection);
        assert_memory_equal(&inspection->steps[0], &steps[0], sizeof(steps[0]));
        assert_string_equal(inspection->steps[1].step, "kill-holder");
        assert_string_equal(inspection->steps[1].object, "");
        assert_null(strstr(inspection->steps[1].note, "mpv"));
        assert_null(strstr(inspection->steps[1].note, "4711"));
        free(inspection);
}

/* Nor who draws on the screen, and which guests there are. */
static void test_hide_names(_unused_ void **state) {
        Inspection *inspection = calloc(1, sizeof(*inspection));

        assert_non_null(inspection);
        inspection_add_check(inspection, CHECK_WARN, "holders", "Tell sway.", "sway has it open.");
        inspection_add_check(inspection, CHECK_WARN, "guests", "Tell win.", "win names it.");
        inspection_add_check(inspection, CHECK_WARN, "guest-rom-gpu", "Tell win.",
                             "win has a file.");
        inspection_add_check(inspection, CHECK_WARN, "iommu", "Do.", "It is off.");
        inspection_hide_names(inspection);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(inspection->checks[i].result, CHECK_WARN);
                assert_non_null(strstr(inspection->checks[i].message, "only root is told"));
                assert_string_equal(inspection->checks[i].advice, "");
        }
        assert_string_equal(inspection->checks[3].message, "It is off.");
        assert_string_equal(inspection->checks[3].advice, "Do.");
        free(inspection);
}

/* Text of others' making (a process' name) does not become a line or a word. */
static void test_hostile_text(void **state) {
        Inspection *inspection = calloc(1, sizeof(*inspection));
        char *text = NULL;

        (void)state;
        assert_non_null(inspection);
        (void)strcpy(inspection->text, "held by x\nresult=none");
        inspection->kind = REFUSAL_BUSY;
        inspection->n_steps = 1;
        (void)strcpy(inspection->steps[0].object, "a b\nc");
        inspection->n_checks = 1;
        (void)strcpy(inspection->checks[0].message, "\x1b[2J\ncheck=iommu pass");
        assert_true(inspection_format(inspection, &text) > 0);
        assert_int_equal(inspection_parse(text, inspection), 0);
        assert_int_equal(inspection->kind, REFUSAL_BUSY);
        assert_string_equal(inspection->text, "held by x result=none");
        assert_string_equal(inspection->steps[0].step, "");
        assert_string_equal(inspection->steps[0].object, "a_b_c");
        assert_int_equal(inspection->n_checks, 1);
        assert_string_equal(inspection->checks[0].message, " [2J check=iommu pass");
        free(text);
        free(inspection);
}

static void test_names(void **state) {
        (void)state;
        assert_string_equal(check_result_name(CHECK_PASS), "pass");
        assert_string_equal(check_result_name(CHECK_WARN), "warn");
        assert_string_equal(check_result_name(CHECK_FAIL), "fail");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "more than there is room for", test_too_many, NULL);
        table_add(&table, "the largest comes back whole", test_largest, NULL);
        table_add(&table, "processes are hidden", test_hide_processes, NULL);
        table_add(&table, "names are hidden", test_hide_names, NULL);
        table_add(&table, "hostile text stays text", test_hostile_text, NULL);
        table_add(&table, "names of results", test_names, NULL);
        return table_run("inspection", &table);
}

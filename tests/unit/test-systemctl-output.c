/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemctl prints, and what of it is understood. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/systemctl-output.h"
#include "table.h"

#define ROWS_MAX 3

/* --- show --- */

static const struct States {
        const char *title, *output;
        size_t n;
        int result;
        UnitState states[ROWS_MAX];
} states[] = {
        { "one that runs",
          "Id=gdm.service\nActiveState=active\n",
          1,
          0,
          { { "gdm.service", true } } },
        { "two, by whatever order of properties",
          "ActiveState=inactive\nId=a.service\n\nId=b.service\nActiveState=reloading\n",
          2,
          0,
          { { "a.service", false }, { "b.service", true } } },
        { "one on its way down",
          "Id=a.service\nActiveState=deactivating\n",
          1,
          0,
          { { "a.service", false } } },
        { "empty lines around it", "\n\nId=a.service\n\n\n", 1, 0, { { "a.service", false } } },
        { "one too few", "Id=a.service\n", 2, -EBADMSG, { { "", false } } },
        { "one too many", "Id=a.service\n\nId=b.service\n", 1, -EBADMSG, { { "", false } } },
        { "nothing", "", 1, -EBADMSG, { { "", false } } },
};

static void test_states(void **state) {
        const struct States *row = *state;
        UnitState got[ROWS_MAX];
        char output[256];

        (void)snprintf(output, sizeof(output), "%s", row->output);
        assert_int_equal(systemctl_parse_states(output, row->n, got), row->result);
        for (size_t i = 0; row->result == 0 && i < row->n; i++) {
                assert_string_equal(got[i].id, row->states[i].id);
                assert_int_equal(got[i].runs, row->states[i].runs);
        }
}

/* --- list-units --- */

static void test_instances(void **state) {
        static const char output[] =
                "vfio-mode@host.service loaded active exited Mode host (vfio-mode)\n"
                "vfio-mode@.service loaded active exited no instance\n"
                "vfio-mode@a-name-that-is-longer-than-any-name-of-a-mode.service loaded active x\n"
                "vfio-mode@cut.service loaded\n"
                "another@host.service loaded active running\n"
                "\n"
                "vfio-mode@passthrough.service loaded failed failed Mode passthrough\n";
        UnitInstance got[ROWS_MAX];
        char text[sizeof(output)];

        (void)state;
        (void)memcpy(text, output, sizeof(output));
        assert_int_equal(systemctl_parse_instances(text, got, ROWS_MAX), 2);
        assert_string_equal(got[0].mode, "host");
        assert_string_equal(got[0].active_state, "active");
        assert_string_equal(got[1].mode, "passthrough");
        assert_string_equal(got[1].active_state, "failed");
        (void)memcpy(text, output, sizeof(output));
        assert_int_equal(systemctl_parse_instances(text, got, 1), -E2BIG);
        text[0] = '\0';
        assert_int_equal(systemctl_parse_instances(text, got, 1), 0);
}

/* --- list-jobs --- */

static void test_job(void **state) {
        char type[UNIT_JOB_SIZE] = "-";

        (void)state;
        assert_false(systemctl_parse_job("", type));
        assert_false(systemctl_parse_job("12 vfio-mode@host.service", type));
        assert_false(systemctl_parse_job("12 a.service a-type-of-more-bytes running\n", type));
        assert_string_equal(type, "-");
        assert_true(systemctl_parse_job("12 vfio-mode@host.service restart running\n", type));
        assert_string_equal(type, "restart");
}

static void test_start_job(void **state) {
        static const char jobs[] = "1 vm.service stop running\n"
                                   "2 other.service start waiting\n"
                                   "\n"
                                   "3\n"
                                   "4 vm.service start waiting\n";
        char text[sizeof(jobs)];

        (void)state;
        (void)memcpy(text, jobs, sizeof(jobs));
        assert_string_equal(systemctl_find_start_job(text, "a.service vm.service"), "vm.service");
        (void)memcpy(text, jobs, sizeof(jobs));
        assert_null(systemctl_find_start_job(text, "a.service vm.servic"));
        (void)memcpy(text, jobs, sizeof(jobs));
        assert_null(systemctl_find_start_job(text, ""));
}

static void test_ours(void **state) {
        char units[] =
                "vfio-mode-guard@x.service  vm.service\n\nvfio-mode-ping@x.service\ntwo.service\n";
        char only[] = "vfio-mode-guard@x.service\n\n";

        (void)state;
        assert_int_equal(systemctl_leave_ours_out(units), strlen("vm.service two.service"));
        assert_string_equal(units, "vm.service two.service");
        assert_int_equal(systemctl_leave_ours_out(only), 0);
        assert_string_equal(only, "");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_states, states);
        table_add(&table, "the modes' units", test_instances, NULL);
        table_add(&table, "a job", test_job, NULL);
        table_add(&table, "a job that starts one of these", test_start_job, NULL);
        table_add(&table, "what is ours among others", test_ours, NULL);
        return table_run("systemctl-output", &table);
}

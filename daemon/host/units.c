/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs systemctl(1) and reads what it prints. Its output is asked for in its plain form, which is
 * kept stable for scripts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/parse.h"
#include "command.h"
#include "units.h"

#define SYSTEMCTL "systemctl"
#define PREFIX "vfio-mode@"
#define SUFFIX ".service"
#define GUARD_PREFIX "vfio-mode-guard@"
#define GUARD_NAME_SIZE (sizeof(GUARD_PREFIX SUFFIX) + CONFIG_NAME_SIZE)
#define ALL_INSTANCES "vfio-mode@*.service"
#define OUTPUT_SIZE (16 * 1024)
#define UNITS_MAX 64
#define SETTLE_USEC (5 * UINT64_C(1000000))
#define SETTLE_INTERVAL_NSEC 50000000L

const char *unit_name(const char *mode, char buffer[static UNIT_NAME_SIZE]) {
        (void)snprintf(buffer, UNIT_NAME_SIZE, PREFIX "%s" SUFFIX, mode);
        return buffer;
}

static int run_quietly(const char *verb, const char *option, const char *mode) {
        char unit[UNIT_NAME_SIZE];
        const char *const arguments[] = { SYSTEMCTL, verb, option, unit_name(mode, unit), NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        return r > 0 ? -EIO : r;
}

int units_start(const char *mode, UnitStart how) {
        return run_quietly(how == UNIT_REAPPLY_WAIT ? "reload-or-restart" : "start",
                           how == UNIT_START_QUEUE ? "--no-block" : "--quiet", mode);
}

int units_stop(const char *mode) {
        return run_quietly("stop", "--quiet", mode);
}

static int run_for(const char *verb, const char *option, const char *unit) {
        const char *const arguments[] = { SYSTEMCTL, verb, option, "--", unit, NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        return r > 0 ? -EIO : r;
}

int units_start_service(const char *unit) {
        return run_for("start", "--quiet", unit);
}

int units_stop_service(const char *unit) {
        return run_for("stop", "--quiet", unit);
}

int units_queue_stop(const char *unit) {
        return run_for("stop", "--no-block", unit);
}

int units_queue_service(const char *unit) {
        return run_for("start", "--no-block", unit);
}

/* Whoever locks out a reboot (systemd-inhibit(1)) is not asked: nobody may see the screen. */
int units_queue_reboot(void) {
        static const char *const arguments[] = { SYSTEMCTL,       "start",
                                                 "--no-block",    "--job-mode=replace-irreversibly",
                                                 "reboot.target", NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        return r > 0 ? -EIO : r;
}

static const char *guard_name(const char *mode, char buffer[static GUARD_NAME_SIZE]) {
        (void)snprintf(buffer, GUARD_NAME_SIZE, GUARD_PREFIX "%s" SUFFIX, mode);
        return buffer;
}

/* It is bound to the mode's unit: its start is not to be one of a mode that is being left. Where
 * that is not active systemd starts no guard either. */
int units_queue_guard(const char *mode, bool anew) {
        char unit[GUARD_NAME_SIZE];
        const char *const arguments[] = { SYSTEMCTL,    anew ? "restart" : "start",
                                          "--no-block", "--job-mode=ignore-requirements",
                                          "--",         guard_name(mode, unit),
                                          NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        return r > 0 ? -EIO : r;
}

int units_queue_guard_stop(const char *mode) {
        char unit[GUARD_NAME_SIZE];

        return units_queue_stop(guard_name(mode, unit));
}

int units_queue_restart(const char *unit) {
        return run_for("restart", "--no-block", unit);
}

unsigned units_restarts(const char *unit) {
        const char *const arguments[] = { SYSTEMCTL, "show", "--value", "--property=NRestarts",
                                          "--",      unit,   NULL };
        char output[32];
        uint64_t n = 0;

        if (command_run(arguments, output, sizeof(output)) == 0)
                output[strcspn(output, "\n")] = '\0';
        else
                output[0] = '\0';
        return parse_decimal(output, UINT32_MAX, &n) >= 0 ? (unsigned)n : 0;
}

/* One that was never started has no time of it. */
bool units_was_kept_back(const char *unit) {
        const char *const arguments[] = {
                SYSTEMCTL,
                "show",
                "--property=ActiveState,ConditionResult,ConditionTimestampMonotonic",
                "--",
                unit,
                NULL
        };
        char output[256];

        return command_run(arguments, output, sizeof(output)) == 0 &&
               strstr(output, "ActiveState=inactive\n") && strstr(output, "ConditionResult=no\n") &&
               !strstr(output, "ConditionTimestampMonotonic=0\n");
}

int units_look(const char (*names)[CONFIG_UNIT_SIZE], size_t n, UnitState *ret) {
        const char *arguments[UNITS_MAX + 5] = { SYSTEMCTL, "show", "--property=Id,ActiveState",
                                                 "--" };
        char output[OUTPUT_SIZE];
        int r;

        if (n > UNITS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++)
                arguments[4 + i] = names[i];
        r = command_run(arguments, output, sizeof(output));
        if (r != 0)
                return r < 0 ? r : -EIO;
        return systemctl_parse_states(output, n, ret);
}

static int look_at_one(const char *unit, UnitState *ret) {
        char names[1][CONFIG_UNIT_SIZE];

        (void)snprintf(names[0], sizeof(names[0]), "%s", unit);
        return units_look((const char(*)[CONFIG_UNIT_SIZE])names, 1, ret);
}

int units_changed_at(const char *unit, uint64_t *ret) {
        static const char name[] = "StateChangeTimestampMonotonic=";
        const char *const arguments[] = {
                SYSTEMCTL, "show", "--property=ActiveState,StateChangeTimestampMonotonic",
                "--",      unit,   NULL
        };
        char output[256], *time;
        int r;

        r = command_run(arguments, output, sizeof(output));
        if (r != 0)
                return r < 0 ? r : -EIO;
        time = strstr(output, name);
        if (!strstr(output, "ActiveState=active\n") || !time)
                return 0;
        time += strlen(name);
        time[strcspn(time, "\n")] = '\0';
        r = parse_decimal(time, UINT64_MAX, ret);
        return r < 0 ? -EBADMSG : 1;
}

bool units_is_active(const char *unit) {
        UnitState state;

        return look_at_one(unit, &state) >= 0 && state.runs;
}

bool units_may_run(const char *unit) {
        UnitState state;

        return look_at_one(unit, &state) < 0 || state.runs;
}

bool units_mode_may_run(const char *mode) {
        char unit[UNIT_NAME_SIZE];

        return units_may_run(unit_name(mode, unit));
}

int units_reset_failed(const char *mode) {
        return run_quietly("reset-failed", "--quiet", mode);
}

int units_list_instances(UnitInstance *ret, size_t max) {
        static const char *const arguments[] = { SYSTEMCTL,     "list-units",  "--all",
                                                 "--plain",     "--no-legend", "--no-pager",
                                                 ALL_INSTANCES, NULL };
        _cleanup_free_ char *output = NULL;
        int r;

        output = malloc(OUTPUT_SIZE);
        if (!output)
                return -ENOMEM;
        r = command_run(arguments, output, OUTPUT_SIZE);
        if (r != 0)
                return r < 0 ? r : -EIO;
        return systemctl_parse_instances(output, ret, max);
}

static bool is_settling(const char *mode, const UnitInstance *instances, int n) {
        for (int i = 0; i < n; i++)
                if (strcmp(instances[i].mode, mode) != 0 &&
                    strcmp(instances[i].active_state, "active") != 0 &&
                    systemctl_state_runs(instances[i].active_state))
                        return true;
        return false;
}

int units_list_settled(const char *mode, UnitInstance *ret, size_t max) {
        const struct timespec interval = { .tv_nsec = SETTLE_INTERVAL_NSEC };
        const uint64_t end = now_usec() + SETTLE_USEC;
        int n;

        while ((n = units_list_instances(ret, max)) > 0 && is_settling(mode, ret, n) &&
               now_usec() < end)
                (void)nanosleep(&interval, NULL); /* of its end only the bus would tell */
        return n;
}

int units_job(const char *mode, char ret[static UNIT_JOB_SIZE]) {
        char unit[UNIT_NAME_SIZE], output[256];
        const char *const arguments[] = { SYSTEMCTL,     "list-jobs",  "--plain",
                                          "--no-legend", "--no-pager", unit_name(mode, unit),
                                          NULL };
        int r;

        ret[0] = '\0';
        r = command_run(arguments, output, sizeof(output));
        if (r != 0)
                return r < 0 ? r : -EIO;
        return systemctl_parse_job(output, ret);
}

int units_dependents(const char *mode, char *buffer, size_t size) {
        char unit[UNIT_NAME_SIZE];
        const char *const arguments[] = { SYSTEMCTL,
                                          "show",
                                          "--value",
                                          "--property=BoundBy,RequiredBy,ConsistsOf",
                                          unit_name(mode, unit),
                                          NULL };
        int r;

        r = command_run(arguments, buffer, size);
        if (r != 0)
                return r < 0 ? r : -EIO;
        return (int)systemctl_leave_ours_out(buffer);
}

bool units_find_starter(const char *mode, char ret[static CONFIG_UNIT_SIZE]) {
        static const char *const list_jobs[] = { SYSTEMCTL,     "list-jobs",  "--plain",
                                                 "--no-legend", "--no-pager", NULL };
        char unit[UNIT_NAME_SIZE], units[OUTPUT_SIZE / 4];
        const char *const show[] = { SYSTEMCTL,
                                     "show",
                                     "--value",
                                     "--property=BoundBy,RequiredBy,WantedBy,UpheldBy",
                                     unit_name(mode, unit),
                                     NULL };
        _cleanup_free_ char *jobs = malloc(OUTPUT_SIZE);
        const char *starter;

        if (!jobs || command_run(show, units, sizeof(units)) != 0)
                return false;
        if (systemctl_leave_ours_out(units) == 0 || command_run(list_jobs, jobs, OUTPUT_SIZE) != 0)
                return false;
        starter = systemctl_find_start_job(jobs, units);
        return starter && parse_copy(ret, CONFIG_UNIT_SIZE, starter, strlen(starter)) >= 0;
}

bool units_has_dependents(const char *mode) {
        char output[512];

        return units_dependents(mode, output, sizeof(output)) > 0;
}

bool units_is_main_process(const char *unit, int pid) {
        const char *const arguments[] = { SYSTEMCTL, "show", "--value", "--property=MainPID",
                                          "--",      unit,   NULL };
        char output[32], wanted[32];

        (void)snprintf(wanted, sizeof(wanted), "%d\n", pid);
        return command_run(arguments, output, sizeof(output)) == 0 && strcmp(output, wanted) == 0;
}

int units_system_is_stopping(void) {
        static const char *const arguments[] = { SYSTEMCTL, "is-system-running", NULL };
        char output[32];
        int r;

        /* Any state but "running" has a status of its own, and so has not to have been told: then
         * nothing is printed, or "unknown". */
        r = command_run(arguments, output, sizeof(output));
        if (r < 0)
                return r;
        if (output[0] == '\0' || strcmp(output, "unknown\n") == 0)
                return -EIO;
        return strcmp(output, "stopping\n") == 0;
}

int units_property(const char *mode, const char *property, char *buffer, size_t size) {
        char unit[UNIT_NAME_SIZE];
        const char *const arguments[] = { SYSTEMCTL,    "show",   "--value",
                                          "--property", property, unit_name(mode, unit),
                                          NULL };
        int r;

        r = command_run(arguments, buffer, size);
        if (r != 0)
                return r < 0 ? r : -EIO;
        buffer[strcspn(buffer, "\n")] = '\0';
        return (int)strlen(buffer);
}

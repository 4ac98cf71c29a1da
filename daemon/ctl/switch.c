/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `switch`: asks the service for it, waits for the end and says how it went. The switch is the
 * service's: it goes on, whatever becomes of this process.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ctl/bus.h"
#include "ctl/local.h"
#include "ctl/polkit-agent.h"
#include "ctl/proposal.h"
#include "ctl/refused.h"
#include "ctl/text.h"
#include "view/describe.h"

#define SECOND UINT64_C(1000000)
#define SWITCH_TIMEOUT (1800 * SECOND) /* as the fallback unit: guests have their time to end */
#define LOOK_INTERVAL (2 * SECOND)     /* after the service went away, if it tells nothing */
#define LOOKS_IN_VAIN 6                /* at a machine that does not answer, or does nothing */

static json_object *new_answer(const char *mode, bool dry_run, bool changed) {
        json_object *answer = json_answer();

        json_add_string(answer, "mode", mode);
        json_add_bool(answer, "dry_run", dry_run);
        json_add_bool(answer, "changed", changed);
        return answer;
}

/* --- --dry-run --- */

static void print_proposal(const char *mode, const Proposal *proposal) {
        if (proposal->kind != REFUSAL_NONE)
                return;
        if (json_length(proposal->steps) == 0)
                text_line(stdout, "Nothing would have to be done for mode %s.", mode);
        else
                text_line(stdout, "To mode %s:", mode);
        proposal_print(proposal);
}

/* @now: the mode in force; what would change may be only its name */
static int print_dry_run(const Arguments *arguments, const Proposal *proposal, const char *now) {
        const char *mode = arguments->operands[0];
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json == JSON_OFF && !arguments->quiet)
                print_proposal(mode, proposal);
        if (arguments->json != JSON_OFF) {
                bool changed = proposal->kind == REFUSAL_NONE &&
                               (json_length(proposal->steps) > 0 || strcmp(mode, now) != 0);

                answer = new_answer(mode, true, changed);
                proposal_add_to_json(proposal, answer);
                refused_add_to_json(answer, proposal->kind, proposal->text);
                json_print(answer, arguments->json);
        }
        if (proposal->kind == REFUSAL_NONE)
                return EXIT_CODE_DONE;
        if (proposal->kind == REFUSAL_BUSY && now[0] != '\0' && strcmp(now, NO_MODE) != 0)
                warn("A guest whose unit is bound to that of mode %s would be stopped first.", now);
        return refused_complain(proposal->kind, proposal->text);
}

static int dry_run_here(const Arguments *arguments) {
        _cleanup_(machine_freep) Machine *machine = local_machine(arguments, MACHINE_SCAN_NOTHING);
        _cleanup_(proposal_done) Proposal proposal = { 0 };

        if (!machine)
                return EXIT_CODE_FAILED;
        if (machine_is_half_way(machine)) {
                _cleanup_free_ char *why = machine_why_no_mode(machine);

                warn("The plan is made from the machine as it is now, and %s.", why);
        }
        proposal_make(machine, arguments->operands[0], &proposal);
        return print_dry_run(arguments, &proposal, machine_mode(machine));
}

static int dry_run(const Arguments *arguments) {
        _cleanup_(proposal_done) Proposal proposal = { 0 };
        _cleanup_json_ json_object *status = NULL;
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (arguments->root)
                return dry_run_here(arguments);
        if (bus_open(arguments->host, &bus, &error) >= 0 &&
            bus_describe(bus, &status, &error) >= 0 &&
            proposal_ask(bus, arguments->operands[0], &proposal, &error) >= 0)
                return print_dry_run(arguments, &proposal, json_get_text(status, "mode"));
        if (arguments->host || !error.is_unreachable)
                return refused_complain_of_call(&error, arguments->host);
        warn("The service of vfio-mode does not answer (%s): the plan is what can be seen without "
             "it.",
             error.text);
        return dry_run_here(arguments);
}

/* --- how it went --- */

/* Of a description: when the last switch ended. */
static int64_t ended_at(const json_object *status) {
        return json_get_integer(json_get(status, "last_switch"), "time_usec");
}

static bool is_changed(const json_object *before, const json_object *after) {
        const json_object *last = json_get(after, "last_switch");

        if (strcmp(json_get_text(before, "mode"), json_get_text(after, "mode")) != 0)
                return true;
        return ended_at(before) != ended_at(after) && json_get_integer(last, "steps_taken") > 0;
}

/* Whoever may know which processes are in the way is told so by a description only: the signal is
 * for everybody. */
static void take_names(BusJob *job, const json_object *before, const json_object *after) {
        const json_object *last = json_get(after, "last_switch");

        if (job->kind == REFUSAL_NONE || ended_at(before) == ended_at(after) ||
            refusal_by_name(json_get_text(last, "result")) != job->kind)
                return;
        (void)snprintf(job->text, sizeof(job->text), "%s", json_get_text(last, "text"));
}

static void print_done(const Arguments *arguments, const BusJob *job, bool changed,
                       const json_object *after) {
        const char *mode = arguments->operands[0];
        const json_object *trial = json_get(after, "timed_switch");

        if (arguments->quiet)
                return;
        if (!changed)
                text_line(stdout, "Already in mode %s; nothing had to be done.", mode);
        else if (job->text[0] != '\0')
                text_line(stdout, "%s", job->text);
        else
                text_line(stdout, "Mode %s is on.", mode);
        if (trial)
                text_line(stdout,
                          "The machine goes back to mode %s unless you say: vfio-modectl confirm",
                          json_get_word(trial, "back") ? json_get_text(trial, "back")
                                                       : json_get_text(after, "fallback_mode"));
}

static int print_result(const Arguments *arguments, const BusJob *job, const json_object *before,
                        const json_object *after) {
        bool done = job->kind == REFUSAL_NONE, changed = done && is_changed(before, after);
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json != JSON_OFF) {
                const json_object *last = json_get(after, "last_switch");

                answer = new_answer(arguments->operands[0], false, changed);
                json_add_integer(answer, "steps_taken",
                                 ended_at(before) != ended_at(after)
                                         ? json_get_integer(last, "steps_taken")
                                         : 0);
                json_add_word(answer, "text", job->text);
                json_add(answer, "timed_switch", json_object_get(json_get(after, "timed_switch")));
                refused_add_to_json(answer, job->kind, job->text);
                json_print(answer, arguments->json);
        } else if (done) {
                print_done(arguments, job, changed, after);
        }
        return done ? EXIT_CODE_DONE : refused_complain(job->kind, job->text);
}

/* A refusal before there was a job. */
static int print_refusal(const Arguments *arguments, const BusError *error) {
        BusJob job = { .kind = error->kind };

        if (error->kind == REFUSAL_NONE)
                return refused_complain_of_call(error, arguments->host);
        (void)snprintf(job.text, sizeof(job.text), "%s", error->text);
        return print_result(arguments, &job, NULL, NULL);
}

/* --- the switch --- */

/* Asks anew, for the service that went away or its successor. NULL: it does not answer (yet). */
static json_object *look(const Arguments *arguments) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        json_object *status = NULL;
        BusError error;

        if (bus_open(arguments->host, &bus, &error) < 0)
                return NULL;
        return bus_describe(bus, &status, &error) < 0 ? NULL : status;
}

/*
 * The service went away; the next one knows the job, and tells its end. Where none comes, or it has
 * told before we listened, what the unit leaves behind tells how it went.
 *
 * Returns 1; -EINTR; or -ETIMEDOUT.
 */
static int wait_for_successor(const Arguments *arguments, Bus *bus, const json_object *before,
                              BusJob *ret) {
        int in_vain = 0;

        for (uint64_t waited = 0; waited < SWITCH_TIMEOUT && in_vain < LOOKS_IN_VAIN;
             waited += LOOK_INTERVAL) {
                _cleanup_json_ json_object *after = look(arguments);
                const json_object *last = json_get(after, "last_switch");
                int r;

                if (after && !json_get_bool(after, "half_way") &&
                    ended_at(after) != ended_at(before)) {
                        *ret = (BusJob){ .kind = refusal_by_name(json_get_text(last, "result")) };
                        (void)snprintf(ret->text, sizeof(ret->text), "%s",
                                       json_get_text(last, "text"));
                        return 1;
                }
                in_vain += !json_get_bool(after, "half_way");
                r = bus_wait(bus, LOOK_INTERVAL, ret);
                if (r > 0 || r == -EINTR)
                        return r;
        }
        return -ETIMEDOUT;
}

static int leave_it_going(void) {
        sigset_t all;

        complain("The switch goes on; see: vfio-modectl status");
        (void)fflush(NULL);
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
        return EXIT_CODE_FAILED; /* not reached: the signal was waiting */
}

/* @is_told: the service has taken the switch on, and tells its end */
static int wait_and_print(const Arguments *arguments, Bus *bus, json_object *before, bool is_told) {
        _cleanup_json_ json_object *after = NULL;
        BusJob job = { 0 };
        BusError error;
        int r = 0;

        if (is_told)
                r = bus_wait(bus, SWITCH_TIMEOUT, &job);
        if (r == -ETIMEDOUT)
                return refused_complain(REFUSAL_TIMED_OUT,
                                        "The switch has not ended yet; see: vfio-modectl status");
        if (r <= 0 && r != -EINTR) {
                warn("The service of vfio-mode went away; waiting for the result.");
                r = wait_for_successor(arguments, bus, before, &job);
        }
        if (r == -EINTR)
                return leave_it_going();
        if (r < 0) {
                complain("It cannot be told how the switch ended; see: vfio-modectl status");
                return EXIT_CODE_FAILED;
        }
        /* Where this fails only details are missing of what it did. */
        if (bus_describe(bus, &after, &error) < 0)
                after = json_object_get(before);
        take_names(&job, before, after);
        return print_result(arguments, &job, before, after);
}

static void show_plan(const Arguments *arguments, Bus *bus) {
        const char *mode = arguments->operands[0];
        _cleanup_(proposal_done) Proposal proposal = { 0 };
        BusError error;

        /* A plan is made by the mode's own holders key. */
        if (!arguments->terminal || arguments->quiet || arguments->json != JSON_OFF ||
            arguments->holders)
                return;
        if (proposal_ask(bus, mode, &proposal, &error) < 0 || json_length(proposal.steps) == 0)
                return;
        print_proposal(mode, &proposal);
        (void)fflush(stdout);
}

static int switch_now(const Arguments *arguments) {
        const BusOptions options = { .confirm_within = arguments->confirm_within,
                                     .holders = arguments->holders };
        _cleanup_(polkit_agent_closep) pid_t agent = 0;
        _cleanup_json_ json_object *before = NULL;
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;
        int r;

        if (bus_open(arguments->host, &bus, &error) < 0 || bus_describe(bus, &before, &error) < 0) {
                r = refused_complain_of_call(&error, arguments->host);
                if (error.is_unreachable && error.kind == REFUSAL_NONE && !arguments->host &&
                    config_name_is_valid(arguments->operands[0]))
                        complain("`systemctl start vfio-mode@%s` does it without the bus.",
                                 arguments->operands[0]);
                return r;
        }
        show_plan(arguments, bus);
        polkit_agent_open(arguments, &agent);
        bus_allow_questions(bus);
        r = bus_switch(bus, arguments->operands[0], &options, &error);
        if (r < 0 && !error.is_unreachable)
                return print_refusal(arguments, &error);
        return wait_and_print(arguments, bus, before, r >= 0);
}

static int run(const Arguments *arguments) {
        if (arguments->options & VERB_OPTION_DRY_RUN)
                return dry_run(arguments);
        if (!arguments->root)
                return switch_now(arguments);
        complain("A captured machine (--root) cannot be switched; add --dry-run.");
        return EXIT_CODE_USAGE;
}

const Verb verb_switch = {
        .name = "switch",
        .synopsis = "MODE [--dry-run] [--confirm[=TIME]] [--holders=HOW]",
        .summary = "Bring the machine into a mode now",
        .details =
                "Asks the service for the switch, waits for it and says how it went; in the mode\n"
                "already, drift is mended. Interrupting the command does not interrupt the\n"
                "switch. Exits with the code of the reason where it is refused.\n"
                "\n"
                "  --dry-run           Print the steps, or the refusal, and do nothing.\n"
                "  --confirm[=TIME]    Go back to the mode before unless `vfio-modectl confirm`\n"
                "                      is said within TIME, such as 30s or 1h; 5min without one.\n"
                "  --holders=HOW       What becomes of processes that use a device, in place of\n"
                "                      the mode's own key: refuse, stop or kill.\n",
        .min_operands = 1,
        .max_operands = 1,
        .options = VERB_OPTION_DRY_RUN | VERB_OPTION_CONFIRM | VERB_OPTION_HOLDERS,
        .is_remote = true,
        .run = run,
};

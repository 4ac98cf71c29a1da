/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `switch`: asks the service for it, waits for the end and says how it went. The switch is the
 * service's: it goes on, whatever becomes of this process.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ctl/local.h"
#include "ctl/proposal.h"
#include "ctl/refused.h"
#include "ctl/switching.h"
#include "ctl/text.h"
#include "view/describe.h"

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

/* --- the switch --- */

static void print_done(const Arguments *arguments, const Switching *s) {
        const char *mode = arguments->operands[0];
        const json_object *trial = json_get(s->after, "timed_switch");

        if (arguments->quiet)
                return;
        if (!switching_has_changed(s))
                text_line(stdout, "Already in mode %s; nothing had to be done.", mode);
        else if (s->end.text[0] != '\0')
                text_line(stdout, "%s", s->end.text);
        else
                text_line(stdout, "Mode %s is on.", mode);
        if (trial)
                text_line(stdout,
                          "The machine goes back to mode %s unless you say: vfio-modectl confirm",
                          json_get_word(trial, "back") ? json_get_text(trial, "back")
                                                       : json_get_text(s->after, "fallback_mode"));
}

/* Whoever asked has neither the mode that was asked for nor the one before. */
static int complain_of_end(const Switching *s) {
        int status = refused_complain(s->end.kind, s->end.text);

        if (s->fall.to[0] == '\0')
                return status;
        complain("The machine fell back to mode '%s': %s", s->fall.to, s->fall.reason);
        return EXIT_CODE_FELL_BACK;
}

static int print_end(const Arguments *arguments, const Switching *s) {
        bool done = s->end.kind == REFUSAL_NONE;
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json != JSON_OFF) {
                answer =
                        new_answer(arguments->operands[0], false, done && switching_has_changed(s));
                json_add_integer(answer, "steps_taken", switching_steps(s));
                json_add_word(answer, "text", s->end.text);
                json_add_word(answer, "fell_back_to", s->fall.to);
                json_add(answer, "timed_switch",
                         json_object_get(json_get(s->after, "timed_switch")));
                refused_add_to_json(answer, s->end.kind, s->end.text);
                json_print(answer, arguments->json);
        } else if (done) {
                print_done(arguments, s);
        }
        return done ? EXIT_CODE_DONE : complain_of_end(s);
}

static int leave_it_going(void) {
        sigset_t all;

        complain("The switch goes on; see: vfio-modectl status");
        (void)fflush(NULL);
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
        return EXIT_CODE_FAILED; /* not reached: the signal was waiting */
}

/* @r: what switching_do() returned */
static int print_result(const Arguments *arguments, const Switching *s, int r) {
        switch (r) {
        case 1:
                return print_end(arguments, s);
        case 0:
                return refused_complain_of_call(&s->error, arguments->host);
        case -EINTR:
                return leave_it_going();
        case -ETIMEDOUT:
                return refused_complain(REFUSAL_TIMED_OUT,
                                        "The switch has not ended yet; see: vfio-modectl status");
        default:
                complain("It cannot be told how the switch ended; see: vfio-modectl status");
                return EXIT_CODE_FAILED;
        }
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

static int complain_of_service(const Arguments *arguments, const BusError *error) {
        int r = refused_complain_of_call(error, arguments->host);

        if (error->is_unreachable && error->kind == REFUSAL_NONE && !arguments->host &&
            config_name_is_valid(arguments->operands[0]))
                complain("`systemctl start vfio-mode@%s` does it without the bus.",
                         arguments->operands[0]);
        return r;
}

static int switch_now(const Arguments *arguments) {
        const BusOptions options = { .confirm_within = arguments->confirm_within,
                                     .holders = arguments->holders };
        _cleanup_(switching_done) Switching s = { 0 };
        int r;

        if (switching_open(arguments, &s) < 0)
                return complain_of_service(arguments, &s.error);
        show_plan(arguments, s.bus);
        r = switching_do(&s, arguments->operands[0], &options);
        if (r == 1)
                r = switching_await_fall(&s);
        return print_result(arguments, &s, r);
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

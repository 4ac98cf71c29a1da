/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `switch`: starts the mode's unit and says how it went. It changes nothing itself: whoever may
 * start the unit may switch, by whatever way, and the unit's program has the last word.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/machine.h"
#include "ctl/proposal.h"
#include "ctl/text.h"
#include "host/units.h"

/** What tells one run of the unit from another. */
typedef struct RunMark {
        char invocation[64];
        struct stat result; /**< of the result file; all zero: there is none */
} RunMark;

static void read_mark(const Machine *machine, const char *mode, RunMark *ret) {
        *ret = (RunMark){ 0 };
        if (units_property(mode, "InvocationID", ret->invocation, sizeof(ret->invocation)) < 0)
                ret->invocation[0] = '\0';
        if (fstatat(machine->root.fd, RESULT_PATH, &ret->result, 0) < 0)
                ret->result = (struct stat){ 0 };
}

/*
 * Whether the result file is of the run that was just waited for: it was replaced meanwhile, by
 * this unit. A unit that was not started at all leaves its earlier result behind, under the same
 * id.
 */
static bool is_own_result(const RunMark *before, const RunMark *after, const RunResult *result) {
        bool replaced = before->result.st_ino != after->result.st_ino ||
                        before->result.st_mtim.tv_sec != after->result.st_mtim.tv_sec ||
                        before->result.st_mtim.tv_nsec != after->result.st_mtim.tv_nsec;

        return replaced && after->invocation[0] != '\0' &&
               strcmp(result->invocation, after->invocation) == 0;
}

/* --- what is said --- */

static void add_refusal(json_object *answer, RefusalKind kind, const char *text) {
        json_object *refusal;

        if (kind == REFUSAL_NONE) {
                json_add(answer, "refusal", NULL);
                return;
        }
        refusal = json_new();
        json_add_string(refusal, "name", refusal_name(kind));
        json_add_integer(refusal, "exit_code", refusal_exit_code(kind));
        json_add_string(refusal, "text", text);
        json_add(answer, "refusal", refusal);
}

static json_object *new_answer(const char *mode, bool dry_run, bool changed) {
        json_object *answer = json_answer();

        json_add_string(answer, "mode", mode);
        json_add_bool(answer, "dry_run", dry_run);
        json_add_bool(answer, "changed", changed);
        return answer;
}

static void complain_of_refusal(RefusalKind kind, const char *text) {
        complain("%s (%s)", text[0] != '\0' ? text : refusal_sentence(kind), refusal_name(kind));
}

/* --- --dry-run --- */

static void print_proposal(const Arguments *arguments, const Machine *machine,
                           const Proposal *proposal) {
        const char *mode = arguments->operands[0];

        if (machine_is_half_way(machine)) {
                _cleanup_free_ char *why = machine_why_no_mode(machine);

                warn("The plan is made from the machine as it is now, and %s.", why);
        }
        if (proposal->kind != REFUSAL_NONE)
                return;
        if (proposal->plan.n_steps == 0)
                text_line(stdout, "Nothing would have to be done for mode %s.", mode);
        else
                text_line(stdout, "To mode %s:", mode);
        proposal_print(proposal);
}

/* @changed: whether it would change anything, be it only the name of the mode in force */
static int dry_run(const Arguments *arguments, const Machine *machine, const Proposal *proposal) {
        const char *mode = arguments->operands[0];
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json == JSON_OFF && !arguments->quiet)
                print_proposal(arguments, machine, proposal);
        if (arguments->json != JSON_OFF) {
                bool changed =
                        proposal->kind == REFUSAL_NONE &&
                        (proposal->plan.n_steps > 0 || strcmp(mode, machine_mode(machine)) != 0);

                answer = new_answer(mode, true, changed);
                proposal_add_to_json(proposal, answer);
                add_refusal(answer, proposal->kind, proposal->refusal.text);
                json_print(answer, arguments->json);
        }
        if (proposal->kind == REFUSAL_BUSY && machine_mode(machine)[0] != '\0')
                warn("A guest whose unit is bound to that of mode %s would be stopped first.",
                     machine_mode(machine));
        if (proposal->kind != REFUSAL_NONE)
                complain_of_refusal(proposal->kind, proposal->refusal.text);
        return refusal_exit_code(proposal->kind);
}

/* --- the switch --- */

/* The unit's start failed, and its program left no word: it was not run, or did not get far. */
static int report_no_result(const char *mode, int error, const RunMark *before,
                            const RunMark *after) {
        char unit[UNIT_NAME_SIZE];

        (void)unit_name(mode, unit);
        if (error != -EIO) {
                complain("Cannot run systemctl: %s", strerror(-error));
                return EXIT_CODE_FAILED;
        }
        if (geteuid() != 0 && strcmp(before->invocation, after->invocation) == 0) {
                complain("%s was not started: a switch takes root's rights, or polkit's consent to "
                         "start units.",
                         unit);
                return EXIT_CODE_NOT_AUTHORISED;
        }
        complain("%s failed and gave no reason; see: systemctl status %s", unit, unit);
        return EXIT_CODE_FAILED;
}

static void print_done(const Arguments *arguments, const RunResult *result, bool changed) {
        if (arguments->quiet)
                return;
        if (!changed)
                text_line(stdout, "Already in mode %s; nothing had to be done.", result->mode);
        else if (result->text[0] != '\0')
                text_line(stdout, "%s", result->text);
        else
                text_line(stdout, "Mode %s is on.", result->mode);
}

static int report_result(const Arguments *arguments, const RunResult *result,
                         const char *old_mode) {
        bool done = result->kind == REFUSAL_NONE;
        bool changed = done && (result->n_steps > 0 || strcmp(old_mode, result->mode) != 0);
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json != JSON_OFF) {
                answer = new_answer(result->mode, false, changed);
                json_add_integer(answer, "steps_taken", result->n_steps);
                json_add_word(answer, "text", result->text);
                add_refusal(answer, result->kind, result->text);
                json_print(answer, arguments->json);
        } else if (done) {
                print_done(arguments, result, changed);
        }
        if (!done)
                complain_of_refusal(result->kind, result->text);
        return refusal_exit_code(result->kind);
}

static int start(const Arguments *arguments, const Machine *machine) {
        const char *mode = arguments->operands[0];
        RunResult result = { 0 };
        RunMark before, after;
        int r, error;

        read_mark(machine, mode, &before);
        r = units_start(mode, UNIT_REAPPLY_WAIT);
        read_mark(machine, mode, &after);
        error = result_read(&machine->root, &result);

        if (error < 0 || !is_own_result(&before, &after, &result)) {
                if (r < 0)
                        return report_no_result(mode, r, &before, &after);
                /* Started, and nothing had to be done: then it leaves the last word to others. */
                result = (RunResult){ 0 };
                (void)snprintf(result.mode, sizeof(result.mode), "%s", mode);
        } else if (r < 0 && result.kind == REFUSAL_NONE) {
                return report_no_result(mode, r, &before, &after);
        }
        return report_result(arguments, &result, machine_mode(machine));
}

/*
 * A name that neither configuration knows is refused here: systemd would keep a failed unit of
 * that name, and call the system degraded, for a slip of the keyboard.
 */
static bool is_known(const Machine *machine, const char *mode) {
        if (!config_name_is_valid(mode))
                return false;
        if (machine->config.result < 0)
                return true;
        return config_find_mode(&machine->config.config, mode) ||
               (machine->accepted.result >= 0 && config_find_mode(&machine->accepted.config, mode));
}

static int switch_live(const Arguments *arguments, const Machine *machine,
                       const Proposal *proposal) {
        const char *mode = arguments->operands[0];

        if (!is_known(machine, mode)) {
                RunResult result = { .kind = REFUSAL_UNKNOWN_MODE };

                (void)snprintf(result.mode, sizeof(result.mode), "%s", mode);
                (void)snprintf(result.text, sizeof(result.text),
                               "There is no mode '%.64s'; see: vfio-modectl list-modes", mode);
                return report_result(arguments, &result, "");
        }
        if (arguments->terminal && !arguments->quiet && arguments->json == JSON_OFF &&
            proposal->kind == REFUSAL_NONE && proposal->plan.n_steps > 0) {
                print_proposal(arguments, machine, proposal);
                (void)fflush(stdout);
        }
        return start(arguments, machine);
}

static int run(const Arguments *arguments) {
        bool is_dry_run = arguments->options & VERB_OPTION_DRY_RUN;
        _cleanup_(machine_freep) Machine *machine = machine_read(arguments, MACHINE_SCAN_NOTHING);
        _cleanup_free_ Proposal *proposal = NULL;

        if (!machine)
                return EXIT_CODE_FAILED;
        if (!is_dry_run && !machine->root.is_live) {
                complain("A captured machine (--root) cannot be switched; add --dry-run.");
                return EXIT_CODE_USAGE;
        }
        proposal = proposal_make(machine, arguments->operands[0]);
        if (is_dry_run)
                return dry_run(arguments, machine, proposal);
        return switch_live(arguments, machine, proposal);
}

const Verb verb_switch = {
        .name = "switch",
        .synopsis = "MODE [--dry-run]",
        .summary = "Bring the machine into a mode now",
        .details =
                "Starts vfio-mode@MODE.service, waits for it and says how it went; in the mode\n"
                "already, drift is mended. Exits with the code of the reason where it is refused.\n"
                "\n"
                "  --dry-run    Print the steps, or the refusal, and do nothing.\n",
        .min_operands = 1,
        .max_operands = 1,
        .options = VERB_OPTION_DRY_RUN,
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows vfio-mode-apply in what it reads and in which order, so that the plan is the one that a
 * switch would follow.
 */
#include <errno.h>
#include <string.h>

#include "ctl/proposal.h"
#include "ctl/text.h"
#include "host/holders.h"
#include "host/host-plan.h"
#include "host/in-use.h"
#include "model/guest.h"
#include "model/inspection.h"
#include "model/plan.h"
#include "view/describe-ways-back.h"

static RefusalKind refuse_config(const Machine *machine, Refusal *refusal) {
        _cleanup_(lines_done) Lines errors = { 0 };

        if (machine->config.result == -ENOENT)
                return refusal_set(refusal, REFUSAL_CONFIG_INVALID, CONFIG_MISSING);
        machine_config_errors(&machine->config, &errors);
        return refusal_set(refusal, REFUSAL_CONFIG_INVALID, "%s",
                           errors.n_lines > 0 ? errors.lines[0]
                                              : strerror(-machine->config.result));
}

/*
 * The order is vfio-mode-apply's: the way back goes by what was accepted, so that a typo made while
 * the GPU is away is no obstacle, and without any configuration there still is the way back to
 * `host`.
 *
 * Returns whether there is one; filled with nothing but the fallback mode in the last case.
 */
static bool choose_config(const Machine *machine, const char *mode, Config *ret, Refusal *refusal) {
        const Config *accepted = machine->accepted.result >= 0 ? &machine->accepted.config : NULL;
        bool is_way_back = accepted && strcmp(mode, accepted->fallback_mode) == 0;
        _cleanup_free_ ConfigErrors *errors = must_have(calloc(1, sizeof(*errors)));

        if (is_way_back && strcmp(mode, machine->state.mode) != 0)
                *ret = *accepted;
        else if (machine->config.result >= 0)
                *ret = machine->config.config;
        else if (is_way_back)
                *ret = *accepted;
        else if (accepted || strcmp(mode, "host") != 0 || config_parse(NULL, 0, ret, errors) < 0)
                return refuse_config(machine, refusal) == REFUSAL_NONE;
        return true;
}

/* As vfio-mode-apply does, but for the few seconds that it has for who lets go by himself. */
static RefusalKind plan_to_let_go(const Machine *machine, const Config *config, const char *mode,
                                  Plan *plan, Refusal *refusal) {
        _cleanup_free_ InUse *in_use = must_have(calloc(1, sizeof(*in_use)));
        const ConfigMode *target = config_find_mode(config, mode);
        int r;

        if (plan->n_steps == 0 && strcmp(machine_mode(machine), mode) == 0)
                return REFUSAL_NONE;
        r = in_use_look(&machine->root, &machine->host, plan, target, in_use);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "Processes that use the devices cannot be looked for: %s.",
                                   strerror(-r));
        return in_use_plan(in_use, target, target->holders,
                           strcmp(mode, config->fallback_mode) == 0, plan, refusal);
}

static RefusalKind make_plan(Machine *machine, const Config *config, const char *mode, Plan *plan,
                             Refusal *refusal) {
        const PlanInput input = {
                .config = config,
                .host = &machine->host,
                .state = &machine->moved,
                .mode = mode,
                .ends_guests = guest_may_be_ended(&machine->state, mode),
        };
        RefusalKind kind;
        int r;

        r = machine_scan_for(machine, config);
        if (r >= 0)
                /* Sees what the caller's rights let it see; the switch itself looks as root. */
                r = holders_find_vfio(&machine->root, &machine->host);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "The PCI devices cannot be read: %s.",
                                   strerror(-r));
        kind = host_plan_make(&machine->root, &input, plan, refusal);
        return kind == REFUSAL_NONE ? plan_to_let_go(machine, config, mode, plan, refusal) : kind;
}

/* --- filling --- */

static void init(Proposal *proposal) {
        *proposal =
                (Proposal){ .steps = json_list(), .notes = json_list(), .ways_back = json_list() };
}

static void add_step(Proposal *proposal, const char *step, const char *object, const char *text) {
        json_object *row = json_new();

        json_add_string(row, "step", step);
        json_add_word(row, "object", object);
        json_add_string(row, "text", text);
        json_append(proposal->steps, row);
}

static void add_stop(Proposal *proposal, const PlanStop *stop) {
        char text[PLAN_STOP_TEXT_SIZE], object[PLAN_STOP_OBJECT_SIZE];

        add_step(proposal, plan_stop_name(stop->kind), plan_stop_object(stop, object),
                 plan_stop_format(stop, text));
}

static void add_plan(Proposal *proposal, const Plan *plan) {
        for (size_t i = 0; i < plan->n_stops; i++)
                add_stop(proposal, &plan->stops[i]);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                char text[PLAN_STEP_TEXT_SIZE], object[PLAN_STEP_OBJECT_SIZE];

                add_step(proposal, step_kind_name(step->kind), step_object(step, object),
                         step_format(step, text));
        }
        for (size_t i = 0; i < plan->n_notes; i++)
                json_append_string(proposal->notes, plan->notes[i]);
}

static void add_ways_back(const Machine *machine, const Config *config, const char *mode,
                          Proposal *ret) {
        _cleanup_free_ NextBoot *next = must_have(calloc(1, sizeof(*next)));
        json_object *rows;

        next_boot_read(&machine->root, next);
        rows = ways_back_find_json(machine, config, config_find_mode(config, mode), next);
        if (!rows)
                return;
        json_object_put(ret->ways_back);
        ret->ways_back = rows;
}

void proposal_make(Machine *machine, const char *mode, Proposal *ret) {
        _cleanup_free_ Config *config = must_have(calloc(1, sizeof(*config)));
        _cleanup_free_ Plan *plan = must_have(calloc(1, sizeof(*plan)));
        Refusal refusal = { 0 };

        init(ret);
        if (choose_config(machine, mode, config, &refusal))
                ret->kind = make_plan(machine, config, mode, plan, &refusal);
        else
                ret->kind = refusal.kind;
        if (ret->kind != REFUSAL_NONE) {
                (void)snprintf(ret->text, sizeof(ret->text), "%s", refusal.text);
                return;
        }
        add_plan(ret, plan);
        if (strcmp(mode, config->fallback_mode) != 0)
                add_ways_back(machine, config, mode, ret);
}

int proposal_ask(Bus *bus, const char *mode, Proposal *ret, BusError *error) {
        _cleanup_json_ json_object *rows = NULL;
        int r;

        init(ret);
        r = bus_rows(bus, "PlanSwitch", mode, &rows, error);
        if (r < 0 && error->kind != REFUSAL_NONE) {
                ret->kind = error->kind;
                (void)snprintf(ret->text, sizeof(ret->text), "%s", error->text);
                return 0;
        }
        for (size_t i = 0; i < json_length(rows); i++) {
                const json_object *row = json_at(rows, i);
                const char *step = json_get_text(row, "step"), *note = json_get_text(row, "note");
                const char *object = json_get_text(row, "object");

                if (strcmp(step, "note") == 0)
                        json_append_string(ret->notes, note);
                else if (strcmp(step, INSPECTION_WAY_BACK) == 0)
                        json_append(ret->ways_back, way_back_row(object, true, note));
                else if (strcmp(step, INSPECTION_NO_WAY_BACK) == 0)
                        json_append(ret->ways_back, way_back_row(object, false, note));
                else
                        add_step(ret, step, object, note);
        }
        return r;
}

void proposal_done(Proposal *proposal) {
        json_object_put(TAKE_PTR(proposal->steps));
        json_object_put(TAKE_PTR(proposal->notes));
        json_object_put(TAKE_PTR(proposal->ways_back));
}

/* --- showing --- */

void proposal_print(const Proposal *proposal) {
        for (size_t i = 0; i < json_length(proposal->steps); i++)
                text_line(stdout, "  %s", json_get_text(json_at(proposal->steps, i), "text"));
        for (size_t i = 0; i < json_length(proposal->notes); i++)
                text_line(stdout, "  note: %s",
                          json_object_get_string(json_at(proposal->notes, i)));
        for (size_t i = 0; i < json_length(proposal->ways_back); i++) {
                const json_object *way = json_at(proposal->ways_back, i);

                text_line(stdout, "  %s: %s",
                          json_get_bool(way, "open") ? "way back" : "no way back",
                          json_get_text(way, "text"));
        }
}

void proposal_add_to_json(const Proposal *proposal, json_object *object) {
        json_add(object, "steps", json_object_get(proposal->steps));
        json_add(object, "notes", json_object_get(proposal->notes));
        json_add(object, "ways_back", json_object_get(proposal->ways_back));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/host-scan.h"
#include "host/memory-scan.h"
#include "host/process.h"
#include "host/state-files.h"
#include "let-go.h"
#include "model/hold.h"
#include "model/switch-origin.h"
#include "screen-away.h"
#include "state-write.h"
#include "switch-record.h"

static bool is_away(const SwitchRecord *s, PciAddress address, RefusalKind outcome) {
        Function function;

        /* Of a device that is stuck nothing is asked. */
        if (outcome == REFUSAL_WEDGED)
                return true;
        if (outcome != REFUSAL_HALF_WAY || host_scan_function(s->now->root, address, &function) < 0)
                return plan_has_vfio(s->plan, address);
        /* What is not on a host driver, or has our override, is still ours to bring home. */
        return function.on_vfio || function.driver[0] == '\0' ||
               driver_is_no_home(function.driver) || driver_is_no_home(function.driver_override);
}

/* Who was left there by a switch before may still add to it. */
static bool is_in_a_pool(const SwitchRecord *s) {
        const RunWriter *writer = &s->now->writer;

        return writer->write.kind == RUN_WRITE_HUGEPAGES &&
               process_is_there(s->now->root, writer->pid, writer->start);
}

/*
 * What is to be given back when this mode is left; and what could not be given back by now. Nothing
 * is where the mode keeps its pages: they are the machine's from then on.
 */
static void keep_pools(const SwitchRecord *s, const RunState *undo, RefusalKind outcome,
                       RunState *next) {
        const ConfigMode *mode = config_find_mode(&s->now->config, s->now->mode);
        const HugepagesWanted *wanted =
                outcome == REFUSAL_NONE && mode ? &mode->hugepages : &(HugepagesWanted){ 0 };
        Memory memory;

        if (wanted->keep)
                return;
        run_state_add_pools(next, &s->now->state);
        run_state_add_pools(next, undo);
        if (outcome == REFUSAL_WEDGED || is_in_a_pool(s))
                return;
        memory_scan(s->now->root, &memory);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (wanted->pages[size] == 0 &&
                    memory.pools[size].pages <= next->home_pools[size].pages)
                        next->home_pools[size].is_known = false;
}

/* --- the units that were stopped --- */

typedef struct Outcome {
        const SwitchRecord *s;
        RefusalKind kind;
        const RunState *before; /* the status that stands, where the switch was undone */
} Outcome;

static bool is_stop_unit(const ConfigMode *mode, const char *unit) {
        for (size_t i = 0; i < mode->n_stop_units; i++)
                if (strcmp(mode->stop_units[i], unit) == 0)
                        return true;
        return false;
}

/* Half-way the fallback mode comes next, and starts them when the devices are back. */
static bool stays_stopped(const StoppedUnit *unit, const void *userdata) {
        const Outcome *outcome = userdata;
        const SwitchRecord *s = outcome->s;

        if (outcome->before)
                return run_state_find_unit(outcome->before, unit->name);
        if (outcome->kind == REFUSAL_HALF_WAY && !s->now->is_fallback)
                return true;
        return unit->is_holder
                       ? is_away(s, unit->address, outcome->kind)
                       : is_stop_unit(config_find_mode(&s->now->config, s->now->mode), unit->name);
}

void switch_record_start_again(const SwitchRecord *s, const RunState *undo, RefusalKind kind) {
        _cleanup_free_ RunState *before = calloc(1, sizeof(*before));
        Outcome outcome = { .s = s, .kind = kind };

        if (!s->now->root->is_live || !before || undo->n_units == 0)
                return;
        if (kind != REFUSAL_NONE && kind != REFUSAL_HALF_WAY) {
                if (state_read(s->now->root, before) < 0)
                        before->n_units = 0;
                outcome.before = before;
        }
        let_go_start_again(s->now->root, undo, stays_stopped, &outcome);
}

static void keep_stopped(const SwitchRecord *s, const RunState *undo, RefusalKind kind,
                         RunState *next) {
        const Outcome outcome = { .s = s, .kind = kind };

        for (size_t i = 0; i < undo->n_units; i++)
                if (stays_stopped(&undo->units[i], &outcome))
                        situation_keep_unit(next, &undo->units[i]);
}

/* For as long as a function is away that they belong to. */
static void keep_modules(const SwitchRecord *s, const RunState *undo, RunState *next) {
        bool is_away = false;

        for (size_t i = 0; i < next->n_homes; i++)
                is_away |= waiting_driver(next->homes[i].driver) != NULL;
        if (!is_away)
                return;
        situation_keep_modules(next, &s->now->state);
        situation_keep_modules(next, undo);
}

/* Whether the mode of @next is held. */
static void follow_hold(const SwitchRequest *request, const RunState *before, RunState *next) {
        bool is_again = strcmp(before->mode, next->mode) == 0;

        /* A unit that is started while its mode is on was started by us: after a boot, or after a
         * failure that was undone. */
        hold_follow(before, next,
                    request->is_held && !(is_again && strcmp(request->source, SOURCE_UNIT) == 0),
                    request->reason, now_real_usec());
}

/* What is as wanted is not written again, but a configuration that changed nothing is accepted,
 * too. */
static void accept_config(const SwitchRecord *s) {
        bool is_new;
        int r;

        r = accepted_write(s->now->root, &s->now->config);
        is_new = r > 0;
        if (is_new)
                r = marks_write(s->now->root, s->plan->vfio, s->plan->n_vfio);
        if (r < 0)
                log_warning_errno(r, "/" RUN_DIR " cannot be written: %m");
        else if (is_new)
                screen_away_record(s->now, s->plan, true);
}

bool switch_record_again(const SwitchRecord *s) {
        _cleanup_free_ RunState *next = malloc(sizeof(*next));
        int r;

        accept_config(s);
        if (!next)
                return false;
        *next = s->now->state;
        follow_hold(s->request, &s->now->state, next);
        if (next->hold.since == s->now->state.hold.since)
                return false;
        r = state_write(s->now->root, next);
        if (r < 0)
                log_warning_errno(
                        r, "/" STATUS_PATH " cannot be written, so mode '%s' is not held: %m",
                        s->now->mode);
        return r >= 0;
}

/* Whose mark stays udev gives to vfio-pci once more when it comes back: marks are taken away also
 * where nothing can be written. */
static int write_record(const SwitchRecord *s, const RunState *state) {
        int r, marked;

        r = state_write(s->now->root, state);
        if (r >= 0)
                r = accepted_write(s->now->root, &s->now->config);
        marked = marks_write(s->now->root, s->plan->vfio, s->plan->n_vfio);
        return r < 0 ? r : marked;
}

int switch_record_write(const SwitchRecord *s, const RunState *undo, RefusalKind outcome) {
        _cleanup_free_ RunState *next = calloc(1, sizeof(*next));
        const char *from =
                outcome == REFUSAL_NONE ? situation_mode_before(s->now) : s->now->state.mode;
        const SwitchRequest *request = s->request;
        int r;

        if (!next)
                return -ENOMEM;
        (void)snprintf(next->old_mode, sizeof(next->old_mode), "%s", from);
        (void)snprintf(next->source, sizeof(next->source), "%s", request->source);
        (void)snprintf(next->reason, sizeof(next->reason), "%s",
                       outcome == REFUSAL_NONE ? request->reason : refusal_public(s->refusal));
        if (outcome == REFUSAL_NONE)
                (void)snprintf(next->mode, sizeof(next->mode), "%s", s->now->mode);
        next->since = (uint64_t)time(NULL);
        for (size_t i = 0; i < s->now->state.n_homes; i++)
                if (is_away(s, s->now->state.homes[i].address, outcome))
                        situation_keep_home(next, &s->now->state.homes[i]);
        for (size_t i = 0; i < undo->n_homes; i++)
                if (is_away(s, undo->homes[i].address, outcome))
                        situation_keep_home(next, &undo->homes[i]);
        keep_stopped(s, undo, outcome, next);
        keep_modules(s, undo, next);
        keep_pools(s, undo, outcome, next);
        follow_hold(request, &s->now->state, next);
        if (outcome == REFUSAL_NONE && strcmp(next->mode, from) == 0) {
                /* Mended, not switched: since when, by whom and why stay as they were. */
                (void)memcpy(next->source, s->now->state.source, sizeof(next->source));
                (void)memcpy(next->reason, s->now->state.reason, sizeof(next->reason));
                (void)memcpy(next->old_mode, s->now->state.old_mode, sizeof(next->old_mode));
                next->since = s->now->state.since;
        }
        r = write_record(s, next);
        if (r < 0) {
                /* What stands there is not so any more: no mode is better, and there is room again.
                 */
                (void)unlinkat(s->now->root->fd, STATUS_PATH, 0);
                r = write_record(s, next);
        }
        if (r < 0)
                log_warning_errno(r, "/" RUN_DIR " cannot be written: %m");
        if (outcome != REFUSAL_WEDGED)
                screen_away_record(s->now, s->plan, outcome == REFUSAL_NONE);
        return r;
}

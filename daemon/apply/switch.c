/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order matters and is DESIGN §4's: a refusal must come before the old mode's unit is stopped,
 * guests must be stopped before anything is taken, and while functions move no mode's unit is
 * active.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/plural.h"
#include "guests.h"
#include "home-rom.h"
#include "host/hold.h"
#include "host/holders.h"
#include "host/state-files.h"
#include "host/units.h"
#include "let-go.h"
#include "lock.h"
#include "mode-units.h"
#include "model/switch-origin.h"
#include "picture.h"
#include "plan-apply.h"
#include "power.h"
#include "situation.h"
#include "state-write.h"
#include "switch-record.h"
#include "switch.h"
#include "wedged.h"

#define STAYING                                                                               \
        "All is on the host again but for %zu function%s, which stay%s on vfio-pci: %s Then " \
        "switch again."

typedef struct Switch {
        const SwitchRequest *request;
        Situation now;
        char mended_mode[CONFIG_NAME_SIZE];
        Plan plan;
        Refusal refusal;
        LetGo let_go;
        UnitInstance instances[UNIT_INSTANCES_MAX];
        int n_instances;
        int lock_fd;
        int is_stopping; /* the machine; negative: nobody could be asked */
        size_t n_tried;  /* steps of a plan that had to be made anew */
        bool has_listed; /* the instances, as systemd has them */
        bool stopped_old;
        bool was_put_back;   /* what a switch before had left half-way */
        bool left_old;       /* active, since it could not be asked to stop */
        bool got_stuck;      /* now, and not in an earlier switch */
        bool is_in_a_pool;   /* what got stuck is a pool of hugepages, and not a device */
        bool is_held_now;    /* by this switch, which changes nothing else */
        bool has_new_config; /* other than what was accepted before */
        bool guest_has_rest; /* nothing failed, but a guest is in the way */
} Switch;

static void switch_free(Switch **s) {
        if (*s)
                closep(&(*s)->lock_fd);
        free(*s);
}

static RefusalKind take_lock(Switch *s) {
        int r;

        r = lock_take(s->now.root, s->request->wait_for_lock, &s->lock_fd);
        if (r == -EAGAIN)
                return lock_refuse(s->now.root, &s->refusal);
        if (r < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "The lock /" LOCK_PATH " cannot be taken: %s.", strerror(-r));
        if (!s->request->without_units)
                s->is_stopping = units_system_is_stopping();
        if (s->is_stopping > 0)
                return refusal_set(&s->refusal, REFUSAL_SHUTTING_DOWN,
                                   "The machine is going down; no device is moved any more.");
        return REFUSAL_NONE;
}

/* On the way down no device is to move; the way back is gone all the same. */
static RefusalKind refuse_unknown_stopping(Switch *s) {
        if (s->is_stopping >= 0)
                return REFUSAL_NONE;
        log_warning_errno(s->is_stopping, "Whether the machine is going down cannot be asked: %m");
        if (s->now.is_fallback)
                return REFUSAL_NONE;
        return refusal_set(&s->refusal, REFUSAL_FAILED,
                           "Whether the machine is going down cannot be asked of systemd: %s.",
                           strerror(-s->is_stopping));
}

/* A choice stands against what is asked for a virtual machine; but never on the way back. */
static RefusalKind refuse_held(Switch *s) {
        if (!switch_source_is_vm(s->request->source) ||
            !hold_is_against(&s->now.state, s->now.mode, s->now.config.fallback_mode))
                return REFUSAL_NONE;
        return hold_refuse(&s->now.state, &s->refusal);
}

/* --- units --- */

/* Where systemd cannot be asked, the one to be active is that of the mode that the machine is in.
 */
static void list_instances(Switch *s) {
        UnitInstance *old = &s->instances[0];

        if (s->request->without_units || s->request->mend_only)
                return;
        s->n_instances = units_list_settled(s->now.mode, s->instances, UNIT_INSTANCES_MAX);
        s->has_listed = s->n_instances >= 0;
        if (s->has_listed)
                return;
        log_warning_errno(s->n_instances, "The units of other modes cannot be listed: %m");
        s->n_instances = s->now.state.mode[0] != '\0';
        (void)snprintf(old->mode, sizeof(old->mode), "%s", s->now.state.mode);
        (void)snprintf(old->active_state, sizeof(old->active_state), "active");
}

/* Whether guests may be bound to the old mode's unit: then being busy now is no reason to refuse.
 */
static bool stopping_may_end_guests(const Switch *s) {
        for (int i = 0; i < s->n_instances; i++)
                if (let_go_is_to_be_stopped(&s->now, &s->instances[i]) &&
                    units_has_dependents(s->instances[i].mode))
                        return true;
        return false;
}

/*
 * Guests bound to the old mode's unit end with it, before anything is taken from them. One that
 * nobody could ask to stop would stay active beside the new one; the way back is gone all the same,
 * and asks once more at its end.
 */
static RefusalKind stop_old(Switch *s) {
        s->left_old = false;
        for (int i = 0; i < s->n_instances; i++) {
                const char *mode = s->instances[i].mode;
                int r;

                if (!let_go_is_to_be_stopped(&s->now, &s->instances[i]))
                        continue;
                let_go_wait_longer(mode);
                /* What is not told so would wait for us, and we for it. */
                r = lock_begin_stopping(s->lock_fd);
                if (r >= 0)
                        r = units_stop(mode);
                if (r >= 0 || !units_mode_may_run(mode)) {
                        if (r < 0)
                                log_warning("The unit of mode '%s' did not stop cleanly.", mode);
                        s->stopped_old = true;
                        continue;
                }
                (void)refusal_set(&s->refusal, REFUSAL_FAILED,
                                  "The unit of mode '%s' cannot be stopped: %s.", mode,
                                  r == -EIO ? "it goes on" : strerror(-r));
                if (!s->now.is_fallback)
                        return REFUSAL_FAILED;
                log_warning("%s", s->refusal.text);
                s->refusal = (Refusal){ .kind = REFUSAL_NONE };
                s->left_old = true;
        }
        return REFUSAL_NONE;
}

/* --- the steps, and the record --- */

static bool takes_from_vfio(const Switch *s) {
        for (size_t i = 0; i < s->plan.n_steps; i++) {
                const Step *step = &s->plan.steps[i];
                const Function *function = host_find(&s->now.host, step->address);

                if (step->kind == STEP_UNBIND && function && function->on_vfio)
                        return true;
        }
        return false;
}

/* What a process still holds, the kernel would wait for. */
static RefusalKind plan_with_holders(Switch *s) {
        int r;

        r = holders_find_vfio(s->now.root, &s->now.host);
        if (r < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "Processes using VFIO cannot be looked for: %s.", strerror(-r));
        return situation_plan(&s->now, &s->plan, &s->refusal);
}

static bool is_unchanged(const Switch *s) {
        return s->plan.n_steps == 0 && strcmp(s->now.state.mode, s->now.mode) == 0 &&
               faccessat(s->now.root->fd, UNDO_PATH, F_OK, 0) < 0;
}

static RefusalKind plan_to_let_go(Switch *s) {
        const ConfigMode *mode = config_find_mode(&s->now.config, s->now.mode);

        if (s->request->early || is_unchanged(s))
                return REFUSAL_NONE;
        s->let_go.how = mode->holders;
        if (s->request->holders && config_holders_parse(s->request->holders, &s->let_go.how) < 0)
                s->let_go.how = mode->holders;
        return let_go_plan(&s->let_go, s->instances, s->n_instances, &s->plan, &s->refusal);
}

/* After guests had the time to end, or not to. */
static RefusalKind look_again(Switch *s) {
        RefusalKind kind = situation_scan(&s->now, &s->refusal);

        if (kind == REFUSAL_NONE)
                kind = plan_with_holders(s);
        return kind == REFUSAL_NONE ? plan_to_let_go(s) : kind;
}

/* Not for a pool of hugepages: nothing is lost that another boot would bring back. At boot the
 * count of unconfirmed boots is the remedy: a reboot that early might be one after the other. */
static Reboot needed_reboot(const Switch *s, bool has_failed) {
        if (s->request->early || s->is_in_a_pool || !situation_reboots(&s->now))
                return REBOOT_NONE;
        if (s->got_stuck)
                return REBOOT_BY_FORCE;
        return s->request->is_last_way && has_failed ? REBOOT_IN_ORDER : REBOOT_NONE;
}

static RefusalKind let_them_go(void *userdata, UndoLog *undo, Refusal *refusal) {
        Switch *s = userdata;

        return let_go(&s->let_go, &s->plan, undo, refusal);
}

/*
 * What has failed once on the way back may be over, such as a writer that was killed. Made anew,
 * the plan has only the steps of what is not home yet, and leaves out what somebody uses by now.
 */
static RefusalKind try_again(Switch *s, Writer *writer, UndoLog *undo) {
        _cleanup_free_ Plan *plan = malloc(sizeof(*plan));
        const Refusal before = s->refusal;
        RefusalKind kind;

        if (!plan)
                return REFUSAL_HALF_WAY;
        log_notice("Trying once more.");
        *plan = s->plan;
        s->n_tried = s->plan.n_steps;
        s->refusal = (Refusal){ .kind = REFUSAL_NONE };
        if (look_again(s) == REFUSAL_NONE) {
                kind = plan_apply(writer, &s->plan, &s->now.host, true, NULL, undo, &s->refusal);
                if (kind != REFUSAL_HALF_WAY)
                        return kind;
        } else {
                /* A plan that was refused does not say what stays on vfio-pci. */
                s->plan = *plan;
                s->n_tried = 0;
        }
        s->refusal = before;
        return REFUSAL_HALF_WAY;
}

/* What could come home has; the rest can, as soon as its guest is gone. */
static RefusalKind say_what_stays(Switch *s) {
        s->guest_has_rest = true;
        (void)refusal_set(&s->refusal, REFUSAL_HALF_WAY, STAYING, s->plan.n_staying,
                          plural_s(s->plan.n_staying), s->plan.n_staying == 1 ? "s" : "",
                          s->plan.stays_since.text);
        refusal_set_public(&s->refusal, STAYING, s->plan.n_staying, plural_s(s->plan.n_staying),
                           s->plan.n_staying == 1 ? "s" : "", refusal_public(&s->plan.stays_since));
        return REFUSAL_HALF_WAY;
}

static RefusalKind take_steps(Switch *s) {
        _cleanup_(undo_log_close) UndoLog undo = UNDO_LOG_NULL;
        _cleanup_(writer_close) Writer writer = writer_new(s->now.root, s->request->early_since);
        const PlanGate gate = { let_them_go, s };
        const SwitchRecord done = { s->request, &s->now, &s->plan, &s->refusal };
        RefusalKind kind;
        int r;

        r = undo_log_open(s->now.root, s->now.state.mode, s->now.mode, &s->now.before, &undo);
        if (r < 0 && !s->now.is_fallback)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "The undo log /" UNDO_PATH " cannot be written: %s.",
                                   strerror(-r));
        writer.log = &undo;
        home_rom_put_back(&writer, &s->now.before.rom);
        kind = writer.is_stuck ? wedged_refuse(&writer, &s->refusal)
                               : plan_apply(&writer, &s->plan, &s->now.host, s->now.is_fallback,
                                            &gate, &undo, &s->refusal);
        if (kind == REFUSAL_HALF_WAY && s->now.is_fallback)
                kind = try_again(s, &writer, &undo);
        if (kind == REFUSAL_NONE && s->plan.n_staying > 0)
                kind = say_what_stays(s);
        if (kind == REFUSAL_NONE || kind == REFUSAL_HALF_WAY) {
                power_put_all_back(&writer, &s->now.state, &s->plan);
                if (writer.is_stuck)
                        kind = wedged_refuse(&writer, &s->refusal);
        }
        r = kind == REFUSAL_NONE || kind == REFUSAL_HALF_WAY || kind == REFUSAL_WEDGED
                    ? switch_record_write(&done, &undo.state, kind)
                    : 0;
        if (kind == REFUSAL_WEDGED) {
                /* The log stays: it says whose end to wait for. */
                s->got_stuck = true;
                s->is_in_a_pool = writer.record.write.kind == RUN_WRITE_HUGEPAGES;
                return kind;
        }
        if (r < 0 && kind == REFUSAL_NONE && !s->now.is_fallback)
                /* The log stays: where everything belongs stands nowhere else. */
                return refusal_set(&s->refusal, REFUSAL_HALF_WAY,
                                   "The functions are where mode '%s' has them, but /" RUN_DIR
                                   " cannot be written: %s.",
                                   s->now.mode, strerror(-r));
        /* Before the log goes: a kill in between has them started by the next switch. */
        switch_record_start_again(&done, &undo.state, kind);
        r = undo_log_remove(&undo);
        if (r < 0)
                log_warning_errno(r, "The undo log /" UNDO_PATH " cannot be removed: %m");
        s->was_put_back =
                kind != REFUSAL_NONE && kind != REFUSAL_HALF_WAY && s->now.before.n_homes > 0;
        return kind;
}

static RefusalKind go(Switch *s) {
        RefusalKind kind;

        for (size_t i = 0; i < s->plan.n_notes; i++)
                log_notice("%s", s->plan.notes[i]);
        file_sweep_at(s->now.root->fd, RUN_DIR);
        s->has_new_config = !s->request->early && !accepted_is(s->now.root, &s->now.config);
        if (is_unchanged(s)) {
                const SwitchRecord again = { s->request, &s->now, &s->plan, &s->refusal };

                s->is_held_now = switch_record_again(&again);
                return REFUSAL_NONE;
        }
        if (s->request->early)
                let_go_plymouth(&s->now, &s->plan);
        mode_units_watch_reload(s->instances, s->n_instances, s->now.mode);
        kind = take_steps(s);
        if (kind == REFUSAL_NONE && s->left_old)
                (void)stop_old(s);
        if (kind == REFUSAL_NONE)
                mode_units_forget_failures(s->instances, s->n_instances, s->now.mode);
        return kind;
}

/*
 * A switch that was killed may have stopped the old mode's unit and moved nothing yet: then nobody
 * else would start it again. Not while half-way; that is for the next switch that succeeds.
 */
static bool old_has_no_unit(const Switch *s) {
        if (!s->has_listed || strcmp(s->now.state.mode, s->now.mode) == 0 ||
            faccessat(s->now.root->fd, UNDO_PATH, F_OK, 0) == 0)
                return false;
        for (int i = 0; i < s->n_instances; i++)
                if (strcmp(s->instances[i].mode, s->now.state.mode) == 0 &&
                    strcmp(s->instances[i].active_state, "failed") != 0 &&
                    strcmp(s->instances[i].active_state, "inactive") != 0)
                        return false;
        return true;
}

/* Every failure leads to a mode: the old one where it could be undone, else the fallback mode.
 * While a driver is stuck there is none. */
static const char *mode_after_failure(const Switch *s, RefusalKind kind) {
        if (kind == REFUSAL_WEDGED)
                return "";
        if (kind != REFUSAL_HALF_WAY)
                return s->stopped_old || old_has_no_unit(s) ||
                                       (s->was_put_back && !s->request->without_units)
                               ? s->now.state.mode
                               : "";
        return s->now.is_fallback || (s->request->without_units && !s->request->mend_only)
                       ? ""
                       : s->now.config.fallback_mode;
}

static RefusalKind run(Switch *s) {
        bool takes, had_guests = false;
        RefusalKind kind;

        kind = take_lock(s);
        if (kind != REFUSAL_NONE)
                return kind;
        if (situation_read_state(&s->now) < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED, "Out of memory.");
        kind = situation_check_writer(&s->now, !s->request->early, &s->refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        if (s->request->mend_only) {
                /* Only with the lock it is certain which mode is in force. */
                (void)snprintf(s->mended_mode, sizeof(s->mended_mode), "%s", s->now.state.mode);
                s->now.mode = s->mended_mode;
                if (s->now.mode[0] == '\0')
                        return REFUSAL_NONE;
        }
        list_instances(s);
        kind = situation_load_config(&s->now, &s->refusal);
        if (kind == REFUSAL_NONE)
                kind = refuse_unknown_stopping(s);
        if (kind == REFUSAL_NONE)
                kind = refuse_held(s);
        if (kind == REFUSAL_NONE)
                kind = situation_scan(&s->now, &s->refusal);
        if (kind == REFUSAL_NONE)
                kind = situation_plan(&s->now, &s->plan, &s->refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        takes = takes_from_vfio(s);
        s->now.ends_guests = takes && guests_may_be_ended(&s->now, s->request->source);
        if (takes && (s->now.ends_guests || !stopping_may_end_guests(s)))
                kind = plan_with_holders(s);
        if (kind == REFUSAL_NONE)
                kind = plan_to_let_go(s);
        if (kind != REFUSAL_NONE)
                return kind;
        kind = stop_old(s);
        if (kind == REFUSAL_NONE && s->now.ends_guests)
                kind = guests_end(&s->now, &s->plan, &had_guests, &s->refusal);
        s->now.ends_guests = false;
        if (kind == REFUSAL_NONE && takes && (s->stopped_old || had_guests))
                kind = look_again(s);
        return kind == REFUSAL_NONE ? go(s) : kind;
}

/* The fallback mode has none of its own. */
static bool is_to_be_guarded(const Switch *s) {
        return config_own_devices(&s->now.config, config_find_mode(&s->now.config, s->now.mode)) !=
               0;
}

static void describe_success(const Switch *s, RunResult *ret) {
        if (s->is_held_now)
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Mode '%s' was on already; from now on it is held.", ret->mode);
        else if (ret->n_steps == 0)
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Mode '%s': nothing had to be changed.", ret->mode);
        else
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Mode '%s': %zu function%s on vfio-pci.", ret->mode, s->plan.n_vfio,
                               s->plan.n_vfio == 1 ? " is" : "s are");
}

RefusalKind switch_run(const Root *root, const SwitchRequest *request, SwitchResult *ret) {
        _cleanup_(switch_free) Switch *s = calloc(1, sizeof(*s));
        const char *invocation = getenv("INVOCATION_ID");
        RunResult *result = &ret->run;
        bool has_failed;

        (void)memset(ret, 0, sizeof(*ret));
        (void)snprintf(result->verb, sizeof(result->verb), "%s", request->verb);
        (void)snprintf(result->invocation, sizeof(result->invocation), "%s",
                       invocation ? invocation : "");
        if (!s) {
                result->kind = REFUSAL_FAILED;
                (void)snprintf(result->text, sizeof(result->text), "Out of memory.");
                return result->kind;
        }
        s->request = request;
        s->let_go.now = &s->now;
        s->now.root = root;
        s->now.mode = request->mend_only ? "" : request->mode;
        s->now.early = request->early;
        s->now.mend_only = request->mend_only;
        s->lock_fd = -1;
        result->kind = run(s);
        (void)snprintf(ret->from, sizeof(ret->from), "%s", situation_mode_before(&s->now));
        (void)snprintf(ret->source, sizeof(ret->source), "%s", request->source);
        (void)snprintf(ret->reason, sizeof(ret->reason), "%s", request->reason);
        result->n_steps = (unsigned)(s->plan.n_stops + s->plan.n_steps + s->n_tried);
        (void)snprintf(result->mode, sizeof(result->mode), "%s", s->now.mode);
        ret->changed = result->n_steps > 0 || s->is_held_now || strcmp(ret->from, s->now.mode) != 0;
        if (result->kind == REFUSAL_NONE) {
                ret->has_guard = !request->early && !request->without_units && is_to_be_guarded(s);
                ret->has_new_config = s->has_new_config;
                ret->ends_guard = !ret->has_guard && ret->has_new_config && !request->without_units;
                describe_success(s, result);
                if (!request->early && result->n_steps > 0)
                        picture_describe(root, &s->now.state, &s->plan, result);
        } else {
                run_result_set_refusal(result, &s->refusal);
                (void)snprintf(ret->start, sizeof(ret->start), "%s",
                               mode_after_failure(s, result->kind));
                /* A guest that stays is none of our failures. */
                has_failed = !s->guest_has_rest &&
                             (result->kind == REFUSAL_FAILED || result->kind == REFUSAL_HALF_WAY);
                ret->is_stranded = s->got_stuck || s->now.has_found_stuck || request->is_last_way ||
                                   (s->now.is_fallback && has_failed);
                ret->reboot = needed_reboot(s, has_failed);
        }
        return result->kind;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order matters and is DESIGN §4's: a refusal must come before the old mode's unit is stopped,
 * guests must be stopped before anything is taken, and while functions move no mode's unit is
 * active.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "host/command.h"
#include "host/config-load.h"
#include "host/holders.h"
#include "host/host-scan.h"
#include "host/state-files.h"
#include "host/units.h"
#include "lock.h"
#include "module.h"
#include "plan-apply.h"
#include "state-write.h"
#include "switch.h"
#include "sysfs.h"

#define DEFAULT_FALLBACK_MODE "host"

typedef struct Switch {
        const Root *root;
        const SwitchRequest *request;
        const char *mode; /* the target */
        char mended_mode[CONFIG_NAME_SIZE];
        Config config;
        RunState state; /* the mode before, and every function that is not at home */
        Host host;
        Plan plan;
        Refusal refusal;
        UnitInstance instances[UNIT_INSTANCES_MAX];
        int n_instances;
        int lock_fd;
        bool is_fallback;
        bool stopped_old;
} Switch;

static void switch_free(Switch **s) {
        if (*s)
                closep(&(*s)->lock_fd);
        free(*s);
}

/* --- what is --- */

static RefusalKind take_lock(Switch *s) {
        int r;

        r = lock_take(s->root, s->request->wait_for_lock, &s->lock_fd);
        if (r == -EAGAIN)
                return refusal_set(&s->refusal, REFUSAL_ALREADY_SWITCHING,
                                   "Another switch is under way.");
        if (r < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "The lock /" LOCK_PATH " cannot be taken: %s.", strerror(-r));
        if (!s->request->without_units && units_system_is_stopping())
                return refusal_set(&s->refusal, REFUSAL_SHUTTING_DOWN,
                                   "The machine is going down; no device is moved any more.");
        return REFUSAL_NONE;
}

static void add_home(RunState *state, const HomeFunction *home) {
        if (run_state_add_home(state, home) < 0)
                log_warning(
                        "Too many functions were moved; some will be returned by their modalias.");
}

/*
 * What a killed apply moved belongs where its log says. It is not moved there first: the plan,
 * which is made from what is, goes from half-way to the target directly. Places on vfio-pci are
 * left out: only a mode says that a function belongs there.
 */
static int read_state(Switch *s) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        int r;

        if (!undo)
                return -ENOMEM;
        r = state_read(s->root, &s->state);
        if (r < 0 && r != -ENOENT) {
                log_warning_errno(r, "/" STATUS_PATH
                                     " cannot be read, going by what the kernel says: %m");
                (void)memset(&s->state, 0, sizeof(s->state));
        }
        r = undo_read(s->root, undo);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                log_warning_errno(r, "/" UNDO_PATH
                                     " cannot be read, going by what the kernel says: %m");
                return 0;
        }
        log_notice("A switch from '%s' to '%s' was cut short; going on from where it stopped.",
                   undo->old_mode, undo->mode);
        for (size_t i = 0; i < undo->n_homes; i++)
                if (strcmp(undo->homes[i].driver_override, "vfio-pci") != 0)
                        add_home(&s->state, &undo->homes[i]);
        return 0;
}

static RefusalKind refuse_config(Switch *s, const ConfigErrors *errors) {
        const ConfigError *first = &errors->errors[0];

        if (first->line > 0)
                return refusal_set(&s->refusal, REFUSAL_CONFIG_INVALID, "%s:%u: %s", first->file,
                                   first->line, first->text);
        return refusal_set(&s->refusal, REFUSAL_CONFIG_INVALID, "%s: %s", first->file, first->text);
}

/* Without any configuration there still is a way back: whatever we moved goes home. */
static RefusalKind use_no_config(Switch *s) {
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));

        if (!errors || config_parse(NULL, 0, &s->config, errors) < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED, "Out of memory.");
        return REFUSAL_NONE;
}

/*
 * The way back goes by the copy of what was accepted, so that a typo made while the GPU is away
 * cannot lock it out. Once in the fallback mode, /etc counts again.
 */
static RefusalKind load_config(Switch *s) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 }, accepted_files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *accepted = calloc(1, sizeof(*accepted));
        const char *mode = s->mode;
        bool has_accepted;

        if (!errors || !accepted)
                return refusal_set(&s->refusal, REFUSAL_FAILED, "Out of memory.");
        has_accepted = config_load_accepted(s->root, &accepted_files, accepted, errors) >= 0;
        s->is_fallback = has_accepted && strcmp(mode, accepted->fallback_mode) == 0;
        if (has_accepted &&
            (s->request->mend_only || (s->is_fallback && strcmp(mode, s->state.mode) != 0))) {
                s->config = *accepted;
                return REFUSAL_NONE;
        }
        if (config_load(s->root, &files, &s->config, errors) >= 0) {
                s->is_fallback = strcmp(mode, s->config.fallback_mode) == 0;
                return REFUSAL_NONE;
        }
        (void)refuse_config(s, errors);
        if (has_accepted && s->is_fallback) {
                log_warning("%s; going by the configuration accepted last.", s->refusal.text);
                s->config = *accepted;
                return REFUSAL_NONE;
        }
        if (has_accepted || strcmp(mode, DEFAULT_FALLBACK_MODE) != 0)
                return s->refusal.kind;
        log_warning("%s; going back to the host drivers without a configuration.", s->refusal.text);
        s->is_fallback = true;
        return use_no_config(s);
}

/*
 * Before udev's coldplug most functions are unbound, which says nothing about who will have them in
 * a moment: a stranger in the GPU's group, such as the NVMe beside it, makes the group useless
 * later.
 */
static void foresee_coldplug(Switch *s) {
        for (size_t i = 0; i < s->host.n_functions; i++) {
                Function *function = &s->host.functions[i];
                char modalias[128];

                if (function->driver[0] == '\0' && !function_is_bridge(function) &&
                    !config_device_of(&s->config, &s->host, function->address) &&
                    sysfs_read_modalias(s->root, function->address, modalias, sizeof(modalias)) >=
                            0)
                        function->will_bind = module_exists_for(s->root, modalias);
        }
}

static RefusalKind scan(Switch *s) {
        int r;

        r = host_scan(s->root, &s->config, &s->state, &s->host);
        if (r < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "The PCI devices cannot be read: %s.", strerror(-r));
        if (s->request->early)
                foresee_coldplug(s);
        return REFUSAL_NONE;
}

static RefusalKind make_plan(Switch *s) {
        const PlanInput input = {
                .config = &s->config,
                .host = &s->host,
                .state = &s->state,
                .mode = s->mode,
                .early = s->request->early,
        };

        return plan_make(&input, &s->plan, &s->refusal);
}

/* --- units --- */

/* Guests bound to the old mode's unit end with it, before anything is taken from them. */
static void stop_old(Switch *s) {
        if (s->request->without_units || s->request->mend_only)
                return;
        s->n_instances = units_list_instances(s->instances, UNIT_INSTANCES_MAX);
        if (s->n_instances < 0)
                log_warning_errno(s->n_instances, "The units of other modes cannot be listed: %m");
        for (int i = 0; i < s->n_instances; i++) {
                const UnitInstance *instance = &s->instances[i];

                /* One that is deactivating is the one whose ExecStop waits for us. */
                if (strcmp(instance->mode, s->mode) == 0 ||
                    strcmp(instance->active_state, "active") != 0)
                        continue;
                s->stopped_old = true;
                if (units_stop(instance->mode) < 0)
                        log_warning("The unit of mode '%s' did not stop cleanly.", instance->mode);
        }
}

/* Start jobs are only queued: waiting for one from inside another deadlocks. */
static void start_old_again(const Switch *s) {
        if (s->stopped_old && s->state.mode[0] != '\0' &&
            units_start(s->state.mode, UNIT_START_QUEUE) < 0)
                log_warning("The unit of mode '%s' could not be started again.", s->state.mode);
}

/* A start that was refused leaves its unit failed, and the system "degraded", until something good
 * happens. */
static void forget_failures(Switch *s) {
        for (int i = 0; i < s->n_instances; i++)
                if (strcmp(s->instances[i].active_state, "failed") == 0 &&
                    strcmp(s->instances[i].mode, s->mode) != 0)
                        (void)units_reset_failed(s->instances[i].mode);
}

/* --- the steps, and the record --- */

static bool takes_from_vfio(const Switch *s) {
        for (size_t i = 0; i < s->plan.n_steps; i++) {
                const Step *step = &s->plan.steps[i];
                const Function *function = host_find(&s->host, step->address);

                if (step->kind == STEP_UNBIND && function && function->on_vfio)
                        return true;
        }
        return false;
}

/* After the old mode's guests were stopped: what is still held now, the kernel would wait for. */
static RefusalKind plan_again_with_holders(Switch *s) {
        RefusalKind kind;
        int r;

        if (!takes_from_vfio(s))
                return REFUSAL_NONE;
        kind = scan(s);
        if (kind != REFUSAL_NONE)
                return kind;
        r = holders_find_vfio(s->root, &s->host);
        if (r < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "Processes using VFIO cannot be looked for: %s.", strerror(-r));
        return make_plan(s);
}

static bool is_away(const Switch *s, PciAddress address, RefusalKind outcome) {
        Function function;

        for (size_t i = 0; i < s->plan.n_vfio; i++)
                if (pci_address_compare(s->plan.vfio[i], address) == 0)
                        return true;
        /* Half-way: what is not on a host driver is still ours to bring home. */
        return outcome == REFUSAL_HALF_WAY &&
               host_scan_function(s->root, address, &function) >= 0 &&
               (function.on_vfio || function.driver[0] == '\0');
}

static void record(Switch *s, const RunState *undo, RefusalKind outcome) {
        _cleanup_free_ RunState *next = calloc(1, sizeof(*next));
        const SwitchRequest *request = s->request;
        int r;

        if (!next)
                return;
        (void)snprintf(next->old_mode, sizeof(next->old_mode), "%s", s->state.mode);
        (void)snprintf(next->source, sizeof(next->source), "%s", request->source);
        (void)snprintf(next->reason, sizeof(next->reason), "%s",
                       outcome == REFUSAL_NONE ? request->reason : s->refusal.text);
        if (outcome == REFUSAL_NONE)
                (void)snprintf(next->mode, sizeof(next->mode), "%s", s->mode);
        next->since = (uint64_t)time(NULL);
        for (size_t i = 0; i < s->state.n_homes; i++)
                if (is_away(s, s->state.homes[i].address, outcome))
                        add_home(next, &s->state.homes[i]);
        for (size_t i = 0; i < undo->n_homes; i++)
                if (is_away(s, undo->homes[i].address, outcome))
                        add_home(next, &undo->homes[i]);
        if (strcmp(next->mode, s->state.mode) == 0) {
                /* Mended, not switched: since when, by whom and why stay as they were. */
                (void)memcpy(next->source, s->state.source, sizeof(next->source));
                (void)memcpy(next->reason, s->state.reason, sizeof(next->reason));
                (void)memcpy(next->old_mode, s->state.old_mode, sizeof(next->old_mode));
                next->since = s->state.since;
        }
        r = state_write(s->root, next);
        if (r >= 0)
                r = accepted_write(s->root, &s->config);
        if (r >= 0)
                r = marks_write(s->root, s->plan.vfio, s->plan.n_vfio);
        if (r < 0)
                log_warning_errno(r, "/" RUN_DIR " cannot be written: %m");
}

static RefusalKind take_steps(Switch *s) {
        _cleanup_(undo_log_close) UndoLog undo = UNDO_LOG_NULL;
        RefusalKind kind;
        int r;

        r = undo_log_open(s->root, s->state.mode, s->mode, &undo);
        if (r < 0 && !s->is_fallback)
                return refusal_set(&s->refusal, REFUSAL_FAILED,
                                   "The undo log /" UNDO_PATH " cannot be written: %s.",
                                   strerror(-r));
        kind = plan_apply(s->root, &s->plan, &s->host, s->is_fallback, &undo, &s->refusal);
        if (kind == REFUSAL_NONE || kind == REFUSAL_HALF_WAY)
                record(s, &undo.state, kind);
        r = undo_log_remove(&undo);
        if (r < 0)
                log_warning_errno(r, "The undo log /" UNDO_PATH " cannot be removed: %m");
        return kind;
}

static bool is_unchanged(const Switch *s) {
        return s->plan.n_steps == 0 && strcmp(s->state.mode, s->mode) == 0 &&
               faccessat(s->root->fd, UNDO_PATH, F_OK, 0) < 0;
}

/* What is as wanted is not written again, but a configuration that changed nothing is accepted,
 * too. */
static void accept_config(const Switch *s) {
        int r;

        r = accepted_write(s->root, &s->config);
        if (r > 0)
                r = marks_write(s->root, s->plan.vfio, s->plan.n_vfio);
        if (r < 0)
                log_warning_errno(r, "/" RUN_DIR " cannot be written: %m");
}

/* A splash screen from the initramfs has the card open; it is no holder to refuse for. */
static void let_plymouth_go(const Switch *s) {
        static const char *const arguments[] = { "plymouth", "quit", NULL };

        if (!s->request->early || !s->root->is_live)
                return;
        for (size_t i = 0; i < s->plan.n_steps; i++) {
                const Step *step = &s->plan.steps[i];
                const Function *function = host_find(&s->host, step->address);

                if (step->kind != STEP_UNBIND || !function || !function_is_display(function))
                        continue;
                if (command_run(arguments, NULL, 0) == 0)
                        log_info("plymouth was told to let go of the screen.");
                return;
        }
}

static RefusalKind go(Switch *s) {
        for (size_t i = 0; i < s->plan.n_notes; i++)
                log_notice("%s", s->plan.notes[i]);
        if (!is_unchanged(s)) {
                let_plymouth_go(s);
                return take_steps(s);
        }
        accept_config(s);
        return REFUSAL_NONE;
}

/* Every failure leads to a mode: the old one where it could be undone, else the fallback mode. */
static void start_what_is_left(const Switch *s, RefusalKind kind) {
        if (kind != REFUSAL_HALF_WAY)
                start_old_again(s);
        else if (!s->is_fallback && !s->request->without_units &&
                 units_start(s->config.fallback_mode, UNIT_START_QUEUE) < 0)
                log_error("The unit of the fallback mode '%s' could not be queued.",
                          s->config.fallback_mode);
}

static RefusalKind run(Switch *s) {
        RefusalKind kind;

        kind = take_lock(s);
        if (kind != REFUSAL_NONE)
                return kind;
        if (read_state(s) < 0)
                return refusal_set(&s->refusal, REFUSAL_FAILED, "Out of memory.");
        if (s->request->mend_only) {
                /* Only with the lock it is certain which mode is in force. */
                (void)snprintf(s->mended_mode, sizeof(s->mended_mode), "%s", s->state.mode);
                s->mode = s->mended_mode;
                if (s->mode[0] == '\0')
                        return REFUSAL_NONE;
        }
        kind = load_config(s);
        if (kind == REFUSAL_NONE)
                kind = scan(s);
        if (kind == REFUSAL_NONE)
                kind = make_plan(s);
        if (kind != REFUSAL_NONE)
                return kind;
        stop_old(s);
        kind = plan_again_with_holders(s);
        if (kind == REFUSAL_NONE)
                kind = go(s);
        if (kind == REFUSAL_NONE)
                forget_failures(s);
        else
                start_what_is_left(s, kind);
        return kind;
}

static void describe_success(const Switch *s, RunResult *ret) {
        if (ret->n_steps == 0)
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Mode '%s': nothing had to be changed.", ret->mode);
        else
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Mode '%s': %zu function%s on vfio-pci.", ret->mode, s->plan.n_vfio,
                               s->plan.n_vfio == 1 ? " is" : "s are");
}

RefusalKind switch_run(const Root *root, const SwitchRequest *request, RunResult *ret) {
        _cleanup_(switch_free) Switch *s = calloc(1, sizeof(*s));
        const char *invocation = getenv("INVOCATION_ID");

        (void)memset(ret, 0, sizeof(*ret));
        (void)snprintf(ret->verb, sizeof(ret->verb), "%s", request->verb);
        (void)snprintf(ret->invocation, sizeof(ret->invocation), "%s",
                       invocation ? invocation : "");
        if (!s) {
                ret->kind = REFUSAL_FAILED;
                (void)snprintf(ret->text, sizeof(ret->text), "Out of memory.");
                return ret->kind;
        }
        s->root = root;
        s->request = request;
        s->mode = request->mend_only ? "" : request->mode;
        s->lock_fd = -1;
        ret->kind = run(s);
        ret->n_steps = (unsigned)s->plan.n_steps;
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", s->mode);
        if (ret->kind == REFUSAL_NONE)
                describe_success(s, ret);
        else
                (void)snprintf(ret->text, sizeof(ret->text), "%s", s->refusal.text);
        return ret->kind;
}

void switch_fallback_mode(const Root *root, char ret[static CONFIG_NAME_SIZE]) {
        _cleanup_(config_files_done) ConfigFiles accepted_files = { 0 }, files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        const char *mode = DEFAULT_FALLBACK_MODE;

        if (errors && config &&
            (config_load_accepted(root, &accepted_files, config, errors) >= 0 ||
             config_load(root, &files, config, errors) >= 0))
                mode = config->fallback_mode;
        (void)snprintf(ret, CONFIG_NAME_SIZE, "%s", mode);
}

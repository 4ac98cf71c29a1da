/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that is read before a switch. What cannot be read is made up for where the way back
 * needs it, and refused otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/config-load.h"
#include "host/firmware-framebuffer.h"
#include "host/host-plan.h"
#include "host/host-scan.h"
#include "host/memory-scan.h"
#include "host/process.h"
#include "host/state-files.h"
#include "model/kernel-cmdline.h"
#include "module.h"
#include "situation.h"
#include "state-write.h"
#include "sysfs.h"
#include "wedged.h"

void situation_keep_home(RunState *state, const HomeFunction *home) {
        if (run_state_add_home(state, home) < 0)
                log_warning(
                        "Too many functions were moved; some will be returned by their modalias.");
}

void situation_keep_unit(RunState *state, const StoppedUnit *unit) {
        if (run_state_add_unit(state, unit) < 0)
                log_warning("Too many units were stopped; %s will not be started again.",
                            unit->name);
}

void situation_keep_modules(RunState *state, const RunState *from) {
        for (size_t i = 0; i < from->n_modules; i++)
                if (run_state_add_module(state, from->modules[i]) < 0)
                        log_warning("Too many modules were unloaded; %s will not be loaded again.",
                                    from->modules[i]);
}

static void keep_units(RunState *state, const RunState *from) {
        for (size_t i = 0; i < from->n_units; i++)
                situation_keep_unit(state, &from->units[i]);
}

/*
 * What is on vfio-pci by our doing, where the record is not one of ours: another version's, whose
 * configuration may be another's, too. By its modalias it goes home all the same.
 */
static void keep_marked(const Root *root, RunState *state) {
        PciAddress marked[RUN_STATE_FUNCTIONS_MAX];
        size_t n = marks_list(root, marked, ARRAY_SIZE(marked));

        for (size_t i = 0; i < n; i++)
                situation_keep_home(state, &(HomeFunction){ .address = marked[i] });
}

static bool is_on_the_host(const HomeFunction *home) {
        return !driver_name_is_vfio(home->driver_override) ||
               (home->driver[0] != '\0' && !driver_name_is_vfio(home->driver));
}

/*
 * What a killed apply moved belongs where its log says. It is not moved there first: the plan,
 * which is made from what is, goes from half-way to the target directly. Places on vfio-pci are
 * left out: only a mode says that a function belongs there.
 */
int situation_read_state(Situation *now) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        Memory memory;
        int r;

        if (!undo)
                return -ENOMEM;
        r = state_read(now->root, &now->state);
        /* Only here it stands where functions and pages belong: not given up at the first error. */
        if (r < 0 && r != -ENOENT)
                r = state_read(now->root, &now->state);
        if (r < 0 && r != -ENOENT) {
                log_warning_errno(r, "/" STATUS_PATH
                                     " cannot be read, going by what the kernel says: %m");
                (void)memset(&now->state, 0, sizeof(now->state));
                keep_marked(now->root, &now->state);
        }
        keep_units(&now->before, &now->state);
        r = undo_read(now->root, undo);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                log_warning_errno(r, "/" UNDO_PATH
                                     " cannot be read, going by what the kernel says: %m");
                return 0;
        }
        now->writer = undo->writer;
        if (process_is_there(now->root, now->writer.pid, now->writer.start))
                ; /* said by who checks it */
        else if (run_state_is_of_rom(undo))
                log_notice(
                        "The reading of a ROM was cut short; the next one, or a switch, puts back "
                        "what it has changed.");
        else if (strcmp(undo->old_mode, undo->mode) != 0 || undo->n_homes > 0)
                log_notice("A switch from '%s' to '%s' was cut short; the next one goes on from "
                           "where it stopped.",
                           undo->old_mode, undo->mode);
        for (size_t i = 0; i < undo->n_homes; i++)
                if (is_on_the_host(&undo->homes[i]))
                        situation_keep_home(&now->state, &undo->homes[i]);
        memory_scan(now->root, &memory);
        run_state_forget_lowered_pools(undo, &now->state, &memory);
        run_state_add_pools(&now->state, undo);
        keep_units(&now->state, undo);
        situation_keep_modules(&now->state, undo);
        /* Cut short when the new mode was on already, it is not what a failure leads to. */
        if (strcmp(undo->old_mode, now->state.mode) == 0)
                now->before = *undo;
        /* Which is no mode's, and is there also after a switch that got stuck at it. */
        now->before.rom = undo->rom;
        keep_units(&now->before, &now->state);
        return 0;
}

const char *situation_mode_before(const Situation *now) {
        const bool is_half_way = now->before.mode[0] != '\0' && !run_state_is_of_rom(&now->before);

        return is_half_way ? "" : now->state.mode;
}

static bool is_way_back(const Situation *now) {
        char fallback_mode[CONFIG_NAME_SIZE];

        situation_fallback_mode(now->root, fallback_mode);
        return strcmp(now->mode, fallback_mode) == 0;
}

/* No device waits for a pool of hugepages, and so it does not keep the screen away. */
RefusalKind situation_check_writer(Situation *now, bool wait, Refusal *refusal) {
        const uint64_t wedged = now->writer.wedged;
        RefusalKind kind = wedged_check(now->root, &now->writer, wait, refusal);

        now->has_found_stuck = kind != REFUSAL_NONE && now->writer.wedged != wedged;
        if (kind == REFUSAL_NONE || now->writer.write.kind != RUN_WRITE_HUGEPAGES ||
            !is_way_back(now))
                return kind;
        log_warning("%s", refusal->text);
        *refusal = (Refusal){ .kind = REFUSAL_NONE };
        return REFUSAL_NONE;
}

static RefusalKind refuse_config(const ConfigErrors *errors, Refusal *refusal) {
        char text[REFUSAL_TEXT_SIZE];

        return refusal_set(refusal, REFUSAL_CONFIG_INVALID, "%s",
                           config_errors_format(errors, text, sizeof(text)));
}

/* Without any configuration there still is a way back: whatever we moved goes home. */
static RefusalKind use_no_config(Situation *now, Refusal *refusal) {
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));

        if (!errors || config_parse(NULL, 0, &now->config, errors) < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "Out of memory.");
        return REFUSAL_NONE;
}

/*
 * The way back goes by the copy of what was accepted, so that a typo made while the GPU is away
 * cannot lock it out. Once in the fallback mode, /etc counts again.
 */
RefusalKind situation_load_config(Situation *now, Refusal *refusal) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 }, accepted_files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *accepted = calloc(1, sizeof(*accepted));
        const char *mode = now->mode;
        bool has_accepted;

        if (!errors || !accepted)
                return refusal_set(refusal, REFUSAL_FAILED, "Out of memory.");
        has_accepted = config_load_accepted(now->root, &accepted_files, accepted, errors) >= 0;
        now->is_fallback = has_accepted && strcmp(mode, accepted->fallback_mode) == 0;
        if (has_accepted &&
            (now->mend_only || (now->is_fallback && strcmp(mode, now->state.mode) != 0))) {
                now->config = *accepted;
                return REFUSAL_NONE;
        }
        if (config_load(now->root, &files, &now->config, errors) >= 0) {
                now->is_fallback = strcmp(mode, now->config.fallback_mode) == 0;
                return REFUSAL_NONE;
        }
        (void)refuse_config(errors, refusal);
        if (has_accepted && now->is_fallback) {
                log_warning("%s; going by the configuration accepted last.", refusal->text);
                now->config = *accepted;
                return REFUSAL_NONE;
        }
        if (has_accepted || strcmp(mode, DEFAULT_FALLBACK_MODE) != 0)
                return refusal->kind;
        log_warning("%s; going back to the host drivers without a configuration.", refusal->text);
        now->is_fallback = true;
        return use_no_config(now, refusal);
}

void situation_fallback_mode(const Root *root, char ret[static CONFIG_NAME_SIZE]) {
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

/*
 * Before udev's coldplug most functions are unbound, which says nothing about who will have them in
 * a moment: a stranger in the GPU's group, such as the NVMe beside it, makes the group useless
 * later. Once the machine is up a stranger was unbound on purpose; a configured function was not.
 */
static void foresee_drivers(Situation *now) {
        for (size_t i = 0; i < now->host.n_functions; i++) {
                Function *function = &now->host.functions[i];
                char modalias[128];

                if (function->driver[0] == '\0' && !function_is_bridge(function) &&
                    now->early == !config_device_of(&now->config, &now->host, function->address) &&
                    sysfs_read_modalias(now->root, function->address, modalias, sizeof(modalias)) >=
                            0)
                        function->will_bind = module_exists_for(now->root, modalias);
        }
}

static bool has_module(const Root *root, const char *name) {
        return module_exists_for(root, name) || module_is_blacklisted_for(root, name);
}

/* "": what the modalias picks. */
static const char *configured_driver(const ConfigDevice *device, const Function *function) {
        bool is_slot = device->has_address
                               ? pci_address_same_slot(device->address, function->address)
                               : pci_id_equal(device->id, function->id);

        return is_slot && function->address.function == 0 ? device->host_driver : "";
}

/*
 * As plan-apply makes a driver available: by its name, by its module's, by the modalias. What is on
 * a driver has one, and what never was is at home without; but a display without one shows what the
 * firmware left.
 */
static bool can_return(const Situation *now, const ConfigDevice *device, const Function *function) {
        const HomeFunction *home = run_state_find_home(&now->state, function->address);
        const char *driver = configured_driver(device, function);
        char modalias[128];

        if (driver[0] == '\0' && (function->driver[0] != '\0' || !function_is_display(function) ||
                                  (home && home->driver[0] != '\0')))
                return true;
        if (driver[0] != '\0' &&
            (sysfs_has_driver(now->root, driver) || has_module(now->root, driver)))
                return true;
        if (function->driver[0] != '\0')
                return false;
        return sysfs_read_modalias(now->root, function->address, modalias, sizeof(modalias)) < 0 ||
               has_module(now->root, modalias);
}

/* Not in early boot, where libkmod would cost more than all the rest, and nobody reads it. */
static void foresee_returns(Situation *now) {
        for (size_t i = 0; i < now->host.n_functions; i++) {
                Function *function = &now->host.functions[i];
                const ConfigDevice *device =
                        config_device_of(&now->config, &now->host, function->address);

                function->cannot_return = !now->early && now->root->is_live && device &&
                                          !function->on_vfio && !can_return(now, device, function);
        }
}

static bool is_taken(const Situation *now, const ConfigMode *mode, const Function *function) {
        const ConfigDevice *device = config_device_of(&now->config, &now->host, function->address);

        return device && device_is_wanted_on_vfio(&now->config, mode, device) &&
               !function->on_vfio && !function_is_bridge(function);
}

/* vfio-pci takes it off a VGA itself, and off no other display (kernel 6.1, 6.12). */
static void foresee_framebuffers(Situation *now) {
        const ConfigMode *mode = config_find_mode(&now->config, now->mode);

        for (size_t i = 0; mode && i < now->host.n_functions; i++) {
                Function *function = &now->host.functions[i];

                if (!function_is_display(function) || function->class_code >> 8 == PCI_CLASS_VGA ||
                    !is_taken(now, mode, function))
                        continue;
                if (firmware_framebuffer_find(now->root, function->address, function->framebuffer) <
                    0)
                        function->framebuffer[0] = '\0';
        }
}

/*
 * Looked for only where the mode takes something, at boot as well: libkmod is opened for that, and
 * once for all, but a boot and a switch must not lead to different drivers.
 */
static void foresee_variants(Situation *now) {
        const ConfigMode *mode = config_find_mode(&now->config, now->mode);
        ModuleVariant variants[RUN_STATE_FUNCTIONS_MAX];
        Function *functions[RUN_STATE_FUNCTIONS_MAX];
        size_t n = 0;

        for (size_t i = 0; mode && i < now->host.n_functions && n < ARRAY_SIZE(variants); i++) {
                functions[n] = &now->host.functions[i];
                variants[n].name[0] = '\0';
                if (is_taken(now, mode, functions[n]) &&
                    sysfs_read_modalias(now->root, functions[n]->address, variants[n].modalias,
                                        sizeof(variants[n].modalias)) >= 0)
                        n++;
        }
        if (n == 0 || module_find_variants(now->root, variants, n) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                Function *function = functions[i];

                (void)memcpy(function->variant, variants[i].name, sizeof(function->variant));
                function->variant_is_loaded =
                        function->variant[0] != '\0' &&
                        sysfs_read_driver_of(now->root, variants[i].name, function->variant) >= 0;
        }
}

/* Pages that the boot loader's line reserved for a mode were never there before that mode, also
 * where the boot goes elsewhere after all. */
static void claim_reserved_pages(Situation *now) {
        char cmdline[KERNEL_CMDLINE_MAX];

        if (!now->early ||
            file_read_line_at(now->root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                return;
        for (size_t i = 0; i < now->config.n_modes; i++)
                for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                        if (!now->state.home_pools[size].is_known &&
                            kernel_cmdline_reserves(cmdline, &now->config.modes[i], size))
                                now->state.home_pools[size] = (HomePool){ .is_known = true };
}

RefusalKind situation_scan(Situation *now, Refusal *refusal) {
        int r;

        r = host_scan(now->root, &now->config, &now->state, &now->host);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "The PCI devices cannot be read: %s.",
                                   strerror(-r));
        foresee_drivers(now);
        foresee_returns(now);
        foresee_variants(now);
        foresee_framebuffers(now);
        claim_reserved_pages(now);
        return REFUSAL_NONE;
}

RefusalKind situation_plan(const Situation *now, Plan *ret, Refusal *refusal) {
        const PlanInput input = {
                .config = &now->config,
                .host = &now->host,
                .state = &now->state,
                .mode = now->mode,
                .early = now->early,
                .ends_guests = now->ends_guests,
        };

        return host_plan_make(now->root, &input, ret, refusal);
}

bool situation_reboots(const Situation *now) {
        bool is_half_way = now->state.mode[0] == '\0' && now->state.n_homes > 0;

        return config_reboots(&now->config, is_half_way ? NULL : now->state.mode, now->mode);
}

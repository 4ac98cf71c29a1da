/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading in one place, so that each verb sees the same machine. The rule that no mode is in force
 * while an undo log exists is here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/host-scan.h"
#include "host/process.h"
#include "machine.h"

void machine_freep(Machine **machine) {
        if (!*machine)
                return;
        config_files_done(&(*machine)->config.files);
        config_files_done(&(*machine)->accepted.files);
        root_close(&(*machine)->root);
        free(*machine);
        *machine = NULL;
}

/* A read of driver_override waits for a write that is stuck. Who may not ask for the lock takes
 * each log for one of a switch that is under way. */
static bool may_be_written(const Machine *machine) {
        if (machine->undo_result == -ENOENT)
                return machine->lock_result > 0;
        return machine->undo_result < 0 || machine->is_written || machine->lock_result != 0;
}

static void read_state(Machine *machine) {
        const Root *root = &machine->root;
        struct stat result;
        size_t n_homes = 0;

        machine->state_result = state_read(root, &machine->state);
        machine->undo_result = undo_read(root, &machine->undo);
        machine->is_written =
                machine->undo_result >= 0 &&
                process_is_there(root, machine->undo.writer.pid, machine->undo.writer.start);
        /* Asked after the log was read: the first write may come, and get stuck, before we are done
         * with looking. */
        machine->lock_result = lock_is_held(root);
        machine->is_beside = may_be_written(machine);
        machine->last_switch_result = result_read(root, &machine->last_switch);
        if (fstatat(root->fd, RESULT_PATH, &result, AT_SYMLINK_NOFOLLOW) >= 0)
                machine->last_switch_time = (uint64_t)result.st_mtim.tv_sec * 1000000 +
                                            (uint64_t)result.st_mtim.tv_nsec / 1000;
        machine->last_boot_result = boot_result_read(root, &machine->last_boot);

        if (machine->state_result >= 0)
                machine->moved = machine->state;
        if (machine->undo_result >= 0)
                n_homes = machine->undo.n_homes;
        if (machine->undo_result >= 0)
                run_state_add_pools(&machine->moved, &machine->undo);
        for (size_t i = 0; i < n_homes; i++) {
                const HomeFunction *home = &machine->undo.homes[i];

                /* As vfio-mode-apply reads it: only a mode says what belongs on vfio-pci. */
                if (driver_name_is_vfio(home->driver_override))
                        continue;
                if (run_state_add_home(&machine->moved, home) < 0)
                        break;
        }
}

int machine_scan_for(Machine *machine, const Config *config) {
        machine->host_result = (machine->is_beside ? host_scan_beside : host_scan)(
                &machine->root, config, &machine->moved, &machine->host);
        return machine->host_result;
}

static int scan_all(Machine *machine, const Config *config) {
        int r;

        r = (machine->is_beside ? host_scan_all_beside : host_scan_all)(&machine->root,
                                                                        &machine->host);
        if (r != -ENOSPC)
                return r;
        machine->scan_is_cut = true;
        return config ? machine_scan_for(machine, config) : 0;
}

static int scan(Machine *machine, MachineScan what) {
        switch (what) {
        case MACHINE_SCAN_ACCEPTED:
                return machine_scan_for(machine, machine_accepted_config(machine));
        case MACHINE_SCAN_ALL:
                return scan_all(machine, machine_config(machine));
        case MACHINE_SCAN_NOTHING:
                break;
        }
        return 0;
}

int machine_read(const Root *root, MachineScan what, Machine **ret) {
        _cleanup_(machine_freep) Machine *machine = must_have(calloc(1, sizeof(*machine)));

        machine->root =
                (Root){ .fd = fcntl(root->fd, F_DUPFD_CLOEXEC, 3), .is_live = root->is_live };
        if (machine->root.fd < 0)
                return -errno;
        machine->config.result = config_load(&machine->root, &machine->config.files,
                                             &machine->config.config, &machine->config.errors);
        machine->accepted.result =
                config_load_accepted(&machine->root, &machine->accepted.files,
                                     &machine->accepted.config, &machine->accepted.errors);
        read_state(machine);
        machine->host_result = scan(machine, what);
        *ret = TAKE_PTR(machine);
        return 0;
}

/* --- the mode in force --- */

bool machine_is_wedged(const Machine *machine) {
        return machine->is_written && machine->undo.writer.wedged > 0;
}

/* A log that is there but cannot be read is there all the same. */
bool machine_is_half_way(const Machine *machine) {
        if (machine->undo_result >= 0 && run_state_is_of_rom(&machine->undo))
                return machine_is_wedged(machine);
        return machine->undo_result != -ENOENT;
}

const char *machine_mode(const Machine *machine) {
        if (machine_is_half_way(machine) || machine->state_result < 0)
                return "";
        return machine->state.mode;
}

static const char *what_became_of_it(const Machine *machine) {
        const char *cut_short = "was cut short; the next switch mends that";

        if (!machine->root.is_live)
                return cut_short;
        if (machine->lock_result < 0)
                return "is under way, or was cut short";
        return machine->lock_result == 0 ? cut_short : "is under way";
}

static char *why_half_way(const Machine *machine) {
        const RunState *undo = &machine->undo;
        const char *became = what_became_of_it(machine);

        if (machine->undo_result < 0)
                return text_format("a switch %s (/%s cannot be read: %s)", became, UNDO_PATH,
                                   strerror(-machine->undo_result));
        return text_format("a switch from %s to %s %s",
                           undo->old_mode[0] != '\0' ? undo->old_mode : "no mode", undo->mode,
                           became);
}

static char *why_wedged(const Machine *machine) {
        const RunWriter *writer = &machine->undo.writer;
        char text[RUN_WRITE_TEXT_SIZE];

        return text_format("stuck in the kernel: %s (process %d); nothing is switched%s until that "
                           "comes back",
                           run_write_say(&writer->write, text), writer->pid,
                           writer->write.kind == RUN_WRITE_HUGEPAGES ? " but to the fallback mode"
                                                                     : "");
}

char *machine_why_no_mode(const Machine *machine) {
        if (machine_is_wedged(machine))
                return why_wedged(machine);
        if (machine_is_half_way(machine))
                return why_half_way(machine);
        if (machine->state_result < 0 && machine->state_result != -ENOENT)
                return text_format("/%s cannot be read: %s", STATUS_PATH,
                                   strerror(-machine->state_result));
        if (machine->state_result >= 0 && machine->state.reason[0] != '\0')
                return text_format("%s", machine->state.reason);
        if (machine->last_boot_result >= 0 && machine->last_boot.kind != REFUSAL_NONE)
                return text_format("%s", machine->last_boot.text);
        return text_format("no mode was entered since the machine was started");
}

/* --- the configuration --- */

const Config *machine_config(const Machine *machine) {
        if (machine->config.result >= 0)
                return &machine->config.config;
        return machine->accepted.result >= 0 ? &machine->accepted.config : NULL;
}

const Config *machine_accepted_config(const Machine *machine) {
        if (machine->accepted.result >= 0)
                return &machine->accepted.config;
        return machine->config.result >= 0 ? &machine->config.config : NULL;
}

bool machine_config_was_changed(const Machine *machine) {
        _cleanup_free_ char *now = NULL, *then = NULL;

        if (machine->accepted.result < 0)
                return false;
        if (machine->config.result < 0)
                return true;
        if (config_format(&machine->config.config, &now) < 0 ||
            config_format(&machine->accepted.config, &then) < 0)
                return false;
        return strcmp(now, then) != 0;
}

void machine_config_errors(const MachineConfig *config, Lines *ret) {
        if (config->result >= 0)
                return;
        for (size_t i = 0; i < config->errors.n_errors; i++) {
                const ConfigError *error = &config->errors.errors[i];

                if (error->line > 0)
                        lines_add(ret, "%s:%u: %s", error->file, error->line, error->text);
                else
                        lines_add(ret, "%s: %s", error->file, error->text);
        }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts together what machine, drift and devices found; words and colours are for whoever shows it.
 */
#include <errno.h>
#include <string.h>

#include "describe-boot.h"
#include "describe-ways-back.h"
#include "describe.h"
#include "devices.h"
#include "drift.h"
#include "json.h"
#include "machine.h"
#include "times.h"

/* --- now --- */

static json_object *held_to_json(const Hold *hold) {
        json_object *object;

        if (hold->since == 0)
                return NULL;
        object = json_new();
        json_add_word(object, "reason", hold->reason);
        time_add(object, "since", hold->since / 1000000);
        return object;
}

static void add_mode(const Machine *machine, json_object *answer) {
        const char *mode = machine_mode(machine);
        _cleanup_free_ char *why = NULL;

        json_add_string(answer, "mode", mode[0] != '\0' ? mode : NO_MODE);
        json_add_bool(answer, "half_way", machine_is_half_way(machine));
        if (mode[0] == '\0') {
                why = machine_why_no_mode(machine);
                json_add_string(answer, "reason", why);
                return;
        }
        json_add_word(answer, "reason", machine->state.reason);
        json_add_word(answer, "old_mode", machine->state.old_mode);
        json_add_word(answer, "source", machine->state.source);
        time_add(answer, "since", machine->state.since);
        json_add(answer, "held", held_to_json(&machine->state.hold));
}

/* The write that is stuck in the kernel; null where none is. */
static json_object *wedged_to_json(const Machine *machine) {
        const RunWriter *writer = &machine->undo.writer;
        const bool is_in_a_pool = writer->write.kind == RUN_WRITE_HUGEPAGES;
        char address[PCI_ADDRESS_SIZE];
        json_object *object;

        if (!machine_is_wedged(machine))
                return NULL;
        object = json_new();
        json_add_string(object, "write", run_write_name(writer->write.kind));
        json_add_string(object, "address",
                        run_write_has_address(&writer->write)
                                ? pci_address_format(writer->write.address, address)
                                : NULL);
        json_add_word(object, "driver", is_in_a_pool ? "" : writer->write.driver);
        json_add_word(object, "hugepages", is_in_a_pool ? writer->write.driver : "");
        json_add_integer(object, "process", writer->pid);
        time_add(object, "since", writer->wedged);
        return object;
}

static json_object *last_switch_to_json(const Machine *machine, const char *names_of) {
        const RunResult *result = &machine->last_switch;
        int error = machine->last_switch_result;
        json_object *object;
        bool with_names;

        if (error == -ENOENT)
                return NULL;
        object = json_new();
        if (error < 0) {
                json_add_string(object, "problem", strerror(-error));
                return object;
        }
        with_names =
                !names_of || (names_of[0] != '\0' && strcmp(names_of, result->invocation) == 0);
        json_add_word(object, "mode", result->mode);
        json_add_string(object, "result", refusal_name(result->kind));
        json_add_word(object, "text",
                      with_names && result->full_text[0] != '\0' ? result->full_text
                                                                 : result->text);
        json_add_integer(object, "steps_taken", result->n_steps);
        json_add_integer(object, "time_usec", (int64_t)machine->last_switch_time);
        return object;
}

static json_object *drift_to_json(const Machine *machine, const Boots *boots) {
        _cleanup_(lines_done) Lines drift = { 0 };
        json_object *list = json_list();

        drift_find(machine, &drift);
        for (size_t i = 0; i < drift.n_lines; i++)
                json_append_string(list, drift.lines[i]);
        boots_add_drift(boots, machine, list);
        return list;
}

/* --- the configuration --- */

static const char *config_state(const MachineConfig *config) {
        if (config->result >= 0)
                return "ok";
        if (config->result == -ENOENT)
                return "missing";
        return config->result == -EINVAL ? "errors" : "unreadable";
}

static json_object *config_to_json(const Machine *machine) {
        const Config *config = machine_config(machine);
        _cleanup_(lines_done) Lines errors = { 0 };
        json_object *object = json_new(), *list = json_list();

        json_add_string(object, "path", "/" CONFIG_PATH);
        json_add_string(object, "state", config_state(&machine->config));
        if (machine->config.result != -ENOENT)
                machine_config_errors(&machine->config, &errors);
        for (size_t i = 0; i < errors.n_lines; i++)
                json_append_string(list, errors.lines[i]);
        json_add(object, "errors", list);
        json_add_bool(object, "accepted", machine->accepted.result >= 0);
        json_add_bool(object, "changed_since_accepted", machine_config_was_changed(machine));
        json_add_string(object, "default_mode", config ? config->default_mode : NULL);
        return object;
}

static json_object *mode_to_json(const Machine *machine, const Config *config,
                                 const ConfigMode *mode, const char *default_mode) {
        json_object *object = json_new(), *devices = json_list();

        json_add_string(object, "mode", mode->name);
        json_add_bool(object, "current", strcmp(mode->name, machine_mode(machine)) == 0);
        json_add_bool(object, "default", strcmp(mode->name, default_mode) == 0);
        json_add_bool(object, "fallback", strcmp(mode->name, config->fallback_mode) == 0);
        for (size_t i = 0; i < config->n_devices; i++)
                if (device_is_wanted_on_vfio(config, mode, &config->devices[i]))
                        json_append_string(devices, config->devices[i].name);
        json_add(object, "vfio_devices", devices);
        json_add_string(object, "cmdline", mode->cmdline);
        json_add_string(object, "confirm", config_confirm_name(mode->confirm));
        return object;
}

static json_object *modes_to_json(const Machine *machine, const char *default_mode) {
        const Config *config = machine_config(machine);
        json_object *list = json_list();

        for (size_t i = 0; config && i < config->n_modes; i++)
                json_append(list, mode_to_json(machine, config, &config->modes[i], default_mode));
        return list;
}

/* --- the devices --- */

static json_object *devices_to_json(const Machine *machine, PciNames *names) {
        const Config *config = machine_accepted_config(machine);
        _cleanup_free_ DeviceEntry *entries = NULL;
        json_object *list = json_list();
        size_t n = 0;

        if (config && machine->host_result >= 0)
                entries = devices_list(config, &machine->host, &n);
        for (size_t i = 0; i < n; i++) {
                json_object *object = function_to_json(&entries[i], names);
                const char *driver = machine_wanted_driver(machine, &entries[i]);

                json_add_string(object, "wanted_driver",
                                driver ? driver_word(driver, "host") : NULL);
                json_append(list, object);
        }
        return list;
}

static void add_devices(const Machine *machine, json_object *answer) {
        _cleanup_(pci_names_closep) PciNames *names = NULL;

        if (pci_names_open(&names) < 0)
                (void)must_have(NULL);
        json_add(answer, "devices", devices_to_json(machine, names));
        json_add_string(answer, "devices_error",
                        machine->host_result < 0 ? strerror(-machine->host_result) : NULL);
}

/* --- all of it --- */

int describe(const Root *root, const char *names_of, char **ret_json) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        _cleanup_json_ json_object *answer = NULL;
        _cleanup_free_ Boots *boots = NULL;
        const Config *config;
        int r;

        r = machine_read(root, MACHINE_SCAN_ACCEPTED, &machine);
        if (r < 0)
                return r;
        config = machine_config(machine);
        boots = boots_read(machine);
        answer = json_answer();
        add_mode(machine, answer);
        json_add(answer, "wedged", wedged_to_json(machine));
        json_add(answer, "config", config_to_json(machine));
        json_add_string(answer, "fallback_mode", config ? config->fallback_mode : NULL);
        boots_add(boots, machine, answer);
        json_add(answer, "last_switch", last_switch_to_json(machine, names_of));
        json_add(answer, "drift", drift_to_json(machine, boots));
        ways_back_add(machine, boots, answer);
        json_add(answer, "modes", modes_to_json(machine, boots->default_mode));
        add_devices(machine, answer);
        *ret_json = json_text(answer);
        return 0;
}

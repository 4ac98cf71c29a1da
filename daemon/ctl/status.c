/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `status`: the mode that is configured, the mode now and why, what the last boot and the last
 * switch did, and what differs from the mode. Says what is missing or damaged instead of failing on
 * it.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "ctl/devices.h"
#include "ctl/drift.h"
#include "ctl/machine.h"
#include "ctl/table.h"
#include "ctl/text.h"

#define LABEL_WIDTH 12
#define TIME_SIZE 64

/* D-Bus' CurrentMode has the same word: no mode may be called so. */
#define NO_MODE "none"

/* --- words --- */

static const char *local_time(uint64_t since, char buffer[static TIME_SIZE]) {
        time_t seconds = (time_t)since;
        struct tm local;

        if (!localtime_r(&seconds, &local) ||
            strftime(buffer, TIME_SIZE, "%Y-%m-%d %H:%M:%S %Z", &local) == 0)
                (void)snprintf(buffer, TIME_SIZE, "an unknown time");
        return buffer;
}

static const char *utc_time(uint64_t since, char buffer[static TIME_SIZE]) {
        time_t seconds = (time_t)since;
        struct tm utc;

        if (!gmtime_r(&seconds, &utc) ||
            strftime(buffer, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
                buffer[0] = '\0';
        return buffer;
}

static const char *config_state(const MachineConfig *config) {
        if (config->result >= 0)
                return "ok";
        if (config->result == -ENOENT)
                return "missing";
        return config->result == -EINVAL ? "errors" : "unreadable";
}

static char *result_text(const RunResult *result) {
        const char *text = result->text;

        if (text[0] == '\0')
                text = result->kind == REFUSAL_NONE ? "done" : refusal_sentence(result->kind);
        if (result->kind == REFUSAL_NONE)
                return text_format("%s", text);
        return text_format("%s: %s (%s)", driver_word(result->mode, NO_MODE), text,
                           refusal_name(result->kind));
}

/* --- for a person --- */

static void field(const Arguments *arguments, const char *label, Colour colour, const char *format,
                  ...) _printf_(4, 5);

static void field(const Arguments *arguments, const char *label, Colour colour, const char *format,
                  ...) {
        _cleanup_free_ char *text = NULL, *clean = NULL;
        va_list list;

        va_start(list, format);
        text = text_format_list(format, list);
        va_end(list);
        clean = text_clean(text);
        (void)printf("%s%*s%s%s %s%s%s\n", colour_on(COLOUR_BOLD, arguments->coloured), LABEL_WIDTH,
                     label, label[0] ? ":" : " ", colour_off(COLOUR_BOLD, arguments->coloured),
                     colour_on(colour, arguments->coloured), clean,
                     colour_off(colour, arguments->coloured));
}

static void print_mode(const Arguments *arguments, const Machine *machine) {
        const RunState *state = &machine->state;
        _cleanup_free_ char *why = NULL;
        char since[TIME_SIZE];

        if (machine_mode(machine)[0] == '\0') {
                why = machine_why_no_mode(machine);
                field(arguments, "Mode", machine_is_half_way(machine) ? COLOUR_RED : COLOUR_YELLOW,
                      NO_MODE ": %s", why);
                return;
        }
        field(arguments, "Mode", COLOUR_GREEN, "%s", state->mode);
        field(arguments, "Since", COLOUR_NONE, "%s, by %s", local_time(state->since, since),
              driver_word(state->source, "somebody"));
        if (state->reason[0] != '\0')
                field(arguments, "Why", COLOUR_NONE, "%s", state->reason);
        if (state->old_mode[0] != '\0')
                field(arguments, "Before", COLOUR_NONE, "%s", state->old_mode);
}

static void print_config(const Arguments *arguments, const Machine *machine) {
        const Config *config = machine_config(machine);
        _cleanup_(lines_done) Lines errors = { 0 };

        if (machine->config.result >= 0)
                field(arguments, "Config", COLOUR_NONE, "/%s, %s", CONFIG_PATH,
                      machine->accepted.result < 0          ? "without errors"
                      : machine_config_was_changed(machine) ? "changed since it was accepted"
                                                            : "accepted");
        else if (machine->config.result == -ENOENT)
                field(arguments, "Config", COLOUR_YELLOW, "/%s does not exist", CONFIG_PATH);
        else
                field(arguments, "Config", COLOUR_RED, "/%s cannot be used", CONFIG_PATH);
        if (machine->config.result != -ENOENT)
                machine_config_errors(&machine->config, &errors);
        for (size_t i = 0; i < errors.n_lines; i++)
                field(arguments, "", COLOUR_RED, "%s", errors.lines[i]);
        if (!config)
                return;
        if (machine->config.result < 0)
                field(arguments, "", COLOUR_NONE, "going by the copy that was accepted last");
        field(arguments, "Default", COLOUR_NONE, "%s", config->default_mode);
        field(arguments, "Fallback", COLOUR_NONE, "%s", config->fallback_mode);
}

static void print_result(const Arguments *arguments, const char *label, int error,
                         const RunResult *result) {
        _cleanup_free_ char *text = NULL;

        if (error == -ENOENT)
                return;
        if (error < 0) {
                field(arguments, label, COLOUR_YELLOW, "its record cannot be read: %s",
                      strerror(-error));
                return;
        }
        text = result_text(result);
        field(arguments, label, result->kind == REFUSAL_NONE ? COLOUR_NONE : COLOUR_RED, "%s",
              text);
}

static void print_drift(const Arguments *arguments, const Machine *machine) {
        _cleanup_(lines_done) Lines drift = { 0 };

        if (machine_mode(machine)[0] == '\0')
                return;
        drift_find(machine, &drift);
        if (drift.n_lines == 0)
                field(arguments, "Drift", COLOUR_NONE, "none");
        for (size_t i = 0; i < drift.n_lines; i++)
                field(arguments, i == 0 ? "Drift" : "", COLOUR_YELLOW, "%s", drift.lines[i]);
}

/* The driver that the mode in force wants; NULL where no mode wants anything. */
static const char *wanted(const Machine *machine, const DeviceEntry *entry) {
        const Config *config = machine_accepted_config(machine);
        const ConfigMode *mode = config_find_mode(config, machine_mode(machine));

        if (!mode || !entry->function)
                return NULL;
        return device_is_wanted_on_vfio(config, mode, entry->device)
                       ? VFIO_PCI
                       : device_host_driver(entry->device, entry->function, &machine->moved);
}

static void print_device(Table *table, const Machine *machine, const DeviceEntry *entry,
                         PciNames *names) {
        const char *driver = wanted(machine, entry);
        const Function *function = entry->function;
        char address[PCI_ADDRESS_SIZE], name[256];

        table_add(table, COLOUR_NONE, "%s", entry->device->name);
        if (!function) {
                for (int i = 0; i < 3; i++)
                        table_add(table, COLOUR_NONE, "%s", "");
                table_add(table, COLOUR_RED, "%s", entry->refusal.text);
                return;
        }
        table_add(table, COLOUR_NONE, "%s", pci_address_format(function->address, address));
        table_add(table, COLOUR_NONE, "%s", function->driver);
        table_add(table, COLOUR_NONE, "%s", driver ? driver_word(driver, "host") : "");
        table_add(table, COLOUR_NONE, "%s",
                  pci_names_device(names, function->id, name, sizeof(name)));
}

static void print_devices(const Arguments *arguments, const Machine *machine, PciNames *names) {
        static const char *const headers[] = { "DEVICE", "ADDRESS", "DRIVER", "WANTED", "NAME" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));
        const Config *config = machine_accepted_config(machine);
        _cleanup_free_ DeviceEntry *entries = NULL;
        size_t n;

        if (!config || machine->host_result < 0)
                return;
        entries = devices_list(config, &machine->host, &n);
        for (size_t i = 0; i < n; i++)
                print_device(table, machine, &entries[i], names);
        if (n == 0)
                return;
        (void)printf("\n");
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

static void print_status(const Arguments *arguments, const Machine *machine, PciNames *names) {
        print_mode(arguments, machine);
        print_config(arguments, machine);
        print_result(arguments, "Last boot", machine->last_boot_result, &machine->last_boot);
        print_result(arguments, "Last switch", machine->last_switch_result, &machine->last_switch);
        print_drift(arguments, machine);
        print_devices(arguments, machine, names);
}

/* --- for a program --- */

static json_object *config_to_json(const Machine *machine) {
        _cleanup_(lines_done) Lines errors = { 0 };
        json_object *object = json_new(), *list = json_list();

        json_add_string(object, "path", "/" CONFIG_PATH);
        json_add_string(object, "state", config_state(&machine->config));
        if (machine->config.result != -ENOENT)
                machine_config_errors(&machine->config, &errors);
        for (size_t i = 0; i < errors.n_lines; i++)
                json_append_string(list, errors.lines[i]);
        json_add(object, "errors", list);
        json_add_bool(object, "changed_since_accepted", machine_config_was_changed(machine));
        return object;
}

static json_object *result_to_json(int error, const RunResult *result) {
        json_object *object;

        if (error < 0)
                return NULL;
        object = json_new();
        json_add_word(object, "mode", result->mode);
        json_add_string(object, "result", refusal_name(result->kind));
        json_add_word(object, "text", result->text);
        json_add_integer(object, "steps_taken", result->n_steps);
        return object;
}

static void add_mode_to_json(const Machine *machine, json_object *answer) {
        const char *mode = machine_mode(machine);
        _cleanup_free_ char *why = NULL;
        char since[TIME_SIZE];

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
        json_add_word(answer, "since", utc_time(machine->state.since, since));
}

static json_object *drift_to_json(const Machine *machine) {
        _cleanup_(lines_done) Lines drift = { 0 };
        json_object *list = json_list();

        drift_find(machine, &drift);
        for (size_t i = 0; i < drift.n_lines; i++)
                json_append_string(list, drift.lines[i]);
        return list;
}

static json_object *devices_to_json(const Machine *machine, PciNames *names) {
        const Config *config = machine_accepted_config(machine);
        _cleanup_free_ DeviceEntry *entries = NULL;
        json_object *list = json_list();
        size_t n = 0;

        if (config && machine->host_result >= 0)
                entries = devices_list(config, &machine->host, &n);
        for (size_t i = 0; i < n; i++) {
                json_object *object = function_to_json(&entries[i], names);
                const char *driver = wanted(machine, &entries[i]);

                json_add_string(object, "wanted_driver",
                                driver ? driver_word(driver, "host") : NULL);
                json_append(list, object);
        }
        return list;
}

static void print_json(const Arguments *arguments, const Machine *machine, PciNames *names) {
        const Config *config = machine_config(machine);
        _cleanup_json_ json_object *answer = json_answer();

        add_mode_to_json(machine, answer);
        json_add(answer, "config", config_to_json(machine));
        json_add_string(answer, "default_mode", config ? config->default_mode : NULL);
        json_add_string(answer, "fallback_mode", config ? config->fallback_mode : NULL);
        json_add(answer, "last_boot",
                 result_to_json(machine->last_boot_result, &machine->last_boot));
        json_add(answer, "last_switch",
                 result_to_json(machine->last_switch_result, &machine->last_switch));
        json_add(answer, "drift", drift_to_json(machine));
        json_add(answer, "devices", devices_to_json(machine, names));
        json_print(answer, arguments->json);
}

/* --- the verb --- */

static void print_word(const Arguments *arguments, const Machine *machine) {
        const char *mode = driver_word(machine_mode(machine), NO_MODE);
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json == JSON_OFF) {
                text_line(stdout, "%s", mode);
                return;
        }
        answer = json_answer();
        json_add_string(answer, "mode", mode);
        json_print(answer, arguments->json);
}

static int run(const Arguments *arguments) {
        bool mode_only = arguments->options & VERB_OPTION_MODE;
        _cleanup_(machine_freep) Machine *machine =
                machine_read(arguments, mode_only ? MACHINE_SCAN_NOTHING : MACHINE_SCAN_ACCEPTED);
        _cleanup_(pci_names_closep) PciNames *names = NULL;

        if (!machine)
                return EXIT_CODE_FAILED;
        if (mode_only) {
                print_word(arguments, machine);
                return EXIT_CODE_DONE;
        }
        if (pci_names_open(&names) < 0)
                (void)must_have(NULL);
        if (arguments->json == JSON_OFF)
                print_status(arguments, machine, names);
        else
                print_json(arguments, machine, names);
        if (machine->host_result >= 0)
                return EXIT_CODE_DONE;
        complain("Cannot read the PCI devices: %s", strerror(-machine->host_result));
        return EXIT_CODE_FAILED;
}

const Verb verb_status = {
        .name = "status",
        .synopsis = "[--mode]",
        .summary = "Show the mode, how it came about, and what differs from it",
        .details =
                "Shows the mode in force, since when, by whom and why; the configuration and the\n"
                "modes that it names as default and fallback; what the last boot and the last\n"
                "switch did; what differs between the mode and the kernel; and each configured\n"
                "device with the driver it is on and the one the mode wants.\n"
                "\n"
                "  --mode    Print the name of the mode only, or `none`.\n",
        .options = VERB_OPTION_MODE,
        .pages = true,
        .run = run,
};

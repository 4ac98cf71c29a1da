/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `list-modes`: the modes of the configuration, which of them is what, and what each has on
 * vfio-pci.
 */
#include <string.h>

#include "ctl/devices.h"
#include "ctl/machine.h"
#include "ctl/table.h"
#include "ctl/text.h"

typedef struct Marks {
        bool is_current;
        bool is_default;
        bool is_fallback;
} Marks;

static Marks marks_of(const Machine *machine, const Config *config, const ConfigMode *mode) {
        return (Marks){
                .is_current = strcmp(mode->name, machine_mode(machine)) == 0,
                .is_default = strcmp(mode->name, config->default_mode) == 0,
                .is_fallback = strcmp(mode->name, config->fallback_mode) == 0,
        };
}

/* The devices' names with a blank between them. */
static char *device_names(const Config *config, const ConfigMode *mode) {
        char *names = must_have(calloc(config->n_devices + 1, CONFIG_NAME_SIZE));
        char *end = names;

        for (size_t i = 0; i < config->n_devices; i++) {
                if (!device_is_wanted_on_vfio(config, mode, &config->devices[i]))
                        continue;
                if (end != names)
                        *end++ = ' ';
                end = stpcpy(end, config->devices[i].name);
        }
        return names;
}

static void add_row(Table *table, const Config *config, const ConfigMode *mode, Marks marks) {
        _cleanup_free_ char *names = device_names(config, mode);
        char text[64];

        (void)snprintf(text, sizeof(text), "%s%s%s", marks.is_current ? ",current" : "",
                       marks.is_default ? ",default" : "", marks.is_fallback ? ",fallback" : "");
        table_add(table, marks.is_current ? COLOUR_GREEN : COLOUR_NONE, "%s", mode->name);
        table_add(table, COLOUR_NONE, "%s", text[0] ? text + 1 : "");
        table_add(table, COLOUR_NONE, "%s", names);
}

static void print_table(const Arguments *arguments, const Machine *machine, const Config *config) {
        static const char *const headers[] = { "MODE", "MARKS", "VFIO-DEVICES" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));

        for (size_t i = 0; i < config->n_modes; i++)
                add_row(table, config, &config->modes[i],
                        marks_of(machine, config, &config->modes[i]));
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

static json_object *mode_to_json(const Config *config, const ConfigMode *mode, Marks marks) {
        json_object *object = json_new(), *devices = json_list();

        for (size_t i = 0; i < config->n_devices; i++)
                if (device_is_wanted_on_vfio(config, mode, &config->devices[i]))
                        json_append_string(devices, config->devices[i].name);
        json_add_string(object, "mode", mode->name);
        json_add_bool(object, "current", marks.is_current);
        json_add_bool(object, "default", marks.is_default);
        json_add_bool(object, "fallback", marks.is_fallback);
        json_add(object, "vfio_devices", devices);
        return object;
}

static void print_json(const Arguments *arguments, const Machine *machine, const Config *config) {
        _cleanup_json_ json_object *answer = json_answer();
        json_object *list = json_list();

        for (size_t i = 0; i < config->n_modes; i++)
                json_append(list, mode_to_json(config, &config->modes[i],
                                               marks_of(machine, config, &config->modes[i])));
        json_add(answer, "modes", list);
        json_print(answer, arguments->json);
}

static int run(const Arguments *arguments) {
        _cleanup_(machine_freep) Machine *machine = machine_read(arguments, MACHINE_SCAN_NOTHING);
        const Config *config;

        if (!machine)
                return EXIT_CODE_FAILED;
        machine_complain_of_config(machine);
        config = machine_config(machine);
        if (!config)
                return EXIT_CODE_CONFIGURATION;
        if (arguments->json == JSON_OFF)
                print_table(arguments, machine, config);
        else
                print_json(arguments, machine, config);
        return EXIT_CODE_DONE;
}

const Verb verb_list_modes = {
        .name = "list-modes",
        .synopsis = "",
        .summary = "List the modes and the devices that each has on vfio-pci",
        .details = "Marks: `current` is the mode in force, `default` the one a boot goes to when\n"
                   "nothing else names one, `fallback` the one that every failure leads to.\n",
        .pages = true,
        .run = run,
};

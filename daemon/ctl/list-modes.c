/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `list-modes`: the modes of the configuration, which of them is what, and what each has on
 * vfio-pci.
 */
#include <string.h>

#include "ctl/description.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "model/refusal.h"

/* The strings of an array with a blank between them. */
static char *joined(const json_object *list) {
        char *text = text_format("%s", "");

        for (size_t i = 0; i < json_length(list); i++) {
                _cleanup_free_ char *before = text;

                text = text_format("%s%s%s", before, i > 0 ? " " : "",
                                   json_object_get_string(json_at(list, i)));
        }
        return text;
}

static void add_row(Table *table, const json_object *mode) {
        _cleanup_free_ char *devices = joined(json_get(mode, "vfio_devices"));
        bool is_current = json_get_bool(mode, "current");
        char text[64];

        (void)snprintf(text, sizeof(text), "%s%s%s", is_current ? ",current" : "",
                       json_get_bool(mode, "default") ? ",default" : "",
                       json_get_bool(mode, "fallback") ? ",fallback" : "");
        table_add(table, is_current ? COLOUR_GREEN : COLOUR_NONE, "%s",
                  json_get_text(mode, "mode"));
        table_add(table, COLOUR_NONE, "%s", text[0] ? text + 1 : "");
        table_add(table, COLOUR_NONE, "%s", devices);
}

static void print_table(const Arguments *arguments, const json_object *modes) {
        static const char *const headers[] = { "MODE", "MARKS", "VFIO-DEVICES" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));

        for (size_t i = 0; i < json_length(modes); i++)
                add_row(table, json_at(modes, i));
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

static int run(const Arguments *arguments) {
        _cleanup_json_ json_object *status = NULL, *answer = NULL;

        /* Every user may read what this takes, so the service need not be started for it. */
        status = arguments->host ? description_get(arguments, NULL) : description_read(arguments);
        if (!status)
                return EXIT_CODE_FAILED;
        description_complain_of_config(status);
        if (json_length(json_get(status, "modes")) == 0)
                return EXIT_CODE_CONFIGURATION;
        if (arguments->json == JSON_OFF) {
                print_table(arguments, json_get(status, "modes"));
                return EXIT_CODE_DONE;
        }
        answer = json_answer();
        json_add(answer, "modes", json_object_get(json_get(status, "modes")));
        json_print(answer, arguments->json);
        return EXIT_CODE_DONE;
}

const Verb verb_list_modes = {
        .name = "list-modes",
        .synopsis = "",
        .summary = "List the modes and the devices that each has on vfio-pci",
        .details =
                "Marks: `current` is the mode in force, `default` the one that boots go to from\n"
                "now on, `fallback` the one that every failure leads to.\n",
        .pages = true,
        .is_remote = true,
        .run = run,
};

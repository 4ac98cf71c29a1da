/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "boot/ways-back-scan.h"
#include "describe-ways-back.h"
#include "host/state-files.h"

json_object *way_back_row(const char *id, bool is_open, const char *text) {
        json_object *row = json_new();

        json_add_string(row, "id", id);
        json_add_bool(row, "open", is_open);
        json_add_string(row, "text", text);
        return row;
}

json_object *ways_back_find_json(const Machine *machine, const Config *config,
                                 const ConfigMode *mode, const NextBoot *next) {
        WayBack ways[_WAY_BACK_MAX];
        json_object *rows;

        if (ways_back_find(&machine->root, config, mode, &machine->host, next, ways) < 0)
                return NULL;
        rows = json_list();
        for (size_t i = 0; i < _WAY_BACK_MAX; i++)
                json_append(rows, way_back_row(way_back_name((WayBackKind)i), ways[i].is_open,
                                               ways[i].text));
        return rows;
}

static json_object *read_inspected(const Machine *machine, const char *mode) {
        _cleanup_free_ Inspection *inspection = must_have(calloc(1, sizeof(*inspection)));
        const size_t length = strlen(WAY_BACK_ID_PREFIX);
        json_object *rows;

        if (inspection_read(&machine->root, mode, inspection) < 0)
                return NULL;
        rows = json_list();
        for (size_t i = 0; i < inspection->n_checks; i++) {
                const Check *check = &inspection->checks[i];

                if (strncmp(check->id, WAY_BACK_ID_PREFIX, length) == 0)
                        json_append(rows,
                                    way_back_row(check->id + length, check->result == CHECK_PASS,
                                                 check->message));
        }
        return rows;
}

/* In no mode: where a switch that was cut short, or is half-way, was going to or came from. */
static const ConfigMode *find_half_way(const Machine *machine, const Config *config) {
        const bool is_half_way = machine->last_switch.kind == REFUSAL_HALF_WAY;
        const char *const names[] = { machine->undo.mode, machine->undo.old_mode,
                                      machine->state.old_mode,
                                      is_half_way ? machine->last_switch.mode : "" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(names[i], config->fallback_mode) != 0 &&
                    config_find_mode(config, names[i]))
                        return config_find_mode(config, names[i]);
        return NULL;
}

static const ConfigMode *choose_mode(const Config *config, const char *now) {
        const ConfigMode *mode = config_find_mode(config, now);

        if (!mode || strcmp(now, config->fallback_mode) != 0)
                return mode;
        mode = config_find_mode(config, config->default_mode);
        for (size_t i = 0; i < config->n_modes && strcmp(mode->name, now) == 0; i++)
                mode = &config->modes[i];
        return strcmp(mode->name, now) == 0 ? NULL : mode;
}

/* The guard, which has the button, goes with the mode's unit. */
static void take_power_button(json_object *rows) {
        const char *id = way_back_name(WAY_BACK_POWER_BUTTON);

        for (size_t i = 0; i < json_length(rows); i++) {
                json_object *row = json_at(rows, i);

                if (strcmp(json_get_text(row, "id"), id) != 0)
                        continue;
                json_add_bool(row, "open", false);
                json_add_string(row, "text",
                                "In no mode the power button does what it always does.");
        }
}

void ways_back_add(const Machine *machine, const Boots *boots, json_object *answer) {
        const char *now = machine_mode(machine);
        const bool is_in_none = now[0] == '\0';
        /* Beside a switch no device is asked for anything, and it ends in a mode. */
        const Config *config = is_in_none && machine->is_beside ? NULL : machine_config(machine);
        const ConfigMode *half_way = config && is_in_none ? find_half_way(machine, config) : NULL;
        const ConfigMode *mode = half_way;
        json_object *rows = NULL;

        if (config && !mode)
                mode = choose_mode(config, is_in_none ? config->fallback_mode : now);
        json_add_word(answer, "ways_back_from", mode ? mode->name : "");
        if (mode)
                rows = read_inspected(machine, mode->name);
        if (mode && !rows && !machine->root.is_live)
                rows = ways_back_find_json(machine, config, mode, &boots->next);
        if (half_way)
                take_power_button(rows);
        json_add(answer, "ways_back", rows);
}

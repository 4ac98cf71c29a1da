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

static const ConfigMode *choose_mode(const Config *config, const char *now) {
        const ConfigMode *mode = config_find_mode(config, now);

        if (!mode || strcmp(now, config->fallback_mode) != 0)
                return mode;
        mode = config_find_mode(config, config->default_mode);
        for (size_t i = 0; i < config->n_modes && strcmp(mode->name, now) == 0; i++)
                mode = &config->modes[i];
        return strcmp(mode->name, now) == 0 ? NULL : mode;
}

void ways_back_add(const Machine *machine, const Boots *boots, json_object *answer) {
        const Config *config = machine_config(machine);
        const ConfigMode *mode = config ? choose_mode(config, machine_mode(machine)) : NULL;
        json_object *rows = NULL;

        json_add_word(answer, "ways_back_from", mode ? mode->name : "");
        if (mode)
                rows = read_inspected(machine, mode->name);
        if (mode && !rows && !machine->root.is_live)
                rows = ways_back_find_json(machine, config, mode, &boots->next);
        json_add(answer, "ways_back", rows);
}

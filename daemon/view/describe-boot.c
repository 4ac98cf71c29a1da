/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What decides about a boot is boot/next-boot's and model/boot-state's; here it only gets names.
 */
#include <errno.h>
#include <string.h>

#include "boot/boot-history.h"
#include "describe-boot.h"
#include "times.h"

#define DRIFT_MAX 16

/* --- reading --- */

static bool is_one_of(const char *word, const char *const *words) {
        for (; *words; words++)
                if (strcmp(word, *words) == 0)
                        return true;
        return false;
}

void boots_default_mode(const NextBoot *next, const NextBootOutlook *outlook, const Config *config,
                        char ret[static CONFIG_NAME_SIZE]) {
        /* These stay until a person decides anew. */
        static const char *const lost[] = { "menu",  "expired",    "damaged", "unknown",
                                            "count", "unwritable", NULL };
        bool is_kept = next->state_result >= 0 && next->state.mode[0] != '\0' &&
                       next->state.keep != BOOT_KEEP_NO;
        const char *mode = is_kept ? next->state.mode : config ? config->default_mode : "";

        if (is_one_of(outlook->kind, lost))
                mode = outlook->mode;
        (void)snprintf(ret, CONFIG_NAME_SIZE, "%s", mode);
}

/* Where /var/lib could not be written so early, this boot's record waits in /run. */
static void read_early_record(const Root *root, NextBoot *next) {
        if (next->record_is_current || boot_record_read_current(root, &next->record) < 0)
                return;
        next->record_result = 0;
        next->record_is_current = true;
}

Boots *boots_read(const Machine *machine) {
        Boots *boots = must_have(calloc(1, sizeof(*boots)));
        const Config *config = machine_config(machine);

        next_boot_read(&machine->root, &boots->next);
        next_boot_outlook(&boots->next, config, &boots->outlook);
        read_early_record(&machine->root, &boots->next);
        boots_default_mode(&boots->next, &boots->outlook, config, boots->default_mode);
        return boots;
}

/* --- the next one --- */

static json_object *next_to_json(const NextBootOutlook *outlook) {
        json_object *object = json_new();

        json_add_word(object, "mode", outlook->mode);
        json_add_string(object, "kind", outlook->kind);
        json_add_word(object, "reason", outlook->reason);
        json_add_string(object, "arguments", outlook->arguments);
        json_add_integer(object, "tries_left", outlook->tries_left);
        json_add_string(object, "protection", next_boot_protection_name(outlook->protection));
        return object;
}

static const char *environment_state(int result) {
        if (result >= 0)
                return "ok";
        if (result == -ENOENT)
                return "missing";
        return result == -EBADMSG ? "damaged" : "unreadable";
}

static json_object *environment_to_json(const NextBoot *next) {
        const BootPlace *place = &next->place;
        _cleanup_free_ char *path = text_format("/%s", place->path);
        json_object *object = json_new();

        json_add_string(object, "loader", boot_loader_name(place->loader));
        json_add_string(object, "path", place->path[0] != '\0' ? path : NULL);
        json_add_string(object, "state", environment_state(next->state_result));
        json_add_bool(object, "seen_by_grub", boot_marker_proves_grub(&next->marker));
        json_add_string(object, "problem",
                        next->place_result < 0                ? strerror(-next->place_result)
                        : place->why_not.kind != REFUSAL_NONE ? place->why_not.text
                                                              : NULL);
        return object;
}

/* --- those that were --- */

static void add_record(json_object *object, const BootRecord *record) {
        time_add(object, "time", record->time);
        json_add_word(object, "wanted", record->wanted);
        json_add_word(object, "mode", record->mode);
        json_add_string(object, "source", boot_source_name(record->source));
        json_add_string(object, "kind", boot_kind_name(record->marker.kind));
        json_add_word(object, "reason", record->reason);
        json_add_string(object, "refusal", refusal_name(record->kind));
        json_add_bool(object, "confirmed", record->confirmed);
}

/* @result: what the boot unit said; only of this boot */
static json_object *last_to_json(const NextBoot *next, int error, const RunResult *result) {
        json_object *object;

        if (!next->record_is_current && error == -ENOENT)
                return NULL;
        object = json_new();
        if (error < 0 && error != -ENOENT)
                json_add_string(object, "problem", strerror(-error));
        if (error >= 0) {
                json_add_word(object, "mode", result->mode);
                json_add_string(object, "result", refusal_name(result->kind));
                json_add_word(object, "text", result->text);
                json_add_integer(object, "steps_taken", result->n_steps);
        }
        if (next->record_is_current) {
                add_record(object, &next->record);
                json_add_word(object, "not_run", next_boot_not_run(next));
        }
        return object;
}

static json_object *previous_to_json(const NextBoot *next) {
        json_object *object;

        if (next->previous_result < 0)
                return NULL;
        object = json_new();
        add_record(object, &next->previous);
        return object;
}

static json_object *timed_switch_to_json(const Root *root) {
        SwitchTrial trial;
        json_object *object;

        if (trial_read(root, &trial) < 0)
                return NULL;
        object = json_new();
        json_add_string(object, "mode", trial.mode);
        json_add_word(object, "back", trial.back);
        time_add(object, "until", trial.until);
        return object;
}

/* --- all of it --- */

/* In this boot or the one before; an older one is history. */
static json_object *fall_to_json(const Root *root, const NextBoot *next) {
        json_object *object;
        FallRecord fall;

        if (fall_record_read(root, &fall) < 0 ||
            (next->previous_result >= 0 && fall.time < next->previous.time))
                return NULL;
        object = json_new();
        time_add(object, "time", fall.time);
        json_add_word(object, "from", fall.from);
        json_add_word(object, "to", fall.to);
        json_add_word(object, "reason", fall.reason);
        return object;
}

void boots_add(const Boots *boots, const Machine *machine, json_object *answer) {
        json_add_word(answer, "default_mode", boots->default_mode);
        json_add(answer, "next_boot", next_to_json(&boots->outlook));
        json_add(answer, "boot_environment", environment_to_json(&boots->next));
        json_add(answer, "last_boot",
                 last_to_json(&boots->next, machine->last_boot_result, &machine->last_boot));
        json_add(answer, "previous_boot", previous_to_json(&boots->next));
        json_add(answer, "last_fall", fall_to_json(&machine->root, &boots->next));
        json_add(answer, "timed_switch", timed_switch_to_json(&machine->root));
}

void boots_add_drift(const Boots *boots, const Machine *machine, json_object *list) {
        const Config *config = machine_config(machine);
        char words[DRIFT_MAX][NEXT_BOOT_DRIFT_SIZE];
        size_t n = 0;

        if (config)
                n = next_boot_drift(&machine->root, &boots->next, config, words, DRIFT_MAX);
        for (size_t i = 0; i < n; i++)
                json_append_string(list, words[i]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows say what was looked at; whether the mode would be refused, and by which name, only the
 * plan can say.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "ctl/check-mode.h"
#include "ctl/check-rom.h"
#include "ctl/local.h"
#include "ctl/proposal.h"
#include "ctl/refused.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "host/command.h"

static Colour colour_of(const char *result) {
        if (strcmp(result, "pass") == 0)
                return COLOUR_GREEN;
        return strcmp(result, "warn") == 0 ? COLOUR_YELLOW : COLOUR_RED;
}

static void print_table(const Arguments *arguments, const json_object *rows) {
        static const char *const headers[] = { "CHECK", "RESULT", "MESSAGE" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));

        for (size_t i = 0; i < json_length(rows); i++) {
                const json_object *row = json_at(rows, i);
                const char *result = json_get_text(row, "result");
                const char *advice = json_get_text(row, "advice");

                if (arguments->quiet && strcmp(result, "pass") == 0)
                        continue;
                table_add(table, COLOUR_NONE, "%s", json_get_text(row, "id"));
                table_add(table, colour_of(result), "%s", result);
                table_add(table, COLOUR_NONE, "%s%s%s", json_get_text(row, "message"),
                          advice[0] != '\0' ? " → " : "", advice);
        }
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

static void print_json(const Arguments *arguments, json_object *rows, const Proposal *proposal) {
        _cleanup_json_ json_object *answer = json_answer();

        json_add_string(answer, "mode", arguments->operands[0]);
        json_add_bool(answer, "ok", proposal->kind == REFUSAL_NONE);
        json_add(answer, "checks", json_object_get(rows));
        refused_add_to_json(answer, proposal->kind, proposal->text);
        json_print(answer, arguments->json);
}

static int print(const Arguments *arguments, json_object *rows, const Proposal *proposal) {
        if (arguments->json != JSON_OFF)
                print_json(arguments, rows, proposal);
        else if (json_length(rows) > 0)
                print_table(arguments, rows);
        if (proposal->kind != REFUSAL_NONE)
                return refused_complain(proposal->kind, proposal->text);
        return EXIT_CODE_DONE;
}

/* --- of a captured machine --- */

static json_object *row_of(const Check *check) {
        json_object *row = json_new();

        json_add_string(row, "id", check->id);
        json_add_string(row, "result", check_result_name(check->result));
        json_add_string(row, "message", check->message);
        json_add_string(row, "advice", check->advice);
        return row;
}

static json_object *rows_of(const Inspection *inspection) {
        json_object *rows = json_list();

        for (size_t i = 0; i < inspection->n_checks; i++)
                json_append(rows, row_of(&inspection->checks[i]));
        return rows;
}

static bool has_mode(const Root *root, const char *mode) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        const Config *config;

        if (machine_read(root, MACHINE_SCAN_NOTHING, &machine) < 0)
                return true;
        config = machine_config(machine);
        return !config || config_find_mode(config, mode);
}

/* What the service would have found, as far as it stands in files. Returns as inspection_read(); 1
 * where the reason was said. */
static int compute(const Arguments *arguments, const char *mode, Inspection *ret) {
        _cleanup_free_ char *root = text_format("--root=%s", arguments->root), *text = NULL;
        const char *const command[] = { APPLY_PROGRAM, root, "print-inspection", mode, NULL };
        uint8_t *data = NULL;
        size_t size = 0;
        int r;

        r = command_read(command, INSPECTION_SIZE_MAX, &data, &size, NULL, 0);
        if (r != 0)
                return r < 0 ? r : 1;
        text = must_have(strndup((const char *)data, size));
        free(data);
        r = inspection_parse(text, ret);
        if (r >= 0)
                warn("The machine was captured without a check of mode '%s'. This one is made from "
                     "its files: without what uses the devices, who is logged in, which units run, "
                     "and what modprobe would load.",
                     mode);
        return r;
}

/* Nobody can be asked any more, but what the service has seen may have been kept. */
static int check_captured(const Arguments *arguments) {
        _cleanup_free_ Inspection *inspection = must_have(calloc(1, sizeof(*inspection)));
        const char *mode = arguments->operands[0];
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(root_close) Root root = ROOT_NULL;
        Proposal proposal = { 0 };
        int r;

        if (local_root(arguments, &root) < 0)
                return EXIT_CODE_FAILED;
        r = config_name_is_valid(mode) ? inspection_read(&root, mode, inspection) : -ENOENT;
        if (r == -ENOENT && has_mode(&root, mode))
                r = compute(arguments, mode, inspection);
        if (r > 0)
                return EXIT_CODE_FAILED;
        if (r == -ENOENT && !has_mode(&root, mode)) {
                proposal.kind = REFUSAL_UNKNOWN_MODE;
                (void)snprintf(proposal.text, sizeof(proposal.text), "There is no mode '%s'.",
                               mode);
        } else if (r == -ENOENT) {
                complain(
                        "The machine was captured without a check of mode '%s', and %s, which would "
                        "make one, is not installed here.",
                        mode, APPLY_PROGRAM);
                return EXIT_CODE_FAILED;
        } else if (r < 0) {
                complain("The check of mode '%s' cannot be read: %s", mode, strerror(-r));
                return EXIT_CODE_FAILED;
        } else {
                proposal.kind = inspection->kind;
                (void)snprintf(proposal.text, sizeof(proposal.text), "%s", inspection->text);
        }
        rows = rows_of(inspection);
        return print(arguments, rows, &proposal);
}

/* --- with ROMs that were read --- */

static bool has_check(const Inspection *read, const char *id) {
        for (size_t i = 0; i < read->n_checks; i++)
                if (strcmp(read->checks[i].id, id) == 0)
                        return true;
        return false;
}

/* Once, however many of them the rows have had. */
static void add_checks(const Inspection *read, const char *id, json_object *rows) {
        for (size_t i = 0; i < json_length(rows); i++)
                if (strcmp(json_get_text(json_at(rows, i), "id"), id) == 0)
                        return;
        for (size_t i = 0; i < read->n_checks; i++)
                if (strcmp(read->checks[i].id, id) == 0)
                        json_append(rows, row_of(&read->checks[i]));
}

/* What has been read stands where the service has said that it has not been; of other cards than
 * those with a screen, behind the rest. */
static json_object *replace_rows(const json_object *from, const Inspection *read) {
        json_object *rows = json_list();

        for (size_t i = 0; i < json_length(from); i++) {
                json_object *row = json_at(from, i);
                const char *id = json_get_text(row, "id");

                if (has_check(read, id))
                        add_checks(read, id, rows);
                else
                        json_append(rows, json_object_get(row));
        }
        for (size_t i = 0; i < read->n_checks; i++)
                add_checks(read, read->checks[i].id, rows);
        return rows;
}

static int read_roms(const Arguments *arguments, json_object **rows) {
        _cleanup_free_ Inspection *read = must_have(calloc(1, sizeof(*read)));
        json_object *from = *rows;
        int r;

        (void)snprintf(read->mode, sizeof(read->mode), "%s", arguments->operands[0]);
        r = check_rom(arguments, read);
        if (r != EXIT_CODE_DONE)
                return r;
        *rows = replace_rows(from, read);
        json_object_put(from);
        return EXIT_CODE_DONE;
}

/* --- of a machine with a service --- */

int check_mode(const Arguments *arguments) {
        const char *mode = arguments->operands[0];
        _cleanup_(proposal_done) Proposal proposal = { 0 };
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (arguments->root)
                return check_captured(arguments);
        /* A mode that does not exist is refused by both. */
        if (bus_open(arguments->host, &bus, &error) < 0 ||
            proposal_ask(bus, mode, &proposal, &error) < 0 ||
            (bus_rows(bus, "CheckMode", mode, &rows, &error) < 0 && error.kind == REFUSAL_NONE))
                return refused_complain_of_call(&error, arguments->host);
        if (!rows)
                rows = json_list();
        if (arguments->options & VERB_OPTION_READ_ROM) {
                int r = read_roms(arguments, &rows);

                if (r != EXIT_CODE_DONE)
                        return r;
        }
        return print(arguments, rows, &proposal);
}

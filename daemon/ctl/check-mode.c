/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows say what was looked at; whether the mode would be refused, and by which name, only the
 * plan can say.
 */
#include <string.h>

#include "ctl/check-mode.h"
#include "ctl/proposal.h"
#include "ctl/refused.h"
#include "ctl/table.h"
#include "ctl/text.h"

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

int check_mode(const Arguments *arguments) {
        const char *mode = arguments->operands[0];
        _cleanup_(proposal_done) Proposal proposal = { 0 };
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        /* A mode that does not exist is refused by both. */
        if (bus_open(arguments->host, &bus, &error) < 0 ||
            proposal_ask(bus, mode, &proposal, &error) < 0 ||
            (bus_rows(bus, "CheckMode", mode, &rows, &error) < 0 && error.kind == REFUSAL_NONE))
                return refused_complain_of_call(&error, arguments->host);
        if (!rows)
                rows = json_list();
        if (arguments->json != JSON_OFF)
                print_json(arguments, rows, &proposal);
        else if (json_length(rows) > 0)
                print_table(arguments, rows);
        if (proposal.kind != REFUSAL_NONE)
                return refused_complain(proposal.kind, proposal.text);
        return EXIT_CODE_DONE;
}

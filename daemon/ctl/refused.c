/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name goes with every refusal, so that a person can look it up and a script can tell them
 * apart.
 */
#include "ctl/refused.h"
#include "ctl/text.h"

void refused_add_to_json(json_object *answer, RefusalKind kind, const char *text) {
        json_object *refusal;

        if (kind == REFUSAL_NONE) {
                json_add(answer, "refusal", NULL);
                return;
        }
        refusal = json_new();
        json_add_string(refusal, "name", refusal_name(kind));
        json_add_integer(refusal, "exit_code", refusal_exit_code(kind));
        json_add_string(refusal, "text", text[0] != '\0' ? text : refusal_sentence(kind));
        json_add(answer, "refusal", refusal);
}

int refused_complain(RefusalKind kind, const char *text) {
        complain("%s (%s)", text[0] != '\0' ? text : refusal_sentence(kind), refusal_name(kind));
        return (int)refusal_exit_code(kind);
}

int refused_complain_of_call(const BusError *error, const char *host) {
        if (error->kind != REFUSAL_NONE)
                return refused_complain(error->kind, error->text);
        if (!error->is_unreachable)
                complain("%s", error->text);
        else if (host)
                complain("Cannot reach the service of vfio-mode on %s: %s", host, error->text);
        else
                complain("Cannot reach the service of vfio-mode: %s", error->text);
        return error->exit_code;
}

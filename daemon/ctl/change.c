/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The methods return nothing. Whether something changed is seen by describing the machine before
 * and after: so what is said is what is, and not what was meant.
 */
#include "ctl/change.h"
#include "ctl/boot-text.h"
#include "ctl/bus.h"
#include "ctl/polkit-agent.h"
#include "ctl/refused.h"
#include "ctl/text.h"

static bool is_changed(const Change *change, const json_object *before, const json_object *after) {
        for (const char *const *part = change->parts; *part; part++)
                if (!json_object_equal(json_get(before, *part), json_get(after, *part)))
                        return true;
        return false;
}

static void print_json(const Arguments *arguments, const Change *change, const json_object *after,
                       bool changed, const BusError *error) {
        _cleanup_json_ json_object *answer = json_answer();

        json_add_bool(answer, "changed", changed);
        for (const char *const *part = change->parts; *part; part++)
                json_add(answer, *part, json_object_get(json_get(after, *part)));
        refused_add_to_json(answer, error->kind, error->text);
        json_print(answer, arguments->json);
}

static void print_text(const Arguments *arguments, const Change *change, const json_object *after,
                       bool changed) {
        if (arguments->quiet)
                return;
        if (!changed)
                text_line(stdout, "Nothing had to be changed.");
        change->print(after);
}

static int refused(const Arguments *arguments, const Change *change, const json_object *before,
                   const BusError *error) {
        if (error->kind != REFUSAL_NONE && arguments->json != JSON_OFF)
                print_json(arguments, change, before, false, error);
        return refused_complain_of_call(error, arguments->host);
}

static int call(const Arguments *arguments, Bus *bus, const Change *change, const char *mode,
                const json_object *before) {
        const BusOptions options = {
                .tries = arguments->tries,
                .without_protection = arguments->options & VERB_OPTION_WITHOUT_PROTECTION,
        };
        _cleanup_(polkit_agent_closep) pid_t agent = 0;
        _cleanup_json_ json_object *after = NULL;
        BusError error = { 0 };

        polkit_agent_open(arguments, &agent);
        bus_allow_questions(bus);
        if (bus_change(bus, change->method, mode, &options, &error) < 0)
                return refused(arguments, change, before, &error);
        if (bus_describe(bus, &after, &error) < 0) {
                warn("It was done, but what it did cannot be told.");
                return refused_complain_of_call(&error, arguments->host);
        }
        if (arguments->json != JSON_OFF)
                print_json(arguments, change, after, is_changed(change, before, after), &error);
        else
                print_text(arguments, change, after, is_changed(change, before, after));
        return EXIT_CODE_DONE;
}

int change_run(const Arguments *arguments, const Change *change, const char *mode) {
        _cleanup_json_ json_object *before = NULL;
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (arguments->root) {
                complain("A captured machine (--root) cannot be changed.");
                return EXIT_CODE_USAGE;
        }
        if (bus_open(arguments->host, &bus, &error) < 0 || bus_describe(bus, &before, &error) < 0)
                return refused_complain_of_call(&error, arguments->host);
        return call(arguments, bus, change, mode, before);
}

static void print_boots(const json_object *after) {
        const json_object *next = json_get(after, "next_boot");
        _cleanup_free_ char *text = boot_text_next(next);
        const char *argument_list = json_get_text(next, "arguments");

        text_line(stdout, "Next boot: %s", text);
        if (argument_list[0] != '\0')
                text_line(stdout, "Kernel arguments: %s", argument_list);
        if (json_get_word(after, "default_mode"))
                text_line(stdout, "Boots from now on: %s", json_get_text(after, "default_mode"));
}

int change_boots(const Arguments *arguments, const char *method, const char *mode) {
        static const char *const parts[] = { "default_mode", "next_boot", "last_boot",
                                             "timed_switch", NULL };
        const Change change = { .method = method, .parts = parts, .print = print_boots };

        return change_run(arguments, &change, mode);
}

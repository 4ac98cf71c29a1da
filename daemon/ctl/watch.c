/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `watch`: each event as it comes, in words or as an object of JSON. What counts as one, and that
 * none is lost or told twice, is bus-watch.c's.
 */
#include <errno.h>
#include <stdio_ext.h>
#include <string.h>
#include <time.h>

#include "ctl/arguments.h"
#include "ctl/boot-text.h"
#include "ctl/bus.h"
#include "ctl/refused.h"
#include "ctl/text.h"
#include "view/describe.h"
#include "view/times.h"

#define TIME_SIZE 32

/* --- words --- */

static const char *before_reason(const char *reason) {
        return reason[0] != '\0' ? ": " : "";
}

static char *mode_text(const json_object *event, Colour *ret) {
        const char *mode = json_get_text(event, "mode"), *state = json_get_text(event, "state");
        const char *reason = json_get_text(event, "reason");
        bool is_idle = strcmp(state, "idle") == 0, is_none = strcmp(mode, NO_MODE) == 0;

        *ret = is_none ? COLOUR_YELLOW : COLOUR_GREEN;
        return text_format("%s%s%s%s%s%s%s%s", is_none ? "No mode is in force" : "Mode ",
                           is_none ? "" : mode, is_none ? "" : " is on", is_idle ? "" : " (",
                           is_idle ? "" : state, is_idle ? "" : ")", before_reason(reason), reason);
}

static char *mode_changed_text(const json_object *event, Colour *ret) {
        const char *old = json_get_text(event, "old_mode"), *new = json_get_text(event, "new_mode");
        const char *reason = json_get_text(event, "reason");

        if (strcmp(new, NO_MODE) == 0) {
                *ret = COLOUR_YELLOW;
                return text_format("No mode is in force any more, after %s%s%s", old,
                                   before_reason(reason), reason);
        }
        *ret = COLOUR_GREEN;
        if (strcmp(old, NO_MODE) == 0)
                return text_format("Mode %s is on%s%s", new, before_reason(reason), reason);
        return text_format("Mode %s is on, after %s%s%s", new, old, before_reason(reason), reason);
}

static char *fell_back_text(const json_object *event, Colour *ret) {
        const char *from = json_get_text(event, "from"), *reason = json_get_text(event, "reason");
        bool is_known = strcmp(from, NO_MODE) != 0;

        *ret = COLOUR_RED;
        return text_format("Fell back%s%s to %s%s%s", is_known ? " from " : "",
                           is_known ? from : "", json_get_text(event, "to"), before_reason(reason),
                           reason);
}

static char *job_finished_text(const json_object *event, Colour *ret) {
        const char *result = json_get_text(event, "result");
        const char *message = json_get_text(event, "message");

        if (strcmp(result, "done") == 0)
                return text_format("A switch that was asked for is done%s%s",
                                   before_reason(message), message);
        *ret = COLOUR_RED;
        return text_format("A switch that was asked for was not made%s%s (%s)",
                           before_reason(message), message, result);
}

static char *state_changed_text(const json_object *event, Colour *ret) {
        const char *old = json_get_text(event, "old_state"), *mode = json_get_text(event, "mode");
        const char *new = json_get_text(event, "new_state");

        if (strcmp(new, "switching") == 0)
                return text_format("A switch has begun");
        if (strcmp(new, "wedged") == 0) {
                *ret = COLOUR_RED;
                return text_format("The kernel is stuck: nothing is switched until it comes back");
        }
        if (strcmp(new, "idle") != 0)
                return text_format("The state is %s", new);
        return text_format("%s; %s%s",
                           strcmp(old, "wedged") == 0 ? "The kernel is not stuck any more"
                                                      : "The switch has ended",
                           strcmp(mode, NO_MODE) == 0 ? "no mode is in force" : "the mode is ",
                           strcmp(mode, NO_MODE) == 0 ? "" : mode);
}

static char *next_boot_text(const json_object *event, _unused_ Colour *ret) {
        const json_object *next = json_get(event, "next_boot");
        const char *arguments = json_get_text(next, "arguments");
        _cleanup_free_ char *text = boot_text_next(next);

        return text_format("Next boot (%s): %s%s%s", json_get_text(next, "kind"), text,
                           arguments[0] != '\0' ? "; kernel arguments: " : "", arguments);
}

static char *drift_text(const json_object *event, Colour *ret) {
        const json_object *drift = json_get(event, "drift");
        char *text = text_format("%s", json_length(drift) > 0 ? "Drift: " : "No drift any more");

        *ret = json_length(drift) > 0 ? COLOUR_YELLOW : COLOUR_NONE;
        for (size_t i = 0; i < json_length(drift); i++) {
                _cleanup_free_ char *before = text;

                text = text_format("%s%s%s", before, i > 0 ? "; " : "",
                                   json_object_get_string(json_at(drift, i)));
        }
        return text;
}

typedef struct Wording {
        const char *event;
        char *(*text)(const json_object *event, Colour *ret);
} Wording;

static const Wording wordings[] = {
        { "mode", mode_text },
        { "mode-changed", mode_changed_text },
        { "fell-back", fell_back_text },
        { "job-finished", job_finished_text },
        { "state-changed", state_changed_text },
        { "next-boot-changed", next_boot_text },
        { "drift-changed", drift_text },
};

/* --- lines --- */

static void print_line(const Arguments *arguments, Colour colour, const char *text) {
        _cleanup_free_ char *clean = text_clean(text);
        char when[TIME_SIZE] = "";
        time_t now = time(NULL);
        struct tm local;

        if (localtime_r(&now, &local))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
        (void)printf("%s%s%s %s%s%s\n", colour_on(COLOUR_GREY, arguments->coloured), when,
                     colour_off(COLOUR_GREY, arguments->coloured),
                     colour_on(colour, arguments->coloured), clean,
                     colour_off(colour, arguments->coloured));
}

static void print_text(const Arguments *arguments, const json_object *event) {
        const char *name = json_get_text(event, "event");

        if (arguments->quiet && strcmp(name, "mode") == 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(wordings); i++) {
                _cleanup_free_ char *text = NULL;
                Colour colour = COLOUR_NONE;

                if (strcmp(wordings[i].event, name) != 0)
                        continue;
                text = wordings[i].text(event, &colour);
                print_line(arguments, colour, text);
        }
}

static void print_json(const Arguments *arguments, const json_object *event) {
        _cleanup_json_ json_object *answer = json_answer();

        time_add(answer, "time", (uint64_t)time(NULL));
        json_object_object_foreach(event, key, value) {
                json_add(answer, key, json_object_get(value));
        }
        json_print(answer, arguments->json);
}

/* Returns false where nobody is left to read; what else cannot be written is said by main(). */
static bool print(void *userdata, const json_object *event) {
        const Arguments *arguments = userdata;

        if (arguments->json != JSON_OFF)
                print_json(arguments, event);
        else
                print_text(arguments, event);
        if (fflush(stdout) == 0)
                return true;
        if (errno == EPIPE) {
                __fpurge(stdout);
                clearerr(stdout);
        }
        return false;
}

/* --- the verb --- */

static int run(const Arguments *arguments) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (arguments->root) {
                complain("A captured machine (--root) cannot be watched: nothing happens to it.");
                return EXIT_CODE_USAGE;
        }
        if (bus_open(arguments->host, &bus, &error) < 0 ||
            bus_watch(bus, print, (void *)arguments, &error) < 0)
                return refused_complain_of_call(&error, arguments->host);
        return EXIT_CODE_DONE;
}

const Verb verb_watch = {
        .name = "watch",
        .synopsis = "",
        .summary = "Follow the mode, and what happens to it, until interrupted",
        .details =
                "Says the mode, and then, as it happens and a line each with the time: when\n"
                "another mode is on, and why; when the machine fell back; how a switch that was\n"
                "asked for over D-Bus ended; when a switch begins and ends, or the kernel is\n"
                "stuck; and when the mode of the next boot or the drift is another one. With\n"
                "--json each is an object of its own, and with --quiet the first line is left\n"
                "out.\n"
                "\n"
                "Exits with 0 when it is interrupted (INT, TERM) or nobody reads its output any\n"
                "more, and with 1 when the bus goes away. The service may go and come meanwhile.\n",
        .is_remote = true,
        .run = run,
};

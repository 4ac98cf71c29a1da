/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `status`: prints what describe() found, here or through the service of this or another machine.
 * It keeps four things apart: the mode configured, the mode of the next boot, the mode now, and
 * what differs from it. Says what is missing or damaged instead of failing on it.
 */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "ctl/boot-text.h"
#include "ctl/description.h"
#include "ctl/local.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "view/describe.h"

#define LABEL_WIDTH 13
#define TIME_SIZE 64

/* --- words --- */

/* Of the time as JSON has it, in the reader's time zone. */
static const char *local_time(const char *text, char buffer[static TIME_SIZE]) {
        struct tm utc = { 0 }, local;
        time_t seconds;

        (void)snprintf(buffer, TIME_SIZE, "an unknown time");
        if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc))
                return buffer;
        seconds = timegm(&utc);
        if (localtime_r(&seconds, &local))
                (void)strftime(buffer, TIME_SIZE, "%Y-%m-%d %H:%M:%S %Z", &local);
        return buffer;
}

static const char *word_or(const char *word, const char *nothing) {
        return word && word[0] != '\0' ? word : nothing;
}

/* --- lines --- */

_printf_(4, 5) static void field(const Arguments *arguments, const char *label, Colour colour,
                                 const char *format, ...) {
        _cleanup_free_ char *text = NULL, *clean = NULL;
        va_list list;

        va_start(list, format);
        text = text_format_list(format, list);
        va_end(list);
        clean = text_clean(text);
        (void)printf("%s%*s%s%s %s%s%s\n", colour_on(COLOUR_BOLD, arguments->coloured), LABEL_WIDTH,
                     label, label[0] ? ":" : " ", colour_off(COLOUR_BOLD, arguments->coloured),
                     colour_on(colour, arguments->coloured), clean,
                     colour_off(colour, arguments->coloured));
}

static void print_hold(const Arguments *arguments, const json_object *held) {
        char since[TIME_SIZE];

        if (held)
                field(arguments, "Held", COLOUR_NONE,
                      "since %s (%s); virtual machines may change the mode after: vfio-modectl "
                      "release",
                      local_time(json_get_text(held, "since"), since),
                      word_or(json_get_word(held, "reason"), "a choice"));
}

static void print_mode(const Arguments *arguments, const json_object *status) {
        const char *mode = json_get_text(status, "mode"), *reason = json_get_text(status, "reason");
        char since[TIME_SIZE];

        if (strcmp(mode, NO_MODE) == 0) {
                field(arguments, "Mode",
                      json_get_bool(status, "half_way") ? COLOUR_RED : COLOUR_YELLOW, "%s: %s",
                      NO_MODE, reason);
                return;
        }
        field(arguments, "Mode", COLOUR_GREEN, "%s", mode);
        field(arguments, "Since", COLOUR_NONE, "%s, by %s",
              local_time(json_get_text(status, "since"), since),
              word_or(json_get_word(status, "source"), "somebody"));
        if (reason[0] != '\0')
                field(arguments, "Why", COLOUR_NONE, "%s", reason);
        print_hold(arguments, json_get(status, "held"));
        if (json_get_word(status, "old_mode"))
                field(arguments, "Before", COLOUR_NONE, "%s", json_get_text(status, "old_mode"));
}

static void print_config_state(const Arguments *arguments, const json_object *config) {
        const char *path = json_get_text(config, "path"), *state = json_get_text(config, "state");

        if (strcmp(state, "missing") == 0)
                field(arguments, "Config", COLOUR_YELLOW,
                      "%s does not exist; vfio-modectl init proposes one", path);
        else if (strcmp(state, "ok") != 0)
                field(arguments, "Config", COLOUR_RED, "%s cannot be used", path);
        else
                field(arguments, "Config", COLOUR_NONE, "%s, %s", path,
                      !json_get_bool(config, "accepted") ? "without errors"
                      : json_get_bool(config, "changed_since_accepted")
                              ? "changed since it was accepted"
                              : "accepted");
}

static void print_config(const Arguments *arguments, const json_object *status) {
        const json_object *config = json_get(status, "config");
        const json_object *errors = json_get(config, "errors");

        print_config_state(arguments, config);
        for (size_t i = 0; i < json_length(errors); i++)
                field(arguments, "", COLOUR_RED, "%s", json_object_get_string(json_at(errors, i)));
        if (!json_get_word(config, "default_mode"))
                return;
        if (strcmp(json_get_text(config, "state"), "ok") != 0)
                field(arguments, "", COLOUR_NONE, "going by the copy that was accepted last");
        field(arguments, "Default", COLOUR_NONE, "%s", json_get_text(config, "default_mode"));
        field(arguments, "Fallback", COLOUR_NONE, "%s", json_get_text(status, "fallback_mode"));
}

/* --- what was done --- */

static void print_result(const Arguments *arguments, const char *label, const json_object *result) {
        const char *kind = json_get_text(result, "result"), *text = json_get_text(result, "text");
        bool done = strcmp(kind, "none") == 0;

        if (!result)
                return;
        if (json_get_word(result, "problem"))
                field(arguments, label, COLOUR_YELLOW, "its record cannot be read: %s",
                      json_get_text(result, "problem"));
        else if (done)
                field(arguments, label, COLOUR_NONE, "%s", word_or(text, "done"));
        else
                field(arguments, label, COLOUR_RED, "%s: %s (%s)",
                      word_or(json_get_word(result, "mode"), NO_MODE),
                      word_or(text, refusal_sentence(refusal_by_name(kind))), kind);
}

static void print_boot(const Arguments *arguments, const char *label, const json_object *boot) {
        _cleanup_free_ char *text = boot ? boot_text_done(boot) : NULL;

        if (text)
                field(arguments, label, COLOUR_NONE, "%s", text);
        if (json_get_word(boot, "result") || json_get_word(boot, "problem"))
                print_result(arguments, text ? "" : label, boot);
}

static void print_fall(const Arguments *arguments, const json_object *fall) {
        char when[TIME_SIZE];

        if (fall)
                field(arguments, "Fell back", COLOUR_YELLOW, "%s, from %s to %s: %s",
                      local_time(json_get_text(fall, "time"), when),
                      word_or(json_get_word(fall, "from"), "no mode"), json_get_text(fall, "to"),
                      word_or(json_get_word(fall, "reason"), "?"));
}

static void print_next_boot(const Arguments *arguments, const json_object *status) {
        const json_object *next = json_get(status, "next_boot");
        const json_object *environment = json_get(status, "boot_environment");
        const char *configured = json_get_text(json_get(status, "config"), "default_mode");
        const char *from_now_on = json_get_text(status, "default_mode");
        _cleanup_free_ char *text = boot_text_next(next);

        if (!json_get_word(status, "fallback_mode"))
                return;
        field(arguments, "Next boot", COLOUR_NONE, "%s", text);
        if (json_get_text(next, "arguments")[0] != '\0')
                field(arguments, "", COLOUR_NONE, "kernel arguments: %s",
                      json_get_text(next, "arguments"));
        if (from_now_on[0] != '\0' && strcmp(configured, from_now_on) != 0)
                field(arguments, "", COLOUR_NONE, "from now on: %s, not %s", from_now_on,
                      configured);
        /* Where that decides, the mode is not known, and why was said. */
        if (strcmp(json_get_text(environment, "state"), "unreadable") == 0 &&
            json_get_word(environment, "path") &&
            strcmp(json_get_text(next, "kind"), "unknown") != 0)
                field(arguments, "", COLOUR_YELLOW, "what is armed in %s cannot be read",
                      json_get_text(environment, "path"));
}

static void print_timed_switch(const Arguments *arguments, const json_object *trial) {
        char until[TIME_SIZE];

        if (trial)
                field(arguments, "Trial", COLOUR_YELLOW,
                      "goes back to %s at %s unless you say: vfio-modectl confirm",
                      word_or(json_get_word(trial, "back"), "the fallback mode"),
                      local_time(json_get_text(trial, "until"), until));
}

static void print_drift(const Arguments *arguments, const json_object *status) {
        const json_object *drift = json_get(status, "drift");

        if (json_length(drift) == 0 && strcmp(json_get_text(status, "mode"), NO_MODE) != 0)
                field(arguments, "Drift", COLOUR_NONE, "none");
        for (size_t i = 0; i < json_length(drift); i++)
                field(arguments, i == 0 ? "Drift" : "", COLOUR_YELLOW, "%s",
                      json_object_get_string(json_at(drift, i)));
}

/* --- the devices --- */

static void print_device(Table *table, const json_object *device) {
        table_add(table, COLOUR_NONE, "%s", json_get_text(device, "device"));
        if (json_get_word(device, "problem")) {
                for (int i = 0; i < 3; i++)
                        table_add(table, COLOUR_NONE, "%s", "");
                table_add(table, COLOUR_RED, "%s", json_get_text(device, "text"));
                return;
        }
        table_add(table, COLOUR_NONE, "%s", json_get_text(device, "address"));
        table_add(table, COLOUR_NONE, "%s", json_get_text(device, "driver"));
        table_add(table, COLOUR_NONE, "%s", json_get_text(device, "wanted_driver"));
        table_add(table, COLOUR_NONE, "%s", json_get_text(device, "name"));
}

/* The service may not look at the host's network, but has that done for a check of the mode, and
 * says of it from then on. */
static json_object *look_for_ways_back(Bus *bus, const json_object *status) {
        const char *mode = json_get_word(status, "ways_back_from");
        _cleanup_json_ json_object *checks = NULL;
        json_object *again = NULL;
        BusError error;

        if (!bus || !mode || bus_rows(bus, "CheckMode", mode, &checks, &error) < 0 ||
            bus_describe(bus, &again, &error) < 0)
                return NULL;
        return again;
}

static void print_ways_back(const Arguments *arguments, Bus *bus, const json_object *status) {
        _cleanup_json_ json_object *again = look_for_ways_back(bus, status);
        const json_object *ways = json_get(again ? again : status, "ways_back");

        if (json_length(ways) > 0)
                field(arguments, "Ways back", COLOUR_NONE, "from %s",
                      json_get_text(status, "ways_back_from"));
        for (size_t i = 0; i < json_length(ways); i++) {
                const json_object *way = json_at(ways, i);
                bool is_open = json_get_bool(way, "open");

                field(arguments, "", is_open ? COLOUR_GREEN : COLOUR_YELLOW, "%s%s",
                      is_open ? "" : "none: ", json_get_text(way, "text"));
        }
}

static void print_devices(const Arguments *arguments, const json_object *devices) {
        static const char *const headers[] = { "DEVICE", "ADDRESS", "DRIVER", "WANTED", "NAME" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));

        for (size_t i = 0; i < json_length(devices); i++)
                print_device(table, json_at(devices, i));
        if (json_length(devices) == 0)
                return;
        (void)printf("\n");
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

void status_print(const Arguments *arguments, Bus *bus, const json_object *status) {
        print_mode(arguments, status);
        print_timed_switch(arguments, json_get(status, "timed_switch"));
        print_config(arguments, status);
        print_next_boot(arguments, status);
        print_boot(arguments, "Last boot", json_get(status, "last_boot"));
        print_boot(arguments, "Boot before", json_get(status, "previous_boot"));
        print_fall(arguments, json_get(status, "last_fall"));
        print_result(arguments, "Last switch", json_get(status, "last_switch"));
        print_drift(arguments, status);
        print_ways_back(arguments, bus, status);
        print_devices(arguments, json_get(status, "devices"));
}

/* --- the verb --- */

static void print_word(const Arguments *arguments, const char *mode) {
        _cleanup_json_ json_object *answer = NULL;

        if (arguments->json == JSON_OFF) {
                text_line(stdout, "%s", mode);
                return;
        }
        answer = json_answer();
        json_add_string(answer, "mode", mode);
        json_print(answer, arguments->json);
}

/* The word alone needs neither the service nor a look at the devices. */
static int run_word(const Arguments *arguments) {
        _cleanup_(machine_freep) Machine *machine = local_machine(arguments, MACHINE_SCAN_NOTHING);

        if (!machine)
                return EXIT_CODE_FAILED;
        print_word(arguments, word_or(machine_mode(machine), NO_MODE));
        return EXIT_CODE_DONE;
}

static int run(const Arguments *arguments) {
        bool mode_only = arguments->options & VERB_OPTION_MODE;
        _cleanup_(bus_closep) Bus *bus = NULL;
        _cleanup_json_ json_object *status = NULL;

        if (mode_only && !arguments->host)
                return run_word(arguments);
        status = description_get(arguments, &bus);
        if (!status)
                return EXIT_CODE_FAILED;
        if (mode_only) {
                print_word(arguments, json_get_text(status, "mode"));
                return EXIT_CODE_DONE;
        }
        if (arguments->json == JSON_OFF)
                status_print(arguments, bus, status);
        else
                json_print(status, arguments->json);
        if (!json_get_word(status, "devices_error"))
                return EXIT_CODE_DONE;
        complain("Cannot read the PCI devices: %s", json_get_text(status, "devices_error"));
        return EXIT_CODE_FAILED;
}

const Verb verb_status = {
        .name = "status",
        .synopsis = "[--mode]",
        .summary = "Show the mode, how it came about, and what differs from it",
        .details =
                "Shows the mode in force, since when, by whom and why; the configuration and the\n"
                "modes that it names as default and fallback; the mode of the next boot and what\n"
                "decides about it; what the last boots and the last switch did; what differs\n"
                "between the mode and the kernel; the ways back from it; and each configured\n"
                "device with the driver it is on and the one the mode wants.\n"
                "\n"
                "  --mode    Print the name of the mode only, or `none`.\n",
        .options = VERB_OPTION_MODE,
        .pages = true,
        .is_remote = true,
        .run = run,
};

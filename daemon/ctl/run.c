/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `run`: a command in a mode, and then the mode before. Between the two there is no connection to
 * the bus; the return makes a new one, and does without where there is none.
 *
 * Everything is said on stderr: the output is the command's.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ctl/description.h"
#include "ctl/foreground.h"
#include "ctl/refused.h"
#include "ctl/switching.h"
#include "ctl/text.h"
#include "host/units.h"
#include "model/config.h"
#include "view/describe.h"

#define FALLBACK_SERVICE "vfio-mode-fallback.service"
#define BUSY_INTERVAL 2 /* s, between two tries to return while another switch is under way */
#define BUSY_TRIES 900  /* half an hour, as a switch has */
#define SINCE_SIZE 32   /* of a time as text */

/** What is to be done when the command has ended. */
typedef struct WayBack {
        const Arguments *arguments; /**< borrowed */
        ForegroundSignals signals;  /**< before they were held */
        char mode[CONFIG_NAME_SIZE];
        char fallback[CONFIG_NAME_SIZE];
        char since[SINCE_SIZE]; /**< since when the command's mode is on; "": cannot be told */
} WayBack;

static const char *mode_of(const json_object *status) {
        const char *mode = json_get_word(status, "mode");

        return mode ? mode : NO_MODE;
}

_printf_(2, 3) static void say(const Arguments *arguments, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list list;

        if (arguments->quiet)
                return;
        va_start(list, format);
        text = text_format_list(format, list);
        va_end(list);
        tell("%s", text);
}

/* A switch that was done may still have something to say, such as of a screen that is not seen. */
static void say_end(const Arguments *arguments, const char *mode, const BusJob *end) {
        if (end->text[0] != '\0')
                say(arguments, "%s", end->text);
        else
                say(arguments, "Mode %s is on.", mode);
}

/* --- the return --- */

/* Nobody's choice is undone: not that of another mode, nor that of this one after another. */
static bool is_ours_to_leave(const WayBack *back, const json_object *status) {
        const char *now = mode_of(status);

        if (strcmp(now, NO_MODE) == 0)
                return true;
        if (strcmp(now, back->mode) == 0) {
                say(back->arguments, "The machine is in mode %s already.", now);
                return false;
        }
        if (strcmp(now, back->arguments->operands[0]) == 0 &&
            (back->since[0] == '\0' || strcmp(json_get_text(status, "since"), back->since) == 0))
                return true;
        warn("Mode %s was chosen meanwhile, and stays.", now);
        return false;
}

/*
 * Returns 0 where the machine is in the mode, or is not ours to move; -EBUSY where another switch
 * is under way; -ENOTCONN where the service cannot be had; -ECANCELED where it refuses, which was
 * said.
 */
static int ask_for(const WayBack *back, const char *mode) {
        static const BusOptions options = { 0 };
        _cleanup_(switching_done) Switching s = { 0 };
        int r;

        if (switching_open(back->arguments, &s) < 0) {
                (void)refused_complain_of_call(&s.error, NULL);
                return s.error.kind == REFUSAL_NONE ? -ENOTCONN : -ECANCELED;
        }
        if (!is_ours_to_leave(back, s.before))
                return 0;
        bus_hold_signals(s.bus);
        r = switching_do(&s, mode, &options);
        if (r < 0)
                return -ENOTCONN;
        if (r == 0) {
                (void)refused_complain_of_call(&s.error, NULL);
                return -ECANCELED;
        }
        if (s.end.kind == REFUSAL_ALREADY_SWITCHING)
                return -EBUSY;
        if (s.end.kind != REFUSAL_NONE) {
                (void)refused_complain(s.end.kind, s.end.text);
                return -ECANCELED;
        }
        say_end(back->arguments, mode, &s.end);
        return 0;
}

/* Without the service, and for root without the bus. Returns as ask_for(). */
static int start_unit(const WayBack *back, const char *mode) {
        _cleanup_json_ json_object *status = description_read(back->arguments);

        if (status && !is_ours_to_leave(back, status))
                return 0;
        warn("Starting the unit of mode %s without the service.", mode);
        if (units_start(mode, UNIT_START_WAIT) >= 0)
                return 0;
        warn("It failed; starting %s.", FALLBACK_SERVICE);
        if (units_start_service(FALLBACK_SERVICE) >= 0)
                return 0;
        complain("It failed as well; see: systemctl status %s", FALLBACK_SERVICE);
        return -ECANCELED;
}

/* Returns 0 or -ECANCELED, as ask_for(). */
static int go_to(const WayBack *back, const char *mode) {
        static const struct timespec interval = { .tv_sec = BUSY_INTERVAL };
        int r = -EBUSY;

        for (int i = 0; r == -EBUSY && i < BUSY_TRIES; i++) {
                if (i == 1)
                        warn("Another switch is under way; the return to mode %s waits.", mode);
                /* A switch that a unit makes, and that is refused, has no signal at its end. */
                if (i > 0)
                        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
                r = ask_for(back, mode);
        }
        return r == -EBUSY || r == -ENOTCONN ? start_unit(back, mode) : r;
}

static int give_back(const WayBack *back) {
        int r;

        r = go_to(back, back->mode);
        if (r < 0 && strcmp(back->mode, back->fallback) != 0) {
                warn("Mode %s cannot be had; going to the fallback mode, %s.", back->mode,
                     back->fallback);
                r = go_to(back, back->fallback);
        }
        if (r < 0)
                complain("The machine could not be brought back to mode %s; see: "
                         "vfio-modectl status",
                         back->mode);
        return r;
}

/* --- the way there --- */

/* A mode that there is none of leads to the fallback mode. */
static void remember(const json_object *status, WayBack *ret) {
        const char *mode = mode_of(status), *fallback = json_get_text(status, "fallback_mode");

        if (!config_name_is_valid(fallback))
                fallback = "host";
        if (!config_name_is_valid(mode))
                mode = fallback;
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
        (void)snprintf(ret->fallback, sizeof(ret->fallback), "%s", fallback);
}

/* Returns as enter(). */
static int refused(const WayBack *back, const Switching *s, int r) {
        if (r == 1)
                (void)refused_complain(s->end.kind, s->end.text);
        else if (r == 0)
                (void)refused_complain_of_call(&s->error, NULL);
        else
                complain("It cannot be told how the switch ended: the command is not run.");
        /* Nobody else brings back what is half-way, or may come to its end only now. */
        if (r < 0 || s->end.kind == REFUSAL_HALF_WAY || s->end.kind == REFUSAL_TIMED_OUT)
                (void)give_back(back);
        return -ECANCELED;
}

/* Returns 1 where the machine was switched; 0 where it is in the mode already; -ECANCELED where the
 * command is not to be run, which was said. */
static int enter(WayBack *back) {
        const Arguments *arguments = back->arguments;
        const BusOptions options = { .holders = arguments->holders };
        const char *mode = arguments->operands[0];
        _cleanup_(switching_done) Switching s = { 0 };
        int r;

        if (switching_open(arguments, &s) < 0) {
                (void)refused_complain_of_call(&s.error, NULL);
                return -ECANCELED;
        }
        if (strcmp(mode_of(s.before), mode) == 0)
                return 0;
        remember(s.before, back);
        foreground_hold_signals(&back->signals);
        bus_hold_signals(s.bus);
        r = switching_do(&s, mode, &options);
        if (r < 1 || s.end.kind != REFUSAL_NONE)
                return refused(back, &s, r);
        if (strcmp(mode_of(s.after), mode) == 0)
                (void)snprintf(back->since, sizeof(back->since), "%s",
                               json_get_text(s.after, "since"));
        say_end(arguments, mode, &s.end);
        return 1;
}

/* --- the verb --- */

static int refuse_options(const Arguments *arguments) {
        if (arguments->host)
                complain("`run` does not go with -H: the command would run here, and the switch be "
                         "made there.");
        else if (arguments->root)
                complain("A captured machine (--root) cannot be switched.");
        else if (arguments->json != JSON_OFF)
                complain("`run` leaves its output to the command and does not go with --json.");
        else
                return 0;
        return -EINVAL;
}

static int run(const Arguments *arguments) {
        WayBack back = { .arguments = arguments };
        char **command = arguments->operands + 1;
        int r, status;

        if (refuse_options(arguments) < 0)
                return EXIT_WRAPPER_FAILED;
        r = foreground_find(command[0]);
        if (r < 0) {
                complain("Cannot run '%s': %s", command[0], strerror(-r));
                return r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        }
        r = enter(&back);
        if (r < 0)
                return EXIT_WRAPPER_FAILED;
        if (r == 0)
                return foreground_become(command);
        status = foreground_run(command, &back.signals);
        r = give_back(&back);
        return r < 0 && status == 0 ? EXIT_WRAPPER_FAILED : status;
}

const Verb verb_run = {
        .name = "run",
        .synopsis = "MODE [--holders=HOW] -- COMMAND [ARGUMENT...]",
        .summary = "Run a command in a mode, and return to the mode before",
        .details =
                "Switches to the mode, runs the command, and returns to the mode before when it\n"
                "has ended, unless somebody has chosen another one meanwhile. In the mode\n"
                "already, nothing is switched. Signals are passed on to the command.\n"
                "\n"
                "Exits with the command's own status, 128 and the number where a signal ended\n"
                "it; 126 where it cannot be executed, 127 where there is none; and 125 where the\n"
                "switch was refused, or the return after a command that succeeded.\n"
                "\n"
                "  --holders=HOW       What becomes of processes that use a device, in place of\n"
                "                      the mode's own key: refuse, stop or kill.\n",
        .min_operands = 2,
        .max_operands = SIZE_MAX,
        .options = VERB_OPTION_HOLDERS,
        .is_remote = true,
        .is_wrapper = true,
        .failure = EXIT_WRAPPER_FAILED,
        .run = run,
};

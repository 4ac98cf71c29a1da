/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it did is seen by describing the machine before and after; the end is told by a signal.
 */
#include <errno.h>
#include <string.h>

#include "ctl/polkit-agent.h"
#include "ctl/switching.h"
#include "ctl/text.h"

#define SECOND UINT64_C(1000000)
#define SWITCH_TIMEOUT (1800 * SECOND) /* as the fallback unit: guests have their time to end */
#define FALL_TIMEOUT (60 * SECOND)
#define LOOK_INTERVAL (2 * SECOND) /* after the service went away, if it tells nothing */
#define LOOKS_IN_VAIN 6            /* at a machine that does not answer, or does nothing */

int switching_open(const Arguments *arguments, Switching *ret) {
        int r;

        *ret = (Switching){ .arguments = arguments };
        r = bus_open(arguments->host, &ret->bus, &ret->error);
        return r < 0 ? r : bus_describe(ret->bus, &ret->before, &ret->error);
}

void switching_done(Switching *s) {
        bus_closep(&s->bus);
        json_object_put(TAKE_PTR(s->before));
        json_object_put(TAKE_PTR(s->after));
}

/* --- what it did --- */

/* Of a description: when the last switch ended. */
static int64_t ended_at(const json_object *status) {
        return json_get_integer(json_get(status, "last_switch"), "time_usec");
}

int64_t switching_steps(const Switching *s) {
        if (ended_at(s->before) == ended_at(s->after))
                return 0;
        return json_get_integer(json_get(s->after, "last_switch"), "steps_taken");
}

bool switching_has_changed(const Switching *s) {
        return strcmp(json_get_text(s->before, "mode"), json_get_text(s->after, "mode")) != 0 ||
               switching_steps(s) > 0;
}

/* Whoever may know which processes are in the way is told so by a description only: the signal is
 * for everybody. */
static void take_names(Switching *s) {
        const json_object *last = json_get(s->after, "last_switch");

        if (s->end.kind == REFUSAL_NONE || ended_at(s->before) == ended_at(s->after) ||
            refusal_by_name(json_get_text(last, "result")) != s->end.kind)
                return;
        (void)snprintf(s->end.text, sizeof(s->end.text), "%s", json_get_text(last, "text"));
}

/* --- its end --- */

/* Asks anew, for the service that went away or its successor. NULL: it does not answer (yet). */
static json_object *look(const Arguments *arguments) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        json_object *status = NULL;
        BusError error;

        if (bus_open(arguments->host, &bus, &error) < 0)
                return NULL;
        return bus_describe(bus, &status, &error) < 0 ? NULL : status;
}

/*
 * The service went away; the next one knows the job, and tells its end. Where none comes, or it has
 * told before we listened, what the unit leaves behind tells how it went.
 *
 * Returns 1; -EINTR; or -ENODATA.
 */
static int wait_for_successor(Switching *s) {
        int in_vain = 0;

        for (uint64_t waited = 0; waited < SWITCH_TIMEOUT && in_vain < LOOKS_IN_VAIN;
             waited += LOOK_INTERVAL) {
                _cleanup_json_ json_object *after = look(s->arguments);
                const json_object *last = json_get(after, "last_switch");
                int r;

                if (after && !json_get_bool(after, "half_way") &&
                    ended_at(after) != ended_at(s->before)) {
                        s->end = (BusJob){ .kind = refusal_by_name(json_get_text(last, "result")) };
                        (void)snprintf(s->end.text, sizeof(s->end.text), "%s",
                                       json_get_text(last, "text"));
                        return 1;
                }
                in_vain += !json_get_bool(after, "half_way");
                r = bus_wait(s->bus, LOOK_INTERVAL, &s->end);
                if (r > 0 || r == -EINTR)
                        return r;
        }
        return -ENODATA;
}

/* @is_told: the service has taken the switch on, and tells its end */
static int wait_for_end(Switching *s, bool is_told) {
        int r = 0;

        if (is_told)
                r = bus_wait(s->bus, SWITCH_TIMEOUT, &s->end);
        if (r > 0 || r == -EINTR || r == -ETIMEDOUT)
                return r;
        warn("The service of vfio-mode went away; waiting for the result.");
        return wait_for_successor(s);
}

/* Returns as switching_do(). */
static int did_not_begin(Switching *s) {
        if (s->error.kind == REFUSAL_NONE)
                return 0;
        s->end = (BusJob){ .kind = s->error.kind };
        (void)snprintf(s->end.text, sizeof(s->end.text), "%s", s->error.text);
        return 1;
}

int switching_do(Switching *s, const char *mode, const BusOptions *options) {
        _cleanup_(polkit_agent_closep) pid_t agent = 0;
        BusError error;
        int r;

        polkit_agent_open(s->arguments, &agent);
        bus_allow_questions(s->bus);
        r = bus_switch(s->bus, mode, options, &s->error);
        if (r < 0 && !s->error.is_unreachable)
                return did_not_begin(s);
        r = wait_for_end(s, r >= 0);
        if (r < 0)
                return r;
        /* Where this fails only details are missing of what it did. */
        if (bus_describe(s->bus, &s->after, &error) < 0)
                s->after = json_object_get(s->before);
        take_names(s);
        return 1;
}

int switching_await_fall(Switching *s) {
        return s->end.kind == REFUSAL_HALF_WAY &&
                               bus_wait_fall(s->bus, FALL_TIMEOUT, &s->fall) == -EINTR
                       ? -EINTR
                       : 1;
}

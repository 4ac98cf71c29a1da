/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <systemd/sd-bus.h>

#include "inhibitor.h"
#include "model/sessions.h"

#define LOGIN "org.freedesktop.login1"
#define ANSWER_USEC (5 * UINT64_C(1000000))

/* A connection for each: the guard asks once in hours, and has no use for one that logind's or the
 * bus' restart would break meanwhile. */
int inhibitor_take(const char *what, const char *why) {
        sd_bus_message *reply = NULL;
        sd_bus *bus = NULL;
        int fd = -1, r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, ANSWER_USEC);
        if (r >= 0)
                r = sd_bus_call_method(bus, LOGIN, "/org/freedesktop/login1", LOGIN ".Manager",
                                       "Inhibit", NULL, &reply, "ssss", what, INHIBITOR_OURS, why,
                                       "block");
        if (r >= 0)
                r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0) {
                /* The message closes its own. */
                r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (r < 0)
                        r = -errno;
        }
        (void)sd_bus_message_unref(reply);
        (void)sd_bus_flush_close_unref(bus);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everybody may read; that only root may write is sd-bus' rule for what is not marked otherwise.
 */
#include <string.h>

#include "base/log.h"
#include "log-control.h"

/* As syslog(3) numbers them. */
static const char *const levels[] = { "emerg",   "alert",  "crit", "err",
                                      "warning", "notice", "info", "debug" };

static int get_level(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const Service *service = userdata;

        return sd_bus_message_append(reply, "s", levels[service->log_level]);
}

static int set_level(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error) {
        Service *service = userdata;
        const char *level;
        int r;

        r = sd_bus_message_read(value, "s", &level);
        if (r < 0)
                return r;
        for (int i = 0; i < (int)ARRAY_SIZE(levels); i++)
                if (strcmp(levels[i], level) == 0) {
                        service->log_level = i;
                        log_set_max_level(i);
                        return 0;
                }
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "There is no such level.");
}

/* It says what it says to stderr, wherever systemd has that lead. */
static const char *target(void) {
        return log_is_to_journal() ? "journal" : "console";
}

static int get_target(_unused_ sd_bus *bus, _unused_ const char *path,
                      _unused_ const char *interface, _unused_ const char *property,
                      sd_bus_message *reply, _unused_ void *userdata,
                      _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", target());
}

static int set_target(_unused_ sd_bus *bus, _unused_ const char *path,
                      _unused_ const char *interface, _unused_ const char *property,
                      sd_bus_message *value, _unused_ void *userdata, sd_bus_error *error) {
        const char *wanted;
        int r;

        r = sd_bus_message_read(value, "s", &wanted);
        if (r < 0 || strcmp(wanted, target()) == 0)
                return r < 0 ? r : 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "This service can log to the %s only.", target());
}

static int get_identifier(_unused_ sd_bus *bus, _unused_ const char *path,
                          _unused_ const char *interface, _unused_ const char *property,
                          sd_bus_message *reply, _unused_ void *userdata,
                          _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "vfio-moded");
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_control_export(Service *service) {
        return sd_bus_add_object_vtable(service->bus, NULL, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", log_control_vtable, service);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rescue shell has no bus, and that is where `status` is needed most: so whatever keeps the
 * service from answering for this machine is said once, and then this process looks itself.
 */
#include <string.h>

#include "ctl/description.h"
#include "ctl/local.h"
#include "ctl/refused.h"
#include "ctl/text.h"
#include "view/describe.h"

json_object *description_read(const Arguments *arguments) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        if (local_root(arguments, &root) < 0)
                return NULL;
        r = describe(&root, NULL, &text);
        if (r < 0) {
                complain("Cannot read the machine: %s", strerror(-r));
                return NULL;
        }
        return must_have(json_parse(text));
}

static json_object *ask(const char *host, Bus **ret_bus, BusError *error) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        json_object *description = NULL;

        if (bus_open(host, &bus, error) < 0 || bus_describe(bus, &description, error) < 0)
                return NULL;
        if (ret_bus)
                *ret_bus = TAKE_PTR(bus);
        return description;
}

json_object *description_get(const Arguments *arguments, Bus **ret_bus) {
        json_object *description;
        BusError error;

        if (ret_bus)
                *ret_bus = NULL;
        if (arguments->root)
                return description_read(arguments);
        description = ask(arguments->host, ret_bus, &error);
        if (description)
                return description;
        if (arguments->host) {
                (void)refused_complain_of_call(&error, arguments->host);
                return NULL;
        }
        warn("The service of vfio-mode does not answer (%s): this is what can be seen without it.",
             error.text);
        return description_read(arguments);
}

void description_complain_of_config(const json_object *description) {
        const json_object *config = json_get(description, "config");
        const json_object *errors = json_get(config, "errors");
        const char *state = json_get_text(config, "state");

        if (strcmp(state, "ok") == 0)
                return;
        if (strcmp(state, "missing") == 0)
                warn("There is no %s; vfio-modectl init proposes one.",
                     json_get_text(config, "path"));
        for (size_t i = 0; i < json_length(errors); i++)
                warn("%s", json_object_get_string(json_at(errors, i)));
        if (json_get_bool(config, "accepted"))
                warn("Going by the configuration that was accepted last.");
}

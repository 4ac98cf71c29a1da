/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `check`: judges a configuration by its text alone, so that a file can be tried before it is put
 * in place, on any machine. With a mode it is ctl/check-mode's.
 */
#include <errno.h>

#include "base/plural.h"
#include "ctl/arguments.h"
#include "ctl/card-rom.h"
#include "ctl/check-mode.h"
#include "ctl/text.h"
#include "view/machine.h"

static int load(const Arguments *arguments, MachineConfig *ret) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        int r;

        if (arguments->config)
                return config_load_file(arguments->config, &ret->files, &ret->config, &ret->errors);
        r = root_open(arguments->root, &root);
        if (r < 0) {
                ret->errors.errors[0] = (ConfigError){ .file = arguments->root };
                (void)snprintf(ret->errors.errors[0].text, sizeof(ret->errors.errors[0].text),
                               "cannot be opened");
                ret->errors.n_errors = 1;
                return r;
        }
        return config_load(&root, &ret->files, &ret->config, &ret->errors);
}

static void print_text(const Arguments *arguments, const MachineConfig *config) {
        _cleanup_(lines_done) Lines errors = { 0 };

        machine_config_errors(config, &errors);
        for (size_t i = 0; i < errors.n_lines; i++)
                text_line(stderr, "%s", errors.lines[i]);
        if (config->result >= 0 && !arguments->quiet)
                text_line(stdout, "%s: no errors; %zu mode%s, %zu device%s",
                          arguments->config ? arguments->config : "/" CONFIG_PATH,
                          config->config.n_modes, plural_s(config->config.n_modes),
                          config->config.n_devices, plural_s(config->config.n_devices));
}

static void print_json(const Arguments *arguments, const MachineConfig *config) {
        _cleanup_json_ json_object *answer = json_answer();
        json_object *list = json_list();

        json_add_string(answer, "path", arguments->config ? arguments->config : "/" CONFIG_PATH);
        json_add_bool(answer, "ok", config->result >= 0);
        for (size_t i = 0; config->result < 0 && i < config->errors.n_errors; i++) {
                const ConfigError *error = &config->errors.errors[i];
                json_object *object = json_new();

                json_add_string(object, "file", error->file);
                json_add_integer(object, "line", error->line);
                json_add_string(object, "text", error->text);
                json_append(list, object);
        }
        json_add(answer, "errors", list);
        json_print(answer, arguments->json);
}

static int check_config(const Arguments *arguments) {
        _cleanup_free_ MachineConfig *config = must_have(calloc(1, sizeof(*config)));

        config->result = load(arguments, config);
        if (arguments->json == JSON_OFF)
                print_text(arguments, config);
        else
                print_json(arguments, config);
        config_files_done(&config->files);
        return config->result < 0 ? EXIT_CODE_CONFIGURATION : EXIT_CODE_DONE;
}

/* Refused where there is no ROM to be read, or not by this process. */
static int check_read_rom(const Arguments *arguments) {
        const char *other = arguments->root ? "--root" : arguments->host ? "-H" : NULL;

        if (!(arguments->options & VERB_OPTION_READ_ROM))
                return EXIT_CODE_DONE;
        if (arguments->n_operands == 0)
                complain("--read-rom goes with `check MODE`.");
        else if (other)
                complain("--read-rom reads this machine's cards and does not go with %s.", other);
        else
                return card_rom_is_permitted() ? EXIT_CODE_DONE : EXIT_CODE_NOT_AUTHORISED;
        return EXIT_CODE_USAGE;
}

static int run(const Arguments *arguments) {
        const char *reason = arguments->n_operands == 0 ? NULL
                             : arguments->config        ? "--config"
                                                        : NULL;
        int r;

        if (reason) {
                complain("`check MODE` asks the machine's service and does not go with %s.",
                         reason);
                return EXIT_CODE_USAGE;
        }
        r = check_read_rom(arguments);
        if (r != EXIT_CODE_DONE)
                return r;
        if (arguments->n_operands > 0)
                return check_mode(arguments);
        if (arguments->host) {
                complain("`check` reads this machine's files and does not go with -H; `check MODE` "
                         "does.");
                return EXIT_CODE_USAGE;
        }
        return check_config(arguments);
}

const Verb verb_check = {
        .name = "check",
        .synopsis = "[MODE [--read-rom] | --config=FILE]",
        .summary = "Check whether a mode can be entered, or the configuration for errors",
        .details =
                "With a mode: looks at everything that a switch to it would look at, and exits\n"
                "with the code of the reason where it would be refused. Without: prints each\n"
                "error of the configuration as FILE:LINE: REASON and exits with 3 where there is\n"
                "one.\n"
                "\n"
                "  --config=FILE    Check this file instead of the machine's configuration.\n"
                "  --read-rom       Read the ROMs of the mode's functions, too, as `rom` does:\n"
                "                   by root, of functions that no driver of the host and no\n"
                "                   guest has. Without, nothing on the machine is changed.\n",
        .max_operands = 1,
        .options = VERB_OPTION_CONFIG | VERB_OPTION_READ_ROM,
        .is_remote = true,
        .run = run,
};

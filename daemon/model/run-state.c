/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text form of RunState. The files lie in /run and only root writes them, but they outlive a
 * killed program and an upgrade, so they carry a version and are checked when they are read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "run-state.h"

#define HEADER_KEY "vfio-mode-state"
#define VERSION "1"
#define NOTHING "-" /* an empty driver or override, so that a line always has three words */
/* Behind them, where it has one: */
#define PICTURE "picture"
#define POWER "power=" /* CONTROL/D3COLD */
#define PORT "port="   /* ADDRESS/CONTROL/D3COLD */
#define FRAMEBUFFER "framebuffer="
#define EXTRA_SIZE 96
#define ENABLED "enabled" /* of a ROM's function, behind its address */

const HomeFunction *run_state_find_home(const RunState *state, PciAddress address) {
        for (size_t i = 0; i < state->n_homes; i++)
                if (pci_address_compare(state->homes[i].address, address) == 0)
                        return &state->homes[i];
        return NULL;
}

int run_state_add_home(RunState *state, const HomeFunction *home) {
        if (run_state_find_home(state, home->address))
                return 0;
        if (state->n_homes == RUN_STATE_FUNCTIONS_MAX)
                return -ENOSPC;
        state->homes[state->n_homes++] = *home;
        return 0;
}

void run_state_add_pools(RunState *state, const RunState *more) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (!state->home_pools[size].is_known)
                        state->home_pools[size] = more->home_pools[size];
}

void run_state_forget_lowered_pools(RunState *undo, const RunState *state, const Memory *memory) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (!state->home_pools[size].is_known &&
                    undo->home_pools[size].pages > memory->pools[size].pages)
                        undo->home_pools[size] = (HomePool){ 0 };
}

const StoppedUnit *run_state_find_unit(const RunState *state, const char *name) {
        for (size_t i = 0; i < state->n_units; i++)
                if (strcmp(state->units[i].name, name) == 0)
                        return &state->units[i];
        return NULL;
}

int run_state_add_unit(RunState *state, const StoppedUnit *unit) {
        if (run_state_find_unit(state, unit->name))
                return 0;
        if (state->n_units == RUN_STATE_UNITS_MAX)
                return -ENOSPC;
        state->units[state->n_units++] = *unit;
        return 0;
}

int run_state_add_module(RunState *state, const char *module) {
        for (size_t i = 0; i < state->n_modules; i++)
                if (strcmp(state->modules[i], module) == 0)
                        return 0;
        if (state->n_modules == MODULE_STACK_MAX)
                return -ENOSPC;
        (void)snprintf(state->modules[state->n_modules++], CONFIG_DRIVER_SIZE, "%s", module);
        return 0;
}

bool run_state_is_of_rom(const RunState *undo) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (undo->home_pools[size].is_known)
                        return false;
        return undo->rom.is_known && strcmp(undo->old_mode, undo->mode) == 0 &&
               undo->n_homes == 0 && undo->n_units == 0 && undo->n_modules == 0;
}

/* --- writing --- */

/* One name with a blank in it must not spoil the whole file: that function goes home by its
 * modalias. */
static const char *word_or_nothing(const char *word) {
        return config_driver_is_valid(word) ? word : NOTHING;
}

static const char *print_power(const HomeFunction *home, char buffer[static EXTRA_SIZE]) {
        char power[POWER_POLICY_SIZE], port[PCI_ADDRESS_SIZE];
        int n = 0;

        buffer[0] = '\0';
        if (power_policy_is_known(&home->power))
                n = snprintf(buffer, EXTRA_SIZE, " " POWER "%s",
                             power_policy_format(&home->power, power));
        if (power_policy_is_known(&home->port_power))
                (void)snprintf(buffer + n, (size_t)(EXTRA_SIZE - n), " " PORT "%s/%s",
                               pci_address_format(home->port, port),
                               power_policy_format(&home->port_power, power));
        return buffer;
}

int run_state_format_home(const HomeFunction *home, char *buffer, size_t size) {
        char address[PCI_ADDRESS_SIZE], power[EXTRA_SIZE];
        bool has_framebuffer = config_driver_is_valid(home->framebuffer);
        int n;

        n = snprintf(buffer, size, "function=%s %s %s%s%s%s%s\n",
                     pci_address_format(home->address, address), word_or_nothing(home->driver),
                     word_or_nothing(home->driver_override), home->had_picture ? " " PICTURE : "",
                     print_power(home, power), has_framebuffer ? " " FRAMEBUFFER : "",
                     has_framebuffer ? home->framebuffer : "");
        return (size_t)n < size ? n : -ENAMETOOLONG;
}

static void print_writer(const RunWriter *writer, FILE *file) {
        char line[RUN_WRITER_LINE_SIZE];

        if (writer->pid > 0 && run_writer_format(writer, line, sizeof(line)) > 0)
                (void)fputs(line, file);
        if (writer->write.kind != RUN_WRITE_NONE &&
            run_writer_format_write(&writer->write, line, sizeof(line)) > 0)
                (void)fputs(line, file);
        if (writer->wedged > 0 && run_writer_format_wedged(writer, line, sizeof(line)) > 0)
                (void)fputs(line, file);
}

int run_state_format_pool(HugepageSize size, uint64_t pages, char *buffer, size_t buffer_size) {
        int n;

        n = snprintf(buffer, buffer_size, "hugepages=%s %" PRIu64 "\n", hugepage_name(size), pages);
        return (size_t)n < buffer_size ? n : -ENAMETOOLONG;
}

int run_state_format_rom(const HomeRom *rom, char *buffer, size_t size) {
        char address[PCI_ADDRESS_SIZE], power[POWER_POLICY_SIZE];
        bool has_power = power_policy_is_known(&rom->power);
        int n;

        n = snprintf(buffer, size, "rom=%s%s%s%s\n", pci_address_format(rom->address, address),
                     rom->is_enabled ? " " ENABLED : "", has_power ? " " POWER : "",
                     has_power ? power_policy_format(&rom->power, power) : "");
        return (size_t)n < size ? n : -ENAMETOOLONG;
}

int run_state_format_unit(const StoppedUnit *unit, char *buffer, size_t size) {
        char address[PCI_ADDRESS_SIZE];
        int n;

        n = snprintf(buffer, size, "unit=%s %s\n", unit->name,
                     unit->is_holder ? pci_address_format(unit->address, address) : NOTHING);
        return (size_t)n < size ? n : -ENAMETOOLONG;
}

int run_state_format_module(const char *module, char *buffer, size_t size) {
        int n;

        n = snprintf(buffer, size, "module=%s\n", module);
        return (size_t)n < size ? n : -ENAMETOOLONG;
}

int run_state_format(const RunState *state, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file;

        file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;
        (void)fprintf(file, "%s=%s\n", HEADER_KEY, VERSION);
        record_print(file, "mode", state->mode);
        record_print(file, "old-mode", state->old_mode);
        record_print(file, "source", state->source);
        record_print(file, "reason", state->reason);
        (void)fprintf(file, "since=%" PRIu64 "\n", state->since);
        if (state->hold.since > 0) {
                (void)fprintf(file, "held-since=%" PRIu64 "\n", state->hold.since);
                record_print(file, "held-by", state->hold.reason);
        }
        for (size_t i = 0; i < state->n_homes; i++) {
                char line[RUN_STATE_HOME_SIZE];

                if (run_state_format_home(&state->homes[i], line, sizeof(line)) > 0)
                        (void)fputs(line, file);
        }
        for (size_t i = 0; i < state->n_units; i++) {
                char line[256];

                if (run_state_format_unit(&state->units[i], line, sizeof(line)) > 0)
                        (void)fputs(line, file);
        }
        for (size_t i = 0; i < state->n_modules; i++)
                record_print(file, "module", state->modules[i]);
        for (HugepageSize i = 0; i < _HUGEPAGE_SIZE_MAX; i++) {
                char line[64];

                if (state->home_pools[i].is_known &&
                    run_state_format_pool(i, state->home_pools[i].pages, line, sizeof(line)) > 0)
                        (void)fputs(line, file);
        }
        if (state->rom.is_known) {
                char line[RUN_STATE_ROM_SIZE];

                if (run_state_format_rom(&state->rom, line, sizeof(line)) > 0)
                        (void)fputs(line, file);
        }
        print_writer(&state->writer, file);
        if (fclose(file) != 0 || size > RUN_STATE_SIZE_MAX)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return (int)size;
}

/* --- reading --- */

static int parse_name(char *ret, const char *value) {
        if (value[0] != '\0' && !config_name_is_valid(value))
                return -EBADMSG;
        (void)snprintf(ret, CONFIG_NAME_SIZE, "%s", value);
        return 0;
}

static int parse_text(char *ret, size_t size, const char *value) {
        return parse_copy(ret, size, value, strlen(value)) < 0 ? -EBADMSG : 0;
}

static int parse_driver(char *ret, const char *word, size_t length) {
        char driver[CONFIG_DRIVER_SIZE];

        if (!word || parse_copy(driver, sizeof(driver), word, length) < 0)
                return -EBADMSG;
        if (strcmp(driver, NOTHING) == 0)
                driver[0] = '\0';
        else if (!config_driver_is_valid(driver))
                return -EBADMSG;
        (void)memcpy(ret, driver, sizeof(driver));
        return 0;
}

static int parse_port(const char *value, HomeFunction *home) {
        const char *slash = strchr(value, '/');
        char address[PCI_ADDRESS_SIZE];

        if (power_policy_is_known(&home->port_power) || !slash ||
            parse_copy(address, sizeof(address), value, (size_t)(slash - value)) < 0 ||
            pci_address_parse(address, &home->port) < 0)
                return -EBADMSG;
        return power_policy_parse(slash + 1, &home->port_power);
}

/* Each of them once. */
static int parse_extra(const char *word, size_t length, HomeFunction *home) {
        char text[EXTRA_SIZE];

        if (parse_copy(text, sizeof(text), word, length) < 0)
                return -EBADMSG;
        if (strncmp(text, FRAMEBUFFER, strlen(FRAMEBUFFER)) == 0)
                return home->framebuffer[0] != '\0'
                               ? -EBADMSG
                               : parse_driver(home->framebuffer, word + strlen(FRAMEBUFFER),
                                              length - strlen(FRAMEBUFFER));
        if (strncmp(text, PORT, strlen(PORT)) == 0)
                return parse_port(text + strlen(PORT), home);
        if (strncmp(text, POWER, strlen(POWER)) == 0)
                return power_policy_is_known(&home->power)
                               ? -EBADMSG
                               : power_policy_parse(text + strlen(POWER), &home->power);
        if (strcmp(text, PICTURE) != 0 || home->had_picture)
                return -EBADMSG;
        home->had_picture = true;
        return 0;
}

static int parse_home(const char *value, RunState *state) {
        HomeFunction home = { 0 };
        char address[PCI_ADDRESS_SIZE];
        const char *word;
        size_t length;

        word = parse_word(&value, &length);
        if (!word || parse_copy(address, sizeof(address), word, length) < 0 ||
            pci_address_parse(address, &home.address) < 0)
                return -EBADMSG;
        word = parse_word(&value, &length);
        if (parse_driver(home.driver, word, length) < 0)
                return -EBADMSG;
        word = parse_word(&value, &length);
        if (parse_driver(home.driver_override, word, length) < 0)
                return -EBADMSG;
        while ((word = parse_word(&value, &length)))
                if (parse_extra(word, length, &home) < 0)
                        return -EBADMSG;
        return run_state_add_home(state, &home) < 0 ? -EBADMSG : 0;
}

static int parse_pool(const char *value, RunState *state) {
        char name[8];
        HugepageSize size;
        const char *word;
        size_t length;
        uint64_t pages;

        word = parse_word(&value, &length);
        if (!word || parse_copy(name, sizeof(name), word, length) < 0 ||
            !hugepage_by_name(name, &size) || state->home_pools[size].is_known || *value != ' ' ||
            parse_decimal(value + 1, UINT64_MAX, &pages) < 0)
                return -EBADMSG;
        state->home_pools[size] = (HomePool){ .is_known = true, .pages = pages };
        return 0;
}

static int parse_unit(const char *value, RunState *state) {
        StoppedUnit unit = { 0 };
        char address[PCI_ADDRESS_SIZE];
        const char *word;
        size_t length;

        word = parse_word(&value, &length);
        if (!word || parse_copy(unit.name, sizeof(unit.name), word, length) < 0 ||
            !config_unit_is_valid(unit.name))
                return -EBADMSG;
        word = parse_word(&value, &length);
        if (!word || parse_copy(address, sizeof(address), word, length) < 0 ||
            parse_word(&value, &length))
                return -EBADMSG;
        unit.is_holder = strcmp(address, NOTHING) != 0;
        if (unit.is_holder && pci_address_parse(address, &unit.address) < 0)
                return -EBADMSG;
        return run_state_add_unit(state, &unit) < 0 ? -EBADMSG : 0;
}

static int parse_module(const char *value, RunState *state) {
        return config_driver_is_valid(value) && run_state_add_module(state, value) >= 0 ? 0
                                                                                        : -EBADMSG;
}

/* Each of them once, as is the line. */
static int parse_rom(const char *value, RunState *state) {
        HomeRom rom = { .is_known = true };
        char text[EXTRA_SIZE];
        const char *word;
        size_t length;

        word = parse_word(&value, &length);
        if (state->rom.is_known || !word || parse_copy(text, sizeof(text), word, length) < 0 ||
            pci_address_parse(text, &rom.address) < 0)
                return -EBADMSG;
        while ((word = parse_word(&value, &length))) {
                if (parse_copy(text, sizeof(text), word, length) < 0)
                        return -EBADMSG;
                if (strcmp(text, ENABLED) == 0 && !rom.is_enabled)
                        rom.is_enabled = true;
                else if (strncmp(text, POWER, strlen(POWER)) != 0 ||
                         power_policy_is_known(&rom.power) ||
                         power_policy_parse(text + strlen(POWER), &rom.power) < 0)
                        return -EBADMSG;
        }
        state->rom = rom;
        return 0;
}

static int parse_line(const char *key, const char *value, RunState *state) {
        int r;

        if (strcmp(key, "mode") == 0)
                return parse_name(state->mode, value);
        if (strcmp(key, "old-mode") == 0)
                return parse_name(state->old_mode, value);
        if (strcmp(key, "source") == 0)
                return parse_text(state->source, sizeof(state->source), value);
        if (strcmp(key, "reason") == 0)
                return parse_text(state->reason, sizeof(state->reason), value);
        if (strcmp(key, "since") == 0)
                return parse_decimal(value, UINT64_MAX, &state->since) < 0 ? -EBADMSG : 0;
        if (strcmp(key, "held-since") == 0)
                return parse_decimal(value, UINT64_MAX, &state->hold.since) < 0 ? -EBADMSG : 0;
        if (strcmp(key, "held-by") == 0)
                return parse_text(state->hold.reason, sizeof(state->hold.reason), value);
        if (strcmp(key, "function") == 0)
                return parse_home(value, state);
        if (strcmp(key, "unit") == 0)
                return parse_unit(value, state);
        if (strcmp(key, "module") == 0)
                return parse_module(value, state);
        if (strcmp(key, "hugepages") == 0)
                return parse_pool(value, state);
        if (strcmp(key, "rom") == 0)
                return parse_rom(value, state);
        r = run_writer_parse(key, value, &state->writer);
        return r == 0 ? -EBADMSG : r;
}

int run_state_parse(const char *text, RunState *ret) {
        _cleanup_free_ RunState *state = NULL;
        char line[RUN_STATE_TEXT_SIZE + 64];
        const char *value;
        int r;

        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        r = record_expect(&text, HEADER_KEY, VERSION);
        if (r < 0)
                return r;
        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                r = parse_line(line, value, state);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = *state;
        return 0;
}

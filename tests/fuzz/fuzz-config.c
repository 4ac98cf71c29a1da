/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/config*: any text is refused with errors that have a file and a line, and with the result
 * untouched, or it is a configuration that holds together and is read back the same when it is
 * written out. A form feed in the input begins the next file.
 */
#undef NDEBUG

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"
#include "model/kernel-cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SOURCES_MAX 4

typedef struct Sources {
        ConfigSource sources[SOURCES_MAX];
        size_t n;
} Sources;

/* Each file in memory of its own, so that reading beyond it is seen. */
static void add_source(Sources *sources, const char *text, size_t size) {
        static const char *const names[SOURCES_MAX] = { "0.ini", "1.ini", "2.ini", "3.ini" };
        char *copy = malloc(size ? size : 1);

        assert(copy);
        memcpy(copy, text, size);
        sources->sources[sources->n] = (ConfigSource){ names[sources->n], copy, size };
        sources->n++;
}

static void split(const char *text, size_t size, Sources *sources) {
        while (sources->n < SOURCES_MAX - 1) {
                const char *end = memchr(text, '\f', size);

                if (!end)
                        break;
                add_source(sources, text, (size_t)(end - text));
                size -= (size_t)(end + 1 - text);
                text = end + 1;
        }
        add_source(sources, text, size);
}

/* The same files with CRLF for each LF. */
static void split_crlf(const Sources *from, Sources *to) {
        for (size_t i = 0; i < from->n; i++) {
                const ConfigSource *source = &from->sources[i];
                char *text = malloc(2 * source->size + 1);
                size_t size = 0;

                assert(text);
                for (size_t j = 0; j < source->size; j++) {
                        if (source->text[j] == '\n')
                                text[size++] = '\r';
                        text[size++] = source->text[j];
                }
                add_source(to, text, size);
                free(text);
        }
}

static void free_sources(Sources *sources) {
        for (size_t i = 0; i < sources->n; i++)
                free((char *)sources->sources[i].text);
}

static size_t source_of(const Sources *sources, const ConfigError *error) {
        for (size_t i = 0; i < sources->n; i++)
                if (sources->sources[i].file == error->file)
                        return i;
        abort();
}

static unsigned count_lines(const ConfigSource *source) {
        unsigned n = 1;

        for (size_t i = 0; i < source->size; i++)
                n += source->text[i] == '\n';
        return n;
}

static void check_errors(const Sources *sources, const ConfigErrors *errors) {
        size_t last_source = 0;
        unsigned last_line = 0;

        assert(errors->n_errors >= 1 && errors->n_errors <= CONFIG_ERRORS_MAX);
        for (size_t i = 0; i < errors->n_errors; i++) {
                const ConfigError *error = &errors->errors[i];
                size_t source = source_of(sources, error);

                assert(source > last_source || (source == last_source && error->line >= last_line));
                assert(error->line <= count_lines(&sources->sources[source]));
                assert(error->line > 0 || strncmp(error->text, "no room", 7) == 0);
                assert(error->text[0] && strlen(error->text) < sizeof(error->text) - 1);
                for (const char *c = error->text; *c; c++)
                        assert((*c >= ' ' && *c <= '~') || *c == '\t');
                last_source = source;
                last_line = error->line;
        }
}

/* Nothing gets to a boot loader that one of them could take for something else. */
static void check_cmdline(const char *cmdline) {
        KernelCmdlineRequest request;
        char before = ' ';

        for (const char *c = cmdline; *c; before = *c++) {
                assert(*c > ' ' || (*c == ' ' && before != ' '));
                assert(*c <= '~' && !strchr("\"#$&'()*;<>?[\\]`{|}", *c));
                assert(before != ' ' || !strchr("/!", *c));
        }
        assert(!*cmdline || before != ' ');
        kernel_cmdline_request(cmdline, &request);
        assert(!request.mode[0] && !request.mode_is_too_long && !request.rescue[0]);
}

static void check_hugepages(const HugepagesWanted *wanted) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                assert(wanted->pages[size] <= hugepages_max(size));
                assert(hugepages_minimum(wanted, size) <= wanted->pages[size]);
        }
}

static void check_config(const Config *config) {
        assert(config_find_mode(config, config->default_mode));
        assert(config_find_mode(config, config->fallback_mode));
        for (size_t i = 0; i < config->n_devices; i++) {
                const ConfigDevice *device = &config->devices[i];

                assert(config_name_is_valid(device->name));
                assert(device->has_address || device->has_id);
                assert(device->address.function == 0 && device->functions != 0);
                assert(!device->host_driver[0] || config_driver_is_valid(device->host_driver));
                assert(device->n_also <= CONFIG_ALSO_MAX);
        }
        for (size_t i = 0; i < config->n_modes; i++) {
                assert(config_name_is_valid(config->modes[i].name));
                assert((uint64_t)config->modes[i].vfio_devices >> config->n_devices == 0);
                check_cmdline(config->modes[i].cmdline);
                check_hugepages(&config->modes[i].hugepages);
                assert(config->modes[i].n_stop_units <= CONFIG_STOP_UNITS_MAX);
                for (size_t j = 0; j < config->modes[i].n_stop_units; j++)
                        assert(config_unit_is_valid(config->modes[i].stop_units[j]));
        }
        assert(!config_find_mode(config, config->fallback_mode)->cmdline[0]);
        assert(!hugepages_are_wanted(&config_find_mode(config, config->fallback_mode)->hugepages));
}

/* The text of what the sources say, or NULL where they are refused. The caller frees it. */
static char *parse(const Sources *sources) {
        Config config, before;
        ConfigErrors errors;
        char *text;
        int r;

        memset(&config, 0xa5, sizeof(config));
        memcpy(&before, &config, sizeof(config));
        r = config_parse(sources->sources, sources->n, &config, &errors);
        if (r < 0) {
                assert(r == -EINVAL && memcmp(&config, &before, sizeof(config)) == 0);
                check_errors(sources, &errors);
                return NULL;
        }
        assert(r == 0 && errors.n_errors == 0);
        check_config(&config);
        assert(config_format(&config, &text) == (int)strlen(text));
        return text;
}

static void assert_same_text(const char *a, const char *b) {
        assert(!a == !b);
        assert(!a || strcmp(a, b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Sources sources = { 0 }, crlf = { 0 }, formatted = { 0 };
        char *text, *of_crlf, *again;

        split((const char *)data, size, &sources);
        split_crlf(&sources, &crlf);
        text = parse(&sources);
        of_crlf = parse(&crlf);
        assert_same_text(text, of_crlf);
        if (text) {
                add_source(&formatted, text, strlen(text));
                again = parse(&formatted);
                assert_same_text(text, again);
                free(again);
        }

        free(text);
        free(of_crlf);
        free_sources(&sources);
        free_sources(&crlf);
        free_sources(&formatted);
        return 0;
}

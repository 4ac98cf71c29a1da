/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines, sections and keys of vfio-mode.ini(5), on inih. Pure.
 *
 * inih cuts long lines silently, never tells of an empty section, has no line numbers in Debian's
 * build, and treats comments differently from version to version. So it is handed one line at a
 * time that is already clean, counted and known to be whole; what it would misread it never sees.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config-parser.h"

bool config_origin_before(Origin a, Origin b) {
        return a.source == b.source ? a.line < b.line : a.source < b.source;
}

void config_refuse_at(Parser *p, Origin origin, const char *format, ...) {
        ConfigErrors *errors = p->errors;
        size_t i = errors->n_errors;
        va_list arguments;

        if (p->silent || i == CONFIG_ERRORS_MAX)
                return;

        for (; i > 0 && config_origin_before(origin, p->error_origins[i - 1]); i--) {
                errors->errors[i] = errors->errors[i - 1];
                p->error_origins[i] = p->error_origins[i - 1];
        }
        p->error_origins[i] = origin;
        errors->errors[i].file = p->sources[origin.source - 1].file;
        errors->errors[i].line = origin.line;
        va_start(arguments, format);
        (void)vsnprintf(errors->errors[i].text, sizeof(errors->errors[i].text), format, arguments);
        va_end(arguments);
        errors->n_errors++;
}

bool config_word(const char **cursor, char word[static CONFIG_WORD_SIZE]) {
        const char *text;
        size_t length;

        text = parse_word(cursor, &length);
        if (!text)
                return false;
        if (length >= CONFIG_WORD_SIZE)
                length = CONFIG_WORD_SIZE - 1;
        memcpy(word, text, length);
        word[length] = '\0';
        return true;
}

/* Has what belongs to the line being read passed over, so that one mistake is one error. */
static void pass_over(Parser *p, bool section) {
        if (section) {
                p->in_section = true;
                p->section = NULL;
        }
        p->key_state = KEY_REFUSED;
}

/* ---- Lines ---- */

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* Length without the comment, and without blanks and the CR of a CRLF behind. */
static size_t content_length(const char *text, size_t length) {
        bool at_start = true;
        size_t end;

        for (end = 0; end < length; end++) {
                if (text[end] == ';' && (end == 0 || is_blank(text[end - 1])))
                        break;
                if (text[end] == '#' && at_start)
                        break;
                at_start = at_start && is_blank(text[end]);
        }
        while (end > 0 && (is_blank(text[end - 1]) || text[end - 1] == '\r'))
                end--;
        return end;
}

/*
 * Copies a raw line as inih shall see it, or refuses it. @size is that of inih's buffer; a line
 * that fills it to the last byte is the beginning of a longer one to newer versions.
 */
static bool clean_line(Parser *p, const char *text, size_t length, char *line, size_t size) {
        size_t max = size - 2;

        if (memchr(text, '\0', length)) {
                config_refuse(p, "a NUL byte");
                return false;
        }
        length = content_length(text, length);
        if (length > max) {
                config_refuse(p, "%zu bytes in a line of at most %zu: go on in an indented line",
                              length, max);
                return false;
        }
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                if ((c < ' ' && c != '\t') || c > '~') {
                        config_refuse(p, "byte 0x%02x, where only ASCII may stand", (unsigned)c);
                        return false;
                }
        }
        memcpy(line, text, length);
        line[length] = '\0';
        return true;
}

/* Returns false at the end of the source. A line that was refused is empty. */
static bool next_line(Parser *p, char *line, size_t size) {
        static const char bom[3] = { '\xef', '\xbb', '\xbf' };
        const ConfigSource *source = &p->sources[p->here.source - 1];
        size_t left = source->size - p->offset;
        const char *text, *newline;
        size_t length;

        if (left == 0)
                return false;
        text = source->text + p->offset;
        newline = memchr(text, '\n', left);
        length = newline ? (size_t)(newline - text) : left;
        p->offset += newline ? length + 1 : length;
        p->here.line++;

        if (p->here.line == 1 && length >= sizeof(bom) && memcmp(text, bom, sizeof(bom)) == 0) {
                text += sizeof(bom);
                length -= sizeof(bom);
        }
        if (!clean_line(p, text, length, line, size)) {
                line[0] = '\0';
                pass_over(p, text[0] == '[');
        }
        return true;
}

/* ---- Sections ---- */

Section *config_section_find(Parser *p, ConfigSectionKind kind, const char *name) {
        for (Section *section = p->sections; section < p->sections + p->n_sections; section++)
                if (section->kind == kind && strcmp(section->name, name) == 0)
                        return section;
        return NULL;
}

Section *config_section_add(Parser *p, ConfigSectionKind kind, const char *name) {
        Config *config = &p->config;
        size_t index = 0;
        Section *section;

        if (kind == CONFIG_DEVICE) {
                if (config->n_devices == CONFIG_DEVICES_MAX)
                        return NULL;
                index = config->n_devices++;
                (void)snprintf(config->devices[index].name, CONFIG_NAME_SIZE, "%s", name);
                config->devices[index].functions = CONFIG_FUNCTIONS_ALL;
        } else if (kind == CONFIG_MODE) {
                if (config->n_modes == CONFIG_MODES_MAX)
                        return NULL;
                index = config->n_modes++;
                (void)snprintf(config->modes[index].name, CONFIG_NAME_SIZE, "%s", name);
        }
        section = &p->sections[p->n_sections++];
        section->kind = kind;
        section->index = index;
        (void)snprintf(section->name, CONFIG_NAME_SIZE, "%s", name);
        return section;
}

static bool find_kind(const char *word, ConfigSectionKind *ret) {
        for (ConfigSectionKind kind = CONFIG_GENERAL; kind <= CONFIG_MODE; kind++) {
                if (strcmp(config_section_kind_name(kind), word) == 0) {
                        *ret = kind;
                        return true;
                }
        }
        return false;
}

static bool check_name(Parser *p, ConfigSectionKind kind, const char *name) {
        const char *kind_name = config_section_kind_name(kind);

        if (kind == CONFIG_GENERAL && name[0])
                config_refuse(p, "[general] takes no name");
        else if (kind != CONFIG_GENERAL && !name[0])
                config_refuse(p, "[%s] needs a name, such as [%s %s]", kind_name, kind_name,
                              kind == CONFIG_DEVICE ? "gpu" : "passthrough");
        else if (strcmp(name, "none") == 0 || strcmp(name, "fallback") == 0)
                config_refuse(p, "the name '%s' is reserved", name);
        else if (name[0] && !config_name_is_valid(name))
                config_refuse(
                        p, "'%s' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first",
                        name);
        else
                return true;
        return false;
}

/* Splits "[kind]" or "[kind name]", or refuses it. */
static bool parse_header(Parser *p, const char *line, ConfigSectionKind *ret_kind,
                         char name[static CONFIG_WORD_SIZE]) {
        char words[INI_MAX_LINE], kind[CONFIG_WORD_SIZE], more[CONFIG_WORD_SIZE];
        const char *cursor = words;
        size_t length = strcspn(line, "]");

        name[0] = '\0';
        if (strcmp(line + length, "]") != 0 ||
            parse_copy(words, sizeof(words), line + 1, length - 1) < 0 ||
            !config_word(&cursor, kind) ||
            (config_word(&cursor, name) && config_word(&cursor, more)))
                config_refuse(p, "'%.64s' is neither [general], [device NAME] nor [mode NAME]",
                              line);
        else if (!find_kind(kind, ret_kind))
                config_refuse(p, "unknown section '%.64s'", line);
        else
                return check_name(p, *ret_kind, name);
        return false;
}

static void enter_section(Parser *p, const char *line) {
        static const int max[] = {
                [CONFIG_DEVICE] = CONFIG_DEVICES_MAX, [CONFIG_MODE] = CONFIG_MODES_MAX
        };
        char name[CONFIG_WORD_SIZE];
        ConfigSectionKind kind;
        Section *section;

        pass_over(p, true);
        if (!parse_header(p, line, &kind, name))
                return;
        section = config_section_find(p, kind, name);
        if (!section) {
                config_refuse(p, "more than %d [%s NAME] sections", max[kind],
                              config_section_kind_name(kind));
                return;
        }
        if (section->header.source == p->here.source) {
                config_refuse(p, "section '%.64s' is already at line %u", line,
                              section->header.line);
                return;
        }
        section->header = p->here;
        p->section = section;
        p->key_state = KEY_NONE;
}

/* Names come first, so that a list may name what stands further down or in a later file. */
static void declare_sections(Parser *p) {
        char line[INI_MAX_LINE], name[CONFIG_WORD_SIZE];
        ConfigSectionKind kind;

        while (next_line(p, line, sizeof(line)))
                if (line[0] == '[' && parse_header(p, line, &kind, name) &&
                    !config_section_find(p, kind, name))
                        (void)config_section_add(p, kind, name);
}

/* ---- Keys ---- */

static void take_key(Parser *p, const char *name) {
        Section *section = p->section;
        const char *blank = section->name[0] ? " " : "";
        Origin *origin;

        p->key_state = KEY_REFUSED;
        if (!config_key_find(section->kind, name, &p->key)) {
                config_refuse(p, "unknown key '%.64s' in [%s%s%s]", name,
                              config_section_kind_name(section->kind), blank, section->name);
                return;
        }
        origin = &section->keys[p->key];
        if (origin->source == p->here.source) {
                config_refuse(p, "key '%s' is already set at line %u", name, origin->line);
                return;
        }
        *origin = p->here;
        p->key_state = KEY_TAKEN;
}

/* inih's handler. It is only called for lines that read_line() below let through. */
static int handle_key(void *user, const char *section, const char *name, const char *value) {
        Parser *p = user;
        const ConfigKey *key;

        (void)section;
        if (!p->goes_on)
                take_key(p, name);
        if (p->key_state != KEY_TAKEN)
                return 1;

        key = config_key(p->key);
        if (config_type_is_list(key->type))
                config_value_set(p, value);
        else if (p->goes_on)
                config_refuse(p,
                              "an indented line goes on with key '%s' above, which takes one value",
                              key->name);
        else if (!*value)
                config_refuse(p, "key '%s' has no value", key->name);
        else
                config_value_set(p, value);
        return 1;
}

/*
 * Whether inih shall see the line: only keys, and what goes on with one. Sections are read here,
 * since builds of inih differ in whether the handler hears of them.
 */
static bool admit_line(Parser *p, const char *line) {
        p->goes_on = is_blank(line[0]);
        if (line[0] == '[') {
                enter_section(p, line);
                return false;
        }
        if (!line[0] || (p->in_section && !p->section))
                return false;
        if (p->goes_on) {
                if (p->key_state == KEY_NONE)
                        config_refuse(p, "an indented line, and no key above that it goes on with");
                return p->key_state == KEY_TAKEN;
        }

        p->key_state = KEY_REFUSED;
        if (line[strcspn(line, "=:")] != '=' || line[0] == '=') {
                config_refuse(p, "'%.64s' is neither '[section]' nor 'key = value'", line);
                return false;
        }
        if (!p->in_section)
                config_refuse(p, "'%.64s' stands before the first section", line);
        return p->in_section;
}

/* inih's reader. */
static char *read_line(char *line, int size, void *user) {
        Parser *p = user;

        if (!next_line(p, line, (size_t)size))
                return NULL;
        if (!admit_line(p, line))
                line[0] = '\0';
        return line;
}

/* ---- Sources ---- */

static void begin_source(Parser *p, size_t i) {
        p->here = (Origin){ .source = (unsigned)i + 1 };
        p->offset = 0;
        p->in_section = false;
        p->section = NULL;
        p->key_state = KEY_NONE;
}

static void parse_sources(Parser *p) {
        p->silent = true;
        for (size_t i = 0; i < p->n_sources; i++) {
                begin_source(p, i);
                declare_sections(p);
        }
        p->silent = false;
        for (size_t i = 0; i < p->n_sources; i++) {
                begin_source(p, i);
                if (ini_parse_stream(read_line, p, handle_key, p) != 0)
                        config_refuse(p, "inih cannot read this file");
        }
}

int config_parse(const ConfigSource *sources, size_t n_sources, Config *ret, ConfigErrors *errors) {
        Parser parser = { .sources = sources, .n_sources = n_sources, .errors = errors };

        errors->n_errors = 0;
        parse_sources(&parser);
        if (errors->n_errors == 0)
                config_check(&parser);
        if (errors->n_errors > 0)
                return -EINVAL;
        *ret = parser.config;
        return 0;
}

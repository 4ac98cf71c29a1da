/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two kinds of what cannot be known: a value, which only counts where it is used, since Debian's
 * own file has `...` for the distributor's name; and a command, behind which nothing is certain any
 * more.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grub-default.h"

#define NAME_SIZE 64
#define WHY_SIZE 128
#define VARIABLES_MAX 128

/* grub-mkconfig has set none of these when it reads the file. */
#define EMPTY_NAMES "GRUB_CMDLINE_"

#define NAME_BEGINS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define NAME_GOES_ON NAME_BEGINS "0123456789"

/* A value while it is read, and as a variable has it. */
typedef struct Value {
        char text[KERNEL_CMDLINE_MAX];
        size_t length;
        char why_not[WHY_SIZE]; /* "": it is known */
        unsigned line;
} Value;

typedef struct Variable {
        char name[NAME_SIZE];
        Value value;
} Variable;

typedef struct Reader {
        const char *at;
        unsigned line;
        Variable variables[VARIABLES_MAX];
        size_t n_variables;
        Value value;
        GrubDefaultError *error;
} Reader;

_printf_(3, 4) static int fail(const Reader *reader, unsigned line, const char *format, ...) {
        va_list arguments;

        reader->error->line = line;
        va_start(arguments, format);
        (void)vsnprintf(reader->error->text, sizeof(reader->error->text), format, arguments);
        va_end(arguments);
        return -EBADMSG;
}

/* The first reason counts. */
_printf_(2, 3) static void set_unknown(Value *value, const char *format, ...) {
        va_list arguments;

        if (value->why_not[0] != '\0')
                return;
        va_start(arguments, format);
        (void)vsnprintf(value->why_not, sizeof(value->why_not), format, arguments);
        va_end(arguments);
}

static char take(Reader *reader) {
        if (*reader->at == '\n')
                reader->line++;
        return *reader->at++;
}

static void add(Value *value, const char *text, size_t length) {
        if (length >= sizeof(value->text) - value->length) {
                set_unknown(value, "is longer than %zu bytes", sizeof(value->text) - 1);
                return;
        }
        (void)memcpy(value->text + value->length, text, length);
        value->length += length;
        value->text[value->length] = '\0';
}

static Variable *find(Reader *reader, const char *name) {
        for (size_t i = 0; i < reader->n_variables; i++)
                if (strcmp(reader->variables[i].name, name) == 0)
                        return &reader->variables[i];
        return NULL;
}

/* Takes a name; "" where there is none. */
static int take_name(Reader *reader, char name[static NAME_SIZE]) {
        size_t length = strspn(reader->at, NAME_BEGINS) > 0 ? strspn(reader->at, NAME_GOES_ON) : 0;

        name[0] = '\0';
        if (length >= NAME_SIZE)
                return fail(reader, reader->line, "a name is longer than %d bytes", NAME_SIZE - 1);
        (void)memcpy(name, reader->at, length);
        name[length] = '\0';
        reader->at += length;
        return 0;
}

/* --- what is passed over, unread --- */

static int fail_open(const Reader *reader, unsigned line, const char *what) {
        return fail(reader, line, "%s begins here and does not end", what);
}

/* To the end of a quoted string, behind its beginning. Backslashes mean nothing in single quotes.
 * A command in double quotes within a command has quotes of its own, which are not followed. */
static int skip_quoted(Reader *reader, char quote) {
        unsigned line = reader->line;

        while (*reader->at) {
                char c = take(reader);

                if (c == quote)
                        return 0;
                if (quote == '"' && ((c == '$' && *reader->at == '(') || c == '`'))
                        return fail(reader, reader->line,
                                    "a command in a string in a command: only a shell can follow");
                if (c == '\\' && quote != '\'' && *reader->at)
                        (void)take(reader);
        }
        return fail_open(reader, line, "a quoted string");
}

/* To the bracket that closes, behind the one that opens. */
static int skip_brackets(Reader *reader, char opens, char closes) {
        unsigned line = reader->line, depth = 1;
        char before = opens;

        while (*reader->at) {
                char c = take(reader);
                int r = 0;

                if (c == '#' && strchr(" \t\n", before))
                        return fail(reader, reader->line,
                                    "a comment in a command: only a shell can follow");
                if (c == '\\' && *reader->at)
                        (void)take(reader);
                else if (c == '\'' || c == '"')
                        r = skip_quoted(reader, c);
                else if (c == '`')
                        r = skip_quoted(reader, '`');
                else if (c == opens)
                        depth++;
                else if (c == closes && --depth == 0)
                        return 0;
                if (r < 0)
                        return r;
                before = c;
        }
        return fail_open(reader, line, opens == '(' ? "a command" : "an expansion");
}

/* --- values --- */

static void add_variable(Reader *reader, const char *name) {
        const Variable *variable = find(reader, name);

        if (!variable && strncmp(name, EMPTY_NAMES, strlen(EMPTY_NAMES)) == 0)
                return;
        if (!variable)
                set_unknown(&reader->value, "has $%s, which nothing sets before", name);
        else if (variable->value.why_not[0] != '\0')
                set_unknown(&reader->value, "has $%s, which %.60s", name, variable->value.why_not);
        else
                add(&reader->value, variable->value.text, variable->value.length);
}

/* Behind "${". */
static int read_braces(Reader *reader) {
        char name[NAME_SIZE];
        int r = take_name(reader, name);

        if (r < 0)
                return r;
        if (name[0] != '\0' && *reader->at == '}') {
                reader->at++;
                add_variable(reader, name);
                return 0;
        }
        set_unknown(&reader->value, "has ${%s...}, which takes a shell to know", name);
        return skip_brackets(reader, '{', '}');
}

/* Behind "$". */
static int read_dollar(Reader *reader, bool is_quoted) {
        char name[NAME_SIZE];
        int r;

        if (*reader->at == '{' || *reader->at == '(') {
                if (*reader->at++ == '{')
                        return read_braces(reader);
                set_unknown(&reader->value, "has $(...), which takes a shell to know");
                return skip_brackets(reader, '(', ')');
        }
        r = take_name(reader, name);
        if (r < 0)
                return r;
        if (name[0] != '\0')
                add_variable(reader, name);
        else if (*reader->at && strchr("0123456789@*#?$!-", *reader->at))
                set_unknown(&reader->value, "has $%c, which takes a shell to know", take(reader));
        else if (!is_quoted && *reader->at && strchr("'\"", *reader->at))
                set_unknown(&reader->value, "has $%c...%c, which not every shell reads alike",
                            *reader->at, *reader->at);
        else
                add(&reader->value, "$", 1);
        return 0;
}

static int read_backquotes(Reader *reader) {
        set_unknown(&reader->value, "has `...`, which takes a shell to know");
        return skip_quoted(reader, '`');
}

/* Behind the backslash; @special: what it takes the meaning of, NULL for whatever there is. */
static void read_escaped(Reader *reader, const char *special) {
        char c = *reader->at;

        if (c == '\n') {
                (void)take(reader);
                return;
        }
        if (c == '\0' || (special && !strchr(special, c)))
                c = '\\';
        else
                (void)take(reader);
        add(&reader->value, &c, 1);
}

static int read_double_quoted(Reader *reader) {
        unsigned line = reader->line;
        int r = 0;

        while (r >= 0 && *reader->at) {
                char c = take(reader);

                if (c == '"')
                        return 0;
                if (c == '\\')
                        read_escaped(reader, "$`\"\\");
                else if (c == '$')
                        r = read_dollar(reader, true);
                else if (c == '`')
                        r = read_backquotes(reader);
                else
                        add(&reader->value, &c, 1);
        }
        return r < 0 ? r : fail_open(reader, line, "a quoted string");
}

static int read_single_quoted(Reader *reader) {
        size_t length = strcspn(reader->at, "'");
        unsigned line = reader->line;

        add(&reader->value, reader->at, length);
        while (length-- > 0)
                (void)take(reader);
        if (*reader->at == '\0')
                return fail_open(reader, line, "a quoted string");
        (void)take(reader);
        return 0;
}

static bool ends_word(char c) {
        return c == '\0' || strchr(" \t\n;&|<>()", c);
}

/* Up to what ends the word, into reader->value. */
static int read_value(Reader *reader) {
        char before = ':';
        int r = 0;

        reader->value = (Value){ .line = reader->line };
        while (r >= 0 && !ends_word(*reader->at)) {
                char c = take(reader);

                if (c == '~' && before == ':')
                        set_unknown(&reader->value, "has ~, which takes a shell to know");
                if (c == '\\')
                        read_escaped(reader, NULL);
                else if (c == '\'')
                        r = read_single_quoted(reader);
                else if (c == '"')
                        r = read_double_quoted(reader);
                else if (c == '$')
                        r = read_dollar(reader, false);
                else if (c == '`')
                        r = read_backquotes(reader);
                else
                        add(&reader->value, &c, 1);
                before = c;
        }
        return r;
}

/* --- lines --- */

static int assign(Reader *reader, const char *name, bool appends) {
        Variable *variable = find(reader, name);
        Value *value;

        if (!variable && reader->n_variables == VARIABLES_MAX)
                return fail(reader, reader->line, "there are more than %d variables",
                            VARIABLES_MAX);
        if (!variable) {
                variable = &reader->variables[reader->n_variables++];
                (void)memcpy(variable->name, name, NAME_SIZE);
        }
        value = &variable->value;
        if (!appends) {
                *value = reader->value;
                return 0;
        }
        value->line = reader->value.line;
        if (reader->value.why_not[0] != '\0')
                set_unknown(value, "%s", reader->value.why_not);
        add(value, reader->value.text, reader->value.length);
        return 0;
}

static int fail_command(const Reader *reader, const char *word) {
        size_t length = strcspn(word, " \t\n;");

        return fail(reader, reader->line,
                    "'%.*s' is no assignment: what it does, only a shell knows",
                    (int)(length < 40 ? length : 40), word);
}

/* One word: an assignment, or behind `export` a name. */
static int read_word(Reader *reader, bool *is_export) {
        const char *word = reader->at;
        bool appends = false;
        char name[NAME_SIZE];
        int r = take_name(reader, name);

        if (r < 0)
                return r;
        if (name[0] != '\0' && reader->at[0] == '+' && reader->at[1] == '=') {
                appends = true;
                reader->at++;
        }
        if (name[0] != '\0' && *reader->at == '=') {
                reader->at++;
                r = read_value(reader);
                return r < 0 ? r : assign(reader, name, appends);
        }
        if (name[0] == '\0' || !ends_word(*reader->at) ||
            (!*is_export && strcmp(name, "export") != 0))
                return fail_command(reader, word);
        *is_export = true;
        return 0;
}

/* Blanks, and line ends behind a backslash. */
static void skip_blanks(Reader *reader) {
        for (;;) {
                if (*reader->at == ' ' || *reader->at == '\t')
                        reader->at++;
                else if (reader->at[0] == '\\' && reader->at[1] == '\n') {
                        reader->at += 2;
                        reader->line++;
                } else
                        return;
        }
}

/* Up to the line's end, or a semicolon. */
static int read_line(Reader *reader) {
        bool is_export = false;
        int r = 0;

        for (skip_blanks(reader); r >= 0 && *reader->at; skip_blanks(reader)) {
                char c = *reader->at;

                if (c == '\n' || c == ';') {
                        (void)take(reader);
                        return 0;
                }
                if (c == '#')
                        reader->at += strcspn(reader->at, "\n");
                else if (ends_word(c))
                        return fail(reader, reader->line,
                                    "'%c': what follows of it, only a shell knows", c);
                else
                        r = read_word(reader, &is_export);
        }
        return r;
}

static int get(Reader *reader, const char *name, char text[static KERNEL_CMDLINE_MAX]) {
        const Variable *variable = find(reader, name);

        text[0] = '\0';
        if (!variable)
                return 0;
        if (variable->value.why_not[0] != '\0')
                return fail(reader, variable->value.line, "%s %s", name, variable->value.why_not);
        (void)memcpy(text, variable->value.text, KERNEL_CMDLINE_MAX);
        return 1;
}

static int parse(Reader *reader, GrubDefault *ret) {
        int r = 0, n;

        while (r >= 0 && *reader->at)
                r = read_line(reader);
        if (r < 0)
                return r;
        n = get(reader, "GRUB_CMDLINE_LINUX", ret->linux_words);
        r = n < 0 ? n : get(reader, "GRUB_CMDLINE_LINUX_DEFAULT", ret->default_words);
        if (r < 0)
                return r;
        return n + r > 0 ? 0
                         : fail(reader, 0,
                                "it sets neither GRUB_CMDLINE_LINUX nor "
                                "GRUB_CMDLINE_LINUX_DEFAULT");
}

int grub_default_parse(const char *text, GrubDefault *ret, GrubDefaultError *error) {
        _cleanup_free_ Reader *reader = calloc(1, sizeof(*reader));
        _cleanup_free_ GrubDefault *found = calloc(1, sizeof(*found));
        int r;

        if (!reader || !found)
                return -ENOMEM;
        reader->at = text;
        reader->line = 1;
        reader->error = error;
        r = parse(reader, found);
        if (r >= 0)
                *ret = *found;
        return r;
}

bool grub_default_sets(const char *text) {
        static const char *const names[] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT" };

        while (*text) {
                size_t length;

                text += strspn(text, " \t");
                if (strncmp(text, "export ", 7) == 0)
                        text += 7;
                for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                        const char *behind = text + strlen(names[i]);

                        if (strncmp(text, names[i], strlen(names[i])) == 0 &&
                            (behind[0] == '=' || (behind[0] == '+' && behind[1] == '=')))
                                return true;
                }
                length = strcspn(text, *text == '#' ? "\n" : "\n;");
                text += length + (text[length] != '\0');
        }
        return false;
}

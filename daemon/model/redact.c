/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over the text. Where a word may begin, each form is tried, then each word; the first
 * that fits is replaced as a whole.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact-forms.h"
#include "redact.h"

#define HOME "/home/"
/* Placeholders, before their number. */
#define USER "user"
#define GUEST "guest"

/* What is told apart: the forms, and then kinds of words. */
enum {
        KIND_HOST = _REDACT_FORM_MAX,
        KIND_USER,
        KIND_GUEST,
        _KIND_MAX,
};

typedef struct Seen {
        unsigned kind, number;
        char key[REDACT_KEY_SIZE];
} Seen;

typedef struct Word {
        unsigned kind;
        char text[REDACT_WORD_SIZE]; /* in small letters */
} Word;

struct Redactor {
        Seen seen[REDACT_SEEN_MAX];
        size_t n_seen;
        unsigned n_of[_KIND_MAX];
        Word words[REDACT_WORDS_MAX];
        size_t n_words;
};

/* ASCII, as names of hosts and of users are. */
static void fold(char *text) {
        for (; *text; text++)
                *text = (char)tolower((unsigned char)*text);
}

Redactor *redactor_new(void) {
        return calloc(1, sizeof(Redactor));
}

void redactor_freep(Redactor **redactor) {
        free(*redactor);
        *redactor = NULL;
}

static unsigned number_of(Redactor *redactor, unsigned kind, const char *key) {
        Seen *new;

        for (size_t i = 0; i < redactor->n_seen; i++)
                if (redactor->seen[i].kind == kind && strcmp(redactor->seen[i].key, key) == 0)
                        return redactor->seen[i].number;
        if (redactor->n_seen == REDACT_SEEN_MAX)
                return 0;
        new = &redactor->seen[redactor->n_seen++];
        new->kind = kind;
        new->number = ++redactor->n_of[kind];
        (void)snprintf(new->key, sizeof(new->key), "%s", key);
        return new->number;
}

int redactor_add_word(Redactor *redactor, RedactWord kind, const char *word) {
        static const unsigned kinds[] = { [REDACT_HOST_NAME] = KIND_HOST,
                                          [REDACT_USER_NAME] = KIND_USER,
                                          [REDACT_GUEST_NAME] = KIND_GUEST };
        size_t length = strlen(word);
        Word *new;

        if (length < 2 || length >= REDACT_WORD_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < redactor->n_words; i++)
                if (strcasecmp(redactor->words[i].text, word) == 0)
                        return 0;
        if (redactor->n_words == REDACT_WORDS_MAX)
                return -ENOSPC;
        new = &redactor->words[redactor->n_words++];
        new->kind = kinds[kind];
        (void)memcpy(new->text, word, length + 1);
        fold(new->text);
        /* Lists of guests are by their names, and keep their order. */
        if (kind == REDACT_GUEST_NAME)
                (void)number_of(redactor, new->kind, new->text);
        return 0;
}

/* --- words --- */

static size_t match_spelling(const Place *place, const char *word, const char *dash) {
        size_t length = 0;

        for (; *word; word++) {
                if (*word != '-' &&
                    tolower((unsigned char)place_char(place, length++)) != (unsigned char)*word)
                        return 0;
                for (const char *c = dash; *word == '-' && *c; c++)
                        if (place_char(place, length++) != *c)
                                return 0;
        }
        return place_ends(place, length, "") ? length : 0;
}

/* At the beginning of a word. LVM doubles the dashes of a name (lvm(8)), systemd escapes them, and
 * JSON that again. */
static size_t match_word(const Place *place, const char *word) {
        static const char *const dashes[] = { "-",          "--",      "\\x2d",
                                              "\\x2d\\x2d", "\\\\x2d", "\\\\x2d\\\\x2d" };
        size_t length = 0;

        if (word[0] != '-' &&
            tolower((unsigned char)place_char(place, 0)) != (unsigned char)word[0])
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(dashes) && length == 0; i++)
                length = match_spelling(place, word, dashes[i]);
        return length;
}

static const Word *find_word(const Redactor *redactor, const Place *place, size_t *ret_length) {
        const Word *found = NULL;

        *ret_length = 0;
        if (!place_begins(place, ""))
                return NULL;
        for (size_t i = 0; i < redactor->n_words; i++) {
                size_t length = match_word(place, redactor->words[i].text);

                if (length <= *ret_length)
                        continue;
                found = &redactor->words[i];
                *ret_length = length;
        }
        return found;
}

bool redact_has_word(const char *text, const char *word) {
        Place place = { text, strlen(text), 0 };
        char folded[REDACT_WORD_SIZE];

        if (snprintf(folded, sizeof(folded), "%s", word) >= (int)sizeof(folded))
                return false;
        fold(folded);
        while (place.at < place.length &&
               (!place_begins(&place, "") || match_word(&place, folded) == 0))
                place.at++;
        return place.at < place.length;
}

/* "user1": of a report that is reported, or a name that says nothing. */
static bool is_placeholder(const Place *place, size_t length) {
        size_t before = strlen(USER), digits = 0;

        if (length <= before || memcmp(place->text + place->at, USER, before) != 0)
                return false;
        while (isdigit((unsigned char)place_char(place, before + digits)))
                digits++;
        return before + digits == length;
}

/* A user that no list has: it is in the name of a home directory. */
static size_t match_home(const Place *place) {
        size_t before = strlen(HOME), length = 0;

        if (place->at < before || memcmp(place->text + place->at - before, HOME, before) != 0)
                return 0;
        while (!place_ends(place, length, ".-@+"))
                length++;
        return is_placeholder(place, length) ? 0 : length;
}

/* --- all of it --- */

static void put_word(Redactor *redactor, unsigned kind, const char *key, FILE *out) {
        unsigned number = number_of(redactor, kind, key);

        if (kind == KIND_HOST)
                (void)fputs("machine", out);
        else if (kind == KIND_GUEST)
                (void)fprintf(out, GUEST "%03u", number);
        else
                (void)fprintf(out, USER "%u", number);
}

/* Replaces what begins here. Returns its length; 0 where there is nothing to replace. */
static size_t replace(Redactor *redactor, const Place *place, FILE *out) {
        char key[REDACT_KEY_SIZE];
        const Word *word;
        RedactForm form;
        size_t length;

        length = redact_form_match(place, &form, key);
        if (length > 0) {
                redact_form_put(out, place, form, number_of(redactor, form, key));
                return length;
        }
        word = find_word(redactor, place, &length);
        if (word) {
                put_word(redactor, word->kind, word->text, out);
                return length;
        }
        length = match_home(place);
        if (length > 0) {
                (void)snprintf(key, sizeof(key), "%.*s", (int)length, place->text + place->at);
                fold(key);
                put_word(redactor, KIND_USER, key, out);
        }
        return length;
}

int redact(Redactor *redactor, const char *text, size_t length, char **ret, size_t *ret_length) {
        _cleanup_free_ char *result = NULL;
        size_t n_result = 0;
        FILE *out = open_memstream(&result, &n_result);
        Place place = { text, length, 0 };

        if (!out)
                return -ENOMEM;
        while (place.at < length) {
                size_t n = replace(redactor, &place, out);

                if (n == 0)
                        (void)fputc(text[place.at++], out);
                place.at += n;
        }
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(result);
        *ret_length = n_result;
        return 0;
}

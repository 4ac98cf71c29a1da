/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over the text. Where a word may begin, each form is tried in turn; the first that fits
 * is replaced as a whole. A value that is all zeros says nothing, and stays.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact.h"

#define KEY_SIZE REDACT_WORD_SIZE
#define HOME "/home/"
#define USER "user" /* the placeholder, before its number */

typedef enum Kind {
        KIND_UUID,
        KIND_SHORT_UUID, /* of FAT and its kin */
        KIND_ID,         /* 128 bits, as systemd writes them */
        KIND_MAC,
        KIND_IPV4,
        KIND_IPV6,
        KIND_HOST,
        KIND_USER,
        _KIND_MAX,
} Kind;

typedef struct Seen {
        Kind kind;
        unsigned number;
        char key[KEY_SIZE]; /* the value in its one form: small digits, no separators */
} Seen;

typedef struct Word {
        Kind kind;
        char text[REDACT_WORD_SIZE];
} Word;

struct Redactor {
        Seen seen[REDACT_SEEN_MAX];
        size_t n_seen;
        unsigned n_of[_KIND_MAX];
        Word words[REDACT_WORDS_MAX];
        size_t n_words;
};

/* What is left of the text, and what stood before it. */
typedef struct Place {
        const char *text;
        size_t length;
        size_t at;
} Place;

Redactor *redactor_new(void) {
        return calloc(1, sizeof(Redactor));
}

void redactor_freep(Redactor **redactor) {
        free(*redactor);
        *redactor = NULL;
}

int redactor_add_word(Redactor *redactor, RedactWord kind, const char *word) {
        size_t length = strlen(word);
        Word *new;

        if (length < 2 || length >= REDACT_WORD_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < redactor->n_words; i++)
                if (strcmp(redactor->words[i].text, word) == 0)
                        return 0;
        if (redactor->n_words == REDACT_WORDS_MAX)
                return -ENOSPC;
        new = &redactor->words[redactor->n_words++];
        new->kind = kind == REDACT_HOST_NAME ? KIND_HOST : KIND_USER;
        (void)memcpy(new->text, word, length + 1);
        return 0;
}

/* --- characters --- */

/* Whatever is not ASCII is part of a word. */
static bool is_word(char c) {
        return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static char char_at(const Place *place, size_t offset) {
        return place->at + offset < place->length ? place->text[place->at + offset] : '\0';
}

static char char_before(const Place *place) {
        return place->at > 0 ? place->text[place->at - 1] : '\0';
}

static bool is_in(char c, const char *set) {
        return c != '\0' && strchr(set, c);
}

/* Whether neither a letter nor one of @set follows, or stands before. */
static bool ends(const Place *place, size_t length, const char *set) {
        char next = char_at(place, length);

        return !is_word(next) && !is_in(next, set);
}

static bool begins(const Place *place, const char *set) {
        char before = char_before(place);

        return !is_word(before) && !is_in(before, set);
}

/* --- placeholders --- */

static unsigned number_of(Redactor *redactor, Kind kind, const char *key) {
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

/* The digits of a value; "" where it is all zeros, so that there is nothing to take out. */
static void make_key(const Place *place, size_t length, char key[static KEY_SIZE]) {
        bool is_zero = true;
        size_t n = 0;

        for (size_t i = 0; i < length && n < KEY_SIZE - 1; i++) {
                char c = place->text[place->at + i];

                if (!isalnum((unsigned char)c))
                        continue;
                is_zero &= c == '0';
                key[n++] = (char)tolower((unsigned char)c);
        }
        key[is_zero ? 0 : n] = '\0';
}

/* --- forms --- */

static size_t count_hex(const Place *place, size_t offset) {
        size_t n = 0;

        while (isxdigit((unsigned char)char_at(place, offset + n)))
                n++;
        return n;
}

/* Groups of hexadecimal digits; @sizes: of each, ended by 0. Returns the length, or 0. */
static size_t match_groups(const Place *place, const unsigned char *sizes, char separator) {
        size_t length = 0;

        for (size_t i = 0; sizes[i] > 0; i++) {
                if (i > 0 && char_at(place, length++) != separator)
                        return 0;
                for (size_t j = 0; j < sizes[i]; j++)
                        if (!isxdigit((unsigned char)char_at(place, length++)))
                                return 0;
        }
        return length;
}

static size_t match_uuid(const Place *place) {
        size_t length = match_groups(place, (const unsigned char[]){ 8, 4, 4, 4, 12, 0 }, '-');

        return length > 0 && begins(place, "") && ends(place, length, "") ? length : 0;
}

/* With small letters it is something else: a range of addresses, say. */
static size_t match_short_uuid(const Place *place) {
        size_t length = match_groups(place, (const unsigned char[]){ 4, 4, 0 }, '-');

        for (size_t i = 0; i < length; i++)
                if (islower((unsigned char)char_at(place, i)))
                        return 0;
        return length > 0 && begins(place, "-") && ends(place, length, "-:") ? length : 0;
}

static size_t match_id(const Place *place) {
        return begins(place, "") && count_hex(place, 0) == 32 && ends(place, 32, "") ? 32 : 0;
}

static size_t match_mac(const Place *place) {
        static const unsigned char sizes[] = { 2, 2, 2, 2, 2, 2, 0 };
        size_t length = match_groups(place, sizes, ':');

        if (length == 0)
                length = match_groups(place, sizes, '-');
        return length > 0 && begins(place, ":-") && ends(place, length, ":-") ? length : 0;
}

/* What udev calls an interface by its address: "enx" and the digits. */
static size_t match_mac_name(const Place *place) {
        if (place->at < 3 || !is_in(place->text[place->at - 3], "ew") ||
            !is_in(place->text[place->at - 2], "nl") || place->text[place->at - 1] != 'x' ||
            (place->at > 3 && is_word(place->text[place->at - 4])))
                return 0;
        return count_hex(place, 0) == 12 && ends(place, 12, "") ? 12 : 0;
}

/* Not those of every machine: 127.0.0.1 and masks. */
static size_t match_ipv4(const Place *place) {
        unsigned parts[4] = { 0 };
        size_t length = 0;

        if (!begins(place, ".-"))
                return 0;
        for (size_t i = 0; i < 4; i++) {
                size_t digits = 0;

                if (i > 0 && char_at(place, length++) != '.')
                        return 0;
                while (isdigit((unsigned char)char_at(place, length)) && digits++ < 3)
                        parts[i] = parts[i] * 10 + (unsigned)(char_at(place, length++) - '0');
                if (digits == 0 || digits > 3 || parts[i] > 255)
                        return 0;
        }
        if (!ends(place, length, "") ||
            (char_at(place, length) == '.' && isdigit((unsigned char)char_at(place, length + 1))))
                return 0;
        return parts[0] == 0 || parts[0] == 127 || parts[0] == 255 ? 0 : length;
}

/* Eight groups, or fewer with "::" among them; "::" alone and "::1" are everybody's. */
static size_t match_ipv6(const Place *place) {
        size_t length = 0, n_digits = 0, n_groups = 0, n_gaps = 0;
        char c;

        if (!begins(place, ":.") || (char_at(place, 0) == ':' && char_at(place, 1) != ':'))
                return 0;
        for (; c = char_at(place, length), isxdigit((unsigned char)c) || c == ':'; length++) {
                bool is_colon = c == ':';

                n_gaps += is_colon && length > 0 && char_at(place, length - 1) == ':';
                n_digits = is_colon ? 0 : n_digits + 1;
                n_groups += n_digits == 1;
                if (n_digits > 4)
                        return 0;
        }
        /* A colon behind it is the sentence's. */
        if (length > 1 && char_at(place, length - 1) == ':' && char_at(place, length - 2) != ':')
                length--;
        if (!ends(place, length, "") || n_gaps > 1)
                return 0;
        return n_gaps == 1 ? (n_groups >= 2 && n_groups < 8 ? length : 0)
                           : (n_groups == 8 ? length : 0);
}

/* --- words --- */

static const Word *match_word(const Redactor *redactor, const Place *place) {
        const Word *found = NULL;

        for (size_t i = 0; i < redactor->n_words; i++) {
                const Word *word = &redactor->words[i];
                size_t length = strlen(word->text);

                if (length <= place->length - place->at &&
                    memcmp(place->text + place->at, word->text, length) == 0 &&
                    ends(place, length, "") && (!found || length > strlen(found->text)))
                        found = word;
        }
        return found;
}

/* "user1": of a report that is reported, or a name that says nothing. */
static bool is_placeholder(const Place *place, size_t length) {
        size_t before = strlen(USER), digits = 0;

        if (length <= before || memcmp(place->text + place->at, USER, before) != 0)
                return false;
        while (isdigit((unsigned char)char_at(place, before + digits)))
                digits++;
        return before + digits == length;
}

/* A user that no list has: it is in the name of a home directory. */
static size_t match_home(const Place *place) {
        size_t before = strlen(HOME), length = 0;

        if (place->at < before || memcmp(place->text + place->at - before, HOME, before) != 0)
                return 0;
        while (is_word(char_at(place, length)) || is_in(char_at(place, length), ".-@+"))
                length++;
        return is_placeholder(place, length) ? 0 : length;
}

/* --- all of it --- */

static const struct {
        Kind kind;
        size_t (*match)(const Place *place);
} forms[] = {
        { KIND_UUID, match_uuid },
        { KIND_ID, match_id },
        { KIND_MAC, match_mac },
        { KIND_MAC, match_mac_name },
        { KIND_IPV4, match_ipv4 },
        { KIND_IPV6, match_ipv6 },
        { KIND_SHORT_UUID, match_short_uuid },
};

static void put_mac(FILE *out, const Place *place, unsigned number) {
        const char separator[2] = { isxdigit((unsigned char)char_at(place, 2))
                                            ? '\0'
                                            : char_at(place, 2) };

        (void)fprintf(out, "02%s00%s00%s00%s%02x%s%02x", separator, separator, separator, separator,
                      number >> 8, separator, number & 0xff);
}

static void put_placeholder(FILE *out, const Place *place, Kind kind, unsigned number) {
        switch (kind) {
        case KIND_UUID:
                (void)fprintf(out, "00000000-0000-4000-8000-%012x", number);
                break;
        case KIND_SHORT_UUID:
                (void)fprintf(out, "FFFF-%04X", number);
                break;
        case KIND_ID:
                (void)fprintf(out, "00000000000040008000%012x", number);
                break;
        case KIND_MAC:
                put_mac(out, place, number);
                break;
        case KIND_IPV4: /* RFC 2544: of no network */
                (void)fprintf(out, "198.18.%u.%u", number >> 8, number & 0xff);
                break;
        case KIND_IPV6: /* RFC 3849: for documentation */
                (void)fprintf(out, "2001:db8::%x", number);
                break;
        case KIND_HOST:
                (void)fputs("machine", out);
                break;
        case KIND_USER:
                (void)fprintf(out, USER "%u", number);
                break;
        case _KIND_MAX:
                break;
        }
}

/* Replaces what begins here. Returns its length; 0 where there is nothing to replace. */
static size_t replace(Redactor *redactor, const Place *place, FILE *out) {
        char key[KEY_SIZE];
        const Word *word;
        size_t length;

        for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
                length = forms[i].match(place);
                if (length == 0)
                        continue;
                make_key(place, length, key);
                if (key[0] == '\0')
                        continue;
                put_placeholder(out, place, forms[i].kind, number_of(redactor, forms[i].kind, key));
                return length;
        }
        if (is_word(char_before(place)))
                return 0;
        word = match_word(redactor, place);
        if (word) {
                put_placeholder(out, place, word->kind,
                                number_of(redactor, word->kind, word->text));
                return strlen(word->text);
        }
        length = match_home(place);
        if (length > 0) {
                (void)snprintf(key, sizeof(key), "%.*s", (int)length, place->text + place->at);
                put_placeholder(out, place, KIND_USER, number_of(redactor, KIND_USER, key));
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

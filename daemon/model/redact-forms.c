/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dash inside a value may be spelt as systemd does in names of units (systemd.unit(5)), and that
 * once more as JSON does.
 */
#include <ctype.h>
#include <string.h>

#include "redact-forms.h"
#include "redact-values.h"

#define DIGITS_SIZE 40

static const char *const dashes[] = { "-", "\\x2d", "\\\\x2d" };

/* Of groups, ended by 0. */
static const unsigned char uuid_sizes[] = { 8, 4, 4, 4, 12, 0 };
static const unsigned char short_uuid_sizes[] = { 4, 4, 0 };
static const unsigned char lvm_uuid_sizes[] = { 6, 4, 4, 4, 4, 4, 6, 0 };
static const unsigned char mac_sizes[] = { 2, 2, 2, 2, 2, 2, 0 };

/* --- characters --- */

/* Whatever is not ASCII is part of a word, but for punctuation. */
static bool is_word(char c) {
        return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* U+2000 to U+203F in UTF-8, such as the apostrophe that telephones write. */
static bool is_punctuation(char first, char second) {
        return (unsigned char)first == 0xe2 && (unsigned char)second == 0x80;
}

static bool is_in(char c, const char *set) {
        return c != '\0' && strchr(set, c);
}

char place_char(const Place *place, size_t offset) {
        return place->at + offset < place->length ? place->text[place->at + offset] : '\0';
}

/* The number that @n digits are; -1 where one of them is none. */
static int read_digits(const char *digits, size_t n, int base) {
        static const char all[] = "0123456789abcdef";
        int value = 0;

        for (size_t i = 0; i < n; i++) {
                const char *digit = memchr(all, tolower((unsigned char)digits[i]), (size_t)base);

                if (!digit)
                        return -1;
                value = value * base + (int)(digit - all);
        }
        return value;
}

static char char_before(const Place *place) {
        const char *end = place->text + place->at;
        int c = -1;

        if (place->at == 0 || (place->at >= 3 && is_punctuation(end[-3], end[-2])))
                return '\0';
        if (place->at >= 4 && end[-4] == '\\')
                c = end[-3] == 'x' ? read_digits(end - 2, 2, 16) : read_digits(end - 3, 3, 8);
        return c >= 0 ? (char)(c & 0xff) : end[-1];
}

bool place_ends(const Place *place, size_t length, const char *set) {
        char next = place_char(place, length);

        return (!is_word(next) || is_punctuation(next, place_char(place, length + 1))) &&
               !is_in(next, set);
}

bool place_begins(const Place *place, const char *set) {
        char before = char_before(place);

        return !is_word(before) && !is_in(before, set);
}

static bool follows(const Place *place, const char *word) {
        size_t length = strlen(word);

        return place->at >= length && memcmp(place->text + place->at - length, word, length) == 0;
}

static bool follows_one(const Place *place, const char *const *words) {
        while (*words && !follows(place, *words))
                words++;
        return *words;
}

/* --- groups of digits --- */

static int is_capital_digit(int c) {
        return isdigit(c) || (c >= 'A' && c <= 'F');
}

static size_t count(const Place *place, int (*is_digit)(int)) {
        size_t n = 0;

        while (is_digit((unsigned char)place_char(place, n)))
                n++;
        return n;
}

/* The length of @word where it stands at the offset, or 0. */
static size_t match_text(const Place *place, size_t offset, const char *word) {
        size_t n = strlen(word), at = place->at + offset;

        return at <= place->length && n <= place->length - at &&
                               memcmp(place->text + at, word, n) == 0
                       ? n
                       : 0;
}

static size_t match_groups(const Place *place, const unsigned char *sizes, int (*is_digit)(int),
                           const char *separator) {
        size_t length = 0;

        for (size_t i = 0; sizes[i] > 0; i++) {
                size_t n = i > 0 ? match_text(place, length, separator) : 0;

                if (i > 0 && n == 0)
                        return 0;
                length += n;
                for (size_t j = 0; j < sizes[i]; j++)
                        if (!is_digit((unsigned char)place_char(place, length++)))
                                return 0;
        }
        return length;
}

/* Alone, with whichever dashes. Returns the length, or 0. */
static size_t match_dashed(const Place *place, const unsigned char *sizes, int (*is_digit)(int)) {
        size_t length = 0;

        for (size_t i = 0; i < ARRAY_SIZE(dashes) && length == 0; i++)
                length = match_groups(place, sizes, is_digit, dashes[i]);
        return length > 0 && place_begins(place, "") && place_ends(place, length, "") ? length : 0;
}

/* What stands between the groups; "" where nothing does. */
static const char *separator_of(const Place *place, size_t first) {
        for (size_t i = 0; i < ARRAY_SIZE(dashes); i++)
                if (match_text(place, first, dashes[i]) > 0)
                        return dashes[i];
        return place_char(place, first) == ':' ? ":" : "";
}

static void put_groups(FILE *out, const Place *place, const unsigned char *sizes,
                       const char *digits) {
        const char *separator = separator_of(place, sizes[0]);

        for (size_t i = 0; sizes[i] > 0; i++) {
                (void)fprintf(out, "%s%.*s", i > 0 ? separator : "", sizes[i], digits);
                digits += sizes[i];
        }
}

/* --- forms --- */

static size_t match_uuid(const Place *place) {
        return match_dashed(place, uuid_sizes, isxdigit);
}

/* Whether it goes on with what begins as a number with dashes in it. */
static bool is_behind_group(const Place *place) {
        Place group = { place->text, place->at, place->at - 5 };

        return place->at >= 5 && count(&group, is_capital_digit) == 4 && follows(place, "-");
}

/* With small letters it is something else: a range of addresses, say. */
static size_t match_short_uuid(const Place *place) {
        size_t length = match_dashed(place, short_uuid_sizes, is_capital_digit);

        return length > 0 && !is_behind_group(place) && place_ends(place, length, "-:") ? length
                                                                                        : 0;
}

/* Without a letter it is a time, unless it is said to be a UUID. */
static size_t match_ntfs_uuid(const Place *place) {
        static const char *const before[] = { "UUID=", "uuid/", "uuid-", "root ", "chain-", NULL };

        if (count(place, is_capital_digit) != 16 || !place_begins(place, "") ||
            !place_ends(place, 16, ""))
                return 0;
        return count(place, isdigit) < 16 || follows_one(place, before) ? 16 : 0;
}

static size_t match_lvm_uuid(const Place *place) {
        return match_dashed(place, lvm_uuid_sizes, isalnum);
}

static size_t match_partition_uuid(const Place *place) {
        static const char *const before[] = { "PARTUUID=", "PARTUUID=\"", "partuuid/", "partuuid-",
                                              NULL };

        for (size_t i = 0; i < ARRAY_SIZE(dashes) && follows_one(place, before); i++) {
                size_t length = match_groups(place, (const unsigned char[]){ 8, 2, 0 }, isxdigit,
                                             dashes[i]);

                if (length > 0 && place_ends(place, length, ""))
                        return 8;
        }
        return 0;
}

/* Also what a disk is called by the SCSI standard, with the digit that says which one of its
 * formats that is (udev: scsi_id). */
static size_t match_id(const Place *place) {
        bool is_scsi = place_char(place, 0) == '2' || place_char(place, 0) == '3';
        size_t length = place_begins(place, "") ? count(place, isxdigit) : 0;

        return (length == 32 || (is_scsi && (length == 17 || length == 33))) &&
                               place_ends(place, length, "")
                       ? length
                       : 0;
}

#define PAIRS_MAX 20 /* of InfiniBand */

/* Pairs of digits with a separator between; no more than one too many. */
static size_t count_pairs(const Place *place, char separator, size_t *ret_length) {
        size_t length = 0, n = 0;

        while (n <= PAIRS_MAX && isxdigit((unsigned char)place_char(place, length)) &&
               isxdigit((unsigned char)place_char(place, length + 1))) {
                n++;
                *ret_length = length + 2;
                if (place_char(place, length + 2) != separator)
                        break;
                length += 3;
        }
        return n;
}

/* Six, with the kind of network before them (PXELINUX: BOOTIF=), or those of InfiniBand. */
static size_t match_pairs(const Place *place, char separator) {
        size_t length = 0, n = place_begins(place, "") ? count_pairs(place, separator, &length) : 0;
        bool goes_on = place_char(place, length) == separator &&
                       isxdigit((unsigned char)place_char(place, length + 1));

        return n >= 6 && n <= PAIRS_MAX && !goes_on && place_ends(place, length, "") ? length : 0;
}

/* As routers and switches write them: 5254.00ab.cdef; a version has no letters. */
static size_t match_dotted_mac(const Place *place) {
        size_t length = match_groups(place, (const unsigned char[]){ 4, 4, 4, 0 }, isxdigit, ".");
        bool has_letter = false;

        for (size_t i = 0; i < length; i++)
                has_letter |= isalpha((unsigned char)place_char(place, i)) != 0;
        return has_letter && place_begins(place, ".") && place_ends(place, length, "") &&
                               !(place_char(place, length) == '.' &&
                                 isalnum((unsigned char)place_char(place, length + 1)))
                       ? length
                       : 0;
}

static size_t match_mac(const Place *place) {
        size_t length = match_pairs(place, ':');

        if (length == 0)
                length = match_pairs(place, '-');
        return length > 0 ? length : match_dotted_mac(place);
}

/* What udev calls an interface by its address: "enx" and the digits. */
static size_t match_mac_name(const Place *place) {
        if (place->at < 3 || !is_in(place->text[place->at - 3], "ew") ||
            !is_in(place->text[place->at - 2], "nl") || place->text[place->at - 1] != 'x' ||
            (place->at > 3 && is_word(place->text[place->at - 4])))
                return 0;
        return count(place, isxdigit) == 12 && place_ends(place, 12, "") ? 12 : 0;
}

/* Whether "1-" stands before it, as before the ports of a device on USB; "10.0.0.1-" is a range of
 * addresses. */
static bool is_behind_bus(const Place *place) {
        const char *end = place->text + place->at;
        size_t n = 1;

        if (place->at < 2 || end[-1] != '-')
                return false;
        while (n < place->at && isdigit((unsigned char)end[-(ptrdiff_t)n - 1]))
                n++;
        return n > 1 && (n == place->at || end[-(ptrdiff_t)n - 1] != '.');
}

/* Not those of every machine: 127.0.0.1 and masks. */
static size_t match_ipv4(const Place *place) {
        unsigned parts[4] = { 0 };
        size_t length = 0;

        if (!place_begins(place, ".") || is_behind_bus(place))
                return 0;
        for (size_t i = 0; i < 4; i++) {
                size_t digits = 0;

                if (i > 0 && place_char(place, length++) != '.')
                        return 0;
                while (isdigit((unsigned char)place_char(place, length)) && digits++ < 3)
                        parts[i] = parts[i] * 10 + (unsigned)(place_char(place, length++) - '0');
                if (digits == 0 || digits > 3 || parts[i] > 255)
                        return 0;
        }
        if (!place_ends(place, length, "") ||
            (place_char(place, length) == '.' &&
             isdigit((unsigned char)place_char(place, length + 1))))
                return 0;
        return parts[0] == 0 || parts[0] == 127 || parts[0] == 255 ? 0 : length;
}

/* Eight groups, or fewer with "::" among them; "::" alone and "::1" are everybody's. */
static size_t match_ipv6(const Place *place) {
        size_t length = 0, n_digits = 0, n_groups = 0, n_gaps = 0;
        char c;

        if (!place_begins(place, ":.") ||
            (place_char(place, 0) == ':' && place_char(place, 1) != ':'))
                return 0;
        for (; c = place_char(place, length), isxdigit((unsigned char)c) || c == ':'; length++) {
                bool is_colon = c == ':';

                n_gaps += is_colon && length > 0 && place_char(place, length - 1) == ':';
                n_digits = is_colon ? 0 : n_digits + 1;
                n_groups += n_digits == 1;
                if (n_digits > 4)
                        return 0;
        }
        /* A colon behind it is the sentence's. */
        if (length > 1 && place_char(place, length - 1) == ':' &&
            place_char(place, length - 2) != ':')
                length--;
        if (!place_ends(place, length, "") || n_gaps > 1)
                return 0;
        /* With an IPv4 address at its end it is that. */
        if (place_char(place, length) == '.' &&
            isdigit((unsigned char)place_char(place, length + 1)))
                return 0;
        return n_gaps == 1 ? (n_groups >= 2 && n_groups < 8 ? length : 0)
                           : (n_groups == 8 ? length : 0);
}

static const struct {
        RedactForm form;
        size_t (*match)(const Place *place);
} forms[] = {
        { REDACT_FORM_SECRET, redact_match_secret },
        { REDACT_FORM_DISK, redact_match_disk },
        { REDACT_FORM_MAIL, redact_match_mail },
        { REDACT_FORM_UUID, match_uuid },
        { REDACT_FORM_ID, match_id },
        { REDACT_FORM_LVM_UUID, match_lvm_uuid },
        { REDACT_FORM_NTFS_UUID, match_ntfs_uuid },
        { REDACT_FORM_MAC, match_mac },
        { REDACT_FORM_MAC, match_mac_name },
        { REDACT_FORM_IPV4, match_ipv4 },
        { REDACT_FORM_IPV6, match_ipv6 },
        { REDACT_FORM_SHORT_UUID, match_short_uuid },
        { REDACT_FORM_PARTITION_UUID, match_partition_uuid },
};

/* "" where it is all zeros, so that there is nothing to take out. */
static void make_key(const Place *place, size_t length, char key[static REDACT_KEY_SIZE]) {
        bool is_zero = true;
        size_t n = 0;

        for (size_t i = 0; i < length && n < REDACT_KEY_SIZE - 1; i++) {
                char c = place_char(place, i);

                if (c == '\\') /* and "x2d", behind one or two of them */
                        i += place_char(place, i + 1) == '\\' ? 4 : 3;
                if (!isalnum((unsigned char)c))
                        continue;
                is_zero &= c == '0';
                key[n++] = (char)tolower((unsigned char)c);
        }
        key[is_zero ? 0 : n] = '\0';
}

size_t redact_form_match(const Place *place, RedactForm *ret, char key[static REDACT_KEY_SIZE]) {
        char first = place_char(place, 0);
        /* A secret may begin with whatever it likes. */
        size_t n = isalnum((unsigned char)first) || first == ':' ? ARRAY_SIZE(forms) : 1;

        for (size_t i = 0; i < n; i++) {
                size_t length = forms[i].match(place);

                if (length == 0)
                        continue;
                make_key(place, length, key);
                *ret = forms[i].form;
                if (key[0] != '\0' || forms[i].form == REDACT_FORM_SECRET)
                        return length;
        }
        return 0;
}

/* --- placeholders --- */

void redact_form_put(FILE *out, const Place *place, RedactForm form, unsigned number) {
        char digits[DIGITS_SIZE];

        switch (form) {
        case REDACT_FORM_UUID:
                (void)snprintf(digits, sizeof(digits), "00000000000040008000%012x", number);
                put_groups(out, place, uuid_sizes, digits);
                break;
        case REDACT_FORM_SHORT_UUID:
                (void)snprintf(digits, sizeof(digits), "FFFF%04X", number & 0xffff);
                put_groups(out, place, short_uuid_sizes, digits);
                break;
        case REDACT_FORM_NTFS_UUID:
                (void)fprintf(out, "FFFFFFFF%08X", number);
                break;
        case REDACT_FORM_LVM_UUID:
                (void)snprintf(digits, sizeof(digits), "%032x", number);
                put_groups(out, place, lvm_uuid_sizes, digits);
                break;
        case REDACT_FORM_PARTITION_UUID:
                (void)fprintf(out, "%08x", number);
                break;
        case REDACT_FORM_ID:
                (void)fprintf(out, "00000000000040008000%012x", number);
                break;
        case REDACT_FORM_MAC:
                (void)snprintf(digits, sizeof(digits), "02000000%04x", number & 0xffff);
                if (place_char(place, 4) == '.')
                        (void)fprintf(out, "0200.0000.%04x", number & 0xffff);
                else
                        put_groups(out, place, mac_sizes, digits);
                break;
        case REDACT_FORM_IPV4: /* RFC 2544: of no network */
                (void)fprintf(out, "198.18.%u.%u", number >> 8, number & 0xff);
                break;
        case REDACT_FORM_IPV6: /* RFC 3849: for documentation */
                (void)fprintf(out, "2001:db8::%x", number);
                break;
        case REDACT_FORM_DISK:
                (void)fprintf(out, "disk%u", number);
                break;
        case REDACT_FORM_MAIL: /* RFC 2606 */
                (void)fprintf(out, "mail%u@" REDACT_MAIL_DOMAIN, number);
                break;
        case REDACT_FORM_SECRET:
                (void)fputs("-", out);
                break;
        case _REDACT_FORM_MAX:
                break;
        }
}

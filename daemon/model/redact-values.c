/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "redact-values.h"

static bool follows(const Place *place, const char *word) {
        size_t length = strlen(word);

        return place->at >= length && memcmp(place->text + place->at - length, word, length) == 0;
}

static bool is_at(const Place *place, size_t offset, const char *word) {
        for (; *word; word++, offset++)
                if (place_char(place, offset) != *word)
                        return false;
        return true;
}

static size_t count_of(const Place *place, size_t offset, const char *set) {
        size_t n = 0;

        while (place_char(place, offset + n) != '\0' && strchr(set, place_char(place, offset + n)))
                n++;
        return n;
}

#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define BLANKS " \t\r\n"
#define IP_PARTS_MAX 256 /* "ip=" and four addresses, also in brackets */
#define LABEL DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

/* --- disks --- */

/* "-part1", spelt as in a path or in a unit's name. */
static bool is_at_partition(const Place *place, size_t offset) {
        static const char *const words[] = { "-part", "\\x2dpart", "\\\\x2dpart" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (is_at(place, offset, words[i]))
                        return isdigit((unsigned char)place_char(place, offset + strlen(words[i])));
        return false;
}

static size_t match_id_name(const Place *place) {
        static const char *const before[] = { "by-id/", "by\\x2did-", "by\\\\x2did-" };
        static const char *const after[] = { ".device", ".swap", ".mount" };
        size_t length = 0, n = 0;

        while (n < ARRAY_SIZE(before) && !follows(place, before[n]))
                n++;
        if (n == ARRAY_SIZE(before))
                return 0;
        for (char c; c = place_char(place, length), c != '\0' && !strchr(BLANKS "/\"'`,;()", c);
             length++) {
                if (is_at_partition(place, length))
                        break;
                for (n = 0; n < ARRAY_SIZE(after) && !is_at(place, length, after[n]); n++)
                        ;
                if (n < ARRAY_SIZE(after))
                        break;
        }
        return length;
}

static size_t match_wwn(const Place *place) {
        static const char *const before[] = { "wwn-0x", "eui.", "naa." };
        size_t length, n = 0;

        while (n < ARRAY_SIZE(before) && !follows(place, before[n]))
                n++;
        if (n == ARRAY_SIZE(before))
                return 0;
        length = count_of(place, 0, HEX_DIGITS);
        return length >= 16 && place_ends(place, length, "") ? length : 0;
}

size_t redact_match_disk(const Place *place) {
        size_t length = match_id_name(place);

        return length > 0 ? length : match_wwn(place);
}

/* --- e-mail --- */

static bool is_unit(const Place *place, size_t offset, size_t length) {
        static const char *const suffixes[] = { "service", "socket", "target",    "device",
                                                "mount",   "swap",   "automount", "timer",
                                                "path",    "slice",  "scope" };

        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
                if (length == strlen(suffixes[i]) && is_at(place, offset, suffixes[i]))
                        return true;
        return false;
}

/* Labels with dots between, the last one of letters. Returns the length, or 0. */
static size_t match_domain(const Place *place, size_t offset) {
        size_t length = 0, last, n_labels = 0;

        for (;;) {
                size_t n = count_of(place, offset + length, LABEL);

                if (n == 0)
                        return 0;
                last = length;
                length += n;
                n_labels++;
                if (place_char(place, offset + length) != '.' ||
                    count_of(place, offset + length + 1, LABEL) == 0)
                        break;
                length++;
        }
        for (size_t i = last; i < length; i++)
                if (!isalpha((unsigned char)place_char(place, offset + i)))
                        return 0;
        return n_labels > 1 && length - last > 1 && !is_unit(place, offset + last, length - last)
                       ? length
                       : 0;
}

size_t redact_match_mail(const Place *place) {
        size_t local, domain;

        if (!place_begins(place, "._+%-"))
                return 0;
        local = count_of(place, 0, LABEL "._+%");
        if (local == 0 || place_char(place, local) != '@')
                return 0;
        domain = match_domain(place, local + 1);
        if (domain == strlen(REDACT_MAIL_DOMAIN) && is_at(place, local + 1, REDACT_MAIL_DOMAIN))
                return 0;
        return domain > 0 ? local + 1 + domain : 0;
}

/* --- secrets --- */

/* Parts of the names of parameters: of the kernel, of dracut.cmdline(7), of systemd, of
 * mount.cifs(8) and of scripts. */
static bool is_secret_key(const char *key, size_t length) {
        static const char *const words[] = { "passw",         "passphrase", "secret",  "credential",
                                             "token",         "apikey",     "api_key", "psk",
                                             "rd.iscsi.",     "iscsi_",     "netroot", "nfsroot",
                                             "initiatorname", "username",   "hostname" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                size_t n = strlen(words[i]);

                for (size_t at = 0; at + n <= length; at++)
                        if (strncasecmp(key + at, words[i], n) == 0)
                                return true;
        }
        return false;
}

/* Those of devices, as udev, the kernel and scripts call them: "serial=", "ATTRS{serial}==",
 * "ENV{ID_SERIAL_SHORT}==". "GRUB_SERIAL_COMMAND=" is none, nor is "console=ttyS0". */
static bool is_serial_key(const char *key, size_t length) {
        static const char *const words[] = {
                "serial", "serial_short", "wwn", "wwn_with_extension", "wwn_vendor_extension",
                "wwid",   "uniq"
        };

        if (length > 0 && key[length - 1] == '}')
                length--;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                size_t n = strlen(words[i]);

                if (length >= n && strncasecmp(key + length - n, words[i], n) == 0)
                        return true;
        }
        return false;
}

/* "=", and what udev compares by. Returns how many characters of @begin to @end it has. */
static size_t length_of_operator(const char *begin, const char *end) {
        const char *at = end;

        while (at > begin && end - at < 2 && (at[-1] == '=' || (at == end - 1 && at[-1] == '!')))
                at--;
        return (size_t)(end - at);
}

/* Whether it is the value of a secret; @ret_end: the characters that end it. */
static bool is_secret_value(const Place *place, const char **ret_end) {
        const char *end = place->text + place->at, *begin;
        char quote = place->at > 0 && (end[-1] == '"' || end[-1] == '\'') ? end[-1] : '\0';
        size_t n;

        *ret_end = quote == '"' ? "\"\n" : quote == '\'' ? "'\n" : BLANKS "\"'";
        end -= quote != '\0';
        n = length_of_operator(place->text, end);
        if (n == 0 || (quote == '\0' && place_char(place, 0) == '='))
                return false;
        begin = end -= n;
        while (begin > place->text &&
               (isalnum((unsigned char)begin[-1]) || strchr("_.-{}", begin[-1])))
                begin--;
        return is_secret_key(begin, (size_t)(end - begin)) ||
               is_serial_key(begin, (size_t)(end - begin));
}

static size_t match_userinfo(const Place *place) {
        size_t length = 0;

        if (!follows(place, "://"))
                return 0;
        while (place_char(place, length) != '\0' &&
               !strchr(BLANKS "\"'/@", place_char(place, length)))
                length++;
        return place_char(place, length) == '@' ? length : 0;
}

/* The fifth part of "ip=", behind the client's address, the server's, the gateway's and the mask
 * (kernel: Documentation/admin-guide/nfs/nfsroot.rst; dracut.cmdline(7)). */
static size_t match_ip_host(const Place *place) {
        const char *end = place->text + place->at, *begin = end;
        unsigned n_colons = 0, depth = 0;
        size_t length = 0;

        if (!follows(place, ":"))
                return 0;
        for (; begin > place->text && end - begin < IP_PARTS_MAX && n_colons <= 4 &&
               !strchr(BLANKS "\"'", begin[-1]);
             begin--) {
                depth += begin[-1] == ']';
                depth -= begin[-1] == '[' && depth > 0;
                n_colons += begin[-1] == ':' && depth == 0;
        }
        if (n_colons != 4 || strncmp(begin, "ip=", strlen("ip=")) != 0)
                return 0;
        while (place_char(place, length) != '\0' &&
               !strchr(BLANKS "\"':", place_char(place, length)))
                length++;
        return length;
}

size_t redact_match_secret(const Place *place) {
        const char *end;
        size_t length = 0;

        if (!is_secret_value(place, &end)) {
                length = match_userinfo(place);
                return length > 0 ? length : match_ip_host(place);
        }
        while (place_char(place, length) != '\0' && !strchr(end, place_char(place, length)))
                length++;
        return length;
}

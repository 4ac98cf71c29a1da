/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each way is a rule for one line, which may blank parts of it. What a rule does not know is left
 * out.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "redact-file.h"

/* A line without its newline, terminated. Returns whether it is taken. */
typedef bool TakeLine(char *line);

static bool has_prefix(const char *line, const char *const *prefixes) {
        for (; *prefixes; prefixes++)
                if (strncmp(line, *prefixes, strlen(*prefixes)) == 0)
                        return true;
        return false;
}

/* A column of a table with blanks between, from 0 on; NULL where there is none. */
static char *column(char *line, size_t i, size_t *ret_length) {
        for (;;) {
                line += strspn(line, " \t");
                *ret_length = strcspn(line, " \t");
                if (*ret_length == 0)
                        return NULL;
                if (i-- == 0)
                        return line;
                line += *ret_length;
        }
}

static bool column_is(char *line, size_t i, const char *word) {
        size_t length;
        const char *text = column(line, i, &length);

        return text && strlen(word) == length && strncmp(text, word, length) == 0;
}

static bool column_is_zero(char *line, size_t i) {
        size_t length;
        const char *text = column(line, i, &length);

        return text && strspn(text, "0") >= length;
}

static void blank_column(char *line, size_t i) {
        size_t length;
        char *text = column(line, i, &length);

        if (text)
                (void)memset(text, '0', length);
}

/* --- the rules --- */

static bool take_cpuinfo(char *line) {
        return has_prefix(line, (const char *const[]){ "vendor_id", "cpu family", "model",
                                                       "stepping", "microcode", "flags", NULL });
}

static bool take_iomem(char *line) {
        char *name = strstr(line, " : ");

        if (!name)
                return false;
        /* Where the kernel lies is a secret of its own. */
        for (char *c = line; c < name && strstr(name, "Kernel "); c++)
                if (isxdigit((unsigned char)*c))
                        *c = '0';
        return true;
}

static bool take_route(char *line) {
        if (column_is(line, 0, "Iface"))
                return true;
        blank_column(line, 2);
        return column_is_zero(line, 1) && column_is_zero(line, 7);
}

static bool take_ipv6_route(char *line) {
        blank_column(line, 2);
        blank_column(line, 4);
        return column_is_zero(line, 0) && column_is_zero(line, 1);
}

/* What is on other machines, or a program's; fuseblk is a disk's. */
static bool is_remote(const char *type) {
        return has_prefix(type,
                          (const char *const[]){ "nfs", "cifs", "smb", "fuse ", "fuse.", "9p ",
                                                 "ceph", "virtiofs", "afs", "davfs", NULL });
}

/* The system's own are named with what they are on; where it is, is nobody's business. */
static bool take_mount(char *line) {
        static const char *const points[] = { "/",    "/boot", "/boot/efi", "/efi",
                                              "/usr", "/var",  "/sysroot" };
        char *rest = strstr(line, " - "), *source;
        bool has_options;
        size_t length;

        if (!rest)
                return false;
        rest += strlen(" - ");
        if (!is_remote(rest))
                return true;
        source = column(rest, 1, &length);
        if (!source)
                return false;
        /* With its options, which may have a password. */
        has_options = source[length] != '\0';
        (void)memset(source, '-', strlen(source));
        if (has_options)
                source[length] = ' ';
        for (size_t i = 0; i < ARRAY_SIZE(points); i++)
                if (column_is(line, 4, points[i]))
                        return true;
        return false;
}

static bool take_udev(char *line) {
        return has_prefix(line, (const char *const[]){ "E:ID_SEAT=", "E:ID_FOR_SEAT=",
                                                       "E:ID_FS_UUID=", "E:ID_FS_TYPE=",
                                                       "E:ID_FS_LABEL=", "G:", "Q:", "I:", NULL });
}

/* GRUB has users of its own, who may see an entry: --users NAMES, or --users=NAMES. */
static void blank_users(char *line) {
        static const char option[] = "--users";
        char *names = strstr(line, option), quote;
        size_t length;

        if (!names)
                return;
        names += strlen(option);
        names += strspn(names, " \t=");
        quote = *names == '"' || *names == '\'' ? *names++ : '\0';
        length = strcspn(names, quote == '"' ? "\"" : quote == '\'' ? "'" : " \t");
        (void)memset(names, '-', length);
}

static bool take_grub(char *line) {
        line += strspn(line, " \t");
        blank_users(line);
        return !has_prefix(line, (const char *const[]){ "password", "set superusers", NULL });
}

static bool take_script(char *line) {
        static const char *const words[] = { "modprobe", "rmmod", "insmod", "vfio",     "driver",
                                             "pci_",     "0000:", "0000_",  "boot_vga", "#!" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strstr(line, words[i]))
                        return true;
        return false;
}

static bool take_nvidia(char *line) {
        return has_prefix(line, (const char *const[]){ "Model", "Bus Location", "Bus Type",
                                                       "Device Minor", "Video BIOS", NULL });
}

static size_t take_lines(char *text, size_t length, TakeLine *take, bool first_block) {
        size_t to = 0;

        for (size_t at = 0; at < length;) {
                char *line = text + at;
                char *newline = memchr(line, '\n', length - at);
                size_t n = newline ? (size_t)(newline - line) : length - at;

                if (first_block && n == 0)
                        break;
                line[n] = '\0';
                at += n + (newline != NULL);
                if (!take(line))
                        continue;
                (void)memmove(text + to, line, n);
                to += n;
                if (newline)
                        text[to++] = '\n';
        }
        text[to] = '\0';
        return to;
}

static TakeLine *const rules[] = {
        [REDACT_FILE_CPUINFO] = take_cpuinfo, [REDACT_FILE_IOMEM] = take_iomem,
        [REDACT_FILE_ROUTE] = take_route,     [REDACT_FILE_IPV6_ROUTE] = take_ipv6_route,
        [REDACT_FILE_MOUNTS] = take_mount,    [REDACT_FILE_UDEV] = take_udev,
        [REDACT_FILE_GRUB] = take_grub,       [REDACT_FILE_SCRIPT] = take_script,
        [REDACT_FILE_NVIDIA] = take_nvidia,
};

/* Lines keep their numbers; and a comment that goes on in the next one, as in modprobe.d(5), still
 * does. */
static size_t empty_comments(char *text, size_t length) {
        bool goes_on = false; /* the comment */
        size_t to = 0;

        for (size_t at = 0; at < length;) {
                char *line = text + at;
                char *newline = memchr(line, '\n', length - at);
                size_t n = newline ? (size_t)(newline - line) : length - at, kept = n;
                size_t blanks = strspn(line, " \t");
                bool is_comment =
                        !goes_on && blanks < n && (line[blanks] == '#' || line[blanks] == ';');
                bool has_more = n > 0 && line[n - 1] == '\\';

                at += n + (newline != NULL);
                if (is_comment || goes_on)
                        kept = is_comment ? blanks + 1 : 0;
                (void)memmove(text + to, line, kept);
                to += kept;
                goes_on = (is_comment || goes_on) && has_more;
                if (goes_on)
                        text[to++] = '\\';
                if (newline)
                        text[to++] = '\n';
        }
        text[to] = '\0';
        return to;
}

static size_t blank_last_component(char *text, size_t length) {
        char *slash = memrchr(text, '/', length);

        if (!slash || slash + 1 == text + length)
                return length;
        slash[1] = '-';
        return (size_t)(slash + 2 - text);
}

size_t redact_file(RedactFile what, char *text, size_t length) {
        if (what == REDACT_FILE_NAME)
                length = 0;
        else if (what == REDACT_FILE_FIRST_WORD && memchr(text, '-', length))
                length = (size_t)((char *)memchr(text, '-', length) - text) + 1;
        else if (what == REDACT_FILE_SETTINGS)
                length = empty_comments(text, length);
        else if (what == REDACT_FILE_DIRECTORY)
                length = blank_last_component(text, length);
        else if (what < ARRAY_SIZE(rules) && rules[what])
                return take_lines(text, length, rules[what], what == REDACT_FILE_CPUINFO);
        text[length] = '\0';
        return length;
}

size_t redact_file_fit_block(char *text, size_t length, size_t size) {
        while (length > size && text[length - 1] == '#')
                length--;
        while (length < size)
                text[length++] = '#';
        return length;
}

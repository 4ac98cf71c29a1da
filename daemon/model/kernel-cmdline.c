/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's command line, split and unquoted as the kernel's next_arg() does. Pure: who reads
 * /proc/cmdline is not known here, nor which modes there are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "boot-state.h"
#include "kernel-cmdline.h"

#define RESERVE_SIZE 80 /* of hugepagesz= and hugepages= for both sizes */

/* The kernel's isspace(): its table has Latin-1's no-break space among the blanks (lib/ctype.c). */
static bool is_blank(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

const char *kernel_cmdline_next(const char **cursor, size_t *ret_length) {
        const char *begin = *cursor;
        bool in_quotes = false;
        const char *end;

        while (is_blank(*begin))
                begin++;
        for (end = begin; *end && (in_quotes || !is_blank(*end)); end++)
                if (*end == '"')
                        in_quotes = !in_quotes;

        *cursor = end;
        if (end == begin)
                return NULL;
        *ret_length = (size_t)(end - begin);
        return begin;
}

typedef struct Text {
        const char *text;
        size_t length;
} Text;

/* Takes a leading quote off, and with it the closing one, where there is one. */
static Text unquote(Text text) {
        if (text.length == 0 || text.text[0] != '"')
                return text;
        text.text++;
        text.length--;
        if (text.length > 0 && text.text[text.length - 1] == '"')
                text.length--;
        return text;
}

static bool text_is(Text text, const char *word) {
        return text.length == strlen(word) && memcmp(text.text, word, text.length) == 0;
}

static bool text_is_one_of(Text text, const char *const *words) {
        for (; *words; words++)
                if (text_is(text, *words))
                        return true;
        return false;
}

/* Takes the value of NAME=VALUE. In names the kernel holds '-' and '_' for the same
 * (kernel/params.c, parameq). */
static bool value_of(Text argument, const char *name, Text *ret) {
        size_t length = strlen(name);

        if (argument.length <= length || argument.text[length] != '=')
                return false;
        for (size_t i = 0; i < length; i++)
                if (argument.text[i] != name[i] && !(argument.text[i] == '-' && name[i] == '_'))
                        return false;

        *ret = unquote((Text){ argument.text + length + 1, argument.length - length - 1 });
        return true;
}

/* `recovery` is friendly-recovery's, and all that an entry of GRUB 2.06 says there. */
static bool asks_for_rescue(Text argument) {
        static const char *const words[] = { "single", "s",        "S",         "-s",
                                             "1",      "rescue",   "emergency", "recovery",
                                             "-b",     "rd.break", NULL };
        static const char *const units[] = { "rescue.target",    "rescue.service",
                                             "emergency.target", "emergency.service",
                                             "runlevel1.target", NULL };
        Text value;

        if (value_of(argument, "systemd.unit", &value))
                return text_is_one_of(value, units);
        return text_is_one_of(argument, words) || value_of(argument, "init", &value) ||
               value_of(argument, "rd.break", &value);
}

static void copy_cut(char *buffer, size_t size, Text text) {
        size_t length = text.length < size ? text.length : size - 1;

        memcpy(buffer, text.text, length);
        buffer[length] = '\0';
}

void kernel_cmdline_request(const char *cmdline, KernelCmdlineRequest *ret) {
        KernelCmdlineRequest request = { 0 };
        const char *cursor = cmdline;
        const char *word;
        size_t length;

        while ((word = kernel_cmdline_next(&cursor, &length))) {
                Text argument = unquote((Text){ word, length });
                Text value;

                if (value_of(argument, "vfio_mode", &value)) {
                        request.mode[0] = '\0';
                        request.mode_is_too_long = parse_copy(request.mode, sizeof(request.mode),
                                                              value.text, value.length) < 0;
                } else if (request.rescue[0] == '\0' && asks_for_rescue(argument)) {
                        copy_cut(request.rescue, sizeof(request.rescue), argument);
                }
        }
        *ret = request;
}

int kernel_cmdline_value(const char *cmdline, const char *name, char *buffer, size_t size) {
        const char *cursor = cmdline;
        const char *word;
        int r = -ENOENT;
        size_t length;

        while ((word = kernel_cmdline_next(&cursor, &length))) {
                Text value;

                if (value_of(unquote((Text){ word, length }), name, &value))
                        r = parse_copy(buffer, size, value.text, value.length);
        }
        return r;
}

static bool has_item(Text value, const char *item) {
        while (value.length > 0) {
                const char *end = memchr(value.text, ',', value.length);
                size_t length = end ? (size_t)(end - value.text) : value.length;

                if (text_is((Text){ value.text, length }, item))
                        return true;
                length += end != NULL;
                value.text += length;
                value.length -= length;
        }
        return false;
}

bool kernel_cmdline_has_item(const char *cmdline, const char *name, const char *item) {
        const char *cursor = cmdline, *word;
        size_t length;
        Text value;

        while ((word = kernel_cmdline_next(&cursor, &length)))
                if (value_of(unquote((Text){ word, length }), name, &value) &&
                    has_item(value, item))
                        return true;
        return false;
}

/* Whether the arguments stand on the command line, as whole words. */
static bool holds(const char *cmdline, const char *arguments) {
        size_t length = strlen(arguments);

        for (const char *at = cmdline; length > 0 && (at = strstr(at, arguments)); at++)
                if ((at == cmdline || is_blank(at[-1])) &&
                    (at[length] == '\0' || is_blank(at[length])))
                        return true;
        return false;
}

size_t kernel_cmdline_foreign_length(const char *cmdline, const char *arguments) {
        const char *cursor = cmdline, *word;
        size_t length, total = 0;
        Text value;

        while ((word = kernel_cmdline_next(&cursor, &length)))
                if (!value_of((Text){ word, length }, "vfio_mode", &value) &&
                    !value_of((Text){ word, length }, "vfio_mode.boot", &value))
                        total += length + 1;
        length = strlen(arguments) + 1;
        return holds(cmdline, arguments) && total >= length ? total - length : total;
}

static unsigned count_arguments(const char *cmdline, const char *name) {
        const char *word;
        unsigned n = 0;
        size_t length;
        Text value;

        while ((word = kernel_cmdline_next(&cmdline, &length)))
                n += value_of((Text){ word, length }, name, &value);
        return n;
}

/* "hugepagesz=1G hugepages=20", of each size that is wanted; "" where the mode's own cmdline says
 * something of them. */
static void format_reserve(const ConfigMode *mode, char text[static RESERVE_SIZE]) {
        size_t n = 0;

        text[0] = '\0';
        if (count_arguments(mode->cmdline, "hugepagesz") > 0 ||
            count_arguments(mode->cmdline, "hugepages") > 0)
                return;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (mode->hugepages.pages[size] > 0)
                        n += (size_t)snprintf(text + n, RESERVE_SIZE - n,
                                              "%shugepagesz=%s hugepages=%u", n > 0 ? " " : "",
                                              hugepage_name(size), mode->hugepages.pages[size]);
}

int kernel_cmdline_arguments(const ConfigMode *mode, char *buffer, size_t size) {
        const char *panic = count_arguments(mode->cmdline, "panic") > 0 ? "" : BOOT_PANIC_ARGUMENT;
        char reserve[RESERVE_SIZE];
        int n;

        format_reserve(mode, reserve);
        n = snprintf(buffer, size, "%s%s%s%s%s", mode->cmdline,
                     mode->cmdline[0] != '\0' && reserve[0] != '\0' ? " " : "", reserve,
                     panic[0] != '\0' && (mode->cmdline[0] != '\0' || reserve[0] != '\0') ? " "
                                                                                          : "",
                     panic);
        return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}

/* The kernel takes the first word on a size and drops the others; a hugepages= without its
 * hugepagesz= is about the default size, whichever that is. */
bool kernel_cmdline_reserves(const char *cmdline, const ConfigMode *mode, HugepageSize size) {
        char arguments[BOOT_ARGUMENTS_SIZE], reserve[RESERVE_SIZE];
        const char *cursor = cmdline, *word;
        unsigned of_this_size = 0;
        size_t length;
        Text value;

        format_reserve(mode, reserve);
        if (reserve[0] == '\0' || mode->hugepages.pages[size] == 0 ||
            kernel_cmdline_arguments(mode, arguments, sizeof(arguments)) < 0)
                return false;
        while ((word = kernel_cmdline_next(&cursor, &length)))
                of_this_size += value_of((Text){ word, length }, "hugepagesz", &value) &&
                                text_is(value, hugepage_name(size));
        return of_this_size == 1 && holds(cmdline, arguments) &&
               count_arguments(cmdline, "hugepages") == count_arguments(cmdline, "hugepagesz");
}

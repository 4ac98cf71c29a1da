/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grub-modes.h"

#define IDS_NAME "vfio-pci.ids="

typedef struct Splitter {
        const GrubDefault *host, *passthrough;
        bool takes_pages;      /* the mode wants what its file has reserved */
        bool host_gives_pages; /* and the host's file has them no more */
        bool moves_pages;      /* the mode's cmdline has its file's words on them, all in order */
        bool is_behind_dashes; /* what follows is init's */
        GrubModes *ret;
} Splitter;

static bool holds_in(const char *words, const char *text, size_t length) {
        const char *cursor = words, *word;
        size_t n;

        while ((word = kernel_cmdline_next(&cursor, &n)))
                if (n == length && memcmp(word, text, n) == 0)
                        return true;
        return false;
}

static bool holds(const GrubDefault *file, const char *text, size_t length) {
        return holds_in(file->linux_words, text, length) ||
               holds_in(file->default_words, text, length);
}

static bool is_ids(const char *text, size_t length) {
        if (length < strlen(IDS_NAME))
                return false;
        for (size_t i = 0; i < strlen(IDS_NAME); i++)
                if (text[i] != IDS_NAME[i] && !(text[i] == '_' && IDS_NAME[i] == '-'))
                        return false;
        return true;
}

/* Others of its values leave it as it is by default. */
static bool turns_iommu_on(const char *text, size_t length) {
        static const char name[] = "intel_iommu=";
        size_t n = strlen(name);

        if (length < n || memcmp(text, name, n) != 0)
                return false;
        while (n < length) {
                const char *end = memchr(text + n, ',', length - n);
                size_t next = end ? (size_t)(end - text) : length;

                if (next - n == strlen("on") && memcmp(text + n, "on", strlen("on")) == 0)
                        return true;
                n = next + 1;
        }
        return false;
}

/* --- pages --- */

/* GRUB puts the two behind each other. */
static char *join(const GrubDefault *file) {
        size_t size = 2 * KERNEL_CMDLINE_MAX;
        char *cmdline = malloc(size);

        if (cmdline)
                (void)snprintf(cmdline, size, "%s %s", file->linux_words, file->default_words);
        return cmdline;
}

static const char *next_page_word(const char **cursor, size_t *length) {
        const char *word;

        do
                word = kernel_cmdline_next(cursor, length);
        while (word && !page_reservation_has(word, *length));
        return word;
}

/* Whether the second has words on pages, and not the same in the same order. */
static bool has_other_pages(const char *host, const char *passthrough) {
        const char *cursor = passthrough, *a, *b;
        size_t n, m;

        if (!next_page_word(&cursor, &m))
                return false;
        do {
                a = next_page_word(&host, &n);
                b = next_page_word(&passthrough, &m);
                if (!a || !b)
                        return a || b;
        } while (n == m && memcmp(a, b, n) == 0);
        return true;
}

static int decide_pages(Splitter *splitter) {
        _cleanup_free_ char *passthrough = join(splitter->passthrough);
        _cleanup_free_ char *host = join(splitter->host);
        PageReservation of_host, wanted;

        if (!host || !passthrough)
                return -ENOMEM;
        page_reservation_read(host, &of_host);
        page_reservation_read(passthrough, &wanted);
        splitter->takes_pages = page_reservation_is_plain(&wanted);
        if (!splitter->takes_pages) {
                splitter->moves_pages = has_other_pages(host, passthrough);
                return 0;
        }
        splitter->ret->pages = wanted;
        splitter->host_gives_pages = page_reservation_is_plain(&of_host) &&
                                     memcmp(of_host.pages, wanted.pages, sizeof(wanted.pages)) == 0;
        splitter->ret->pages_were_shared = splitter->host_gives_pages;
        return 0;
}

/* --- the mode's cmdline --- */

/* A line for each word, since a line of the configuration has an end. */
static char *format_snippet(const char *cmdline, const GrubWord *word, size_t *ret_size) {
        char *text = NULL;
        FILE *file = open_memstream(&text, ret_size);

        if (!file)
                return NULL;
        (void)fputs("[mode m]\ncmdline = ", file);
        for (; *cmdline; cmdline++) {
                if (*cmdline == ' ')
                        (void)fputs("\n ", file);
                (void)fprintf(file, "%c", *cmdline);
        }
        (void)fprintf(file, "\n  %.*s\n", (int)word->length, word->text);
        if (fclose(file) == 0)
                return text;
        free(text);
        return NULL;
}

/* By the configuration's own parser: it has the last word anyway. */
static int try_word(const char *cmdline, const GrubWord *word, Config *config,
                    ConfigErrors *errors) {
        size_t wanted = strlen(cmdline) + (cmdline[0] != '\0') + word->length;
        ConfigSource source = { .file = "" };
        _cleanup_free_ char *text = format_snippet(cmdline, word, &source.size);
        int r;

        if (!text)
                return -ENOMEM;
        source.text = text;
        r = config_parse(&source, 1, config, errors);
        if (r < 0)
                return r;
        /* What it takes for a comment is no error of its. */
        return strlen(config_find_mode(config, "m")->cmdline) == wanted ? 0 : -EINVAL;
}

static bool has_control(const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (iscntrl((unsigned char)text[i]))
                        return true;
        return false;
}

static int refuse(GrubWord *word, const char *why) {
        word->fate = GRUB_WORD_REFUSED;
        (void)snprintf(word->why_not, sizeof(word->why_not), "%s", why);
        return 0;
}

static int add_to_cmdline(Splitter *splitter, GrubWord *word) {
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        char *cmdline = splitter->ret->cmdline;
        int r;

        if (!errors || !config)
                return -ENOMEM;
        if (splitter->is_behind_dashes)
                return refuse(word, "it stands behind '--', and is none of the kernel's");
        splitter->is_behind_dashes = word->length == 2 && memcmp(word->text, "--", 2) == 0;
        if (has_control(word->text, word->length))
                return refuse(word, "it has a control character, which boot loaders may change");
        r = try_word(cmdline, word, config, errors);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(word, errors->n_errors > 0 ? errors->errors[0].text
                                                         : "a configuration cannot say it");
        (void)snprintf(cmdline, CONFIG_CMDLINE_SIZE, "%s", config_find_mode(config, "m")->cmdline);
        return 0;
}

/* --- all of them --- */

static GrubWordFate choose_fate(const Splitter *splitter, const GrubDefault *file, const char *text,
                                size_t length) {
        bool in_host = holds(splitter->host, text, length);
        bool in_passthrough = holds(splitter->passthrough, text, length);

        if (is_ids(text, length))
                return GRUB_WORD_IDS;
        if (page_reservation_has(text, length) &&
            ((in_passthrough && splitter->takes_pages) || splitter->host_gives_pages))
                return GRUB_WORD_PAGES;
        if (file == splitter->passthrough && splitter->moves_pages &&
            page_reservation_has(text, length))
                return GRUB_WORD_MODE;
        if (in_host)
                return in_passthrough ? GRUB_WORD_SHARED : GRUB_WORD_HOST;
        return turns_iommu_on(text, length) ? GRUB_WORD_IOMMU : GRUB_WORD_MODE;
}

static bool is_recorded(const GrubModes *modes, const char *text, size_t length) {
        for (size_t i = 0; i < modes->n_words; i++)
                if (modes->words[i].length == length &&
                    memcmp(modes->words[i].text, text, length) == 0)
                        return true;
        return false;
}

/* Up to the "="; 0: it has no value. '-' and '_' are the same to the kernel. */
static size_t name_length(const char *text, size_t length) {
        const char *end = memchr(text, '=', length);

        return end ? (size_t)(end - text) : 0;
}

static bool has_same_name(const GrubWord *word, const char *text, size_t length) {
        size_t n = name_length(text, length);

        if (n == 0 || name_length(word->text, word->length) != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (word->text[i] != text[i] &&
                    !(strchr("-_", word->text[i]) && strchr("-_", text[i])))
                        return false;
        return true;
}

/* GRUB puts the mode's words last: what stood behind one of them is before it from now on. */
static void note_order(GrubModes *modes, const char *text, size_t length, GrubWordFate fate) {
        for (size_t i = 0; i < modes->n_words; i++) {
                GrubWord *word = &modes->words[i];

                if (word->fate != GRUB_WORD_MODE || !has_same_name(word, text, length))
                        continue;
                word->behind = fate == GRUB_WORD_SHARED ? text : NULL;
                word->behind_length = fate == GRUB_WORD_SHARED ? length : 0;
        }
}

/* What goes to the mode is never taken for a mere repetition: order and number may mean something.
 */
static int add_word(Splitter *splitter, const GrubDefault *file, const char *text, size_t length) {
        GrubWordFate fate = choose_fate(splitter, file, text, length);
        GrubModes *ret = splitter->ret;
        bool is_repeated = is_recorded(ret, text, length);
        GrubWord *word;

        note_order(ret, text, length, fate);
        if (is_repeated && fate != GRUB_WORD_MODE)
                return 0;
        if (ret->n_words == GRUB_WORDS_MAX)
                return -E2BIG;
        word = &ret->words[ret->n_words++];
        *word = (GrubWord){
                .text = text, .length = length, .fate = fate, .is_repeated = is_repeated
        };
        return fate == GRUB_WORD_MODE ? add_to_cmdline(splitter, word) : 0;
}

static int add_words(Splitter *splitter, const GrubDefault *file, const char *words) {
        const char *cursor = words, *word;
        size_t length;
        int r = 0;

        while (r >= 0 && (word = kernel_cmdline_next(&cursor, &length)))
                r = add_word(splitter, file, word, length);
        return r;
}

/* In their order, also where one stands twice. */
static void keep(const Splitter *splitter, const char *words, char *buffer) {
        const char *cursor = words, *word;
        size_t length, n = 0;

        buffer[0] = '\0';
        while ((word = kernel_cmdline_next(&cursor, &length))) {
                if (is_ids(word, length) ||
                    (splitter->host_gives_pages && page_reservation_has(word, length)))
                        continue;
                if (n > 0)
                        buffer[n++] = ' ';
                (void)memcpy(buffer + n, word, length);
                n += length;
                buffer[n] = '\0';
        }
}

static int append(char *words, const char *text, size_t length) {
        size_t n = strlen(words);

        if (n + 1 + length >= KERNEL_CMDLINE_MAX)
                return -E2BIG;
        (void)snprintf(words + n, KERNEL_CMDLINE_MAX - n, "%s%.*s", n > 0 ? " " : "", (int)length,
                       text);
        return 0;
}

/* Each in the variable that it stood in, and last there, where it counts. */
static int keep_iommu(const Splitter *splitter) {
        GrubModes *ret = splitter->ret;
        int r = 0;

        for (size_t i = 0; i < ret->n_words && r >= 0; i++) {
                const GrubWord *word = &ret->words[i];

                if (word->fate == GRUB_WORD_IOMMU)
                        r = append(holds_in(splitter->passthrough->linux_words, word->text,
                                            word->length)
                                           ? ret->kept.linux_words
                                           : ret->kept.default_words,
                                   word->text, word->length);
        }
        return r;
}

int grub_modes_make(const GrubDefault *host, const GrubDefault *passthrough, GrubModes *ret) {
        Splitter splitter = { .host = host, .passthrough = passthrough, .ret = ret };
        int r;

        (void)memset(ret, 0, sizeof(*ret));
        r = decide_pages(&splitter);
        if (r >= 0)
                r = add_words(&splitter, host, host->linux_words);
        if (r >= 0)
                r = add_words(&splitter, host, host->default_words);
        if (r >= 0)
                r = add_words(&splitter, passthrough, passthrough->linux_words);
        if (r >= 0)
                r = add_words(&splitter, passthrough, passthrough->default_words);
        keep(&splitter, host->linux_words, ret->kept.linux_words);
        keep(&splitter, host->default_words, ret->kept.default_words);
        return r < 0 ? r : keep_iommu(&splitter);
}

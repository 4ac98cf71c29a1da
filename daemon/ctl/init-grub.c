/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "boot/boot-place.h"
#include "ctl/init-grub.h"
#include "ctl/text.h"
#include "model/cmdline-words.h"
#include "model/refusal.h"

#define GRUB_DEFAULT_PATH "etc/default/grub"

/* --- reading --- */

static int read_file(const char *path, GrubDefault *ret) {
        _cleanup_free_ char *text = NULL;
        GrubDefaultError error = { 0 };
        ssize_t n;
        int r;

        n = file_read_alloc_at(AT_FDCWD, path, GRUB_DEFAULT_SIZE_MAX, &text);
        if (n < 0) {
                complain("%s cannot be read: %s", path, strerror((int)-n));
                return n == -EACCES ? EXIT_CODE_NOT_AUTHORISED : EXIT_CODE_CONFIGURATION;
        }
        if (strlen(text) != (size_t)n) {
                complain("%s is no text: it has a NUL byte.", path);
                return EXIT_CODE_CONFIGURATION;
        }
        r = grub_default_parse(text, ret, &error);
        if (r == -ENOMEM)
                (void)must_have(NULL);
        if (r >= 0)
                return EXIT_CODE_DONE;
        if (error.line > 0)
                complain("%s:%u: %s", path, error.line, error.text);
        else
                complain("%s: %s", path, error.text);
        return EXIT_CODE_CONFIGURATION;
}

int init_grub_read(const char *host, const char *passthrough, InitGrub **ret) {
        _cleanup_(init_grub_freep) InitGrub *grub = must_have(calloc(1, sizeof(*grub)));
        int r;

        grub->host = host;
        grub->passthrough = passthrough;
        r = read_file(host, &grub->files[0]);
        if (r == EXIT_CODE_DONE)
                r = read_file(passthrough, &grub->files[1]);
        if (r != EXIT_CODE_DONE)
                return r;
        r = grub_modes_make(&grub->files[0], &grub->files[1], &grub->modes);
        if (r == -ENOMEM)
                (void)must_have(NULL);
        if (r < 0) {
                complain("%s and %s have more than %d words for the kernel.", host, passthrough,
                         GRUB_WORDS_MAX);
                return EXIT_CODE_CONFIGURATION;
        }
        grub->cmdline =
                text_format("%s %s %s %s", grub->files[0].linux_words, grub->files[0].default_words,
                            grub->files[1].linux_words, grub->files[1].default_words);
        *ret = TAKE_PTR(grub);
        return EXIT_CODE_DONE;
}

void init_grub_freep(InitGrub **grub) {
        if (*grub)
                free((*grub)->cmdline);
        free(TAKE_PTR(*grub));
}

/* --- the words --- */

static void remark_on_shared(const GrubModes *modes, Lines *remarks) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file = must_have(open_memstream(&text, &size));

        for (size_t i = 0; i < modes->n_words; i++)
                if (modes->words[i].fate == GRUB_WORD_SHARED)
                        (void)fprintf(file, " %.*s", (int)modes->words[i].length,
                                      modes->words[i].text);
        if (fclose(file) < 0)
                abort();
        if (size > 0)
                lines_add(remarks, "Both files have, and GRUB's own keeps for every mode:%s", text);
}

static void remark_on_word(const InitGrub *grub, const GrubWord *word, Lines *remarks) {
        const CmdlineWord *known = cmdline_word_find(word->text, word->length);
        int n = (int)word->length;

        switch (word->fate) {
        case GRUB_WORD_HOST:
                lines_add(remarks,
                          "%.*s is only in %s. The fallback mode has no arguments of its own: it "
                          "stays in GRUB's file, and passthrough mode gets it as well.",
                          n, word->text, grub->host);
                break;
        case GRUB_WORD_MODE:
                lines_add(remarks,
                          "%.*s is only in %s: a boot into passthrough mode gets it (cmdline), a "
                          "switch at run time does not.",
                          n, word->text, grub->passthrough);
                break;
        case GRUB_WORD_REFUSED:
                lines_add(remarks, "%.*s is left out of the mode: %s.", n, word->text,
                          word->why_not);
                return;
        case GRUB_WORD_IDS:
                lines_add(remarks,
                          "%.*s is left out: the device is named by its address, and goes only in "
                          "its mode.",
                          n, word->text);
                break;
        case GRUB_WORD_SHARED:
        case GRUB_WORD_PAGES:
                break;
        }
        if (known)
                lines_add(remarks, "%.*s %s → %s", n, word->text, known->does, known->advice);
}

static void remark_on_size(const InitGrub *grub, HugepageSize size, Lines *remarks) {
        const char *name = hugepage_name(size);
        uint32_t n = grub->modes.pages.pages[size];

        if (n == 0)
                return;
        if (!grub->modes.pages_were_shared)
                lines_add(remarks, "%s reserves %u hugepages of %s: hugepages-%s = %u says it now.",
                          grub->passthrough, n, name, name, n);
        else
                lines_add(remarks,
                          "Both files reserve %u hugepages of %s, without which the host had to "
                          "do: now only passthrough mode has them (hugepages-%s = %u), and host "
                          "mode has the memory back.",
                          n, name, name, n);
        if (size == HUGEPAGE_1G)
                lines_add(remarks,
                          "Pages of 1G are hard to find once the machine has run for days. A boot "
                          "into the mode has them: vfio-modectl next passthrough. Or keep them "
                          "once they are there: hugepages-keep = yes.");
}

static void remark_on_pages(const InitGrub *grub, const Root *root, Lines *remarks) {
        const PageReservation *pages = &grub->modes.pages;

        if (!page_reservation_is_plain(pages))
                return;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                remark_on_size(grub, size, remarks);
        if (pages->is_by_node)
                lines_add(remarks, "They were reserved by NUMA node. A mode says how many it wants "
                                   "of all nodes together.");
        if (pages->sets_default)
                lines_add(remarks, "default_hugepagesz= is left out: who wants hugepages and says "
                                   "no size gets those of 2M, as by default.");
        if (faccessat(root->fd, "etc/pve", F_OK, 0) == 0)
                lines_add(remarks, "Guests of Proxmox VE with hugepages: in their configuration "
                                   "make and empty the pools themselves; then take hugepages-* out "
                                   "of the mode.");
}

/* --- GRUB's own file --- */

/* NAME="...", as sh(1) reads it back. */
static char *format_assignment(const char *name, const char *value) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = must_have(open_memstream(&text, &size));

        (void)fprintf(file, "%s=\"", name);
        for (; *value; value++)
                (void)fprintf(file, "%s%c", strchr("\"$`\\", *value) ? "\\" : "", *value);
        (void)fputs("\"", file);
        if (fclose(file) < 0)
                abort();
        return text;
}

static char *quote_assignment(const char *name, const char *value) {
        _cleanup_free_ char *assignment = format_assignment(name, value);

        return text_quote(assignment);
}

static bool is_done(const Root *root, const GrubDefault *kept) {
        _cleanup_free_ GrubDefault *now = must_have(calloc(1, sizeof(*now)));
        _cleanup_free_ char *text = NULL;
        GrubDefaultError error;

        return file_read_alloc_at(root->fd, GRUB_DEFAULT_PATH, GRUB_DEFAULT_SIZE_MAX, &text) >= 0 &&
               grub_default_parse(text, now, &error) >= 0 &&
               strcmp(now->linux_words, kept->linux_words) == 0 &&
               strcmp(now->default_words, kept->default_words) == 0;
}

/* The later assignment counts, whichever of the two files is in place now. */
static void remark_on_file(const InitGrub *grub, const Root *root, Lines *remarks) {
        const GrubDefault *kept = &grub->modes.kept;
        _cleanup_free_ char *everywhere = quote_assignment("GRUB_CMDLINE_LINUX", kept->linux_words);
        _cleanup_free_ char *by_default =
                quote_assignment("GRUB_CMDLINE_LINUX_DEFAULT", kept->default_words);
        _cleanup_free_ BootPlace *place = must_have(calloc(1, sizeof(*place)));
        const char *command = "update-grub";

        if (boot_place_find(root, place) >= 0 && place->loader == BOOT_LOADER_GRUB)
                command = place->grub_command;
        if (!is_done(root, kept))
                lines_add(remarks,
                          "What modes say from now on goes out of GRUB's own file → "
                          "printf '%%s\\n' %s %s >> /" GRUB_DEFAULT_PATH " && %s",
                          everywhere, by_default, command);
        lines_add(remarks,
                  "%s and %s are needed no more: do not copy them over /" GRUB_DEFAULT_PATH
                  " again. Boot into a mode by vfio-modectl next, or the boot menu.",
                  grub->host, grub->passthrough);
}

void init_grub_remark(const InitGrub *grub, const Root *root, Lines *remarks) {
        remark_on_shared(&grub->modes, remarks);
        for (size_t i = 0; i < grub->modes.n_words; i++)
                remark_on_word(grub, &grub->modes.words[i], remarks);
        remark_on_pages(grub, root, remarks);
        remark_on_file(grub, root, remarks);
}

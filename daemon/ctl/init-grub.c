/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/plural.h"
#include "boot/boot-place.h"
#include "ctl/init-grub.h"
#include "ctl/text.h"
#include "host/machine-facts.h"
#include "model/cmdline-words.h"
#include "model/refusal.h"

#define GRUB_DEFAULT_PATH "etc/default/grub"
#define GRUB_DEFAULT_DIR GRUB_DEFAULT_PATH ".d"

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
                complain("%s and %s have too many words for the kernel: more than %d, or %d bytes.",
                         host, passthrough, GRUB_WORDS_MAX, KERNEL_CMDLINE_MAX - 1);
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

/* Whether it says how the IOMMU is to be, which a switch at run time cannot change. */
static bool is_iommu(const GrubWord *word) {
        static const char *const names[] = { "intel_iommu=", "amd_iommu=", "iommu=" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (word->length > strlen(names[i]) &&
                    memcmp(word->text, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static bool ends_with(const GrubWord *word, const char *end) {
        size_t n = strlen(end);

        return word->length >= n && memcmp(word->text + word->length - n, end, n) == 0;
}

static void remark_on_iommu(const GrubWord *word, const MachineFacts *facts, Lines *remarks) {
        bool is_off = ends_with(word, "=off");

        if (!is_iommu(word))
                return;
        if (machine_has_no_intel_iommu(facts) && strncmp(word->text, "intel_", 6) == 0)
                lines_add(remarks,
                          "%.*s does nothing here: the machine's IOMMU is AMD's, and on by itself "
                          "→ take it off",
                          (int)word->length, word->text);
        else if (word->fate == GRUB_WORD_IOMMU)
                lines_add(remarks,
                          "%.*s turns the IOMMU on, without which a switch at run time is refused: "
                          "from now on GRUB's own file has it, for every mode.",
                          (int)word->length, word->text);
        else if (word->fate == GRUB_WORD_MODE && !is_off)
                lines_add(remarks,
                          "%.*s is about the IOMMU, which stays as the boot left it: a guest that "
                          "is started after a switch at run time goes without → where it is "
                          "needed, move it to GRUB's own file",
                          (int)word->length, word->text);
        else if (word->fate == GRUB_WORD_HOST && is_off)
                lines_add(remarks,
                          "%.*s leaves host mode without an IOMMU, and every switch at run time is "
                          "refused → take it out of GRUB's own file",
                          (int)word->length, word->text);
}

static void remark_on_order(const InitGrub *grub, const GrubWord *word, Lines *remarks) {
        if (word->behind)
                lines_add(remarks,
                          "%.*s stands behind %.*s in %s, and comes before it in a boot into the "
                          "mode: GRUB's own file has it for every mode, and cmdline is last. Where "
                          "the last one counts → add it to the mode's cmdline, behind the other",
                          (int)word->behind_length, word->behind, (int)word->length, word->text,
                          grub->passthrough);
}

static void remark_on_word(const InitGrub *grub, const GrubWord *word, const MachineFacts *facts,
                           Lines *remarks) {
        const CmdlineWord *known = cmdline_word_find(word->text, word->length);
        int n = (int)word->length;

        if (word->fate == GRUB_WORD_MODE) {
                remark_on_order(grub, word, remarks);
                if (word->is_repeated)
                        return;
        }
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
        case GRUB_WORD_PAGES: /* is said with the others of its size */
                return;
        case GRUB_WORD_SHARED:
        case GRUB_WORD_IOMMU:
                break;
        }
        if (!known)
                remark_on_iommu(word, facts, remarks);
        else
                lines_add(remarks, "%.*s %s → %s", n, word->text, known->does, known->advice);
}

static void remark_on_size(const InitGrub *grub, HugepageSize size, Lines *remarks) {
        const char *name = hugepage_name(size);
        uint32_t n = grub->modes.pages.pages[size];

        if (n == 0)
                return;
        if (!grub->modes.pages_were_shared)
                lines_add(remarks,
                          "%s reserves %u hugepage%s of %s: hugepages-%s = %u says it now.",
                          grub->passthrough, n, plural_s(n), name, name, n);
        else
                lines_add(remarks,
                          "Both files reserve %u hugepage%s of %s, without which the host had to "
                          "do: now only passthrough mode has %s (hugepages-%s = %u), and host "
                          "mode has the memory back.",
                          n, plural_s(n), name, n == 1 ? "it" : "them", name, n);
        if (size == HUGEPAGE_1G)
                lines_add(remarks,
                          "Pages of 1G are hard to find once the machine has run for days. A boot "
                          "into the mode has them: vfio-modectl next passthrough. Or keep them "
                          "once they are there: hugepages-keep = yes.");
}

/* The mode's words come behind those of GRUB's own file, and of one size the kernel heeds the first
 * alone (mm/hugetlb.c: "specified twice"). */
static void remark_on_kept_pages(const InitGrub *grub, Lines *remarks) {
        _cleanup_free_ char *kept =
                text_format("%s %s", grub->modes.kept.linux_words, grub->modes.kept.default_words);
        PageReservation host;

        page_reservation_read(kept, &host);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                uint32_t n = host.pages[size], wanted = grub->modes.pages.pages[size];

                if (n > 0 && wanted > n)
                        lines_add(
                                remarks,
                                "GRUB's own file keeps %u hugepage%s of %s for every boot, and the "
                                "kernel heeds the first number alone: a boot into the mode "
                                "reserves no more, and the other %u %s to be found by the "
                                "switch → take %s out of GRUB's own file",
                                n, plural_s(n), hugepage_name(size), wanted - n,
                                plural_have(wanted - n), n == 1 ? "it" : "them");
        }
}

static void remark_on_pages(const InitGrub *grub, Lines *remarks) {
        const PageReservation *pages = &grub->modes.pages;

        if (!page_reservation_is_plain(pages))
                return;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                remark_on_size(grub, size, remarks);
        remark_on_kept_pages(grub, remarks);
        if (pages->is_by_node)
                lines_add(remarks, "They were reserved by NUMA node. A mode says how many it wants "
                                   "of all nodes together.");
        if (pages->sets_default)
                lines_add(remarks, "default_hugepagesz= is left out: who wants hugepages and says "
                                   "no size gets those of 2M, as by default.");
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

/* Mostly one of the two is the very file that GRUB reads, or a link's target. */
static bool is_in_place(const Root *root, const char *path) {
        struct stat own, named;

        return fstatat(root->fd, GRUB_DEFAULT_PATH, &own, 0) == 0 && stat(path, &named) == 0 &&
               own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

static void remark_on_copies(const InitGrub *grub, const Root *root, Lines *remarks) {
        bool has_host = is_in_place(root, grub->host);
        bool has_passthrough = is_in_place(root, grub->passthrough);

        if (!has_host && !has_passthrough)
                lines_add(remarks,
                          "%s and %s are needed no more: do not copy them over /" GRUB_DEFAULT_PATH
                          " again. Boot into a mode by vfio-modectl next, or the boot menu.",
                          grub->host, grub->passthrough);
        else if (!has_host || !has_passthrough)
                lines_add(remarks,
                          "%s is needed no more: do not copy it over /" GRUB_DEFAULT_PATH
                          " again. Boot into a mode by vfio-modectl next, or the boot menu.",
                          has_host ? grub->passthrough : grub->host);
}

static int is_snippet(const struct dirent *entry) {
        const char *suffix = strrchr(entry->d_name, '.');

        return entry->d_name[0] != '.' && suffix && strcmp(suffix, ".cfg") == 0;
}

static void remark_on_snippet(const Root *root, const char *name, Lines *remarks) {
        _cleanup_free_ char *path = text_format(GRUB_DEFAULT_DIR "/%s", name), *text = NULL;
        ssize_t n = file_read_alloc_at(root->fd, path, GRUB_DEFAULT_SIZE_MAX, &text);

        if (n < 0)
                lines_add(remarks, "/%s cannot be read: %s. What it tells the kernel is not known.",
                          path, strerror((int)-n));
        else if (grub_default_sets(text))
                lines_add(remarks,
                          "/%s sets words for the kernel as well, and is read after "
                          "/" GRUB_DEFAULT_PATH " where GRUB's scripts read that directory: they "
                          "are not looked at here, and stay for every mode → see to it that it has "
                          "none of those above",
                          path);
}

static void remark_on_snippets(const Root *root, Lines *remarks) {
        struct dirent **entries = NULL;
        int n = scandirat(root->fd, GRUB_DEFAULT_DIR, &entries, is_snippet, alphasort);

        if (n < 0 && errno != ENOENT)
                lines_add(remarks, "/" GRUB_DEFAULT_DIR " cannot be read: %s.", strerror(errno));
        for (int i = 0; i < n; i++) {
                remark_on_snippet(root, entries[i]->d_name, remarks);
                free(entries[i]);
        }
        free(entries);
}

/* The later assignment counts, whichever of the two files is in place now. The line end in front is
 * for a file whose last line has none. */
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
                          "printf '\\n%%s\\n%%s\\n' %s %s >> /" GRUB_DEFAULT_PATH " && %s",
                          everywhere, by_default, command);
        remark_on_snippets(root, remarks);
        remark_on_copies(grub, root, remarks);
}

void init_grub_remark(const InitGrub *grub, const Root *root, Lines *remarks) {
        MachineFacts facts;

        machine_facts_read(root, &facts);
        remark_on_shared(&grub->modes, remarks);
        for (size_t i = 0; i < grub->modes.n_words; i++)
                remark_on_word(grub, &grub->modes.words[i], &facts, remarks);
        remark_on_pages(grub, remarks);
        remark_on_file(grub, root, remarks);
}

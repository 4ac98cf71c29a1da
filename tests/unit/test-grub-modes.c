/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two GRUB files become: what stays, what the mode gets, and what nobody gets. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/grub-modes.h"
#include "table.h"

#define PROXMOX "quiet amd_iommu=on hugepagesz=1GB hugepages=20 acpi_enforce_resources=lax"

static const struct Row {
        const char *title;
        GrubDefault host, passthrough;
        const char *kept_linux, *kept_default, *cmdline;
        uint32_t pages[_HUGEPAGE_SIZE_MAX];
        bool pages_were_shared;
        const char *word, *why_not; /* one that is refused; NULL: none is */
} rows[] = {
        { "as on a Proxmox host",
          { .default_words = PROXMOX },
          { .default_words = PROXMOX " video=efifb:off" },
          "",
          "quiet amd_iommu=on acpi_enforce_resources=lax",
          "video=efifb:off",
          { 20, 0 },
          true,
          NULL,
          NULL },
        { "both alike", { "a", "b" }, { "a", "b" }, "a", "b", "", { 0, 0 }, false, NULL, NULL },
        { "the same words in the other variable",
          { "a b", "" },
          { "", "b a c" },
          "a b",
          "",
          "c",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "what only the host has stays",
          { "a", "x=1" },
          { "a", "x=2 y" },
          "a",
          "x=1",
          "x=2 y",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "what turns the IOMMU on stays on in every mode",
          { "a", "b" },
          { "a intel_iommu=sm_on,on", "b intel_iommu=on iommu=pt intel_iommu=igfx_off" },
          "a intel_iommu=sm_on,on",
          "b intel_iommu=on",
          "iommu=pt intel_iommu=igfx_off",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "also where only the host had it off",
          { "", "intel_iommu=off" },
          { "", "intel_iommu=on" },
          "",
          "intel_iommu=off intel_iommu=on",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "pages of the mode alone",
          { "", "a" },
          { "", "a default_hugepagesz=1G hugepages=4" },
          "",
          "a",
          "",
          { 4, 0 },
          false,
          NULL,
          NULL },
        { "pages of the host alone",
          { "", "hugepages=512 a" },
          { "", "a" },
          "",
          "hugepages=512 a",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "pages of both, not alike",
          { "hugepagesz=1G hugepages=2", "" },
          { "hugepagesz=1G hugepages=8", "" },
          "hugepagesz=1G hugepages=2",
          "",
          "",
          { 8, 0 },
          false,
          NULL,
          NULL },
        { "alike, in other words",
          { "", "hugepagesz=1G hugepages=4" },
          { "default_hugepagesz=1GB hugepages=0:2,1:2", "" },
          "",
          "",
          "",
          { 4, 0 },
          true,
          NULL,
          NULL },
        { "pages in both variables",
          { "", "" },
          { "hugepagesz=1G", "hugepages=8" },
          "",
          "",
          "",
          { 8, 0 },
          false,
          NULL,
          NULL },
        { "pages that no mode can want",
          { "", "" },
          { "", "hugepagesz=16G hugepages=1" },
          "",
          "",
          "hugepagesz=16G hugepages=1",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "only another default size",
          { "", "default_hugepagesz=1G" },
          { "", "default_hugepagesz=1G" },
          "",
          "default_hugepagesz=1G",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "ids",
          { "", "vfio_pci.ids=1:2 a" },
          { "", "vfio-pci.ids=10de:2484 a" },
          "",
          "a",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "twice stays twice",
          { "console=tty0 a console=tty0", "" },
          { "a console=tty0", "" },
          "console=tty0 a console=tty0",
          "",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "counts of several sizes, one of which no mode can want",
          { "", "" },
          { "", "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4" },
          "",
          "",
          "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "one count of which both have",
          { "hugepages=4", "" },
          { "", "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4" },
          "hugepages=4",
          "",
          "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "the same counts of other sizes",
          { "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=8", "" },
          { "hugepagesz=16M hugepages=8 hugepagesz=1G hugepages=4", "" },
          "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=8",
          "",
          "hugepagesz=16M hugepages=8 hugepagesz=1G hugepages=4",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "the same that no mode can want",
          { "hugepagesz=16M a hugepages=4", "" },
          { "a hugepagesz=16M", "hugepages=4" },
          "hugepagesz=16M a hugepages=4",
          "",
          "",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "twice in the mode stays twice",
          { "a", "" },
          { "a x=1 x=2", "x=1" },
          "a",
          "",
          "x=1 x=2 x=1",
          { 0, 0 },
          false,
          NULL,
          NULL },
        { "a mode of its own",
          { "", "" },
          { "", "a vfio_mode=x b" },
          "",
          "",
          "a b",
          { 0, 0 },
          false,
          "vfio_mode=x",
          "is for vfio-mode itself to say" },
        { "another root",
          { "", "" },
          { "", "root=/dev/sda1 b" },
          "",
          "",
          "b",
          { 0, 0 },
          false,
          "root=/dev/sda1",
          "would boot another system" },
        { "another init",
          { "", "" },
          { "", "init=/bin/sh" },
          "",
          "",
          "",
          { 0, 0 },
          false,
          "init=/bin/sh",
          "would boot another system" },
        { "a rescue system",
          { "", "" },
          { "", "single" },
          "",
          "",
          "",
          { 0, 0 },
          false,
          "single",
          "asks for a rescue system" },
        { "quotes",
          { "", "" },
          { "", "dyndbg=\"file x +p\" b" },
          "",
          "",
          "b",
          { 0, 0 },
          false,
          "dyndbg=\"file x +p\"",
          "has a '\"'" },
        { "a comment to the configuration",
          { "", "" },
          { "", ";a b" },
          "",
          "",
          "b",
          { 0, 0 },
          false,
          ";a",
          "cannot say" },
        { "a comment that goes on",
          { "", "" },
          { "", "a ;b" },
          "",
          "",
          "a",
          { 0, 0 },
          false,
          ";b",
          "cannot say" },
        { "a line end in quotes",
          { "", "" },
          { "", "\"a\n[mode x]\" b" },
          "",
          "",
          "b",
          { 0, 0 },
          false,
          "\"a\n[mode x]\"",
          "a control character" },
        { "what is init's",
          { "", "" },
          { "", "a -- b" },
          "",
          "",
          "a",
          { 0, 0 },
          false,
          "b",
          "behind '--'" },
};

static const GrubWord *find(const GrubModes *modes, const char *text) {
        for (size_t i = 0; i < modes->n_words; i++)
                if (modes->words[i].length == strlen(text) &&
                    memcmp(modes->words[i].text, text, strlen(text)) == 0)
                        return &modes->words[i];
        return NULL;
}

static void test_row(void **state) {
        GrubModes *modes = calloc(1, sizeof(*modes));
        const struct Row *row = *state;
        size_t n_refused = 0;

        assert_int_equal(grub_modes_make(&row->host, &row->passthrough, modes), 0);
        assert_string_equal(modes->kept.linux_words, row->kept_linux);
        assert_string_equal(modes->kept.default_words, row->kept_default);
        assert_string_equal(modes->cmdline, row->cmdline);
        assert_memory_equal(modes->pages.pages, row->pages, sizeof(row->pages));
        assert_int_equal(modes->pages_were_shared, row->pages_were_shared);
        for (size_t i = 0; i < modes->n_words; i++)
                n_refused += modes->words[i].fate == GRUB_WORD_REFUSED;
        assert_int_equal(n_refused > 0, row->word != NULL);
        if (row->word) {
                const GrubWord *word = find(modes, row->word);

                assert_non_null(word);
                assert_int_equal(word->fate, GRUB_WORD_REFUSED);
                if (!strstr(word->why_not, row->why_not))
                        fail_msg("'%s' does not say '%s'", word->why_not, row->why_not);
        }
        free(modes);
}

static void test_fates(_unused_ void **state) {
        GrubDefault host = { "", "both host hugepagesz=1G hugepages=1 vfio-pci.ids=1:2" };
        GrubDefault passthrough = { "both mode", "hugepagesz=1G hugepages=1" };
        GrubModes *modes = calloc(1, sizeof(*modes));

        assert_int_equal(grub_modes_make(&host, &passthrough, modes), 0);
        assert_int_equal(modes->n_words, 6);
        assert_int_equal(find(modes, "both")->fate, GRUB_WORD_SHARED);
        assert_int_equal(find(modes, "host")->fate, GRUB_WORD_HOST);
        assert_int_equal(find(modes, "mode")->fate, GRUB_WORD_MODE);
        assert_int_equal(find(modes, "hugepagesz=1G")->fate, GRUB_WORD_PAGES);
        assert_int_equal(find(modes, "vfio-pci.ids=1:2")->fate, GRUB_WORD_IDS);
        free(modes);
}

/* What the mode has comes last, also before what stood behind it. */
static void test_order(_unused_ void **state) {
        GrubDefault host = { "console=tty0 con-sole=a", "" }, passthrough = host;
        GrubModes *modes = calloc(1, sizeof(*modes));
        const GrubWord *word;

        (void)strcpy(passthrough.linux_words, "console=ttyS0 con_sole=b console=tty0 x=1");
        assert_int_equal(grub_modes_make(&host, &passthrough, modes), 0);
        word = find(modes, "console=ttyS0");
        assert_non_null(word->behind);
        assert_int_equal(word->behind_length, strlen("console=tty0"));
        assert_memory_equal(word->behind, "console=tty0", word->behind_length);
        assert_null(find(modes, "con_sole=b")->behind);
        assert_null(find(modes, "x=1")->behind);

        (void)strcpy(passthrough.default_words, "con-sole=a console=ttyS0");
        assert_int_equal(grub_modes_make(&host, &passthrough, modes), 0);
        assert_null(find(modes, "console=ttyS0")->behind);
        assert_non_null(find(modes, "con_sole=b")->behind);
        assert_true(modes->words[modes->n_words - 1].is_repeated);
        free(modes);
}

/* More words than are kept, and more bytes than a mode takes. */
static void test_too_much(_unused_ void **state) {
        GrubDefault *files = calloc(2, sizeof(*files));
        GrubModes *modes = calloc(1, sizeof(*modes));
        size_t n = 0;

        for (unsigned i = 0; i < 100; i++)
                n += (size_t)snprintf(files[1].linux_words + n, KERNEL_CMDLINE_MAX - n, "word%04u ",
                                      i);
        assert_int_equal(grub_modes_make(&files[0], &files[1], modes), 0);
        assert_in_range(strlen(modes->cmdline), 600, CONFIG_CMDLINE_SIZE - 1);
        assert_int_equal(modes->words[99].fate, GRUB_WORD_REFUSED);
        assert_non_null(strstr(modes->words[99].why_not, "is longer than"));
        for (unsigned i = 100; i < 300; i++)
                n += (size_t)snprintf(files[1].linux_words + n, KERNEL_CMDLINE_MAX - n, "word%04u ",
                                      i);
        assert_int_equal(grub_modes_make(&files[1], &files[0], modes), -E2BIG);
        free(modes);
        free(files);
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "what becomes of each", test_fates, NULL);
        table_add(&table, "their order", test_order, NULL);
        table_add(&table, "too much", test_too_much, NULL);
        return table_run("grub-modes", &table);
}

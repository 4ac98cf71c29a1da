/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/init-text.h"
#include "ctl/text.h"

#define NAME_SIZE 128
#define LINE_WIDTH 90
#define PCI_CLASS_3D 0x0302u /* it has no connector of its own */

typedef struct Writer {
        FILE *file;
        const Setup *setup;
        const InitGrub *grub;
        PciNames *names;
} Writer;

/* As a comment, which may hold anything but the end of a line. */
static void print_function(const Writer *w, const char *before, const Function *function,
                           const char *behind) {
        char address[PCI_ADDRESS_SIZE], class[NAME_SIZE], name[NAME_SIZE];
        _cleanup_free_ char *text = NULL, *clean = NULL;

        (void)pci_names_device(w->names, function->id, name, sizeof(name));
        (void)pci_names_class(w->names, function->class_code, class, sizeof(class));
        text = text_format("%s (%s)", name, class);
        clean = text_clean(text);
        (void)fprintf(w->file, "; %s%s, %s%s\n", before,
                      pci_address_format(function->address, address), clean, behind);
}

static void print_companions(const Writer *w) {
        (void)fputs("functions = all\n", w->file);
        for (size_t i = 0; i < w->setup->n_companions; i++)
                print_function(w, "goes with it: ", w->setup->companions[i], "");
}

/* Whether they may go is for a person to say. */
static void print_strangers(const Writer *w) {
        const Setup *setup = w->setup;
        char address[PCI_ADDRESS_SIZE];

        if (setup->n_strangers == 0)
                return;
        (void)fputs("; Its IOMMU group has more, and is passed through whole or not at all:\n",
                    w->file);
        for (size_t i = 0; i < setup->n_strangers; i++)
                print_function(w, "  ", setup->strangers[i], "");
        (void)fputs("; If they may go with it, all of them:\n; also =", w->file);
        for (size_t i = 0; i < setup->n_strangers; i++)
                (void)fprintf(w->file, " %s",
                              pci_address_format(setup->strangers[i]->address, address));
        (void)fputs("\n", w->file);
}

/* The first is what such a card is for; the other is a peril that somebody has to choose. */
static void print_consent(const Writer *w, const InitAnswers *answers) {
        const char *screen = w->setup->takes_screen ? " boot-vga" : "";
        const char *driver = answers->shared_driver ? " shared-driver" : "";

        if (*screen)
                (void)fputs("; It shows the PC's screen, which is dark while a virtual machine has "
                            "it. That is meant.\n",
                            w->file);
        if (*driver)
                (void)fputs("; Its driver stays loaded, and the card is unbound from it, which "
                            "hangs in the kernel should\n"
                            "; anything use it in that moment. That is meant.\n",
                            w->file);
        if (*screen || *driver)
                (void)fprintf(w->file, "consent =%s%s\n", screen, driver);
        if (answers->needs_shared_driver && !answers->shared_driver)
                (void)fprintf(w->file,
                              "; Its driver has to stay loaded, so a switch is refused. With this "
                              "line%s it is made:\n"
                              "; the card is unbound, which hangs in the kernel should anything "
                              "use it in that moment.\n"
                              "; consent =%s shared-driver\n",
                              *screen ? " instead" : "", screen);
}

static void print_device(const Writer *w, const InitAnswers *answers) {
        const Setup *setup = w->setup;
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];

        (void)fprintf(w->file, "\n; Chosen since %s.\n", setup_choice_text(setup->choice));
        print_function(w, "", setup->first, "");
        (void)fprintf(w->file, "[device gpu]\naddress = %s\nid = %s\n",
                      pci_address_format(setup->first->address, address),
                      pci_id_format(setup->first->id, id));
        print_companions(w);
        print_strangers(w);
        if (setup->host_driver[0] != '\0')
                (void)fprintf(w->file,
                              "; the driver that it has now, and goes back to\n"
                              "host-driver = %s\n",
                              setup->host_driver);
        else
                (void)fputs("; It has no driver of the host's now; unset, the kernel picks one.\n"
                            "; host-driver =\n",
                            w->file);
        print_consent(w, answers);
}

static void print_answer(const Writer *w, const char *comment, const char *key, bool is_wanted) {
        (void)fprintf(w->file, "; %s\n%s%s = yes\n", comment, is_wanted ? "" : "; ", key);
}

/* Each line is one that the parser reads whole. */
static void print_cmdline(const Writer *w) {
        const char *cursor = w->grub->modes.cmdline, *word;
        size_t length, width;

        if (*cursor == '\0')
                return;
        (void)fputs("; what the kernel was told for this mode only; a boot into it gets these\n"
                    "cmdline =",
                    w->file);
        width = strlen("cmdline =");
        while ((word = parse_word(&cursor, &length))) {
                if (width + 1 + length > LINE_WIDTH) {
                        (void)fputs("\n ", w->file);
                        width = 1;
                }
                (void)fprintf(w->file, " %.*s", (int)length, word);
                width += 1 + length;
        }
        (void)fputs("\n", w->file);
}

static const char *why_pages(const Writer *w) {
        if (!w->grub)
                return "; as many as the kernel command line reserves now\n";
        if (!w->grub->modes.pages_were_shared)
                return "; as many as its own GRUB file reserved\n";
        return "; Both GRUB files reserved them, so that the host never had that memory. Now only "
               "this mode\n"
               "; has them. If they cannot be had at run time: boot into the mode (vfio-modectl "
               "next), or\n"
               "; hugepages-keep = yes\n";
}

static void print_hugepages(const Writer *w) {
        const uint32_t *pages = w->grub ? w->grub->modes.pages.pages : w->setup->hugepages;
        const char *why = why_pages(w);

        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                if (pages[size] == 0)
                        continue;
                (void)fprintf(w->file, "%shugepages-%s = %u\n", why, hugepage_name(size),
                              pages[size]);
                why = "";
        }
}

static void print_modes(const Writer *w, const InitAnswers *answers) {
        (void)fputs("\n[mode host]\n\n[mode passthrough]\nvfio-devices = gpu\n", w->file);
        if (w->grub)
                print_cmdline(w);
        print_hugepages(w);
        print_answer(w,
                     w->setup->first->class_code >> 8 == PCI_CLASS_3D
                             ? "log out whoever uses it; else a switch is refused meanwhile"
                             : "log out whoever sits at its screen; else a switch is refused "
                               "meanwhile",
                     "end-sessions", answers->end_sessions);
        print_answer(w, "the start of a virtual machine may switch here (vfio-mode-hooks(7))",
                     "switch-for-vm", answers->switch_for_vm);
        (void)fputs("; back to host where no virtual machine has it in time, and when the last one "
                    "has gone\n"
                    "; expect-vm = 2min\n; on-vm-exit = fallback\n",
                    w->file);
}

char *init_text_make(const Setup *setup, const InitGrub *grub, const InitAnswers *answers,
                     PciNames *names) {
        Writer w = { .setup = setup, .grub = grub, .names = names };
        char *text = NULL;
        size_t size = 0;

        w.file = must_have(open_memstream(&text, &size));
        (void)fputs("; Made by vfio-modectl init; vfio-mode.ini(5) explains every key.\n\n"
                    "[general]\n"
                    "; what a boot goes to when nothing else names a mode\n"
                    "default-mode = host\n"
                    "; where every failure leads\n"
                    "fallback-mode = host\n",
                    w.file);
        print_device(&w, answers);
        print_modes(&w, answers);
        if (fclose(w.file) < 0)
                abort();
        return text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "firmware-framebuffer.h"
#include "machine-facts.h"

#define CPUINFO_PATH "proc/cpuinfo"
#define CPUINFO_MAX (16 * 1024 * 1024) /* some hundreds of processors */
#define INTERRUPTS_MAX (16 * 1024 * 1024)
#define TABLES_DIR "sys/firmware/acpi/tables/"

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

/* The first processor's will do. */
static void read_flags(const Root *root, MachineFacts *ret) {
        _cleanup_free_ char *text = NULL;
        char *flags, *cursor, *word;

        if (file_read_alloc_at(root->fd, CPUINFO_PATH, CPUINFO_MAX, &text) < 0)
                return;
        flags = strstr(text, "\nflags");
        if (!flags)
                return;
        flags++;
        flags[strcspn(flags, "\n")] = '\0';
        cursor = flags;
        while ((word = strsep(&cursor, " \t"))) {
                ret->has_vmx |= strcmp(word, "vmx") == 0;
                ret->has_svm |= strcmp(word, "svm") == 0;
        }
}

/* Of those that go through it the controllers have names with IR (kernel:
 * drivers/iommu/{amd/iommu.c,intel/irq_remapping.c}). */
static void read_interrupts(const Root *root, MachineFacts *ret) {
        _cleanup_free_ char *text = NULL;

        if (file_read_alloc_at(root->fd, "proc/interrupts", INTERRUPTS_MAX, &text) <= 0)
                return;
        ret->interrupts_are_known = true;
        ret->remaps_interrupts = strstr(text, " IR-") || strstr(text, "-IR ");
}

void machine_facts_read(const Root *root, MachineFacts *ret) {
        *ret = (MachineFacts){
                .has_kvm = exists(root, "sys/class/misc/kvm"),
                .has_dmar = exists(root, TABLES_DIR "DMAR"),
                .has_ivrs = exists(root, TABLES_DIR "IVRS"),
        };
        read_flags(root, ret);
        read_interrupts(root, ret);
        firmware_framebuffer_look(root, &ret->screen);
        if (file_read_line_at(root->fd, "proc/cmdline", ret->cmdline, sizeof(ret->cmdline)) < 0)
                ret->cmdline[0] = '\0';
}

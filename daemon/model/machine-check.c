/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "boot-state.h"
#include "cmdline-words.h"
#include "machine-check.h"

#define FIRMWARE_VIRTUALISATION \
        "Switch it on in the firmware's setup (Intel: VT-x; AMD: SVM), and look at dmesg."
#define WORD_SHOWN_MAX 96
#define DOES_SIZE 256
#define FIRMWARE_IOMMU "Switch it on in the firmware's setup (Intel: VT-d; AMD: IOMMU, AMD-Vi)."

/* A word as it stands, or a name up to its "=". */
static bool has_word(const char *cmdline, const char *word) {
        const char *cursor = cmdline, *found;
        size_t length, n = strlen(word);

        while ((found = kernel_cmdline_next(&cursor, &length)))
                if (length >= n && memcmp(found, word, n) == 0 &&
                    (length == n || word[n - 1] == '='))
                        return true;
        return false;
}

static void check_virtualisation(const MachineFacts *facts, Inspection *ret) {
        const char *name = facts->has_svm ? "svm" : "vmx";

        if (!facts->has_svm && !facts->has_vmx)
                inspection_add_check(ret, CHECK_WARN, "virtualisation", FIRMWARE_VIRTUALISATION,
                                     "The processor does not offer virtualisation: it is off in "
                                     "the firmware, or this is a virtual machine.");
        else if (!facts->has_kvm)
                inspection_add_check(ret, CHECK_WARN, "virtualisation", FIRMWARE_VIRTUALISATION,
                                     "The processor offers virtualisation (%s), and the kernel "
                                     "does not use it: the module %s is not loaded, or the "
                                     "firmware keeps it locked.",
                                     name, facts->has_svm ? "kvm_amd" : "kvm_intel");
        else
                inspection_add_check(ret, CHECK_PASS, "virtualisation", "",
                                     "The processor offers virtualisation (%s), and KVM uses it.",
                                     name);
}

/* Intel's is off in many kernels until it is asked for; more than that nobody can do by a word. */
static const char *advise_iommu(const MachineFacts *facts) {
        if (!facts->has_dmar)
                return "Look at dmesg for AMD-Vi.";
        if (kernel_cmdline_has_item(facts->cmdline, "intel_iommu", "on"))
                return "Look at dmesg for DMAR: intel_iommu=on is there already.";
        return "Add intel_iommu=on to the kernel command line.";
}

/* Off in the firmware there is no table; with a table, the kernel was told so. */
static void check_iommu(const MachineFacts *facts, Inspection *ret) {
        static const char *const off[] = { "iommu", "intel_iommu", "amd_iommu" };

        if (facts->has_iommu) {
                inspection_add_check(ret, CHECK_PASS, "iommu", "", "The IOMMU is on.");
                return;
        }
        if (!facts->has_dmar && !facts->has_ivrs) {
                inspection_add_check(ret, CHECK_FAIL, "iommu", FIRMWARE_IOMMU,
                                     "There is no IOMMU: the firmware has none switched on.");
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(off); i++)
                if (kernel_cmdline_has_item(facts->cmdline, off[i], "off")) {
                        inspection_add_check(ret, CHECK_FAIL, "iommu",
                                             "Take it off the kernel command line and reboot.",
                                             "There is no IOMMU: %s=off on the kernel command line "
                                             "keeps it off.",
                                             off[i]);
                        return;
                }
        inspection_add_check(ret, CHECK_FAIL, "iommu", advise_iommu(facts),
                             "There is no IOMMU: the firmware has one, and the kernel does not use "
                             "it.");
}

static void check_interrupts(const MachineFacts *facts, Inspection *ret) {
        if (!facts->has_iommu || !facts->interrupts_are_known)
                return;
        if (facts->remaps_interrupts)
                inspection_add_check(ret, CHECK_PASS, "interrupts", "",
                                     "The IOMMU remaps interrupts.");
        else
                inspection_add_check(ret, CHECK_WARN, "interrupts",
                                     "Look for it in the firmware's setup (x2APIC, VT-d), and at "
                                     "dmesg.",
                                     "The IOMMU does not remap interrupts: no guest gets a device, "
                                     "unless vfio_iommu_type1.allow_unsafe_interrupts=1 lets each "
                                     "send the host any interrupt.");
}

/* As it stands; NULL where it does not. */
static const char *find_word(const char *cmdline, const CmdlineWord *word, size_t *ret_length) {
        const char *cursor = cmdline, *found;

        while ((found = kernel_cmdline_next(&cursor, ret_length)))
                if (cmdline_word_find(found, *ret_length) == word)
                        return found;
        return NULL;
}

/* What is too long, or not plain text, is called as the table has it. */
static bool can_be_shown(const char *word, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (word[i] <= ' ' || word[i] > '~')
                        return false;
        return length <= WORD_SHOWN_MAX;
}

/* "efi-framebuffer.0" is for efifb, and so on (kernel: drivers/firmware/sysfb.c). */
static bool is_for(const FirmwareScreen *screen, const char *driver) {
        size_t n = strlen(driver) - strlen("fb");

        return memcmp(screen->device, driver, n) == 0 && screen->device[n] == '-';
}

/* What keeps a driver from the firmware's screen was obeyed, or there was nothing to keep from it.
 * Once another driver has taken the screen over nobody can tell any more. */
static const char *describe_word(const CmdlineWord *word, const FirmwareScreen *screen,
                                 char buffer[static DOES_SIZE]) {
        const char *driver = cmdline_word_screen(word);

        if (!driver || screen->device[0] == '\0' || strcmp(screen->driver, driver) == 0)
                return word->does;
        if (screen->driver[0] != '\0')
                (void)snprintf(buffer, DOES_SIZE, "does nothing here: %s has the firmware's screen",
                               screen->driver);
        else if (is_for(screen, driver))
                (void)snprintf(buffer, DOES_SIZE,
                               "keeps %s from the firmware's screen here, which no driver has",
                               driver);
        else
                (void)snprintf(
                        buffer, DOES_SIZE,
                        "does nothing here: the firmware's screen is %s, which %s is not for",
                        screen->device, driver);
        return buffer;
}

/* Returns whether there was something to say. */
static bool check_word(const MachineFacts *facts, const char *cmdline, const char *where,
                       const CmdlineWord *word, Inspection *ret) {
        char does[DOES_SIZE];
        size_t length;
        const char *found = find_word(cmdline, word, &length);

        if (!found)
                return false;
        if (!can_be_shown(found, length)) {
                found = word->word;
                length = strlen(found);
        }
        inspection_add_check(ret, CHECK_WARN, "cmdline-words", word->advice, "%.*s %s %s.",
                             (int)length, found, where, describe_word(word, &facts->screen, does));
        return true;
}

bool machine_has_no_intel_iommu(const MachineFacts *facts) {
        return facts->has_ivrs && !facts->has_dmar;
}

/* Of an IOMMU that the machine does not have. */
static bool check_iommu_words(const MachineFacts *facts, Inspection *ret) {
        char value[2];

        if (!machine_has_no_intel_iommu(facts) ||
            kernel_cmdline_value(facts->cmdline, "intel_iommu", value, sizeof(value)) == -ENOENT)
                return false;
        inspection_add_check(ret, CHECK_WARN, "cmdline-words",
                             "Take it off; the IOMMU of AMD is on by itself.",
                             "intel_iommu= on the kernel command line does nothing here: the "
                             "machine's IOMMU is AMD's.");
        return true;
}

/* What people copy from each other. What is for a mode alone is in its place in a boot into one,
 * and what harms is not in a mode's own line either. */
static void check_words(const MachineFacts *facts, const char *more, Inspection *ret) {
        const CmdlineWord *word;
        BootMarker marker;
        bool is_mode, is_said;

        is_mode = boot_marker_find(facts->cmdline, &marker) > 0 && boot_kind_is_armed(marker.kind);
        is_said = check_iommu_words(facts, ret);
        for (size_t i = 0; (word = cmdline_word_at(i)); i++) {
                if (word->kind == CMDLINE_WORD_KNOWN ||
                    (word->kind == CMDLINE_WORD_MODE && is_mode))
                        continue;
                if (check_word(facts, facts->cmdline, "on the kernel command line", word, ret) ||
                    (word->kind == CMDLINE_WORD_WRONG &&
                     check_word(facts, more, "in the mode's cmdline", word, ret)))
                        is_said = true;
        }
        if (!is_said)
                inspection_add_check(ret, CHECK_PASS, "cmdline-words", "",
                                     "The kernel command line has none of the words that do "
                                     "nothing here, or harm.");
}

void machine_check(const MachineFacts *facts, const char *more, Inspection *ret) {
        check_virtualisation(facts, ret);
        check_iommu(facts, ret);
        check_interrupts(facts, ret);
        check_words(facts, more, ret);
}

/* Until the boot unit takes the card, the firmware's picture is there to type at. */
void machine_check_passphrase(const char *cmdline, const char *more, Inspection *ret) {
        /* The video= words are for two drivers; simpledrm and its like show the picture all the
         * same. */
        static const struct {
                const char *word;
                CheckResult result;
        } off[] = {
                { "initcall_blacklist=sysfb_init", CHECK_FAIL },
                { "video=efifb:off", CHECK_WARN },
                { "video=vesafb:off", CHECK_WARN },
        };

        for (size_t i = 0; i < ARRAY_SIZE(off); i++)
                if (has_word(cmdline, off[i].word) || has_word(more, off[i].word)) {
                        inspection_add_check(
                                ret, off[i].result, "passphrase",
                                "Take it off, or have the disk unlocked without a "
                                "person at this screen.",
                                "The root is encrypted, and in a boot into the mode %s "
                                "picture is there to type a passphrase at: %s.",
                                off[i].result == CHECK_FAIL ? "no" : "perhaps no", off[i].word);
                        return;
                }
        inspection_add_check(ret, CHECK_WARN, "passphrase",
                             "See once, with a second way in, that it can be typed there.",
                             "The root is encrypted: in a boot into the mode a passphrase is asked "
                             "for on the firmware's picture, without the host's driver.");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmdline-words.h"

#define NEEDED_NO_MORE \
        "Take it off: since kernel 6.0 vfio-pci takes the card from the firmware's screen itself."

#define NO_MODESET "Take it off, unless the host has another driver for its cards."

#define UNSAFE_INTERRUPTS                              \
        "lets a guest send any interrupt to the host", \
                "Take it off where the board has interrupt remapping.", CMDLINE_WORD_WRONG

#define FOR_THE_MODE "Put it into the mode's cmdline, for boots into the mode."

static const CmdlineWord words[] = {
        { "amd_iommu=on", "is no value that the kernel knows, and does nothing",
          "Take it off; the IOMMU of AMD is on by itself.", CMDLINE_WORD_WRONG },
        { "nofb", "is no word that the kernel knows, and does nothing", "Take it off.",
          CMDLINE_WORD_WRONG },
        { "iommu=on", "is no value that the kernel knows, and does nothing", "Take it off.",
          CMDLINE_WORD_WRONG },
        { "pcie_acs_override=",
          "does nothing but in a kernel that is patched for it, as those of Proxmox VE and zen are; "
          "there it makes IOMMU groups look smaller than they are: a guest may reach the host's "
          "memory through what was in them",
          "Take it off, or know that a guest has to be trusted.", CMDLINE_WORD_WRONG },
        { "nomodeset",
          "keeps the host's graphics drivers from the card: no picture returns to the screen",
          "Take it off.", CMDLINE_WORD_WRONG },
        { "vfio_iommu_type1.allow_unsafe_interrupts=1", UNSAFE_INTERRUPTS },
        { "vfio_iommu_type1.allow_unsafe_interrupts=Y", UNSAFE_INTERRUPTS },
        { "vfio_iommu_type1.allow_unsafe_interrupts=y", UNSAFE_INTERRUPTS },
        { "vfio_iommu_type1.allow_unsafe_interrupts=on", UNSAFE_INTERRUPTS },
        { "initcall_blacklist=sysfb_init",
          "leaves the screen dark until a graphics driver is loaded: in a boot with the card on "
          "vfio-pci for good",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "i915.modeset=0",
          "keeps i915 from every card: where it is the host's driver, no picture returns",
          NO_MODESET, CMDLINE_WORD_WRONG },
        { "radeon.modeset=0",
          "keeps radeon from every card: where it is the host's driver, no picture returns",
          NO_MODESET, CMDLINE_WORD_WRONG },
        { "nouveau.modeset=0",
          "keeps nouveau from every card: where it is the host's driver, no picture returns",
          NO_MODESET, CMDLINE_WORD_KNOWN },
        { "module_blacklist=",
          "keeps the kernel from loading these modules even when it is asked to: a host driver "
          "among them cannot come back",
          "Take the host's drivers out of it.", CMDLINE_WORD_WRONG },
        { "modprobe.blacklist=",
          "keeps these modules from being loaded by themselves: a boot that leaves the card to the "
          "host has no picture where they are all of its drivers",
          "Take the host's drivers out of it.", CMDLINE_WORD_KNOWN },
        { "video=vesafb:off,efifb:off",
          "keeps vesafb from the firmware's screen, and nothing else: what is behind the comma is an "
          "option of vesafb's, and none that it has",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "video=efifb:off,vesafb:off",
          "keeps efifb from the firmware's screen, and nothing else: what is behind the comma is an "
          "option of efifb's, and none that it has",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "video=efifb:off",
          "keeps efifb from the firmware's screen, and does nothing where another driver has that, "
          "such as simpledrm",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "video=vesafb:off",
          "keeps vesafb from the firmware's screen, and does nothing where another driver has that",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "video=simplefb:off",
          "keeps simplefb from the firmware's screen, and does nothing where another driver has "
          "that, such as simpledrm",
          NEEDED_NO_MORE, CMDLINE_WORD_MODE },
        { "isolcpus=", "takes processors from the host in each boot that has it", FOR_THE_MODE,
          CMDLINE_WORD_MODE },
        { "nohz_full=", "takes processors from the host in each boot that has it", FOR_THE_MODE,
          CMDLINE_WORD_MODE },
        { "hugepages=", "keeps memory from the host in each boot that has it",
          "Take it off, and set hugepages-1G or hugepages-2M in the mode.", CMDLINE_WORD_MODE },
        { "acpi_enforce_resources=lax",
          "lets drivers use what the firmware's own code uses as well, as those of some sensors "
          "and lamps need it; it has nothing to do with virtual machines",
          "Keep it only for such a driver.", CMDLINE_WORD_KNOWN },
        { "pci_stub.ids=",
          "keeps every device of these ids from the host's drivers, in host mode as well",
          "Take it off: a mode takes its devices by their addresses.", CMDLINE_WORD_KNOWN },
        { "vfio_pci.disable_vga=1",
          "takes legacy VGA from what vfio-pci has: right for guests with UEFI firmware, wrong for "
          "one with SeaBIOS whose first card it is",
          "Keep it as the guests need it.", CMDLINE_WORD_KNOWN },
};

/* Whether it begins with it; '-' and '_' are the same in names. */
static bool begins_with(const char *word, size_t length, const char *wanted, size_t n) {
        if (length < n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (word[i] != wanted[i] && !(word[i] == '-' && wanted[i] == '_'))
                        return false;
        return true;
}

/* Commas part the values of all words that are looked for but of video=, where they are the
 * driver's. */
static bool has_value(const char *values, size_t length, const char *wanted) {
        size_t n = strlen(wanted);
        bool is_list = !strchr(wanted, ':');

        for (;;) {
                const char *end = is_list ? memchr(values, ',', length) : NULL;
                size_t part = end ? (size_t)(end - values) : length;

                if (part == n && memcmp(values, wanted, n) == 0)
                        return true;
                if (!end)
                        return false;
                values += part + 1;
                length -= part + 1;
        }
}

/* The word, or the name up to its "=". */
static bool matches(const char *word, size_t length, const char *wanted) {
        const char *value = strchr(wanted, '=');
        size_t n = value ? (size_t)(value - wanted) + 1 : strlen(wanted);

        if (!begins_with(word, length, wanted, n))
                return false;
        if (!value)
                return length == n;
        return value[1] == '\0' || has_value(word + n, length - n, value + 1);
}

const CmdlineWord *cmdline_word_find(const char *word, size_t length) {
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (matches(word, length, words[i].word))
                        return &words[i];
        return NULL;
}

const char *cmdline_word_screen(const CmdlineWord *word) {
        static const struct {
                const char *word, *driver;
        } screens[] = {
                { "video=efifb:off", "efifb" },
                { "video=vesafb:off", "vesafb" },
                { "video=simplefb:off", "simplefb" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(screens); i++)
                if (strcmp(word->word, screens[i].word) == 0)
                        return screens[i].driver;
        return NULL;
}

const CmdlineWord *cmdline_word_at(size_t index) {
        return index < ARRAY_SIZE(words) ? &words[index] : NULL;
}

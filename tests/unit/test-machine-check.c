/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine lacks for virtual machines, each seen there and not; and where that is read. */
#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "host/firmware-framebuffer.h"
#include "host/machine-facts.h"
#include "table.h"

#define INTEL .has_vmx = true, .has_kvm = true, .has_dmar = true
#define WELL INTEL, .has_iommu = true

static const struct Row {
        const char *title;
        MachineFacts facts;
        const char *id;
        CheckResult result;
        const char *says, *advises; /* words of each */
} rows[] = {
        { "Intel, and all is well",
          { WELL },
          "virtualisation",
          CHECK_PASS,
          "(vmx), and KVM uses",
          "" },
        { "AMD, and all is well",
          { .has_svm = true, .has_kvm = true, .has_ivrs = true, .has_iommu = true },
          "virtualisation",
          CHECK_PASS,
          "(svm), and KVM uses",
          "" },
        { "no virtualisation",
          { .has_iommu = true },
          "virtualisation",
          CHECK_WARN,
          "does not offer virtualisation",
          "VT-x" },
        { "Intel's is locked",
          { .has_vmx = true },
          "virtualisation",
          CHECK_WARN,
          "kvm_intel",
          "dmesg" },
        { "AMD's is locked", { .has_svm = true }, "virtualisation", CHECK_WARN, "kvm_amd", "SVM" },

        { "an IOMMU", { WELL }, "iommu", CHECK_PASS, "is on", "" },
        { "none in the firmware",
          { .has_vmx = true, .cmdline = "intel_iommu=on" },
          "iommu",
          CHECK_FAIL,
          "the firmware has none",
          "VT-d" },
        { "Intel's is not asked for",
          { INTEL, .cmdline = "quiet" },
          "iommu",
          CHECK_FAIL,
          "the kernel does not use it",
          "Add intel_iommu=on" },
        { "Intel's is asked for, and not used all the same",
          { INTEL, .cmdline = "quiet intel-iommu=igfx_off,on" },
          "iommu",
          CHECK_FAIL,
          "the kernel does not use it",
          "dmesg for DMAR: intel_iommu=on is there" },
        { "Intel's is switched off with something else",
          { INTEL, .cmdline = "intel_iommu=sm_on,off" },
          "iommu",
          CHECK_FAIL,
          ": intel_iommu=off",
          "off the kernel command line and reboot" },
        { "a word that only begins like it",
          { INTEL, .cmdline = "iommu=offline intel_iommu=igfx_off,only" },
          "iommu",
          CHECK_FAIL,
          "the kernel does not use it",
          "Add intel_iommu=on" },
        { "Intel's is switched off",
          { INTEL, .cmdline = "quiet intel_iommu=off" },
          "iommu",
          CHECK_FAIL,
          "intel_iommu=off on the kernel command line",
          "reboot" },
        { "each is switched off",
          { INTEL, .cmdline = "iommu=off" },
          "iommu",
          CHECK_FAIL,
          ": iommu=off",
          "reboot" },
        { "AMD's is switched off",
          { .has_ivrs = true, .cmdline = "amd_iommu=off" },
          "iommu",
          CHECK_FAIL,
          "amd_iommu=off",
          "reboot" },
        { "AMD's is not used",
          { .has_ivrs = true, .cmdline = "xiommu=off iommu=offline" },
          "iommu",
          CHECK_FAIL,
          "does not use it",
          "AMD-Vi" },

        { "words that do what they are for",
          { WELL, .cmdline = "intel_iommu=on iommu=pt xhugepages=1 amd_iommu=onward" },
          "cmdline-words",
          CHECK_PASS,
          "none of the words",
          "" },
        { "what is for a mode, in a boot into one",
          { WELL, .cmdline = "vfio_mode.boot=trial.7.0 video=efifb:off isolcpus=2-7 hugepages=4" },
          "cmdline-words",
          CHECK_PASS,
          "none of the words",
          "" },
        { "what is for a mode, in every boot",
          { WELL, .cmdline = "vfio_mode.boot=idle.7.0 hugepages=4" },
          "cmdline-words",
          CHECK_WARN,
          "keeps memory from the host",
          "set hugepages-1G" },
        { "the firmware's screen has another driver",
          { WELL, .cmdline = "video=efifb:off", .screen = { "efi-framebuffer.0", "efidrm" } },
          "cmdline-words",
          CHECK_WARN,
          "video=efifb:off on the kernel command line does nothing here: efidrm has",
          "since kernel 6.0" },
        { "the firmware's screen is another driver's",
          { WELL, .cmdline = "video=vesafb:off", .screen = { "efi-framebuffer.0", "" } },
          "cmdline-words",
          CHECK_WARN,
          "screen is efi-framebuffer.0, which vesafb is not for",
          "since kernel 6.0" },
        { "the firmware's screen is kept from its driver",
          { WELL, .cmdline = "video=vesafb:off", .screen = { "vesa-framebuffer.0", "" } },
          "cmdline-words",
          CHECK_WARN,
          "keeps vesafb from the firmware's screen here, which no driver has",
          "since kernel 6.0" },
        { "the driver has the firmware's screen all the same",
          { WELL, .cmdline = "video=efifb:off", .screen = { "efi-framebuffer.0", "efifb" } },
          "cmdline-words",
          CHECK_WARN,
          "and does nothing where another driver has that",
          "since kernel 6.0" },
        { "a word that does nothing",
          { WELL, .cmdline = "quiet amd_iommu=on" },
          "cmdline-words",
          CHECK_WARN,
          "amd_iommu=on on the kernel command line is no value",
          "by itself" },
        { "groups that only look small",
          { WELL, .cmdline = "pcie_acs_override=downstream,multifunction" },
          "cmdline-words",
          CHECK_WARN,
          "pcie_acs_override=",
          "trusted" },
        { "no picture",
          { WELL, .cmdline = "nomodeset" },
          "cmdline-words",
          CHECK_WARN,
          "no picture",
          "Take it off." },
        { "drivers that nothing may load",
          { WELL, .cmdline = "module_blacklist=nouveau,nvidia modprobe.blacklist=pcspkr" },
          "cmdline-words",
          CHECK_WARN,
          "module_blacklist=nouveau,nvidia on the kernel command line keeps",
          "Take the host's drivers out" },
        { "a word among others in its value",
          { WELL, .cmdline = "vfio_mode.boot=idle.7.0 initcall_blacklist=x,sysfb_init" },
          "cmdline-words",
          CHECK_WARN,
          "initcall_blacklist=x,sysfb_init on the kernel command line leaves",
          "since kernel 6.0" },
        { "what frees the screen, in a boot into the mode",
          { WELL, .cmdline = "vfio_mode.boot=trial.7.0 initcall_blacklist=sysfb_init" },
          "cmdline-words",
          CHECK_PASS,
          "none of the words",
          "" },
        { "what is behind a comma of video=",
          { WELL, .cmdline = "video=vesafb:off,efifb:off" },
          "cmdline-words",
          CHECK_WARN,
          "video=vesafb:off,efifb:off on the kernel command line keeps vesafb",
          "since kernel 6.0" },
        { "what the kernel never knew",
          { WELL, .cmdline = "nofb" },
          "cmdline-words",
          CHECK_WARN,
          "nofb on the kernel command line is no word that the kernel knows",
          "Take it off." },
        { "a driver that takes no card",
          { WELL, .cmdline = "i915.modeset=0 nouveau.modeset=0" },
          "cmdline-words",
          CHECK_WARN,
          "i915.modeset=0 on the kernel command line keeps i915 from every card",
          "another driver" },
        { "Intel's word on AMD's machine",
          { .has_svm = true, .has_ivrs = true, .has_iommu = true, .cmdline = "intel_iommu=on" },
          "cmdline-words",
          CHECK_WARN,
          "intel_iommu= on the kernel command line does nothing here",
          "on by itself" },
        { "a word that cannot be shown",
          { WELL, .cmdline = "isolcpus=\x9b"
                             "31m" },
          "cmdline-words",
          CHECK_WARN,
          "isolcpus= on the kernel command line",
          "cmdline" },
        { "no screen of the firmware's",
          { WELL, .cmdline = "initcall_blacklist=sysfb_init" },
          "cmdline-words",
          CHECK_WARN,
          "leaves the screen dark",
          "since kernel 6.0" },
        { "a name with the other dashes",
          { WELL, .cmdline = "vfio-iommu-type1.allow-unsafe-interrupts=1" },
          "cmdline-words",
          CHECK_WARN,
          "any interrupt",
          "remapping" },
        { "interrupts for the guest",
          { WELL, .cmdline = "vfio_iommu_type1.allow_unsafe_interrupts=1" },
          "cmdline-words",
          CHECK_WARN,
          "any interrupt",
          "remapping" },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        Inspection *inspection = calloc(1, sizeof(*inspection));
        const Check *found = NULL;

        machine_check(&row->facts, "", inspection);
        assert_int_equal(inspection->n_checks, 3);
        for (size_t i = 0; i < inspection->n_checks; i++)
                if (strcmp(inspection->checks[i].id, row->id) == 0)
                        found = &inspection->checks[i];
        assert_non_null(found);
        assert_int_equal(found->result, row->result);
        assert_non_null(strstr(found->message, row->says));
        assert_non_null(strstr(found->advice, row->advises));
        assert_int_equal(found->advice[0] == '\0', row->result == CHECK_PASS);
        free(inspection);
}

/* A mode's own line is the place for what is for it; what harms has none. */
static void test_mode_words(_unused_ void **state) {
        const MachineFacts facts = { WELL, .cmdline = "quiet" };
        Inspection *inspection = calloc(1, sizeof(*inspection));

        machine_check(&facts, "isolcpus=1 video=efifb:off hugepages=4", inspection);
        assert_int_equal(inspection->checks[2].result, CHECK_PASS);
        inspection->n_checks = 0;
        machine_check(&facts, "isolcpus=1 nomodeset", inspection);
        assert_int_equal(inspection->n_checks, 3);
        assert_int_equal(inspection->checks[2].result, CHECK_WARN);
        assert_non_null(
                strstr(inspection->checks[2].message, "nomodeset in the mode's cmdline keeps"));
        free(inspection);
}

/* All that there is to say of, and no room for one more than there is room for. */
static void test_all_words(_unused_ void **state) {
        const MachineFacts facts = { WELL, .cmdline = "amd_iommu=on pcie_acs_override=id:10de:2484 "
                                                      "nomodeset quiet" };
        Inspection *inspection = calloc(1, sizeof(*inspection));

        machine_check(&facts, "", inspection);
        assert_int_equal(inspection->n_checks, 2 + 3);
        for (unsigned i = 0; i < INSPECTION_CHECKS_MAX; i++)
                inspection_add_check(inspection, CHECK_PASS, "x", "", "%u", i);
        assert_int_equal(inspection->n_checks, INSPECTION_CHECKS_MAX);
        free(inspection);
}

#define CPU(flags) "processor\t: 0\nvendor_id\t: x\nflags\t\t: fpu " flags " sse2\nbugs\t\t: svm\n"

static void test_reading(_unused_ void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        _cleanup_(root_close) Root root = ROOT_NULL;
        MachineFacts facts;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        machine_facts_read(&root, &facts);
        assert_false(facts.has_vmx || facts.has_svm || facts.has_kvm || facts.has_dmar ||
                     facts.has_ivrs || facts.has_iommu);
        assert_true(strlen(facts.cmdline) > 0); /* each made-up machine has one */
        fake_host_remove(fake, "proc/cmdline");
        machine_facts_read(&root, &facts);
        assert_string_equal(facts.cmdline, "");

        fake_host_write(fake, "proc/cpuinfo", CPU("vmx") CPU("svm"));
        fake_host_write(fake, "proc/cmdline", "root=/dev/sda1 quiet\n");
        fake_host_write(fake, "sys/class/misc/kvm/dev", "10:232\n");
        fake_host_write(fake, "sys/firmware/acpi/tables/DMAR", "DMAR");
        machine_facts_read(&root, &facts);
        assert_true(facts.has_vmx && facts.has_kvm && facts.has_dmar);
        assert_false(facts.has_svm || facts.has_ivrs);
        assert_string_equal(facts.cmdline, "root=/dev/sda1 quiet");

        fake_host_write(fake, "proc/cpuinfo", CPU("svm"));
        fake_host_write(fake, "sys/firmware/acpi/tables/IVRS", "IVRS");
        machine_facts_read(&root, &facts);
        assert_true(facts.has_svm && !facts.has_vmx && facts.has_ivrs);
}

/* BOOTFB is the device's own; a driver that has claimed nothing may be either of two. */
static void test_reading_the_screen(_unused_ void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        _cleanup_(root_close) Root root = ROOT_NULL;
        FirmwareScreen screen;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        firmware_framebuffer_look(&root, &screen);
        assert_string_equal(screen.device, "");

        fake_host_add_framebuffer(fake, "simple-framebuffer.0", NULL);
        fake_host_write(fake, "proc/iomem", "c0000000-c03e7fff : BOOTFB\n");
        firmware_framebuffer_look(&root, &screen);
        assert_string_equal(screen.device, "");

        fake_host_write(fake, "proc/iomem",
                        "c0000000-c03e7fff : BOOTFB\n  c0000000-c03e7fff : simpledrm\n");
        firmware_framebuffer_look(&root, &screen);
        assert_string_equal(screen.device, "simple-framebuffer.0");
        assert_string_equal(screen.driver, "simpledrm");

        fake_host_remove(fake, "sys/devices/platform/simple-framebuffer.0/driver");
        firmware_framebuffer_look(&root, &screen);
        assert_string_equal(screen.device, "simple-framebuffer.0");
        assert_string_equal(screen.driver, "");
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "all words at once", test_all_words, NULL);
        table_add(&table, "the mode's own words", test_mode_words, NULL);
        table_add(&table, "where it is read", test_reading, NULL);
        table_add(&table, "who has the firmware's screen", test_reading_the_screen, NULL);
        return table_run("machine-check", &table);
}

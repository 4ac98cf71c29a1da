/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/plural.h"
#include "boot/boot-place.h"
#include "ctl/init-remarks.h"
#include "ctl/text.h"
#include "host/conflicts.h"
#include "host/initramfs-conflicts.h"
#include "host/machine-facts.h"
#include "model/boot-state.h"
#include "model/cmdline-words.h"
#include "model/kernel-cmdline.h"

typedef struct Remarks {
        const Setup *setup;
        const Machine *machine;
        const InitFound *found;
        Lines *lines;
        char *edit; /* how to take a word off the kernel command line */
} Remarks;

static char *how_to_edit(const Root *root) {
        _cleanup_free_ BootPlace *place = must_have(calloc(1, sizeof(*place)));

        if (boot_place_find(root, place) < 0)
                place->loader = BOOT_LOADER_UNKNOWN;
        if (place->loader == BOOT_LOADER_GRUB)
                return text_format("take it out of /etc/default/grub, then: %s",
                                   place->grub_command);
        return text_format("take it out of %s", boot_loader_words(place->loader));
}

static void remark_on_cmdline(const Remarks *r) {
        const Setup *setup = r->setup;

        if (setup->ids[0] != '\0')
                lines_add(r->lines,
                          "vfio-pci.ids=%s on the kernel command line binds these in every mode: "
                          "%s",
                          setup->ids, r->edit);
        if (setup->stub_ids[0] != '\0')
                lines_add(r->lines,
                          "pci-stub.ids=%s on the kernel command line keeps these from the host's "
                          "drivers in every mode: %s",
                          setup->stub_ids, r->edit);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (setup->hugepages[size] > 0)
                        lines_add(r->lines,
                                  "%u hugepage%s of %s %s reserved by the kernel command line, in "
                                  "every mode (%s): %s",
                                  setup->hugepages[size], plural_s(setup->hugepages[size]),
                                  hugepage_name(size), plural_are(setup->hugepages[size]),
                                  setup->hugepage_words[size], r->edit);
}

static bool has_pages(const Remarks *r) {
        const uint32_t *pages = r->setup->hugepages;

        if (r->found->grub)
                return page_reservation_is_plain(&r->found->grub->modes.pages);
        return pages[HUGEPAGE_1G] > 0 || pages[HUGEPAGE_2M] > 0;
}

/* PVE::QemuServer::Memory, at each start and end of a guest. */
static void remark_on_proxmox_pages(const Remarks *r) {
        if (has_pages(r) && faccessat(r->machine->root.fd, "etc/pve", F_OK, 0) == 0)
                lines_add(r->lines,
                          "Guests of Proxmox VE that have hugepages: in their configuration make "
                          "and empty the pools themselves: then take hugepages-* out of the mode.");
}

static size_t list_functions(const Setup *setup,
                             PciAddress functions[static PCI_SLOT_FUNCTIONS + 1]) {
        size_t n = 0;

        functions[n++] = setup->first->address;
        for (size_t i = 0; i < setup->n_companions; i++)
                functions[n++] = setup->companions[i]->address;
        return n;
}

static void remark_on_owners(const Remarks *r) {
        _cleanup_free_ Conflicts *conflicts = must_have(calloc(1, sizeof(*conflicts)));
        PciAddress functions[PCI_SLOT_FUNCTIONS + 1];
        size_t n = list_functions(r->setup, functions);

        conflicts_find(&r->machine->root, &r->machine->host, functions, n, conflicts);
        initramfs_conflicts_find(&r->machine->root, &r->machine->host, functions, n, conflicts);
        for (size_t i = 0; i < conflicts->n_conflicts; i++)
                lines_add(r->lines, "%s%s%s", conflicts->conflicts[i].text,
                          conflicts->conflicts[i].advice[0] != '\0' ? " → " : "",
                          conflicts->conflicts[i].advice);
}

/* Whether another remark says it, with what became of the word. */
static bool is_of_pages(const Remarks *r, const Check *check) {
        return (r->setup->hugepages[HUGEPAGE_1G] > 0 || r->setup->hugepages[HUGEPAGE_2M] > 0) &&
               strncmp(check->message, "hugepages=", strlen("hugepages=")) == 0;
}

/* Words that harm a mode on some machines only, so that no check speaks of them. Those of a boot
 * into a mode are the mode's; pci-stub.ids= is said with what it keeps. */
static void remark_on_known_words(const Remarks *r, const char *cmdline) {
        const char *cursor = cmdline, *found;
        BootMarker marker;
        size_t length;

        if (boot_marker_find(cmdline, &marker) >= 0 && boot_kind_is_armed(marker.kind))
                return;
        while ((found = kernel_cmdline_next(&cursor, &length))) {
                const CmdlineWord *word = cmdline_word_find(found, length);

                if (word && word->kind == CMDLINE_WORD_KNOWN &&
                    strcmp(word->word, "pci_stub.ids=") != 0)
                        lines_add(r->lines, "%.*s on the kernel command line %s. → %s", (int)length,
                                  found, word->does, word->advice);
        }
}

/* What the checks of a mode will say: of the IOMMU, and of words on the command line. */
static void remark_on_machine(const Remarks *r) {
        _cleanup_free_ Inspection *found = must_have(calloc(1, sizeof(*found)));
        MachineFacts facts;

        machine_facts_read(&r->machine->root, &facts);
        facts.has_iommu = r->machine->host.iommu;
        machine_check(&facts, "", found);
        for (size_t i = 0; i < found->n_checks; i++) {
                const Check *check = &found->checks[i];

                if (check->result != CHECK_PASS && strcmp(check->id, "virtualisation") != 0 &&
                    !(r->found->grub && strcmp(check->id, "cmdline-words") == 0) &&
                    !is_of_pages(r, check))
                        lines_add(r->lines, "%s → %s", check->message, check->advice);
        }
        if (!r->found->grub)
                remark_on_known_words(r, facts.cmdline);
}

/* Whether another remark says it. */
static bool is_said(const Remarks *r, RefusalKind kind) {
        return (kind == REFUSAL_NO_IOMMU && !r->machine->host.iommu) ||
               (kind == REFUSAL_GROUP_NOT_VIABLE && r->setup->n_strangers > 0) ||
               kind == REFUSAL_CONFLICTING_OWNER;
}

static void remark_on_refusal(const Remarks *r, const InitRefusal *said) {
        const Refusal *refusal = &said->refusal;

        if (is_said(r, refusal->kind))
                return;
        lines_add(r->lines, "%s, a switch to passthrough mode is refused (%s): %s%s",
                  said->is_later ? "Once the host has had the card" : "As things are",
                  refusal_name(refusal->kind), refusal->text,
                  refusal->kind == REFUSAL_SHARED_DRIVER
                          ? " → boot into the mode, where the driver does not have the card yet "
                            "unless the initramfs loads it (vfio-modectl next passthrough); or see "
                            "the line `consent`"
                          : "");
}

static void remark_on_plan(const Remarks *r) {
        for (size_t i = 0; i < r->found->plan->n_refusals; i++)
                remark_on_refusal(r, &r->found->plan->refusals[i]);
}

/* --- the guests --- */

char *init_guests_list(const GuestDefinitions *guests, PciAddress address) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = must_have(open_memstream(&text, &size));

        for (size_t i = 0; i < guests->n; i++)
                if (guest_names_slot(&guests->guests[i], address))
                        (void)fprintf(file, "%s%s", ftell(file) > 0 ? ", " : "",
                                      guests->guests[i].vm.name);
        if (fclose(file) < 0)
                abort();
        return text;
}

static void remark_on_guest(const Remarks *r, const GuestDefinition *guest) {
        _cleanup_free_ char *name = text_quote(guest->vm.name);
        _cleanup_free_ char *command = guest->hypervisor == GUEST_OF_LIBVIRT
                                               ? text_format("virsh autostart --disable %s", name)
                                               : text_format("qm set %s --onboot 0", name);

        if (guest->is_autostarted)
                lines_add(r->lines,
                          "'%s' of %s names it, and starts with the machine: without vfio-mode's "
                          "hook it takes the card from whoever has it, and with the hook it is "
                          "refused in host mode unless switch-for-vm = yes → %s",
                          guest->vm.name, guest_hypervisor_name(guest->hypervisor), command);
        else
                lines_add(r->lines, "'%s' of %s names it.", guest->vm.name,
                          guest_hypervisor_name(guest->hypervisor));
}

static void remark_on_driver(const Remarks *r, const GuestDefinition *guest) {
        PciAddress functions[PCI_SLOT_FUNCTIONS + 1];
        size_t n = list_functions(r->setup, functions);

        if (guest_find_bound(guest, functions, n))
                lines_add(r->lines,
                          "'%s' of %s has it without driver=keep: it is bound to vfio-pci when the "
                          "guest starts, in host mode, too → add driver=keep to its hostpci line, "
                          "which `qm config %s` shows",
                          guest->vm.name, guest_hypervisor_name(guest->hypervisor), guest->vm.name);
}

/* The hypervisor moves these by itself, as a guest names them, and no consent is asked for. One
 * function stands for its slot. */
static void remark_on_its_others(const Remarks *r, const GuestDefinition *guest) {
        const Host *host = &r->machine->host;
        PciAddress last = r->setup->first->address;
        char address[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < host->n_functions; i++) {
                const PciAddress function = host->functions[i].address;

                if (!vm_names_function(&guest->vm, function) ||
                    pci_address_same_slot(function, r->setup->first->address) ||
                    pci_address_same_slot(function, last))
                        continue;
                last = function;
                lines_add(r->lines,
                          "'%s' of %s names %s as well, which the proposal leaves to the host: "
                          "%s takes it when the guest starts, whatever hangs on it. If it is to go "
                          "with the mode, add a [device] for it.",
                          guest->vm.name, guest_hypervisor_name(guest->hypervisor),
                          pci_address_format(function, address),
                          guest_hypervisor_name(guest->hypervisor));
        }
}

static void remark_on_guests(const Remarks *r) {
        const GuestDefinitions *guests = r->found->guests;
        char unread[GUEST_UNREAD_SIZE];
        const char *said = guest_definitions_unread(guests, unread);

        for (size_t i = 0; i < guests->n; i++)
                if (guest_names_slot(&guests->guests[i], r->setup->first->address)) {
                        remark_on_guest(r, &guests->guests[i]);
                        remark_on_driver(r, &guests->guests[i]);
                        remark_on_its_others(r, &guests->guests[i]);
                }
        if (said)
                lines_add(r->lines, "%s: whether it is named there is not known.", said);
}

/* --- ids of others --- */

/* They took these in every mode until now; the proposal leaves them to the host. */
static void remark_on_other_ids(const Remarks *r, const char *ids) {
        const Host *host = &r->machine->host;

        for (size_t i = 0; ids[0] != '\0' && i < host->n_functions; i++) {
                const Function *function = &host->functions[i];
                char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];

                if (!setup_lists_id(ids, function->id) ||
                    pci_address_same_slot(function->address, r->setup->first->address))
                        continue;
                lines_add(r->lines,
                          "%s is %s as well, which vfio-pci was told to take. The proposal leaves "
                          "it to the host: if it is to go, add a [device] for it.",
                          pci_address_format(function->address, address),
                          pci_id_format(function->id, id));
        }
}

void init_remark(const Setup *setup, const Machine *machine, const InitFound *found,
                 Lines *remarks) {
        _cleanup_free_ char *edit = how_to_edit(&machine->root);
        const Remarks r = { setup, machine, found, remarks, edit };

        remark_on_machine(&r);
        remark_on_plan(&r);
        if (found->grub)
                init_grub_remark(found->grub, &machine->root, remarks);
        else
                remark_on_cmdline(&r);
        remark_on_proxmox_pages(&r);
        init_modprobe_remark(found->modprobe, &machine->root, setup, remarks);
        remark_on_other_ids(&r, setup->ids);
        if (strcmp(setup->ids, found->modprobe->ids) != 0)
                remark_on_other_ids(&r, found->modprobe->ids);
        remark_on_owners(&r);
        remark_on_guests(&r);
        if (setup->n_strangers > 0)
                lines_add(remarks,
                          "Its IOMMU group has other devices, without which it cannot go; see the "
                          "line `also`.");
}

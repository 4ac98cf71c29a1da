/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files and sysfs attributes that the kernel has in memory: fast enough to be read at each
 * question, so that no answer is older than the question.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/pci-names.h"
#include "host/state-files.h"
#include "snapshot.h"
#include "view/describe.h"
#include "view/devices.h"
#include "view/drift.h"
#include "view/machine.h"

#define STATE_IDLE "idle"
#define STATE_SWITCHING "switching"
#define STATE_WEDGED "wedged"

/* Cleaned: what was read may not be what D-Bus calls a string. */
static void copy(char *buffer, size_t size, const char *text) {
        _cleanup_free_ char *clean = text_clean(text);
        size_t length = strlen(clean);

        if (length >= size)
                length = size - 1;
        /* Not in the middle of a character. */
        while (length > 0 && ((unsigned char)clean[length] & 0xc0) == 0x80)
                length--;
        (void)memcpy(buffer, clean, length);
        buffer[length] = '\0';
}

bool snapshot_has_mode(const Snapshot *snapshot) {
        return strcmp(snapshot->current_mode, NO_MODE) != 0;
}

bool snapshot_is_switching(const Snapshot *snapshot) {
        return strcmp(snapshot->state, STATE_SWITCHING) == 0;
}

void snapshot_set_switching(Snapshot *snapshot) {
        copy(snapshot->state, sizeof(snapshot->state), STATE_SWITCHING);
}

const SnapshotDevice *snapshot_find_device(const Snapshot *snapshot, const char *address) {
        for (size_t i = 0; i < snapshot->n_devices; i++)
                if (strcmp(snapshot->devices[i].address, address) == 0)
                        return &snapshot->devices[i];
        return NULL;
}

/* --- the mode --- */

static void read_mode(const Machine *machine, Snapshot *ret) {
        const char *mode = machine_mode(machine);
        _cleanup_free_ char *why = NULL;

        copy(ret->state, sizeof(ret->state),
             machine_is_wedged(machine) ? STATE_WEDGED
             : machine->lock_result > 0 ? STATE_SWITCHING
                                        : STATE_IDLE);
        if (machine->is_written)
                ret->writer = machine->undo.writer.pid;
        copy(ret->current_mode, sizeof(ret->current_mode), mode[0] != '\0' ? mode : NO_MODE);
        if (mode[0] == '\0')
                why = machine_why_no_mode(machine);
        copy(ret->mode_reason, sizeof(ret->mode_reason), why ? why : machine->state.reason);
        if (machine->state_result < 0)
                return;
        if (mode[0] != '\0')
                copy(ret->held_by, sizeof(ret->held_by), machine->state.hold.reason);
        copy(ret->source, sizeof(ret->source), machine->state.source);
        ret->mode_since = machine->state.since;
        copy(ret->old_mode, sizeof(ret->old_mode), machine->state.old_mode);
}

static void read_config(const Config *config, Snapshot *ret) {
        if (!config)
                return;
        copy(ret->default_mode, sizeof(ret->default_mode), config->default_mode);
        copy(ret->fallback_mode, sizeof(ret->fallback_mode), config->fallback_mode);
        for (size_t i = 0; i < config->n_modes && i < ARRAY_SIZE(ret->modes.words); i++)
                copy(ret->modes.words[ret->modes.n++], CONFIG_NAME_SIZE, config->modes[i].name);
}

/* --- the next boot and the last --- */

static void read_record(int result, const BootRecord *record, bool *is_known, BootRecord *ret) {
        if (result < 0)
                return;
        *is_known = true;
        ret->time = record->time;
        ret->source = record->source;
        ret->marker.kind = record->marker.kind;
        ret->marker.sequence = record->marker.sequence;
        ret->kind = record->kind;
        ret->confirmed = record->confirmed;
        ret->unconfirmed = record->unconfirmed;
        copy(ret->boot_id, sizeof(ret->boot_id), record->boot_id);
        copy(ret->wanted, sizeof(ret->wanted), record->wanted);
        copy(ret->mode, sizeof(ret->mode), record->mode);
        copy(ret->reason, sizeof(ret->reason), record->reason);
}

static void add_line(SnapshotLines *lines, const char *text) {
        if (lines->n < SNAPSHOT_LINES_MAX)
                copy(lines->lines[lines->n++], SNAPSHOT_LINE_SIZE, text);
}

static void read_next_boot(const Root *root, const Config *config, Snapshot *ret) {
        _cleanup_free_ NextBoot *boot = must_have(calloc(1, sizeof(*boot)));
        NextBootOutlook outlook = { 0 };
        char drift[16][NEXT_BOOT_DRIFT_SIZE];
        size_t n_drift;

        next_boot_read(root, boot);
        next_boot_outlook(boot, config, &outlook);
        copy(ret->next_mode, sizeof(ret->next_mode), outlook.mode);
        copy(ret->next_kind, sizeof(ret->next_kind), outlook.kind ? outlook.kind : "");
        copy(ret->next_arguments, sizeof(ret->next_arguments),
             outlook.arguments ? outlook.arguments : "");
        copy(ret->next_protection, sizeof(ret->next_protection),
             next_boot_protection_name(outlook.protection));
        ret->next_tries_left = outlook.tries_left;
        copy(ret->block_path, sizeof(ret->block_path), boot->place.path);
        copy(ret->grub_directory, sizeof(ret->grub_directory), boot->place.grub_directory);
        read_record(boot->record_is_current ? boot->record_result : -ENOENT, &boot->record,
                    &ret->last_boot.is_known, &ret->last_boot.record);
        copy(ret->last_boot.not_run, sizeof(ret->last_boot.not_run), next_boot_not_run(boot));
        read_record(boot->previous_result, &boot->previous, &ret->last_boot.previous_is_known,
                    &ret->last_boot.previous);
        ret->drift = ret->mode_drift;
        n_drift = config ? next_boot_drift(root, boot, config, drift, ARRAY_SIZE(drift)) : 0;
        for (size_t i = 0; i < n_drift; i++)
                add_line(&ret->drift, drift[i]);
}

/* --- the devices --- */

static void read_name(PciNames **names, const Snapshot *before, PciId id, SnapshotDevice *ret) {
        const SnapshotDevice *known = before ? snapshot_find_device(before, ret->address) : NULL;
        char name[sizeof(ret->name)] = "";

        /* The database is opened for new devices only: it takes milliseconds and megabytes. */
        if (known && strcmp(known->id, ret->id) == 0) {
                copy(ret->name, sizeof(ret->name), known->name);
                return;
        }
        if (!*names && pci_names_open(names) < 0)
                return;
        copy(ret->name, sizeof(ret->name), pci_names_device(*names, id, name, sizeof(name)));
}

static void read_device(const Machine *machine, const DeviceEntry *entry, PciNames **names,
                        const Snapshot *before, SnapshotDevice *ret) {
        const char *wanted = machine_wanted_driver(machine, entry);
        const Function *function = entry->function;
        const SnapshotDevice *known;

        (void)pci_address_format(function->address, ret->address);
        (void)pci_id_format(function->id, ret->id);
        (void)snprintf(ret->class_code, sizeof(ret->class_code), "%06x",
                       function->class_code & 0xffffffu);
        copy(ret->driver, sizeof(ret->driver), function->driver);
        known = machine->host.without_overrides && before
                        ? snapshot_find_device(before, ret->address)
                        : NULL;
        copy(ret->driver_override, sizeof(ret->driver_override),
             known ? known->driver_override : function->driver_override);
        copy(ret->wanted_driver, sizeof(ret->wanted_driver), wanted ? wanted : "");
        ret->iommu_group = function->iommu_group;
        ret->boot_vga = function->boot_vga;
        read_name(names, before, function->id, ret);
}

static void read_devices(const Machine *machine, const Snapshot *before, Snapshot *ret) {
        const Config *config = machine_accepted_config(machine);
        _cleanup_(pci_names_closep) PciNames *names = NULL;
        _cleanup_free_ DeviceEntry *entries = NULL;
        size_t n = 0;

        if (!config || machine->host_result < 0)
                return;
        entries = devices_list(config, &machine->host, &n);
        for (size_t i = 0; i < n && ret->n_devices < SNAPSHOT_DEVICES_MAX; i++) {
                char address[PCI_ADDRESS_SIZE];

                /* One object for a function, however many devices name it. */
                if (!entries[i].function ||
                    snapshot_find_device(ret,
                                         pci_address_format(entries[i].function->address, address)))
                        continue;
                read_device(machine, &entries[i], &names, before, &ret->devices[ret->n_devices]);
                ret->n_devices++;
        }
}

/* While a switch is under way it is not looked for, and nothing is told of that. */
static void read_drift(const Machine *machine, const Snapshot *before, Snapshot *ret) {
        _cleanup_(lines_done) Lines lines = { 0 };

        if (machine->host.without_overrides && machine_mode(machine)[0] != '\0' && before) {
                ret->mode_drift = before->mode_drift;
                return;
        }
        drift_find(machine, &lines);
        for (size_t i = 0; i < lines.n_lines; i++)
                add_line(&ret->mode_drift, lines.lines[i]);
}

static void read_vms(const Root *root, SnapshotVms *ret) {
        _cleanup_free_ VmList *list = must_have(calloc(1, sizeof(*list)));

        if (vm_list_read(root, list) < 0)
                return;
        for (size_t i = 0; i < list->n; i++) {
                SnapshotVm *vm = &ret->vms[ret->n];

                if (!vm_is_expected(&list->vms[i]))
                        continue;
                copy(vm->name, sizeof(vm->name), list->vms[i].name);
                copy(vm->state, sizeof(vm->state), vm_word_name(list->vms[i].word));
                for (size_t j = 0; j < list->vms[i].n_addresses; j++)
                        (void)pci_address_format(list->vms[i].addresses[j],
                                                 vm->addresses[vm->n_addresses++]);
                ret->n++;
        }
}

int snapshot_read(const Root *root, const Snapshot *before, Snapshot *ret) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        int r;

        (void)memset(ret, 0, sizeof(*ret));
        r = machine_read(root, MACHINE_SCAN_ACCEPTED, &machine);
        if (r < 0)
                return r;
        read_mode(machine, ret);
        read_config(machine_config(machine), ret);
        read_devices(machine, before, ret);
        read_drift(machine, before, ret);
        read_next_boot(root, machine_config(machine), ret);
        read_vms(root, &ret->vms);
        return 0;
}

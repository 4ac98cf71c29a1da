/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that is said on the bus, read at once: the properties' values as they are now, to be compared
 * with those that were last told. One struct without pointers; what is not used is zero, so that
 * fields can be compared as bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/next-boot.h"
#include "host/root.h"
#include "model/config.h"
#include "model/device.h"
#include "model/pci-address.h"
#include "model/run-state.h"
#include "model/vm-list.h"

#define SNAPSHOT_DEVICES_MAX 128
#define SNAPSHOT_LINES_MAX 64
#define SNAPSHOT_LINE_SIZE 512

/** A property of type `as`. */
typedef struct SnapshotWords {
        char words[CONFIG_MODES_MAX][CONFIG_NAME_SIZE];
        size_t n;
} SnapshotWords;

/** The same for longer texts. */
typedef struct SnapshotLines {
        char lines[SNAPSHOT_LINES_MAX][SNAPSHOT_LINE_SIZE];
        size_t n;
} SnapshotLines;

/** LastBoot. */
typedef struct SnapshotBoot {
        bool is_known, previous_is_known;
        BootRecord record, previous;
        char not_run[CONFIG_NAME_SIZE]; /**< armed for this boot, which was another; "": none */
} SnapshotBoot;

/** One function of a configured device: an object of org.vfiomode1.Device. */
typedef struct SnapshotDevice {
        char address[PCI_ADDRESS_SIZE];
        char id[PCI_ID_SIZE];
        char class_code[8];
        char name[256];
        char driver[CONFIG_DRIVER_SIZE];
        char driver_override[CONFIG_DRIVER_SIZE];
        char wanted_driver[CONFIG_DRIVER_SIZE];
        int32_t iommu_group;
        int boot_vga;
} SnapshotDevice;

/** A virtual machine that a hook has told of, and not the end of. */
typedef struct SnapshotVm {
        char name[4 * VM_NAME_SIZE]; /**< as it is shown */
        char state[16];
        char addresses[VM_ADDRESSES_MAX][PCI_ADDRESS_SIZE];
        size_t n_addresses;
} SnapshotVm;

/** VMs. */
typedef struct SnapshotVms {
        SnapshotVm vms[VM_LIST_MAX];
        size_t n;
} SnapshotVms;

typedef struct Snapshot {
        char current_mode[CONFIG_NAME_SIZE];
        char mode_reason[RUN_STATE_TEXT_SIZE];
        char state[16];
        char default_mode[CONFIG_NAME_SIZE];
        char fallback_mode[CONFIG_NAME_SIZE];
        char held_by[RUN_STATE_TEXT_SIZE];
        SnapshotWords modes;
        char next_mode[CONFIG_NAME_SIZE];
        char next_kind[16];
        char next_arguments[BOOT_ARGUMENTS_SIZE];
        uint32_t next_tries_left;
        char next_protection[8];
        SnapshotBoot last_boot;
        SnapshotLines drift;
        SnapshotVms vms;
        SnapshotDevice devices[SNAPSHOT_DEVICES_MAX];
        size_t n_devices;

        char source[32];                 /**< of the mode in force; no property */
        uint64_t mode_since;             /**< of its record; no property */
        char old_mode[CONFIG_NAME_SIZE]; /**< the mode before it; no property */
        SnapshotLines mode_drift;        /**< the part of drift that is of the mode; no property */
        int writer; /**< the process that makes a switch's writes; 0: none; no property */
        char block_path[BOOT_PATH_SIZE];     /**< of the boot environment; "": none; no property */
        char grub_directory[BOOT_PATH_SIZE]; /**< of grub.cfg; "": none; no property */
} Snapshot;

/**
 * Looks at the machine.
 *
 * @before: what was seen last: names of devices are taken from it; NULL: nothing
 *
 * Returns 0 or a negative errno; @ret is then undefined.
 */
_must_check_ int snapshot_read(const Root *root, const Snapshot *before, Snapshot *ret);

/** Whether the machine is in a mode. */
bool snapshot_has_mode(const Snapshot *snapshot);

/** Whether a switch is under way, whoever began it. */
bool snapshot_is_switching(const Snapshot *snapshot);

/** Says that one is, which did not get so far that it shows. */
void snapshot_set_switching(Snapshot *snapshot);

/** Finds a device by its address; NULL where there is none. */
const SnapshotDevice *snapshot_find_device(const Snapshot *snapshot, const char *address);

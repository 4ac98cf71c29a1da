/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a virtual machine that is about to start needs of this machine: nothing, the mode in force,
 * or a switch, which its mode has to allow. Pure.
 */
#pragma once

#include "config.h"
#include "host.h"
#include "refusal.h"
#include "vm-list.h"

typedef enum VmDecision {
        VM_NONE,   /**< it names no function of a configured device that any mode hands out */
        VM_READY,  /**< what it names is on vfio-pci */
        VM_SWITCH, /**< to another mode, or to this one anew */
} VmDecision;

/**
 * Decides what to do for a virtual machine.
 *
 * @mode: in force; "": none
 * @ret_mode: where VM_SWITCH: the mode
 *
 * Returns REFUSAL_NONE; REFUSAL_NOT_FOR_VM where no mode has all that it names, or none that has
 * may be switched to for a virtual machine (switch-for-vm).
 */
RefusalKind vm_request_decide(const Config *config, const Host *host, const char *mode,
                              const Vm *vm, VmDecision *ret, char ret_mode[static CONFIG_NAME_SIZE],
                              Refusal *refusal);

/** The word for it on D-Bus: none, ready, switched. */
const char *vm_decision_name(VmDecision decision);

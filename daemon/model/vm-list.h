/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual machines that hypervisors' hooks have told of, and the last that they told of each:
 * as a value, and as lines of text. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "pci-address.h"

#define VM_NAME_SIZE                                                                \
        (127 + 1) /* what libvirt can make a log file's name of is shorter than 256 \
                   */
#define VM_ADDRESSES_MAX 64
#define VM_LIST_MAX 32
#define VM_LIST_SIZE_MAX (64 * 1024)

/** What was told of a virtual machine. */
typedef enum VmWord {
        VM_WORD_BEGUN,      /**< it is about to start, or runs */
        VM_WORD_STOPPED,    /**< it came to its end */
        VM_WORD_ENDED,      /**< it has ended, and how is not known */
        VM_WORD_FAILED,     /**< it did not start, or crashed */
        VM_WORD_RESTARTING, /**< it has ended and comes again at once */
        _VM_WORD_MAX,
} VmWord;

typedef struct Vm {
        char name[VM_NAME_SIZE];
        VmWord word;
        uint64_t time;                          /**< of the word, CLOCK_MONOTONIC in µs */
        PciAddress addresses[VM_ADDRESSES_MAX]; /**< of the host's functions that it was given */
        size_t n_addresses;
} Vm;

typedef struct VmList {
        Vm vms[VM_LIST_MAX];
        size_t n;
} VmList;

/** Whether a virtual machine may be called so: printable, without control characters, and it fits.
 */
bool vm_name_is_valid(const char *name);

/** Whether it was given a function. */
bool vm_names_function(const Vm *vm, PciAddress address);

/** The word for it: begun, stopped, ended, failed, restarting. */
const char *vm_word_name(VmWord word);

/** Finds what ends one by its word: stopped, ended, failed, restarting. Returns 0, or -EINVAL with
 * @ret untouched. */
_must_check_ int vm_word_parse_end(const char *name, VmWord *ret);

/** Whether it is told to run, or to come again at once. */
bool vm_is_expected(const Vm *vm);

/** Finds one by its name; NULL where there is none. */
Vm *vm_list_find(VmList *list, const char *name);

/**
 * Notes one, in place of what was told of it before.
 *
 * Where there is no room, the one that ended longest ago makes it. Returns 0, or -ENOSPC where none
 * has.
 */
_must_check_ int vm_list_note(VmList *list, const Vm *vm);

/**
 * Parses what vm_list_format() wrote.
 *
 * Returns 0; -EBADMSG where it is damaged; -EPROTONOSUPPORT where another version wrote it; or
 * -ENOMEM;
 * @ret is untouched on failure.
 */
_must_check_ int vm_list_parse(const char *text, VmList *ret);

/** Writes it as lines into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int vm_list_format(const VmList *list, char *buffer, size_t size);

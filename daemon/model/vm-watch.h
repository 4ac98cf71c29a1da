/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a virtual machine has come, stayed and gone while a mode is on, and what follows from it:
 * what the guard of the mode decides by. Pure: the guard says what time it is, and whether a
 * process has one of the mode's devices open.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"
#include "vm-list.h"

#define VM_WATCH_SIZE_MAX 512
#define VM_WATCH_REASON_SIZE 384
#define VM_WATCH_SETTLE_USEC (10 * UINT64_C(1000000)) /* who ends sooner has failed to start */
#define VM_WATCH_START_USEC \
        (60 * UINT64_C(1000000)) /* what was announced has, where expect-vm does not say */
#define VM_WATCH_WORD_USEC (5 * UINT64_C(1000000)) /* its hook has, to say how it ended */
#define VM_WATCH_NEVER UINT64_MAX

typedef enum VmPhase {
        VM_EXPECTED, /**< none has come yet */
        VM_THERE,    /**< a process has a device open */
        VM_GONE,     /**< the last one has let go; another one may come while the grace lasts */
        VM_FAILED,   /**< the first one let go before VM_WATCH_SETTLE_USEC had passed */
        VM_OVER,     /**< none is awaited, or none any more */
        _VM_PHASE_MAX,
} VmPhase;

/** What there is to know; all of it outlives a guard that is killed. */
typedef struct VmWatch {
        char mode[CONFIG_NAME_SIZE];
        uint64_t mode_since; /**< of the mode, as its status has it: another switch is another watch
                              */
        VmPhase phase;
        uint64_t since; /**< of the phase, CLOCK_MONOTONIC in µs; 0: its time does not count yet */
        bool has_settled;  /**< one has had a device for VM_WATCH_SETTLE_USEC */
        bool is_for_vm;    /**< the mode was entered for one, which has to come */
        bool is_announced; /**< one that a hook has told of, and has not told the end of */
        bool comes_again;  /**< one is expected after another one, or the same once more */
        bool is_excused;   /**< it came to its end: to be gone is no failure */
        bool has_failed;   /**< a hook said so of the last one */
        bool confirms;     /**< the boot waits to be confirmed by one; not kept, since it may have
                                been confirmed meanwhile */
        uint64_t heard;    /**< the time of the newest word of a hook */
        char vm[VM_NAME_SIZE]; /**< whom that was of; "": nobody */
} VmWatch;

typedef enum VmVerdict {
        VM_WAIT,      /**< until vm_watch_next_look(), or until who has it ends */
        VM_FALL_BACK, /**< for the reason given, which is a failure; the same with the next look */
        VM_GO_BACK,   /**< likewise, but all went well */
        VM_DONE,      /**< nothing depends on one; it comes and goes as it likes */
} VmVerdict;

/**
 * Takes note of what is seen, and decides.
 *
 * @now: CLOCK_MONOTONIC, µs
 * @is_open: whether a process has a device open
 * @what: names of the devices, for the reason
 * @reason: filled with VM_FALL_BACK and VM_GO_BACK: a sentence without its full stop
 */
VmVerdict vm_watch_look(VmWatch *watch, const ConfigMode *mode, uint64_t now, bool is_open,
                        const char *what, char reason[static VM_WATCH_REASON_SIZE]);

/**
 * Hears what hooks have told of a virtual machine since it was last heard of one.
 *
 * @vm: with one of the devices that are watched; to be heard in the order of their times
 */
void vm_watch_hear(VmWatch *watch, const ConfigMode *mode, const Vm *vm, uint64_t now);

/** From now on the time of the phase counts; where it does already, nothing happens. */
void vm_watch_start_clock(VmWatch *watch, uint64_t now);

/** When it is to be looked again (CLOCK_MONOTONIC, µs); VM_WATCH_NEVER: not by time. Who has a
 * device is waited for besides. */
uint64_t vm_watch_next_look(const VmWatch *watch, const ConfigMode *mode, uint64_t now);

/** Says in words what is awaited, for `systemctl status`. Returns @buffer. */
const char *vm_watch_describe(const VmWatch *watch, const ConfigMode *mode, const char *what,
                              char buffer[static VM_WATCH_REASON_SIZE]);

/**
 * Parses what vm_watch_format() wrote.
 *
 * Returns 0; -EBADMSG where it is damaged or says less, with @ret untouched.
 */
_must_check_ int vm_watch_parse(const char *text, VmWatch *ret);

/** Writes it as lines into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int vm_watch_format(const VmWatch *watch, char *buffer, size_t size);

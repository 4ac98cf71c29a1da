/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb rom. Everything is put back before the first byte goes out, so that a reader who is slow
 * or goes away has nothing to do with it; and until then signals wait.
 * Where it is killed all the same, the writer puts back; where that is killed, too, or gets stuck,
 * the undo log says so to the next run, which does (home-rom.h).
 *
 * A ROM may share its decoder with the other BARs (kernel: pci_enable_rom()): whoever uses the
 * function does not reach it while a page of the ROM is read. So one that a guest has is left
 * alone, and no switch begins meanwhile; whether a driver of the host may be disturbed, the caller
 * has decided.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "home-rom.h"
#include "host/holders.h"
#include "host/host-scan.h"
#include "host/pci-rom-scan.h"
#include "host/state-files.h"
#include "lock.h"
#include "situation.h"
#include "sysfs.h"
#include "verbs.h"
#include "wedged.h"

typedef struct RomReading {
        const Root *root;
        PciAddress address;
        char name[PCI_ADDRESS_SIZE];
        Function function;
        PciRomResource resource;
        char mode[CONFIG_NAME_SIZE]; /* in force; "": none */
        UndoLog undo;
        Writer writer;
        uint8_t *data;
        size_t size;
} RomReading;

static void rom_reading_done(RomReading *reading) {
        writer_close(&reading->writer);
        undo_log_close(&reading->undo);
        free(reading->data);
}

/* --- whether it may be read --- */

static RefusalKind open_log(RomReading *reading, const RunState *before, Refusal *refusal) {
        int r;

        r = undo_log_open(reading->root, reading->mode, reading->mode, before, &reading->undo);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The undo log /" UNDO_PATH " cannot be written: %s.",
                                   strerror(-r));
        reading->writer.log = &reading->undo;
        return REFUSAL_NONE;
}

/* Where the function is stuck, the log stays: it says whose end to wait for. */
static void close_log(RomReading *reading) {
        int r;

        if (reading->writer.is_stuck)
                return;
        r = undo_log_remove(&reading->undo);
        if (r < 0)
                log_warning_errno(r, "The undo log /" UNDO_PATH " cannot be removed: %m");
}

/* A reading that was killed. A switch that was is for another switch to go on from. */
static RefusalKind finish_earlier(RomReading *reading, Refusal *refusal) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        RefusalKind kind;
        int r;

        r = undo ? undo_read(reading->root, undo) : -ENOMEM;
        if (r == -ENOENT)
                return REFUSAL_NONE;
        if (r < 0 || !run_state_is_of_rom(undo))
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "A switch was cut short; go to a mode first.");
        kind = open_log(reading, undo, refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        home_rom_put_back(&reading->writer, &undo->rom);
        close_log(reading);
        writer_close(&reading->writer); /* signals are held for the one that reads, but not yet */
        return reading->writer.is_stuck ? wedged_refuse(&reading->writer, refusal) : REFUSAL_NONE;
}

/* Nobody takes the device meanwhile. Before anything of it is looked at. */
static RefusalKind lock_switches(RomReading *reading, int *ret_fd, Refusal *refusal) {
        _cleanup_free_ Situation *now = calloc(1, sizeof(*now));
        int r;

        if (!now)
                return refusal_set(refusal, REFUSAL_FAILED, "Out of memory.");
        r = lock_take(reading->root, false, ret_fd);
        if (r == -EAGAIN)
                return lock_refuse(reading->root, refusal);
        if (r < 0)
                return refusal_set(refusal,
                                   r == -EACCES || r == -EPERM ? REFUSAL_NOT_AUTHORISED
                                                               : REFUSAL_FAILED,
                                   "The lock of switches cannot be taken: %s.", strerror(-r));
        now->root = reading->root;
        now->mode = "";
        if (situation_read_state(now) < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "Out of memory.");
        (void)snprintf(reading->mode, sizeof(reading->mode), "%s", now->state.mode);
        return situation_check_writer(now, true, refusal);
}

static RefusalKind check_holder(RomReading *reading, const char *verb, Refusal *refusal) {
        Holder holder;
        int r;

        if (!reading->function.on_vfio)
                return REFUSAL_NONE;
        r = holders_find_vfio_of(reading->root, &reading->function, &holder);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "Processes using VFIO cannot be looked for: %s.", strerror(-r));
        return holder.pid == 0 ? REFUSAL_NONE
                               : refusal_set_holder(refusal, reading->address, &holder, verb);
}

static RefusalKind refuse_none(const RomReading *reading, Refusal *refusal) {
        return refusal_set(refusal, REFUSAL_NOT_FOUND, "%s has no expansion ROM.", reading->name);
}

static RefusalKind look(RomReading *reading, Refusal *refusal) {
        int r;

        r = host_scan_function(reading->root, reading->address, &reading->function);
        if (r == -ENOENT || r == -ENODEV)
                return refusal_set(refusal, REFUSAL_NOT_FOUND, "There is no PCI function at %s.",
                                   reading->name);
        if (r >= 0)
                r = pci_rom_scan(reading->root, reading->address, &reading->resource);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "%s cannot be looked at: %s.",
                                   reading->name, strerror(-r));
        if (reading->resource.size == 0)
                return refuse_none(reading, refusal);
        if (reading->resource.size > PCI_ROM_SIZE_MAX)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "%s says that its ROM is larger than any can be.",
                                   reading->name);
        return check_holder(reading, "is in use", refusal);
}

/* --- signals --- */

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

/* One that is ignored, as by nohup(1), waits like the others. */
static bool is_interrupted(void) {
        struct sigaction action;
        sigset_t pending;

        (void)sigpending(&pending);
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
                if (sigismember(&pending, ends[i]) == 1 && sigaction(ends[i], NULL, &action) >= 0 &&
                    action.sa_handler != SIG_IGN)
                        return true;
        return false;
}

/* Whatever they would do to us, also to stop; the writer's child has them blocked as well. */
static void hold_signals(sigset_t *ret_before) {
        sigset_t all;

        (void)sigfillset(&all);
        (void)sigprocmask(SIG_BLOCK, &all, ret_before);
}

/* --- reading --- */

static ssize_t read_noted(RomReading *reading, const HomeRom *rom) {
        ssize_t n;

        n = undo_log_add_rom(&reading->undo, rom);
        if (n < 0)
                return n;
        n = home_rom_open(&reading->writer, rom);
        if (n >= 0)
                n = sysfs_read_rom(&reading->writer, reading->address, reading->data,
                                   (size_t)reading->resource.size, is_interrupted);
        home_rom_put_back(&reading->writer, rom);
        return n;
}

/* Returns how many bytes, or the error where it is not @refusal that says it. */
static ssize_t read_rom(RomReading *reading, Refusal *refusal) {
        const HomeRom rom =
                home_rom_note(reading->root, reading->address, reading->resource.is_shadow);
        sigset_t before;
        ssize_t n = 0;

        reading->data = malloc((size_t)reading->resource.size);
        if (!reading->data)
                return -ENOMEM;
        hold_signals(&before);
        if (open_log(reading, NULL, refusal) == REFUSAL_NONE) {
                n = read_noted(reading, &rom);
                close_log(reading);
        }
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return n;
}

static RefusalKind refuse_unreadable(const RomReading *reading, Refusal *refusal) {
        if (reading->resource.is_shadow)
                return refusal_set(
                        refusal, REFUSAL_NOT_FOUND,
                        "For the card that the PC has booted with, %s, the kernel reads a copy of "
                        "the ROM in memory, and this firmware has left none there; boot once with "
                        "another card as the first display.",
                        reading->name);
        return refusal_set(refusal, REFUSAL_NOT_FOUND,
                           "%s gives nothing that the kernel takes for a ROM; its log says what it "
                           "found (dmesg), 0xffff of a function that does not answer.",
                           reading->name);
}

static RefusalKind refuse_error(const RomReading *reading, int error, Refusal *refusal) {
        if (refusal->kind != REFUSAL_NONE)
                return refusal->kind;
        if (reading->writer.is_stuck)
                return wedged_refuse(&reading->writer, refusal);
        switch (error) {
        case -EIO:
                return refuse_unreadable(reading, refusal);
        case -ENOENT:
                return refuse_none(reading, refusal);
        case -EINTR:
                return refusal_set(refusal, REFUSAL_FAILED, "Interrupted.");
        case -ETIME:
                return refusal_set(refusal, REFUSAL_FAILED, "Reading the ROM of %s takes too long.",
                                   reading->name);
        case -EINVAL:
                return refusal_set(refusal, REFUSAL_BUSY,
                                   "Somebody else has disabled the ROM of %s meanwhile.",
                                   reading->name);
        case -EACCES:
        case -EPERM:
                return refusal_set(refusal, REFUSAL_NOT_AUTHORISED,
                                   "Only root may read the ROM of %s.", reading->name);
        default:
                return refusal_set(refusal, REFUSAL_FAILED, "The ROM of %s cannot be read: %s.",
                                   reading->name, strerror(-error));
        }
}

static RefusalKind read_all(RomReading *reading, Refusal *refusal) {
        _cleanup_close_ int lock = -1;
        RefusalKind kind;
        ssize_t n;

        kind = lock_switches(reading, &lock, refusal);
        if (kind == REFUSAL_NONE)
                kind = finish_earlier(reading, refusal);
        if (kind == REFUSAL_NONE)
                kind = look(reading, refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        n = read_rom(reading, refusal);
        if (n <= 0 || reading->writer.is_stuck)
                return refuse_error(reading, n == 0 ? -EIO : (int)n, refusal);
        reading->size = (size_t)n;
        /* A guest that has begun resets the function, and what was read may be anything. */
        return check_holder(reading, "was taken meanwhile", refusal);
}

RefusalKind apply_rom(const Root *root, const char *address) {
        _cleanup_(rom_reading_done) RomReading reading = { .root = root,
                                                           .undo = UNDO_LOG_NULL,
                                                           .writer = writer_new(root, 0) };
        Refusal refusal = { 0 };
        RefusalKind kind;

        log_set_max_level(LOG_NOTICE); /* a person reads it, between what vfio-modectl says */
        if (pci_address_parse(address, &reading.address) < 0) {
                log_error("'%s' is no PCI address.", address);
                return REFUSAL_NOT_FOUND;
        }
        (void)pci_address_format(reading.address, reading.name);
        if (!root->is_live) {
                log_error("Of a captured machine the file `rom` is what there is to be read.");
                return REFUSAL_NOT_SUPPORTED;
        }
        kind = read_all(&reading, &refusal);
        if (kind != REFUSAL_NONE) {
                log_error("%s", refusal.text);
                return kind;
        }
        if (fwrite(reading.data, 1, reading.size, stdout) != reading.size || fflush(stdout) != 0) {
                log_error_errno(errno, "The ROM of %s cannot be written: %m", reading.name);
                return REFUSAL_FAILED;
        }
        return REFUSAL_NONE;
}

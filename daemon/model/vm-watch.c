/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looked at often only while something is awaited: nothing in the kernel tells everybody that a
 * node was opened (libvirt's QEMU opens a copy of it in a /dev of its own, which inotify does not
 * see). Who has it is waited for, not looked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "vm-watch.h"

#define SEC UINT64_C(1000000)
#define OFTEN_USEC (250 * UINT64_C(1000)) /* for so long after something has changed: */
#define OFTEN_FOR_USEC (5 * SEC)
#define SELDOM_USEC SEC

static const char *const phase_names[_VM_PHASE_MAX] = {
        [VM_EXPECTED] = "expected", [VM_THERE] = "there", [VM_GONE] = "gone",
        [VM_FAILED] = "failed",     [VM_OVER] = "over",
};

bool vm_watch_is_needed(const ConfigMode *mode) {
        return mode->expect_vm > 0 || mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK ||
               mode->confirm == CONFIG_CONFIRM_VM;
}

uint32_t vm_watch_devices(const Config *config, const ConfigMode *mode) {
        const ConfigMode *fallback = config_find_mode(config, config->fallback_mode);

        return mode->vfio_devices & ~(fallback ? fallback->vfio_devices : 0);
}

/* --- what is seen --- */

static void enter(VmWatch *watch, VmPhase phase, uint64_t now) {
        watch->phase = phase;
        watch->since = now;
}

static uint64_t passed(const VmWatch *watch, uint64_t now) {
        return watch->since > 0 && now > watch->since ? now - watch->since : 0;
}

/* How long the phase may last. */
static uint64_t limit(const VmWatch *watch, const ConfigMode *mode) {
        if (watch->phase == VM_EXPECTED && mode->expect_vm > 0 && watch->since > 0)
                return mode->expect_vm * SEC;
        if (watch->phase == VM_GONE)
                return config_vm_exit_grace(mode) * SEC;
        if (watch->phase == VM_FAILED)
                return 0;
        return VM_WATCH_NEVER;
}

static VmPhase phase_after(const VmWatch *watch, const ConfigMode *mode) {
        if (!watch->has_settled && mode->expect_vm > 0)
                return VM_FAILED;
        if (mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK)
                return VM_GONE;
        return watch->has_settled ? VM_OVER : VM_EXPECTED;
}

static void take_note(VmWatch *watch, const ConfigMode *mode, uint64_t now, bool is_open) {
        if (is_open && (watch->phase == VM_EXPECTED || watch->phase == VM_GONE))
                enter(watch, VM_THERE, now);
        if (watch->phase != VM_THERE)
                return;
        watch->has_settled |= passed(watch, now) >= VM_WATCH_SETTLE_USEC;
        if (!is_open)
                enter(watch, phase_after(watch, mode), now);
        else if (watch->has_settled && mode->on_vm_exit == CONFIG_ON_VM_EXIT_STAY)
                enter(watch, VM_OVER, now);
}

VmVerdict vm_watch_look(VmWatch *watch, const ConfigMode *mode, uint64_t now, bool is_open,
                        const char *what, char reason[static VM_WATCH_REASON_SIZE]) {
        take_note(watch, mode, now, is_open);
        if (watch->phase == VM_OVER)
                return VM_DONE;
        if (passed(watch, now) < limit(watch, mode))
                return VM_WAIT;
        if (watch->phase == VM_EXPECTED)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "no VM has opened %s within %" PRIu32 " s", what, mode->expect_vm);
        else if (watch->phase == VM_FAILED)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "the VM that had opened %s has ended within %d s", what,
                               (int)(VM_WATCH_SETTLE_USEC / SEC));
        else
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "the last VM that had opened %s has ended, and none has come for "
                               "%" PRIu32 " s",
                               what, config_vm_exit_grace(mode));
        return VM_FALL_BACK;
}

void vm_watch_start_clock(VmWatch *watch, uint64_t now) {
        if (watch->since == 0)
                watch->since = now;
}

uint64_t vm_watch_next_look(const VmWatch *watch, const ConfigMode *mode, uint64_t now) {
        uint64_t next = now + SELDOM_USEC, end = limit(watch, mode);

        if (watch->phase == VM_OVER)
                return VM_WATCH_NEVER;
        if (watch->phase == VM_THERE)
                return mode->confirm == CONFIG_CONFIRM_VM && !watch->has_settled
                               ? watch->since + VM_WATCH_SETTLE_USEC
                               : VM_WATCH_NEVER;
        if (watch->since > 0 && passed(watch, now) < OFTEN_FOR_USEC)
                next = now + OFTEN_USEC;
        if (end != VM_WATCH_NEVER && watch->since + end < next)
                next = watch->since + end;
        return next > now ? next : now;
}

const char *vm_watch_describe(const VmWatch *watch, const ConfigMode *mode, const char *what,
                              char buffer[static VM_WATCH_REASON_SIZE]) {
        if (watch->phase == VM_THERE)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "A VM has opened %s.", what);
        else if (watch->phase == VM_FAILED || watch->phase == VM_OVER)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "Nothing is awaited any more.");
        else if (watch->phase == VM_EXPECTED && mode->expect_vm == 0)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "No VM has opened %s yet.", what);
        else if (watch->phase == VM_EXPECTED && watch->since == 0)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE,
                               "Waiting for multi-user.target; then a VM has to open %s within "
                               "%" PRIu32 " s.",
                               what, mode->expect_vm);
        else
                (void)snprintf(
                        buffer, VM_WATCH_REASON_SIZE, "Waiting %" PRIu32 " s for a VM to open %s.",
                        watch->phase == VM_GONE ? config_vm_exit_grace(mode) : mode->expect_vm,
                        what);
        return buffer;
}

/* --- as text --- */

int vm_watch_format(const VmWatch *watch, char *buffer, size_t size) {
        int n;

        n = snprintf(buffer, size,
                     "mode=%s\nmode-since=%" PRIu64 "\nphase=%s\nsince=%" PRIu64 "\nsettled=%s\n",
                     watch->mode, watch->mode_since, phase_names[watch->phase], watch->since,
                     watch->has_settled ? "yes" : "no");
        return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}

static int parse_phase(const char *value, VmPhase *ret) {
        for (VmPhase phase = 0; phase < _VM_PHASE_MAX; phase++)
                if (strcmp(value, phase_names[phase]) == 0) {
                        *ret = phase;
                        return 0;
                }
        return -EBADMSG;
}

static int parse_line(const char *key, const char *value, VmWatch *watch, bool *has_phase) {
        int r = -EBADMSG;

        if (strcmp(key, "mode") == 0 && config_name_is_valid(value)) {
                r = parse_copy(watch->mode, sizeof(watch->mode), value, strlen(value));
        } else if (strcmp(key, "mode-since") == 0) {
                r = parse_decimal(value, UINT64_MAX, &watch->mode_since);
        } else if (strcmp(key, "phase") == 0) {
                r = parse_phase(value, &watch->phase);
                *has_phase = r >= 0;
        } else if (strcmp(key, "since") == 0) {
                r = parse_decimal(value, INT64_MAX, &watch->since);
        } else if (strcmp(key, "settled") == 0) {
                watch->has_settled = strcmp(value, "yes") == 0;
                r = watch->has_settled || strcmp(value, "no") == 0 ? 0 : -EBADMSG;
        }
        return r < 0 ? -EBADMSG : 0;
}

int vm_watch_parse(const char *text, VmWatch *ret) {
        VmWatch watch = { 0 };
        char line[VM_WATCH_SIZE_MAX];
        bool has_phase = false;
        const char *value;
        int r;

        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                r = parse_line(line, value, &watch, &has_phase);
                if (r < 0)
                        return r;
        }
        if (r < 0 || watch.mode[0] == '\0' || !has_phase)
                return -EBADMSG;
        *ret = watch;
        return 0;
}

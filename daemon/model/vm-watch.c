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

/* --- what is seen --- */

static void enter(VmWatch *watch, VmPhase phase, uint64_t now) {
        watch->phase = phase;
        watch->since = now;
}

static uint64_t passed(const VmWatch *watch, uint64_t now) {
        return watch->since > 0 && now > watch->since ? now - watch->since : 0;
}

/* Whether the mode is pointless without one. */
static bool has_to_come(const VmWatch *watch, const ConfigMode *mode) {
        return mode->expect_vm > 0 || watch->is_for_vm;
}

/* Whether anything depends on one. */
static bool is_awaited(const VmWatch *watch, const ConfigMode *mode) {
        return has_to_come(watch, mode) || watch->confirms ||
               mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK;
}

/* How long one may take to come; 0: as long as it likes. */
static uint64_t time_to_come(const VmWatch *watch, const ConfigMode *mode) {
        if (mode->expect_vm > 0)
                return mode->expect_vm * SEC;
        return watch->is_for_vm || watch->comes_again ? VM_WATCH_START_USEC : 0;
}

static uint64_t grace(const VmWatch *watch, const ConfigMode *mode) {
        uint64_t usec = config_vm_exit_grace(mode) * SEC;

        return watch->comes_again && usec < VM_WATCH_START_USEC ? VM_WATCH_START_USEC : usec;
}

/* How long the phase may last. */
static uint64_t limit(const VmWatch *watch, const ConfigMode *mode) {
        uint64_t to_come = time_to_come(watch, mode);

        if (watch->phase == VM_EXPECTED && to_come > 0 && watch->since > 0)
                return to_come;
        if (watch->phase == VM_GONE)
                return grace(watch, mode);
        if (watch->phase == VM_FAILED)
                return watch->is_announced ? VM_WATCH_WORD_USEC : 0;
        return VM_WATCH_NEVER;
}

static VmPhase phase_after(const VmWatch *watch, const ConfigMode *mode) {
        bool has_failed = watch->has_failed || (!watch->has_settled && !watch->is_excused);

        if (has_failed && !watch->has_settled && has_to_come(watch, mode))
                return VM_FAILED;
        if (mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK)
                return VM_GONE;
        return watch->has_settled || (watch->is_excused && !watch->confirms) ? VM_OVER
                                                                             : VM_EXPECTED;
}

static void take_note(VmWatch *watch, const ConfigMode *mode, uint64_t now, bool is_open) {
        /* Over is nothing where the mode goes by its end: that was set since. */
        if (is_open &&
            (watch->phase == VM_EXPECTED || watch->phase == VM_GONE ||
             (watch->phase == VM_OVER && mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK))) {
                enter(watch, VM_THERE, now);
                watch->comes_again = watch->is_excused = watch->has_failed = false;
        }
        if (watch->phase != VM_THERE)
                return;
        watch->has_settled |= passed(watch, now) >= VM_WATCH_SETTLE_USEC;
        if (!is_open)
                enter(watch, phase_after(watch, mode), now);
}

/* Whom a hook has told of, or whoever it was. */
static const char *who(const VmWatch *watch, const char *nobody,
                       char buffer[static VM_NAME_SIZE + 8]) {
        if (watch->vm[0] == '\0')
                return nobody;
        (void)snprintf(buffer, VM_NAME_SIZE + 8, "VM '%s'", watch->vm);
        return buffer;
}

static void say_why(const VmWatch *watch, const ConfigMode *mode, const char *what,
                    char reason[static VM_WATCH_REASON_SIZE]) {
        char name[VM_NAME_SIZE + 8];

        if (watch->phase == VM_EXPECTED)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE, "%s has%s opened %s within %d s",
                               who(watch, "no VM", name), watch->vm[0] != '\0' ? " not" : "", what,
                               (int)(time_to_come(watch, mode) / SEC));
        else if (watch->phase == VM_FAILED && watch->has_failed)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE, "%s has failed",
                               who(watch, "the VM", name));
        else if (watch->has_failed)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "%s has failed, and none has come for %d s",
                               who(watch, "the VM", name), (int)(grace(watch, mode) / SEC));
        else if (watch->phase == VM_FAILED)
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "%s that had opened %s has ended within %d s",
                               who(watch, "the VM", name), what, (int)(VM_WATCH_SETTLE_USEC / SEC));
        else
                (void)snprintf(reason, VM_WATCH_REASON_SIZE,
                               "the last VM that had opened %s has ended, and none has come for "
                               "%d s",
                               what, (int)(grace(watch, mode) / SEC));
}

VmVerdict vm_watch_look(VmWatch *watch, const ConfigMode *mode, uint64_t now, bool is_open,
                        const char *what, char reason[static VM_WATCH_REASON_SIZE]) {
        take_note(watch, mode, now, is_open);
        /* Somebody else may have confirmed the boot, or set on-vm-exit = stay. */
        if ((watch->phase == VM_EXPECTED && !is_awaited(watch, mode)) ||
            (watch->phase == VM_GONE && mode->on_vm_exit != CONFIG_ON_VM_EXIT_FALLBACK))
                enter(watch, VM_OVER, now);
        if (watch->phase == VM_OVER)
                return VM_DONE;
        if (passed(watch, now) < limit(watch, mode))
                return VM_WAIT;
        say_why(watch, mode, what, reason);
        return watch->phase == VM_GONE && !watch->has_failed ? VM_GO_BACK : VM_FALL_BACK;
}

/* --- what is heard --- */

static void hear_begun(VmWatch *watch, uint64_t now) {
        watch->is_announced = true;
        if (watch->phase == VM_GONE) {
                enter(watch, VM_EXPECTED, now);
                watch->comes_again = true;
        } else if (watch->phase == VM_EXPECTED && watch->since > 0) {
                enter(watch, VM_EXPECTED, now);
        }
}

/* One that never had a device has not come to its end. Where nobody knows how one has ended, what
 * was seen of it decides. */
static void hear_end(VmWatch *watch, const ConfigMode *mode, VmWord word, uint64_t now) {
        bool was_announced = watch->is_announced || word == VM_WORD_FAILED;

        watch->is_announced = false;
        watch->has_failed = word == VM_WORD_FAILED ||
                            (watch->phase == VM_EXPECTED && word != VM_WORD_RESTARTING);
        watch->is_excused = !watch->has_failed && word != VM_WORD_ENDED;
        watch->comes_again = word == VM_WORD_RESTARTING;
        if (watch->phase == VM_EXPECTED && watch->has_failed && was_announced &&
            (has_to_come(watch, mode) || watch->has_settled))
                enter(watch, VM_FAILED, now);
        else if (watch->phase == VM_FAILED && watch->is_excused)
                enter(watch, phase_after(watch, mode), now);
        else if (watch->phase == VM_GONE && watch->comes_again)
                enter(watch, VM_GONE, now);
}

void vm_watch_hear(VmWatch *watch, const ConfigMode *mode, const Vm *vm, uint64_t now) {
        if (vm->time <= watch->heard)
                return;
        watch->heard = vm->time;
        (void)memcpy(watch->vm, vm->name, sizeof(watch->vm));
        if (vm->word == VM_WORD_BEGUN)
                hear_begun(watch, now);
        else
                hear_end(watch, mode, vm->word, now);
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
                return watch->confirms && !watch->has_settled ? watch->since + VM_WATCH_SETTLE_USEC
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
        else if (watch->phase == VM_FAILED && watch->is_announced)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE,
                               "The VM that had opened %s has ended; its hook will say how.", what);
        else if (watch->phase == VM_FAILED)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "The VM that had opened %s has ended.",
                               what);
        else if (watch->phase == VM_OVER)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "No VM is awaited.");
        else if (watch->phase == VM_EXPECTED && time_to_come(watch, mode) == 0)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "No VM has opened %s yet.", what);
        else if (watch->phase == VM_EXPECTED && watch->since == 0)
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE,
                               "Waiting for multi-user.target; then a VM has to open %s within "
                               "%d s.",
                               what, (int)(time_to_come(watch, mode) / SEC));
        else
                (void)snprintf(buffer, VM_WATCH_REASON_SIZE, "Waiting %d s for a VM to open %s.",
                               (int)((watch->phase == VM_GONE ? grace(watch, mode)
                                                              : time_to_come(watch, mode)) /
                                     SEC),
                               what);
        return buffer;
}

/* --- as text --- */

typedef struct Flag {
        const char *name;
        size_t offset; /* of the bool in VmWatch */
} Flag;

static const Flag flags[] = {
        { "settled", offsetof(VmWatch, has_settled) },
        { "for-vm", offsetof(VmWatch, is_for_vm) },
        { "announced", offsetof(VmWatch, is_announced) },
        { "again", offsetof(VmWatch, comes_again) },
        { "excused", offsetof(VmWatch, is_excused) },
        { "failed", offsetof(VmWatch, has_failed) },
};

static bool *flag_of(VmWatch *watch, const Flag *flag) {
        return (bool *)((char *)watch + flag->offset);
}

int vm_watch_format(const VmWatch *watch, char *buffer, size_t size) {
        VmWatch copy = *watch;
        int n;

        n = snprintf(buffer, size,
                     "mode=%s\nmode-since=%" PRIu64 "\nphase=%s\nsince=%" PRIu64 "\nheard=%" PRIu64
                     "\nvm=%s\n",
                     watch->mode, watch->mode_since, phase_names[watch->phase], watch->since,
                     watch->heard, watch->vm);
        for (size_t i = 0; i < ARRAY_SIZE(flags) && n >= 0 && (size_t)n < size; i++)
                n += snprintf(buffer + n, size - (size_t)n, "%s=%s\n", flags[i].name,
                              *flag_of(&copy, &flags[i]) ? "yes" : "no");
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

static int parse_flag(const char *key, const char *value, VmWatch *watch) {
        bool is_set = strcmp(value, "yes") == 0;

        if (!is_set && strcmp(value, "no") != 0)
                return -EBADMSG;
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (strcmp(key, flags[i].name) == 0) {
                        *flag_of(watch, &flags[i]) = is_set;
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
        } else if (strcmp(key, "heard") == 0) {
                r = parse_decimal(value, INT64_MAX, &watch->heard);
        } else if (strcmp(key, "vm") == 0 && (value[0] == '\0' || vm_name_is_valid(value))) {
                r = parse_copy(watch->vm, sizeof(watch->vm), value, strlen(value));
        } else {
                r = parse_flag(key, value, watch);
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

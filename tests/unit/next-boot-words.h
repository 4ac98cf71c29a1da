/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words for tests of the next boot: what a person says, and what is to become of it. `m` is the
 * BootMachine.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "boot-machine.h"
#include "boot/efi-one-shot.h"
#include "table.h"

#define DEFAULT_PASSTHROUGH                        \
        "[general]\ndefault-mode = passthrough\n"  \
        "[device gpu]\naddress = 0000:01:00.0\n"   \
        "[mode passthrough]\nvfio-devices = gpu\n" \
        "[mode plain]\nvfio-devices = gpu\n"

/* --- words --- */

static inline RefusalKind once_with(BootMachine *m, const char *mode,
                                    const NextBootOptions *options) {
        return next_boot_set_once(&m->root, &m->config, mode, options, &m->answer, &m->refusal);
}

static inline RefusalKind once(BootMachine *m, const char *mode) {
        return once_with(m, mode, &(NextBootOptions){ 0 });
}

static inline RefusalKind for_good_with(BootMachine *m, const char *mode,
                                        const NextBootOptions *options) {
        return next_boot_set_default(&m->root, &m->config, mode, options, &m->answer, &m->refusal);
}

static inline RefusalKind for_good(BootMachine *m, const char *mode) {
        return for_good_with(m, mode, &(NextBootOptions){ 0 });
}

static inline RefusalKind cancel(BootMachine *m) {
        return next_boot_cancel(&m->root, &m->answer, &m->refusal);
}

static inline RefusalKind confirm_in(BootMachine *m, const char *mode) {
        return next_boot_confirm(&m->root, &m->config, mode, &m->answer, &m->refusal);
}

static inline RefusalKind confirm(BootMachine *m) {
        return confirm_in(m, m->booted);
}

#define ASSERT_DONE(call)                               \
        do {                                            \
                assert_int_equal((call), REFUSAL_NONE); \
                assert_true(m->answer.changed);         \
        } while (0)

#define ASSERT_UNCHANGED(call)                          \
        do {                                            \
                assert_int_equal((call), REFUSAL_NONE); \
                assert_false(m->answer.changed);        \
        } while (0)

#define ASSERT_BOOTS(mode) assert_string_equal(boot_machine_reboot(m), (mode))

static inline void assert_said(const char *text, const char *part) {
        if (!strstr(text, part))
                (void)fprintf(stderr, "said: %s\n", text);
        assert_non_null(strstr(text, part));
}

static inline NextBootOutlook outlook(BootMachine *m) {
        NextBootOutlook ret;

        next_boot_read(&m->root, &m->now);
        next_boot_outlook(&m->now, &m->config, &ret);
        return ret;
}

/* What is announced is what is booted. */
static inline void assert_next(BootMachine *m, const char *mode, const char *kind) {
        NextBootOutlook next = outlook(m);

        assert_string_equal(next.kind, kind);
        assert_string_equal(next.mode, mode);
        assert_string_equal(boot_machine_reboot(m), mode);
}

static inline unsigned count_of(BootMachine *m) {
        next_boot_read(&m->root, &m->now);
        assert_int_equal(m->now.record_result, 0);
        return m->now.record.unconfirmed;
}

/* Where GRUB cannot write. */
static inline void without_a_place(BootMachine *m) {
        boot_machine_mounts(m, "21 1 0:40 / / rw - btrfs x rw\n" MOUNT_EFIVARS);
}

/* What vfio-mode-apply does with the answer. */
static inline void carry_out(BootMachine *m) {
        assert_true(m->answer.needs_efi_write);
        if (strcmp(m->answer.efi_mode, "none") == 0)
                assert_int_equal(efi_one_shot_delete(&m->root), 0);
        else
                assert_int_equal(efi_one_shot_write(&m->root, m->answer.efi_mode), 0);
}

#define ON_MACHINE(title, function) \
        { (title), (function), boot_machine_set_up, boot_machine_tear_down, NULL }

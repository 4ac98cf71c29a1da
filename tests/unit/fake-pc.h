/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine made of words with a root that is open on it, for tests of verbs. */
#pragma once

#include "../fake/fake-host.h"
#include "host/root.h"
#include "model/boot-record.h"

typedef struct FakePC {
        FakeHost *fake;
        Root root;
        BootRecord record; /**< for who reads one */
} FakePC;

/** Makes an empty one, with directories for what a verb leaves in /run and /var/lib. The caller
 * ends it by fake_pc_tear_down(). */
FakePC *fake_pc_new(void);

/** Ends the FakePC that is *state. For cmocka: returns 0. */
int fake_pc_tear_down(void **state);

/** Fails the test where a function is on another driver; "": on none. */
void fake_pc_check_driver(const FakePC *pc, const char *address, const char *driver);

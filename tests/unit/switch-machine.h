/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine of files with one graphics card, for tests of a switch as a whole. */
#pragma once

#include "../fake/fake-host.h"
#include "apply/switch.h"
#include "host/root.h"

#define DISPLAY "0000:01:00.0" /* on nvidia, with its audio function */
#define AUDIO "0000:01:00.1"

typedef struct Machine {
        FakeHost *fake;
        Root root;
        SwitchResult result; /**< of the last switch */
        char *before;        /**< what its functions were on at first */
} Machine;

/** Makes one with @config; nothing is logged from then on. The caller ends it by machine_free(). */
Machine *machine_new(const char *config);

void machine_free(Machine *machine);

/** Switches it for @source, without any unit. */
RefusalKind machine_switch(Machine *machine, const char *mode, const char *source);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signs that somebody may be about to use a device, or has stopped to. None is complete: who has it
 * is looked for in any case.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef enum Sign {
        SIGN_WORD,    /**< a hook has told of a virtual machine */
        SIGN_OPENED,  /**< a VFIO node was opened; not by libvirt's guests, which open a copy of it
                         in  a /dev of their own */
        SIGN_MACHINE, /**< one was registered with systemd-machined(8), or is gone: libvirt's are,
                         before they open anything */
} Sign;

typedef int (*SignHandler)(Sign sign, void *userdata);

typedef struct Signs Signs;

/**
 * Has the handler called at each of them. What cannot be watched is missing, and logged.
 *
 * @handler: the value it returns is that of an event's handler (sd_event_add_io(3))
 * @ret: closed by signs_closep() before the event loop is
 *
 * Returns 0 or -ENOMEM.
 */
_must_check_ int signs_open(sd_event *event, SignHandler handler, void *userdata, Signs **ret);

/** Closes it; for `_cleanup_`. */
void signs_closep(Signs **signs);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power button, taken from systemd-logind as long as it is open here, and heard as the input
 * event that it is. Of what else a keyboard with such a key says the kernel keeps us asleep.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "host/root.h"

typedef struct PowerButton PowerButton;

/** The button was pressed. */
typedef void PowerButtonHandler(void *userdata);

/**
 * Takes the button. Where logind cannot be asked, or there is no button yet, that is tried again.
 *
 * @ret: the caller ends it by power_button_closep(), which gives the button back
 *
 * Returns 0; -ENOMEM; or the error of the event loop.
 */
_must_check_ int power_button_open(const Root *root, sd_event *event, PowerButtonHandler *pressed,
                                   void *userdata, PowerButton **ret);

/** Gives the button back; for `_cleanup_(power_button_closep)`. */
void power_button_closep(PowerButton **button);

/** Says by the PC's speaker, where it has one, that it was heard. */
void power_button_beep(PowerButton *button);

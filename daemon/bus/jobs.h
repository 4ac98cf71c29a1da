/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SwitchMode: one switch at a time, as a job that outlives its caller and, being systemd's, the
 * service. How it went is what vfio-mode-apply left in /run/vfio-mode/result.
 */
#pragma once

#include "request.h"

/** Where jobs are remembered, so that a service that was killed goes on following its own. */
#define JOB_FILE SERVICE_DIR "/job"

/** Begins the switch that is asked for; answers with the job once systemd has taken it. */
void jobs_switch(Request *request);

/** The same to @mode for a BeginVM, which is answered when the switch has ended: by vms_switched(),
 * or by why not. */
void jobs_switch_for_vm(Request *request, const char *mode);

/** Goes on with the job of an earlier instance. Returns 0 or a negative errno. */
_must_check_ int jobs_resume(Service *service);

/** Forgets the job; the switch goes on. */
void jobs_free(Service *service);

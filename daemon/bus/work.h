/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to reach a disk, done by a child, one after the other: a disk may take seconds, a lock
 * may be held. The child says how it went through a pipe and is gone.
 */
#pragma once

#include "boot/next-boot.h"
#include "model/refusal.h"
#include "request.h"

/** What the child says. */
typedef struct WorkAnswer {
        RefusalKind kind; /**< REFUSAL_NONE: done */
        NextBootAnswer answer;
        Refusal refusal;
} WorkAnswer;

typedef struct WorkOrder {
        /** Runs in the child, which has nothing of the service but the root and the arguments. */
        void (*run)(const Root *root, const Arguments *arguments, WorkAnswer *ret);
        /** Runs in the service. */
        void (*done)(Request *request, const WorkAnswer *answer);
} WorkOrder;

/** Has it done for a request, which is refused where that cannot be. */
void work_begin(Request *request, const WorkOrder *order);

/** Begins nothing more until work_go_on(): what was done still has a part to come, and what comes
 * next has to find it done. */
void work_hold(Service *service);
void work_go_on(Service *service);

/** Drops what is not done yet. A child that is at it ends by itself. */
void work_free(Service *service);

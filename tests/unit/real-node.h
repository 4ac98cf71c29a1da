/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests that look for, or end, the processes that have a device node of this very machine open.
 * What of it fails ends the test program.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "../fake/fake-host.h"
#include "host/root.h"

/** Hardly anybody has it open. */
#define REAL_NODE "/dev/full"

typedef enum Manner {
        POLITE,   /**< ends when asked to */
        STUBBORN, /**< does not */
        POLLING,  /**< has the node open for a moment again and again */
} Manner;

/** Waits until no other such test runs, of whatever build: they would end each other. For as long
 * as this process lives. Returns 0, or -1 with errno set. */
int real_node_take(void);

/** Starts a child that has @path open, once it returns (a polling one: soon). */
pid_t real_node_hold(const char *path, Manner manner);

/** fork() for a child that ends with the test, where it is to write a byte to *@ret_ready when it
 * is where the test wants it. The test hands *@ret_ready to real_node_is_ready(). */
pid_t real_node_fork(int *ret_ready);

/** Waits for that byte, and closes @ready. Returns whether it came; the child has ended if not. */
bool real_node_is_ready(int ready);

/** Kills the child. */
void real_node_end(pid_t pid);

/** Gives the fake machine this machine's processes, a writer of the test's own among them. */
void real_node_link_processes(FakeHost *fake, const Root *root);

/** The same for who looks into them: @root is taken for live from now on. */
void real_node_use_processes(FakeHost *fake, Root *root);

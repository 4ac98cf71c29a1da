/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the changes of the next boot share: the block, changed by a rule of model/boot-state and
 * explained where it fails; and the count of unconfirmed boots.
 */
#pragma once

#include "env-file.h"
#include "next-boot.h"

/** A rule: makes @ret of @old. A refusal ends the change. */
typedef RefusalKind (*BlockRule)(const BootState *old, const void *input, BootState *ret,
                                 Refusal *refusal);

/**
 * Changes the block by a rule; one that the rule leaves equal is not written, unless it is damaged.
 *
 * @ret_after: what the block holds then
 * @ret_changed: set where something was written, else left alone
 *
 * Returns the rule's refusal, or why the block could not be written.
 */
RefusalKind next_boot_write(const Root *root, const NextBoot *now, BlockRule rule,
                            const void *input, BootState *ret_after, bool *ret_changed,
                            Refusal *refusal);

/**
 * Makes the block where it is missing, half-made or damaged: an idle one.
 *
 * @now: its state is read anew
 * @ret_changed: set where something was written, else left alone
 */
RefusalKind next_boot_ensure(const Root *root, NextBoot *now, bool *ret_changed, Refusal *refusal);

/** Begins the count of unconfirmed boots anew. @ret_changed: set where it was not 0, else left
 * alone. */
RefusalKind next_boot_reset_count(const Root *root, NextBoot *now, bool *ret_changed,
                                  Refusal *refusal);

/** Seconds since 1970, for new sequences. */
uint64_t next_boot_time(void);

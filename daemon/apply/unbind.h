/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a function from its driver, with a last look at who has it where that is vfio-pci: the
 * kernel would wait for a guest's end, without end.
 */
#pragma once

#include "model/host.h"
#include "model/refusal.h"
#include "writer.h"

/**
 * Unbinds the function.
 *
 * @host: the facts that the plan was made from, for the function's IOMMU group
 * @driver: that it is bound to
 * @ret: filled where somebody has it (busy)
 *
 * Returns 0; -EUSERS where somebody has it, and nothing was written; else as sysfs_unbind(), or the
 * error of looking.
 */
_must_check_ int unbind_unless_held(Writer *writer, const Host *host, PciAddress address,
                                    const char *driver, Refusal *ret);

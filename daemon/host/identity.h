/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine, its users and its guests are called, for a report that is not to say it. */
#pragma once

#include "model/config.h"
#include "model/host.h"
#include "model/redact.h"
#include "root.h"

/**
 * Tells a redactor the host's names (/etc/hostname, /proc/sys/kernel/hostname) and domains
 * (/etc/resolv.conf); of the users in /etc/passwd and of those who are logged in the people's; and
 * guests. A name that is a number, or a word of the product, of the
 * configuration, of the kernel or of a path that is captured, is left out: it would be taken out of
 * what the report is about.
 *
 * @config: NULL: none
 *
 * Returns 0; -ENOMEM; -ENOSPC where there are more than the redactor takes; or the error of reading
 * /etc/passwd, of which only -ENOENT is none.
 */
_must_check_ int identity_read(const Root *root, const Config *config, const Host *host,
                               Redactor *redactor);

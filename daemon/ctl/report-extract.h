/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the machine is not copied into a report, but written anew as far as this project reads
 * it: the file that it stands in is too large, or has secrets.
 */
#pragma once

#include "ctl/report-archive.h"
#include "model/host.h"

/**
 * Adds, where `--root=` looks for them, the lines of modules.alias that are about the machine's
 * functions, and a definition of each guest that names functions of the host. One that could not be
 * read, or found no room, is there as one that cannot be.
 *
 * Returns as report_archive_add_machine().
 */
_must_check_ int report_extract(ReportArchive *archive, const Root *root, const Host *host);

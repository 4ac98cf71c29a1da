/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The archive of a report: redacted entries, each path once. Where two are the same once they are
 * redacted, the first is in it, and the other is missed.
 */
#pragma once

#include "base/tar.h"
#include "host/capture.h"
#include "model/redact.h"
#include "view/words.h"

/** What is in it that `--root=` does not read. */
#define REPORT_DIR "vfio-mode-report"

typedef struct ReportArchive {
        TarWriter tar;
        Redactor *redactor;
        Lines missed; /**< what could not be read, and why */
        bool without_overrides;
        void *names; /**< of the entries so far (tsearch(3)) */
} ReportArchive;

/** Frees what is in it: all but the writer's file. */
void report_archive_done(ReportArchive *archive);

/** Adds what `--root=` reads. Returns 0 or a negative errno, after which the archive is no good. */
_must_check_ int report_archive_add_machine(ReportArchive *archive, const Root *root);

/** Adds a file of the machine's that is not as it is there. Returns as
 * report_archive_add_machine().
 */
_must_check_ int report_archive_add_file(ReportArchive *archive, const char *path,
                                         const char *text);

/** The same of a link. */
_must_check_ int report_archive_add_link(ReportArchive *archive, const char *path,
                                         const char *target);

/** Adds a text below REPORT_DIR. Returns as report_archive_add_machine(). */
_must_check_ int report_archive_add_text(ReportArchive *archive, const char *name,
                                         const char *text);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of log at a time, to stderr.
 *
 * The project's error rule: a function returns zero or a positive value on success and a negative
 * errno on failure, and passes it up. Only the programs' verbs and `apply_*` log, at the level
 * where it can be said what the failure means for the user; everything below is silent. A refusal
 * the user must understand is not an errno but a Refusal (model/refusal.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

#include "cleanup.h"

/**
 * Names the program for its messages. Where stderr is the journal's (`$JOURNAL_STREAM` names it)
 * lines carry the kernel's "<N>" priority prefix, which journald turns into PRIORITY=; else they
 * are led by the program's name.
 *
 * @program: borrowed for the life of the process
 */
void log_open(const char *program);

/** Whether stderr was the journal's at log_open(). */
bool log_is_to_journal(void);

/** Highest priority number that is printed; LOG_INFO at the start. */
void log_set_max_level(int level);

/** A field of a journal entry. */
typedef struct LogField {
        const char *name;  /**< letters in upper case and underscores */
        const char *value; /**< "" or NULL: left out */
} LogField;

/**
 * Makes an entry that programs find by its id (systemd.journal-fields(7), MESSAGE_ID=), with fields
 * beside its text. Where stderr is not the journal's, or journald does not take it at once, the
 * text alone is printed as log_line() does.
 *
 * @id: 32 hexadecimal digits, of conf/catalog
 */
void log_entry(int level, const char *id, const char *text, const LogField *fields, size_t n);

/** Prints one line. @level is one of syslog(3)'s; errno is left as it was. */
void log_line(int level, const char *format, ...) _printf_(2, 3);

/**
 * The same with @error (a negative or positive errno) as what "%m" prints.
 *
 * Returns -abs(@error), so that a caller can log and return in one statement.
 */
int log_line_errno(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_error_errno(error, ...) log_line_errno(LOG_ERR, (error), __VA_ARGS__)
#define log_warning_errno(error, ...) log_line_errno(LOG_WARNING, (error), __VA_ARGS__)

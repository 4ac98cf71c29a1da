/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * None of it can make a switch fail, and none is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/units.h"
#include "model/message-id.h"
#include "model/record.h"
#include "model/switch-origin.h"
#include "tell.h"

#define ISSUE_DIR "run/issue.d"
#define ISSUE_PATH ISSUE_DIR "/vfio-mode.issue"
#define RELOAD_PATH "run/agetty.reload" /* as agetty(8) --reload does */
#define TELL_UNIT "vfio-mode-tell.service"
#define NOTICE_SIZE 1536

static bool is_new_mode(const SwitchResult *result) {
        return result->run.kind == REFUSAL_NONE && strcmp(result->from, result->run.mode) != 0;
}

static bool is_fall(const SwitchResult *result) {
        return is_new_mode(result) && (strcmp(result->source, SOURCE_FALLBACK) == 0 ||
                                       strcmp(result->source, SOURCE_REVERT) == 0);
}

/* --- the journal --- */

static void make_entry(const SwitchResult *result, int level, const char *id, const char *text) {
        const LogField fields[] = {
                { "VFIO_MODE", result->run.mode },
                { "VFIO_MODE_FROM", result->from },
                { "VFIO_MODE_SOURCE", result->source },
                { "VFIO_MODE_REASON", result->reason },
                { "VFIO_MODE_RESULT", refusal_name(result->run.kind) },
        };

        log_entry(level, id, text, fields, ARRAY_SIZE(fields));
}

static void tell_failure(const SwitchResult *result) {
        const RunResult *run = &result->run;
        char text[REFUSAL_TEXT_SIZE + 64];

        (void)snprintf(text, sizeof(text), "%s: %s", refusal_name(run->kind),
                       run->full_text[0] != '\0' ? run->full_text : run->text);
        make_entry(result, LOG_ERR,
                   run->kind == REFUSAL_WEDGED ? MESSAGE_ID_WEDGED : MESSAGE_ID_REFUSED, text);
}

void tell_end(const SwitchResult *result) {
        char text[REFUSAL_TEXT_SIZE + 128];

        if (result->run.kind != REFUSAL_NONE)
                tell_failure(result);
        else if (is_new_mode(result))
                make_entry(result, LOG_INFO, MESSAGE_ID_MODE_CHANGED, result->run.text);
        else
                log_info("%s", result->run.text);
        if (!is_fall(result))
                return;
        (void)snprintf(text, sizeof(text), "Fell back from %s to '%s': %s.",
                       result->from[0] != '\0' ? result->from : "no mode", result->run.mode,
                       result->reason);
        make_entry(result, LOG_NOTICE, MESSAGE_ID_FELL_BACK, text);
}

/* --- everybody --- */

/* agetty takes what follows a backslash for an escape of its own. */
static void print_escaped(FILE *file, const char *text) {
        for (; *text; text++)
                if (*text == '\\')
                        (void)fputs("\\\\", file);
                else
                        (void)fputc((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text,
                                    file);
}

static void print_notice(FILE *file, const SwitchResult *result) {
        time_t now = time(NULL);
        char when[32] = "";
        struct tm local;

        if (localtime_r(&now, &local))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
        if (is_fall(result)) {
                (void)fprintf(file, "vfio-mode: fell back to mode '%s' at %s: ", result->run.mode,
                              when);
                print_escaped(file, result->reason);
                (void)fputs(".\nIt is held; see: vfio-modectl status\n", file);
        } else {
                (void)fprintf(
                        file,
                        "vfio-mode: the card cannot be had back while the machine runs (%s): ",
                        when);
                print_escaped(file, result->run.text);
                (void)fputs("\nThe next boot goes to the fallback mode: reboot to have the screen "
                            "back.\n",
                            file);
        }
}

static int put_up(const Root *root, const SwitchResult *result) {
        char text[NOTICE_SIZE];
        FILE *file = record_begin(text, sizeof(text));
        int length;

        if (!file)
                return -ENOMEM;
        print_notice(file, result);
        length = record_end(file, sizeof(text));
        if (length < 0)
                return length;
        if (mkdirat(root->fd, ISSUE_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        return file_replace_at(root->fd, ISSUE_PATH, text, (size_t)length);
}

/* Consoles that wait for a login show it at once. */
static void show_on_consoles(const Root *root) {
        _cleanup_close_ int fd = openat(root->fd, RELOAD_PATH, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd >= 0)
                (void)futimens(fd, NULL);
}

/* To all terminals, by journald. */
static void tell_stranded(const SwitchResult *result) {
        char text[REFUSAL_TEXT_SIZE + 128];

        (void)snprintf(text, sizeof(text),
                       "The card cannot be had back while the machine runs; reboot it to have the "
                       "screen back. %s",
                       result->run.text);
        make_entry(result, LOG_EMERG, MESSAGE_ID_STRANDED, text);
}

void tell_everybody(const Root *root, const SwitchResult *result) {
        int r;

        if (!is_fall(result) && !result->is_stranded) {
                if (is_new_mode(result) && unlinkat(root->fd, ISSUE_PATH, 0) >= 0)
                        show_on_consoles(root);
                return;
        }
        if (result->is_stranded)
                tell_stranded(result);
        r = put_up(root, result);
        if (r < 0) {
                log_warning_errno(r, "/" ISSUE_PATH " cannot be written: %m");
                return;
        }
        show_on_consoles(root);
        /* What is stranded journald tells terminals of, by its priority. */
        if (root->is_live && !result->is_stranded && units_queue_service(TELL_UNIT) < 0)
                log_warning(TELL_UNIT " cannot be started.");
}

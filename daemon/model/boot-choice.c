/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of sources is the contract of DESIGN §8. A source that speaks decides, be it for the
 * fallback mode because what it names does not exist: a later one is not asked then.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boot-choice.h"

#define WAY_OUT "`vfio-modectl set-default` carries a mode in the boot environment instead"

static void _printf_(4, 5)
        choose(BootChoice *ret, const char *mode, RefusalKind kind, const char *format, ...) {
        va_list arguments;

        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
        ret->kind = kind;
        va_start(arguments, format);
        (void)vsnprintf(ret->reason, sizeof(ret->reason), format, arguments);
        va_end(arguments);
}

static void want(BootChoice *ret, const char *mode) {
        (void)snprintf(ret->wanted, sizeof(ret->wanted), "%s", mode);
}

/* --- what earlier boots did --- */

bool boot_is_repeated(const BootMarker *marker, const BootMarker *before) {
        return boot_kind_is_armed(marker->kind) && marker->kind == before->kind &&
               marker->sequence == before->sequence && marker->left == before->left;
}

/* The record of the boot before, if it is of the same arming as what GRUB saw now. */
static const BootRecord *same_arming(const BootChoiceInput *input) {
        const BootRecord *previous = &input->previous;

        return input->previous_result >= 0 && input->marker.sequence != 0 &&
                               previous->marker.sequence == input->marker.sequence
                       ? previous
                       : NULL;
}

/* Says of a mode whose boots are used up which one it was. */
static void describe_expired(const BootChoiceInput *input, BootChoice *ret) {
        const BootRecord *previous = same_arming(input);
        const char *what = "the trial of";

        if (previous && previous->marker.kind == BOOT_KIND_EXPIRED) {
                (void)snprintf(ret->reason, sizeof(ret->reason), "%s", previous->reason);
                return;
        }
        if (!previous || !boot_kind_is_armed(previous->marker.kind) ||
            previous->wanted[0] == '\0') {
                (void)snprintf(ret->reason, sizeof(ret->reason), "%s",
                               boot_kind_text(BOOT_KIND_EXPIRED));
                return;
        }
        if (previous->marker.kind == BOOT_KIND_ONCE)
                what = "the one boot into";
        else if (previous->marker.kind == BOOT_KIND_DEFAULT)
                what = "the last boots into the default";
        (void)snprintf(ret->reason, sizeof(ret->reason), "%s '%s' %s not confirmed", what,
                       previous->wanted,
                       previous->marker.kind == BOOT_KIND_DEFAULT ? "were" : "was");
}

/*
 * Sequences go up, and under one of them the boots left go down. A block that says otherwise is not
 * the one of the boot before: it came out of a backup, with what was armed then. What was not
 * obeyed for that once is not the next time.
 */
static bool is_restored(const BootChoiceInput *input) {
        const BootMarker *now = &input->marker, *before = &input->previous.marker;
        bool was_refused =
                boot_kind_is_armed(before->kind) && input->previous.kind == REFUSAL_UNPROTECTED;

        return boot_kind_is_armed(now->kind) && input->previous_result >= 0 &&
               (now->sequence < before->sequence ||
                (now->sequence == before->sequence && (now->left > before->left || was_refused)));
}

/* --- the sources --- */

static void choose_fallback(const BootChoiceInput *input, BootChoice *ret) {
        BootKind kind = input->marker.kind;

        want(ret, input->config->fallback_mode);
        choose(ret, input->config->fallback_mode, REFUSAL_NONE,
               "vfio_mode=fallback on the kernel command line");
        switch (kind) {
        case BOOT_KIND_EXPIRED:
                describe_expired(input, ret);
                break;
        case BOOT_KIND_SKIPPED:
        case BOOT_KIND_UNWRITABLE:
        case BOOT_KIND_DAMAGED:
        case BOOT_KIND_MENU:
                (void)snprintf(ret->reason, sizeof(ret->reason), "%s", boot_kind_text(kind));
                break;
        default:
                if (input->request.rescue[0] != '\0')
                        (void)snprintf(ret->reason, sizeof(ret->reason),
                                       "a recovery entry of the boot menu was picked");
                return;
        }
        ret->fell_back = kind == BOOT_KIND_EXPIRED || kind == BOOT_KIND_UNWRITABLE ||
                         kind == BOOT_KIND_DAMAGED;
}

static void choose_named(const BootChoiceInput *input, BootChoice *ret) {
        const KernelCmdlineRequest *request = &input->request;

        ret->source = BOOT_SOURCE_CMDLINE;
        if (!request->mode_is_too_long && strcmp(request->mode, "fallback") == 0) {
                choose_fallback(input, ret);
        } else if (!request->mode_is_too_long && config_find_mode(input->config, request->mode)) {
                want(ret, request->mode);
                if (is_restored(input)) {
                        ret->fell_back = true;
                        choose(ret, input->config->fallback_mode, REFUSAL_UNPROTECTED,
                               "the boot environment is older than that of the boot before, as out "
                               "of a backup, so '%s' of it is not obeyed",
                               request->mode);
                        return;
                }
                choose(ret, request->mode, REFUSAL_NONE, "vfio_mode=%s on the kernel command line",
                       request->mode);
                if (boot_kind_is_armed(input->marker.kind) || input->marker.kind == BOOT_KIND_MENU)
                        (void)snprintf(ret->reason, sizeof(ret->reason),
                                       "vfio_mode=%s on the kernel command line: %s", request->mode,
                                       boot_kind_text(input->marker.kind));
        } else {
                choose(ret, input->config->fallback_mode, REFUSAL_UNKNOWN_MODE,
                       "vfio_mode=%s on the kernel command line names no mode of the configuration",
                       request->mode_is_too_long ? "(too long)" : request->mode);
        }
}

/* It may have asked for the way back. */
static void choose_unread(const BootChoiceInput *input, BootChoice *ret) {
        const char *mode = input->config->default_mode;
        const char *fallback = input->config->fallback_mode;

        ret->source = BOOT_SOURCE_CMDLINE;
        want(ret, mode);
        if (strcmp(mode, fallback) == 0) {
                choose(ret, fallback, REFUSAL_NONE, "the kernel command line cannot be read");
                return;
        }
        ret->fell_back = true;
        choose(ret, fallback, REFUSAL_FAILED,
               "the kernel command line cannot be read, so this boot does not go to default-mode "
               "'%s'",
               mode);
}

static void choose_rescue(const BootChoiceInput *input, BootChoice *ret) {
        ret->source = BOOT_SOURCE_RESCUE;
        want(ret, input->config->fallback_mode);
        choose(ret, input->config->fallback_mode, REFUSAL_NONE,
               "a rescue system was asked for (%s on the kernel command line)",
               input->request.rescue);
}

static void choose_one_shot(const BootChoiceInput *input, BootChoice *ret) {
        ret->source = BOOT_SOURCE_EFI;
        if (input->efi_result < 0) {
                choose(ret, input->config->fallback_mode, REFUSAL_NOT_SUPPORTED,
                       "the one-shot EFI variable is not obeyed, since it cannot be read and "
                       "deleted");
                ret->fell_back = true;
        } else if (config_find_mode(input->config, input->efi_mode)) {
                want(ret, input->efi_mode);
                choose(ret, input->efi_mode, REFUSAL_NONE,
                       "the one-shot EFI variable named '%s' for this boot", input->efi_mode);
        } else {
                choose(ret, input->config->fallback_mode, REFUSAL_UNKNOWN_MODE,
                       "'%s' of the one-shot EFI variable names no mode of the configuration",
                       input->efi_mode);
        }
}

/* Without a count nothing would ever end a row of bad boots into default-mode. */
static void distrust_default(const BootChoiceInput *input, BootChoice *ret) {
        const char *mode = input->config->default_mode;
        const char *fallback = input->config->fallback_mode;
        int r = input->previous_result;

        ret->fell_back = true;
        if (r == -EBADMSG || r == -EPROTONOSUPPORT)
                choose(ret, fallback, REFUSAL_UNPROTECTED,
                       "the record of earlier boots is damaged, so this one does not go to "
                       "default-mode '%s'; it was begun anew",
                       mode);
        else if (r == -ENOTDIR)
                choose(ret, fallback, REFUSAL_UNPROTECTED,
                       "/var/lib/vfio-mode is not there this early, so unconfirmed boots into "
                       "default-mode '%s' cannot be counted; " WAY_OUT,
                       mode);
        else
                choose(ret, fallback, REFUSAL_UNPROTECTED,
                       "unconfirmed boots into default-mode '%s' cannot be counted in "
                       "/var/lib/vfio-mode, which %s; " WAY_OUT,
                       mode, r == -EROFS ? "is read-only" : "cannot be read or written");
}

static void choose_default(const BootChoiceInput *input, BootChoice *ret) {
        const char *mode = input->config->default_mode;

        ret->source = BOOT_SOURCE_DEFAULT;
        want(ret, mode);
        if (strcmp(mode, input->config->fallback_mode) == 0) {
                choose(ret, mode, REFUSAL_NONE, "default-mode of the configuration");
                ret->unconfirmed = 0; /* what was counted was another default-mode */
        } else if (input->previous_result < 0 && input->previous_result != -ENOENT) {
                distrust_default(input, ret);
        } else if (ret->unconfirmed >= BOOT_UNCONFIRMED_MAX) {
                ret->fell_back = true;
                choose(ret, input->config->fallback_mode, REFUSAL_NONE,
                       "the last %u boots into default-mode '%s' were not confirmed",
                       ret->unconfirmed, mode);
        } else {
                ret->unconfirmed++;
                choose(ret, mode, REFUSAL_NONE, "default-mode of the configuration");
        }
}

void boot_choose(const BootChoiceInput *input, BootChoice *ret) {
        const KernelCmdlineRequest *request = &input->request;

        (void)memset(ret, 0, sizeof(*ret));
        ret->unconfirmed = input->previous_result >= 0 ? input->previous.unconfirmed : 0;
        if (input->cmdline_result < 0)
                choose_unread(input, ret);
        else if (request->mode_is_too_long || request->mode[0] != '\0')
                choose_named(input, ret);
        else if (request->rescue[0] != '\0')
                choose_rescue(input, ret);
        else if (input->efi_mode[0] != '\0' || input->efi_result < 0)
                choose_one_shot(input, ret);
        else
                choose_default(input, ret);
}

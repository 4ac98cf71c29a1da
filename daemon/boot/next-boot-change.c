/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One boot into a mode, and a mode from now on. First what could carry it is chosen, then it is
 * written; what is refused leaves the next boot as it was, though a boot environment that was
 * missing or damaged is made for the time after the next boot. An EFI variable that is of no more
 * use is deleted last, by the caller, who says where that failed that the rest is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/kernel-cmdline.h"
#include "next-boot-write.h"

/** All that a change is about. */
typedef struct Request {
        const Root *root;
        const Config *config;
        const NextBootOptions *options;
        const ConfigMode *mode;
        bool is_fallback;
        bool default_is_fallback;
        char arguments[BOOT_ARGUMENTS_SIZE]; /* of the kernel */
        BootTarget target;
        NextBoot now;
        BootState after; /* of the block */
} Request;

static RefusalKind begin(const Root *root, const Config *config, const char *mode,
                         const NextBootOptions *options, Request *ret, Refusal *refusal) {
        const ConfigMode *found = config_find_mode(config, mode);

        *ret = (Request){ .root = root, .config = config, .options = options, .mode = found };
        if (!found)
                return refusal_set(refusal, REFUSAL_UNKNOWN_MODE,
                                   "The configuration has no mode '%s'.", mode);
        ret->is_fallback = strcmp(mode, config->fallback_mode) == 0;
        if (ret->is_fallback && options->tries > 1)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                                   "'%s' is the fallback mode, where boots go when no try is left: "
                                   "it takes no number of tries.",
                                   mode);
        ret->default_is_fallback = strcmp(config->default_mode, config->fallback_mode) == 0;
        if (!ret->is_fallback &&
            kernel_cmdline_arguments(found, ret->arguments, sizeof(ret->arguments)) < 0)
                return refusal_set(refusal, REFUSAL_CMDLINE_TOO_LONG,
                                   "The cmdline of '%s' does not fit into the boot environment.",
                                   mode);
        ret->target = (BootTarget){
                .mode = found->name,
                .arguments = ret->arguments,
                .is_fallback = ret->is_fallback,
                .tries = options->tries == 0               ? 1
                         : options->tries > BOOT_TRIES_MAX ? BOOT_TRIES_MAX
                                                           : options->tries,
                .now = next_boot_time(),
        };
        next_boot_read(root, &ret->now);
        if (ret->now.place.own_default[0] == '\0' ||
            (ret->is_fallback && ret->now.place.default_is_fallback))
                return REFUSAL_NONE;
        return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                           "GRUB's default entry '%s' is for one mode: a boot goes there, whatever "
                           "is armed. Name another one as GRUB_DEFAULT in /etc/default/grub, and "
                           "run %s.",
                           ret->now.place.own_default, ret->now.place.grub_command);
}

/* --- what can carry a mode --- */

/* GRUB will read the block. */
static bool block_is_read(const NextBoot *now) {
        return now->place.path[0] != '\0' && now->place.has_scripts;
}

bool next_boot_is_counted(const NextBoot *now) {
        return block_is_read(now) && now->state_result >= 0 &&
               boot_marker_proves_grub(&now->marker);
}

/* GRUB will name a mode, and what it names comes before the EFI variable. */
static bool block_speaks(const NextBoot *now) {
        BootState after;
        char mode[CONFIG_NAME_SIZE];

        if (!now->place.has_scripts)
                return false;
        if (now->state_result < 0)
                return now->state_result != -ENOENT;
        (void)boot_state_boot(&now->state, true, mode, &after);
        return mode[0] != '\0';
}

bool next_boot_is_once(const NextBoot *now, const ConfigMode *mode) {
        return now->efi_available && mode->cmdline[0] == '\0' && !block_speaks(now);
}

/* Says why a mode that can fail is not armed. */
static RefusalKind explain_unprotected(const Request *request, bool made, Refusal *refusal) {
        const NextBoot *now = &request->now;

        if (now->place.path[0] == '\0')
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "%s", now->place.why_not.text);
        if (!now->place.has_scripts && now->place.why_no_scripts[0] != '\0')
                return refusal_set(refusal, REFUSAL_UNPROTECTED,
                                   "GRUB's configuration was made without vfio-mode's script: %s. "
                                   "When that is mended run %s, and reboot once.",
                                   now->place.why_no_scripts, now->place.grub_command);
        if (!now->place.has_scripts)
                return refusal_set(refusal, REFUSAL_UNPROTECTED,
                                   "GRUB's configuration does not have vfio-mode's script yet: run "
                                   "%s, and reboot once.",
                                   now->place.grub_command);
        if (now->marker.kind == BOOT_KIND_UNWRITABLE)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                                   "GRUB could not write /%s in the last boot, so that a boot that "
                                   "fails would be repeated for ever. %s",
                                   now->place.path, boot_loader_manual_route(now->place.loader));
        return refusal_set(
                refusal, REFUSAL_UNPROTECTED,
                "%s/%s: reboot once so that GRUB is seen to read and write it, or arm it "
                "without protection.",
                made ? "The boot environment was made anew just now in "
                     : "GRUB has not been seen yet to read and write ",
                now->place.path);
}

static RefusalKind check_length(const Request *request, Refusal *refusal) {
        size_t length = next_boot_cmdline_length(request->root, &request->now, request->arguments);

        if (request->is_fallback || length < KERNEL_CMDLINE_SIZE)
                return REFUSAL_NONE;
        return refusal_set(refusal, REFUSAL_CMDLINE_TOO_LONG,
                           "With the cmdline of '%s' the kernel's command line would be %zu bytes "
                           "long, and the kernel takes %d.",
                           request->mode->name, length, KERNEL_CMDLINE_SIZE - 1);
}

/* Makes sure of the block for a mode that can fail. Returns a refusal where nothing would carry it,
 * or nothing would protect it and that was not said to be all right. */
static RefusalKind prepare_block(Request *request, NextBootAnswer *ret, Refusal *refusal) {
        NextBoot *now = &request->now;
        bool proved = next_boot_is_counted(now);
        bool made = false;

        if (!block_is_read(now))
                return explain_unprotected(request, false, refusal);
        if (next_boot_ensure(request->root, now, &made, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (!proved && !request->options->without_protection)
                return explain_unprotected(request, made, refusal);
        ret->changed |= made;
        return check_length(request, refusal);
}

/* --- words --- */

/* What comes after one boot into a mode. */
static const char *after_once(const Request *request, char text[static 128]) {
        const Config *config = request->config;

        if (request->default_is_fallback)
                (void)snprintf(text, 128, "to '%s' again", config->fallback_mode);
        else
                (void)snprintf(text, 128, "to '%s' if it was confirmed, else to '%s'",
                               config->default_mode, config->fallback_mode);
        return text;
}

static const char *already(const NextBootAnswer *answer) {
        return answer->changed ? "" : " already";
}

static void say_once(const Request *request, bool by_efi, NextBootAnswer *ret) {
        const char *name = request->mode->name;
        bool proved = boot_marker_proves_grub(&request->now.marker);
        char after[128];

        if (by_efi)
                (void)snprintf(
                        ret->text, sizeof(ret->text),
                        "The next boot goes to '%s'%s, by a one-shot EFI variable; after it, "
                        "to '%s' again.",
                        name, already(ret), request->config->default_mode);
        else if (request->after.keep != BOOT_KEEP_NO)
                (void)snprintf(ret->text, sizeof(ret->text),
                               "The next boot goes to '%s'%s, which is the default.", name,
                               already(ret));
        else
                (void)snprintf(
                        ret->text, sizeof(ret->text),
                        "The next boot goes to '%s'%s, %s; after it, %s.", name, already(ret),
                        proved ? "protected by GRUB's boot environment" : "without protection",
                        after_once(request, after));
}

static void say_skip(const Request *request, NextBootAnswer *ret) {
        const BootState *after = &request->after;
        const char *next = request->config->default_mode;

        if (request->now.place.default_is_fallback)
                next = request->mode->name;
        else if (after->mode[0] != '\0')
                next = after->left > 0 ? after->mode : request->config->fallback_mode;
        (void)snprintf(ret->text, sizeof(ret->text),
                       "The next boot goes to '%s'%s; after it, to '%s'%s.", request->mode->name,
                       already(ret), next,
                       strcmp(next, request->mode->name) == 0 ? ", too" : " again");
}

/* --- the EFI variable --- */

/* Has the variable written, "none": deleted, unless it is as it should be. */
static void set_efi(const NextBoot *now, const char *mode, NextBootAnswer *ret) {
        const char *there = now->efi_mode[0] ? now->efi_mode : "none";

        if (strcmp(there, mode) == 0)
                return;
        (void)snprintf(ret->efi_mode, sizeof(ret->efi_mode), "%s", mode);
        ret->needs_efi_write = true;
        ret->changed = true;
}

/* --- one boot --- */

static RefusalKind once_rule(const BootState *old, const void *input, BootState *ret,
                             Refusal *refusal) {
        return boot_state_set_once(old, input, ret, refusal);
}

static RefusalKind write_once(Request *request, NextBootAnswer *ret, Refusal *refusal) {
        RefusalKind kind =
                next_boot_write(request->root, &request->now, once_rule, &request->target,
                                &request->after, &ret->changed, refusal);

        ret->is_written = ret->changed;
        return kind;
}

/* The way back needs no proof: a skip that GRUB cannot take back lasts, on the safe side. */
static RefusalKind once_fallback(Request *request, NextBootAnswer *ret, Refusal *refusal) {
        NextBoot *now = &request->now;
        NextBootOutlook outlook;

        next_boot_outlook(now, request->config, &outlook);
        if (!next_boot_is_counted(now) && strcmp(outlook.mode, request->mode->name) == 0) {
                (void)snprintf(ret->text, sizeof(ret->text),
                               "The next boot goes to '%s' already: %s.", outlook.mode,
                               outlook.reason);
                return REFUSAL_NONE;
        }
        if (!next_boot_is_counted(now) && next_boot_is_once(&request->now, request->mode)) {
                set_efi(now, request->default_is_fallback ? "none" : request->mode->name, ret);
                if (request->default_is_fallback)
                        (void)snprintf(ret->text, sizeof(ret->text),
                                       "The next boot goes to '%s', as all do: the one-shot EFI "
                                       "variable is deleted.",
                                       request->mode->name);
                else
                        say_once(request, true, ret);
                return REFUSAL_NONE;
        }
        if ((now->place.unfit_path[0] != '\0' || now->place.is_out_of_reach) &&
            now->place.has_scripts)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "%s", now->place.why_not.text);
        if (!block_is_read(now))
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                                   "Nothing can tell the next boot: set default-mode = %s in "
                                   "/etc/vfio-mode.ini, or boot by hand. %s",
                                   request->mode->name, now->place.why_not.text);
        if (next_boot_ensure(request->root, now, &ret->changed, refusal) != REFUSAL_NONE ||
            write_once(request, ret, refusal) != REFUSAL_NONE)
                return refusal->kind;
        set_efi(now, "none", ret);
        say_skip(request, ret);
        return REFUSAL_NONE;
}

RefusalKind next_boot_set_once(const Root *root, const Config *config, const char *mode,
                               const NextBootOptions *options, NextBootAnswer *ret,
                               Refusal *refusal) {
        Request request;

        *ret = (NextBootAnswer){ 0 };
        if (begin(root, config, mode, options, &request, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (request.is_fallback)
                return once_fallback(&request, ret, refusal);
        if (!next_boot_is_counted(&request.now) && next_boot_is_once(&request.now, request.mode)) {
                if (options->tries > 1)
                        return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                                           "What can carry '%s' here is an EFI variable, for one "
                                           "boot and no more: leave the number of tries out.",
                                           mode);
                set_efi(&request.now, request.mode->name, ret);
                say_once(&request, true, ret);
                return REFUSAL_NONE;
        }
        if (prepare_block(&request, ret, refusal) != REFUSAL_NONE ||
            write_once(&request, ret, refusal) != REFUSAL_NONE)
                return refusal->kind;
        /* What was armed by it before is not to come up when this is taken back. */
        set_efi(&request.now, "none", ret);
        say_once(&request, false, ret);
        return REFUSAL_NONE;
}

/* --- from now on --- */

static RefusalKind default_rule(const BootState *old, const void *input, BootState *ret,
                                Refusal *refusal) {
        const Request *request = input;

        (void)refusal;
        boot_state_set_default(old, &request->target, request->default_is_fallback, ret);
        return REFUSAL_NONE;
}

static void say_default(const Request *request, NextBootAnswer *ret) {
        static const char *const how_confirmed[_CONFIG_CONFIRM_MAX] = {
                [CONFIG_CONFIRM_MANUAL] = " (\"vfio-modectl confirm\")",
                [CONFIG_CONFIRM_BOOT] = " (when the boot has completed)",
                [CONFIG_CONFIRM_VM] = " (when a VM has run, or by \"vfio-modectl confirm\")",
        };
        const char *name = request->mode->name;
        const char *protection = boot_marker_proves_grub(&request->now.marker)
                                         ? "protected by GRUB's boot environment"
                                         : "without protection";

        if (request->is_fallback || request->after.keep == BOOT_KEEP_YES)
                (void)snprintf(ret->text, sizeof(ret->text), "From now on boots go to '%s'%s.",
                               name, already(ret));
        else
                (void)snprintf(
                        ret->text, sizeof(ret->text),
                        "The next boot goes to '%s'%s, on trial, %s; once it is confirmed%s, "
                        "all later ones do, and else they go to '%s'.",
                        name, already(ret), protection, how_confirmed[request->mode->confirm],
                        request->config->fallback_mode);
}

/* For the fallback mode nothing has to be proved; where default-mode is that mode, not even read.
 */
static RefusalKind prepare_default(Request *request, NextBootAnswer *ret, Refusal *refusal) {
        NextBoot *now = &request->now;
        const char *why;

        if (!request->is_fallback && now->place.path[0] != '\0')
                return prepare_block(request, ret, refusal);
        if (block_is_read(now))
                return next_boot_ensure(request->root, now, &ret->changed, refusal);
        if (request->is_fallback && request->default_is_fallback && !block_speaks(now))
                return REFUSAL_NONE;
        why = now->place.path[0] ? "GRUB's configuration does not have vfio-mode's script."
                                 : now->place.why_not.text;
        /* default-mode has no kernel arguments, and comes after what GRUB says. */
        if (request->mode->cmdline[0] != '\0' || block_speaks(now))
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "%s", why);
        return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                           "Set default-mode = %s in /etc/vfio-mode.ini instead: %s",
                           request->mode->name, why);
}

RefusalKind next_boot_set_default(const Root *root, const Config *config, const char *mode,
                                  const NextBootOptions *options, NextBootAnswer *ret,
                                  Refusal *refusal) {
        Request request;

        *ret = (NextBootAnswer){ 0 };
        if (begin(root, config, mode, options, &request, refusal) != REFUSAL_NONE ||
            prepare_default(&request, ret, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (request.now.place.path[0] != '\0' && request.now.state_result >= 0 &&
            next_boot_write(root, &request.now, default_rule, &request, &request.after,
                            &ret->changed, refusal) != REFUSAL_NONE)
                return refusal->kind;
        ret->is_written = ret->changed;
        if (next_boot_reset_count(root, &request.now, &ret->changed, refusal) != REFUSAL_NONE)
                return refusal->kind;
        set_efi(&request.now, "none", ret);
        say_default(&request, ret);
        return REFUSAL_NONE;
}

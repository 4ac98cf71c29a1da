/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a switch is not made, or was not: one table of names, general sentences and exit codes that
 * the terminal, the journal and D-Bus share. Pure.
 */
#pragma once

#include "base/cleanup.h"

/** Exit codes of vfio-modectl (DESIGN §6). vfio-mode-apply adds EXIT_APPLY_BASE to those that are
 * not zero. */
typedef enum ExitCode {
        EXIT_CODE_DONE = 0,
        EXIT_CODE_FAILED = 1, /**< and undone */
        EXIT_CODE_USAGE = 2,
        EXIT_CODE_CONFIGURATION = 3,
        EXIT_CODE_BUSY = 4,
        EXIT_CODE_NOT_VIABLE = 5,
        EXIT_CODE_UNSAFE = 6,
        EXIT_CODE_WEDGED = 7,
        EXIT_CODE_NOT_AUTHORISED = 8,
        EXIT_CODE_FELL_BACK = 9,
        EXIT_CODE_NO_MEMORY = 10,
        EXIT_CODE_HELD = 11,
        EXIT_CODE_TIMED_OUT = 12,
} ExitCode;

/** systemd prints words of its own for small exit statuses ("4/NOPERMISSION"). */
#define EXIT_APPLY_BASE 20

typedef enum RefusalKind {
        REFUSAL_NONE,
        REFUSAL_CONFIG_INVALID,
        REFUSAL_UNKNOWN_MODE,
        REFUSAL_FALLBACK_TAKES_DISPLAY,
        REFUSAL_NOT_FOUND,
        REFUSAL_OTHER_DEVICE_THERE,
        REFUSAL_AMBIGUOUS_ID,
        REFUSAL_NO_IOMMU,
        REFUSAL_GROUP_NOT_VIABLE,
        REFUSAL_DRIVES_THE_CONSOLE,
        REFUSAL_WOULD_CUT_NETWORK,
        REFUSAL_WOULD_CUT_STORAGE,
        REFUSAL_WOULD_CUT_INPUT,
        REFUSAL_SHARED_DRIVER, /**< it cannot be unloaded, and to unbind it may hang */
        REFUSAL_CONFLICTING_OWNER,
        REFUSAL_BUSY,
        REFUSAL_INHIBITED, /**< a person's session would end, and somebody objects */
        REFUSAL_NO_MEMORY, /**< fewer hugepages than the mode needs */
        REFUSAL_MODULE_UNAVAILABLE,
        REFUSAL_ALREADY_SWITCHING,
        REFUSAL_SHUTTING_DOWN,
        REFUSAL_NOT_FOR_VM, /**< no mode with the device may be switched to for a virtual machine */
        REFUSAL_HELD, /**< asked for on behalf of a virtual machine, and a choice stands against it
                       */
        REFUSAL_NOT_SUPPORTED, /**< this machine's way of booting, or this version, cannot do it */
        REFUSAL_UNPROTECTED,   /**< nothing would bring the screen back if that boot failed */
        REFUSAL_CMDLINE_TOO_LONG, /**< the kernel would cut its command line */
        REFUSAL_OTHER_DEFAULT,    /**< the boot environment holds another mode as default */
        REFUSAL_OTHER_BOOT,       /**< the boot to be confirmed is not this one */
        REFUSAL_NOT_AUTHORISED,
        REFUSAL_TIMED_OUT,
        REFUSAL_WEDGED,   /**< a write does not come back from the kernel */
        REFUSAL_FAILED,   /**< tried, failed, undone */
        REFUSAL_HALF_WAY, /**< tried, failed, and not everything could be undone */
        _REFUSAL_MAX,
} RefusalKind;

#define REFUSAL_TEXT_SIZE 512

/** One refusal, said of this machine. */
typedef struct Refusal {
        RefusalKind kind;
        char text[REFUSAL_TEXT_SIZE]; /**< what was seen and what to do, one or two sentences, no
                                         newline */
        char public_text[REFUSAL_TEXT_SIZE]; /**< the same without names of processes, for whoever
                                                may not know them; "": `text` has none */
} Refusal;

/** The kind's name as the user meets it, such as "group-not-viable"; "none" for REFUSAL_NONE. */
const char *refusal_name(RefusalKind kind);

/** The kind in one general sentence, for documentation and for where no device is named. */
const char *refusal_sentence(RefusalKind kind);

/** The kind's exit code for vfio-modectl; EXIT_CODE_DONE for REFUSAL_NONE. */
ExitCode refusal_exit_code(RefusalKind kind);

/** Finds a kind by its name; REFUSAL_NONE where there is none. */
RefusalKind refusal_by_name(const char *name);

/** Fills @refusal; text that does not fit is cut. Returns @kind, so that a caller can return in one
 * statement. */
RefusalKind refusal_set(Refusal *refusal, RefusalKind kind, const char *format, ...) _printf_(3, 4);

/** Says the same for everybody, after refusal_set(), which takes it back. */
void refusal_set_public(Refusal *refusal, const char *format, ...) _printf_(2, 3);

/** What everybody may be told. */
const char *refusal_public(const Refusal *refusal);

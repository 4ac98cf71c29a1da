/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of refusals. A row here is what the man pages, exit codes and D-Bus errors are checked
 * against.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "refusal.h"

typedef struct RefusalRow {
        const char *name;
        const char *sentence;
        ExitCode exit_code;
} RefusalRow;

static const RefusalRow refusal_table[_REFUSAL_MAX] = {
        [REFUSAL_NONE] = { "none", "Nothing was refused.", EXIT_CODE_DONE },
        [REFUSAL_CONFIG_INVALID] = { "config-invalid", "The configuration cannot be used.",
                                     EXIT_CODE_CONFIGURATION },
        [REFUSAL_UNKNOWN_MODE] = { "unknown-mode", "The configuration has no such mode.",
                                   EXIT_CODE_CONFIGURATION },
        [REFUSAL_FALLBACK_TAKES_DISPLAY] = { "fallback-takes-display",
                                             "The fallback mode must leave the host its display.",
                                             EXIT_CODE_CONFIGURATION },
        [REFUSAL_NOT_FOUND] = { "not-found", "A configured device is not in this machine.",
                                EXIT_CODE_NOT_VIABLE },
        [REFUSAL_OTHER_DEVICE_THERE] = { "other-device-there",
                                         "Another device is where the configured one should be.",
                                         EXIT_CODE_NOT_VIABLE },
        [REFUSAL_AMBIGUOUS_ID] = { "ambiguous-id", "More than one slot matches a device's id.",
                                   EXIT_CODE_NOT_VIABLE },
        [REFUSAL_NO_IOMMU] = { "no-iommu", "There is no IOMMU to protect the host from the guest.",
                               EXIT_CODE_NOT_VIABLE },
        [REFUSAL_GROUP_NOT_VIABLE] = { "group-not-viable",
                                       "The IOMMU group also holds a device that the host is using.",
                                       EXIT_CODE_NOT_VIABLE },
        [REFUSAL_DRIVES_THE_CONSOLE] = { "drives-the-console",
                                         "The device drives the host's screen and nobody consented.",
                                         EXIT_CODE_UNSAFE },
        [REFUSAL_WOULD_CUT_NETWORK] = { "would-cut-network",
                                        "The host reaches the network through the device.",
                                        EXIT_CODE_UNSAFE },
        [REFUSAL_WOULD_CUT_STORAGE] = { "would-cut-storage",
                                        "The host has a disk of the device in use.",
                                        EXIT_CODE_UNSAFE },
        [REFUSAL_WOULD_CUT_INPUT] = { "would-cut-input",
                                      "The host's last keyboard hangs below the device.",
                                      EXIT_CODE_UNSAFE },
        [REFUSAL_SHARED_DRIVER] = { "shared-driver",
                                    "The driver that would be unloaded has to stay.",
                                    EXIT_CODE_UNSAFE },
        [REFUSAL_CONFLICTING_OWNER] = { "conflicting-owner",
                                        "Another program moves the device by itself.",
                                        EXIT_CODE_NOT_VIABLE },
        [REFUSAL_BUSY] = { "busy", "A process is using the device.", EXIT_CODE_BUSY },
        [REFUSAL_INHIBITED] = { "inhibited",
                                "Somebody protects a person's session, which would end.",
                                EXIT_CODE_BUSY },
        [REFUSAL_NO_MEMORY] = { "no-memory", "The mode's hugepages cannot be had.",
                                EXIT_CODE_NO_MEMORY },
        [REFUSAL_MODULE_UNAVAILABLE] = { "module-unavailable", "A needed driver cannot be loaded.",
                                         EXIT_CODE_NOT_VIABLE },
        [REFUSAL_ALREADY_SWITCHING] = { "already-switching", "Another switch is under way.",
                                        EXIT_CODE_BUSY },
        [REFUSAL_SHUTTING_DOWN] = { "shutting-down", "The machine is going down.", EXIT_CODE_BUSY },
        [REFUSAL_NOT_FOR_VM] = { "not-for-vm",
                                 "No mode that has the device may be switched to for a virtual "
                                 "machine.",
                                 EXIT_CODE_UNSAFE },
        [REFUSAL_HELD] = { "held", "The mode was chosen by a person, or by a fallback.",
                           EXIT_CODE_HELD },
        [REFUSAL_NOT_SUPPORTED] = { "not-supported",
                                    "This machine's way of booting cannot carry that.",
                                    EXIT_CODE_NOT_VIABLE },
        [REFUSAL_UNPROTECTED] = { "unprotected",
                                  "Nothing would bring the screen back if that boot failed.",
                                  EXIT_CODE_NOT_VIABLE },
        [REFUSAL_CMDLINE_TOO_LONG] = { "cmdline-too-long",
                                       "The kernel would cut off the end of its command line.",
                                       EXIT_CODE_NOT_VIABLE },
        [REFUSAL_OTHER_DEFAULT] = { "other-default",
                                    "Another mode is the default of the boot loader.",
                                    EXIT_CODE_BUSY },
        [REFUSAL_OTHER_BOOT] = { "other-boot", "The boot that is to be confirmed is not this one.",
                                 EXIT_CODE_NOT_VIABLE },
        [REFUSAL_NOT_AUTHORISED] = { "not-authorised", "The caller may not do that.",
                                     EXIT_CODE_NOT_AUTHORISED },
        [REFUSAL_TIMED_OUT] = { "timed-out", "That took too long.", EXIT_CODE_TIMED_OUT },
        [REFUSAL_WEDGED] = { "wedged", "A driver is stuck in the kernel.", EXIT_CODE_WEDGED },
        [REFUSAL_FAILED] = { "failed", "The switch failed and was undone.", EXIT_CODE_FAILED },
        [REFUSAL_HALF_WAY] = { "half-way", "The switch failed and could not be undone whole.",
                               EXIT_CODE_FAILED },
};

const char *refusal_name(RefusalKind kind) {
        return refusal_table[kind].name;
}

const char *refusal_sentence(RefusalKind kind) {
        return refusal_table[kind].sentence;
}

ExitCode refusal_exit_code(RefusalKind kind) {
        return refusal_table[kind].exit_code;
}

RefusalKind refusal_by_name(const char *name) {
        for (unsigned kind = REFUSAL_NONE; kind < _REFUSAL_MAX; kind++)
                if (strcmp(refusal_table[kind].name, name) == 0)
                        return (RefusalKind)kind;
        return REFUSAL_NONE;
}

RefusalKind refusal_set(Refusal *refusal, RefusalKind kind, const char *format, ...) {
        va_list arguments;

        refusal->kind = kind;
        va_start(arguments, format);
        (void)vsnprintf(refusal->text, sizeof(refusal->text), format, arguments);
        va_end(arguments);
        refusal->public_text[0] = '\0';
        return kind;
}

void refusal_set_public(Refusal *refusal, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(refusal->public_text, sizeof(refusal->public_text), format, arguments);
        va_end(arguments);
}

const char *refusal_public(const Refusal *refusal) {
        return refusal->public_text[0] != '\0' ? refusal->public_text : refusal->text;
}

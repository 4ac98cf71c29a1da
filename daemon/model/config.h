/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration, vfio-mode.ini(5), as a value. Pure: text in, value or errors out; who reads
 * the files is host/config-load.
 *
 * Everything is bounded and lies in one struct without pointers, so that it can be copied, compared
 * and thrown away whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "hugepages.h"
#include "pci-address.h"

#define CONFIG_NAME_SIZE (32 + 1)   /* [a-z0-9][a-z0-9_-]{0,31} */
#define CONFIG_DRIVER_SIZE (63 + 1) /* a driver's name in sysfs */
#define CONFIG_DEVICES_MAX 32       /* bits of ConfigMode.vfio_devices */
#define CONFIG_MODES_MAX 32
#define CONFIG_ALSO_MAX 16
#define CONFIG_CMDLINE_SIZE (640 + 1) /* of a mode: what fits into the boot environment's block */
#define CONFIG_STOP_UNITS_MAX 10
#define CONFIG_UNIT_SIZE (127 + 1) /* systemd allows 255, which no line here could hold */
#define CONFIG_ERRORS_MAX 16
#define CONFIG_FILE_MAX (128 * 1024) /* bytes of one file */
#define CONFIG_FUNCTIONS_ALL 0xffu
#define CONFIG_STOP_VM_DEFAULT 60 /* seconds */
#define CONFIG_STOP_VM_MAX 600    /* the units and vfio-modectl wait somewhat longer */
#define CONFIG_EXPECT_VM_MAX (24 * 60 * 60)
#define CONFIG_VM_EXIT_GRACE_DEFAULT 15
#define CONFIG_VM_EXIT_GRACE_MAX 600

/** Dangers that a device's `consent` accepts by name; bits of ConfigDevice.consent. */
typedef enum Consent {
        CONSENT_BOOT_VGA = 1u << 0,
        CONSENT_NETWORK = 1u << 1,
        CONSENT_STORAGE = 1u << 2,
        CONSENT_INPUT = 1u << 3,
        CONSENT_SHARED_DRIVER = 1u
                                << 4, /**< to be unbound from a driver that waits for its users */
} Consent;

typedef struct ConfigDevice {
        char name[CONFIG_NAME_SIZE];
        char host_driver[CONFIG_DRIVER_SIZE]; /**< of function 0; "": what the modalias picks */
        PciAddress address;                   /**< valid if has_address; its function part is 0 */
        PciId id;                             /**< valid if has_id; of function 0 */
        PciAddress also[CONFIG_ALSO_MAX];
        size_t n_also;
        unsigned consent;  /**< CONSENT_* */
        uint8_t functions; /**< bit n: function n, never 0; CONFIG_FUNCTIONS_ALL: every one there is
                            */
        bool has_address;
        bool has_id;
} ConfigDevice;

/** When a trial boot of a mode is good. */
typedef enum ConfigConfirm {
        CONFIG_CONFIRM_MANUAL, /**< when somebody says so */
        CONFIG_CONFIRM_BOOT,   /**< when the boot has completed */
        CONFIG_CONFIRM_VM,     /**< when a virtual machine has had one of its devices for a while */
        _CONFIG_CONFIRM_MAX,
} ConfigConfirm;

/** What follows when a device cannot be had back at run time. */
typedef enum ConfigOnWedged {
        CONFIG_ON_WEDGED_STAY, /**< somebody has to reset the machine; what is not set means this */
        CONFIG_ON_WEDGED_REBOOT,
} ConfigOnWedged;

/** What brings the screen back. */
typedef enum ConfigRescue {
        CONFIG_RESCUE_UNSET, /**< the power button, where the mode takes the screen */
        CONFIG_RESCUE_POWER_BUTTON,
        CONFIG_RESCUE_NONE,
} ConfigRescue;

/** What follows when the last virtual machine has gone. */
typedef enum ConfigOnVmExit {
        CONFIG_ON_VM_EXIT_STAY, /**< what is not set means this, too */
        CONFIG_ON_VM_EXIT_FALLBACK,
} ConfigOnVmExit;

/** What becomes of processes that have a node of a leaving device open; each does more. */
typedef enum ConfigHolders {
        CONFIG_HOLDERS_REFUSE, /**< they are named; what is not set means this, too */
        CONFIG_HOLDERS_STOP,   /**< the system units that they belong to are stopped */
        CONFIG_HOLDERS_KILL,   /**< and what is left is ended */
        _CONFIG_HOLDERS_MAX,
} ConfigHolders;

typedef struct ConfigMode {
        char name[CONFIG_NAME_SIZE];
        char cmdline[CONFIG_CMDLINE_SIZE]; /**< kernel arguments, one blank between them */
        uint32_t vfio_devices; /**< bit n: Config.devices[n] is on vfio-pci in this mode */
        HugepagesWanted hugepages;
        ConfigConfirm confirm;
        ConfigOnWedged on_wedged;
        char stop_units[CONFIG_STOP_UNITS_MAX][CONFIG_UNIT_SIZE]; /**< stopped on the way in */
        size_t n_stop_units;
        ConfigHolders holders;
        bool end_sessions;  /**< those on the seat of a display that leaves */
        uint32_t stop_vm;   /**< seconds that a guest has for an orderly shutdown; 0: not set */
        uint32_t expect_vm; /**< seconds within which a guest must have come; 0: it need not */
        ConfigOnVmExit on_vm_exit;
        ConfigRescue rescue;
        bool switch_for_vm; /**< a virtual machine that names its devices may have it switched to */
        uint32_t vm_exit_grace; /**< seconds that another guest may take to come; 0: not set */
} ConfigMode;

typedef struct Config {
        char default_mode[CONFIG_NAME_SIZE];
        char fallback_mode[CONFIG_NAME_SIZE];
        ConfigDevice devices[CONFIG_DEVICES_MAX];
        size_t n_devices;
        ConfigMode modes[CONFIG_MODES_MAX]; /**< the fallback mode is always among them */
        size_t n_modes;
} Config;

/** One file's text. Later sources win by key. */
typedef struct ConfigSource {
        const char *file; /**< for messages; borrowed, and by the errors too */
        const char *text; /**< @size bytes; need not be terminated */
        size_t size;
} ConfigSource;

typedef struct ConfigError {
        const char *file; /**< borrowed from its ConfigSource */
        unsigned line;    /**< 0: the file as a whole */
        char text[256];
} ConfigError;

typedef struct ConfigErrors {
        ConfigError errors[CONFIG_ERRORS_MAX];
        size_t n_errors; /**< those kept; more are not looked for */
} ConfigErrors;

/**
 * Parses the sources in order into one configuration.
 *
 * Refused, each with file and line: an unknown section or key, a key or section twice in one file,
 * a bad value (also one that a later source replaces), a line that inih would cut, what is not
 * ASCII outside a comment, a device or mode named but not defined, a function claimed by two
 * devices. The whole is judged only when every line is good.
 *
 * @ret: untouched on failure
 * @errors: in the order of lines on -EINVAL, empty otherwise
 *
 * Returns 0; -EINVAL with at least one error.
 */
_must_check_ int config_parse(const ConfigSource *sources, size_t n_sources, Config *ret,
                              ConfigErrors *errors);

/**
 * Writes the configuration as one file that config_parse() reads back to the same value.
 *
 * @ret: the caller frees it
 *
 * Returns its length or -ENOMEM.
 */
_must_check_ int config_format(const Config *config, char **ret);

/**
 * Writes the first error as "file:line: text", or "file: text" where it is of the whole file; cut
 * where it does not fit.
 *
 * Returns @buffer.
 */
const char *config_errors_format(const ConfigErrors *errors, char *buffer, size_t size);

/** The name of the consent whose bit is @index, such as "boot-vga"; NULL behind the last one. */
const char *config_consent_name(unsigned index);

/** Finds a mode by name; NULL where there is none. */
const ConfigMode *config_find_mode(const Config *config, const char *name);

/** Whether @mode has the device, which is one of @config, on vfio-pci. */
bool device_is_wanted_on_vfio(const Config *config, const ConfigMode *mode,
                              const ConfigDevice *device);

/** Whether @name may name a mode or device: its alphabet, its length, and not a reserved word
 * (`none`, `fallback`). */
bool config_name_is_valid(const char *name);

/** Whether @name may be a kernel driver's name: a file name of letters, digits, `-`, `_` and `.`,
 * that fits. */
bool config_driver_is_valid(const char *name);

/** Whether @name may be the name of a unit that can be stopped, such as foo@bar.service, and fits.
 */
bool config_unit_is_valid(const char *name);

/** The devices of a mode that the fallback mode does not have, a bit for each: those that a virtual
 * machine is watched for. */
uint32_t config_own_devices(const Config *config, const ConfigMode *mode);

/** Whether the machine is to be rebooted where a device cannot be had back on the way from a mode
 * to another: one of them has on-wedged = reboot. "" is no mode. After a switch that ended half-way
 * the one whose device is missing is not known: for @from NULL the word of any mode counts. */
bool config_reboots(const Config *config, const char *from, const char *to);

/** How a boot into a mode is confirmed where the mode does not say. */
ConfigConfirm config_default_confirm(const Config *config, const ConfigMode *mode);

/** The word for it: manual, boot, vm. */
const char *config_confirm_name(ConfigConfirm confirm);

/** The word for it: refuse, stop, kill. */
const char *config_holders_name(ConfigHolders holders);

/** The seconds that a guest has when this mode is left; of no mode (NULL) the default. */
uint32_t config_stop_vm(const ConfigMode *mode);

/** The seconds that may pass after the last guest of a mode until the next one has come. */
uint32_t config_vm_exit_grace(const ConfigMode *mode);

/** Finds it by its word. Returns 0, or -EINVAL with @ret untouched. */
_must_check_ int config_holders_parse(const char *word, ConfigHolders *ret);

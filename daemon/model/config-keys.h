/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every key of vfio-mode.ini(5), once: the parser, `vfio-modectl check` and the test against the
 * man page read this table. A key that this release does not act on is in it all the same, so that
 * it is refused by name and not as a typing error. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum ConfigSectionKind {
        CONFIG_GENERAL, /**< [general] */
        CONFIG_DEVICE,  /**< [device NAME] */
        CONFIG_MODE,    /**< [mode NAME] */
} ConfigSectionKind;

/** What a value is. The words of a list are separated by blanks and may go on in indented lines. */
typedef enum ConfigType {
        CONFIG_TYPE_MODE,      /**< a mode's name */
        CONFIG_TYPE_ADDRESS,   /**< a whole PCI address */
        CONFIG_TYPE_ID,        /**< a PCI id */
        CONFIG_TYPE_FUNCTIONS, /**< `all`, or different digits */
        CONFIG_TYPE_DRIVER,    /**< a kernel driver's name */
        CONFIG_TYPE_WORD,      /**< one of the words in `range` */
        CONFIG_TYPE_BOOLEAN,   /**< `yes` or `no` */
        CONFIG_TYPE_COUNT,     /**< a number, or a percentage where `range` says so */
        CONFIG_TYPE_TIME,      /**< a time span such as 15s or 5min */
        CONFIG_TYPE_WORDS,     /**< list: of the words in `range` */
        CONFIG_TYPE_ADDRESSES, /**< list: whole PCI addresses */
        CONFIG_TYPE_DEVICES,   /**< list: names of devices */
        CONFIG_TYPE_UNITS,     /**< list: names of systemd units */
        CONFIG_TYPE_ARGUMENTS, /**< list: kernel arguments */
} ConfigType;

/** The table's rows in their order. */
typedef enum ConfigKeyId {
        CONFIG_KEY_DEFAULT_MODE,
        CONFIG_KEY_FALLBACK_MODE,
        CONFIG_KEY_ADDRESS,
        CONFIG_KEY_ID,
        CONFIG_KEY_FUNCTIONS,
        CONFIG_KEY_HOST_DRIVER,
        CONFIG_KEY_CONSENT,
        CONFIG_KEY_ALSO,
        CONFIG_KEY_VFIO_DEVICES,
        CONFIG_KEY_CMDLINE,
        CONFIG_KEY_HUGEPAGES_1G,
        CONFIG_KEY_HUGEPAGES_2M,
        CONFIG_KEY_HUGEPAGES_MIN,
        CONFIG_KEY_HUGEPAGES_KEEP,
        CONFIG_KEY_STOP_UNITS,
        CONFIG_KEY_END_SESSIONS,
        CONFIG_KEY_HOLDERS,
        CONFIG_KEY_EXPECT_VM,
        CONFIG_KEY_ON_VM_EXIT,
        CONFIG_KEY_VM_EXIT_GRACE,
        CONFIG_KEY_STOP_VM,
        CONFIG_KEY_SWITCH_FOR_VM,
        CONFIG_KEY_CONFIRM,
        CONFIG_KEY_RESCUE,
        CONFIG_KEY_ON_WEDGED,
        CONFIG_KEY_COUNT,
} ConfigKeyId;

typedef struct ConfigKey {
        const char *name;
        const char *default_text; /**< as a person reads it; "": empty or none */
        const char *range;        /**< what a value may be, as a person reads it */
        const char *description;  /**< one line */
        ConfigSectionKind section;
        ConfigType type;
} ConfigKey;

/** The table, in the order of the man page. Lives as long as the program. */
const ConfigKey *config_key(ConfigKeyId id);

/**
 * Finds a key of a kind of section by its name.
 *
 * @ret: untouched where there is none
 *
 * Returns whether there is such a key.
 */
bool config_key_find(ConfigSectionKind section, const char *name, ConfigKeyId *ret);

/** Whether a value of this type is a list: it may be empty, and go on in indented lines. */
bool config_type_is_list(ConfigType type);

/** The word in front of a section's name: "general", "device" or "mode". */
const char *config_section_kind_name(ConfigSectionKind kind);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the command line asked for, and the verbs that can be asked. A verb lives in the file of its
 * name with all that is said about it; the program's table lists them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pci-address.h"
#include "view/json.h"

/** Options that belong to one verb. */
typedef enum VerbOption {
        VERB_OPTION_MODE = 1u << 0,
        VERB_OPTION_TREE = 1u << 1,
        VERB_OPTION_DRY_RUN = 1u << 2,
        VERB_OPTION_CONFIG = 1u << 3,
        VERB_OPTION_CANCEL = 1u << 4,
        VERB_OPTION_TRIES = 1u << 5,
        VERB_OPTION_WITHOUT_PROTECTION = 1u << 6,
        VERB_OPTION_CONFIRM = 1u << 7,
        VERB_OPTION_HOLDERS = 1u << 8,
        VERB_OPTION_DEVICE = 1u << 9,
        VERB_OPTION_FORCE = 1u << 10,
        VERB_OPTION_OUTPUT = 1u << 11,
        VERB_OPTION_FROM_GRUB = 1u << 12,
        VERB_OPTION_WHILE_IN_USE = 1u << 13,
        VERB_OPTION_READ_ROM = 1u << 14,
} VerbOption;

typedef struct Verb Verb;

typedef struct Arguments {
        const Verb *const *verbs; /**< all there are; NULL behind the last */
        const char *root;         /**< NULL: the live machine */
        const char *host;         /**< -H: the machine to ask; NULL: this one */
        const char *config;       /**< --config; NULL: the machine's */
        const char *holders;      /**< --holders; NULL: the service's default */
        const char *output;       /**< -o; NULL: none */
        PciAddress device;        /**< --device; valid if VERB_OPTION_DEVICE is given */
        uint64_t confirm_within;  /**< --confirm, in us; 0: none */
        unsigned tries;           /**< --tries; 0: the service's default */
        char **operands;          /**< behind the verb */
        size_t n_operands;
        JsonFormat json;
        unsigned options; /**< VERB_OPTION_*, those given */
        bool quiet;
        bool no_pager;
        bool coloured; /**< stdout is a terminal that wants colour */
        bool terminal; /**< stdout is a terminal */
} Arguments;

struct Verb {
        const char *name;
        const char *alias;    /**< NULL: none */
        const char *synopsis; /**< behind the name, such as "MODE [--dry-run]" */
        const char *summary;  /**< one line */
        const char *details;  /**< for `help VERB`; lines of at most 80 columns */
        size_t min_operands;
        size_t max_operands;
        unsigned options; /**< VERB_OPTION_*, those that go with it */
        bool pages;       /**< long answers go through the pager */
        bool is_remote;   /**< it can be asked of another machine (-H) */
        bool is_text;     /**< what it says is for people, or nothing */
        bool is_wrapper;  /**< from the second operand on all words are a command's */
        int failure;      /**< what it exits with for whatever reason; 0: by the reason */

        /** Does it. Returns the program's exit code. */
        int (*run)(const Arguments *arguments);
};

extern const Verb verb_check;
extern const Verb verb_confirm;
extern const Verb verb_help;
extern const Verb verb_hook;
extern const Verb verb_init;
extern const Verb verb_list_devices;
extern const Verb verb_list_modes;
extern const Verb verb_next;
extern const Verb verb_release;
extern const Verb verb_report;
extern const Verb verb_rom;
extern const Verb verb_run;
extern const Verb verb_set_default;
extern const Verb verb_status;
extern const Verb verb_switch;
extern const Verb verb_watch;

/** Finds a verb by its name or alias; NULL where there is none. */
const Verb *verb_find(const Verb *const *verbs, const char *name);

/** Prints what `--help` prints. Returns the program's exit code. */
int help_print(const Verb *const *verbs);

/** Prints what `help VERB` and `VERB --help` print. Returns the program's exit code. */
int help_print_verb(const Verb *verb);

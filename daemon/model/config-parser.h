/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the three parts of the parser share, and nobody else includes: config-parse reads lines and
 * sections, config-value turns a key's text into a value, config-check judges the whole. Each says
 * what is wrong by config_refuse().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "config-keys.h"
#include "config.h"

#define CONFIG_SECTIONS_MAX (1 + CONFIG_DEVICES_MAX + CONFIG_MODES_MAX)
#define CONFIG_WORD_SIZE (64 + 1)

/** A line of a source, or none where @source is 0. */
typedef struct Origin {
        unsigned source; /**< 1 is the first */
        unsigned line;   /**< 0: the source as a whole */
} Origin;

/** A section's name, and where it and each of its keys were last written. */
typedef struct Section {
        ConfigSectionKind kind;
        char name[CONFIG_WORD_SIZE]; /**< "" for [general] */
        size_t index;                /**< of its device or mode in the Config */
        Origin header;
        Origin keys[CONFIG_KEY_COUNT];
} Section;

/** What is known of the last key line when an indented line follows it. */
typedef enum KeyState {
        KEY_NONE,    /**< there was none in this section */
        KEY_REFUSED, /**< it was refused, and so its indented lines are passed over */
        KEY_TAKEN,
} KeyState;

typedef struct Parser {
        const ConfigSource *sources;
        size_t n_sources;
        Config config;
        Section sections[CONFIG_SECTIONS_MAX];
        size_t n_sections;

        ConfigErrors *errors;
        Origin error_origins[CONFIG_ERRORS_MAX];
        bool silent; /**< the first reading, for names only: what is wrong is said in the second */

        Origin here;      /**< the line being read */
        size_t offset;    /**< of what follows it in its source */
        bool in_section;  /**< a header was read, good or bad */
        Section *section; /**< NULL where the header was refused and its keys are passed over */
        KeyState key_state;
        ConfigKeyId key;
        bool goes_on; /**< the line is an indented one and goes on with the key above */
} Parser;

/** Whether @a comes before @b in the order in which the sources are read. */
bool config_origin_before(Origin a, Origin b);

/** Adds an error in the order of lines; beyond the last place it is dropped. */
void config_refuse_at(Parser *parser, Origin origin, const char *format, ...) _printf_(3, 4);

/** Adds an error about the line being read. */
#define config_refuse(parser, ...) config_refuse_at((parser), (parser)->here, __VA_ARGS__)

/**
 * Takes the next word of a list. One that does not fit is cut, and is then longer than any good
 * value.
 *
 * Returns false at the end of the list.
 */
bool config_word(const char **cursor, char word[static CONFIG_WORD_SIZE]);

/** Finds a section that some source has; NULL where none does. */
Section *config_section_find(Parser *parser, ConfigSectionKind kind, const char *name);

/** Adds a section, and with it its device or mode; NULL where there are too many. */
Section *config_section_add(Parser *parser, ConfigSectionKind kind, const char *name);

/**
 * Sets the value of the key being read. A list begins anew, or is added to where the line goes on
 * with the one above. A bad value is refused and nothing is set.
 */
void config_value_set(Parser *parser, const char *value);

/**
 * Fills in what is unset and judges what only the whole configuration tells: devices that are no
 * device or claim the same function, and general keys that name no mode.
 */
void config_check(Parser *parser);

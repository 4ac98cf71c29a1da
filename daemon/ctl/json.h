/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON answers: objects by json-c, with a version of their schema first. Strings are cleaned as
 * those in tables are. Fails as text.h does: not at all.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/** Grows when a key changes its meaning or goes away; new keys may come without. */
#define JSON_SCHEMA 1

typedef enum JsonFormat {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
} JsonFormat;

static inline void json_putp(json_object **object) {
        json_object_put(*object);
        *object = NULL;
}

#define _cleanup_json_ _cleanup_(json_putp)

/** A new object with nothing in it. */
json_object *json_new(void);

/** A new object that begins with `schema`: what a verb answers. */
json_object *json_answer(void);

/** A new array. */
json_object *json_list(void);

/** Adds @value, which belongs to @object from now on; NULL is JSON's null. */
void json_add(json_object *object, const char *key, json_object *value);

/** Adds a string; NULL is JSON's null. */
void json_add_string(json_object *object, const char *key, const char *value);

/** The same with null for the empty string. */
void json_add_word(json_object *object, const char *key, const char *value);

/** Adds a number. */
void json_add_integer(json_object *object, const char *key, int64_t value);

/** Adds a truth value. */
void json_add_bool(json_object *object, const char *key, bool value);

/** Appends @value, which belongs to @array from now on. */
void json_append(json_object *array, json_object *value);

/** Appends a string. */
void json_append_string(json_object *array, const char *value);

/** Prints it to stdout with a newline. */
void json_print(json_object *object, JsonFormat format);

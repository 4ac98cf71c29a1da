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

/** It in one line; the caller frees it. */
char *json_text(json_object *object);

/** Prints it to stdout with a newline. */
void json_print(json_object *object, JsonFormat format);

/**
 * Parses an answer, and cleans its strings: who wrote it may be another machine.
 *
 * Returns the object; NULL where @text is not one.
 */
json_object *json_parse(const char *text);

/** A value of an object; NULL where there is none, it is null, or @object is no object. */
json_object *json_get(const json_object *object, const char *key);

/** A string of an object; NULL where there is none. It lives as long as the object. */
const char *json_get_word(const json_object *object, const char *key);

/** The same with "" for none. */
const char *json_get_text(const json_object *object, const char *key);

/** A truth value of an object; false where there is none. */
bool json_get_bool(const json_object *object, const char *key);

/** A number of an object; 0 where there is none. */
int64_t json_get_integer(const json_object *object, const char *key);

/** How many values an array has; 0 where @array is none. */
size_t json_length(const json_object *array);

/** A value of an array. */
json_object *json_at(const json_object *array, size_t i);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thin layer over json-c that cannot fail and cannot let a dirty string out: json-c escapes the
 * control bytes below 0x20 only, and passes on what is not UTF-8, which is then not JSON.
 */
#include <stdio.h>

#include "json.h"
#include "words.h"

json_object *json_new(void) {
        return must_have(json_object_new_object());
}

json_object *json_answer(void) {
        json_object *object = json_new();

        json_add_integer(object, "schema", JSON_SCHEMA);
        return object;
}

json_object *json_list(void) {
        return must_have(json_object_new_array());
}

void json_add(json_object *object, const char *key, json_object *value) {
        if (json_object_object_add(object, key, value) < 0)
                (void)must_have(NULL);
}

static json_object *new_string(const char *value) {
        _cleanup_free_ char *clean = text_clean(value);

        return must_have(json_object_new_string(clean));
}

void json_add_string(json_object *object, const char *key, const char *value) {
        json_add(object, key, value ? new_string(value) : NULL);
}

void json_add_word(json_object *object, const char *key, const char *value) {
        json_add_string(object, key, value && value[0] != '\0' ? value : NULL);
}

void json_add_integer(json_object *object, const char *key, int64_t value) {
        json_add(object, key, must_have(json_object_new_int64(value)));
}

void json_add_bool(json_object *object, const char *key, bool value) {
        json_add(object, key, must_have(json_object_new_boolean(value)));
}

void json_append(json_object *array, json_object *value) {
        if (json_object_array_add(array, value) < 0)
                (void)must_have(NULL);
}

void json_append_string(json_object *array, const char *value) {
        json_append(array, new_string(value));
}

char *json_text(json_object *object) {
        const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE);

        return text_format("%s", (const char *)must_have((void *)text));
}

void json_print(json_object *object, JsonFormat format) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

        if (format == JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        (void)printf("%s\n", (const char *)must_have(
                                     (void *)json_object_to_json_string_ext(object, flags)));
}

/* --- reading --- */

#define DEPTH_MAX JSON_TOKENER_DEFAULT_DEPTH /* what json-c's parser lets pass */

/* An object or a list that is being copied. */
typedef struct Level {
        json_object *from, *to;
        bool is_list;
        size_t next;                                /* in a list */
        struct json_object_iterator member, behind; /* of an object */
} Level;

static bool is_nested(const json_object *value) {
        return json_object_is_type(value, json_type_object) ||
               json_object_is_type(value, json_type_array);
}

/* Without what is in it. */
static json_object *copy_one(json_object *value) {
        if (json_object_is_type(value, json_type_object))
                return json_new();
        if (json_object_is_type(value, json_type_array))
                return json_list();
        if (json_object_is_type(value, json_type_string))
                return new_string(json_object_get_string(value));
        return json_object_get(value);
}

static Level level_of(json_object *from, json_object *to) {
        Level level = { .from = from,
                        .to = to,
                        .is_list = json_object_is_type(from, json_type_array) };

        if (level.is_list)
                return level;
        level.member = json_object_iter_begin(from);
        level.behind = json_object_iter_end(from);
        return level;
}

/* Copies the next value, and gives both. Returns false behind the last. */
static bool copy_next(Level *level, json_object **ret_from, json_object **ret_to) {
        _cleanup_free_ char *name = NULL;

        if (level->is_list) {
                if (level->next == json_length(level->from))
                        return false;
                *ret_from = json_at(level->from, level->next++);
                *ret_to = copy_one(*ret_from);
                json_append(level->to, *ret_to);
                return true;
        }
        if (json_object_iter_equal(&level->member, &level->behind))
                return false;
        name = text_clean(json_object_iter_peek_name(&level->member));
        *ret_from = json_object_iter_peek_value(&level->member);
        *ret_to = copy_one(*ret_from);
        json_add(level->to, name, *ret_to);
        json_object_iter_next(&level->member);
        return true;
}

/* A copy. Each level is done before its neighbour begins, so that one of two keys that are the same
 * when they are clean can be dropped. */
static json_object *clean(json_object *value) {
        json_object *copy = copy_one(value), *from, *to;
        Level levels[DEPTH_MAX + 1];
        size_t depth = 0;

        levels[depth++] = level_of(value, copy);
        while (depth > 0)
                if (!copy_next(&levels[depth - 1], &from, &to))
                        depth--;
                else if (is_nested(from) && depth < ARRAY_SIZE(levels))
                        levels[depth++] = level_of(from, to);
        return copy;
}

json_object *json_parse(const char *text) {
        _cleanup_json_ json_object *object = json_tokener_parse(text);

        return json_object_is_type(object, json_type_object) ? clean(object) : NULL;
}

json_object *json_get(const json_object *object, const char *key) {
        json_object *value = NULL;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, key, &value))
                return NULL;
        return value;
}

const char *json_get_word(const json_object *object, const char *key) {
        json_object *value = json_get(object, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

const char *json_get_text(const json_object *object, const char *key) {
        const char *word = json_get_word(object, key);

        return word ? word : "";
}

bool json_get_bool(const json_object *object, const char *key) {
        return json_object_get_boolean(json_get(object, key));
}

int64_t json_get_integer(const json_object *object, const char *key) {
        return json_object_get_int64(json_get(object, key));
}

size_t json_length(const json_object *array) {
        return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

json_object *json_at(const json_object *array, size_t i) {
        return json_object_array_get_idx(array, i);
}

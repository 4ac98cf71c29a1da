/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thin layer over json-c that cannot fail and cannot let a dirty string out: json-c escapes the
 * control bytes below 0x20 only, and passes on what is not UTF-8, which is then not JSON.
 */
#include <stdio.h>

#include "json.h"
#include "text.h"

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

void json_print(json_object *object, JsonFormat format) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

        if (format == JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        (void)printf("%s\n", (const char *)must_have(
                                     (void *)json_object_to_json_string_ext(object, flags)));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fnmatch.h>
#include <string.h>

#include "apparmor-rules.h"

#define PATTERN_SIZE 512
#define STARS_MAX 4 /* fnmatch(3) may try all places of all of them */

static bool is_word(const char *text, size_t length, const char *word) {
        return length == strlen(word) && memcmp(text, word, length) == 0;
}

static size_t count_stars(const char *pattern) {
        size_t n = 0;

        for (; *pattern; pattern++)
                n += *pattern == '*';
        return n;
}

static bool matches(const char *pattern, const char *path) {
        size_t n = strlen(pattern);

        if (strpbrk(pattern, "{}@\\") || count_stars(pattern) > STARS_MAX)
                return false;
        if (n < 2 || strcmp(pattern + n - 2, "**") != 0)
                return !strstr(pattern, "**") && fnmatch(pattern, path, FNM_PATHNAME) == 0;
        /* All below a directory, which itself does not match. */
        return strcspn(pattern, "*?[") == n - 2 && strncmp(pattern, path, n - 2) == 0 &&
               path[n - 2] != '\0';
}

/* A path, quoted or not, at the cursor. Returns whether there is one that fits. */
static bool read_pattern(const char **cursor, char buffer[static PATTERN_SIZE]) {
        const char *text = *cursor, *end;
        size_t length;

        text += *text == '"';
        end = text != *cursor ? strchr(text, '"') : text + strcspn(text, " \t");
        if (*text != '/' || !end)
                return false;
        length = (size_t)(end - text);
        *cursor = end + (*end == '"');
        if (length >= PATTERN_SIZE)
                return false;
        (void)memcpy(buffer, text, length);
        buffer[length] = '\0';
        return true;
}

typedef enum RuleVerdict {
        RULE_SAYS_NOTHING,
        RULE_ALLOWS,
        RULE_DENIES
} RuleVerdict;

static RuleVerdict judge(const char *line, const char *path) {
        char pattern[PATTERN_SIZE];
        bool denies = false;
        size_t length;

        for (;;) {
                line += strspn(line, " \t");
                length = strcspn(line, " \t");
                if (is_word(line, length, "deny"))
                        denies = true;
                else if (!is_word(line, length, "audit") && !is_word(line, length, "allow") &&
                         !is_word(line, length, "file"))
                        break;
                line += length;
        }
        if (!read_pattern(&line, pattern))
                return RULE_SAYS_NOTHING;
        line += strspn(line, " \t");
        if (!memchr(line, 'r', strcspn(line, ",")) || !matches(pattern, path))
                return RULE_SAYS_NOTHING;
        return denies ? RULE_DENIES : RULE_ALLOWS;
}

bool apparmor_rules_let_read(const char *rules, const char *path) {
        bool allows = false;

        while (*rules) {
                size_t length = strcspn(rules, "\n");
                char line[PATTERN_SIZE + 64];
                RuleVerdict verdict = RULE_SAYS_NOTHING;

                if (length < sizeof(line)) {
                        (void)memcpy(line, rules, length);
                        line[length] = '\0';
                        verdict = judge(line, path);
                }
                if (verdict == RULE_DENIES)
                        return false;
                allows |= verdict == RULE_ALLOWS;
                rules += length + (rules[length] == '\n');
        }
        return allows;
}

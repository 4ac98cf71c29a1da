/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words that go by a number, for sentences that people read: "1 page is wanted", "2 pages are
 * wanted".
 */
#pragma once

#include <stdint.h>

/** What follows a noun of which there are @n: "s", or "" for one. */
static inline const char *plural_s(uint64_t n) {
        return n == 1 ? "" : "s";
}

/** "are", or "is" for one. */
static inline const char *plural_are(uint64_t n) {
        return n == 1 ? "is" : "are";
}

/** "were", or "was" for one. */
static inline const char *plural_were(uint64_t n) {
        return n == 1 ? "was" : "were";
}

/** "have", or "has" for one. */
static inline const char *plural_have(uint64_t n) {
        return n == 1 ? "has" : "have";
}

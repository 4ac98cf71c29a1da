/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cleanup attributes: who owns memory or a descriptor gives it back at the end of the scope, on
 * every path. Knows nothing of the project.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/** Frees what `*(void **)p` points to. For `_cleanup_free_`. */
static inline void freep(void *p) {
        free(*(void **)p);
}

/** Closes `*fd` unless it is negative, and makes it so. For `_cleanup_close_`; errno is left as it
 * was.
 */
void closep(int *fd);

static inline void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

static inline void fclosep(FILE **file) {
        if (*file)
                fclose(*file);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_closedir_ _cleanup_(closedirp)
#define _cleanup_fclose_ _cleanup_(fclosep)

/** Hands an owned pointer or descriptor on: yields the value and leaves `none` behind. */
#define TAKE(variable, none)                              \
        ({                                                \
                __typeof__(variable) taken_ = (variable); \
                (variable) = (none);                      \
                taken_;                                   \
        })
#define TAKE_PTR(pointer) TAKE(pointer, NULL)
#define TAKE_FD(fd) TAKE(fd, -1)

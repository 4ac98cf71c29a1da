/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/kernel-cmdline: arguments lie in the text, in order, with nothing but blanks between them;
 * and whatever a command line says, a mode or a rescue word at its end is heard.
 */
#undef NDEBUG

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel-cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_blank(char c) {
        return c && strchr(" \t\n\v\f\r\xa0", c);
}

/* Walks the arguments. Returns whether the last one leaves its quotes open. */
static bool check_split(const char *text) {
        const char *cursor = text, *behind = text, *argument;
        bool open = false;
        size_t length;

        while ((argument = kernel_cmdline_next(&cursor, &length))) {
                open = false;
                assert(argument >= behind && length > 0 && cursor == argument + length);
                assert(cursor <= text + strlen(text));
                for (; behind < argument; behind++)
                        assert(is_blank(*behind));
                for (; behind < cursor; behind++) {
                        open ^= *behind == '"';
                        assert(open || !is_blank(*behind));
                }
                assert(is_blank(*cursor) || !*cursor);
        }
        for (; *behind; behind++)
                assert(is_blank(*behind));
        return open;
}

static void check_request(const char *text, const KernelCmdlineRequest *request) {
        assert(strlen(request->mode) < sizeof(request->mode));
        assert(strlen(request->rescue) < sizeof(request->rescue));
        assert(!request->mode_is_too_long || !request->mode[0]);
        assert(strstr(text, request->mode) && strstr(text, request->rescue));
}

static void check_added(const char *text, const KernelCmdlineRequest *before) {
        static const char added[] = " vfio_mode=added single";
        char *longer = malloc(strlen(text) + sizeof(added));
        KernelCmdlineRequest request;

        assert(longer);
        strcpy(stpcpy(longer, text), added);
        kernel_cmdline_request(longer, &request);
        assert(strcmp(request.mode, "added") == 0 && !request.mode_is_too_long);
        assert(strcmp(request.rescue, before->rescue[0] ? before->rescue : "single") == 0);
        free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        KernelCmdlineRequest request;
        bool open;

        assert(text);
        memcpy(text, data, size);
        text[size] = '\0';
        open = check_split(text);
        kernel_cmdline_request(text, &request);
        check_request(text, &request);
        if (!open)
                check_added(text, &request);
        free(text);
        return 0;
}

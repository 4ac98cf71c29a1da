/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words on the kernel command line that somebody has set up by hand: which reserve hugepages, and
 * which are known. No word that is cut off is taken for a known one, and a reservation is within
 * what a configuration may want.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/cmdline-words.h"
#include "model/kernel-cmdline.h"
#include "model/page-reservation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_words(const char *text) {
        const char *cursor = text, *word;
        size_t length;

        while ((word = kernel_cmdline_next(&cursor, &length))) {
                const CmdlineWord *known = cmdline_word_find(word, length);

                if (!known)
                        continue;
                assert(length >= strcspn(known->word, "="));
                (void)cmdline_word_screen(known);
        }
}

static void look_at_pages(const char *text) {
        PageReservation reservation;

        page_reservation_read(text, &reservation);
        for (HugepageSize i = 0; i < _HUGEPAGE_SIZE_MAX; i++)
                assert(reservation.pages[i] <= hugepages_max(i));
        if (page_reservation_is_plain(&reservation))
                assert(!reservation.is_odd && strstr(text, "hugepages="));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        look_at_words(text);
        look_at_pages(text);
        free(text);
        return 0;
}

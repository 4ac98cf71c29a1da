/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grub.cfg, which is other programs' and people's. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/boot-menu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        BootMenu menu;

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        boot_menu_parse(text, &menu);
        assert(menu.timeout >= BOOT_MENU_WAITS);
        assert(!menu.has_entry || strstr(text, "vfio-mode-fallback-"));
        free(text);
        return 0;
}

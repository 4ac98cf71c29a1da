/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of AppArmor's: whatever the text is, one more rule for the very file lets it be read unless
 * the text denies it, and one that denies it always counts.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/apparmor-rules.h"

#define ROM "/usr/share/vgabios/gpu.rom"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char allow[] = "\n" ROM " r,", deny[] = "\ndeny " ROM " r,";
        char *text = malloc(size + sizeof(deny) + sizeof(allow));
        bool lets_read;

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        lets_read = apparmor_rules_let_read(text, ROM);
        (void)strcat(text, allow);
        assert(apparmor_rules_let_read(text, ROM) || !lets_read);
        (void)strcat(text, deny);
        assert(!apparmor_rules_let_read(text, ROM));
        free(text);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot environment's state: bytes are damaged or a state that is written and read back to the
 * same, which GRUB boots as it may. The input is a block, and a command line with a marker.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/boot-state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_state(const BootState *state, const BootMarker *marker) {
        char mode[CONFIG_NAME_SIZE];
        BootState again, after;
        Refusal refusal;
        EnvBlock block;

        if (boot_state_format(state, &block) < 0)
                return; /* many backslashes: not ours, and it does not fit any more */
        assert(boot_state_parse(&block, &again) == 0);
        assert(boot_state_equal(state, &again));

        (void)boot_state_boot(state, true, mode, &after);
        assert(!mode[0] || strcmp(mode, "fallback") == 0 ||
               (state->left == after.left + 1 && strcmp(mode, state->mode) == 0));
        (void)boot_state_confirm(state, marker, 1700000000, &after, &refusal);
        boot_state_cancel(state, 1700000000, &after);
        boot_state_disarm(state, 1700000000, &after);
        assert(after.left == 0 || after.skip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        BootMarker marker;
        BootState state;
        EnvBlock block;
        char *cmdline;

        env_block_init(&block);
        (void)memcpy(block.bytes, data, size < sizeof(block.bytes) ? size : sizeof(block.bytes));
        cmdline = malloc(size + 1);
        assert(cmdline);
        (void)memcpy(cmdline, data, size);
        cmdline[size] = '\0';

        if (boot_marker_find(cmdline, &marker) <= 0)
                assert(marker.kind == BOOT_KIND_NONE && !boot_marker_proves_grub(&marker));
        if (boot_state_parse(&block, &state) == 0)
                try_state(&state, &marker);
        free(cmdline);
        return 0;
}

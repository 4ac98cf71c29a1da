/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fake-pc.h"

FakePC *fake_pc_new(void) {
        FakePC *pc = calloc(1, sizeof(*pc));

        assert_non_null(pc);
        pc->fake = fake_host_new();
        fake_host_write(pc->fake, "var/lib/README", "");
        fake_host_write(pc->fake, "run/README", "");
        assert_int_equal(root_open(fake_host_path(pc->fake), &pc->root), 0);
        return pc;
}

int fake_pc_tear_down(void **state) {
        FakePC *pc = *state;

        root_close(&pc->root);
        fake_host_freep(&pc->fake);
        free(pc);
        return 0;
}

void fake_pc_check_driver(const FakePC *pc, const char *address, const char *driver) {
        _cleanup_free_ char *now = fake_host_driver(pc->fake, address);

        assert_string_equal(now, driver);
}

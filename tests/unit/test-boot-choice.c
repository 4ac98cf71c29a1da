/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mode a boot goes to, from the kernel command line as it is written (DESIGN §8). */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/boot-choice.h"

#define NO_SUCH "names no mode"

typedef struct Row {
        const char *title;
        const char *cmdline;
        const char *mode;
        const char *reason; /**< must stand in the reason */
} Row;

static const char config_text[] = "[general]\ndefault-mode = passthrough\nfallback-mode = host\n"
                                  "[device gpu]\naddress = 0000:01:00.0\n"
                                  "[mode passthrough]\nvfio-devices = gpu\n"
                                  "[mode gaming]\nvfio-devices = gpu\n";

static const Row rows[] = {
        { "nothing is said: default-mode", "root=/dev/sda1 ro quiet", "passthrough",
          "default-mode" },
        { "an empty command line: default-mode", "", "passthrough", "default-mode" },
        { "a mode is named", "ro vfio_mode=gaming", "gaming", "vfio_mode=gaming" },
        { "the last name wins", "vfio_mode=gaming vfio_mode=host", "host", "vfio_mode=host" },
        { "the reserved word fallback", "vfio_mode=fallback", "host", "vfio_mode=fallback" },
        { "an unknown name: the fallback mode, and not as asked", "vfio_mode=gamign", "host",
          NO_SUCH },
        { "a name too long to exist: the fallback mode, and not as asked",
          "vfio_mode=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "host", NO_SUCH },
        { "an empty name is no name", "vfio_mode=", "passthrough", "default-mode" },
        { "single: the fallback mode", "ro single", "host", "single" },
        { "emergency: the fallback mode", "emergency", "host", "emergency" },
        { "a rescue unit: the fallback mode", "systemd.unit=rescue.target", "host", "rescue" },
        { "rd.break: the fallback mode", "rd.break", "host", "rd.break" },
        { "init=: the fallback mode", "init=/bin/sh", "host", "init=" },
        { "a mode that is named counts more than a rescue system", "single vfio_mode=gaming",
          "gaming", "vfio_mode=gaming" },
        { "another word that begins alike says nothing", "vfio_mode_x=gaming xvfio_mode=gaming",
          "passthrough", "default-mode" },
};

static void test_row(void **state) {
        const Row *row = *state;
        ConfigSource source = { "test", config_text, sizeof(config_text) - 1 };
        KernelCmdlineRequest request;
        ConfigErrors errors;
        BootChoice choice;
        Config config;

        assert_int_equal(config_parse(&source, 1, &config, &errors), 0);
        kernel_cmdline_request(row->cmdline, &request);
        (void)memset(&choice, 0xff, sizeof(choice));
        boot_choose(&config, &request, &choice);
        assert_string_equal(choice.mode, row->mode);
        assert_int_equal(choice.as_asked, !(strcmp(row->reason, NO_SUCH) == 0));
        if (!strstr(choice.reason, row->reason))
                assert_string_equal(choice.reason, row->reason);
        assert_non_null(config_find_mode(&config, choice.mode));
}

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(rows)];

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[i] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("boot-choice", tests, NULL, NULL);
}

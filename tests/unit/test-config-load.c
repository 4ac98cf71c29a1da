/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which configuration files are read, in which order, and what is said of those that cannot be. */
#undef NDEBUG
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "host/config-load.h"

#define INI "etc/vfio-mode.ini"
#define DROPIN "etc/vfio-mode.ini.d/"
#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define MODES GENERAL "[mode a]\n[mode b]\n[mode c]\n"

typedef struct Load {
        FakeHost *fake;
        Root root;
        ConfigFiles files;
        Config config;
        ConfigErrors errors;
} Load;

static int set_up(void **state) {
        Load *load = calloc(1, sizeof(*load));

        load->fake = fake_host_new();
        assert_int_equal(root_open(fake_host_path(load->fake), &load->root), 0);
        *state = load;
        return 0;
}

static int tear_down(void **state) {
        Load *load = *state;

        config_files_done(&load->files);
        root_close(&load->root);
        fake_host_freep(&load->fake);
        free(load);
        return 0;
}

static int load_etc(Load *load) {
        config_files_done(&load->files);
        return config_load(&load->root, &load->files, &load->config, &load->errors);
}

static void assert_error(const Load *load, const char *file, unsigned line, const char *says) {
        assert_true(load->errors.n_errors > 0);
        assert_string_equal(load->errors.errors[0].file, file);
        assert_int_equal(load->errors.errors[0].line, line);
        if (!strstr(load->errors.errors[0].text, says))
                assert_string_equal(load->errors.errors[0].text, says);
}

static void test_missing(void **state) {
        Load *load = *state;

        assert_int_equal(load_etc(load), -ENOENT);
        assert_error(load, "/" INI, 0, "does not exist (vfio-modectl init proposes one)");
        assert_int_equal(load->errors.n_errors, 1);
}

static void test_dropins_without_file(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, DROPIN "10.ini", MODES);
        assert_int_equal(load_etc(load), -ENOENT);
}

static void test_one_file(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        assert_int_equal(load_etc(load), 0);
        assert_string_equal(load->config.default_mode, "host");
        assert_int_equal(load->files.n_files, 1);
        assert_int_equal(load->errors.n_errors, 0);
}

static void test_later_wins(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        fake_host_write(load->fake, DROPIN "20-b.ini", "[general]\ndefault-mode = b\n");
        fake_host_write(load->fake, DROPIN "10-a.ini", "[general]\ndefault-mode = a\n");
        fake_host_write(load->fake, DROPIN "100-c.ini", "[general]\ndefault-mode = c\n");
        assert_int_equal(load_etc(load), 0);
        assert_string_equal(load->config.default_mode, "b");
        assert_int_equal(load->files.n_files, 4);
}

static void test_other_files_are_left(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        fake_host_write(load->fake, DROPIN ".hidden.ini", "nonsense\n");
        fake_host_write(load->fake, DROPIN "10.ini~", "nonsense\n");
        fake_host_write(load->fake, DROPIN "10.ini.dpkg-new", "nonsense\n");
        fake_host_write(load->fake, DROPIN "README", "nonsense\n");
        fake_host_write(load->fake, DROPIN ".ini", "nonsense\n");
        assert_int_equal(load_etc(load), 0);
        assert_int_equal(load->files.n_files, 1);
}

static void test_error_names_dropin(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        fake_host_write(load->fake, DROPIN "10.ini", "[general]\ndefault-mdoe = a\n");
        assert_int_equal(load_etc(load), -EINVAL);
        assert_error(load, "/" DROPIN "10.ini", 2, "default-mdoe");
}

static void test_failure_leaves_config(void **state) {
        Load *load = *state;
        Config before;

        fake_host_write(load->fake, INI, MODES);
        assert_int_equal(load_etc(load), 0);
        before = load->config;
        fake_host_write(load->fake, INI, "[general]\nnonsense\n");
        assert_int_equal(load_etc(load), -EINVAL);
        assert_memory_equal(&load->config, &before, sizeof(before));
}

static void test_too_large(void **state) {
        Load *load = *state;
        char *text = malloc(CONFIG_FILE_MAX + 2);

        (void)memset(text, '\n', CONFIG_FILE_MAX + 1);
        text[CONFIG_FILE_MAX + 1] = '\0';
        (void)memcpy(text, MODES, strlen(MODES));
        fake_host_write_bytes(load->fake, INI, text, CONFIG_FILE_MAX);
        assert_int_equal(load_etc(load), 0);
        fake_host_write_bytes(load->fake, INI, text, CONFIG_FILE_MAX + 1);
        assert_int_equal(load_etc(load), -EFBIG);
        assert_error(load, "/" INI, 0, "larger than 128 KiB");
        free(text);
}

static void test_nul_byte(void **state) {
        static const char text[] = MODES "\0[mode d]\n";
        Load *load = *state;

        fake_host_write_bytes(load->fake, INI, text, sizeof(text) - 1);
        assert_int_equal(load_etc(load), -EINVAL);
        assert_error(load, "/" INI, 7, "NUL");
}

static void test_too_many_dropins(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        for (unsigned i = 0; i <= CONFIG_DROPINS_MAX; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), DROPIN "%03u.ini", i);
                fake_host_write(load->fake, path, "");
                assert_int_equal(load_etc(load), i < CONFIG_DROPINS_MAX ? 0 : -E2BIG);
        }
        assert_error(load, "/etc/vfio-mode.ini.d", 0, "");
}

static void test_dropin_dir_is_a_file(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        fake_host_write(load->fake, "etc/vfio-mode.ini.d", "");
        assert_int_equal(load_etc(load), -ENOTDIR);
        assert_error(load, "/etc/vfio-mode.ini.d", 0, "cannot be read");
}

static void test_file_is_a_directory(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI "/x", "");
        assert_int_equal(load_etc(load), -EISDIR);
        assert_error(load, "/" INI, 0, "cannot be read");
}

static void test_dropin_is_a_directory(void **state) {
        Load *load = *state;

        fake_host_write(load->fake, INI, MODES);
        fake_host_write(load->fake, DROPIN "10.ini/x", "");
        assert_int_equal(load_etc(load), -EISDIR);
        assert_error(load, "/" DROPIN "10.ini", 0, "cannot be read");
}

static void test_single_file(void **state) {
        Load *load = *state;
        char path[PATH_MAX];

        fake_host_write(load->fake, "etc/other.ini", MODES);
        fake_host_write(load->fake, DROPIN "10.ini", "nonsense\n");
        (void)snprintf(path, sizeof(path), "%s/etc/other.ini", fake_host_path(load->fake));
        assert_int_equal(config_load_file(path, &load->files, &load->config, &load->errors), 0);
        config_files_done(&load->files);
        (void)strcat(path, ".no");
        assert_int_equal(config_load_file(path, &load->files, &load->config, &load->errors),
                         -ENOENT);
        assert_error(load, path, 0, "No such file");
}

static void test_accepted(void **state) {
        Load *load = *state;

        assert_int_equal(
                config_load_accepted(&load->root, &load->files, &load->config, &load->errors),
                -ENOENT);
        config_files_done(&load->files);
        fake_host_write(load->fake, INI, "nonsense\n");
        fake_host_write(load->fake, CONFIG_ACCEPTED_PATH, MODES);
        assert_int_equal(
                config_load_accepted(&load->root, &load->files, &load->config, &load->errors), 0);
}

static void test_accepted_is_what_was_formatted(void **state) {
        Load *load = *state;
        char *text = NULL, *again = NULL;

        fake_host_write(load->fake, INI,
                        MODES "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n");
        fake_host_write(load->fake, DROPIN "10.ini", "[mode a]\nvfio-devices = gpu\n");
        assert_int_equal(load_etc(load), 0);
        assert_true(config_format(&load->config, &text) > 0);
        fake_host_write(load->fake, CONFIG_ACCEPTED_PATH, text);
        config_files_done(&load->files);
        assert_int_equal(
                config_load_accepted(&load->root, &load->files, &load->config, &load->errors), 0);
        assert_true(config_format(&load->config, &again) > 0);
        assert_string_equal(again, text);
        assert_non_null(strstr(text, "0000:01:00.0"));
        free(text);
        free(again);
}

#define ON_FAKE(title, function) { (title), (function), set_up, tear_down, NULL }

static void test_errors_format(void **state) {
        ConfigErrors errors = { .errors = { { .file = "/etc/x.ini", .line = 7, .text = "bad" } },
                                .n_errors = 1 };
        char buffer[64], small[8];

        (void)state;
        assert_string_equal(config_errors_format(&errors, buffer, sizeof(buffer)),
                            "/etc/x.ini:7: bad");
        errors.errors[0].line = 0;
        assert_string_equal(config_errors_format(&errors, buffer, sizeof(buffer)),
                            "/etc/x.ini: bad");
        assert_string_equal(config_errors_format(&errors, small, sizeof(small)), "/etc/x.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors_format),
                ON_FAKE("there is no file", test_missing),
                ON_FAKE("drop-ins alone are no configuration", test_dropins_without_file),
                ON_FAKE("one file", test_one_file),
                ON_FAKE("of drop-ins the last in alphabetical order wins", test_later_wins),
                ON_FAKE("what is not NAME.ini is left alone", test_other_files_are_left),
                ON_FAKE("an error names the drop-in and its line", test_error_names_dropin),
                ON_FAKE("a failure leaves the value as it was", test_failure_leaves_config),
                ON_FAKE("a file may have 128 KiB and not a byte more", test_too_large),
                ON_FAKE("a NUL byte is refused, not taken for the end", test_nul_byte),
                ON_FAKE("there may be 64 drop-ins and not one more", test_too_many_dropins),
                ON_FAKE("the drop-in directory is a file", test_dropin_dir_is_a_file),
                ON_FAKE("the file is a directory", test_file_is_a_directory),
                ON_FAKE("a drop-in is a directory", test_dropin_is_a_directory),
                ON_FAKE("one named file, without drop-ins", test_single_file),
                ON_FAKE("the accepted copy, whatever /etc says now", test_accepted),
                ON_FAKE("the accepted copy of several files is the same configuration",
                        test_accepted_is_what_was_formatted),
        };

        return cmocka_run_group_tests_name("config-load", tests, NULL, NULL);
}

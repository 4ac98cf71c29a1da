/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model/kernel-cmdline: what the command line asks of a boot. */
#undef NDEBUG

#include <errno.h>
#include <string.h>

#include "model/kernel-cmdline.h"
#include "table.h"

static const struct Split {
        const char *title;
        const char *text;
        const char *arguments[4];
} splits[] = {
        { "arguments between blanks", " root=/dev/sda1  quiet\n", { "root=/dev/sda1", "quiet" } },
        { "every blank that the kernel knows",
          "a\tb\v\f\r\nc\xa0"
          "d",
          { "a", "b", "c", "d" } },
        { "quotes keep blanks", "a=\"b c\" d", { "a=\"b c\"", "d" } },
        { "quotes in the middle", "a=b\" c\"d e", { "a=b\" c\"d", "e" } },
        { "a quote that is not closed", "a \"b c", { "a", "\"b c" } },
        { "nothing", "", { NULL } },
        { "blanks only", " \n", { NULL } },
};

static void test_split(void **state) {
        const struct Split *row = *state;
        const char *cursor = row->text;
        size_t length = 4711;

        for (size_t i = 0; i < ARRAY_SIZE(row->arguments) && row->arguments[i]; i++) {
                const char *argument = kernel_cmdline_next(&cursor, &length);

                assert_non_null(argument);
                assert_int_equal(length, strlen(row->arguments[i]));
                assert_memory_equal(argument, row->arguments[i], length);
        }
        length = 4711;
        assert_null(kernel_cmdline_next(&cursor, &length));
        assert_int_equal(length, 4711);
        assert_int_equal(*cursor, '\0');
}

#define TEXT_31 "123456789012345678901234567890A"
#define TEXT_63 TEXT_31 "B" TEXT_31

static const struct Request {
        const char *title;
        const char *text;
        KernelCmdlineRequest request;
} requests[] = {
        { "nothing asked", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n", { .mode = "" } },
        { "an empty command line", "", { .mode = "" } },
        { "a mode", "quiet vfio_mode=passthrough\n", { .mode = "passthrough" } },
        { "the last mode wins", "vfio_mode=a vfio_mode=b", { .mode = "b" } },
        { "an empty mode takes it back", "vfio_mode=a vfio_mode=", { .mode = "" } },
        { "a dash in the name", "vfio-mode=a", { .mode = "a" } },
        { "no value", "vfio_mode=a vfio_mode", { .mode = "a" } },
        { "another name that begins alike",
          "vfio_mode.boot=trial.7.0 vfio_modes=x",
          { .mode = "" } },
        { "another name that ends alike", "xvfio_mode=x", { .mode = "" } },
        { "other letters", "VFIO_MODE=x", { .mode = "" } },
        { "a value in quotes", "vfio_mode=\"a b\"", { .mode = "a b" } },
        { "an argument in quotes", "\"vfio_mode=a b\" c", { .mode = "a b" } },
        { "a value in quotes that are not closed", "vfio_mode=\"a b", { .mode = "a b" } },
        { "a value that is a quote", "vfio_mode=\"", { .mode = "" } },
        { "an argument that is a quote", "vfio_mode=a \"", { .mode = "a" } },
        { "a mode behind the dashes", "quiet -- vfio_mode=a", { .mode = "a" } },
        { "the longest mode", "vfio_mode=" TEXT_63, { .mode = TEXT_63 } },
        { "a mode that is too long",
          "vfio_mode=a vfio_mode=" TEXT_63 "x",
          { .mode_is_too_long = true } },
        { "a mode behind one that is too long",
          "vfio_mode=" TEXT_63 "x vfio_mode=b",
          { .mode = "b" } },
        { "single", "single", { .rescue = "single" } },
        { "s", "ro s", { .rescue = "s" } },
        { "S", "ro S", { .rescue = "S" } },
        { "-s", "ro -s", { .rescue = "-s" } },
        { "1", "ro 1", { .rescue = "1" } },
        { "rescue", "rescue", { .rescue = "rescue" } },
        { "emergency", "emergency", { .rescue = "emergency" } },
        { "recovery", "ro recovery nomodeset", { .rescue = "recovery" } },
        { "-b", "-b", { .rescue = "-b" } },
        { "a shell for init", "init=/bin/sh", { .rescue = "init=/bin/sh" } },
        { "rd.break", "rd.break", { .rescue = "rd.break" } },
        { "rd.break with a place", "rd.break=pre-mount", { .rescue = "rd.break=pre-mount" } },
        { "the rescue unit",
          "systemd.unit=rescue.target",
          { .rescue = "systemd.unit=rescue.target" } },
        { "the emergency unit",
          "systemd.unit=\"emergency.target\"",
          { .rescue = "systemd.unit=\"emergency.target\"" } },
        { "the rescue service",
          "systemd.unit=rescue.service",
          { .rescue = "systemd.unit=rescue.service" } },
        { "another unit", "systemd.unit=multi-user.target", { .rescue = "" } },
        { "single behind the dashes", "quiet -- single", { .rescue = "single" } },
        { "single in quotes", "\"single\"", { .rescue = "single" } },
        { "the first of two", "single emergency", { .rescue = "single" } },
        { "both a mode and single", "vfio_mode=a single", { .mode = "a", .rescue = "single" } },
        { "words with rescue in them",
          "singles rescue=1 recovery=1 x.single -bb 11 rd.breaks init rd.init=x",
          { .rescue = "" } },
        { "a long init is cut",
          "init=/1234567890123456789012345678901234567890",
          { .rescue = "init=/1234567890123456789012345" } },
};

static void test_request(void **state) {
        const struct Request *row = *state;
        KernelCmdlineRequest request = { .mode = "x", .rescue = "x", .mode_is_too_long = true };

        kernel_cmdline_request(row->text, &request);
        assert_string_equal(request.mode, row->request.mode);
        assert_int_equal(request.mode_is_too_long, row->request.mode_is_too_long);
        assert_string_equal(request.rescue, row->request.rescue);
}

static const struct Foreign {
        const char *title, *text, *arguments;
        size_t length;
} foreigns[] = {
        { "nothing of ours", "ro quiet", "", sizeof("ro quiet") },
        { "nothing at all", "", "nosmt", 0 },
        { "our words", "ro vfio_mode=a vfio_mode.boot=once.7.0", "", sizeof("ro") },
        { "our words and arguments", "ro vfio_mode=a nosmt panic=10 vfio_mode.boot=once.7.0",
          "nosmt panic=10", sizeof("ro") },
        { "arguments that are not there", "ro nosmt", "nosmt panic=10", sizeof("ro nosmt") },
        { "arguments that are a part of a word", "xa=10 a=11", "a=1", sizeof("xa=10 a=11") },
        { "arguments behind a word that ends alike", "xa=1 a=1", "a=1", sizeof("xa=1") },
};

static void test_foreign_length(void **state) {
        const struct Foreign *row = *state;

        assert_int_equal(kernel_cmdline_foreign_length(row->text, row->arguments), row->length);
}

static const struct Arguments {
        const char *title, *cmdline, *arguments;
        unsigned pages; /* of 1 GiB */
        unsigned small; /* pages of 2 MiB */
} arguments_of[] = {
        { "the arguments of a mode", "nosmt", "nosmt panic=10", 0, 0 },
        { "the arguments of a mode without any", "", "panic=10", 0, 0 },
        { "a panic= of the mode's own", "panic=0 nosmt", "panic=0 nosmt", 0, 0 },
        { "a word that begins alike", "panic_on_oops=1", "panic_on_oops=1 panic=10", 0, 0 },
        { "pages of 1 GiB", "nosmt", "nosmt hugepagesz=1G hugepages=20 panic=10", 20, 0 },
        { "pages of 1 GiB alone", "", "hugepagesz=1G hugepages=1 panic=10", 1, 0 },
        { "pages of 1 GiB and a panic= of its own", "panic=0", "panic=0 hugepagesz=1G hugepages=1",
          1, 0 },
        { "pages of both sizes", "nosmt",
          "nosmt hugepagesz=1G hugepages=16384 hugepagesz=2M hugepages=8388608 panic=10", 16384,
          8388608 },
        { "pages of 2 MiB alone", "", "hugepagesz=2M hugepages=512 panic=10", 0, 512 },
        { "pages that the mode's cmdline asks for itself", "hugepagesz=1G hugepages=3",
          "hugepagesz=1G hugepages=3 panic=10", 20, 0 },
        { "pages of a size that the mode's cmdline names", "hugepages=3", "hugepages=3 panic=10",
          20, 0 },
        { "a word that begins as hugepages", "hugepages_treat_as_movable",
          "hugepages_treat_as_movable hugepagesz=1G hugepages=1 panic=10", 1, 0 },
};

static const struct Reserved {
        const char *title, *text;
        const char *cmdline;
        unsigned pages;
        bool ours;
} reserved[] = {
        { "pages that our arguments reserved",
          "ro vfio_mode=a nosmt hugepagesz=1G hugepages=20 panic=10 vfio_mode.boot=once.7.0",
          "nosmt", 20, true },
        { "pages of another number", "ro nosmt hugepagesz=1G hugepages=21 panic=10", "nosmt", 20,
          false },
        { "pages that were not reserved", "ro nosmt panic=10", "nosmt", 20, false },
        { "pages that somebody else reserved", "ro hugepagesz=1G hugepages=20", "nosmt", 20,
          false },
        { "pages that somebody else reserved before us",
          "hugepagesz=1G hugepages=4 nosmt hugepagesz=1G hugepages=20 panic=10", "nosmt", 20,
          false },
        { "pages of another size beside ours",
          "hugepagesz=2M hugepages=4 nosmt hugepagesz=1G hugepages=20 panic=10", "nosmt", 20,
          true },
        { "pages of the default size beside ours",
          "hugepages=4 nosmt hugepagesz=1G hugepages=20 panic=10", "nosmt", 20, false },
        { "a mode without pages", "ro nosmt panic=10", "nosmt", 0, false },
        { "pages that the mode's cmdline reserved", "ro hugepagesz=1G hugepages=20 panic=10",
          "hugepagesz=1G hugepages=20", 20, false },
};

static void test_reserved(void **state) {
        const struct Reserved *row = *state;
        ConfigMode mode = { .hugepages.pages[HUGEPAGE_1G] = row->pages };

        (void)strcpy(mode.cmdline, row->cmdline);
        assert_int_equal(kernel_cmdline_reserves(row->text, &mode, HUGEPAGE_1G), row->ours);
        assert_false(kernel_cmdline_reserves(row->text, &mode, HUGEPAGE_2M));
}

static void test_arguments(void **state) {
        const struct Arguments *row = *state;
        ConfigMode mode = { .hugepages.pages = { row->pages, row->small } };
        size_t length = strlen(row->arguments);
        char buffer[128];

        (void)strcpy(mode.cmdline, row->cmdline);
        assert_int_equal(kernel_cmdline_arguments(&mode, buffer, sizeof(buffer)), length);
        assert_string_equal(buffer, row->arguments);
        assert_int_equal(kernel_cmdline_arguments(&mode, buffer, length), -ENOSPC);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_split, splits);
        TABLE_ROWS(&table, test_request, requests);
        TABLE_ROWS(&table, test_foreign_length, foreigns);
        TABLE_ROWS(&table, test_arguments, arguments_of);
        TABLE_ROWS(&table, test_reserved, reserved);
        return table_run("kernel-cmdline", &table);
}

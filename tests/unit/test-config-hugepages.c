/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a mode may want of hugepages, and how it is written back. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"
#include "table.h"

/* What is in front of and behind the section of mode `a` in a configuration that is written out. */
#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define HOST "\n[mode host]\nvfio-devices =\n"

typedef struct Row {
        const char *title;
        const char *texts[2]; /* a file and a drop-in */
        const char *expected;
} Row;

static const Row accepted[] = {
        { "hugepages",
          { "[mode a]\nhugepages-1G = 16384\nhugepages-2M = 8388608\nhugepages-min = 100%\n"
            "hugepages-keep = yes\n" },
          "\n[mode a]\nvfio-devices =\nhugepages-1G = 16384\nhugepages-2M = 8388608\n"
          "hugepages-min = 100%\nhugepages-keep = yes\n" },
        { "hugepages of which all are enough",
          { "[mode a]\nhugepages-1G = 3\nhugepages-min = 3\nhugepages-keep = no\n" },
          "\n[mode a]\nvfio-devices =\nhugepages-1G = 3\nhugepages-min = 3\n" },
        { "hugepages of which none are needed",
          { "[mode a]\nhugepages-2M = 3\nhugepages-min = 0\n" },
          "\n[mode a]\nvfio-devices =\nhugepages-2M = 3\nhugepages-min = 0\n" },
        { "a drop-in that wants no hugepages",
          { "[mode a]\nhugepages-2M = 3\nhugepages-min = 50%\n", "[mode a]\nhugepages-2M = 0\n" },
          "\n[mode a]\nvfio-devices =\nhugepages-min = 50%\n" },
};

static const Row refused[] = {
        { "hugepages that are no number of pages",
          { "[mode a]\nhugepages-1G = 20G\nhugepages-2M = -1\nhugepages-min = half\n"
            "hugepages-keep = maybe\n" },
          "a.ini:2: hugepages-1G '20G' is not a number of pages from 0 to 16384\n"
          "a.ini:3: hugepages-2M '-1' is not a number of pages from 0 to 8388608\n"
          "a.ini:4: hugepages-min 'half' is neither a number of pages nor a percentage from 0% to "
          "100%\n"
          "a.ini:5: hugepages-keep 'maybe' is neither yes nor no\n" },
        { "hugepages beyond all bounds",
          { "[mode a]\nhugepages-1G = 16385\nhugepages-2M = 8388609\nhugepages-min = 101%\n" },
          "a.ini:2: hugepages-1G '16385' is not a number of pages from 0 to 16384\n"
          "a.ini:3: hugepages-2M '8388609' is not a number of pages from 0 to 8388608\n"
          "a.ini:4: hugepages-min '101%' is neither a number of pages nor a percentage from 0% to "
          "100%\n" },
        { "a per cent sign alone",
          { "[mode a]\nhugepages-min = %\n" },
          "a.ini:2: hugepages-min '%' is neither a number of pages nor a percentage from 0% to "
          "100%\n" },
        { "more hugepages needed than wanted",
          { "[mode a]\nhugepages-2M = 5\n\nhugepages-min = 6\n" },
          "a.ini:4: hugepages-min of mode 'a' is 6 pages, and only 5 are wanted\n" },
        { "one more needed than the one that is wanted",
          { "[mode a]\nhugepages-2M = 1\nhugepages-min = 2\n" },
          "a.ini:3: hugepages-min of mode 'a' is 2 pages, and only 1 is wanted\n" },
        { "a number of hugepages of two sizes",
          { "[mode a]\nhugepages-1G = 1\nhugepages-2M = 5\n[mode b]\n",
            "[mode a]\nhugepages-min = 2" },
          "b.ini:2: hugepages-min of mode 'a' is a number of pages, and it wants two sizes: give a "
          "percentage\n" },
        { "hugepages of the fallback mode",
          { "[mode host]\nhugepages-2M = 5\nhugepages-1G = 1\n" },
          "a.ini:2: the fallback mode 'host' takes no hugepages: those that are always wanted belong "
          "into vm.nr_hugepages or the boot loader's configuration\n"
          "a.ini:3: the fallback mode 'host' takes no hugepages: those that are always wanted belong "
          "into vm.nr_hugepages or the boot loader's configuration\n" },
};

static int parse(const char *const *texts, Config *ret, ConfigErrors *errors) {
        ConfigSource sources[2] = { { "a.ini", texts[0], strlen(texts[0]) } };

        if (texts[1])
                sources[1] = (ConfigSource){ "b.ini", texts[1], strlen(texts[1]) };
        return config_parse(sources, texts[1] ? 2 : 1, ret, errors);
}

/* And it is read back the same. */
static void test_accepted(void **state) {
        const Row *row = *state;
        _cleanup_free_ char *text = NULL, *again = NULL;
        char expected[512];
        ConfigErrors errors;
        Config config;

        (void)snprintf(expected, sizeof(expected), "%s%s%s", GENERAL, row->expected, HOST);
        assert_int_equal(parse(row->texts, &config, &errors), 0);
        assert_true(config_format(&config, &text) > 0);
        assert_string_equal(text, expected);
        assert_int_equal(parse((const char *const[]){ text, NULL }, &config, &errors), 0);
        assert_true(config_format(&config, &again) > 0);
        assert_string_equal(again, text);
}

static void test_refused(void **state) {
        const Row *row = *state;
        ConfigErrors errors;
        char text[1024];
        size_t n = 0;
        Config config;

        assert_int_equal(parse(row->texts, &config, &errors), -EINVAL);
        for (size_t i = 0; i < errors.n_errors; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s:%u: %s\n",
                                      errors.errors[i].file, errors.errors[i].line,
                                      errors.errors[i].text);
        assert_string_equal(text, row->expected);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_accepted, accepted);
        TABLE_ROWS(&table, test_refused, refused);
        return table_run("config-hugepages", &table);
}

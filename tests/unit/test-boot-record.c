/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a boot did, as text: it must come back as it was written, or be refused. */
#undef NDEBUG

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/boot-record.h"
#include "table.h"

#define ID "12345678-9abc-def0-1234-56789abcdef0"

#define HEAD "vfio-mode-boot=1\nboot-id=" ID "\ntime=1700000000\n"
#define SOURCE "source=command-line\n"
#define MARKER "marker=trial.1700000001.2\n"
#define MODES "wanted=game\nmode=host\n"
#define RESULT "result=group-not-viable\nreason=in words\n"
#define TAIL "confirmed=no\nrepeated=yes\nunconfirmed=2\n"
#define WHOLE HEAD SOURCE MARKER MODES RESULT TAIL

static const struct Row {
        const char *title;
        const char *text;
        int error;
} rows[] = {
        { "a whole record", WHOLE, 0 },
        { "no marker, no mode", HEAD SOURCE "marker=none.0.0\nwanted=\nmode=\n" RESULT TAIL, 0 },
        { "nothing at all", "", -EBADMSG },
        { "no version", "boot-id=" ID "\n", -EBADMSG },
        { "another version", "vfio-mode-boot=2\nx=y\n", -EPROTONOSUPPORT },
        { "the header alone", "vfio-mode-boot=1\n", -EBADMSG },
        { "cut behind a line", HEAD SOURCE MARKER MODES RESULT "confirmed=no\nrepeated=yes\n",
          -EBADMSG },
        { "cut in a line", HEAD SOURCE MARKER MODES RESULT "confirmed=no\nrepeated=yes\nunconf",
          -EBADMSG },
        { "a line too many", WHOLE "unconfirmed=0\n", -EBADMSG },
        { "a line twice", HEAD SOURCE SOURCE MARKER MODES RESULT TAIL, -EBADMSG },
        { "another order", HEAD MARKER SOURCE MODES RESULT TAIL, -EBADMSG },
        { "an unknown source", HEAD "source=me\n" MARKER MODES RESULT TAIL, -EBADMSG },
        { "an unknown result", HEAD SOURCE MARKER MODES "result=x\nreason=\n" TAIL, -EBADMSG },
        { "a marker that is none", HEAD SOURCE "marker=trial.1\n" MODES RESULT TAIL, -EBADMSG },
        { "no marker with a sequence", HEAD SOURCE "marker=none.1.0\n" MODES RESULT TAIL,
          -EBADMSG },
        { "a mode that cannot be one", HEAD SOURCE MARKER "wanted=Game\nmode=host\n" RESULT TAIL,
          -EBADMSG },
        { "a count that is none",
          HEAD SOURCE MARKER MODES RESULT "confirmed=no\nrepeated=yes\nunconfirmed=-1\n",
          -EBADMSG },
        { "neither yes nor no",
          HEAD SOURCE MARKER MODES RESULT "confirmed=maybe\nrepeated=yes\nunconfirmed=1\n",
          -EBADMSG },
        { "a boot id that does not fit",
          "vfio-mode-boot=1\nboot-id=" ID "0\ntime=1\n" SOURCE MARKER MODES RESULT TAIL, -EBADMSG },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        BootRecord record, untouched;
        char text[BOOT_RECORD_SIZE_MAX];
        int n;

        (void)memset(&record, 0x5a, sizeof(record));
        untouched = record;
        assert_int_equal(boot_record_parse(row->text, &record), row->error);
        if (row->error < 0) {
                assert_memory_equal(&record, &untouched, sizeof(record));
                return;
        }
        n = boot_record_format(&record, text, sizeof(text));
        assert_int_equal(n, strlen(row->text));
        assert_string_equal(text, row->text);
        assert_int_equal(boot_record_format(&record, text, (size_t)n), -ENOSPC);
}

static void test_values(void **state) {
        BootRecord record;

        (void)state;
        assert_int_equal(boot_record_parse(WHOLE, &record), 0);
        assert_string_equal(record.boot_id, ID);
        assert_true(record.time == 1700000000);
        assert_int_equal(record.source, BOOT_SOURCE_CMDLINE);
        assert_int_equal(record.marker.kind, BOOT_KIND_TRIAL);
        assert_true(record.marker.sequence == 1700000001);
        assert_int_equal(record.marker.left, 2);
        assert_string_equal(record.wanted, "game");
        assert_string_equal(record.mode, "host");
        assert_int_equal(record.kind, REFUSAL_GROUP_NOT_VIABLE);
        assert_string_equal(record.reason, "in words");
        assert_false(record.confirmed);
        assert_true(record.repeated);
        assert_int_equal(record.unconfirmed, 2);
}

/* The largest record fits into what readers of the file take. */
static void test_largest(void **state) {
        char text[BOOT_RECORD_SIZE_MAX];
        BootRecord record, again;

        (void)state;
        assert_int_equal(boot_record_parse(WHOLE, &record), 0);
        record.time = record.marker.sequence = UINT64_MAX;
        record.unconfirmed = UINT16_MAX;
        (void)memset(record.reason, 'x', sizeof(record.reason) - 1);
        record.reason[sizeof(record.reason) - 1] = '\0';
        (void)memcpy(record.reason, "a\nb", 3);
        assert_in_range(boot_record_format(&record, text, sizeof(text)), 600, sizeof(text) - 1);
        assert_int_equal(boot_record_parse(text, &again), 0);
        assert_memory_equal(again.reason, "a b", 3);
        assert_true(again.time == UINT64_MAX);
}

static void test_sources(void **state) {
        (void)state;
        assert_string_equal(boot_source_name(BOOT_SOURCE_NONE), "none");
        assert_string_equal(boot_source_name(BOOT_SOURCE_CMDLINE), "command-line");
        assert_string_equal(boot_source_name(BOOT_SOURCE_RESCUE), "rescue");
        assert_string_equal(boot_source_name(BOOT_SOURCE_EFI), "efi");
        assert_string_equal(boot_source_name(BOOT_SOURCE_DEFAULT), "default");
}

/* Whatever is cut off behind, it is not taken for a record. */
static void test_every_prefix(void **state) {
        char text[sizeof(WHOLE)];
        BootRecord record;

        (void)state;
        for (size_t length = 0; length < strlen(WHOLE); length++) {
                (void)memcpy(text, WHOLE, length);
                text[length] = '\0';
                assert_int_equal(boot_record_parse(text, &record), -EBADMSG);
        }
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "every value", test_values, NULL);
        table_add(&table, "the largest record", test_largest, NULL);
        table_add(&table, "names of sources", test_sources, NULL);
        table_add(&table, "no prefix of a record is one", test_every_prefix, NULL);
        return table_run("boot-record", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a boot leaves for the ones after it. */
#undef NDEBUG
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../fake/fake-host.h"
#include "boot/boot-history.h"
#include "host/state-files.h"
#include "table.h"

#define FIRST "11111111-1111-4111-8111-111111111111"
#define SECOND "22222222-2222-4222-8222-222222222222"

typedef struct History {
        FakeHost *fake;
        Root root;
        BootRecord record;
} History;

static int set_up(void **state) {
        History *history = calloc(1, sizeof(*history));

        history->fake = fake_host_new();
        assert_int_equal(root_open(fake_host_path(history->fake), &history->root), 0);
        fake_host_write(history->fake, "var/lib/dpkg/status", "");
        *state = history;
        return 0;
}

static int tear_down(void **state) {
        History *history = *state;

        root_close(&history->root);
        fake_host_freep(&history->fake);
        free(history);
        return 0;
}

static BootRecord record_of(const char *boot_id, const char *mode, unsigned unconfirmed) {
        BootRecord record = { .time = 1, .source = BOOT_SOURCE_DEFAULT };

        (void)snprintf(record.boot_id, sizeof(record.boot_id), "%s", boot_id);
        (void)snprintf(record.mode, sizeof(record.mode), "%s", mode);
        record.unconfirmed = unconfirmed;
        return record;
}

static void assert_record(const History *history, const char *path, const char *boot_id,
                          unsigned unconfirmed) {
        BootRecord record;

        assert_int_equal(boot_record_read(&history->root, path, &record), 0);
        assert_string_equal(record.boot_id, boot_id);
        assert_int_equal(record.unconfirmed, unconfirmed);
}

static void test_boot_id(void **state) {
        History *history = *state;
        char id[BOOT_ID_SIZE] = "untouched";

        assert_int_equal(boot_id_read(&history->root, id), -ENOENT);
        fake_host_write(history->fake, "proc/sys/kernel/random/boot_id", "short\n");
        assert_int_equal(boot_id_read(&history->root, id), -EBADMSG);
        assert_string_equal(id, "untouched");
        fake_host_write(history->fake, "proc/sys/kernel/random/boot_id", FIRST "\n");
        assert_int_equal(boot_id_read(&history->root, id), 0);
        assert_string_equal(id, FIRST);
}

static void test_nothing(void **state) {
        History *history = *state;
        BootRecord *record = &history->record;

        /* No record, with our directory and without; then no /var/lib: not mounted yet. */
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, record), -ENOENT);
        assert_int_equal(mkdirat(history->root.fd, STATE_DIR, 0755), 0);
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, record), -ENOENT);
        fake_host_remove(history->fake, "var/lib");
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, record), -ENOTDIR);
        history->record = record_of(FIRST, "host", 0);
        assert_int_equal(boot_record_write(&history->root, record), -ENOENT);
}

static void test_boots(void **state) {
        History *history = *state;
        BootRecord record = record_of(FIRST, "passthrough", 1);

        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PATH, FIRST, 1);
        assert_int_equal(
                boot_record_read(&history->root, BOOT_RECORD_PREVIOUS_PATH, &history->record),
                -ENOENT);
        /* The same boot again: nothing becomes a previous one. */
        record.unconfirmed = 0;
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PATH, FIRST, 0);
        assert_int_equal(
                boot_record_read(&history->root, BOOT_RECORD_PREVIOUS_PATH, &history->record),
                -ENOENT);

        record = record_of(SECOND, "host", 2);
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PATH, SECOND, 2);
        assert_record(history, BOOT_RECORD_PREVIOUS_PATH, FIRST, 0);
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PREVIOUS_PATH, FIRST, 0);
}

static void test_damaged(void **state) {
        static const char *const texts[] = { "", "nonsense\n", "vfio-mode-boot=1\nmode=ho" };
        History *history = *state;
        char large[BOOT_RECORD_SIZE_MAX + 1];
        BootRecord record = record_of(FIRST, "host", 0);

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                fake_host_write(history->fake, BOOT_RECORD_PATH, texts[i]);
                assert_int_equal(
                        boot_record_read(&history->root, BOOT_RECORD_PATH, &history->record),
                        -EBADMSG);
        }
        (void)memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        fake_host_write(history->fake, BOOT_RECORD_PATH, large);
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, &history->record),
                         -EBADMSG);
        fake_host_write_bytes(history->fake, BOOT_RECORD_PATH, "vfio-mode-boot=1\n\0x", 19);
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, &history->record),
                         -EBADMSG);

        /* It is written over, and what was before it does not pass for the boot before. */
        fake_host_write(history->fake, BOOT_RECORD_PREVIOUS_PATH, "old");
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PATH, FIRST, 0);
        assert_false(fake_host_exists(history->fake, BOOT_RECORD_PREVIOUS_PATH));
}

static size_t count_files(const History *history) {
        int fd = openat(history->root.fd, STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        size_t n = 0;

        while (readdir(dir))
                n++;
        return n - 2;
}

/* A power cut may leave a half-written temporary file, which stops nothing and is not read. */
static void test_temporary_files(void **state) {
        History *history = *state;
        BootRecord record = record_of(FIRST, "host", 0);

        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_int_equal(count_files(history), 1);
        fake_host_write(history->fake, STATE_DIR "/boot.1.tmp", "half");
        record = record_of(SECOND, "host", 0);
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_record(history, BOOT_RECORD_PATH, SECOND, 0);
        assert_int_equal(count_files(history), 3);
}

static void test_unwritable(void **state) {
        History *history = *state;
        BootRecord record = record_of(FIRST, "host", 0);

        fake_host_write(history->fake, STATE_DIR, "a file");
        assert_int_equal(boot_record_write(&history->root, &record), -ENOTDIR);
        assert_int_equal(boot_record_read(&history->root, BOOT_RECORD_PATH, &record), -ENOTDIR);
        fake_host_remove(history->fake, STATE_DIR);
        assert_int_equal(mkdirat(history->root.fd, STATE_DIR, 0755), 0);
        assert_int_equal(mkdirat(history->root.fd, BOOT_RECORD_PATH, 0755), 0);
        assert_int_equal(boot_record_write(&history->root, &record), -EISDIR);
        assert_int_equal(count_files(history), 1);
}

static bool awaits_vm(const History *history, ConfigConfirm confirm) {
        const Config config = { .fallback_mode = "host" };
        const ConfigMode mode = { .name = "game", .confirm = confirm };

        return boot_awaits_vm(&history->root, &config, &mode);
}

/* Whether a guard has to look for one: in a boot into the mode that nobody has confirmed. */
static void test_awaits_vm(void **state) {
        History *history = *state;
        BootRecord record = record_of(SECOND, "game", 1);
        char text[BOOT_RECORD_SIZE_MAX];

        assert_false(awaits_vm(history, CONFIG_CONFIRM_VM)); /* no record */
        fake_host_write(history->fake, "proc/sys/kernel/random/boot_id", FIRST "\n");
        (void)strcpy(record.wanted, "game");
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_false(awaits_vm(history, CONFIG_CONFIRM_VM)); /* of another boot */

        /* This boot's, as long as /var/lib cannot be written. */
        (void)strcpy(record.boot_id, FIRST);
        assert_true(boot_record_format(&record, text, sizeof(text)) > 0);
        fake_host_write(history->fake, BOOT_RECORD_RUN_PATH, text);
        assert_true(awaits_vm(history, CONFIG_CONFIRM_VM));
        assert_false(awaits_vm(history, CONFIG_CONFIRM_BOOT));
        assert_false(awaits_vm(history, CONFIG_CONFIRM_MANUAL));

        /* And what is written there later counts for more. */
        record.confirmed = true;
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_false(awaits_vm(history, CONFIG_CONFIRM_VM));
        record.confirmed = false;
        (void)strcpy(record.wanted, "host");
        assert_int_equal(boot_record_write(&history->root, &record), 0);
        assert_false(awaits_vm(history, CONFIG_CONFIRM_VM));
}

#define ON_FAKE(title, function) { (title), (function), set_up, tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_FAKE("the boot's id", test_boot_id),
                ON_FAKE("no record, and no /var/lib", test_nothing),
                ON_FAKE("this boot and the one before", test_boots),
                ON_FAKE("a damaged record", test_damaged),
                ON_FAKE("temporary files", test_temporary_files),
                ON_FAKE("what cannot be written", test_unwritable),
                ON_FAKE("a boot that a VM confirms", test_awaits_vm),
        };

        return cmocka_run_group_tests_name("boot-history", tests, NULL, NULL);
}

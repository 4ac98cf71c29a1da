/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole switches with hugepages on the fake kernel: what is asked for, what a refusal gives back,
 * and that a switch that was killed leaves nothing behind for good.
 */
#undef NDEBUG
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/switch.h"
#include "base/log.h"
#include "host/memory-scan.h"
#include "host/state-files.h"
#include "table.h"

#define DISPLAY "0000:01:00.0"
#define SMALL "hugepages-2048kB"
#define BIG "hugepages-1048576kB"
#define SMALL_DIR HUGEPAGES_DIR "/" SMALL
#define MACHINE_MIB 1024
#define WRITES_MAX 30

#define DEVICES                                                      \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[device nic]\naddress = 0000:05:00.0\n"
#define GUEST DEVICES "[mode guest]\nvfio-devices = gpu\nhugepages-2M = 200\n"

typedef struct Pc {
        FakeHost *fake;
        Root root;
        SwitchResult result;
} Pc;

static Pc *pc_new(const char *config) {
        Pc *pc = calloc(1, sizeof(*pc));

        pc->fake = fake_host_new();
        fake_host_add_bridge(pc->fake, "0000:00:01.0", 12);
        fake_host_add_gpu(pc->fake, DISPLAY, .group = 12, .driver = "nvidia", .audio = true,
                          .boot_vga = true);
        fake_host_add_nic(pc->fake, "0000:05:00.0", 15);
        fake_host_add_memory(pc->fake, MACHINE_MIB);
        fake_host_write(pc->fake, "etc/vfio-mode.ini", config);
        assert_int_equal(root_open(fake_host_path(pc->fake), &pc->root), 0);
        log_set_max_level(LOG_EMERG);
        return pc;
}

static void pc_free(Pc *pc) {
        root_close(&pc->root);
        fake_host_freep(&pc->fake);
        free(pc);
}

static RefusalKind go(Pc *pc, const char *mode) {
        SwitchRequest request = { .verb = "switch",
                                  .mode = mode,
                                  .source = "unit",
                                  .reason = "",
                                  .without_units = true };

        return switch_run(&pc->root, &request, &pc->result);
}

static RefusalKind boot(Pc *pc, const char *mode) {
        SwitchRequest request = { .verb = "boot",
                                  .mode = mode,
                                  .source = "boot",
                                  .reason = "",
                                  .early = true,
                                  .without_units = true };

        return switch_run(&pc->root, &request, &pc->result);
}

static unsigned pool(const Pc *pc) {
        return fake_host_pool(pc->fake, SMALL);
}

static void set_pool(Pc *pc, unsigned pages) {
        fake_host_set_pool(pc->fake, SMALL, pages, pages);
}

/* What the status file knows of pools, "" for nothing. */
static const char *remembered(const Pc *pc, char text[64]) {
        char *status = fake_host_read(pc->fake, STATUS_PATH);
        const char *line = strstr(status, "hugepages=");

        (void)snprintf(text, 64, "%.*s", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
        free(status);
        return text;
}

static unsigned count_writes(const Pc *pc) {
        char *log = fake_host_read(pc->fake, ".fake-log");
        unsigned n = 0;

        for (const char *c = log; *c; c++)
                n += *c == '\n';
        free(log);
        return n;
}

static void assert_home(const Pc *pc, const char *before) {
        char *after = fake_host_snapshot(pc->fake);

        assert_string_equal(after, before);
        assert_false(fake_host_exists(pc->fake, UNDO_PATH));
        free(after);
}

/* --- there and back --- */

static void test_there_and_back(void **state) {
        Pc *pc = pc_new(GUEST);
        char *before = fake_host_snapshot(pc->fake), *log, text[64];

        fake_host_set_faults(pc->fake, NULL);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        assert_string_equal(remembered(pc, text), "hugepages=2M 0");
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_false(pc->result.changed);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 0);
        assert_string_equal(remembered(pc, text), "");
        assert_home(pc, before);
        /* A little at a time, before anything is taken; and the screen comes back first. */
        log = fake_host_read(pc->fake, ".fake-log");
        assert_memory_equal(log,
                            "hugepages - " SMALL " ok\nhugepages - " SMALL " ok\n"
                            "hugepages - " SMALL " ok\nhugepages - " SMALL " ok\noverride ",
                            strlen("hugepages - " SMALL " ok\n") * 4 + strlen("override "));
        assert_string_equal(log + strlen(log) - strlen("hugepages - " SMALL " ok\n"),
                            "hugepages - " SMALL " ok\n");
        free(log);
        free(before);
        pc_free(pc);
}

static void test_pages_of_others(void **state) {
        Pc *pc = pc_new(GUEST);
        char text[64];

        set_pool(pc, 30);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 30);
        set_pool(pc, 300);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_string_equal(remembered(pc, text), "");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 300);
        pc_free(pc);
}

static void test_keep(void **state) {
        Pc *pc = pc_new(GUEST "hugepages-keep = yes\n");
        char text[64];

        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_string_equal(remembered(pc, text), "");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        fake_host_set_faults(pc->fake, NULL);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        pc_free(pc);
}

static void test_between_modes(void **state) {
        Pc *pc = pc_new(GUEST "[mode less]\nvfio-devices = nic\nhugepages-2M = 50\n"
                              "[mode more]\nhugepages-2M = 300\n");
        char text[64];

        set_pool(pc, 10);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(go(pc, "less"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 50);
        assert_string_equal(remembered(pc, text), "hugepages=2M 10");
        assert_int_equal(go(pc, "more"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 300);
        assert_string_equal(remembered(pc, text), "hugepages=2M 10");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 10);
        pc_free(pc);
}

/* A guest that did not end: its pages go with it, and nobody waits for them. */
static void test_pages_in_use(void **state) {
        Pc *pc = pc_new(GUEST);
        char text[64];

        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        fake_host_write(pc->fake, SMALL_DIR "/free_hugepages", "50\n");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 150);
        assert_string_equal(remembered(pc, text), "");
        /* Those that are about to go are none to count on. */
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        assert_string_equal(remembered(pc, text), "hugepages=2M 0");
        pc_free(pc);
}

/* A pool that cannot be written does not keep the screen away, and is not forgotten. */
static void test_not_given_back(void **state) {
        Pc *pc = pc_new(GUEST);
        char *before = fake_host_snapshot(pc->fake), text[64];

        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        fake_host_set_faults(pc->fake, "hugepages * * * EIO\n");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_home(pc, before);
        assert_int_equal(pool(pc), 200);
        assert_string_equal(remembered(pc, text), "hugepages=2M 0");
        fake_host_set_faults(pc->fake, NULL);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 0);
        assert_string_equal(remembered(pc, text), "");
        free(before);
        pc_free(pc);
}

static void test_way_back_without_configuration(void **state) {
        Pc *pc = pc_new(GUEST);
        char *before = fake_host_snapshot(pc->fake);

        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        fake_host_remove(pc->fake, "etc/vfio-mode.ini");
        fake_host_remove(pc->fake, "run/vfio-mode/config");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 0);
        assert_home(pc, before);
        free(before);
        pc_free(pc);
}

/* --- too few --- */

static void test_too_few(void **state) {
        Pc *pc = pc_new(GUEST);
        char *before = fake_host_snapshot(pc->fake);

        set_pool(pc, 10);
        fake_host_write(pc->fake, SMALL_DIR "/.fake-found", "150\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NO_MEMORY);
        assert_non_null(strstr(pc->result.run.text, "Only 150 hugepages of 2M"));
        assert_non_null(strstr(pc->result.run.text, "200 are wanted, at least 200 are needed, and "
                                                    "there were 10."));
        assert_non_null(strstr(pc->result.run.text, "boot into the mode"));
        assert_int_equal(pool(pc), 10);
        assert_home(pc, before);
        free(before);
        pc_free(pc);
}

static void test_enough(void **state) {
        Pc *pc = pc_new(GUEST "hugepages-min = 75%\n");

        fake_host_write(pc->fake, SMALL_DIR "/.fake-found", "150\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 150);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_false(pc->result.changed);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 0);
        pc_free(pc);
}

/* Of 300 MiB a thirty-second of the machine's memory stays with the host. */
static void test_request_is_bounded(void **state) {
        Pc *pc = pc_new(GUEST "hugepages-min = 1\n");

        fake_host_write(pc->fake, "proc/meminfo",
                        "MemTotal: 1048576 kB\nMemAvailable: 307200 kB\nSwapFree: 0 kB\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), (300 - 32) / 2);
        pc_free(pc);
}

/* Nothing is written where it cannot be enough. */
static void test_refused_before_anything(void **state) {
        Pc *pc = pc_new(GUEST "[mode big]\nvfio-devices = gpu\nhugepages-1G = 2\n");

        fake_host_set_faults(pc->fake, NULL);
        assert_int_equal(go(pc, "big"), REFUSAL_NO_MEMORY);
        assert_non_null(strstr(pc->result.run.text, "this machine has 1024 MiB"));
        fake_host_write(pc->fake, "proc/meminfo",
                        "MemTotal: 1048576 kB\nMemAvailable: 102400 kB\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NO_MEMORY);
        assert_non_null(strstr(pc->result.run.text, "only 68 MiB"));
        fake_host_remove(pc->fake, HUGEPAGES_DIR);
        assert_int_equal(go(pc, "guest"), REFUSAL_NO_MEMORY);
        assert_int_equal(count_writes(pc), 0);
        assert_false(fake_host_exists(pc->fake, STATUS_PATH));
        pc_free(pc);
}

/* The second size is short: the first is given back, too. */
static void test_second_size_is_short(void **state) {
        Pc *pc = pc_new(DEVICES "[mode guest]\nvfio-devices = gpu\nhugepages-1G = 1\n"
                                "hugepages-2M = 100\n");
        char *before = fake_host_snapshot(pc->fake);

        fake_host_write(pc->fake, "proc/meminfo",
                        "MemTotal: 2097152 kB\nMemAvailable: 2097152 kB\n");
        fake_host_write(pc->fake, SMALL_DIR "/.fake-found", "99\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NO_MEMORY);
        assert_int_equal(fake_host_pool(pc->fake, BIG), 0);
        assert_int_equal(pool(pc), 0);
        assert_home(pc, before);
        free(before);
        pc_free(pc);
}

/* --- at boot --- */

#define RESERVED GUEST "[mode big]\nvfio-devices = gpu\nhugepages-1G = 1\n"

static void test_boot_reserved_them(void **state) {
        static const char *const modes[] = { "big", "host" };

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                Pc *pc = pc_new(RESERVED);

                fake_host_write(pc->fake, "proc/cmdline",
                                "ro vfio_mode=big hugepagesz=1G hugepages=1 panic=10\n");
                fake_host_set_pool(pc->fake, BIG, 1, 1);
                assert_int_equal(boot(pc, modes[i]), REFUSAL_NONE);
                assert_int_equal(fake_host_pool(pc->fake, BIG), i == 0 ? 1 : 0);
                assert_int_equal(go(pc, "host"), REFUSAL_NONE);
                assert_int_equal(fake_host_pool(pc->fake, BIG), 0);
                pc_free(pc);
        }
}

static void test_boot_reserved_small_ones(void **state) {
        Pc *pc = pc_new(GUEST);

        fake_host_write(pc->fake, "proc/cmdline",
                        "ro vfio_mode=guest hugepagesz=2M hugepages=200 panic=10\n");
        fake_host_set_pool(pc->fake, SMALL, 190, 190);
        assert_int_equal(boot(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 200);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 0);
        pc_free(pc);
}

static void test_boot_had_others(void **state) {
        Pc *pc = pc_new(RESERVED);

        fake_host_write(pc->fake, "proc/cmdline", "ro hugepagesz=1G hugepages=1 vfio_mode=big\n");
        fake_host_set_pool(pc->fake, BIG, 1, 1);
        assert_int_equal(boot(pc, "big"), REFUSAL_NONE);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(fake_host_pool(pc->fake, BIG), 1);
        pc_free(pc);
}

/* --- every write fails, and everybody is killed --- */

static void test_each_write_fails(void **state) {
        const char *action = *state;

        for (unsigned nth = 1; nth < WRITES_MAX; nth++) {
                Pc *pc = pc_new(GUEST);
                char *before = fake_host_snapshot(pc->fake), fault[64];
                RefusalKind kind;
                unsigned writes;

                (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", nth, action);
                fake_host_set_faults(pc->fake, fault);
                kind = go(pc, "guest");
                writes = count_writes(pc);
                if (kind == REFUSAL_NONE) {
                        assert_int_equal(pool(pc), 200);
                } else {
                        assert_true(kind == REFUSAL_FAILED || kind == REFUSAL_NO_MEMORY);
                        assert_int_equal(pool(pc), 0);
                        assert_home(pc, before);
                }
                free(before);
                pc_free(pc);
                if (writes < nth)
                        return;
        }
        fail_msg("more than %d writes", WRITES_MAX);
}

static bool run_killed(Pc *pc, const char *mode, unsigned nth, const char *action) {
        char fault[64];
        int status = 0;
        pid_t child;

        (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", nth, action);
        fake_host_set_faults(pc->fake, fault);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)go(pc, mode);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        fake_host_set_faults(pc->fake, NULL);
        return WIFSIGNALED(status);
}

typedef struct Kill {
        const char *title;
        const char *from, *to, *then; /* the mode before, the killed one's, and the next one's */
        unsigned pages;               /* in the end, of 20 before all */
} Kill;

static const Kill kills[] = {
        { "killed on the way in, then back", "host", "guest", "host", 20 },
        { "killed on the way in, then in again", "host", "guest", "guest", 200 },
        { "killed on the way back, then back again", "guest", "host", "host", 20 },
        { "killed on the way back, then in again", "guest", "host", "guest", 200 },
        { "killed between two modes, then back", "guest", "more", "host", 20 },
        { "killed between two modes, then on", "guest", "more", "more", 300 },
};

static void test_killed(void **state) {
        const Kill *row = *state;

        for (unsigned nth = 1; nth < WRITES_MAX; nth++) {
                Pc *pc = pc_new(GUEST "[mode more]\nvfio-devices = nic\nhugepages-2M = 300\n");
                char *before = fake_host_snapshot(pc->fake);
                bool was_killed;

                set_pool(pc, 20);
                assert_int_equal(go(pc, row->from), REFUSAL_NONE);
                was_killed =
                        run_killed(pc, row->to, (nth + 1) / 2, nth % 2 ? "kill" : "kill-after");
                assert_int_equal(go(pc, row->then), REFUSAL_NONE);
                if (pool(pc) != row->pages)
                        print_error("%s: at %u: %u pages\n", row->title, nth, pool(pc));
                assert_int_equal(pool(pc), row->pages);
                assert_int_equal(go(pc, "host"), REFUSAL_NONE);
                assert_int_equal(pool(pc), 20);
                assert_home(pc, before);
                free(before);
                pc_free(pc);
                if (!was_killed)
                        return;
        }
        fail_msg("more than %d writes", WRITES_MAX);
}

/* As by a kill between the new mode's record and the end of the undo log, which says 200. */
static void test_killed_after_the_record(void **state) {
        Pc *pc = pc_new(GUEST);
        char text[64];

        set_pool(pc, 20);
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        fake_host_write(pc->fake, UNDO_PATH,
                        "vfio-mode-state=1\nmode=host\nold-mode=guest\nhugepages=2M 200\n");
        assert_int_equal(go(pc, "guest"), REFUSAL_NONE);
        assert_string_equal(remembered(pc, text), "hugepages=2M 20");
        assert_int_equal(go(pc, "host"), REFUSAL_NONE);
        assert_int_equal(pool(pc), 20);
        pc_free(pc);
}

/* --- reading --- */

static void test_scan(void **state) {
        Pc *pc = pc_new(GUEST);
        Memory memory;

        fake_host_write(pc->fake, "proc/meminfo",
                        "MemTotal:       16316412 kB\nMemFree:         1 kB\n"
                        "MemAvailable:   12345678 kB\nMemAvailableX: 3 kB\n");
        fake_host_write(pc->fake, SMALL_DIR "/nr_hugepages", "70\n");
        fake_host_write(pc->fake, SMALL_DIR "/surplus_hugepages", "30\n");
        memory_scan(&pc->root, &memory);
        assert_int_equal(memory.total_kib, 16316412);
        assert_int_equal(memory.available_kib, 12345678);
        assert_true(memory.pools[HUGEPAGE_2M].is_there);
        assert_int_equal(memory.pools[HUGEPAGE_2M].pages, 40);
        fake_host_write(pc->fake, SMALL_DIR "/surplus_hugepages", "71\n");
        fake_host_remove(pc->fake, HUGEPAGES_DIR "/" BIG);
        fake_host_write(pc->fake, "proc/meminfo", "MemTotal: -1 kB\nMemAvailable:");
        memory_scan(&pc->root, &memory);
        assert_int_equal(memory.pools[HUGEPAGE_2M].pages, 0);
        assert_false(memory.pools[HUGEPAGE_1G].is_there);
        assert_int_equal(memory.total_kib, 0);
        assert_int_equal(memory.available_kib, 0);
        pc_free(pc);
}

int main(void) {
        Table table = { 0 };

        table_add(&table, "there and back, and nothing to do in between", test_there_and_back,
                  NULL);
        table_add(&table, "pages of others count, and stay", test_pages_of_others, NULL);
        table_add(&table, "pages that are kept", test_keep, NULL);
        table_add(&table, "from mode to mode", test_between_modes, NULL);
        table_add(&table, "pages that a process uses", test_pages_in_use, NULL);
        table_add(&table, "a pool that cannot be written is not forgotten", test_not_given_back,
                  NULL);
        table_add(&table, "the way back without any configuration",
                  test_way_back_without_configuration, NULL);
        table_add(&table, "too few: refused, and given back", test_too_few, NULL);
        table_add(&table, "fewer than wanted, and enough", test_enough, NULL);
        table_add(&table, "no more is asked for than can be spared", test_request_is_bounded, NULL);
        table_add(&table, "refused before anything is written", test_refused_before_anything, NULL);
        table_add(&table, "the second size is short: the first is given back, too",
                  test_second_size_is_short, NULL);
        table_add(&table, "what the boot loader's line reserved is the mode's",
                  test_boot_reserved_them, NULL);
        table_add(&table, "what it reserved too few of is had at boot",
                  test_boot_reserved_small_ones, NULL);
        table_add(&table, "what another's line reserved is not", test_boot_had_others, NULL);
        table_add(&table, "memory and pools are read", test_scan, NULL);
        table_add(&table, "each write fails with EIO", test_each_write_fails, "EIO");
        table_add(&table, "each write reports success and does nothing", test_each_write_fails,
                  "lies");
        table_add(&table, "each write is done and reports EINTR", test_each_write_fails,
                  "fails:EINTR");
        TABLE_ROWS(&table, test_killed, kills);
        table_add(&table, "killed after the record was written", test_killed_after_the_record,
                  NULL);
        return table_run("hugepages", &table);
}

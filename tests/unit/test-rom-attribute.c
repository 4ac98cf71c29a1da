/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attribute `rom`, read by the writer, and what is changed of its function for that: put back
 * whatever comes of the reading, also where it is stuck in the kernel or was killed. pread(2) is a
 * kernel's that fails as ordered; the real one is asked in the emulated PC.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/home-rom.h"
#include "apply/switch.h"
#include "apply/sysfs.h"
#include "apply/verbs.h"
#include "base/log.h"
#include "host/process.h"
#include "host/state-files.h"
#include "real-node.h"
#include "table.h"

#define PAGE 4096
#define ADDRESS "0000:01:00.0"
#define DEVICE "sys/bus/pci/devices/" ADDRESS "/"
#define PATH DEVICE "rom"
#define NOTHING "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
#define RESOURCE                                        \
        NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING \
                "0x00000000f6000000 0x00000000f600ffff 0x0000000000046200\n"

/* What the attribute does, also in the writer. */
static struct Rom {
        size_t size;      /* of the ROM */
        unsigned failing; /* the read that fails; 0: none */
        int error;        /* of it */
        unsigned n_reads;
        bool was_enabled;
        unsigned waiting; /* the read that waits; 0: none */
        sem_t waits, goes_on;
} *rom;

/* In the parent. */
static unsigned stop_before; /* the read before which somebody wants to stop; 0: none */
static unsigned n_asked;

ssize_t pread(int fd, void *buffer, size_t size, off_t offset) {
        char value = 0;
        bool is_enabled = syscall(SYS_pread64, fd, &value, 1, 0) == 1 && value == '1';

        rom->was_enabled |= is_enabled;
        if (is_enabled && rom->waiting == rom->n_reads + 1) {
                (void)sem_post(&rom->waits);
                (void)sem_wait(&rom->goes_on);
        }
        if (!is_enabled || ++rom->n_reads == rom->failing) {
                errno = is_enabled ? rom->error : EINVAL;
                return -1;
        }
        if ((size_t)offset >= rom->size)
                return 0;
        if (size > PAGE)
                size = PAGE;
        if (size > rom->size - (size_t)offset)
                size = rom->size - (size_t)offset;
        for (size_t i = 0; i < size; i++)
                ((uint8_t *)buffer)[i] = (uint8_t)(((size_t)offset + i) / 100);
        return (ssize_t)size;
}

static bool stop(void) {
        return ++n_asked == stop_before;
}

static const struct Row {
        const char *title;
        size_t size, room;
        unsigned failing;
        int error;
        unsigned stops;
        ssize_t expected;
} rows[] = {
        { "one page", PAGE, 4 * PAGE, 0, 0, 0, PAGE },
        { "some pages and a bit", 3 * PAGE + 7, 4 * PAGE, 0, 0, 0, 3 * PAGE + 7 },
        { "more than there is room for", 8 * PAGE, 2 * PAGE + 1, 0, 0, 0, 2 * PAGE + 1 },
        { "nothing", 0, PAGE, 0, 0, 0, 0 },
        { "no ROM that the kernel takes for one", PAGE, PAGE, 1, EIO, 0, -EIO },
        { "an error midway", 4 * PAGE, 4 * PAGE, 3, EIO, 0, -EIO },
        { "somebody else disables it midway", 4 * PAGE, 4 * PAGE, 3, EINVAL, 0, -EINVAL },
        { "interrupted at once", 4 * PAGE, 4 * PAGE, 0, 0, 1, -EINTR },
        { "interrupted midway", 4 * PAGE, 4 * PAGE, 0, 0, 3, -EINTR },
};

static void add_function(FakeHost *host) {
        fake_host_add_function(host, ADDRESS, .id = "10de:2484", .class_code = 0x030000);
        fake_host_write(host, PATH, "");
        fake_host_write(host, DEVICE "enable", "0\n");
        fake_host_write(host, DEVICE "power/control", "auto\n");
        fake_host_write(host, DEVICE "resource", RESOURCE);
}

static void assert_text(FakeHost *host, const char *path, const char *expected) {
        char *text = fake_host_read(host, path);

        assert_non_null(text);
        text[strcspn(text, "\n")] = '\0';
        assert_string_equal(text, expected);
        free(text);
}

static void assert_put_back(FakeHost *host) {
        assert_text(host, PATH, "0");
        assert_text(host, DEVICE "enable", "0");
        assert_text(host, DEVICE "power/control", "auto");
}

static ssize_t read_it(FakeHost *host, uint8_t *buffer, size_t size) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        _cleanup_(writer_close) Writer writer = { .fd = -1 };
        PciAddress address;
        HomeRom home;
        ssize_t n;

        assert_int_equal(pci_address_parse(ADDRESS, &address), 0);
        assert_int_equal(root_open(fake_host_path(host), &root), 0);
        writer = writer_new(&root, 0);
        home = home_rom_note(&root, address, false);
        n = home_rom_open(&writer, &home);
        if (n >= 0) {
                assert_text(host, DEVICE "enable", "1");
                assert_text(host, DEVICE "power/control", "on");
                n = sysfs_read_rom(&writer, address, buffer, size, stop);
        }
        home_rom_put_back(&writer, &home);
        return n;
}

static void test_row(void **state) {
        _cleanup_(fake_host_freep) FakeHost *host = fake_host_new();
        const struct Row *row = *state;
        _cleanup_free_ uint8_t *buffer = malloc(row->room);

        add_function(host);
        *rom = (struct Rom){ .size = row->size, .failing = row->failing, .error = row->error };
        stop_before = row->stops;
        n_asked = 0;
        assert_int_equal(read_it(host, buffer, row->room), row->expected);
        assert_int_equal(rom->was_enabled, row->stops != 1);
        assert_put_back(host);
        for (ssize_t i = 0; i < row->expected; i++)
                assert_int_equal(buffer[i], (uint8_t)(i / 100));
}

static void test_no_rom(void **state) {
        _cleanup_(fake_host_freep) FakeHost *host = fake_host_new();
        uint8_t buffer[PAGE];

        (void)state;
        add_function(host);
        fake_host_remove(host, PATH);
        assert_int_equal(read_it(host, buffer, sizeof(buffer)), -ENOENT);
        assert_text(host, DEVICE "enable", "0");
        assert_text(host, DEVICE "power/control", "auto");
}

/* --- the verb --- */

typedef struct Machine {
        FakeHost *fake;
        Root root;
        int stdout_fd; /* the test's */
} Machine;

/* The processes are the real ones, so that the writer is among them. */
static Machine machine_new(void) {
        Machine machine = { .fake = fake_host_new() };

        add_function(machine.fake);
        fake_host_write(machine.fake, "etc/vfio-mode.ini",
                        "[general]\ndefault-mode = host\nfallback-mode = host\n");
        assert_int_equal(root_open(fake_host_path(machine.fake), &machine.root), 0);
        real_node_link_processes(machine.fake, &machine.root);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
        *rom = (struct Rom){ .size = 3 * PAGE };
        return machine;
}

static void machine_done(Machine *machine) {
        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        (void)unsetenv(WRITER_DEADLINE_VARIABLE);
}

static RefusalKind switch_to_host_saying(Machine *machine, const char *words) {
        const SwitchRequest request = { .verb = "switch",
                                        .mode = "host",
                                        .source = "test",
                                        .reason = "a test",
                                        .without_units = true };
        SwitchResult result;
        RefusalKind kind;

        kind = switch_run(&machine->root, &request, &result);
        assert_non_null(strstr(result.run.text, words));
        return kind;
}

static RefusalKind switch_to_host(Machine *machine) {
        return switch_to_host_saying(machine, "");
}

/* Returns what the verb does; what it prints goes to a file. */
static RefusalKind read_by_verb(Machine *machine, size_t expected) {
        int ours = dup(STDOUT_FILENO),
            fd = openat(machine->root.fd, "printed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        RefusalKind kind;
        struct stat info;

        assert_true(ours >= 0 && fd >= 0);
        (void)fflush(stdout);
        assert_true(dup2(fd, STDOUT_FILENO) >= 0);
        machine->root.is_live = true;
        kind = apply_rom(&machine->root, ADDRESS);
        machine->root.is_live = false;
        log_set_max_level(LOG_EMERG - 1);
        assert_true(dup2(ours, STDOUT_FILENO) >= 0);
        assert_int_equal(fstat(fd, &info), 0);
        assert_int_equal(info.st_size, expected);
        (void)close(ours);
        (void)close(fd);
        return kind;
}

static RunWriter read_writer(Machine *machine) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));

        assert_int_equal(undo_read(&machine->root, undo), 0);
        assert_true(run_state_is_of_rom(undo));
        assert_true(undo->rom.is_enabled);
        assert_string_equal(undo->rom.power.control, "auto");
        return undo->writer;
}

/* A FIFO plays the attribute that does not come back from the kernel: it is opened when somebody
 * reads. */
static void get_stuck(Machine *machine) {
        fake_host_remove(machine->fake, PATH);
        assert_int_equal(mkfifoat(machine->root.fd, PATH, 0600), 0);
}

static void come_back(Machine *machine, const RunWriter *writer) {
        int fd = openat(machine->root.fd, PATH, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
        (void)close(fd);
        fake_host_remove(machine->fake, PATH);
        fake_host_write(machine->fake, PATH, "1\n");
}

/* All that was changed stands in the undo log, and is put back by who comes next. */
static void test_stuck(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();
        RunWriter writer;

        (void)state;
        get_stuck(&machine);
        assert_int_equal(read_by_verb(&machine, 0), REFUSAL_WEDGED);
        writer = read_writer(&machine);
        assert_int_equal(writer.write.kind, RUN_WRITE_ROM);
        assert_true(writer.wedged > 0);
        assert_true(process_is_there(&machine.root, writer.pid, writer.start));
        assert_text(machine.fake, DEVICE "power/control", "on");
        assert_int_equal(switch_to_host(&machine), REFUSAL_WEDGED);
        assert_int_equal(read_by_verb(&machine, 0), REFUSAL_WEDGED);

        come_back(&machine, &writer);
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        assert_put_back(machine.fake);
        assert_false(fake_host_exists(machine.fake, UNDO_PATH));
}

/* By a SIGKILL, which leaves the writer: it puts everything back by itself, as the log says to who
 * comes next. */
static void test_killed_beside_the_writer(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();
        RunWriter writer;
        pid_t child;

        (void)state;
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        rom->waiting = 2;
        assert_int_equal(sem_init(&rom->waits, 1, 0), 0);
        assert_int_equal(sem_init(&rom->goes_on, 1, 0), 0);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1h", 1), 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)read_by_verb(&machine, 0);
                _exit(1);
        }
        assert_int_equal(sem_wait(&rom->waits), 0);
        assert_int_equal(switch_to_host_saying(&machine, "The ROM of " ADDRESS " is being read"),
                         REFUSAL_ALREADY_SWITCHING);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        writer = read_writer(&machine);
        assert_text(machine.fake, PATH, "1");
        assert_text(machine.fake, DEVICE "enable", "1");
        assert_text(machine.fake, DEVICE "power/control", "on");
        assert_int_equal(sem_post(&rom->goes_on), 0);
        assert_int_equal(waitpid(writer.pid, NULL, 0), writer.pid);
        assert_put_back(machine.fake);
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        assert_put_back(machine.fake);
        assert_false(fake_host_exists(machine.fake, UNDO_PATH));
}

/* As a SIGKILL of everybody leaves it. */
static void leave_as_killed(Machine *machine) {
        fake_host_write(machine->fake, PATH, "1\n");
        fake_host_write(machine->fake, DEVICE "enable", "1\n");
        fake_host_write(machine->fake, DEVICE "power/control", "on\n");
        fake_host_write(machine->fake, UNDO_PATH,
                        "vfio-mode-state=1\nmode=host\nold-mode=host\n"
                        "rom=" ADDRESS " enabled power=auto/-\n"
                        "writer=2147483647 1\nwrite=rom " ADDRESS " -\n");
}

static void test_killed(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();

        (void)state;
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        for (unsigned i = 0; i < 2; i++) {
                leave_as_killed(&machine);
                if (i == 0)
                        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
                else
                        assert_int_equal(read_by_verb(&machine, 3 * PAGE), REFUSAL_NONE);
                assert_put_back(machine.fake);
                assert_false(fake_host_exists(machine.fake, UNDO_PATH));
        }
}

/* Putting back got stuck itself: that leaves the machine in no mode, and the rest to be done. */
static void test_putting_back_gets_stuck(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();
        RunWriter writer;

        (void)state;
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        leave_as_killed(&machine);
        get_stuck(&machine);
        assert_int_equal(switch_to_host(&machine), REFUSAL_WEDGED);
        writer = read_writer(&machine);
        assert_text(machine.fake, DEVICE "power/control", "on");
        come_back(&machine, &writer);
        assert_int_equal(switch_to_host(&machine), REFUSAL_NONE);
        assert_put_back(machine.fake);
        assert_false(fake_host_exists(machine.fake, UNDO_PATH));
}

/* What a switch has left half-way is not forgotten. */
static void test_half_way(void **state) {
        static const char undo[] = "vfio-mode-state=1\nmode=host\nold-mode=passthrough\n"
                                   "rom=" ADDRESS " enabled\n";
        _cleanup_(machine_done) Machine machine = machine_new();
        char *left;

        (void)state;
        fake_host_write(machine.fake, UNDO_PATH, undo);
        assert_int_equal(read_by_verb(&machine, 0), REFUSAL_FAILED);
        left = fake_host_read(machine.fake, UNDO_PATH);
        assert_string_equal(left, undo);
        free(left);
        assert_false(rom->was_enabled);
}

int main(void) {
        Table table = { 0 };

        rom = mmap(NULL, sizeof(*rom), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (rom == MAP_FAILED)
                return EXIT_FAILURE;
        log_set_max_level(LOG_EMERG - 1);
        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "there is none", test_no_rom, NULL);
        table_add(&table, "stuck in the kernel", test_stuck, NULL);
        table_add(&table, "killed beside the writer", test_killed_beside_the_writer, NULL);
        table_add(&table, "killed with the writer", test_killed, NULL);
        table_add(&table, "stuck while it is put back", test_putting_back_gets_stuck, NULL);
        table_add(&table, "a switch was cut short", test_half_way, NULL);
        return table_run("rom-attribute", &table);
}

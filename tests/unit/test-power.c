/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a function and the port above it may sleep: noted before they leave, and found again as it
 * was, with no write but for what differs.
 */
#undef NDEBUG
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "../fake/fake-needs.h"
#include "apply/power.h"
#include "base/log.h"
#include "host/state-files.h"
#include "table.h"

#define PORT "0000:00:02.0"
#define DISPLAY "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define BEHIND "../../../devices/pci0000:00/" PORT "/"

typedef struct Machine {
        FakeHost *fake;
        Root root;
        Writer writer;
        RunState *before;
        Plan *plan;
} Machine;

/* Power of the display, the audio function and the port: "auto/1 on/1 auto/0". */
static void set_power(Machine *machine, const char *words) {
        static const char *const addresses[] = { DISPLAY, AUDIO, PORT };
        char control[3][8], d3cold[3][8], path[128], text[16];

        assert_int_equal(sscanf(words, "%7[a-z]/%7s %7[a-z]/%7s %7[a-z]/%7s", control[0], d3cold[0],
                                control[1], d3cold[1], control[2], d3cold[2]),
                         6);
        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/power/control",
                               addresses[i]);
                (void)snprintf(text, sizeof(text), "%s\n", control[i]);
                fake_host_write(machine->fake, path, text);
                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/d3cold_allowed",
                               addresses[i]);
                (void)snprintf(text, sizeof(text), "%s\n", d3cold[i]);
                fake_host_write(machine->fake, path, text);
        }
}

static char *read_power(const Machine *machine) {
        static const char *const addresses[] = { DISPLAY, AUDIO, PORT };
        char *text = calloc(1, 64), path[128];

        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
                char *control, *d3cold;
                size_t length = strlen(text);

                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/power/control",
                               addresses[i]);
                control = fake_host_read(machine->fake, path);
                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/d3cold_allowed",
                               addresses[i]);
                d3cold = fake_host_read(machine->fake, path);
                (void)snprintf(text + length, 64 - length, "%s%.*s/%.*s", i > 0 ? " " : "",
                               (int)strcspn(control, "\n"), control, (int)strcspn(d3cold, "\n"),
                               d3cold);
                free(control);
                free(d3cold);
        }
        return text;
}

/* The fake's functions have no port above them: these are put behind one. */
static void put_behind_port(FakeHost *fake, const char *address) {
        static const char *const files[] = { "power/control", "d3cold_allowed" };
        char path[128], target[128];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                (void)snprintf(path, sizeof(path), "sys/devices/pci0000:00/" PORT "/%s/%s", address,
                               files[i]);
                fake_host_write(fake, path, "\n");
        }
        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
        (void)snprintf(target, sizeof(target), BEHIND "%s", address);
        fake_host_link(fake, path, target);
}

static Machine machine_new(void) {
        Machine machine = { .fake = fake_host_new(),
                            .before = calloc(1, sizeof(RunState)),
                            .plan = calloc(1, sizeof(Plan)) };

        log_set_max_level(LOG_EMERG);
        fake_host_add_bridge(machine.fake, PORT, 0);
        put_behind_port(machine.fake, DISPLAY);
        put_behind_port(machine.fake, AUDIO);
        assert_int_equal(root_open(fake_host_path(machine.fake), &machine.root), 0);
        return machine;
}

static void machine_done(Machine *machine) {
        writer_close(&machine->writer);
        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine->before);
        free(machine->plan);
}

static void note(Machine *machine, const char *address) {
        HomeFunction home = { 0 };

        assert_int_equal(pci_address_parse(address, &home.address), 0);
        power_note(&machine->root, machine->before, &home);
        assert_int_equal(run_state_add_home(machine->before, &home), 0);
}

typedef struct Row {
        const char *title;
        const char *before, *meanwhile;
        const char *after;  /* NULL: as before */
        const char *writes; /* in order */
        const char *faults;
        bool audio_stays; /* on vfio-pci */
} Row;

static const Row rows[] = {
        { "nothing differs, nothing is written", "on/1 auto/1 auto/0", "on/1 auto/1 auto/0", NULL,
          .writes = "" },
        { "what vfio-pci leaves", "auto/1 auto/1 auto/1", "on/1 on/1 auto/1", NULL,
          .writes = "power 0000:01:00.0 auto ok\npower 0000:01:00.1 auto ok\n" },
        { "no deep sleep before any sleep", "auto/0 on/1 auto/1", "on/1 on/1 auto/1", NULL,
          .writes = "d3cold 0000:01:00.0 0 ok\npower 0000:01:00.0 auto ok\n" },
        { "the port above two functions, once", "on/1 on/1 on/0", "on/1 on/1 auto/1", NULL,
          .writes = "d3cold 0000:00:02.0 0 ok\npower 0000:00:02.0 on ok\n" },
        { "one that cannot be written does not keep the others", "auto/0 auto/1 on/1",
          "on/1 on/1 auto/1", "on/0 auto/1 on/1",
          .writes =
                  "d3cold 0000:01:00.0 0 ok\npower 0000:01:00.0 auto EIO\npower 0000:00:02.0 on ok\n"
                  "power 0000:01:00.1 auto ok\n",
          .faults = "power 0000:01:00.0 * * EIO\n" },
        { "what is still away is left", "auto/1 auto/1 auto/1", "on/1 on/0 on/1",
          "auto/1 on/0 auto/1",
          .writes = "power 0000:01:00.0 auto ok\npower 0000:00:02.0 auto ok\n",
          .audio_stays = true },
        { "what is no policy is not noted", "none/7 on/1 on/1", "auto/1 auto/1 on/1",
          "auto/1 on/1 on/1", .writes = "power 0000:01:00.1 on ok\n" },
};

static void test_row(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();
        const Row *row = *state;
        char *after, *log;

        set_power(&machine, row->before);
        note(&machine, AUDIO);
        note(&machine, DISPLAY);
        /* In the order of the way back, which does not matter. */
        (void)memcpy(&machine.before->homes[2], &machine.before->homes[0], sizeof(HomeFunction));
        (void)memmove(&machine.before->homes[0], &machine.before->homes[1],
                      2 * sizeof(HomeFunction));
        set_power(&machine, row->meanwhile);
        fake_host_set_faults(machine.fake, row->faults);
        if (row->audio_stays)
                machine.plan->vfio[machine.plan->n_vfio++] = (PciAddress){ 0, 1, 0, 1 };
        machine.writer = writer_new(&machine.root, false);
        power_put_all_back(&machine.writer, machine.before, machine.plan);
        after = read_power(&machine);
        log = fake_host_read(machine.fake, ".fake-log");
        assert_string_equal(after, row->after ? row->after : row->before);
        assert_string_equal(log, row->writes);
        free(after);
        free(log);
}

/* A second function below it may find the port as the first one's leaving has made it. */
static void test_port_is_noted_once(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();

        machine.writer = writer_new(&machine.root, false);
        set_power(&machine, "on/1 on/1 auto/0");
        note(&machine, AUDIO);
        set_power(&machine, "on/1 on/1 on/1");
        note(&machine, DISPLAY);
        assert_int_equal(machine.before->homes[1].port.device, 2);
        assert_string_equal(machine.before->homes[1].port_power.control, "auto");
        assert_string_equal(machine.before->homes[1].port_power.d3cold, "0");
}

static void test_no_port(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();

        machine.writer = writer_new(&machine.root, false);
        note(&machine, PORT);
        assert_false(power_policy_is_known(&machine.before->homes[0].port_power));
        note(&machine, "0000:7f:00.0");
        assert_false(power_policy_is_known(&machine.before->homes[1].power));
        power_put_all_back(&machine.writer, machine.before, machine.plan);
        assert_false(fake_host_exists(machine.fake, ".fake-log"));
}

/* A driver that does not wake its card is stuck in the kernel, as one that does not let it go. */
static void test_stuck(void **state) {
        _cleanup_(machine_done) Machine machine = machine_new();
        char *log;

        machine.writer = writer_new(&machine.root, false);
        machine.writer.deadline_usec = 100000;
        set_power(&machine, "auto/1 auto/1 auto/1");
        note(&machine, DISPLAY);
        note(&machine, AUDIO);
        set_power(&machine, "on/1 on/1 on/1");
        fake_host_set_faults(machine.fake, "power 0000:01:00.0 * * stall\n");
        power_put_all_back(&machine.writer, machine.before, machine.plan);
        assert_true(machine.writer.is_stuck);
        log = fake_host_read(machine.fake, ".fake-log");
        assert_string_equal(log, "power 0000:01:00.0 auto EINPROGRESS\n");
        free(log);
        assert_int_equal(kill(machine.writer.record.pid, SIGKILL), 0);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "the port is noted with the first function", test_port_is_noted_once,
                  NULL);
        table_add(&table, "what has no port, and what is not there", test_no_port, NULL);
        table_add(&table, "a write that does not come back is the last", test_stuck, NULL);
        return table_run("power", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the display manager is kept from starting, on machines made of words. What systemd makes of
 * the mark takes a service manager: tests/vm/test_sessions.py. */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/screen-away.h"
#include "base/log.h"
#include "table.h"

#define MARK "run/vfio-mode/screen-away"
#define CONFIG                                                                    \
        "[general]\nfallback-mode = host\n[device gpu]\naddress = 0000:01:00.0\n" \
        "[mode passthrough]\nvfio-devices = gpu\nend-sessions = yes\n"            \
        "[mode polite]\nvfio-devices = gpu\n[mode nothing]\nend-sessions = yes\n"

static unsigned n_to_fail; /* calls that set or remove the mark, from now on */

static bool fails(const char *path) {
        if (n_to_fail == 0 || strcmp(path, MARK) != 0)
                return false;
        n_to_fail--;
        errno = EIO;
        return true;
}

int openat(int dir_fd, const char *path, int flags, ...) {
        return fails(path) ? -1 : (int)syscall(SYS_openat, dir_fd, path, flags, 0644);
}

int unlinkat(int dir_fd, const char *path, int flags) {
        return fails(path) ? -1 : (int)syscall(SYS_unlinkat, dir_fd, path, flags);
}

typedef struct Row {
        const char *title, *mode;
        const char *other_class, *other_driver; /* of a second card; NULL: there is none */
        bool half_way, was_there;
        unsigned n_to_fail;
        bool is_there;
} Row;

static const Row rows[] = {
        { "the only screen is away", "passthrough", .is_there = true },
        { "and was before", "passthrough", .was_there = true, .is_there = true },
        { "the mode ends nobody's session", "polite", .was_there = true },
        { "the mode takes no screen", "nothing", .was_there = true },
        { "back in the fallback mode", "host", .was_there = true },
        { "half-way nothing is kept back", "passthrough", .half_way = true, .was_there = true },
        { "another card stays", "passthrough", "0x030000", "amdgpu", .was_there = true },
        { "another card has no driver yet", "passthrough", .other_class = "0x038000" },
        { "another card is somebody's guest's", "passthrough", "0x030000", "vfio-pci",
          .is_there = true },
        { "another card has no outputs", "passthrough", "0x030200", "nvidia", .is_there = true },
        { "it is set at the second attempt", "passthrough", .n_to_fail = 1, .is_there = true },
        { "it goes at the second attempt", "host", .was_there = true, .n_to_fail = 1 },
        { "it cannot be set", "passthrough", .n_to_fail = 2 },
        { "it cannot go", "host", .was_there = true, .n_to_fail = 2, .is_there = true },
};

static void test_mark(void **state) {
        const Row *row = *state;
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Situation *now = calloc(1, sizeof(*now));
        Plan *plan = calloc(1, sizeof(*plan));
        FakeHost *fake = fake_host_new();
        ConfigErrors errors;
        Root root;

        fake_host_write(fake, "run/vfio-mode/status", "");
        if (row->was_there)
                fake_host_write(fake, MARK, "");
        fake_host_add_gpu(fake, "0000:01:00.0", .driver = "vfio-pci", .group = 12);
        if (row->other_driver && strcmp(row->other_driver, "vfio-pci") != 0)
                fake_host_add_driver(fake, row->other_driver, NULL);
        if (row->other_class) {
                fake_host_add_gpu(fake, "0000:02:00.0", .driver = row->other_driver, .group = 13);
                fake_host_write(fake, "sys/bus/pci/devices/0000:02:00.0/class", row->other_class);
        }
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(config_parse(&source, 1, &now->config, &errors), 0);
        now->root = &root;
        now->mode = row->mode;
        now->host.functions[now->host.n_functions++] =
                (Function){ .address = { 0, 1, 0, 0 }, .class_code = 0x030000 };
        if (config_find_mode(&now->config, row->mode)->vfio_devices != 0)
                plan->vfio[plan->n_vfio++] = now->host.functions[0].address;
        n_to_fail = row->n_to_fail;
        screen_away_record(now, plan, !row->half_way);
        assert_int_equal(n_to_fail, 0);
        assert_int_equal(fake_host_exists(fake, MARK), row->is_there);
        root_close(&root);
        fake_host_freep(&fake);
        free(now);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        log_set_max_level(LOG_EMERG);
        TABLE_ROWS(&table, test_mark, rows);
        return table_run("screen-away", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a screen is connected to a card, before it leaves and after its return. */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "apply/picture.h"
#include "base/log.h"
#include "table.h"

#define DRM "sys/bus/pci/devices/0000:01:00.0/drm/"
#define GPU { 0, 1, 0, 0 }

typedef struct Row {
        const char *title;
        const char *files[3]; /* each has the status behind it */
        bool is_there;
        bool had, is_away;
        bool is_missing;
} Row;

static const Row rows[] = {
        { "no card", { NULL }, false, true, false, true },
        { "no connector", { DRM "card1/dev 226:1" }, false, true, false, true },
        { "connected", { DRM "card1/card1-DP-1/status connected" }, true, true, false, false },
        { "the second one",
          { DRM "card1/card1-DP-1/status disconnected", DRM "card1/card1-DP-2/status connected" },
          true,
          true,
          false,
          false },
        { "none of two",
          { DRM "card1/card1-DP-1/status disconnected", DRM "card1/card1-DP-2/status unknown" },
          false,
          true,
          false,
          true },
        { "a render node has none",
          { DRM "renderD128/x/status connected" },
          false,
          true,
          false,
          true },
        { "there was none before", { NULL }, false, false, false, false },
        { "still away", { NULL }, false, true, true, false },
};

static void test_row(void **state) {
        const Row *row = *state;
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        RunState *before = calloc(1, sizeof(*before));
        Plan *plan = calloc(1, sizeof(*plan));
        RunResult result = { .text = "Done." };
        Root root = ROOT_NULL;

        log_set_max_level(LOG_EMERG);
        for (size_t i = 0; i < ARRAY_SIZE(row->files) && row->files[i]; i++) {
                char path[128], status[32];

                assert_int_equal(sscanf(row->files[i], "%127s %31s", path, status), 2);
                (void)strcat(status, "\n");
                fake_host_write(fake, path, status);
        }
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(picture_is_there(&root, (PciAddress)GPU), row->is_there);
        before->homes[before->n_homes++] =
                (HomeFunction){ .address = GPU, .had_picture = row->had };
        if (row->is_away)
                plan->vfio[plan->n_vfio++] = (PciAddress)GPU;
        picture_describe(&root, before, plan, &result);
        assert_string_equal(result.text,
                            row->is_missing ? "Done. 0000:01:00.0 had a screen connected when it "
                                              "left, and has none now."
                                            : "Done.");
        root_close(&root);
        free(before);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        return table_run("picture", &table);
}

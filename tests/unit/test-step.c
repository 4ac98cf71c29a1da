/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of a plan, as a person reads them. */
#undef NDEBUG
#include "model/plan.h"
#include "table.h"

static void test_steps_in_words(_unused_ void **state) {
        static const struct {
                Step step;
                const char *text;
        } steps[] = {
                { { .kind = STEP_LOAD_MODULE, .driver = "vfio-pci" }, "load the module vfio-pci" },
                { { .kind = STEP_SET_OVERRIDE, .address = { 0, 1, 0, 0 }, .driver = "vfio-pci" },
                  "0000:01:00.0: set driver_override to vfio-pci" },
                { { .kind = STEP_SET_OVERRIDE, .address = { 0, 1, 0, 0 }, .driver = "" },
                  "0000:01:00.0: clear driver_override" },
                { { .kind = STEP_UNBIND, .address = { 0, 1, 0, 1 }, .driver = "snd_hda_intel" },
                  "0000:01:00.1: unbind from snd_hda_intel" },
                { { .kind = STEP_BIND, .address = { 0, 1, 0, 0 }, .driver = "nvidia" },
                  "0000:01:00.0: bind to nvidia" },
                { { .kind = STEP_PROBE, .address = { 0, 1, 0, 0 }, .driver = "" },
                  "0000:01:00.0: bind to the driver that its modalias picks" },
                { { .kind = STEP_COLDPLUG, .address = { 0, 1, 0, 0 }, .driver = "" },
                  "0000:01:00.0: let the kernel find its driver" },
                { { .kind = STEP_HUGEPAGES, .size = HUGEPAGE_1G, .pages_before = 3, .pages = 20 },
                  "hugepages of 1G: raise the pool from 3 to 20" },
                { { .kind = STEP_HUGEPAGES, .size = HUGEPAGE_2M, .pages_before = 512 },
                  "hugepages of 2M: lower the pool from 512 to 0" },
        };
        char text[PLAN_STEP_TEXT_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
                assert_string_equal(step_format(&steps[i].step, text), steps[i].text);
}

int main(void) {
        Table table = { 0 };

        table_add(&table, "steps are said in words", test_steps_in_words, NULL);
        return table_run("step", &table);
}

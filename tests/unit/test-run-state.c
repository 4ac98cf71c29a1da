/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text form of what /run/vfio-mode remembers: it must come back as it was written, or be
 * refused. */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/run-state.h"

#define ROUND_TRIPS 3000
#define MUTATIONS 20000

#define HEADER "vfio-mode-state=1\n"

typedef struct Row {
        const char *title;
        const char *text;
        int error;
} Row;

static const Row rows[] = {
        { "a header alone is an empty state", HEADER, 0 },
        { "no home", HEADER "mode=host\nold-mode=\nsource=boot\nreason=a reason\nsince=12\n", 0 },
        { "a home with driver and override", HEADER "function=0000:01:00.0 nvidia nvidia\n", 0 },
        { "a ROM", HEADER "rom=0000:01:00.0\n", 0 },
        { "a ROM with all there is", HEADER "rom=0000:01:00.0 enabled power=auto/-\n", 0 },
        { "two ROMs", HEADER "rom=0000:01:00.0\nrom=0000:02:00.0\n", -EBADMSG },
        { "a ROM of nothing", HEADER "rom=\n", -EBADMSG },
        { "a ROM at no address", HEADER "rom=01:00.0\n", -EBADMSG },
        { "a ROM enabled twice", HEADER "rom=0000:01:00.0 enabled enabled\n", -EBADMSG },
        { "a ROM with its power twice", HEADER "rom=0000:01:00.0 power=on/1 power=on/1\n",
          -EBADMSG },
        { "a ROM with more", HEADER "rom=0000:01:00.0 nvidia\n", -EBADMSG },
        { "a home that had a picture", HEADER "function=0000:01:00.0 nvidia - picture\n", 0 },
        { "a home with its power, and its port's",
          HEADER "function=0000:01:00.0 nvidia - power=auto/0 port=0000:00:02.0/on/1\n", 0 },
        { "a home with all there is",
          HEADER "function=0000:01:00.0 nvidia - picture power=-/1 port=0000:00:02.0/auto/-\n", 0 },
        { "a home with its power twice", HEADER "function=0000:01:00.0 - - power=on/1 power=on/1\n",
          -EBADMSG },
        { "a home with its port twice",
          HEADER "function=0000:01:00.0 - - port=0000:00:02.0/on/1 port=0000:00:02.0/on/1\n",
          -EBADMSG },
        { "a home with its picture twice", HEADER "function=0000:01:00.0 - - picture picture\n",
          -EBADMSG },
        { "a power that is none", HEADER "function=0000:01:00.0 - - power=off/1\n", -EBADMSG },
        { "a d3cold that is none", HEADER "function=0000:01:00.0 - - power=on/2\n", -EBADMSG },
        { "a power of which nothing is known", HEADER "function=0000:01:00.0 - - power=-/-\n",
          -EBADMSG },
        { "half a power", HEADER "function=0000:01:00.0 - - power=on\n", -EBADMSG },
        { "an empty half of a power", HEADER "function=0000:01:00.0 - - power=/1\n", -EBADMSG },
        { "a power with more behind it", HEADER "function=0000:01:00.0 - - power=on/1/1\n",
          -EBADMSG },
        { "a power that does not fit",
          HEADER "function=0000:01:00.0 - - power="
                 "0123456789012345678901234567890123456789012345678901234567890123/1\n",
          -EBADMSG },
        { "a port at no address", HEADER "function=0000:01:00.0 - - port=00:02.0/on/1\n",
          -EBADMSG },
        { "a port without its power", HEADER "function=0000:01:00.0 - - port=0000:00:02.0\n",
          -EBADMSG },
        { "a home with neither", HEADER "function=0000:01:00.0 - -\n", 0 },
        { "a writer and its write",
          HEADER "writer=4711 99\nwrite=unbind 0000:01:00.0 nvidia\nwedged=12\n", 0 },
        { "the last of its writes counts",
          HEADER "write=bind 0000:01:00.0 vfio-pci\nwrite=probe 0000:01:00.0 -\n", 0 },
        { "a write to a pool", HEADER "write=hugepages 0000:00:00.0 1G\n", 0 },
        { "a write to no pool", HEADER "write=hugepages 0000:00:00.0 -\n", -EBADMSG },
        { "a write to a pool of a size that there is not",
          HEADER "write=hugepages 0000:00:00.0 4K\n", -EBADMSG },
        { "a writer without a start", HEADER "writer=4711\n", -EBADMSG },
        { "a writer that is nobody", HEADER "writer=0 99\n", -EBADMSG },
        { "a writer with a word too many", HEADER "writer=4711 99 1\n", -EBADMSG },
        { "a writer beyond all processes", HEADER "writer=2147483648 99\n", -EBADMSG },
        { "a write of an unknown kind", HEADER "write=remove 0000:01:00.0 nvidia\n", -EBADMSG },
        { "a write of no kind", HEADER "write=none 0000:01:00.0 nvidia\n", -EBADMSG },
        { "a write to no address", HEADER "write=unbind 01:00.0 nvidia\n", -EBADMSG },
        { "a write without a driver", HEADER "write=unbind 0000:01:00.0\n", -EBADMSG },
        { "a write to a driver that is a path", HEADER "write=unbind 0000:01:00.0 a/b\n",
          -EBADMSG },
        { "a write with a word too many", HEADER "write=unbind 0000:01:00.0 a b\n", -EBADMSG },
        { "wedged at no time", HEADER "wedged=now\n", -EBADMSG },
        { "pools of both sizes", HEADER "hugepages=2M 0\nhugepages=1G 18446744073709551615\n", 0 },
        { "a pool of a size that there is not", HEADER "hugepages=4K 0\n", -EBADMSG },
        { "a pool twice", HEADER "hugepages=2M 0\nhugepages=2M 0\n", -EBADMSG },
        { "a pool without a number", HEADER "hugepages=2M\n", -EBADMSG },
        { "a pool without anything", HEADER "hugepages=\n", -EBADMSG },
        { "a pool with a word too many", HEADER "hugepages=2M 1 2\n", -EBADMSG },
        { "a pool with a number that does not fit", HEADER "hugepages=2M 18446744073709551616\n",
          -EBADMSG },
        { "units, of the mode and of a holder",
          HEADER "unit=gdm.service -\nunit=a@b.service 0000:01:00.0\n", 0 },
        { "a unit without anything", HEADER "unit=\n", -EBADMSG },
        { "a unit without an address", HEADER "unit=gdm.service\n", -EBADMSG },
        { "a unit with a word too many", HEADER "unit=gdm.service - x\n", -EBADMSG },
        { "a unit that is none", HEADER "unit=../gdm -\n", -EBADMSG },
        { "a unit at no address", HEADER "unit=gdm.service 01:00.0\n", -EBADMSG },
        { "unloaded modules", HEADER "module=nvidia_drm\nmodule=nvidia\n", 0 },
        { "a module without a name", HEADER "module=\n", -EBADMSG },
        { "a module that is a path", HEADER "module=../nvidia\n", -EBADMSG },
        { "nothing at all", "", -EBADMSG },
        { "no header", "mode=host\n", -EBADMSG },
        { "a header without newline", "vfio-mode-state=1", -EBADMSG },
        { "another version", "vfio-mode-state=2\n", -EPROTONOSUPPORT },
        { "another version is not read further", "vfio-mode-state=2\n\n\n", -EPROTONOSUPPORT },
        { "no version", "vfio-mode-state=\n", -EPROTONOSUPPORT },
        { "an unknown key", HEADER "moed=host\n", -EBADMSG },
        { "a line without equals sign", HEADER "mode\n", -EBADMSG },
        { "an empty line", HEADER "\nmode=host\n", -EBADMSG },
        { "a torn last line", HEADER "mode=host\nfunction=0000:01", -EBADMSG },
        { "a mode that cannot be one", HEADER "mode=Host\n", -EBADMSG },
        { "an old mode that cannot be one", HEADER "old-mode=a b\n", -EBADMSG },
        { "a time that is none", HEADER "since=-1\n", -EBADMSG },
        { "a time that does not fit", HEADER "since=18446744073709551616\n", -EBADMSG },
        { "a source that does not fit", HEADER "source=0123456789012345678901234567890123456789\n",
          -EBADMSG },
        { "a home without anything", HEADER "function=\n", -EBADMSG },
        { "a home at no address", HEADER "function=01:00.0 nvidia -\n", -EBADMSG },
        { "a home at an address that is too long",
          HEADER "function=0000:01:00.00000000000 nvidia -\n", -EBADMSG },
        { "a home without a driver", HEADER "function=0000:01:00.0\n", -EBADMSG },
        { "a home without an override", HEADER "function=0000:01:00.0 nvidia\n", -EBADMSG },
        { "a home with a word too many", HEADER "function=0000:01:00.0 nvidia - x\n", -EBADMSG },
        { "a home with a word after its picture",
          HEADER "function=0000:01:00.0 nvidia - picture x\n", -EBADMSG },
        { "a driver that is a path", HEADER "function=0000:01:00.0 ../nvidia -\n", -EBADMSG },
        { "an override that is a path", HEADER "function=0000:01:00.0 nvidia a/b\n", -EBADMSG },
        { "a driver whose name does not fit",
          HEADER
          "function=0000:01:00.0 0123456789012345678901234567890123456789012345678901234567890123 -\n",
          -EBADMSG },
};

static void test_row(void **state) {
        const Row *row = *state;
        RunState parsed, untouched;

        (void)memset(&parsed, 0x5a, sizeof(parsed));
        untouched = parsed;
        assert_int_equal(run_state_parse(row->text, &parsed), row->error);
        if (row->error < 0)
                assert_memory_equal(&parsed, &untouched, sizeof(parsed));
}

/* --- homes --- */

static void test_homes(void **state) {
        HomeFunction first = { .address = { 0, 1, 0, 0 }, .driver = "nvidia" };
        HomeFunction again = { .address = { 0, 1, 0, 0 }, .driver = "vfio-pci" };
        RunState *run = calloc(1, sizeof(*run));

        assert_null(run_state_find_home(run, first.address));
        assert_int_equal(run_state_add_home(run, &first), 0);
        assert_int_equal(run_state_add_home(run, &again), 0);
        assert_int_equal(run->n_homes, 1);
        assert_string_equal(run_state_find_home(run, first.address)->driver, "nvidia");
        free(run);
}

static void test_units(void **state) {
        StoppedUnit unit = { .name = "0.service" };
        RunState *run = calloc(1, sizeof(*run));
        char buffer[256];
        int n;

        for (unsigned i = 0; i < RUN_STATE_UNITS_MAX; i++) {
                assert_int_equal(run_state_add_unit(run, &unit), 0);
                assert_int_equal(run_state_add_unit(run, &unit), 0);
                assert_int_equal(run->n_units, i + 1);
                (void)snprintf(unit.name, sizeof(unit.name), "%u.service", i + 1);
        }
        assert_int_equal(run_state_add_unit(run, &unit), -ENOSPC);
        assert_ptr_equal(run_state_find_unit(run, "7.service"), &run->units[7]);
        assert_null(run_state_find_unit(run, unit.name));
        unit.is_holder = true;
        unit.address = (PciAddress){ 0, 1, 0, 1 };
        n = run_state_format_unit(&unit, buffer, sizeof(buffer));
        assert_string_equal(buffer, "unit=48.service 0000:01:00.1\n");
        assert_int_equal(n, strlen(buffer));
        assert_int_equal(run_state_format_unit(&unit, buffer, (size_t)n), -ENAMETOOLONG);
        free(run);
}

static void test_homes_are_bounded(void **state) {
        RunState *run = calloc(1, sizeof(*run));

        for (unsigned i = 0; i < RUN_STATE_FUNCTIONS_MAX; i++) {
                HomeFunction home = { .address = { 0, (uint8_t)i, 0, 0 } };

                assert_int_equal(run_state_add_home(run, &home), 0);
        }
        assert_int_equal(run_state_add_home(run, &(HomeFunction){ .address = { 1, 0, 0, 0 } }),
                         -ENOSPC);
        assert_int_equal(run_state_add_home(run, &(HomeFunction){ .address = { 0, 0, 0, 0 } }), 0);
        free(run);
}

static void test_too_many_homes_in_text(void **state) {
        char text[8192] = HEADER;
        RunState *run = calloc(1, sizeof(*run));

        for (unsigned i = 0; i <= RUN_STATE_FUNCTIONS_MAX; i++) {
                char line[64];

                (void)snprintf(line, sizeof(line), "function=0000:%02x:00.0 - -\n", i);
                (void)strcat(text, line);
        }
        assert_int_equal(run_state_parse(text, run), -EBADMSG);
        free(run);
}

static void test_home_that_does_not_fit(void **state) {
        HomeFunction home = { .address = { 0, 1, 0, 0 }, .driver = "nvidia" };
        char buffer[256];
        int n;

        n = run_state_format_home(&home, buffer, sizeof(buffer));
        assert_string_equal(buffer, "function=0000:01:00.0 nvidia -\n");
        assert_int_equal(n, strlen(buffer));
        assert_int_equal(run_state_format_home(&home, buffer, (size_t)n), -ENAMETOOLONG);
}

/* --- round trips --- */

static uint32_t next_random(uint64_t *random) {
        *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (uint32_t)(*random >> 33);
}

static void random_word(uint64_t *random, const char *alphabet, size_t max, char *ret) {
        size_t length = next_random(random) % (max + 1);

        for (size_t i = 0; i < length; i++)
                ret[i] = alphabet[next_random(random) % strlen(alphabet)];
        ret[length] = '\0';
}

static void random_driver(uint64_t *random, char ret[CONFIG_DRIVER_SIZE]) {
        do
                random_word(random, "abcXYZ019_-.", CONFIG_DRIVER_SIZE - 1, ret);
        while (ret[0] != '\0' && (!config_driver_is_valid(ret) || strcmp(ret, "-") == 0));
}

static void random_power(uint64_t *random, PowerPolicy *ret) {
        static const char *const controls[] = { "on", "auto", "" }, *const d3colds[] = { "0", "1",
                                                                                         "" };

        power_policy_set_control(ret, controls[next_random(random) % ARRAY_SIZE(controls)]);
        power_policy_set_d3cold(ret, d3colds[next_random(random) % ARRAY_SIZE(d3colds)]);
}

static void assert_same_power(const PowerPolicy *a, const PowerPolicy *b) {
        assert_string_equal(a->control, b->control);
        assert_string_equal(a->d3cold, b->d3cold);
}

static void random_state(uint64_t *random, RunState *ret) {
        (void)memset(ret, 0, sizeof(*ret));
        do
                random_word(random, "abc-_9", CONFIG_NAME_SIZE - 1, ret->mode);
        while (ret->mode[0] != '\0' && !config_name_is_valid(ret->mode));
        (void)strcpy(ret->old_mode, next_random(random) % 2 ? ret->mode : "");
        random_word(random, "abcdef", sizeof(ret->source) - 1, ret->source);
        random_word(random, "a =\"\xc3\xa4.:", sizeof(ret->reason) - 1, ret->reason);
        ret->since = (uint64_t)next_random(random) << 33 | next_random(random);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (next_random(random) % 2)
                        ret->home_pools[size] = (HomePool){ true, next_random(random) };
        ret->n_homes = next_random(random) % (RUN_STATE_FUNCTIONS_MAX + 1);
        for (size_t i = 0; i < ret->n_homes; i++) {
                ret->homes[i].address = (PciAddress){ next_random(random) % 2 ? 0 : 0xffffffff,
                                                      (uint8_t)i, 0x1f, 7 };
                random_driver(random, ret->homes[i].driver);
                random_driver(random, ret->homes[i].driver_override);
                ret->homes[i].had_picture = next_random(random) % 2;
                random_power(random, &ret->homes[i].power);
                ret->homes[i].port = (PciAddress){ 0xffffffff, 0xff, 0x1f, 7 };
                random_power(random, &ret->homes[i].port_power);
        }
        if (next_random(random) % 2) {
                ret->rom.is_known = true;
                ret->rom.address = (PciAddress){ 0xffffffff, 0xff, 0x1f, 7 };
                ret->rom.is_enabled = next_random(random) % 2;
                random_power(random, &ret->rom.power);
        }
        ret->n_units = next_random(random) % 6;
        for (size_t i = 0; i < ret->n_units; i++) {
                (void)snprintf(ret->units[i].name, CONFIG_UNIT_SIZE, "%zu-%u.socket", i,
                               next_random(random));
                ret->units[i].is_holder = next_random(random) % 2;
                if (ret->units[i].is_holder)
                        ret->units[i].address = (PciAddress){ 0, (uint8_t)i, 1, 2 };
        }
}

static void assert_same(const RunState *a, const RunState *b) {
        assert_string_equal(a->mode, b->mode);
        assert_string_equal(a->old_mode, b->old_mode);
        assert_string_equal(a->source, b->source);
        assert_string_equal(a->reason, b->reason);
        assert_true(a->since == b->since);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                assert_int_equal(a->home_pools[size].is_known, b->home_pools[size].is_known);
                assert_int_equal(a->home_pools[size].pages, b->home_pools[size].pages);
        }
        assert_int_equal(a->n_homes, b->n_homes);
        for (size_t i = 0; i < a->n_homes; i++) {
                assert_int_equal(pci_address_compare(a->homes[i].address, b->homes[i].address), 0);
                assert_string_equal(a->homes[i].driver, b->homes[i].driver);
                assert_string_equal(a->homes[i].driver_override, b->homes[i].driver_override);
                assert_int_equal(a->homes[i].had_picture, b->homes[i].had_picture);
                assert_same_power(&a->homes[i].power, &b->homes[i].power);
                assert_same_power(&a->homes[i].port_power, &b->homes[i].port_power);
                if (power_policy_is_known(&a->homes[i].port_power))
                        assert_int_equal(pci_address_compare(a->homes[i].port, b->homes[i].port),
                                         0);
        }
        assert_int_equal(a->rom.is_known, b->rom.is_known);
        assert_int_equal(a->rom.is_enabled, b->rom.is_enabled);
        assert_int_equal(pci_address_compare(a->rom.address, b->rom.address), 0);
        assert_same_power(&a->rom.power, &b->rom.power);
        assert_int_equal(a->n_units, b->n_units);
        for (size_t i = 0; i < a->n_units; i++) {
                assert_string_equal(a->units[i].name, b->units[i].name);
                assert_int_equal(a->units[i].is_holder, b->units[i].is_holder);
                assert_int_equal(pci_address_compare(a->units[i].address, b->units[i].address), 0);
        }
}

static void test_round_trips(void **state) {
        RunState *written = malloc(sizeof(*written)), *parsed = malloc(sizeof(*parsed));
        uint64_t random = 1;

        for (unsigned i = 0; i < ROUND_TRIPS; i++) {
                char *text = NULL;
                int n;

                random_state(&random, written);
                n = run_state_format(written, &text);
                assert_true(n > 0 && n <= RUN_STATE_SIZE_MAX);
                assert_int_equal(n, strlen(text));
                assert_int_equal(run_state_parse(text, parsed), 0);
                assert_same(written, parsed);
                free(text);
        }
        free(written);
        free(parsed);
}

/* Whatever is done to a text, it is refused or means something that can be written again. */
static void test_mutations(void **state) {
        RunState *run = malloc(sizeof(*run)), *again = malloc(sizeof(*again));
        char *text = NULL, *second = NULL;
        uint64_t random = 7;
        size_t length;

        for (unsigned i = 0; i < MUTATIONS; i++) {
                if (i % 100 == 0) {
                        free(text);
                        text = NULL;
                        random_state(&random, run);
                        run->n_homes %= 4;
                        run->n_units %= 4;
                        assert_true(run_state_format(run, &text) > 0);
                }
                length = strlen(text);
                if (length > 0)
                        text[next_random(&random) % length] =
                                (char)("=\n -a\x01:9"[next_random(&random) % 8]);
                if (run_state_parse(text, run) < 0)
                        continue;
                assert_true(run_state_format(run, &second) > 0);
                assert_int_equal(run_state_parse(second, again), 0);
                free(second);
                second = NULL;
        }
        free(text);
        free(run);
        free(again);
}

static void test_newline_in_reason(void **state) {
        RunState *run = calloc(1, sizeof(*run));
        char *text = NULL;

        (void)strcpy(run->reason, "first\nmode=evil\tend");
        assert_true(run_state_format(run, &text) > 0);
        assert_int_equal(run_state_parse(text, run), 0);
        assert_string_equal(run->reason, "first mode=evil end");
        assert_string_equal(run->mode, "");
        free(text);
        free(run);
}

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(rows) + 8] = {
                { "a function has one home, the first", test_homes, NULL, NULL, NULL },
                { "units are kept once each, and 48 at most", test_units, NULL, NULL, NULL },
                { "there are 64 homes at most", test_homes_are_bounded, NULL, NULL, NULL },
                { "a text with 65 homes is refused", test_too_many_homes_in_text, NULL, NULL,
                  NULL },
                { "a home that does not fit its buffer", test_home_that_does_not_fit, NULL, NULL,
                  NULL },
                { "every state comes back as it was written", test_round_trips, NULL, NULL, NULL },
                { "a damaged text is refused or still a state", test_mutations, NULL, NULL, NULL },
                { "a newline in the reason does not become a key", test_newline_in_reason, NULL,
                  NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[8 + i] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                    (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("run-state", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of a mode that are about what uses devices: stop-units, holders and those of VMs; and
 * the largest configuration that there can be.
 */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"
#include "table.h"

#define MODE "[mode x]\n"

static int parse(const char *text, const char *drop_in, Config *ret, ConfigErrors *errors) {
        ConfigSource sources[] = { { "a.ini", text, strlen(text) },
                                   { "b.ini", drop_in ? drop_in : "",
                                     drop_in ? strlen(drop_in) : 0 } };

        return config_parse(sources, drop_in ? 2 : 1, ret, errors);
}

/* Writes it, reads that, and writes the same. The caller frees the text. */
static char *round_trip(const Config *config) {
        _cleanup_free_ char *again = NULL;
        ConfigErrors errors;
        Config parsed;
        char *text;
        int length;

        length = config_format(config, &text);
        assert_int_equal(length, strlen(text));
        assert_int_equal(parse(text, NULL, &parsed, &errors), 0);
        assert_int_equal(config_format(&parsed, &again), length);
        assert_string_equal(again, text);
        return text;
}

static const struct Accepted {
        const char *title, *text, *drop_in;
        ConfigHolders holders;
        const char *units; /* a blank behind each */
        bool end_sessions;
} accepted[] = {
        { "nothing set", MODE, NULL, CONFIG_HOLDERS_REFUSE, "", false },
        { "all three ways: refuse", MODE "holders = refuse\n", NULL, CONFIG_HOLDERS_REFUSE, "",
          false },
        { "all three ways: stop", MODE "holders = stop\n", NULL, CONFIG_HOLDERS_STOP, "", false },
        { "all three ways: kill", MODE "holders = kill\n", NULL, CONFIG_HOLDERS_KILL, "", false },
        { "the fallback mode's, as they are",
          "[mode host]\nconfirm = boot\nholders = refuse\n" MODE,
          "[mode host]\nend-sessions = no\n", CONFIG_HOLDERS_REFUSE, "", false },
        { "sessions end", MODE "end-sessions = yes\n", NULL, CONFIG_HOLDERS_REFUSE, "", true },
        { "a drop-in has them stay", MODE "end-sessions = yes\n", MODE "end-sessions = no\n",
          CONFIG_HOLDERS_REFUSE, "", false },
        { "units of many kinds",
          MODE "stop-units = a.service b@c.socket\n  d\\x2de.mount f.timer g.target\n", NULL,
          CONFIG_HOLDERS_REFUSE, "a.service b@c.socket d\\x2de.mount f.timer g.target ", false },
        { "a drop-in replaces both", MODE "holders = kill\nstop-units = a.service\n",
          MODE "stop-units = b.path\nholders = stop\n", CONFIG_HOLDERS_STOP, "b.path ", false },
        { "a drop-in empties the list", MODE "stop-units = a.service\n", MODE "stop-units =\n",
          CONFIG_HOLDERS_REFUSE, "", false },
};

static void test_accepted(void **state) {
        const struct Accepted *row = *state;
        const ConfigMode *mode;
        ConfigErrors errors;
        char units[512] = "";
        Config config;

        assert_int_equal(parse(row->text, row->drop_in, &config, &errors), 0);
        mode = config_find_mode(&config, "x");
        assert_int_equal(mode->holders, row->holders);
        assert_int_equal(mode->end_sessions, row->end_sessions);
        for (size_t i = 0; i < mode->n_stop_units; i++) {
                (void)strcat(units, mode->stop_units[i]);
                (void)strcat(units, " ");
        }
        assert_string_equal(units, row->units);
        free(round_trip(&config));
}

static const struct Time {
        const char *title, *text, *drop_in;
        uint32_t seconds;
} times[] = {
        { "no time set", MODE, NULL, 60 },
        { "a time", MODE "stop-vm = 1min 30s\n", NULL, 90 },
        { "the least time", MODE "stop-vm = 1\n", NULL, 1 },
        { "the most, by a drop-in", MODE "stop-vm = 1\n", MODE "stop-vm = 10min\n", 600 },
};

static void test_time(void **state) {
        const struct Time *row = *state;
        ConfigErrors errors;
        Config config;

        assert_int_equal(parse(row->text, row->drop_in, &config, &errors), 0);
        assert_int_equal(config_stop_vm(config_find_mode(&config, "x")), row->seconds);
        assert_int_equal(config_stop_vm(NULL), 60);
        free(round_trip(&config));
}

#define GPU "[device gpu]\nid = 10de:2484\n[device nic]\nid = 8086:10d3\n"
#define HOST "[mode host]\nvfio-devices = nic\n"
#define X GPU MODE "vfio-devices = gpu\n"

static const struct Vm {
        const char *title, *text, *drop_in;
        uint32_t expect, grace;
        ConfigOnVmExit on_exit;
} vms[] = {
        { "nothing set for VMs", X, NULL, 0, 15, CONFIG_ON_VM_EXIT_STAY },
        { "a VM is expected", X "expect-vm = 2min\n", NULL, 120, 15, CONFIG_ON_VM_EXIT_STAY },
        { "the longest a VM may take", X "expect-vm = 1d\n", NULL, 86400, 15,
          CONFIG_ON_VM_EXIT_STAY },
        { "expecting is switched off by a drop-in", X "expect-vm = 5\n", MODE "expect-vm = 0\n", 0,
          15, CONFIG_ON_VM_EXIT_STAY },
        { "the last VM takes the mode along", X "on-vm-exit = fallback\n", NULL, 0, 15,
          CONFIG_ON_VM_EXIT_FALLBACK },
        { "with a time of its own", X "on-vm-exit = fallback\nvm-exit-grace = 10min\n", NULL, 0,
          600, CONFIG_ON_VM_EXIT_FALLBACK },
        { "staying, said", X "on-vm-exit = stay\nexpect-vm = 1\n", NULL, 1, 15,
          CONFIG_ON_VM_EXIT_STAY },
        { "a device that the fallback mode has not, beside one that it has",
          GPU HOST MODE "vfio-devices = nic gpu\nexpect-vm = 1\n", NULL, 1, 15,
          CONFIG_ON_VM_EXIT_STAY },
};

static void test_vm(void **state) {
        const struct Vm *row = *state;
        const ConfigMode *mode;
        ConfigErrors errors;
        Config config;

        assert_int_equal(parse(row->text, row->drop_in, &config, &errors), 0);
        mode = config_find_mode(&config, "x");
        assert_int_equal(mode->expect_vm, row->expect);
        assert_int_equal(mode->on_vm_exit, row->on_exit);
        assert_int_equal(config_vm_exit_grace(mode), row->grace);
        free(round_trip(&config));
}

#define NO_UNIT "' is not a unit's name such as foo.service"

static const struct Refused {
        const char *title, *text, *error;
} refused[] = {
        { "no type", MODE "stop-units = foo\n", "a.ini:2: stop-units 'foo" NO_UNIT },
        { "what could be an option", MODE "stop-units = -.mount\n",
          "a.ini:2: stop-units '-.mount" NO_UNIT },
        { "what cannot be stopped", MODE "stop-units = foo.device\n",
          "a.ini:2: stop-units 'foo.device" NO_UNIT },
        { "no name", MODE "stop-units = .service\n", "a.ini:2: stop-units '.service" NO_UNIT },
        { "a template", MODE "stop-units = a@.service\n",
          "a.ini:2: stop-units 'a@.service" NO_UNIT },
        { "a path", MODE "stop-units = a/b.service\n", "a.ini:2: stop-units 'a/b.service" NO_UNIT },
        { "a pattern", MODE "stop-units = *.socket\n", "a.ini:2: stop-units '*.socket" NO_UNIT },
        { "one of ours", MODE "stop-units = vfio-moded.service\n",
          "a.ini:2: stop-units 'vfio-moded.service' is a unit of vfio-mode itself" },
        { "twice the same", MODE "stop-units = a.path\n  a.path\n",
          "a.ini:3: stop-units names a.path twice" },
        { "one too many",
          MODE "stop-units = a.path b.path c.path d.path e.path f.path\n"
               "  g.path h.path i.path j.path k.path\n",
          "a.ini:3: stop-units k.path is one too many: at most 10" },
        { "another word for holders", MODE "holders = end\n",
          "a.ini:2: holders 'end' is unknown: there are refuse, stop and kill" },
        { "neither yes nor no", MODE "end-sessions = true\n",
          "a.ini:2: end-sessions 'true' is neither yes nor no" },
        { "no time at all", MODE "stop-vm = 0\n",
          "a.ini:2: stop-vm '0' is not a time from 1s to 10min" },
        { "a time that is too long", MODE "stop-vm = 601s\n",
          "a.ini:2: stop-vm '601s' is not a time from 1s to 10min" },
        { "no time", MODE "stop-vm = never\n",
          "a.ini:2: stop-vm 'never' is not a time from 1s to 10min" },
        { "a VM is expected too late", X "expect-vm = 86401\n",
          "a.ini:7: expect-vm '86401' is not a time up to 1d" },
        { "a VM is expected at no time", X "expect-vm = soon\n",
          "a.ini:7: expect-vm 'soon' is not a time up to 1d" },
        { "another word for what follows a VM", X "on-vm-exit = leave\n",
          "a.ini:7: on-vm-exit 'leave' is unknown: there are stay and fallback" },
        { "no time for the next VM", X "on-vm-exit = fallback\nvm-exit-grace = 0\n",
          "a.ini:8: vm-exit-grace '0' is not a time from 1s to 10min" },
        { "too long for the next VM", X "on-vm-exit = fallback\nvm-exit-grace = 601\n",
          "a.ini:8: vm-exit-grace '601' is not a time from 1s to 10min" },
        { "a time for the next VM that nothing waits for", X "vm-exit-grace = 5\n",
          "a.ini:7: vm-exit-grace of mode 'x' needs on-vm-exit = fallback" },
        { "a VM is expected on no device", MODE "expect-vm = 5\n",
          "a.ini:2: expect-vm of mode 'x' is about a device that the fallback mode does not "
          "have, and it has none" },
        { "a switch for a VM to no device", MODE "switch-for-vm = yes\n",
          "a.ini:2: switch-for-vm of mode 'x' is about a device that the fallback mode does not "
          "have, and it has none" },
        { "nothing to rescue from", MODE "rescue = power-button\n",
          "a.ini:2: rescue of mode 'x' is about a device that the fallback mode does not have, and "
          "it has none" },
        { "another word for a rescue", X "rescue = reset\n",
          "a.ini:7: rescue 'reset' is unknown: there are power-button and none" },
        { "a boot that no VM can confirm", MODE "confirm = vm\n",
          "a.ini:2: confirm of mode 'x' is about a device that the fallback mode does not "
          "have, and it has none" },
        { "the last VM on a device that the fallback mode has, too",
          GPU HOST MODE "vfio-devices = nic\non-vm-exit = fallback\n",
          "a.ini:9: on-vm-exit of mode 'x' is about a device that the fallback mode does not "
          "have, and it has none" },
        { "no word for holders", MODE "holders =\n", "a.ini:2: key 'holders' has no value" },
        { "nobody is asked to let go on the way back", "[mode host]\nholders = kill\n",
          "a.ini:2: the fallback mode 'host' takes no such holders: on the way to it nobody is asked "
          "to let go" },
        { "no session ends on the way back",
          "[general]\nfallback-mode = x\n" MODE "end-sessions = yes\n",
          "a.ini:4: the fallback mode 'x' takes no such end-sessions: on the way to it no session "
          "ends" },
        { "no boot into the fallback mode waits", "[mode host]\nconfirm = manual\n",
          "a.ini:2: the fallback mode 'host' takes no such confirm: a boot into it is good when it "
          "has completed" },
};

static void test_refused(void **state) {
        const struct Refused *row = *state;
        ConfigErrors errors;
        char first[512];
        Config config;

        assert_int_equal(parse(row->text, NULL, &config, &errors), -EINVAL);
        assert_int_equal(errors.n_errors, 1);
        assert_string_equal(config_errors_format(&errors, first, sizeof(first)), row->error);
}

static void test_long_name(_unused_ void **state) {
        ConfigErrors errors;
        char text[512];
        Config config;

        (void)sprintf(text, MODE "stop-units = %0119d.service\n", 1);
        assert_int_equal(parse(text, NULL, &config, &errors), 0);
        (void)sprintf(text, MODE "stop-units = %0120d.service\n", 1);
        assert_int_equal(parse(text, NULL, &config, &errors), -EINVAL);
        assert_non_null(strstr(errors.errors[0].text, "is longer than 127 bytes"));
}

/* ---- The largest ---- */

static void fill_device(ConfigDevice *device, unsigned i) {
        sprintf(device->name, "device-with-a-name-of-32-bytes%02u", i);
        memset(device->host_driver, 'd', CONFIG_DRIVER_SIZE - 1);
        device->has_address = device->has_id = true;
        device->address = (PciAddress){ UINT32_MAX, (uint8_t)i, 0x1f, 0 };
        device->id = (PciId){ 0xffff, 0xffff };
        device->consent = CONSENT_BOOT_VGA;
        device->functions = 0x7f;
        device->n_also = CONFIG_ALSO_MAX;
        for (uint8_t j = 0; j < CONFIG_ALSO_MAX; j++)
                device->also[j] = (PciAddress){ UINT32_MAX, (uint8_t)(i + 100), j, 7 };
}

/* The buffer that config_format() takes, and a file's limit, hold the largest there can be. */
static void test_largest(void **state) {
        Config config = { .n_devices = CONFIG_DEVICES_MAX, .n_modes = CONFIG_MODES_MAX };
        _cleanup_free_ char *text = NULL;

        (void)state;
        for (unsigned i = 0; i < CONFIG_DEVICES_MAX; i++)
                fill_device(&config.devices[i], i);
        for (unsigned i = 0; i < CONFIG_MODES_MAX; i++) {
                sprintf(config.modes[i].name, "modes---with-a-name-of-32-bytes%1x", i % 16);
                config.modes[i].name[5] = (char)('0' + i / 16);
                config.modes[i].vfio_devices = UINT32_MAX;
                config.modes[i].confirm = CONFIG_CONFIRM_BOOT;
                config.modes[i].holders = i < 31 ? CONFIG_HOLDERS_REFUSE + 1 : 0;
                config.modes[i].stop_vm = CONFIG_STOP_VM_MAX;
                config.modes[i].expect_vm = i < 31 ? CONFIG_EXPECT_VM_MAX : 0;
                config.modes[i].on_vm_exit = i < 31 ? CONFIG_ON_VM_EXIT_FALLBACK : 0;
                config.modes[i].vm_exit_grace = i < 31 ? CONFIG_VM_EXIT_GRACE_MAX : 0;
                for (size_t j = 0; j < CONFIG_STOP_UNITS_MAX; j++)
                        sprintf(config.modes[i].stop_units[j], "%0119zu.service", j);
                config.modes[i].n_stop_units = CONFIG_STOP_UNITS_MAX;
                sprintf(config.modes[i].cmdline, "%0190d %0190d %0190d %067d", 1, 2, 3, 4);
        }
        config.modes[31].cmdline[0] = '\0'; /* of the fallback mode */
        config.modes[31].vfio_devices = 1;  /* it has none of the others' VMs */
        strcpy(config.default_mode, config.modes[0].name);
        strcpy(config.fallback_mode, config.modes[31].name);
        text = round_trip(&config);
        assert_in_range(strlen(text), 70000, CONFIG_FILE_MAX - 1);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_accepted, accepted);
        TABLE_ROWS(&table, test_refused, refused);
        table_add(&table, "a name of 127 bytes, and not one more", test_long_name, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(times); i++)
                table_add(&table, times[i].title, test_time, &times[i]);
        TABLE_ROWS(&table, test_vm, vms);
        table_add(&table, "the largest configuration is read back", test_largest, NULL);
        return table_run("config-units", &table);
}

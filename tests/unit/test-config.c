/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/config*: what is accepted, as config_format() writes it; what is refused, to the letter;
 * and the key table. The first source is called a.ini, the second b.ini.
 */
#undef NDEBUG

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/config-keys.h"
#include "model/config.h"
#include "table.h"

#define SOURCES_MAX 3

static const char *const file_names[SOURCES_MAX] = { "a.ini", "b.ini", "c.ini" };

static int parse_texts(const char *const *texts, Config *ret, ConfigErrors *errors) {
        ConfigSource sources[SOURCES_MAX];
        size_t n = 0;

        for (; n < SOURCES_MAX && texts[n]; n++)
                sources[n] = (ConfigSource){ file_names[n], texts[n], strlen(texts[n]) };
        return config_parse(sources, n, ret, errors);
}

static int parse_text(const char *text, Config *ret, ConfigErrors *errors) {
        return parse_texts((const char *const[SOURCES_MAX]){ text }, ret, errors);
}

/* Every error as a person sees it, a line each. */
static const char *errors_text(const ConfigErrors *errors, char *buffer, size_t size) {
        size_t length = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < errors->n_errors; i++)
                length += (size_t)snprintf(buffer + length, size - length, "%s:%u: %s\n",
                                           errors->errors[i].file, errors->errors[i].line,
                                           errors->errors[i].text);
        assert_true(length < size);
        return buffer;
}

static void assert_same(const Config *a, const Config *b) {
        assert_string_equal(a->default_mode, b->default_mode);
        assert_string_equal(a->fallback_mode, b->fallback_mode);
        assert_int_equal(a->n_devices, b->n_devices);
        for (size_t i = 0; i < a->n_devices; i++) {
                const ConfigDevice *c = &a->devices[i], *d = &b->devices[i];

                assert_string_equal(c->name, d->name);
                assert_string_equal(c->host_driver, d->host_driver);
                assert_int_equal(c->has_address, d->has_address);
                assert_int_equal(pci_address_compare(c->address, d->address), 0);
                assert_int_equal(c->has_id, d->has_id);
                assert_true(pci_id_equal(c->id, d->id));
                assert_int_equal(c->consent, d->consent);
                assert_int_equal(c->functions, d->functions);
                assert_int_equal(c->n_also, d->n_also);
                for (size_t j = 0; j < c->n_also; j++)
                        assert_int_equal(pci_address_compare(c->also[j], d->also[j]), 0);
        }
        assert_int_equal(a->n_modes, b->n_modes);
        for (size_t i = 0; i < a->n_modes; i++) {
                assert_string_equal(a->modes[i].name, b->modes[i].name);
                assert_int_equal(a->modes[i].vfio_devices, b->modes[i].vfio_devices);
                assert_string_equal(a->modes[i].cmdline, b->modes[i].cmdline);
                assert_int_equal(a->modes[i].confirm, b->modes[i].confirm);
        }
}

/* Writes @config, reads that back, and finds the same. The caller frees the text. */
static char *round_trip(const Config *config) {
        ConfigErrors errors;
        Config again;
        char *text;
        int length;

        length = config_format(config, &text);
        assert_true(length > 0);
        assert_int_equal(length, strlen(text));
        assert_int_equal(parse_text(text, &again, &errors), 0);
        assert_same(config, &again);
        return text;
}

/* ---- Accepted ---- */

#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define GPU "\n[device gpu]\naddress = 0000:0b:00.0\n"
#define NIC "\n[device nic]\naddress = 0000:05:00.0\n"
#define HOST "\n[mode host]\nvfio-devices =\n"
#define PASSTHROUGH "\n[mode passthrough]\nvfio-devices =\n  gpu\n"

static const struct Accepted {
        const char *title;
        const char *texts[SOURCES_MAX];
        const char *expected;
} accepted[] = {
        { "no source at all", { NULL }, GENERAL HOST },
        { "an empty file", { "" }, GENERAL HOST },
        { "comments only", { "; one\n# two\n  ; three\n\t# four \xc3\xa9\n;" }, GENERAL HOST },
        {
                "the sample of the manual",
                { "[general]\n"
                  "default-mode  = host          ; what a boot goes to\n"
                  "fallback-mode = host          ; where every failure leads\n"
                  "\n"
                  "[device gpu]\n"
                  "address = 0000:0b:00.0        ; where it is\n"
                  "id      = 10de:2484           ; what must be there\n"
                  "functions = all               ; every function\n"
                  "host-driver = nvidia          ; of function 0\n"
                  "consent = boot-vga            ; dangers\n"
                  "also = 0000:0b:00.4           ; a further member\n"
                  "\n"
                  "[device router-nic]\n"
                  "address = 0000:05:00.0\n"
                  "\n"
                  "[mode host]                   ; always exists\n"
                  "vfio-devices = router-nic     ; what is on vfio-pci\n"
                  "\n"
                  "[mode passthrough]\n"
                  "vfio-devices = router-nic gpu\n" },
                GENERAL
                "\n[device gpu]\naddress = 0000:0b:00.0\nid = 10de:2484\nhost-driver = nvidia\n"
                "consent = boot-vga\nalso =\n  0000:0b:00.4\n"
                "\n[device router-nic]\naddress = 0000:05:00.0\n"
                "\n[mode host]\nvfio-devices =\n  router-nic\n"
                "\n[mode passthrough]\nvfio-devices =\n  gpu\n  router-nic\n",
        },
        { "an empty section defines a mode",
          { "[mode host]\n[mode other]" },
          GENERAL HOST "\n[mode other]\nvfio-devices =\n" },
        {
                "the fallback mode exists unwritten",
                { "[general]\nfallback-mode = desk\n[mode game]\n" },
                "[general]\ndefault-mode = desk\nfallback-mode = desk\n"
                "\n[mode game]\nvfio-devices =\n\n[mode desk]\nvfio-devices =\n",
        },
        {
                "a default mode of its own",
                { "[general]\ndefault-mode = game\n[mode game]\n" },
                "[general]\ndefault-mode = game\nfallback-mode = host\n"
                "\n[mode game]\nvfio-devices =\n" HOST,
        },
        { "the unwritten fallback mode for a default",
          { "[general]\ndefault-mode = host\n" },
          GENERAL HOST },
        {
                "a mode above its device",
                { "[mode passthrough]\nvfio-devices = gpu\n[device gpu]\naddress = 0000:0b:00.0" },
                GENERAL GPU PASSTHROUGH HOST,
        },
        {
                "CRLF, tabs and a BOM",
                { "\xef\xbb\xbf[device gpu]\r\n\r\naddress\t=\t0000:0b:00.0\r\n[mode passthrough]\r\n"
                  "vfio-devices =\r\n\tgpu\t; yes\r\n" },
                GENERAL GPU PASSTHROUGH HOST,
        },
        {
                "a list over several lines with comments between",
                { "[mode both]\nvfio-devices = gpu ; one\n\n# two\n  ; three\n  nic ; four\n" NIC
                          GPU },
                GENERAL NIC GPU "\n[mode both]\nvfio-devices =\n  nic\n  gpu\n" HOST,
        },
        { "blanks in a section's brackets", { "[ mode\t host ]" }, GENERAL HOST },
        { "no blank around the equals sign",
          { "[device gpu]\naddress=0000:0b:00.0\n" },
          GENERAL GPU HOST },
        {
                "the longest names",
                { "[mode 0bcdefghijklmnopqrstuvwxyz-_3456]\n" },
                GENERAL "\n[mode 0bcdefghijklmnopqrstuvwxyz-_3456]\nvfio-devices =\n" HOST,
        },
        {
                "functions by number, without function 0",
                { "[device gpu]\naddress = 0000:0b:00.0\nfunctions = 7 2 1\n" },
                GENERAL GPU "functions = 1 2 7\n" HOST,
        },
        {
                "every function by number is all",
                { GPU "functions = 0 1 2 3 4 5 6 7\n" },
                GENERAL GPU HOST,
        },
        {
                "two devices in one slot",
                { GPU "functions = 0\n[device audio]\naddress = 0000:0b:00.0\nfunctions = 1\n" },
                GENERAL GPU "functions = 0\n"
                            "\n[device audio]\naddress = 0000:0b:00.0\nfunctions = 1\n" HOST,
        },
        {
                "two devices of one id, each with its address",
                { GPU "id = 10de:2484\n" NIC "id = 10de:2484\n" },
                GENERAL GPU "id = 10de:2484\n" NIC "id = 10de:2484\n" HOST,
        },
        {
                "two ids without an address",
                { "[device a]\nid = 10de:2484\n[device b]\nid = 10de:2485\n[device c]\naddress = 0000:01:00.0\n" },
                GENERAL "\n[device a]\nid = 10de:2484\n\n[device b]\nid = 10de:2485\n"
                        "\n[device c]\naddress = 0000:01:00.0\n" HOST,
        },
        {
                "one id, two functions of its slot",
                { "[device a]\nid = 10de:2484\nfunctions = 0\n[device b]\nid = 10de:2484\nfunctions = 1" },
                GENERAL "\n[device a]\nid = 10de:2484\nfunctions = 0\n"
                        "\n[device b]\nid = 10de:2484\nfunctions = 1\n" HOST,
        },
        {
                "a further member that is no function of the other device",
                { GPU "also = 0000:05:00.2\n" NIC "functions = 0 1\n" },
                GENERAL GPU "also =\n  0000:05:00.2\n" NIC "functions = 0 1\n" HOST,
        },
        {
                "a further member of two devices, and one whose place is not known",
                { GPU "also = 0000:0c:00.0\n" NIC
                      "also = 0000:0c:00.0\n[device x]\nid = 0001:0002\n" },
                GENERAL GPU "also =\n  0000:0c:00.0\n" NIC "also =\n  0000:0c:00.0\n"
                            "\n[device x]\nid = 0001:0002\n" HOST,
        },
        {
                "a drop-in wins by key",
                { GPU "id = 10de:2484\nhost-driver = nvidia\n",
                  "[device gpu]\naddress = 0000:0c:00.0\nhost-driver = nouveau\n" },
                GENERAL
                "\n[device gpu]\naddress = 0000:0c:00.0\nid = 10de:2484\nhost-driver = nouveau\n" HOST,
        },
        {
                "a drop-in replaces a list, an empty one takes it back",
                { GPU NIC "[mode a]\nvfio-devices = gpu nic\n[mode b]\nvfio-devices = gpu",
                  "[mode a]\nvfio-devices = nic\n[mode b]\nvfio-devices =\n" },
                GENERAL GPU NIC "\n[mode a]\nvfio-devices =\n  nic\n"
                                "\n[mode b]\nvfio-devices =\n" HOST,
        },
        { "consent to every danger there is",
          { GPU "consent = storage input\n  shared-driver boot-vga network boot-vga\n" },
          GENERAL GPU "consent = boot-vga network storage input shared-driver\n" HOST },
        {
                "a drop-in takes back consent and further members",
                { GPU "consent = boot-vga\nalso = 0000:0b:00.4\n",
                  "[device gpu]\nconsent =\nalso = ; none\n" },
                GENERAL GPU HOST,
        },
        {
                "a drop-in defines what the first file names",
                { "[general]\ndefault-mode = passthrough\n[mode passthrough]\nvfio-devices = gpu\n",
                  GPU },
                "[general]\ndefault-mode = passthrough\nfallback-mode = host\n" GPU PASSTHROUGH
                        HOST,
        },
        {
                "a drop-in moves a device to where another was",
                { GPU NIC,
                  "[device nic]\naddress = 0000:0b:00.0\n[device gpu]\naddress = 0000:0c:00.0\n" },
                GENERAL
                "\n[device gpu]\naddress = 0000:0c:00.0\n\n[device nic]\naddress = 0000:0b:00.0\n" HOST,
        },
};

static void test_accepted(void **state) {
        const struct Accepted *row = *state;
        ConfigErrors errors = { .n_errors = 4711 };
        _cleanup_free_ char *text = NULL;
        char complaint[4096];
        Config config;

        (void)parse_texts(row->texts, &config, &errors);
        assert_string_equal(errors_text(&errors, complaint, sizeof(complaint)), "");
        text = round_trip(&config);
        assert_string_equal(text, row->expected);
}

/* ---- Refused ---- */

#define NAME_33 "0bcdefghijklmnopqrstuvwxyz0123456"
#define DRIVER_64 "1234567890123456789012345678901234567890123456789012345678901234"

static const struct Refused {
        const char *title;
        const char *texts[SOURCES_MAX];
        const char *expected;
} refused[] = {
        /* Lines */
        { "neither section nor key",
          { "[mode host]\nvfio\n=x\n" },
          "a.ini:2: 'vfio' is neither '[section]' nor 'key = value'\n"
          "a.ini:3: '=x' is neither '[section]' nor 'key = value'\n" },
        { "a colon for the equals sign",
          { "[device gpu]\naddress: 0000:0b:00.0\naddress : x = y\n" },
          "a.ini:2: 'address: 0000:0b:00.0' is neither '[section]' nor 'key = value'\n"
          "a.ini:3: 'address : x = y' is neither '[section]' nor 'key = value'\n" },
        { "a comment for the equals sign",
          { "[mode host]\nvfio-devices ;= x\n" },
          "a.ini:2: 'vfio-devices' is neither '[section]' nor 'key = value'\n" },
        { "a key before the first section",
          { "\naddress = 0000:0b:00.0\n" },
          "a.ini:2: 'address = 0000:0b:00.0' stands before the first section\n" },
        { "a key before a later file's first section",
          { "[mode host]\n", "vfio-devices = x\n" },
          "b.ini:1: 'vfio-devices = x' stands before the first section\n" },
        { "letters that are not ASCII",
          { "[mode caf\xc3\xa9]\nvfio-devices = x\n[mode a]\nb\xc3\xa4h = 1\n c\n" },
          "a.ini:1: byte 0xc3, where only ASCII may stand\n"
          "a.ini:4: byte 0xc3, where only ASCII may stand\n" },
        { "control bytes",
          { "[mode a]\nvfio-devices = a\vb\n\f\n[mode b]\r[mode c]\nx\177" },
          "a.ini:2: byte 0x0b, where only ASCII may stand\n"
          "a.ini:3: byte 0x0c, where only ASCII may stand\n"
          "a.ini:4: byte 0x0d, where only ASCII may stand\n"
          "a.ini:5: byte 0x7f, where only ASCII may stand\n" },
        { "a file in UTF-16",
          { "\xff\xfe[", NULL },
          "a.ini:1: byte 0xff, where only ASCII may stand\n" },
        { "a byte order mark in the middle",
          { "\n\xef\xbb\xbf[mode a]" },
          "a.ini:2: byte 0xef, where only ASCII may stand\n" },

        /* Sections */
        { "an unknown section",
          { "[mood host]\nvfio-devices = x\n[]\n[Mode x]\n" },
          "a.ini:1: unknown section '[mood host]'\n"
          "a.ini:3: '[]' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:4: unknown section '[Mode x]'\n" },
        { "junk about a section",
          { "[mode x] junk\n[mode x y]\n[mode x\n[mode x]]\n[mode x];c\n[mode x] # c\n" },
          "a.ini:1: '[mode x] junk' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:2: '[mode x y]' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:3: '[mode x' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:4: '[mode x]]' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:5: '[mode x];c' is neither [general], [device NAME] nor [mode NAME]\n"
          "a.ini:6: '[mode x] # c' is neither [general], [device NAME] nor [mode NAME]\n" },
        { "a section without its name, or with one too many",
          { "[mode]\n[device ]\n[general x]\n" },
          "a.ini:1: [mode] needs a name, such as [mode passthrough]\n"
          "a.ini:2: [device] needs a name, such as [device gpu]\n"
          "a.ini:3: [general] takes no name\n" },
        { "names that are none",
          { "[mode Host]\n[mode -a]\n[mode _a]\n[device a.b]\n[mode " NAME_33 "]\n" },
          "a.ini:1: 'Host' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first\n"
          "a.ini:2: '-a' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first\n"
          "a.ini:3: '_a' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first\n"
          "a.ini:4: 'a.b' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first\n"
          "a.ini:5: '" NAME_33
          "' is not a name: at most 32 of a-z 0-9 _ -, a letter or digit first\n" },
        { "reserved names",
          { "[mode none]\n[mode fallback]\n[device none]\n" },
          "a.ini:1: the name 'none' is reserved\n"
          "a.ini:2: the name 'fallback' is reserved\n"
          "a.ini:3: the name 'none' is reserved\n" },
        { "a section twice in one file",
          { "[mode host]\nvfio-devices =\n[mode host]\nvfio-devices =\n x\n" },
          "a.ini:3: section '[mode host]' is already at line 1\n" },
        { "a section twice in the second file",
          { "[general]\n", "\n[general]\n\n[ general ]\n" },
          "b.ini:4: section '[ general ]' is already at line 2\n" },

        /* Keys */
        { "an unknown key",
          { "[mode passthrough]\nfoo = 1\n  and more\n[general]\nfoo = 2\n[device x]\nvfio-devices = 3\nid = 1234:5678" },
          "a.ini:2: unknown key 'foo' in [mode passthrough]\n"
          "a.ini:5: unknown key 'foo' in [general]\n"
          "a.ini:7: unknown key 'vfio-devices' in [device x]\n" },
        { "a key in other letters",
          { "[mode passthrough]\nVFIO-devices =\n" },
          "a.ini:2: unknown key 'VFIO-devices' in [mode passthrough]\n" },
        { "a key twice in one file",
          { GPU "address = 0000:0c:00.0\n" },
          "a.ini:4: key 'address' is already set at line 3\n" },
        { "a scalar without a value",
          { "[device gpu]\naddress =\nid = ; 10de:2484\n" },
          "a.ini:2: key 'address' has no value\n"
          "a.ini:3: key 'id' has no value\n" },
        { "an indented line behind a scalar",
          { GPU "  id = 10de:2484\n" },
          "a.ini:4: an indented line goes on with key 'address' above, which takes one value\n" },
        { "an indented line behind nothing",
          { "[mode host]\n  vfio-devices = x\n" },
          "a.ini:2: an indented line, and no key above that it goes on with\n" },
        { "an indented line before any section",
          { "  [mode host]\n" },
          "a.ini:1: an indented line, and no key above that it goes on with\n" },
        { "an indented section",
          { GPU "[mode a]\nvfio-devices = gpu\n  [mode b]\n" },
          "a.ini:6: vfio-devices names '[mode', and there is no [device [mode]\n"
          "a.ini:6: vfio-devices names 'b]', and there is no [device b]]\n" },
        { "one mistake in a list is one error",
          { "[mode a]\nvfio-devices x\n y\n z\n" },
          "a.ini:2: 'vfio-devices x' is neither '[section]' nor 'key = value'\n" },

        /* Values */
        { "addresses that are none",
          { "[device a]\naddress = 0b:00.0\nalso = 0000:01:00.0 01:00.1\n  *\n" },
          "a.ini:2: address '0b:00.0' is not a whole PCI address such as 0000:0b:00.0\n"
          "a.ini:3: also '01:00.1' is not a whole PCI address such as 0000:0b:00.0\n"
          "a.ini:4: also '*' is not a whole PCI address such as 0000:0b:00.0\n" },
        { "two addresses for one",
          { "[device a]\naddress = 0000:0b:00.0 0000:0c:00.0\n" },
          "a.ini:2: address '0000:0b:00.0 0000:0c:00.0' is not a whole PCI address such as 0000:0b:00.0\n" },
        { "the address of another function",
          { "[device a]\naddress = 0000:0B:00.1\n" },
          "a.ini:2: address '0000:0B:00.1' is one function: write 0000:0b:00.0, and functions = 1\n" },
        { "an id that is none",
          { "[device a]\nid = 10de\n" },
          "a.ini:2: id '10de' is not a PCI id such as 10de:2484\n" },
        { "functions that are none",
          { "[device a]\nfunctions = 8\n[device b]\nfunctions = 0 0\n[device c]\nfunctions = all 1\n"
            "[device d]\nfunctions = 01\n[device e]\nfunctions = 0,1\n[device f]\nfunctions = /\n" },
          "a.ini:2: functions '8' is neither 'all' nor different digits from 0 to 7\n"
          "a.ini:4: functions '0 0' is neither 'all' nor different digits from 0 to 7\n"
          "a.ini:6: functions 'all 1' is neither 'all' nor different digits from 0 to 7\n"
          "a.ini:8: functions '01' is neither 'all' nor different digits from 0 to 7\n"
          "a.ini:10: functions '0,1' is neither 'all' nor different digits from 0 to 7\n"
          "a.ini:12: functions '/' is neither 'all' nor different digits from 0 to 7\n" },
        { "drivers that are none",
          { "[device a]\nhost-driver = ../x\n[device b]\nhost-driver = ..\n[device c]\nhost-driver = .\n"
            "[device d]\nhost-driver = a b\n[device e]\nhost-driver = " DRIVER_64 "\n" },
          "a.ini:2: host-driver '../x' is not a driver's name such as nvidia\n"
          "a.ini:4: host-driver '..' is not a driver's name such as nvidia\n"
          "a.ini:6: host-driver '.' is not a driver's name such as nvidia\n"
          "a.ini:8: host-driver 'a b' is not a driver's name such as nvidia\n"
          "a.ini:10: host-driver '" DRIVER_64 "' is not a driver's name such as nvidia\n" },
        { "consent to no known danger",
          { "[device a]\nconsent = boot-vga network\n  input fire\n" },
          "a.ini:3: consent 'fire' is unknown: there are boot-vga, network, storage, "
          "input and shared-driver\n" },
        { "a further member twice",
          { "[device a]\nalso = 0000:01:00.0 0000:01:00.0\n" },
          "a.ini:2: also names 0000:01:00.0 twice\n" },
        { "a device that is not defined",
          { GPU "[mode a]\nvfio-devices = gpu\n  cpu\n  none\n" },
          "a.ini:6: vfio-devices names 'cpu', and there is no [device cpu]\n"
          "a.ini:7: vfio-devices names 'none', and there is no [device none]\n" },
        { "a mode for a device",
          { "[mode a]\nvfio-devices = a\n" },
          "a.ini:2: vfio-devices names 'a', and there is no [device a]\n" },
        { "a device twice in a list",
          { GPU "[mode a]\nvfio-devices = gpu\n  gpu\n" },
          "a.ini:6: vfio-devices names 'gpu' twice\n" },
        { "a bad value that a drop-in covers",
          { "[mode a]\nvfio-devices = x\n", "[mode a]\nvfio-devices =\n" },
          "a.ini:2: vfio-devices names 'x', and there is no [device x]\n" },
        { "modes that are none",
          { "[general]\ndefault-mode = Host\nfallback-mode = fallback\n" },
          "a.ini:2: default-mode 'Host' is not a mode's name\n"
          "a.ini:3: fallback-mode 'fallback' is not a mode's name\n" },

        /* The whole */
        { "a default mode that is not defined",
          { "[general]\n\ndefault-mode = game\n" },
          "a.ini:3: default-mode names 'game', and there is no [mode game]\n" },
        { "a default mode of a drop-in",
          { "[mode a]\n[general]\ndefault-mode = a\n", "[general]\ndefault-mode = b\n" },
          "b.ini:2: default-mode names 'b', and there is no [mode b]\n" },
        { "a device without address and id",
          { "[mode host]\n\n[device gpu]\nconsent = boot-vga\n" },
          "a.ini:3: device 'gpu' needs an address or an id\n" },
        { "a host driver for a function that is left out",
          { GPU "host-driver = nvidia\nfunctions = 1\n" },
          "a.ini:4: host-driver is of function 0, which device 'gpu' leaves out\n" },
        { "one slot twice",
          { GPU "[device b]\naddress = 0000:0B:00.0\n" },
          "a.ini:5: devices 'gpu' and 'b' share a function of 0000:0b:00.0\n" },
        { "one function twice",
          { GPU "functions = 0 1\n[device b]\naddress = 0000:0b:00.0\nfunctions = 1 2\n" },
          "a.ini:6: devices 'gpu' and 'b' share a function of 0000:0b:00.0\n" },
        { "a drop-in moves a device to another",
          { GPU NIC, "\n\n[device gpu]\naddress = 0000:05:00.0\n" },
          "b.ini:4: devices 'gpu' and 'nic' share a function of 0000:05:00.0\n" },
        { "one id twice",
          { "[device a]\nid = 10de:2484\n[device b]\nid = 10de:2484\n" },
          "a.ini:4: devices 'a' and 'b' have the same id 10de:2484: give each its address\n" },
        { "one id twice, one with its address",
          { "[device a]\nid = 10de:2484\n[device b]\nid = 10de:2484\naddress = 0000:0b:00.0\n" },
          "a.ini:4: devices 'a' and 'b' have the same id 10de:2484: give each its address\n" },
        { "a further member that is another device",
          { GPU "also = 0000:05:00.1\n" NIC "also = 0000:0b:00.2\n" },
          "a.ini:4: also 0000:05:00.1 is a function of device 'nic'\n"
          "a.ini:8: also 0000:0b:00.2 is a function of device 'gpu'\n" },
        { "errors of the whole come in the order of lines",
          { "[general]\ndefault-mode = x\n[device a]\n",
            "[device b]\naddress = 0000:0b:00.0\n[device c]\n",
            "[device a]\nalso = 0000:0b:00.1\n" },
          "a.ini:2: default-mode names 'x', and there is no [mode x]\n"
          "b.ini:3: device 'c' needs an address or an id\n"
          "c.ini:1: device 'a' needs an address or an id\n"
          "c.ini:2: also 0000:0b:00.1 is a function of device 'b'\n" },
};

static void assert_refused(int result, const Config *config, const ConfigErrors *errors,
                           const char *expected) {
        char complaint[8192];

        assert_int_equal(result, -EINVAL);
        assert_string_equal(errors_text(errors, complaint, sizeof(complaint)), expected);
        assert_string_equal(config->default_mode, "untouched");
        assert_int_equal(config->n_modes, 4711);
}

static const Config untouched = { .default_mode = "untouched", .n_modes = 4711 };

static void test_refused(void **state) {
        const struct Refused *row = *state;
        Config config = untouched;
        ConfigErrors errors;
        int r;

        r = parse_texts(row->texts, &config, &errors);
        assert_refused(r, &config, &errors, row->expected);
}

static void refuse(const char *text, size_t size, const char *expected) {
        ConfigSource source = { "a.ini", text, size };
        Config config = untouched;
        ConfigErrors errors;
        int r;

        r = config_parse(&source, 1, &config, &errors);
        assert_refused(r, &config, &errors, expected);
}

static void test_nul(void **state) {
        static const char text[] =
                "[mode a]\nvfio-devices = \0x\n y\n; a comment\0\n[\0mode b]\nx = y\n";

        (void)state;
        refuse(text, sizeof(text) - 1,
               "a.ini:2: a NUL byte\na.ini:4: a NUL byte\na.ini:5: a NUL byte\n");
}

static void test_text_ends_where_its_size_says(void **state) {
        static const char text[] = "[mode a]\n[mode b]\n[mode c]";
        ConfigSource source = { "a.ini", text, 9 };
        ConfigErrors errors;
        Config config;

        (void)state;
        assert_int_equal(config_parse(&source, 1, &config, &errors), 0);
        assert_int_equal(config.n_modes, 2);
        assert_non_null(config_find_mode(&config, "a"));
        assert_null(config_find_mode(&config, "b"));
}

/* A line of @length bytes: the beginning, blanks, and the end of it. */
static const char *padded(char *buffer, size_t length, const char *begin, const char *end) {
        memset(buffer, ' ', length);
        memcpy(buffer, begin, strlen(begin));
        memcpy(buffer + length - strlen(end), end, strlen(end));
        buffer[length] = '\0';
        return buffer;
}

static void test_long_line(void **state) {
        char line[512], text[1024];
        ConfigErrors errors;
        Config config;
        int length;

        (void)state;
        length = snprintf(text, sizeof(text), "%s[mode passthrough]\n%s\n", GPU,
                          padded(line, 198, "vfio-devices =", "gpu"));
        assert_int_equal(parse_text(text, &config, &errors), 0);
        assert_int_equal(config.modes[0].vfio_devices, 1);

        length = snprintf(text, sizeof(text), "%s[mode passthrough]\n%s\n  x\n", GPU,
                          padded(line, 199, "vfio-devices =", "gpu"));
        refuse(text, (size_t)length,
               "a.ini:5: 199 bytes in a line of at most 198: go on in an indented line\n");

        length = snprintf(text, sizeof(text), "%s\nvfio-devices = x\n",
                          padded(line, 400, "[mode", "a]"));
        refuse(text, (size_t)length,
               "a.ini:1: 400 bytes in a line of at most 198: go on in an indented line\n");

        length = snprintf(text, sizeof(text), "%s[mode passthrough]\n%s\n", GPU,
                          padded(line, 400, "vfio-devices = gpu ;", "a long comment"));
        assert_int_equal(parse_text(text, &config, &errors), 0);
        assert_int_equal(config.modes[0].vfio_devices, 1);
}

static void test_long_quotes(void **state) {
        char line[121], text[512], expected[512];

        (void)state;
        memset(line, 'x', 120);
        line[120] = '\0';
        (void)snprintf(text, sizeof(text), "[mode a]\n%s = 1\nvfio-devices = %s\n", line, line);
        (void)snprintf(expected, sizeof(expected),
                       "a.ini:2: unknown key '%.64s' in [mode a]\n"
                       "a.ini:3: vfio-devices names '%.64s', and there is no [device %.64s]\n",
                       line, line, line);
        refuse(text, strlen(text), expected);
}

/* Sections of one kind, each with its number for a name and for a bus. */
static size_t numbered(char *text, const char *kind, unsigned n) {
        size_t length = 0;

        for (unsigned i = 0; i < n; i++) {
                length += (size_t)sprintf(text + length, "[%s %u]\n", kind, i);
                if (strcmp(kind, "device") == 0)
                        length += (size_t)sprintf(text + length, "address = 0000:%02x:00.0\n", i);
        }
        return length;
}

static void test_too_many(void **state) {
        char text[8192];
        ConfigErrors errors;
        Config config;
        size_t length;

        (void)state;
        numbered(text, "device", 32);
        assert_int_equal(parse_text(text, &config, &errors), 0);
        length = numbered(text, "device", 33);
        refuse(text, length, "a.ini:65: more than 32 [device NAME] sections\n");

        length = numbered(text, "mode", 32);
        refuse(text, length, "a.ini:0: no room for the fallback mode 'host' beside 32 others\n");
        strcpy(text + length, "[general]\nfallback-mode = 31\n");
        assert_int_equal(parse_text(text, &config, &errors), 0);
        length = numbered(text, "mode", 33);
        refuse(text, length, "a.ini:33: more than 32 [mode NAME] sections\n");

        length = (size_t)sprintf(text, "%salso =\n", GPU);
        for (unsigned i = 0; i < 9; i++)
                length += (size_t)sprintf(text + length, "  0000:01:%02x.1 0000:02:%02x.1\n", i, i);
        refuse(text, length,
               "a.ini:13: also 0000:01:08.1 is one too many: at most 16\n"
               "a.ini:13: also 0000:02:08.1 is one too many: at most 16\n");
}

static void test_too_many_errors(void **state) {
        char text[512] = "[mode a]\n";
        Config config = untouched;
        ConfigErrors errors;

        (void)state;
        for (unsigned i = 0; i < 20; i++)
                strcat(text, "foo = 1\n");
        assert_int_equal(parse_text(text, &config, &errors), -EINVAL);
        assert_int_equal(errors.n_errors, CONFIG_ERRORS_MAX);
        assert_int_equal(errors.errors[CONFIG_ERRORS_MAX - 1].line, 17);
        assert_int_equal(config.n_modes, 4711);
}

/* ---- Values, and writing them ---- */

static const struct Name {
        const char *title;
        const char *name;
        bool valid_name;
        bool valid_driver;
} names[] = {
        { "a plain name", "gpu", true, true },
        { "a name of one digit", "0", true, true },
        { "a name of every kind of byte", "a_b-9", true, true },
        { "a name of 32 bytes", "0bcdefghijklmnopqrstuvwxyz-_3456", true, true },
        { "a name of 33 bytes", NAME_33, false, true },
        { "no name", "", false, false },
        { "a name with capitals", "Gpu", false, true },
        { "a name with a dash in front", "-gpu", false, true },
        { "a name with an underscore in front", "_gpu", false, true },
        { "a name with a dot", "g.pu", false, true },
        { "a name with a slash", "g/pu", false, false },
        { "a name with a blank", "g pu", false, false },
        { "a dot", ".", false, false },
        { "two dots", "..", false, false },
        { "three dots", "...", false, true },
        { "the reserved none", "none", false, true },
        { "the reserved fallback", "fallback", false, true },
        { "a name that only begins with a reserved one", "none2", true, true },
        { "a driver of 63 bytes", &DRIVER_64[1], false, true },
        { "a driver of 64 bytes", DRIVER_64, false, false },
};

static void test_name(void **state) {
        const struct Name *row = *state;

        assert_int_equal(config_name_is_valid(row->name), row->valid_name);
        assert_int_equal(config_driver_is_valid(row->name), row->valid_driver);
}

/* ---- The key table ---- */

static void test_keys(void **state) {
        (void)state;
        for (ConfigKeyId id = 0; id < CONFIG_KEY_COUNT; id++) {
                const ConfigKey *key = config_key(id);
                ConfigKeyId found = CONFIG_KEY_COUNT;

                assert_non_null(key->name);
                assert_true(*key->range);
                assert_true(*key->description);
                assert_non_null(key->default_text);
                assert_true(config_key_find(key->section, key->name, &found));
                assert_int_equal(found, id);
        }
}

/* Each key looks at its value. */
static void test_every_key(void **state) {
        (void)state;
        for (ConfigKeyId id = 0; id < CONFIG_KEY_COUNT; id++) {
                const ConfigKey *key = config_key(id);
                const char *kind = config_section_kind_name(key->section);
                Config config = untouched;
                ConfigErrors errors;
                char text[256];

                (void)snprintf(text, sizeof(text), "[%s%s]\n%s = ?\n", kind,
                               key->section == CONFIG_GENERAL ? "" : " x", key->name);
                assert_int_equal(parse_text(text, &config, &errors), -EINVAL);
                assert_int_equal(errors.n_errors, 1);
                assert_memory_equal(errors.errors[0].text, key->name, strlen(key->name));
        }
}

static void test_key_find(void **state) {
        ConfigKeyId id = CONFIG_KEY_ALSO;

        (void)state;
        assert_false(config_key_find(CONFIG_MODE, "address", &id));
        assert_false(config_key_find(CONFIG_DEVICE, "", &id));
        assert_false(config_key_find(CONFIG_GENERAL, "default-mode ", &id));
        assert_int_equal(id, CONFIG_KEY_ALSO);
        assert_true(config_type_is_list(config_key(CONFIG_KEY_ALSO)->type));
        assert_true(config_type_is_list(config_key(CONFIG_KEY_CMDLINE)->type));
        assert_false(config_type_is_list(config_key(CONFIG_KEY_STOP_VM)->type));
        assert_false(config_type_is_list(config_key(CONFIG_KEY_DEFAULT_MODE)->type));
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_accepted, accepted);
        TABLE_ROWS(&table, test_refused, refused);
        TABLE_ROWS(&table, test_name, names);
        table_add(&table, "NUL bytes", test_nul, NULL);
        table_add(&table, "a text ends where its size says", test_text_ends_where_its_size_says,
                  NULL);
        table_add(&table, "lines that inih would cut", test_long_line, NULL);
        table_add(&table, "long words are quoted in part", test_long_quotes, NULL);
        table_add(&table, "one section or member too many", test_too_many, NULL);
        table_add(&table, "more errors than are kept", test_too_many_errors, NULL);
        table_add(&table, "the table has each key once", test_keys, NULL);
        table_add(&table, "each key looks at its value", test_every_key, NULL);
        table_add(&table, "finding a key", test_key_find, NULL);
        return table_run("config", &table);
}

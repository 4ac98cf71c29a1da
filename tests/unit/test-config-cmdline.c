/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of a mode that are about booting into it: `cmdline`, whose value goes through boot
 * loaders to the kernel and must not be able to say anything else than arguments; and `confirm`.
 * Also `on-wedged`, which decides about a boot.
 */
#undef NDEBUG

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"
#include "table.h"

#define MODE "[mode game]\n"
#define HOSTILE_VALUES 100 /* of each kind */
#define GOOD_VALUES 2000

static int parse(const char *text, Config *ret, ConfigErrors *errors) {
        ConfigSource source = { "a.ini", text, strlen(text) };

        return config_parse(&source, 1, ret, errors);
}

static const ConfigMode *game(const Config *config) {
        const ConfigMode *mode = config_find_mode(config, "game");

        assert_non_null(mode);
        return mode;
}

/* ---- Accepted ---- */

static const struct Accepted {
        const char *title;
        const char *text;
        const char *cmdline;
        ConfigConfirm confirm;
} accepted[] = {
        { "nothing set", MODE, "", CONFIG_CONFIRM_MANUAL },
        { "nothing set, and a device that a VM can have",
          MODE "vfio-devices = gpu\n[device gpu]\naddress = 0000:0b:00.0\n", "",
          CONFIG_CONFIRM_VM },
        { "confirmed by hand, and a device that a VM can have",
          MODE "confirm = manual\nvfio-devices = gpu\n[device gpu]\naddress = 0000:0b:00.0\n", "",
          CONFIG_CONFIRM_MANUAL },
        { "nothing set, and a device that the fallback mode has as well",
          MODE "vfio-devices = nic\n[device nic]\naddress = 0000:05:00.0\n"
               "[mode host]\nvfio-devices = nic\n",
          "", CONFIG_CONFIRM_MANUAL },
        { "an empty list", MODE "cmdline =\n", "", CONFIG_CONFIRM_MANUAL },
        { "one argument", MODE "cmdline = nosmt=force\n", "nosmt=force", CONFIG_CONFIRM_MANUAL },
        { "blanks become one blank", MODE "cmdline =  a \t b  ; c\n\td\n   e   f\n", "a b d e f",
          CONFIG_CONFIRM_MANUAL },
        { "what people write",
          MODE "cmdline = vfio-pci.ids=10de:2484,10de:228b isolcpus=2-7,10-15 nohz_full=2-7\n"
               "  hugepagesz=1G hugepages=20 default_hugepagesz=1G\n"
               "  video=efifb:off video=DP-1:1920x1080@60 initcall_blacklist=sysfb_init\n"
               "  modprobe.blacklist=nouveau,nvidia pci=realloc=off console=ttyS0,115200n8\n"
               "  memmap=64M%0x100-7+1 a~b^c! key=a/b\n",
          "vfio-pci.ids=10de:2484,10de:228b isolcpus=2-7,10-15 nohz_full=2-7 "
          "hugepagesz=1G hugepages=20 default_hugepagesz=1G "
          "video=efifb:off video=DP-1:1920x1080@60 initcall_blacklist=sysfb_init "
          "modprobe.blacklist=nouveau,nvidia pci=realloc=off console=ttyS0,115200n8 "
          "memmap=64M%0x100-7+1 a~b^c! key=a/b",
          CONFIG_CONFIRM_MANUAL },
        { "words that only look like refused ones",
          MODE "cmdline = rootwait rootfstype=ext4 initcall_debug vfio_modes vfio=1 xroot=1\n"
               "  singles=1 s=1 systemd.unit=multi-user.target panic=30 2 ---\n",
          "rootwait rootfstype=ext4 initcall_debug vfio_modes vfio=1 xroot=1 "
          "singles=1 s=1 systemd.unit=multi-user.target panic=30 2 ---",
          CONFIG_CONFIRM_MANUAL },
        { "arguments of the fallback mode that are none", MODE "[mode host]\ncmdline =\n", "",
          CONFIG_CONFIRM_MANUAL },
        { "confirmed by booting", MODE "confirm = boot\n", "", CONFIG_CONFIRM_BOOT },
        { "confirmed by hand", MODE "confirm = manual\n", "", CONFIG_CONFIRM_MANUAL },
};

/* What @config says is what is read back from its text. */
static void assert_round_trip(const Config *config) {
        _cleanup_free_ char *text = NULL;
        ConfigErrors errors;
        Config again;

        assert_true(config_format(config, &text) > 0);
        assert_int_equal(parse(text, &again, &errors), 0);
        assert_string_equal(game(&again)->cmdline, game(config)->cmdline);
        assert_int_equal(game(&again)->confirm, game(config)->confirm);
        assert_int_equal(game(&again)->on_wedged, game(config)->on_wedged);
}

static void test_accepted(void **state) {
        const struct Accepted *row = *state;
        char first[256] = "";
        ConfigErrors errors;
        Config config;

        if (parse(row->text, &config, &errors) < 0)
                (void)config_errors_format(&errors, first, sizeof(first));
        assert_string_equal(first, "");
        assert_string_equal(game(&config)->cmdline, row->cmdline);
        assert_int_equal(game(&config)->confirm, row->confirm);
        assert_round_trip(&config);
}

static void test_on_wedged(void **state) {
        ConfigErrors errors;
        Config config;

        (void)state;
        assert_int_equal(parse(MODE, &config, &errors), 0);
        assert_int_equal(game(&config)->on_wedged, CONFIG_ON_WEDGED_STAY);
        assert_int_equal(parse(MODE "on-wedged = reboot\n", &config, &errors), 0);
        assert_int_equal(game(&config)->on_wedged, CONFIG_ON_WEDGED_REBOOT);
        assert_round_trip(&config);
        assert_int_equal(parse(MODE "on-wedged = stay\n", &config, &errors), 0);
        assert_int_equal(game(&config)->on_wedged, CONFIG_ON_WEDGED_STAY);
}

static void test_drop_in_replaces(void **state) {
        const ConfigSource sources[] = {
                { "a.ini", MODE "cmdline = a b\nconfirm = boot\n", 40 },
                { "b.ini", MODE "cmdline = c\nconfirm = manual\n", 40 },
        };
        ConfigErrors errors;
        Config config;

        (void)state;
        assert_int_equal(strlen(sources[0].text), 41);
        assert_int_equal(config_parse(sources, 2, &config, &errors), 0);
        assert_string_equal(game(&config)->cmdline, "c");
        assert_int_equal(game(&config)->confirm, CONFIG_CONFIRM_MANUAL);
}

/* ---- Refused ---- */

#define MAY_CHANGE "', which boot loaders may change"
#define OURS "' is for vfio-mode itself to say"
#define SYSTEM "' would boot another system"
#define RESCUE "' asks for a rescue system, which is booted in the fallback mode"

static const struct Refused {
        const char *title;
        const char *text;
        const char *error; /**< the first one */
} refused[] = {
        { "a quote", MODE "cmdline = a=\"b c\"\n",
          "a.ini:2: cmdline 'a=\"b' has a '\"" MAY_CHANGE },
        { "a backslash", MODE "cmdline = a\\040b\n",
          "a.ini:2: cmdline 'a\\040b' has a '\\" MAY_CHANGE },
        { "a variable", MODE "cmdline = a\n  $root\n",
          "a.ini:3: cmdline '$root' has a '$" MAY_CHANGE },
        { "a second command", MODE "cmdline = a;reboot\n",
          "a.ini:2: cmdline 'a;reboot' has a ';" MAY_CHANGE },
        { "a glob", MODE "cmdline = (hd0)/*\n", "a.ini:2: cmdline '(hd0)/*' has a '(" MAY_CHANGE },
        { "a path", MODE "cmdline = /vmlinuz\n",
          "a.ini:2: cmdline '/vmlinuz' begins with '/" MAY_CHANGE },
        { "an exclamation mark in front", MODE "cmdline = !a\n",
          "a.ini:2: cmdline '!a' begins with '!" MAY_CHANGE },
        { "a comment that is none", MODE "cmdline = a#b\n",
          "a.ini:2: cmdline 'a#b' has a '#" MAY_CHANGE },
        { "a letter that is not ASCII", MODE "cmdline = caf\xc3\xa9\n",
          "a.ini:2: byte 0xc3, where only ASCII may stand" },
        { "our own word", MODE "cmdline = vfio_mode=game\n",
          "a.ini:2: cmdline 'vfio_mode=game" OURS },
        { "our own word with a dash", MODE "cmdline = vfio-mode=\n",
          "a.ini:2: cmdline 'vfio-mode=" OURS },
        { "our own word without a value", MODE "cmdline = vfio_mode\n",
          "a.ini:2: cmdline 'vfio_mode" OURS },
        { "our own marker", MODE "cmdline = vfio-mode.boot=trial.1.0\n",
          "a.ini:2: cmdline 'vfio-mode.boot=trial.1.0" OURS },
        { "another first program", MODE "cmdline = init=/bin/sh\n",
          "a.ini:2: cmdline 'init=/bin/sh" SYSTEM },
        { "another first program of the initramfs", MODE "cmdline = rdinit=/bin/sh\n",
          "a.ini:2: cmdline 'rdinit=/bin/sh" SYSTEM },
        { "another root", MODE "cmdline = root=UUID=1\n", "a.ini:2: cmdline 'root=UUID=1" SYSTEM },
        { "a rescue system", MODE "cmdline = quiet single\n", "a.ini:2: cmdline 'single" RESCUE },
        { "a rescue system by one letter", MODE "cmdline = S\n", "a.ini:2: cmdline 'S" RESCUE },
        { "a rescue system of Ubuntu's", MODE "cmdline = recovery\n",
          "a.ini:2: cmdline 'recovery" RESCUE },
        { "a rescue system of the initramfs", MODE "cmdline = rd.break=pre-mount\n",
          "a.ini:2: cmdline 'rd.break=pre-mount" RESCUE },
        { "a rescue system by its unit", MODE "cmdline = systemd.unit=rescue.target\n",
          "a.ini:2: cmdline 'systemd.unit=rescue.target" RESCUE },
        { "the end of the kernel's arguments", MODE "cmdline = a -- b\n",
          "a.ini:2: cmdline '--' ends the arguments of the kernel" },
        { "a list that a drop-in would cover", MODE "cmdline = a\n b\n  \"c\"\n",
          "a.ini:4: cmdline '\"c\"' has a '\"" MAY_CHANGE },
        { "the fallback mode", "[mode host]\nconfirm = boot\ncmdline = a\n",
          "a.ini:3: the fallback mode 'host' takes no cmdline: what every boot needs belongs into "
          "the boot loader's configuration" },
        { "the fallback mode of another name",
          MODE "cmdline = a\n[general]\nfallback-mode = game\n",
          "a.ini:2: the fallback mode 'game' takes no cmdline: what every boot needs belongs into "
          "the boot loader's configuration" },
        { "stuck, and then something else", MODE "on-wedged = reset\n",
          "a.ini:2: on-wedged 'reset' is unknown: there are stay and reboot" },
        { "confirmed by something else", MODE "confirm = yes\n",
          "a.ini:2: confirm 'yes' is unknown: there are vm, boot and manual" },
        { "confirmed by nothing", MODE "confirm =\n", "a.ini:2: key 'confirm' has no value" },
        { "confirmed twice", MODE "confirm = boot manual\n",
          "a.ini:2: confirm 'boot manual' is unknown: there are vm, boot and manual" },
};

static void test_refused(void **state) {
        const struct Refused *row = *state;
        ConfigErrors errors;
        char first[512];
        Config config;

        assert_int_equal(parse(row->text, &config, &errors), -EINVAL);
        assert_string_equal(config_errors_format(&errors, first, sizeof(first)), row->error);
        assert_int_equal(errors.n_errors, 1 + (strstr(row->text, "b c\"") != NULL));
}

/* ---- The length ---- */

/* A list of @length bytes in words of nine and a last one. Returns its end. */
static char *long_list(char *text, size_t length) {
        text += sprintf(text, MODE "cmdline =\n");
        for (; length > 20; length -= 10)
                text += sprintf(text, " abcdefghi\n");
        text += sprintf(text, " %.*s\n", (int)length, "klmnopqrstuvwxyzabcdefgh");
        return text;
}

static void test_length(void **state) {
        ConfigErrors errors;
        char text[4096], first[256];
        Config config;

        (void)state;
        (void)long_list(text, CONFIG_CMDLINE_SIZE - 1);
        assert_int_equal(parse(text, &config, &errors), 0);
        assert_int_equal(strlen(game(&config)->cmdline), CONFIG_CMDLINE_SIZE - 1);
        assert_round_trip(&config);

        (void)long_list(text, CONFIG_CMDLINE_SIZE);
        assert_int_equal(parse(text, &config, &errors), -EINVAL);
        assert_string_equal(config_errors_format(&errors, first, sizeof(first)),
                            "a.ini:66: cmdline is longer than 640 bytes");
}

/* The longest argument that a line takes is written in a line that can be read again. */
static void test_longest_argument(void **state) {
        ConfigErrors errors;
        char text[512];
        Config config;
        size_t length;

        (void)state;
        length = (size_t)sprintf(text, MODE "cmdline = a\n ");
        (void)memset(text + length, 'x', 197);
        (void)strcpy(text + length + 197, "\n b\n");
        assert_int_equal(parse(text, &config, &errors), 0);
        assert_int_equal(strlen(game(&config)->cmdline), 2 + 197 + 2);
        assert_round_trip(&config);
}

/* ---- Generated ---- */

static uint32_t next_random(uint64_t *random) {
        *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (uint32_t)(*random >> 33);
}

static const char good_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_.,:=/@+%~^!-";

static size_t random_word(uint64_t *random, char *word) {
        size_t length = 3 + next_random(random) % 12;

        word[0] = 'x'; /* no word that is refused as such */
        for (size_t i = 1; i < length; i++)
                word[i] = good_bytes[next_random(random) % (sizeof(good_bytes) - 1)];
        word[length] = '\0';
        return length;
}

/* What a hostile value has in it, and why it is refused then. */
typedef enum Hostility {
        HOSTILE_QUOTE,
        HOSTILE_DOLLAR,
        HOSTILE_SEMICOLON,
        HOSTILE_OTHER_BYTE,
        HOSTILE_NO_TEXT, /* a control character */
        HOSTILE_NO_ASCII,
        HOSTILE_WORD,
        HOSTILE_NEWLINE, /* and what follows begins a line */
        HOSTILE_LONG_LINE,
        HOSTILE_LONG_LIST,
        _HOSTILITY_MAX,
} Hostility;

static const char *const hostile_bytes[_HOSTILITY_MAX] = {
        [HOSTILE_QUOTE] = "\"'`",
        [HOSTILE_DOLLAR] = "$",
        [HOSTILE_SEMICOLON] = ";",
        [HOSTILE_OTHER_BYTE] = "&|<>{}()[]*?#\\",
        [HOSTILE_NO_TEXT] = "\x01\x07\x1b\x7f\r\v\f",
        [HOSTILE_NO_ASCII] = "\x80\xa0\xc3\xa9\xe2\xff",
};

static const struct {
        const char *text, *reason;
} hostile_words[] = {
        { "vfio_mode=game", OURS },
        { "vfio-mode=host", OURS },
        { "vfio_mode.boot=idle.1.0", OURS },
        { "vfio-mode.boot=", OURS },
        { "init=/bin/sh", SYSTEM },
        { "rdinit=x", SYSTEM },
        { "root=/dev/sda1", SYSTEM },
        { "single", RESCUE },
        { "s", RESCUE },
        { "S", RESCUE },
        { "1", RESCUE },
        { "rescue", RESCUE },
        { "recovery", RESCUE },
        { "emergency", RESCUE },
        { "-b", RESCUE },
        { "-s", RESCUE },
        { "rd.break", RESCUE },
        { "systemd.unit=emergency.target", RESCUE },
        { "--", "' ends the arguments of the kernel" },
        { "/boot/x", "' begins with '/" MAY_CHANGE },
        { "!x", "' begins with '!" MAY_CHANGE },
        { "(hd0)", "' has a '(" MAY_CHANGE },
        { "*", "' has a '*" MAY_CHANGE },
        { "${root}", "' has a '$" MAY_CHANGE },
        { "$(reboot)", "' has a '$" MAY_CHANGE },
        { "`x`", "' has a '`" MAY_CHANGE },
        { "a\\nb", "' has a '\\" MAY_CHANGE },
        { "\"", "' has a '\"" MAY_CHANGE },
        { "''", "' has a ''" MAY_CHANGE },
};

typedef struct Hostile {
        char text[4096];
        size_t length;
        unsigned line;    /* that is written */
        size_t list;      /* bytes of the list so far */
        char reason[256]; /* what the first error begins with */
} Hostile;

static void _printf_(2, 3) add(Hostile *hostile, const char *format, ...) {
        char *at = &hostile->text[hostile->length];
        va_list arguments;

        va_start(arguments, format);
        hostile->length +=
                (size_t)vsnprintf(at, sizeof(hostile->text) - hostile->length, format, arguments);
        va_end(arguments);
        assert_true(hostile->length < sizeof(hostile->text));
        for (; *at; at++)
                hostile->line += *at == '\n';
}

static void _printf_(2, 3) refuse(Hostile *hostile, const char *format, ...) {
        va_list arguments;
        int n = snprintf(hostile->reason, sizeof(hostile->reason), "a.ini:%u: ", hostile->line);

        va_start(arguments, format);
        (void)vsnprintf(hostile->reason + n, sizeof(hostile->reason) - (size_t)n, format,
                        arguments);
        va_end(arguments);
}

static void add_good_words(uint64_t *random, Hostile *hostile, unsigned n) {
        char word[64];

        for (; n > 0; n--) {
                hostile->list += random_word(random, word) + (hostile->list > 0);
                add(hostile, "%s%s", next_random(random) % 3 ? " " : "\n  ", word);
        }
}

/* Not in front, where some bytes mean something to the file, and not behind, where a CR is the end
 * of the line. */
static void add_bad_byte(uint64_t *random, Hostile *hostile, Hostility kind) {
        const char *bytes = hostile_bytes[kind];
        char word[64], bad = bytes[next_random(random) % strlen(bytes)];
        size_t length = random_word(random, word);

        word[1 + next_random(random) % (length - 2)] = bad;
        add(hostile, "%s", word);
        if (kind == HOSTILE_NO_TEXT || kind == HOSTILE_NO_ASCII)
                refuse(hostile, "byte 0x%02x, where only ASCII may stand", (unsigned char)bad);
        else
                refuse(hostile, "cmdline '%s' has a '%c" MAY_CHANGE, word, bad);
}

static void add_newline(uint64_t *random, Hostile *hostile) {
        static const char *const keys[] = { "root", "init", "vfio_mode", "linux" };
        const char *key = keys[next_random(random) % ARRAY_SIZE(keys)];
        bool is_key = next_random(random) % 2;

        add(hostile, "x\n%s%s", key, is_key ? "=/dev/x" : " /dev/x");
        if (is_key)
                refuse(hostile, "unknown key '%s' in [mode game]", key);
        else
                refuse(hostile, "'%s /dev/x' is neither '[section]' nor 'key = value'", key);
}

static void add_too_much(uint64_t *random, Hostile *hostile, Hostility kind) {
        char word[64];

        if (kind == HOSTILE_LONG_LINE) {
                size_t length = 200 + next_random(random) % 600;

                add(hostile, "\n ");
                for (size_t i = 0; i < length; i++)
                        add(hostile, "x");
                refuse(hostile, "%zu bytes in a line of at most ", length + 1);
                return;
        }
        while (hostile->list < CONFIG_CMDLINE_SIZE) {
                hostile->list += random_word(random, word) + (hostile->list > 0);
                add(hostile, "\n %s", word);
        }
        refuse(hostile, "cmdline is longer than 640 bytes");
}

/* Good words with one bad thing among them. */
static void make_hostile(uint64_t *random, Hostility kind, Hostile *ret) {
        size_t i;

        *ret = (Hostile){ .line = 1 };
        add(ret, MODE "cmdline =");
        add_good_words(random, ret, next_random(random) % 4);
        switch (kind) {
        case HOSTILE_WORD:
                i = next_random(random) % ARRAY_SIZE(hostile_words);
                add(ret, " %s", hostile_words[i].text);
                refuse(ret, "cmdline '%s%s", hostile_words[i].text, hostile_words[i].reason);
                break;
        case HOSTILE_NEWLINE:
                add(ret, " ");
                add_newline(random, ret);
                add(ret, "\n");
                return; /* what follows would be another line's */
        case HOSTILE_LONG_LINE:
        case HOSTILE_LONG_LIST:
                add_too_much(random, ret, kind);
                add(ret, "\n");
                return;
        default:
                add(ret, next_random(random) % 3 ? " " : "\n  ");
                add_bad_byte(random, ret, kind);
                break;
        }
        add_good_words(random, ret, next_random(random) % 4);
        add(ret, "\n");
}

static void test_hostile(void **state) {
        uint64_t random = 20;

        (void)state;
        for (unsigned i = 0; i < _HOSTILITY_MAX * HOSTILE_VALUES; i++) {
                Config config = { .n_modes = 4711 };
                ConfigErrors errors;
                Hostile hostile;
                char first[512];

                make_hostile(&random, i % _HOSTILITY_MAX, &hostile);
                if (parse(hostile.text, &config, &errors) != -EINVAL)
                        fail_msg("accepted: %s", hostile.text);
                (void)config_errors_format(&errors, first, sizeof(first));
                if (strncmp(first, hostile.reason, strlen(hostile.reason)) != 0)
                        fail_msg("%s\nnot %s\nbut %s", hostile.text, hostile.reason, first);
                assert_int_equal(config.n_modes, 4711);
        }
}

static void test_good(void **state) {
        uint64_t random = 21;

        (void)state;
        for (unsigned i = 0; i < GOOD_VALUES; i++) {
                char text[2048] = MODE "cmdline =", expected[1024] = "", word[64];
                unsigned n = next_random(&random) % 11; /* that a line takes */
                ConfigErrors errors;
                Config config;

                for (unsigned j = 0; j < n; j++) {
                        (void)random_word(&random, word);
                        (void)strcat(text, next_random(&random) % 3 ? "  " : "\n\t");
                        (void)strcat(text, word);
                        (void)strcat(expected, j > 0 ? " " : "");
                        (void)strcat(expected, word);
                        if (next_random(&random) % 8 == 0)
                                (void)strcat(text, " ; a \"comment\"\n");
                        if (text[strlen(text) - 1] == '\n')
                                (void)strcat(text, " ");
                }
                assert_int_equal(parse(text, &config, &errors), 0);
                assert_string_equal(game(&config)->cmdline, expected);
                assert_round_trip(&config);
        }
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_accepted, accepted);
        TABLE_ROWS(&table, test_refused, refused);
        table_add(&table, "a drop-in replaces both", test_drop_in_replaces, NULL);
        table_add(&table, "what follows when a driver is stuck", test_on_wedged, NULL);
        table_add(&table, "640 bytes, and not one more", test_length, NULL);
        table_add(&table, "the longest argument", test_longest_argument, NULL);
        table_add(&table, "1,000 hostile values of ten kinds are refused", test_hostile, NULL);
        table_add(&table, "good values arrive as they were written", test_good, NULL);
        return table_run("config-cmdline", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mode a boot goes to, from the kernel command line as it is written, the EFI variable and
 * what earlier boots left (DESIGN §8). */
#undef NDEBUG
#include <errno.h>
#include <string.h>

#include "model/boot-choice.h"
#include "table.h"

#define NO_SUCH "names no mode"
#define FALLBACK(marker) "vfio_mode=fallback vfio_mode.boot=" marker

/** What the boot before left; one without a mode is no boot. */
typedef struct Before {
        const char *marker;
        const char *wanted;
        const char *reason;
        unsigned unconfirmed;
        int result; /**< of reading its record */
} Before;

typedef struct Row {
        const char *title;
        const char *cmdline;
        const char *mode;
        const char *reason; /**< must stand in the reason */
        BootSource source;
        RefusalKind kind;
        const char *efi;
        int efi_result;
        Before before;
        unsigned unconfirmed; /**< with this boot counted */
        bool fell_back;
} Row;

static const char config_text[] = "[general]\ndefault-mode = passthrough\nfallback-mode = host\n"
                                  "[device gpu]\naddress = 0000:01:00.0\n"
                                  "[mode passthrough]\nvfio-devices = gpu\n"
                                  "[mode gaming]\nvfio-devices = gpu\n";

static const Row rows[] = {
        /* 1: the command line */
        { "a mode is named", "ro vfio_mode=gaming", "gaming", "vfio_mode=gaming",
          .source = BOOT_SOURCE_CMDLINE },
        { "what it names is not known", NULL, "host", "the kernel command line cannot be read",
          .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_FAILED, .efi = "passthrough",
          .efi_result = 1, .before = { .unconfirmed = 1 }, .unconfirmed = 1, .fell_back = true },
        { "the last name wins", "vfio_mode=gaming vfio_mode=host", "host", "vfio_mode=host",
          .source = BOOT_SOURCE_CMDLINE },
        { "the reserved word fallback", "vfio_mode=fallback", "host", "vfio_mode=fallback",
          .source = BOOT_SOURCE_CMDLINE },
        { "an unknown name: the fallback mode, and not as asked", "vfio_mode=gamign", "host",
          NO_SUCH, .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_UNKNOWN_MODE },
        { "a name too long to exist: the fallback mode, and not as asked",
          "vfio_mode=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "host", NO_SUCH, .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_UNKNOWN_MODE },
        { "a mode that is named counts more than a rescue system", "single vfio_mode=gaming",
          "gaming", "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE },
        { "a mode that is named counts more than the EFI variable", "vfio_mode=gaming", "gaming",
          "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE, .efi = "passthrough",
          .efi_result = 1 },
        { "a mode that is named counts more than an EFI variable that stays", "vfio_mode=gaming",
          "gaming", "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE, .efi_result = -EPERM },
        { "a mode that is named does not ask for the count, and keeps it", "vfio_mode=gaming",
          "gaming", "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE,
          .before = { .unconfirmed = 2 }, .unconfirmed = 2 },
        { "a mode that is named goes without a record", "vfio_mode=gaming", "gaming",
          "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE, .before = { .result = -ENOTDIR } },
        { "another word that begins alike says nothing", "vfio_mode_x=gaming xvfio_mode=gaming",
          "passthrough", "default-mode", .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },

        /* 1: the command line, as GRUB wrote it */
        { "a trial", "vfio_mode=gaming vfio_mode.boot=trial.7.0", "gaming", "vfio_mode=gaming",
          .source = BOOT_SOURCE_CMDLINE },
        { "an expired trial names its mode", FALLBACK("expired.7.0"), "host",
          "the trial of 'gaming' was not confirmed", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "trial.7.0", .wanted = "gaming" }, .fell_back = true },
        { "a boot that was armed once and not confirmed", FALLBACK("expired.7.0"), "host",
          "the one boot into 'gaming' was not confirmed", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "once.7.0", .wanted = "gaming" }, .fell_back = true },
        { "a default whose boots are used up", FALLBACK("expired.7.0"), "host",
          "the last boots into the default 'gaming' were not confirmed",
          .source = BOOT_SOURCE_CMDLINE, .before = { .marker = "default.7.0", .wanted = "gaming" },
          .fell_back = true },
        { "expired for the second time: the same words", FALLBACK("expired.7.0"), "host",
          "the trial of 'gaming' was", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "expired.7.0",
                      .wanted = "host",
                      .reason = "the trial of 'gaming' was not confirmed" },
          .fell_back = true },
        { "expired after a boot of another arming: no mode is named", FALLBACK("expired.8.0"),
          "host", "", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "trial.7.0", .wanted = "gaming" }, .fell_back = true },
        { "expired without a record", FALLBACK("expired.8.0"), "host", "",
          .source = BOOT_SOURCE_CMDLINE, .before = { .result = -ENOENT }, .fell_back = true },
        { "an arming that was over", "vfio_mode=gaming vfio_mode.boot=trial.7.0", "host",
          "as out of a backup, so 'gaming' of it is not obeyed", .source = BOOT_SOURCE_CMDLINE,
          .kind = REFUSAL_UNPROTECTED, .before = { .marker = "idle.8.0" }, .fell_back = true },
        { "a default with more boots left than before",
          "vfio_mode=gaming vfio_mode.boot=default.7.2", "host", "as out of a backup",
          .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_UNPROTECTED,
          .before = { .marker = "expired.7.0" }, .fell_back = true },
        { "an older default", "vfio_mode=gaming vfio_mode.boot=default.7.2", "host",
          "as out of a backup", .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_UNPROTECTED,
          .before = { .marker = "default.9.2" }, .fell_back = true },
        { "an old arming, and somebody said otherwise by hand",
          "vfio_mode=gaming vfio_mode.boot=trial.7.0 vfio_mode=fallback", "host",
          "vfio_mode=fallback", .source = BOOT_SOURCE_CMDLINE, .before = { .marker = "idle.8.0" } },
        { "an old arming of an unknown mode", "vfio_mode=gamign vfio_mode.boot=trial.7.0", "host",
          NO_SUCH, .source = BOOT_SOURCE_CMDLINE, .kind = REFUSAL_UNKNOWN_MODE,
          .before = { .marker = "idle.8.0" } },
        { "a default after its skip", "vfio_mode=gaming vfio_mode.boot=default.7.2", "gaming",
          "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "skipped.7.3" } },
        { "the next of a trial", "vfio_mode=gaming vfio_mode.boot=trial.7.0", "gaming",
          "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE, .before = { .marker = "trial.7.1" } },
        { "a trial after a boot without a block", "vfio_mode=gaming vfio_mode.boot=trial.7.0",
          "gaming", "vfio_mode=gaming", .source = BOOT_SOURCE_CMDLINE,
          .before = { .marker = "missing.0.0" } },
        { "skipped", FALLBACK("skipped.7.3"), "host", "", .source = BOOT_SOURCE_CMDLINE },
        { "damaged", FALLBACK("damaged.0.0"), "host", "", .source = BOOT_SOURCE_CMDLINE,
          .fell_back = true },
        { "unwritable", FALLBACK("unwritable.7.1"), "host", "", .source = BOOT_SOURCE_CMDLINE,
          .fell_back = true },
        { "the host's menu entry", FALLBACK("menu.0.0"), "host", "",
          .source = BOOT_SOURCE_CMDLINE },
        { "a recovery entry", "single vfio_mode=fallback", "host", "recovery entry",
          .source = BOOT_SOURCE_CMDLINE },
        { "an idle block: default-mode", "vfio_mode.boot=idle.7.0", "passthrough", "default-mode",
          .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },
        { "a missing block: default-mode", "vfio_mode.boot=missing.0.0", "passthrough",
          "default-mode", .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },

        /* 2: a rescue system */
        { "single: the fallback mode", "ro single", "host", "single",
          .source = BOOT_SOURCE_RESCUE },
        { "emergency: the fallback mode", "emergency", "host", "emergency",
          .source = BOOT_SOURCE_RESCUE },
        { "Ubuntu's recovery entry: the fallback mode", "recovery nomodeset ro", "host", "recovery",
          .source = BOOT_SOURCE_RESCUE },
        { "a rescue unit: the fallback mode", "systemd.unit=rescue.target", "host", "rescue",
          .source = BOOT_SOURCE_RESCUE },
        { "rd.break: the fallback mode", "rd.break", "host", "rd.break",
          .source = BOOT_SOURCE_RESCUE },
        { "init=: the fallback mode", "init=/bin/sh", "host",
          "init=", .source = BOOT_SOURCE_RESCUE },
        { "a rescue system counts more than the EFI variable", "single", "host", "single",
          .source = BOOT_SOURCE_RESCUE, .efi = "gaming", .efi_result = 1 },

        /* 3: the EFI variable */
        { "the EFI variable", "ro", "gaming", "EFI variable", .source = BOOT_SOURCE_EFI,
          .efi = "gaming", .efi_result = 1 },
        { "the EFI variable may name the fallback mode", "ro", "host", "EFI variable",
          .source = BOOT_SOURCE_EFI, .efi = "host", .efi_result = 1 },
        { "the EFI variable names no mode", "ro", "host", NO_SUCH, .source = BOOT_SOURCE_EFI,
          .kind = REFUSAL_UNKNOWN_MODE, .efi = "gamign", .efi_result = 1 },
        { "the EFI variable cannot be deleted: not obeyed", "ro", "host", "not obeyed",
          .source = BOOT_SOURCE_EFI, .kind = REFUSAL_NOT_SUPPORTED, .efi_result = -EPERM,
          .fell_back = true },
        { "the EFI variable is damaged", "ro", "host", "not obeyed", .source = BOOT_SOURCE_EFI,
          .kind = REFUSAL_NOT_SUPPORTED, .efi_result = -EBADMSG, .fell_back = true },

        /* 4: default-mode and its count */
        { "nothing is said: default-mode", "root=/dev/sda1 ro quiet", "passthrough", "default-mode",
          .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },
        { "an empty command line: default-mode", "", "passthrough", "default-mode",
          .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },
        { "an empty name is no name", "vfio_mode=", "passthrough", "default-mode",
          .source = BOOT_SOURCE_DEFAULT, .unconfirmed = 1 },
        { "no boot before", "", "passthrough", "default-mode", .source = BOOT_SOURCE_DEFAULT,
          .before = { .result = -ENOENT }, .unconfirmed = 1 },
        { "one boot was not confirmed", "", "passthrough", "default-mode",
          .source = BOOT_SOURCE_DEFAULT, .before = { .unconfirmed = 1 }, .unconfirmed = 2 },
        { "two boots were not confirmed: the fallback mode", "", "host",
          "the last 2 boots into default-mode 'passthrough' were not confirmed",
          .source = BOOT_SOURCE_DEFAULT, .before = { .unconfirmed = 2 }, .unconfirmed = 2,
          .fell_back = true },
        { "/var/lib is not there: the fallback mode", "", "host", "set-default",
          .source = BOOT_SOURCE_DEFAULT, .kind = REFUSAL_UNPROTECTED,
          .before = { .result = -ENOTDIR }, .fell_back = true },
        { "/var/lib is read-only: the fallback mode", "", "host", "is read-only",
          .source = BOOT_SOURCE_DEFAULT, .kind = REFUSAL_UNPROTECTED,
          .before = { .result = -EROFS }, .fell_back = true },
        { "the record is damaged: the fallback mode", "", "host", "damaged",
          .source = BOOT_SOURCE_DEFAULT, .kind = REFUSAL_UNPROTECTED,
          .before = { .result = -EBADMSG }, .fell_back = true },
};

static void read_row(const Row *row, const Config *config, BootChoiceInput *ret) {
        const char *cmdline = row->cmdline ? row->cmdline : "";
        const Before *before = &row->before;

        *ret = (BootChoiceInput){ .config = config,
                                  .cmdline_result = row->cmdline ? 0 : -EFBIG,
                                  .efi_result = row->efi_result,
                                  .previous_result = before->result };
        kernel_cmdline_request(cmdline, &ret->request);
        assert_true(boot_marker_find(cmdline, &ret->marker) >= 0);
        (void)snprintf(ret->efi_mode, sizeof(ret->efi_mode), "%s", row->efi ? row->efi : "");
        if (before->marker) {
                char text[64];

                (void)snprintf(text, sizeof(text), "vfio_mode.boot=%s", before->marker);
                assert_int_equal(boot_marker_find(text, &ret->previous.marker), 1);
        }
        (void)snprintf(ret->previous.wanted, sizeof(ret->previous.wanted), "%s",
                       before->wanted ? before->wanted : "");
        (void)snprintf(ret->previous.reason, sizeof(ret->previous.reason), "%s",
                       before->reason ? before->reason : "");
        ret->previous.unconfirmed = before->unconfirmed;
}

/* As the record of the boot says it later. */
static bool fell_back_by_record(const BootChoiceInput *input, const BootChoice *choice) {
        BootRecord record = { .source = choice->source,
                              .marker = input->marker,
                              .kind = choice->kind };

        (void)snprintf(record.wanted, sizeof(record.wanted), "%s", choice->wanted);
        (void)snprintf(record.mode, sizeof(record.mode), "%s", choice->mode);
        return boot_record_fell_back(&record);
}

static void test_row(void **state) {
        const Row *row = *state;
        ConfigSource source = { "test", config_text, sizeof(config_text) - 1 };
        BootChoiceInput input;
        ConfigErrors errors;
        BootChoice choice;
        Config config;

        assert_int_equal(config_parse(&source, 1, &config, &errors), 0);
        read_row(row, &config, &input);
        (void)memset(&choice, 0xff, sizeof(choice));
        boot_choose(&input, &choice);
        assert_string_equal(choice.mode, row->mode);
        assert_int_equal(choice.source, row->source);
        assert_int_equal(choice.kind, row->kind);
        assert_int_equal(choice.unconfirmed, row->unconfirmed);
        assert_int_equal(choice.fell_back, row->fell_back);
        assert_int_equal(fell_back_by_record(&input, &choice),
                         choice.fell_back || choice.kind != REFUSAL_NONE);
        assert_true(choice.reason[0] != '\0');
        if (!strstr(choice.reason, row->reason))
                assert_string_equal(choice.reason, row->reason);
        assert_non_null(config_find_mode(&config, choice.mode));
        if (choice.kind == REFUSAL_NONE && !choice.fell_back)
                assert_string_equal(choice.wanted, choice.mode);
        else
                assert_string_equal(choice.mode, "host");
}

static void test_a_fallback_mode_as_default_is_not_counted(void **state) {
        BootChoiceInput input = { .previous_result = -ENOTDIR };
        ConfigErrors errors;
        BootChoice choice;
        Config config;

        assert_int_equal(config_parse(NULL, 0, &config, &errors), 0);
        input.config = &config;
        boot_choose(&input, &choice);
        assert_string_equal(choice.mode, config.fallback_mode);
        assert_int_equal(choice.kind, REFUSAL_NONE);
        assert_int_equal(choice.unconfirmed, 0);

        /* Nor does it fail where nobody knows what else was asked for. */
        input.cmdline_result = -EFBIG;
        boot_choose(&input, &choice);
        assert_string_equal(choice.mode, config.fallback_mode);
        assert_int_equal(choice.kind, REFUSAL_NONE);
        assert_false(choice.fell_back);
        input.cmdline_result = 0;

        /* Nor goes on what was counted of another default-mode, or filled to keep it away. */
        input.previous_result = 0;
        input.previous.unconfirmed = 2;
        boot_choose(&input, &choice);
        assert_int_equal(choice.unconfirmed, 0);
}

static void test_repeated(void **state) {
        const BootMarker trial = { BOOT_KIND_TRIAL, 7, 1 }, later = { BOOT_KIND_TRIAL, 7, 0 };
        const BootMarker expired = { BOOT_KIND_EXPIRED, 7, 0 }, none = { 0 };

        assert_true(boot_is_repeated(&trial, &trial));
        assert_false(boot_is_repeated(&later, &trial));
        assert_false(boot_is_repeated(&expired, &expired));
        assert_false(boot_is_repeated(&none, &none));
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "the fallback mode as default-mode is not counted",
                  test_a_fallback_mode_as_default_is_not_counted, NULL);
        table_add(&table, "which boots are repeated", test_repeated, NULL);
        return table_run("boot-choice", &table);
}

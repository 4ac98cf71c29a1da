/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `report`: an archive that another person can read the machine from, by --root=, without learning
 * whose it is. First the service looks at each mode, so that what only it can see is in a file,
 * too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "config.h"
#include "ctl/bus.h"
#include "ctl/local.h"
#include "ctl/report-archive.h"
#include "ctl/report-extract.h"
#include "ctl/text.h"
#include "host/command.h"
#include "host/identity.h"
#include "host/pci-names.h"

#define OUTPUT_MAX (1024 * 1024) /* of one program */

typedef struct Report {
        const Arguments *arguments;
        Machine *machine;
        Lines modes; /* that have been inspected, or were when the machine was captured */
        ReportArchive archive;
} Report;

static void report_done(Report *report) {
        machine_freep(&report->machine);
        lines_done(&report->modes);
        report_archive_done(&report->archive);
}

/* --- what the service sees --- */

/* Names of processes and units that use the devices, and what systemd says: for it alone to find
 * out, and kept by it for `check` of a captured machine. */
static void inspect_modes(Report *report) {
        const Config *config = machine_config(report->machine);
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        for (size_t i = 0; config && i < config->n_modes; i++) {
                const char *mode = config->modes[i].name;
                _cleanup_json_ json_object *rows = NULL;

                lines_add(&report->modes, "%s", mode);
                if (!report->machine->root.is_live)
                        continue;
                if ((bus || bus_open(NULL, &bus, &error) >= 0) &&
                    bus_rows(bus, "CheckMode", mode, &rows, &error) >= 0)
                        continue;
                lines_add(&report->archive.missed, "check %s: %s", mode, error.text);
        }
}

/* --- beside the machine: for a person to read --- */

/* What a program printed, and that it is not all of it. @status: or why there is nothing */
static int add_output(Report *report, const char *name, const char *output, int status) {
        if (status < 0) {
                lines_add(&report->archive.missed, "%s: %s", name, strerror(-status));
                return 0;
        }
        if (strlen(output) == OUTPUT_MAX - 1)
                lines_add(&report->archive.missed, "%s: what is beyond %d bytes", name,
                          OUTPUT_MAX - 1);
        return report_archive_add_text(&report->archive, name, output);
}

/* @arguments: NULL last. What it says on stderr is lost. */
static int add_program(Report *report, const char *name, const char *const *arguments) {
        _cleanup_free_ char *output = must_have(malloc(OUTPUT_MAX));
        int status = command_run(arguments, output, OUTPUT_MAX);

        /* journalctl fails where nothing matches, too, and says so. */
        if (status > 0 && strcmp(output, "-- No entries --\n") != 0)
                lines_add(&report->archive.missed, "%s: exit status %d of %s", name, status,
                          arguments[0]);
        return add_output(report, name, output, status);
}

/* What this program says of the machine without its service: what it says of the archive. A refusal
 * is on stderr, and in the exit status. */
static int add_own(Report *report, const char *name, const char *verb, const char *word,
                   const char *option) {
        const char *root = report->arguments->root ? report->arguments->root : "/.";
        _cleanup_free_ char *output = must_have(malloc(OUTPUT_MAX)),
                            *from = text_format("--root=%s", root);
        const char *const arguments[] = { "/proc/self/exe",     from, verb, word ? word : option,
                                          word ? option : NULL, NULL };
        int status = command_run_both(arguments, output, OUTPUT_MAX);

        if (status > 0) {
                size_t length = strlen(output);

                (void)snprintf(output + length, OUTPUT_MAX - length, "[exit status %d]\n", status);
        }
        return add_output(report, name, output, status);
}

static int add_answers(Report *report) {
        int r;

        r = add_own(report, "status", "status", NULL, NULL);
        if (r >= 0)
                r = add_own(report, "status.json", "status", NULL, "--json=pretty");
        if (r >= 0)
                r = add_own(report, "list-devices", "list-devices", NULL, "--tree");
        for (size_t i = 0; i < report->modes.n_lines && r >= 0; i++) {
                const char *mode = report->modes.lines[i];
                _cleanup_free_ char *name = text_format("check-%s", mode);

                r = add_own(report, name, "check", mode, NULL);
        }
        return r;
}

static int add_system(Report *report) {
        int r;

        r = add_program(report, "journal",
                        (const char *const[]){ "journalctl", "--boot", "--no-pager",
                                               "--no-hostname", "--output=short-iso",
                                               "--lines=2000", "--unit=vfio-mode*", NULL });
        if (r >= 0)
                r = add_program(report, "kernel-messages",
                                (const char *const[]){
                                        "journalctl", "--boot", "--dmesg", "--no-pager",
                                        "--no-hostname", "--output=short-monotonic", "--lines=500",
                                        "--grep=vfio|iommu|DMAR|AMD-Vi|IVRS|vgaarb|framebuffer",
                                        NULL });
        if (r >= 0)
                r = add_program(report, "units",
                                (const char *const[]){ "systemctl", "list-units", "--all",
                                                       "--no-pager", "vfio-mode*", NULL });
        if (r >= 0)
                r = add_program(report, "systemd",
                                (const char *const[]){ "systemctl", "--version", NULL });
        if (r >= 0)
                r = add_program(report, "kernel", (const char *const[]){ "uname", "-srvm", NULL });
        return r;
}

/* As lspci -nnk has it. */
static int add_functions(Report *report) {
        _cleanup_(pci_names_closep) PciNames *names = NULL;
        const Host *host = &report->machine->host;
        _cleanup_free_ char *text = text_format("%s", "");

        if (pci_names_open(&names) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < host->n_functions; i++) {
                const Function *function = &host->functions[i];
                char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], class[128], name[256];
                _cleanup_free_ char *before = text;

                text = text_format(
                        "%s%s %s [%04x]: %s [%s], group %d, driver %s\n", before,
                        pci_address_format(function->address, address),
                        pci_names_class(names, function->class_code, class, sizeof(class)),
                        function->class_code >> 8,
                        pci_names_device(names, function->id, name, sizeof(name)),
                        pci_id_format(function->id, id), function->iommu_group,
                        function->driver[0] != '\0' ? function->driver : "none");
        }
        return report_archive_add_text(&report->archive, "pci-functions", text);
}

static int add_missed(Report *report) {
        const Lines *missed = &report->archive.missed;
        _cleanup_free_ char *text = text_format("vfio-modectl %s\n", VERSION);

        for (size_t i = 0; i < missed->n_lines; i++) {
                _cleanup_free_ char *before = text;

                text = text_format("%scannot be read: %s\n", before, missed->lines[i]);
        }
        return report_archive_add_text(&report->archive, "report", text);
}

static int add_all(Report *report) {
        int r;

        r = report_archive_add_machine(&report->archive, &report->machine->root);
        if (r >= 0)
                r = report_extract(&report->archive, &report->machine->root,
                                   &report->machine->host);
        if (r >= 0)
                r = add_answers(report);
        if (r >= 0)
                r = add_functions(report);
        if (r >= 0 && report->machine->root.is_live)
                r = add_system(report);
        if (r >= 0)
                r = add_missed(report);
        return r < 0 ? r : tar_end(&report->archive.tar);
}

/* --- the file --- */

/* NFS, among others, knows no flag of a rename (renameat2(2)). A link is not put over anything
 * either. */
static int put_in_place(const char *from, const char *to, bool replaces) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, replaces ? 0 : RENAME_NOREPLACE) >= 0)
                return 0;
        if (replaces || errno != EINVAL)
                return -errno;
        if (linkat(AT_FDCWD, from, AT_FDCWD, to, 0) < 0 || unlink(from) < 0)
                return -errno;
        return 0;
}

/* Under another name until it is whole. */
static int write_archive(Report *report, const char *path) {
        bool replaces = report->arguments->options & VERB_OPTION_FORCE;
        _cleanup_fclose_ FILE *file = NULL;
        char temporary[PATH_MAX];
        struct stat st;
        int fd, r;

        r = file_temporary_name(path, temporary, sizeof(temporary));
        if (r < 0)
                return r;
        if (lstat(path, &st) == 0) {
                if (!replaces)
                        return -EEXIST;
                /* A device, or a directory, was not meant. */
                if (!S_ISREG(st.st_mode))
                        return -EISNAM;
        }
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "w");
        if (!file) {
                closep(&fd);
                r = -ENOMEM;
        } else {
                report->archive.tar.file = file;
                r = add_all(report);
        }
        if (r >= 0)
                r = put_in_place(temporary, path, replaces);
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

/* --- the verb --- */

static int complain_of(int error, const char *path) {
        switch (error) {
        case -EEXIST:
                complain("%s is there already; --force replaces it.", path);
                break;
        case -EISNAM:
                complain("%s is no file; nothing is put in its place.", path);
                break;
        case -E2BIG:
                complain("There is more to report of this machine than an archive takes.");
                break;
        default:
                complain("%s cannot be written: %s", path, strerror(-error));
        }
        return error == -EACCES || error == -EPERM ? EXIT_CODE_NOT_AUTHORISED : EXIT_CODE_FAILED;
}

static int print(const Report *report, const char *path) {
        const Lines *missed = &report->archive.missed;

        if (report->arguments->json != JSON_OFF) {
                _cleanup_json_ json_object *answer = json_answer();
                json_object *list = json_list();

                json_add_string(answer, "path", path);
                json_add_integer(answer, "entries", (int64_t)report->archive.tar.n_entries);
                json_add_integer(answer, "bytes", (int64_t)report->archive.tar.n_bytes);
                for (size_t i = 0; i < missed->n_lines; i++)
                        json_append_string(list, missed->lines[i]);
                json_add(answer, "missed", list);
                json_print(answer, report->arguments->json);
                return EXIT_CODE_DONE;
        }
        for (size_t i = 0; i < missed->n_lines; i++)
                warn("Not in it: %s", missed->lines[i]);
        if (!report->arguments->quiet)
                text_line(stdout,
                          "%s is written. Look through it before you send it: names that you gave "
                          "to modes, units, volumes and files are in it.",
                          path);
        return EXIT_CODE_DONE;
}

static int check(const Arguments *arguments) {
        if (!arguments->output) {
                complain("'report' needs -o FILE; see: vfio-modectl help");
                return EXIT_CODE_USAGE;
        }
        if (strcmp(arguments->output, "-") == 0) {
                complain("An archive is written to a file, and not to the standard output.");
                return EXIT_CODE_USAGE;
        }
        if (!arguments->root && geteuid() != 0) {
                complain("Only root may read all that a report takes.");
                return EXIT_CODE_NOT_AUTHORISED;
        }
        return EXIT_CODE_DONE;
}

static int run(const Arguments *arguments) {
        _cleanup_(report_done) Report report = { .arguments = arguments };
        int r;

        r = check(arguments);
        if (r != EXIT_CODE_DONE)
                return r;
        report.machine = local_machine(arguments, MACHINE_SCAN_ALL);
        if (!report.machine)
                return EXIT_CODE_FAILED;
        report.archive.redactor = must_have(redactor_new());
        r = identity_read(&report.machine->root, machine_config(report.machine),
                          &report.machine->host, report.archive.redactor);
        if (r < 0) {
                /* Without the names they would be in it. */
                complain("The names of the users cannot be read: %s", strerror(-r));
                return EXIT_CODE_FAILED;
        }
        inspect_modes(&report);
        report.archive.without_overrides = report.machine->is_beside;
        r = write_archive(&report, arguments->output);
        return r < 0 ? complain_of(r, arguments->output) : print(&report, arguments->output);
}

const Verb verb_report = {
        .name = "report",
        .synopsis = "-o FILE | --output=FILE [--force]",
        .summary = "Write what a bug report needs to a tar archive",
        .details =
                "Takes what vfio-mode reads of the machine, so that `--root=DIR` shows the same\n"
                "of the unpacked archive, and the journal of its units. Names of the host, of\n"
                "users and of guests, addresses and serial numbers are left out, or replaced by\n"
                "others. Only root may read all of it.\n"
                "\n"
                "  -o, --output=FILE    The archive, for its owner only; not over another file.\n"
                "  --force              Replace the file that is there.\n",
        .options = VERB_OPTION_OUTPUT | VERB_OPTION_FORCE,
        .run = run,
};

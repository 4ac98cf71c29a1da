/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `init`: proposes a first configuration of this machine, and puts it in place. What was set up by
 * hand for the same until now is named, with the command that takes it away, and left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ctl/init-cards.h"
#include "ctl/init-remarks.h"
#include "ctl/init-text.h"
#include "ctl/local.h"
#include "ctl/text.h"
#include "host/conflicts.h"
#include "host/guest-scan.h"
#include "model/boot-state.h"
#include "model/kernel-cmdline.h"
#include "model/refusal.h"

typedef struct Init {
        const Arguments *arguments;
        Machine *machine;
        PciNames *names;
        InitGrub *grub; /* NULL: no GRUB files were named */
        InitModprobe modprobe;
        GuestDefinitions *guests;
        Setup setup;
        char *text;    /* of the configuration */
        InitPlan plan; /* of a switch by it */
        Lines remarks;
} Init;

static void init_done(Init *init) {
        machine_freep(&init->machine);
        pci_names_closep(&init->names);
        init_grub_freep(&init->grub);
        init_modprobe_done(&init->modprobe);
        free(init->guests);
        free(init->text);
        lines_done(&init->remarks);
}

/* --- the choice --- */

static void list_cards(const Init *init) {
        const InitCards cards = { &init->setup, &init->machine->host, init->guests, init->names };
        _cleanup_json_ json_object *answer = NULL;

        if (init->arguments->json == JSON_OFF) {
                init_cards_print(&cards);
                return;
        }
        answer = json_answer();
        json_add_string(answer, "path", "/" CONFIG_PATH);
        json_add_bool(answer, "changed", false);
        json_add(answer, "config", json_list());
        json_add(answer, "remarks", json_list());
        json_add(answer, "cards", init_cards_json(&cards));
        json_print(answer, init->arguments->json);
}

/* By driverctl. There are no more graphics cards than are listed. */
static size_t find_overridden(const Init *init, PciAddress ret[static SETUP_CARDS_MAX]) {
        const Host *host = &init->machine->host;
        char driver[CONFIG_DRIVER_SIZE];
        size_t n = 0;

        for (size_t i = 0; i < host->n_functions && n < SETUP_CARDS_MAX; i++)
                if (function_is_display(&host->functions[i]) &&
                    conflicts_driverctl_driver(&init->machine->root, host->functions[i].address,
                                               driver) &&
                    driver_name_is_vfio(driver))
                        ret[n++] = host->functions[i].address;
        return n;
}

static int choose(Init *init) {
        const Arguments *arguments = init->arguments;
        bool is_named = arguments->options & VERB_OPTION_DEVICE;
        char cmdline[KERNEL_CMDLINE_MAX] = "", address[PCI_ADDRESS_SIZE];
        PciAddress overridden[SETUP_CARDS_MAX];
        size_t n_overridden = find_overridden(init, overridden);
        BootMarker marker;

        if (file_read_line_at(init->machine->root.fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                cmdline[0] = '\0';
        setup_make(&(SetupSources){ .host = &init->machine->host,
                                    .cmdline = init->grub ? init->grub->cmdline : cmdline,
                                    .ids = init->modprobe.ids,
                                    .overridden = overridden,
                                    .n_overridden = n_overridden,
                                    .guests = init->guests,
                                    .device = is_named ? &arguments->device : NULL },
                   &init->setup);
        /* In a boot into a mode the pages on the command line are the mode's. */
        if (boot_marker_find(cmdline, &marker) >= 0 && boot_kind_is_armed(marker.kind))
                (void)memset(init->setup.hugepages, 0, sizeof(init->setup.hugepages));
        if (init->setup.choice == SETUP_UNKNOWN) {
                complain("There are several graphics cards that could be meant: say which, with "
                         "--device=ADDRESS.");
                list_cards(init);
                return EXIT_CODE_USAGE;
        }
        if (init->setup.choice != SETUP_NONE)
                return EXIT_CODE_DONE;
        if (is_named)
                complain("There is no graphics card at %s.",
                         pci_address_format(arguments->device, address));
        else
                complain("There is no graphics card.");
        list_cards(init);
        return EXIT_CODE_NOT_VIABLE;
}

/* --- the questions --- */

/* What nobody can be asked is answered by no. */
static bool can_ask(const Arguments *arguments) {
        return arguments->terminal && isatty(STDIN_FILENO) && arguments->json == JSON_OFF &&
               !(arguments->options & VERB_OPTION_DRY_RUN);
}

static bool ask(const char *question) {
        _cleanup_free_ char *answer = NULL;
        size_t size = 0;

        (void)printf("%s [y/N] ", question);
        (void)fflush(stdout);
        return getline(&answer, &size, stdin) > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Before any question: it is about this one. */
static void tell_choice(const Init *init) {
        const Function *card = init->setup.first;
        char address[PCI_ADDRESS_SIZE], name[128];

        if (init->arguments->json == JSON_OFF && !init->arguments->quiet &&
            !(init->arguments->options & VERB_OPTION_DRY_RUN))
                text_line(stdout, "For virtual machines: %s, %s, since %s.",
                          pci_address_format(card->address, address),
                          pci_names_device(init->names, card->id, name, sizeof(name)),
                          setup_choice_text(init->setup.choice));
}

/* With the guests that it is about. */
static bool ask_for_guests(const Init *init) {
        _cleanup_free_ char *guests = init_guests_list(init->guests, init->setup.first->address);
        _cleanup_free_ char *question = NULL;

        if (guests[0] == '\0')
                return ask("May the start of a virtual machine switch to passthrough mode?");
        question = text_format("May the start of a virtual machine, such as %s, switch to "
                               "passthrough mode?",
                               guests);
        return ask(question);
}

/* What we wrote has to be read back, or it is our fault. */
static int judge(Init *init) {
        const ConfigSource source = { "init", init->text, strlen(init->text) };
        _cleanup_free_ ConfigErrors *errors = must_have(calloc(1, sizeof(*errors)));
        _cleanup_free_ Config *config = must_have(calloc(1, sizeof(*config)));
        char text[256];

        if (config_parse(&source, 1, config, errors) < 0) {
                complain("The proposal is wrong, which is a fault of this program: %s",
                         config_errors_format(errors, text, sizeof(text)));
                return EXIT_CODE_FAILED;
        }
        init_plan_make(init->machine, &init->setup, config, &init->plan);
        return EXIT_CODE_DONE;
}

static int write_text(Init *init, const InitAnswers *answers) {
        free(init->text);
        init->text = init_text_make(&init->setup, init->grub, answers, init->names);
        return judge(init);
}

static bool ask_for_driver(const Init *init) {
        _cleanup_free_ char *question =
                text_format("%s Is it to be unbound?",
                            init_plan_find(&init->plan, REFUSAL_SHARED_DRIVER)->text);

        return ask(question);
}

static int make_text(Init *init) {
        InitAnswers answers = { 0 };
        int r;

        tell_choice(init);
        if (can_ask(init->arguments)) {
                answers.end_sessions =
                        init->setup.takes_screen &&
                        ask("May a switch end the desktop sessions on its screen? What is not "
                            "saved is lost.");
                answers.switch_for_vm = ask_for_guests(init);
        }
        r = write_text(init, &answers);
        if (r != EXIT_CODE_DONE || !init_plan_find(&init->plan, REFUSAL_SHARED_DRIVER))
                return r;
        answers.needs_shared_driver = true;
        answers.shared_driver = can_ask(init->arguments) && ask_for_driver(init);
        return write_text(init, &answers);
}

/* --- putting it in place --- */

static int put_in_place(Init *init) {
        const Machine *machine = init->machine;
        bool may_replace = init->arguments->options & VERB_OPTION_FORCE;
        int r;

        if (!may_replace &&
            faccessat(machine->root.fd, CONFIG_PATH, F_OK, AT_SYMLINK_NOFOLLOW) >= 0) {
                complain("/%s is there already; --force replaces it, --dry-run prints what would "
                         "be written.",
                         CONFIG_PATH);
                return EXIT_CODE_FAILED;
        }
        r = file_replace_synced_at(machine->root.fd, CONFIG_PATH, init->text, strlen(init->text));
        if (r < 0) {
                complain("/%s cannot be written: %s", CONFIG_PATH, strerror(-r));
                return r == -EACCES || r == -EPERM ? EXIT_CODE_NOT_AUTHORISED : EXIT_CODE_FAILED;
        }
        return EXIT_CODE_DONE;
}

static json_object *lines_of(const char *text) {
        json_object *lines = json_list();

        while (*text) {
                size_t length = strcspn(text, "\n");
                _cleanup_free_ char *line = must_have(strndup(text, length));

                json_append_string(lines, line);
                text += length + (text[length] == '\n');
        }
        return lines;
}

static void print(const Init *init, bool is_written) {
        const Arguments *arguments = init->arguments;

        if (arguments->json != JSON_OFF) {
                _cleanup_json_ json_object *answer = json_answer();
                json_object *remarks = json_list();

                json_add_string(answer, "path", "/" CONFIG_PATH);
                json_add_bool(answer, "changed", is_written);
                json_add(answer, "config", lines_of(init->text));
                for (size_t i = 0; i < init->remarks.n_lines; i++)
                        json_append_string(remarks, init->remarks.lines[i]);
                json_add(answer, "remarks", remarks);
                json_print(answer, arguments->json);
                return;
        }
        if (!is_written)
                (void)fputs(init->text, stdout);
        (void)fflush(stdout);
        for (size_t i = 0; i < init->remarks.n_lines; i++)
                warn("%s", init->remarks.lines[i]);
        if (is_written && !arguments->quiet)
                text_line(stdout, "/%s is written. Next: vfio-modectl check passthrough",
                          CONFIG_PATH);
}

static int check_files(const Arguments *arguments) {
        bool is_from_grub = arguments->options & VERB_OPTION_FROM_GRUB;

        if (is_from_grub && arguments->n_operands != 2) {
                complain("--from-grub needs two files: HOST PASSTHROUGH; see: vfio-modectl help "
                         "init");
                return EXIT_CODE_USAGE;
        }
        if (!is_from_grub && arguments->n_operands > 0) {
                complain("'init' does not take '%s'; see: vfio-modectl help init",
                         arguments->operands[0]);
                return EXIT_CODE_USAGE;
        }
        return EXIT_CODE_DONE;
}

static int run(const Arguments *arguments) {
        bool dry_run = arguments->options & VERB_OPTION_DRY_RUN;
        _cleanup_(init_done) Init init = { .arguments = arguments };
        int r;

        if (arguments->root && !dry_run) {
                complain("A captured machine (--root) is not changed; add --dry-run.");
                return EXIT_CODE_USAGE;
        }
        r = check_files(arguments);
        if (r == EXIT_CODE_DONE && arguments->n_operands > 0)
                r = init_grub_read(arguments->operands[0], arguments->operands[1], &init.grub);
        if (r != EXIT_CODE_DONE)
                return r;
        init.machine = local_machine(arguments, MACHINE_SCAN_ALL);
        if (!init.machine)
                return EXIT_CODE_FAILED;
        init_modprobe_read(&init.machine->root, &init.modprobe);
        init.guests = must_have(calloc(1, sizeof(*init.guests)));
        guest_scan(&init.machine->root, init.guests);
        if (pci_names_open(&init.names) < 0)
                (void)must_have(NULL);
        r = choose(&init);
        if (r != EXIT_CODE_DONE)
                return r;
        r = make_text(&init);
        if (r != EXIT_CODE_DONE)
                return r;
        init_remark(&init.setup, init.machine,
                    &(InitFound){ &init.plan, init.grub, &init.modprobe, init.guests },
                    &init.remarks);
        if (!dry_run)
                r = put_in_place(&init);
        if (r == EXIT_CODE_DONE)
                print(&init, !dry_run);
        return r;
}

const Verb verb_init = {
        .name = "init",
        .synopsis = "[--from-grub HOST PASSTHROUGH] [--device=ADDRESS] [--dry-run] [--force]",
        .summary = "Propose a configuration for this machine, and put it in place",
        .details =
                "Finds the graphics cards and writes /etc/vfio-mode.ini with a host mode and a\n"
                "passthrough mode, and the reason of each choice beside it. Of several cards it\n"
                "takes the one that is set up for virtual machines already, or that a virtual\n"
                "machine's definition names, or the only one that the PC does not boot with.\n"
                "On a terminal it asks what it may not choose: whether a switch may end desktop\n"
                "sessions, whether virtual machines may switch, and whether a card may be unbound\n"
                "from a driver that another one needs. It says why a switch would be refused all\n"
                "the same. What was set up by hand until now is named with the command that takes\n"
                "it away, and left alone.\n"
                "\n"
                "  --from-grub HOST PASSTHROUGH\n"
                "                      Two /etc/default/grub, as people keep one for each: what\n"
                "                      differs, and the hugepages, become the mode's. Neither is\n"
                "                      changed or run.\n"
                "  --device=ADDRESS    The card that virtual machines are to have.\n"
                "  --dry-run           Print the configuration and write nothing.\n"
                "  --force             Replace the configuration that is there.\n",
        .max_operands = 2,
        .options = VERB_OPTION_DEVICE | VERB_OPTION_DRY_RUN | VERB_OPTION_FORCE |
                   VERB_OPTION_FROM_GRUB,
        .run = run,
};

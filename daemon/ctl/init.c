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
#include "boot/boot-place.h"
#include "ctl/init-text.h"
#include "ctl/local.h"
#include "ctl/text.h"
#include "host/conflicts.h"
#include "host/machine-facts.h"
#include "model/boot-state.h"
#include "model/kernel-cmdline.h"
#include "model/refusal.h"

typedef struct Init {
        const Arguments *arguments;
        Machine *machine;
        PciNames *names;
        Setup setup;
        char *text; /* of the configuration */
        char *edit; /* how to take a word off the kernel command line */
        Lines remarks;
} Init;

static void init_done(Init *init) {
        machine_freep(&init->machine);
        pci_names_closep(&init->names);
        free(init->text);
        free(init->edit);
        lines_done(&init->remarks);
}

/* --- the choice --- */

static void list_cards(const Init *init) {
        for (size_t i = 0; i < init->setup.n_cards; i++) {
                const Function *card = init->setup.cards[i].display;
                char address[PCI_ADDRESS_SIZE], name[128];

                text_line(stderr, "  %s  %s%s", pci_address_format(card->address, address),
                          pci_names_device(init->names, card->id, name, sizeof(name)),
                          init->setup.cards[i].is_boot_vga ? " (the PC boots with it)" : "");
        }
}

static char *how_to_edit(const Root *root) {
        _cleanup_free_ BootPlace *place = must_have(calloc(1, sizeof(*place)));

        if (boot_place_find(root, place) >= 0 && place->loader == BOOT_LOADER_GRUB)
                return text_format("take it out of /etc/default/grub, then: %s",
                                   place->grub_command);
        return text_format("take it out of the boot loader's configuration");
}

static int choose(Init *init) {
        const Arguments *arguments = init->arguments;
        bool is_named = arguments->options & VERB_OPTION_DEVICE;
        char cmdline[KERNEL_CMDLINE_MAX] = "", address[PCI_ADDRESS_SIZE];
        BootMarker marker;

        if (file_read_line_at(init->machine->root.fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                cmdline[0] = '\0';
        init->edit = how_to_edit(&init->machine->root);
        setup_make(&init->machine->host, cmdline, is_named ? &arguments->device : NULL,
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

static void make_text(Init *init) {
        InitAnswers answers = { 0 };

        tell_choice(init);
        if (can_ask(init->arguments)) {
                answers.end_sessions =
                        init->setup.takes_screen &&
                        ask("May a switch end the desktop sessions on its screen? What is not "
                            "saved is lost.");
                answers.switch_for_vm =
                        ask("May the start of a virtual machine switch to passthrough mode?");
        }
        init->text = init_text_make(&init->setup, &answers, init->names);
}

/* --- the remarks --- */

static void remark_on_cmdline(Init *init) {
        const Setup *setup = &init->setup;

        if (setup->ids[0] != '\0')
                lines_add(&init->remarks,
                          "vfio-pci.ids=%s on the kernel command line binds these in every mode: "
                          "%s",
                          setup->ids, init->edit);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (setup->hugepages[size] > 0)
                        lines_add(&init->remarks,
                                  "%u hugepages of %s are reserved by the kernel command line, in "
                                  "every mode: %s",
                                  setup->hugepages[size], hugepage_name(size), init->edit);
}

static void remark_on_owners(Init *init) {
        _cleanup_free_ Conflicts *conflicts = must_have(calloc(1, sizeof(*conflicts)));
        PciAddress functions[PCI_SLOT_FUNCTIONS + 1];
        size_t n = 0;

        functions[n++] = init->setup.first->address;
        for (size_t i = 0; i < init->setup.n_companions; i++)
                functions[n++] = init->setup.companions[i]->address;
        conflicts_find(&init->machine->root, &init->machine->host, functions, n, conflicts);
        for (size_t i = 0; i < conflicts->n_conflicts; i++)
                lines_add(&init->remarks, "%s%s%s", conflicts->conflicts[i].text,
                          conflicts->conflicts[i].advice[0] != '\0' ? " → " : "",
                          conflicts->conflicts[i].advice);
}

/* What the checks of a mode will say: of the IOMMU, and of words on the command line. */
static void remark_on_machine(Init *init) {
        _cleanup_free_ Inspection *found = must_have(calloc(1, sizeof(*found)));
        MachineFacts facts;

        machine_facts_read(&init->machine->root, &facts);
        facts.has_iommu = init->machine->host.iommu;
        machine_check(&facts, found);
        for (size_t i = 0; i < found->n_checks; i++) {
                const Check *check = &found->checks[i];

                if (check->result != CHECK_PASS && strcmp(check->id, "virtualisation") != 0)
                        lines_add(&init->remarks, "%s → %s", check->message, check->advice);
        }
}

static void remark(Init *init) {
        remark_on_machine(init);
        remark_on_cmdline(init);
        remark_on_owners(init);
        if (init->setup.n_strangers > 0)
                lines_add(&init->remarks,
                          "Its IOMMU group has other devices, without which it cannot go; see the "
                          "line `also`.");
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

/* What we wrote has to be read back, or it is our fault. */
static bool is_good(const Init *init) {
        const ConfigSource source = { "init", init->text, strlen(init->text) };
        _cleanup_free_ ConfigErrors *errors = must_have(calloc(1, sizeof(*errors)));
        _cleanup_free_ Config *config = must_have(calloc(1, sizeof(*config)));
        char text[256];

        if (config_parse(&source, 1, config, errors) >= 0)
                return true;
        complain("The proposal is wrong, which is a fault of this program: %s",
                 config_errors_format(errors, text, sizeof(text)));
        return false;
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
        for (size_t i = 0; i < init->remarks.n_lines; i++)
                warn("%s", init->remarks.lines[i]);
        if (is_written && !arguments->quiet)
                text_line(stdout, "/%s is written. Next: vfio-modectl check passthrough",
                          CONFIG_PATH);
}

static int run(const Arguments *arguments) {
        bool dry_run = arguments->options & VERB_OPTION_DRY_RUN;
        _cleanup_(init_done) Init init = { .arguments = arguments };
        int r;

        if (arguments->root && !dry_run) {
                complain("A captured machine (--root) is not changed; add --dry-run.");
                return EXIT_CODE_USAGE;
        }
        init.machine = local_machine(arguments, MACHINE_SCAN_ALL);
        if (!init.machine)
                return EXIT_CODE_FAILED;
        if (pci_names_open(&init.names) < 0)
                (void)must_have(NULL);
        r = choose(&init);
        if (r != EXIT_CODE_DONE)
                return r;
        make_text(&init);
        if (!is_good(&init))
                return EXIT_CODE_FAILED;
        remark(&init);
        if (!dry_run)
                r = put_in_place(&init);
        if (r == EXIT_CODE_DONE)
                print(&init, !dry_run);
        return r;
}

const Verb verb_init = {
        .name = "init",
        .synopsis = "[--device=ADDRESS] [--dry-run] [--force]",
        .summary = "Propose a configuration for this machine, and put it in place",
        .details =
                "Finds the graphics cards and writes /etc/vfio-mode.ini with a host mode and a\n"
                "passthrough mode, and the reason of each choice beside it. Of several cards it\n"
                "takes the one that is set up for virtual machines already, or the only one that\n"
                "the PC does not boot with. On a terminal it asks what it may not choose: whether\n"
                "a switch may end desktop sessions, and whether virtual machines may switch.\n"
                "What was set up by hand until now is named, and left alone.\n"
                "\n"
                "  --device=ADDRESS    The card that virtual machines are to have.\n"
                "  --dry-run           Print the configuration and write nothing.\n"
                "  --force             Replace the configuration that is there.\n",
        .options = VERB_OPTION_DEVICE | VERB_OPTION_DRY_RUN | VERB_OPTION_FORCE,
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a virtual machine needs of the machine, and what is kept of those that were told of. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vm-request.h"
#include "table.h"

#define CONFIG                                                        \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n"  \
        "[device nic]\naddress = 0000:05:00.0\n"                      \
        "[device usb]\naddress = 0000:06:00.0\n"                      \
        "[device disk]\naddress = 0000:08:00.0\n"                     \
        "[device spare]\naddress = 0000:09:00.0\n"                    \
        "[mode host]\nvfio-devices = nic\n"                           \
        "[mode manual]\nvfio-devices = nic gpu\n"                     \
        "[mode asked]\nvfio-devices = nic gpu\nswitch-for-vm = yes\n" \
        "[mode all]\nvfio-devices = nic gpu usb\n"                    \
        "[mode store]\nvfio-devices = disk\n"

typedef struct Case {
        const char *title;
        const char *mode;      /* in force */
        const char *on_vfio;   /* functions, as a list */
        const char *addresses; /* that it names */
        RefusalKind kind;
        VmDecision decision;
        const char *target;
} Case;

static const Case cases[] = {
        { "it names nothing", "host", "", "", REFUSAL_NONE, VM_NONE, "" },
        { "it names what is not ours", "host", "", "0000:07:00.0", REFUSAL_NONE, VM_NONE, "" },
        { "it names what is there for it in every mode", "host", "0000:05:00.0", "0000:05:00.0",
          REFUSAL_NONE, VM_READY, "" },
        { "one function of a device is the device", "host", "0000:05:00.0", "0000:01:00.1",
          REFUSAL_NONE, VM_SWITCH, "asked" },
        { "a mode that allows it comes before one that does not", "host", "0000:05:00.0",
          "0000:01:00.0 0000:01:00.1", REFUSAL_NONE, VM_SWITCH, "asked" },
        { "what is on is enough", "manual", "0000:05:00.0 0000:01:00.0 0000:01:00.1",
          "0000:01:00.0", REFUSAL_NONE, VM_READY, "" },
        { "what has drifted is mended", "manual", "0000:05:00.0", "0000:01:00.0", REFUSAL_NONE,
          VM_SWITCH, "manual" },
        { "no mode that has it all allows it", "host", "", "0000:01:00.0 0000:06:00.0",
          REFUSAL_NOT_FOR_VM, VM_SWITCH, "" },
        { "no mode is in force", "", "", "0000:01:00.0", REFUSAL_NONE, VM_SWITCH, "asked" },
        { "none, and the fallback mode has what is there for it", "", "0000:05:00.0",
          "0000:05:00.0", REFUSAL_NONE, VM_READY, "" },
        { "but is not all that it wants", "", "0000:05:00.0 0000:01:00.0 0000:01:00.1",
          "0000:05:00.0 0000:01:00.0", REFUSAL_NONE, VM_SWITCH, "asked" },
        { "nor allows it", "", "", "0000:06:00.0", REFUSAL_NOT_FOR_VM, VM_SWITCH, "" },
        { "no mode has it all", "host", "0000:05:00.0", "0000:01:00.0 0000:08:00.0",
          REFUSAL_NOT_FOR_VM, VM_SWITCH, "" },
        { "nor has the mode in force", "asked", "0000:05:00.0 0000:01:00.0 0000:01:00.1",
          "0000:01:00.0 0000:08:00.0", REFUSAL_NOT_FOR_VM, VM_SWITCH, "" },
        { "what no mode has is left alone", "host", "", "0000:09:00.0", REFUSAL_NONE, VM_NONE, "" },
        { "beside what one has, too", "host", "", "0000:01:00.0 0000:09:00.0", REFUSAL_NONE,
          VM_SWITCH, "asked" },
        { "and is not waited for", "manual", "0000:05:00.0 0000:01:00.0 0000:01:00.1",
          "0000:01:00.0 0000:09:00.0", REFUSAL_NONE, VM_READY, "" },
        { "a mode of an older configuration", "gone", "", "0000:01:00.0", REFUSAL_NONE, VM_SWITCH,
          "asked" },
};

static bool has_word(const char *words, const char *word) {
        const char *at = strstr(words, word);

        return at && (at == words || at[-1] == ' ');
}

static void add_function(Host *host, const char *address, const char *on_vfio) {
        Function *function = &host->functions[host->n_functions++];

        assert_int_equal(pci_address_parse(address, &function->address), 0);
        function->class_code = 0x030000;
        function->iommu_group = -1;
        function->on_vfio = has_word(on_vfio, address);
}

static void name(Vm *vm, const char *addresses) {
        char copy[128], *cursor = copy, *word;

        (void)snprintf(copy, sizeof(copy), "%s", addresses);
        while ((word = strsep(&cursor, " ")))
                if (word[0] != '\0')
                        assert_int_equal(pci_address_parse(word, &vm->addresses[vm->n_addresses++]),
                                         0);
}

static void test_case(void **state) {
        static const char *const functions[] = { "0000:01:00.0", "0000:01:00.1", "0000:05:00.0",
                                                 "0000:06:00.0", "0000:07:00.0", "0000:08:00.0",
                                                 "0000:09:00.0" };
        const ConfigSource source = { "a.ini", CONFIG, strlen(CONFIG) };
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        _cleanup_free_ Host *host = calloc(1, sizeof(*host));
        _cleanup_free_ Vm *vm = calloc(1, sizeof(*vm));
        const Case *row = *state;
        char target[CONFIG_NAME_SIZE] = "";
        Refusal refusal = { 0 };
        VmDecision decision;
        ConfigErrors errors;

        assert_int_equal(config_parse(&source, 1, config, &errors), 0);
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
                add_function(host, functions[i], row->on_vfio);
        (void)snprintf(vm->name, sizeof(vm->name), "win");
        name(vm, row->addresses);
        assert_int_equal(
                vm_request_decide(config, host, row->mode, vm, &decision, target, &refusal),
                row->kind);
        assert_int_equal(decision, row->decision);
        assert_string_equal(target, row->target);
        if (row->kind != REFUSAL_NONE)
                assert_non_null(strstr(refusal.text, "'win' wants "));
}

/* --- what is kept --- */

#define V "vfio-mode-vms=1\n"

static const struct Damaged {
        const char *title, *text;
} damaged[] = {
        { "nothing", "" },
        { "no version", "vm=begun 1 0000:01:00.0 a\n" },
        { "another key", V "guest=begun 1 0000:01:00.0 a\n" },
        { "an unknown word", V "vm=begin 1 0000:01:00.0 a\n" },
        { "no time", V "vm=begun 0000:01:00.0 a\n" },
        { "a time that would overflow", V "vm=begun 9223372036854775808 0000:01:00.0 a\n" },
        { "no address", V "vm=begun 1  a\n" },
        { "an address too few", V "vm=begun 1 0000:01:00.0, a\n" },
        { "no name", V "vm=begun 1 0000:01:00.0 \n" },
        { "nothing behind the addresses", V "vm=begun 1 0000:01:00.0\n" },
        { "a torn line", V "vm=begun 1 0000:01:00.0 a" },
        { "a name twice", V "vm=begun 1 0000:01:00.0 a\nvm=begun 2 0000:01:00.0 a\n" },
};

static void test_damaged(void **state) {
        _cleanup_free_ VmList *list = calloc(1, sizeof(*list));
        const struct Damaged *row = *state;

        assert_int_equal(vm_list_parse(row->text, list), -EBADMSG);
        assert_int_equal(list->n, 0);
}

static void test_version(_unused_ void **state) {
        _cleanup_free_ VmList *list = calloc(1, sizeof(*list));

        assert_int_equal(vm_list_parse(V, list), 0);
        assert_int_equal(list->n, 0);
        assert_int_equal(vm_list_parse(V "vm=begun 1 0000:01:00.0 a b\n", list), 0);
        assert_string_equal(list->vms[0].name, "a b");
        assert_int_equal(vm_list_parse("vfio-mode-vms=2\n", list), -EPROTONOSUPPORT);
}

/* Whoever still runs is not forgotten for one that has ended. */
static void test_room(_unused_ void **state) {
        _cleanup_free_ VmList *list = calloc(1, sizeof(*list));
        Vm vm = { .n_addresses = 1 };

        for (unsigned i = 0; i < VM_LIST_MAX; i++) {
                (void)snprintf(vm.name, sizeof(vm.name), "vm%u", i);
                vm.word = i == 3 || i == 5 ? VM_WORD_STOPPED : VM_WORD_BEGUN;
                vm.time = 100 - i;
                assert_int_equal(vm_list_note(list, &vm), 0);
        }
        (void)snprintf(vm.name, sizeof(vm.name), "new");
        vm.word = VM_WORD_BEGUN;
        assert_int_equal(vm_list_note(list, &vm), 0);
        assert_null(vm_list_find(list, "vm5"));
        assert_non_null(vm_list_find(list, "vm3"));
        (void)snprintf(vm.name, sizeof(vm.name), "newer");
        assert_int_equal(vm_list_note(list, &vm), 0);
        (void)snprintf(vm.name, sizeof(vm.name), "newest");
        assert_int_equal(vm_list_note(list, &vm), -ENOSPC);
        assert_int_equal(list->n, VM_LIST_MAX);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_case, cases);
        TABLE_ROWS(&table, test_damaged, damaged);
        table_add(&table, "another version is not read", test_version, NULL);
        table_add(&table, "who has ended makes room", test_room, NULL);
        return table_run("vm-request", &table);
}

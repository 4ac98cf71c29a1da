/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `list-devices`: the configured devices function by function; with --tree the whole machine, by
 * IOMMU group, and what each mode would do with each function. Without a configuration it shows the
 * machine, since that is where writing one begins.
 */
#include <string.h>

#include "ctl/device-tree.h"
#include "ctl/local.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "view/devices.h"
#include "view/machine.h"

static void add_problem(Table *table, const DeviceEntry *entry, size_t n_columns) {
        table_add(table, COLOUR_NONE, "%s", entry->device->name);
        for (size_t i = 2; i < n_columns; i++)
                table_add(table, COLOUR_NONE, "%s", "");
        table_add(table, COLOUR_RED, "%s", entry->refusal.text);
}

static void add_row(Table *table, const DeviceEntry *entry, PciNames *names) {
        const Function *function = entry->function;
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], text[256];

        table_add(table, COLOUR_NONE, "%s", entry->device ? entry->device->name : "");
        table_add(table, COLOUR_NONE, "%s", pci_address_format(function->address, address));
        table_add(table, COLOUR_NONE, "%s", pci_id_format(function->id, id));
        if (function->iommu_group >= 0)
                table_add(table, COLOUR_NONE, "%d", function->iommu_group);
        else
                table_add(table, COLOUR_NONE, "%s", "");
        table_add(table, function->on_vfio ? COLOUR_YELLOW : COLOUR_NONE, "%s", function->driver);
        table_add(table, COLOUR_NONE, "%s", function->driver_override);
        table_add(table, COLOUR_NONE, "%s", function->boot_vga ? "boot_vga" : "");
        table_add(table, COLOUR_NONE, "%s",
                  pci_names_device(names, function->id, text, sizeof(text)));
}

static void print_table(const Arguments *arguments, const DeviceEntry *entries, size_t n,
                        PciNames *names) {
        static const char *const headers[] = { "DEVICE", "ADDRESS",  "ID",    "GROUP",
                                               "DRIVER", "OVERRIDE", "MARKS", "NAME" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));

        for (size_t i = 0; i < n; i++)
                if (entries[i].function)
                        add_row(table, &entries[i], names);
                else
                        add_problem(table, &entries[i], ARRAY_SIZE(headers));
        table_print(table, 0, !arguments->quiet, arguments->coloured);
}

static void print_json(const Arguments *arguments, const DeviceEntry *entries, size_t n,
                       PciNames *names) {
        _cleanup_json_ json_object *answer = json_answer();
        json_object *list = json_list();

        for (size_t i = 0; i < n; i++)
                json_append(list, function_to_json(&entries[i], names));
        json_add(answer, "devices", list);
        json_print(answer, arguments->json);
}

static void print_list(const Arguments *arguments, const Machine *machine, PciNames *names) {
        const Config *config = machine_config(machine);
        _cleanup_free_ DeviceEntry *entries = NULL;
        size_t n;

        if (config && config->n_devices > 0)
                entries = devices_list(config, &machine->host, &n);
        else
                entries = devices_list_all(NULL, &machine->host, &n);
        if (arguments->json == JSON_OFF)
                print_table(arguments, entries, n, names);
        else
                print_json(arguments, entries, n, names);
}

static int run(const Arguments *arguments) {
        _cleanup_(machine_freep) Machine *machine = local_machine(arguments, MACHINE_SCAN_ALL);
        _cleanup_(pci_names_closep) PciNames *names = NULL;

        if (!machine)
                return EXIT_CODE_FAILED;
        local_complain_of_config(machine);
        if (machine->host_result < 0) {
                complain("Cannot read the PCI devices: %s", strerror(-machine->host_result));
                return EXIT_CODE_FAILED;
        }
        if (pci_names_open(&names) < 0)
                (void)must_have(NULL);
        if (!(arguments->options & VERB_OPTION_TREE))
                print_list(arguments, machine, names);
        else
                device_tree_print(arguments, machine, names);
        return EXIT_CODE_DONE;
}

const Verb verb_list_devices = {
        .name = "list-devices",
        .alias = "list",
        .synopsis = "[--tree]",
        .summary = "List the configured devices, or the machine by IOMMU group",
        .details = "Without a configuration every PCI function is listed.\n"
                   "\n"
                   "  --tree    All functions of the machine below their IOMMU groups, which are\n"
                   "            passed through whole, and what each mode would do with them.\n",
        .options = VERB_OPTION_TREE,
        .pages = true,
        .run = run,
};

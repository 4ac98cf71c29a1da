/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group is the unit that goes to a guest, so it is the trunk of the tree. What a mode would do
 * with a function is read off that mode's plan; each plan is made once.
 */
#include <string.h>

#include "ctl/device-tree.h"
#include "ctl/text.h"
#include "host/host-plan.h"
#include "model/plan.h"
#include "view/devices.h"

typedef struct ModePlan {
        const ConfigMode *mode;
        RefusalKind kind;
        Refusal refusal;
        Plan plan;
} ModePlan;

typedef struct Tree {
        const Arguments *arguments;
        const Machine *machine;
        const Config *config; /**< NULL: none */
        PciNames *names;
        DeviceEntry *entries; /**< every function */
        size_t n_entries;
        ModePlan *plans; /**< one for each mode */
        size_t n_plans;
} Tree;

static void tree_done(Tree *tree) {
        free(tree->entries);
        free(tree->plans);
}

static void make_plans(Tree *tree) {
        if (!tree->config)
                return;
        tree->plans = must_have(calloc(tree->config->n_modes, sizeof(tree->plans[0])));
        tree->n_plans = tree->config->n_modes;
        for (size_t i = 0; i < tree->n_plans; i++) {
                ModePlan *plan = &tree->plans[i];
                PlanInput input = {
                        .config = tree->config,
                        .host = &tree->machine->host,
                        .state = &tree->machine->moved,
                        .mode = tree->config->modes[i].name,
                };

                plan->mode = &tree->config->modes[i];
                plan->kind =
                        host_plan_make(&tree->machine->root, &input, &plan->plan, &plan->refusal);
        }
}

/* --- what a mode would do --- */

static bool plan_touches(const Plan *plan, PciAddress address) {
        for (size_t i = 0; i < plan->n_steps; i++)
                if (step_has_address(&plan->steps[i]) &&
                    pci_address_compare(plan->steps[i].address, address) == 0)
                        return true;
        return false;
}

static const char *wanted_driver(const Tree *tree, const ModePlan *plan, const DeviceEntry *entry) {
        if (device_is_wanted_on_vfio(tree->config, plan->mode, entry->device))
                return function_vfio_driver(entry->function);
        return device_host_driver(entry->device, entry->function, &tree->machine->moved);
}

/* "move", "stay" or "refused" */
static const char *action(const ModePlan *plan, const DeviceEntry *entry) {
        if (plan->kind != REFUSAL_NONE)
                return "refused";
        return plan_touches(&plan->plan, entry->function->address) ? "move" : "stay";
}

static char *mode_text(const Tree *tree, const ModePlan *plan, const DeviceEntry *entry) {
        const char *driver = driver_word(wanted_driver(tree, plan, entry), "its host driver");

        if (plan->kind != REFUSAL_NONE)
                return text_format("%s: wanted on %s, but refused (%s)", plan->mode->name, driver,
                                   refusal_name(plan->kind));
        if (plan_touches(&plan->plan, entry->function->address))
                return text_format("%s: goes to %s", plan->mode->name, driver);
        return text_format("%s: stays on %s", plan->mode->name,
                           driver_word(entry->function->driver, "no driver"));
}

/* --- for a person --- */

static char *function_line(const Tree *tree, const DeviceEntry *entry) {
        const Function *function = entry->function;
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], name[256];

        return text_format("%s  %s  [%s]", pci_address_format(function->address, address),
                           pci_names_device(tree->names, function->id, name, sizeof(name)),
                           pci_id_format(function->id, id));
}

static char *facts_line(const Tree *tree, const DeviceEntry *entry) {
        const Function *function = entry->function;
        const char *override = function->driver_override;
        char class_name[256];

        return text_format(
                "%s, %s%s%s%s%s%s%s",
                pci_names_class(tree->names, function->class_code, class_name, sizeof(class_name)),
                function->driver[0] ? "driver " : "no driver", function->driver,
                override[0] ? ", driver_override " : "", override,
                function->boot_vga ? ", boot_vga" : "", entry->device ? ", device " : "",
                entry->device ? entry->device->name : "");
}

static void print_line(const Tree *tree, int indent, Colour colour, const char *text) {
        _cleanup_free_ char *clean = text_clean(text);
        bool coloured = tree->arguments->coloured;

        (void)printf("%*s%s%s%s\n", indent, "", colour_on(colour, coloured), clean,
                     colour_off(colour, coloured));
}

static void print_function(const Tree *tree, const DeviceEntry *entry) {
        _cleanup_free_ char *first = function_line(tree, entry), *facts = facts_line(tree, entry);

        print_line(tree, 2, entry->device ? COLOUR_GREEN : COLOUR_NONE, first);
        print_line(tree, 6, COLOUR_NONE, facts);
        if (!entry->device)
                return;
        for (size_t i = 0; i < tree->n_plans; i++) {
                _cleanup_free_ char *text = mode_text(tree, &tree->plans[i], entry);

                print_line(tree, 6, tree->plans[i].kind ? COLOUR_YELLOW : COLOUR_NONE, text);
        }
}

static void print_group(const Tree *tree, int group) {
        _cleanup_free_ char *title = group >= 0 ? text_format("IOMMU group %d", group)
                                                : text_format("In no IOMMU group");

        print_line(tree, 0, COLOUR_BOLD, title);
        for (size_t i = 0; i < tree->n_entries; i++)
                if (tree->entries[i].function->iommu_group == group)
                        print_function(tree, &tree->entries[i]);
}

static void print_refusals(const Tree *tree) {
        for (size_t i = 0; i < tree->n_plans; i++) {
                _cleanup_free_ char *text = NULL;

                if (tree->plans[i].kind == REFUSAL_NONE)
                        continue;
                text = text_format("Mode %s would be refused (%s): %s", tree->plans[i].mode->name,
                                   refusal_name(tree->plans[i].kind), tree->plans[i].refusal.text);
                print_line(tree, 0, COLOUR_YELLOW, text);
        }
}

/* --- for a program --- */

static json_object *modes_to_json(const Tree *tree, const DeviceEntry *entry) {
        json_object *modes = json_new();

        for (size_t i = 0; i < tree->n_plans; i++) {
                const ModePlan *plan = &tree->plans[i];
                json_object *mode = json_new();

                json_add_string(mode, "wanted_driver",
                                driver_word(wanted_driver(tree, plan, entry), "host"));
                json_add_string(mode, "action", action(plan, entry));
                json_add(modes, plan->mode->name, mode);
        }
        return modes;
}

static json_object *group_to_json(const Tree *tree, int group) {
        json_object *object = json_new(), *functions = json_list();

        for (size_t i = 0; i < tree->n_entries; i++) {
                const DeviceEntry *entry = &tree->entries[i];
                json_object *function;

                if (entry->function->iommu_group != group)
                        continue;
                function = function_to_json(entry, tree->names);
                if (entry->device)
                        json_add(function, "modes", modes_to_json(tree, entry));
                json_append(functions, function);
        }
        if (group >= 0)
                json_add_integer(object, "iommu_group", group);
        else
                json_add(object, "iommu_group", NULL);
        json_add(object, "functions", functions);
        return object;
}

static json_object *refusals_to_json(const Tree *tree) {
        json_object *refusals = json_new();

        for (size_t i = 0; i < tree->n_plans; i++) {
                json_object *refusal;

                if (tree->plans[i].kind == REFUSAL_NONE)
                        continue;
                refusal = json_new();
                json_add_string(refusal, "name", refusal_name(tree->plans[i].kind));
                json_add_string(refusal, "text", tree->plans[i].refusal.text);
                json_add(refusals, tree->plans[i].mode->name, refusal);
        }
        return refusals;
}

/* --- group by group --- */

/* The next group number above @group; @group itself behind the last. Those in no group are -1. */
static int next_group(const Tree *tree, int group) {
        int next = group;

        for (size_t i = 0; i < tree->n_entries; i++) {
                int number = tree->entries[i].function->iommu_group;

                if (number > group && (next == group || number < next))
                        next = number;
        }
        return next;
}

static void print_text(const Tree *tree) {
        for (int group = -2, next; (next = next_group(tree, group)) != group; group = next)
                print_group(tree, next);
        print_refusals(tree);
}

static void print_json(const Tree *tree) {
        _cleanup_json_ json_object *answer = json_answer();
        json_object *groups = json_list();

        for (int group = -2, next; (next = next_group(tree, group)) != group; group = next)
                json_append(groups, group_to_json(tree, next));
        json_add(answer, "groups", groups);
        json_add(answer, "refusals", refusals_to_json(tree));
        json_print(answer, tree->arguments->json);
}

void device_tree_print(const Arguments *arguments, const Machine *machine, PciNames *names) {
        _cleanup_(tree_done) Tree tree = {
                .arguments = arguments,
                .machine = machine,
                .config = machine_config(machine),
                .names = names,
        };

        tree.entries = devices_list_all(tree.config, &machine->host, &tree.n_entries);
        make_plans(&tree);
        if (arguments->json == JSON_OFF)
                print_text(&tree);
        else
                print_json(&tree);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of the checks is that in which a person would mend what they find: the configuration,
 * the devices, the switch, the next boot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/plural.h"
#include "boot/next-boot.h"
#include "boot/ways-back-scan.h"
#include "check-guest-roms.h"
#include "check-guests.h"
#include "check-host-driver.h"
#include "guests.h"
#include "host/config-load.h"
#include "host/conflicts.h"
#include "host/connectors.h"
#include "host/device-facts.h"
#include "host/guest-scan.h"
#include "host/holders.h"
#include "host/hook-conflicts.h"
#include "host/hook-facts.h"
#include "host/initramfs-conflicts.h"
#include "host/machine-facts.h"
#include "host/needs-screens.h"
#include "host/reachability-scan.h"
#include "host/state-files.h"
#include "inspect-grub.h"
#include "inspect-hugepages.h"
#include "inspect-initramfs.h"
#include "inspect.h"
#include "let-go.h"
#include "lock.h"
#include "model/device-check.h"
#include "model/device.h"
#include "model/holders-check.h"
#include "model/hook-check.h"
#include "model/kernel-cmdline.h"
#include "model/machine-check.h"
#include "module-conflicts.h"
#include "situation.h"

typedef struct Inspect {
        Situation now;
        Plan plan;
        LetGo let_go;
        Refusal refusal;
        NextBoot next;
        const ConfigMode *mode;
        bool is_scanned;                      /* the host */
        PciAddress taken[HOST_FUNCTIONS_MAX]; /* every function of the mode's devices */
        size_t n_taken;
        Inspection *ret;
} Inspect;

#define check(i, ...) inspection_add_check((i)->ret, __VA_ARGS__)

/* --- the plan --- */

static void add_stops(Inspect *i) {
        Inspection *ret = i->ret;

        for (size_t n = 0; n < i->plan.n_stops; n++) {
                const PlanStop *stop = &i->plan.stops[n];
                InspectionStep *to = &ret->steps[ret->n_steps++];
                char text[PLAN_STOP_TEXT_SIZE];

                (void)snprintf(to->step, sizeof(to->step), "%s", plan_stop_name(stop->kind));
                (void)plan_stop_object(stop, to->object);
                (void)snprintf(to->note, sizeof(to->note), "%s", plan_stop_format(stop, text));
        }
}

static void add_steps(Inspect *i) {
        Inspection *ret = i->ret;

        add_stops(i);
        for (size_t n = 0; n < i->plan.n_steps; n++) {
                const Step *step = &i->plan.steps[n];
                InspectionStep *to = &ret->steps[ret->n_steps++];
                char text[PLAN_STEP_TEXT_SIZE], object[PLAN_STEP_OBJECT_SIZE];

                (void)snprintf(to->step, sizeof(to->step), "%s", step_kind_name(step->kind));
                (void)snprintf(to->object, sizeof(to->object), "%s", step_object(step, object));
                (void)snprintf(to->note, sizeof(to->note), "%s", step_format(step, text));
        }
        for (size_t n = 0; n < i->plan.n_notes; n++) {
                InspectionStep *to = &ret->steps[ret->n_steps++];

                (void)snprintf(to->step, sizeof(to->step), "note");
                (void)snprintf(to->note, sizeof(to->note), "%s", i->plan.notes[n]);
        }
}

/* As the switch would, which nobody told otherwise. */
static RefusalKind plan_to_let_go(Inspect *i) {
        UnitInstance instances[UNIT_INSTANCES_MAX];
        int n;

        if (!i->now.root->is_live ||
            (i->plan.n_steps == 0 && strcmp(i->now.state.mode, i->now.mode) == 0))
                return REFUSAL_NONE;
        n = units_list_instances(instances, UNIT_INSTANCES_MAX);
        i->let_go.now = &i->now;
        i->let_go.how = i->mode->holders;
        return let_go_plan(&i->let_go, instances, n, &i->plan, &i->refusal);
}

static RefusalKind plan(Inspect *i) {
        RefusalKind kind;
        int r;

        /* Not beside a switch either: its writer may get stuck while the devices are looked at. */
        kind = situation_check_writer(&i->now, false, &i->refusal);
        if (kind != REFUSAL_NONE && lock_is_held(i->now.root) > 0)
                return lock_refuse(i->now.root, &i->refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        kind = situation_load_config(&i->now, &i->refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        i->mode = config_find_mode(&i->now.config, i->now.mode);
        kind = situation_scan(&i->now, &i->refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        i->is_scanned = true;
        r = holders_find_vfio(i->now.root, &i->now.host);
        if (r < 0)
                return refusal_set(&i->refusal, REFUSAL_FAILED,
                                   "Processes using VFIO cannot be looked for: %s.", strerror(-r));
        i->now.ends_guests = guests_may_be_ended(&i->now, "");
        kind = situation_plan(&i->now, &i->plan, &i->refusal);
        return kind == REFUSAL_NONE ? plan_to_let_go(i) : kind;
}

static void make_plan(Inspect *i) {
        i->ret->kind = plan(i);
        i->refusal.kind = i->ret->kind;
        if (i->ret->kind == REFUSAL_NONE) {
                add_steps(i);
                return;
        }
        (void)snprintf(i->ret->text, sizeof(i->ret->text), "%s", i->refusal.text);
        /* Names of other users' processes are not for everybody. */
        (void)snprintf(i->ret->public_text, sizeof(i->ret->public_text), "%s",
                       refusal_public(&i->refusal));
}

/* --- the configuration and the devices --- */

static void check_config(Inspect *i) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        char text[256];
        int r;

        if (!errors || !config)
                return;
        r = config_load(i->now.root, &files, config, errors);
        if (r == -ENOENT)
                check(i, CHECK_FAIL, "config", "`vfio-modectl init` proposes one.",
                      "There is no /" CONFIG_PATH ".");
        else if (r < 0)
                check(i, CHECK_FAIL, "config", "Mend it; `vfio-modectl check` shows every error.",
                      "%s", config_errors_format(errors, text, sizeof(text)));
        else if (!config_find_mode(config, i->now.mode))
                check(i, CHECK_FAIL, "config", "`vfio-modectl list-modes` lists those there are.",
                      "The configuration has no mode '%s'.", i->now.mode);
        else
                check(i, CHECK_PASS, "config", "", "%zu mode%s, %zu device%s.", config->n_modes,
                      plural_s(config->n_modes), config->n_devices, plural_s(config->n_devices));
}

/* Only a mode that gives devices away needs any of it. */
static void check_machine(Inspect *i) {
        MachineFacts facts;

        if (!i->mode || i->mode->vfio_devices == 0)
                return;
        machine_facts_read(i->now.root, &facts);
        facts.has_iommu = i->now.host.iommu;
        machine_check(&facts, i->mode->cmdline, i->ret);
}

static void check_device(Inspect *i, DeviceFacts *facts) {
        char id[sizeof("device-") + CONFIG_NAME_SIZE], address[PCI_ADDRESS_SIZE];
        const ConfigDevice *device = facts->device;
        size_t n = facts->n_functions;
        char others[64] = "";

        (void)snprintf(id, sizeof(id), "device-%s", device->name);
        if (n > 1)
                (void)snprintf(others, sizeof(others), " and %zu more function%s", n - 1,
                               plural_s(n - 1));
        check(i, CHECK_PASS, id, "", "%s%s.", pci_address_format(facts->functions[0], address),
              others);
        device_facts_read(i->now.root, &i->now.host, i->taken, i->n_taken, facts);
        device_check(facts, &i->now.host, i->taken, i->n_taken, i->ret);
        check_host_driver(&i->now, device, facts->functions, n, i->ret);
}

static bool find_device(Inspect *i, const ConfigDevice *device, DeviceFacts *ret) {
        char id[sizeof("device-") + CONFIG_NAME_SIZE];
        Refusal refusal = { 0 };

        *ret = (DeviceFacts){ .device = device };
        if (device_resolve(device, &i->now.host, ret->functions, &ret->n_functions, &refusal) !=
            REFUSAL_NONE) {
                (void)snprintf(id, sizeof(id), "device-%s", device->name);
                check(i, CHECK_FAIL, id, "`vfio-modectl list-devices` lists what is there.", "%s",
                      refusal.text);
                return false;
        }
        for (size_t n = 0; n < ret->n_functions && i->n_taken < ARRAY_SIZE(i->taken); n++)
                i->taken[i->n_taken++] = ret->functions[n];
        return ret->n_functions > 0;
}

/* All of them are found first: what is one's stranger may belong to another. */
static void check_devices(Inspect *i) {
        _cleanup_free_ DeviceFacts *found = calloc(CONFIG_DEVICES_MAX, sizeof(*found));
        _cleanup_free_ Needs *needs = calloc(1, sizeof(*needs));
        bool are_known;
        size_t n_found = 0;

        if (!found || !needs || !i->mode)
                return;
        are_known = reachability_scan(i->now.root, needs) >= 0 &&
                    needs_scan_screens(i->now.root, needs) >= 0;
        for (size_t n = 0; n < i->now.config.n_devices; n++)
                if (i->mode->vfio_devices & (UINT32_C(1) << n) &&
                    find_device(i, &i->now.config.devices[n], &found[n_found]))
                        n_found++;
        for (size_t n = 0; n < n_found; n++) {
                found[n].needs = are_known ? needs : NULL;
                check_device(i, &found[n]);
        }
}

static void check_hugepages(Inspect *i) {
        if (i->mode && i->is_scanned)
                inspect_hugepages(&i->now, i->mode, i->ret->kind == REFUSAL_NONE ? &i->plan : NULL,
                                  i->n_taken > 0 ? &i->taken[0] : NULL, i->ret);
}

/* A guest may be given a device of the mode's only. */
static void check_hook(Inspect *i) {
        HookFacts facts;

        if (!i->mode || config_own_devices(&i->now.config, i->mode) == 0)
                return;
        hook_facts_read(i->now.root, &facts);
        hook_check(&facts, i->mode, i->ret);
}

static void check_guest_definitions(Inspect *i, const GuestDefinitions *guests) {
        if (!i->mode || !i->is_scanned)
                return;
        check_guests(&i->now, i->mode, &i->next, guests, i->ret);
        check_guest_roms(&i->now, i->mode, guests, i->ret);
}

/* Looked at with the plan, on the live machine. */
static void check_holders(Inspect *i) {
        if (!i->now.root->is_live || !i->mode ||
            (i->ret->kind != REFUSAL_NONE && i->ret->kind != REFUSAL_BUSY) ||
            !in_use_takes_from_host(&i->plan, &i->now.host))
                return;
        holders_check(&i->let_go.in_use.holders,
                      connectors_have_screen(i->now.root, i->taken, i->n_taken), i->ret);
}

static void check_owners(Inspect *i, const GuestDefinitions *guests) {
        _cleanup_free_ Conflicts *conflicts = calloc(1, sizeof(*conflicts));

        if (!conflicts)
                return;
        conflicts_find(i->now.root, &i->now.host, i->taken, i->n_taken, conflicts);
        initramfs_conflicts_find(i->now.root, &i->now.host, i->taken, i->n_taken, conflicts);
        module_conflicts_find(i->now.root, &i->now.host, i->taken, i->n_taken, conflicts);
        hook_conflicts_find_proxmox(i->now.root, &i->now.host, i->taken, i->n_taken, guests,
                                    conflicts);
        for (size_t n = 0; n < conflicts->n_conflicts; n++)
                check(i, conflicts->conflicts[n].breaks ? CHECK_FAIL : CHECK_WARN, "owner",
                      conflicts->conflicts[n].advice, "%s", conflicts->conflicts[n].text);
        if (conflicts->n_conflicts == 0 && i->n_taken > 0)
                check(i, CHECK_PASS, "owner", "", "No other program is set to move them.");
}

static void check_switch(Inspect *i) {
        size_t n_steps = i->plan.n_stops + i->plan.n_steps;

        if (i->ret->kind == REFUSAL_NONE)
                check(i, CHECK_PASS, "switch", "", "A switch takes %zu step%s.", n_steps,
                      plural_s(n_steps));
        else
                check(i, CHECK_FAIL, "switch", "", "A switch is refused (%s): %s",
                      refusal_name(i->ret->kind), i->ret->public_text);
}

/* --- the next boot --- */

static void check_place(Inspect *i) {
        const BootPlace *place = &i->next.place;

        if (i->next.place_result < 0)
                check(i, CHECK_WARN, "boot-place", "", "How this machine boots is not known: %s.",
                      strerror(-i->next.place_result));
        else if (place->path[0] == '\0')
                check(i, CHECK_WARN, "boot-place", "", "%s", place->why_not.text);
        else if (i->next.state_result < 0)
                check(i, CHECK_WARN, "boot-place",
                      next_boot_is_opaque(&i->next)
                              ? ""
                              : "Update GRUB's configuration, or reboot, which makes it anew.",
                      "The boot environment /%s cannot be used: %s.", place->path,
                      i->next.state_result == -ENOENT    ? "it is not there"
                      : i->next.state_result == -EBADMSG ? "it is damaged"
                                                         : strerror(-i->next.state_result));
        else
                check(i, CHECK_PASS, "boot-place", "", "%s with the boot environment /%s.",
                      boot_loader_name(place->loader), place->path);
        inspect_grub(i->now.root, place, i->ret);
}

static void check_protection(Inspect *i) {
        const BootMarker *marker = &i->next.marker;

        if (i->next.place.path[0] != '\0' && i->next.place.has_scripts)
                check(i, boot_marker_proves_grub(marker) ? CHECK_PASS : CHECK_WARN,
                      "boot-protection", "Reboot once, so that GRUB is seen to read and write it.",
                      boot_marker_proves_grub(marker)
                              ? "GRUB has been seen to read and write the boot environment."
                              : "GRUB has not been seen to read and write the boot environment in "
                                "this boot.");
        else if (i->mode && i->mode->cmdline[0] == '\0')
                check(i, i->next.efi_available ? CHECK_PASS : CHECK_WARN, "boot-protection",
                      "For boots into it, make it the default-mode of the configuration.",
                      i->next.efi_available
                              ? "A one-shot EFI variable carries the mode."
                              : "Nothing here can carry a mode to the next boot but default-mode.");
}

/* Hugepages, and panic=, go there as well, where GRUB carries the mode. */
static void check_cmdline(Inspect *i) {
        char arguments[BOOT_ARGUMENTS_SIZE];
        size_t length;

        if (!i->mode || strcmp(i->mode->name, i->now.config.fallback_mode) == 0 ||
            (i->mode->cmdline[0] == '\0' && i->next.place.path[0] == '\0') ||
            kernel_cmdline_arguments(i->mode, arguments, sizeof(arguments)) < 0)
                return;
        length = next_boot_cmdline_length(i->now.root, &i->next, arguments);
        if (length == 0)
                return;
        check(i, length < KERNEL_CMDLINE_SIZE ? CHECK_PASS : CHECK_FAIL, "cmdline",
              i->mode->cmdline[0] != '\0' ? "Take something off the mode's cmdline, or off GRUB's."
                                          : "Take something off GRUB's.",
              "A boot into it takes %zu of %d bytes of the kernel command line.", length,
              KERNEL_CMDLINE_SIZE - 1);
}

/* --- the ways back --- */

/* Where there is a plan they belong to it: who reads it before the first switch is to know. */
static void add_way_back(Inspect *i, WayBackKind kind, const WayBack *way) {
        char id[sizeof(i->ret->checks[0].id)];
        InspectionStep *step;

        (void)snprintf(id, sizeof(id), WAY_BACK_ID_PREFIX "%s", way_back_name(kind));
        check(i, way->is_open ? CHECK_PASS : CHECK_WARN, id, way->advice, "%s", way->text);
        if (i->ret->kind != REFUSAL_NONE)
                return;
        step = &i->ret->steps[i->ret->n_steps++];
        (void)snprintf(step->step, sizeof(step->step), "%s",
                       way->is_open ? INSPECTION_WAY_BACK : INSPECTION_NO_WAY_BACK);
        (void)snprintf(step->object, sizeof(step->object), "%s", way_back_name(kind));
        (void)snprintf(step->note, sizeof(step->note), "%s", way->text);
}

static void check_ways_back(Inspect *i) {
        WayBack ways[_WAY_BACK_MAX];
        size_t n_open = 0;
        int r;

        if (!i->mode || !i->is_scanned || strcmp(i->mode->name, i->now.config.fallback_mode) == 0)
                return;
        r = ways_back_find(i->now.root, &i->now.config, i->mode, &i->now.host, &i->next, ways);
        if (r < 0) {
                check(i, CHECK_WARN, "ways-back", "See to the other checks first.",
                      "Ways back cannot be looked for: %s.", strerror(-r));
                return;
        }
        for (size_t n = 0; n < _WAY_BACK_MAX; n++)
                n_open += ways[n].is_open;
        check(i, n_open > 0 ? CHECK_PASS : CHECK_FAIL, "ways-back",
              "Open one of them first: see below.", "%zu of %d ways back to '%s' %s open.", n_open,
              _WAY_BACK_MAX, i->now.config.fallback_mode, plural_are(n_open));
        for (size_t n = 0; n < _WAY_BACK_MAX; n++)
                add_way_back(i, (WayBackKind)n, &ways[n]);
}

/* --- what a boot starts --- */

/* As their [Install] has it. */
static const struct {
        const char *id, *unit, *wanted_by[2];
} units[] = {
        { "boot-unit", "vfio-mode-boot.service", { "sysinit.target" } },
        { "confirm-unit", "vfio-mode-confirm.service", { "multi-user.target" } },
        { "fallback-unit", "vfio-mode-fallback.service", { "rescue.target", "emergency.target" } },
        { "bus-unit", "vfio-moded.path", { "paths.target" } },
};

/* By a link as `systemctl enable` makes it. */
static bool is_wanted(const Inspect *i, const char *target, const char *unit) {
        char path[128];

        (void)snprintf(path, sizeof(path), "etc/systemd/system/%s.wants/%s", target, unit);
        return faccessat(i->now.root->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

/* A unit may be wanted by several: one link is missing, and it is not there when it is needed. */
static void check_units(Inspect *i) {
        for (size_t n = 0; n < ARRAY_SIZE(units); n++) {
                bool enabled = true;
                char advice[128];

                for (size_t k = 0; k < ARRAY_SIZE(units[n].wanted_by) && units[n].wanted_by[k]; k++)
                        enabled = enabled && is_wanted(i, units[n].wanted_by[k], units[n].unit);
                (void)snprintf(advice, sizeof(advice), "systemctl enable %s", units[n].unit);
                check(i, enabled ? CHECK_PASS : CHECK_WARN, units[n].id, advice, "%s is %s.",
                      units[n].unit, enabled ? "enabled" : "not enabled");
        }
}

int inspect(const Root *root, const char *mode, Inspection *ret) {
        _cleanup_free_ Inspect *i = calloc(1, sizeof(*i));
        _cleanup_free_ GuestDefinitions *guests = calloc(1, sizeof(*guests));
        const char *invocation = getenv("INVOCATION_ID");

        if (!i || !guests)
                return -ENOMEM;
        (void)memset(ret, 0, sizeof(*ret));
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
        (void)snprintf(ret->invocation, sizeof(ret->invocation), "%s",
                       invocation ? invocation : "");
        i->now.root = root;
        i->now.mode = mode;
        i->ret = ret;
        if (situation_read_state(&i->now) < 0)
                return -ENOMEM;
        make_plan(i);
        next_boot_read(root, &i->next);
        if (i->mode && i->is_scanned)
                guest_scan(root, guests);
        check_config(i);
        check_machine(i);
        check_devices(i);
        check_hugepages(i);
        check_owners(i, guests);
        check_holders(i);
        check_hook(i);
        check_guest_definitions(i, guests);
        check_switch(i);
        check_place(i);
        check_protection(i);
        check_cmdline(i);
        check_units(i);
        if (i->mode && i->mode->vfio_devices != 0)
                inspect_initramfs(&i->now, i->mode, i->is_scanned, i->taken, i->n_taken, ret);
        check_ways_back(i);
        return 0;
}

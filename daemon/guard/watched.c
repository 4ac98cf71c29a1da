/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine is scanned with every look: a device may have been away in between, and have another
 * node then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/config-load.h"
#include "host/holders.h"
#include "host/host-scan.h"
#include "host/state-files.h"
#include "model/device.h"
#include "model/rescue.h"
#include "watched.h"

#define OURS "vfio-mode-apply" /* a whole name of 15 characters, as long as the kernel keeps */

static void name_devices(Watched *watched) {
        uint32_t devices = config_own_devices(&watched->config, watched->mode);
        size_t length = 0;

        for (size_t i = 0; i < watched->config.n_devices; i++)
                if (devices & 1u << i && length < sizeof(watched->names))
                        length += (size_t)snprintf(
                                watched->names + length, sizeof(watched->names) - length, "%s%s",
                                length > 0 ? " or " : "", watched->config.devices[i].name);
}

static int load(Watched *watched, const char *mode) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        int r;

        if (!errors)
                return -ENOMEM;
        r = state_read(watched->root, &watched->state);
        if (r == -ENOENT || (r >= 0 && strcmp(watched->state.mode, mode) != 0))
                return -ESTALE;
        if (r >= 0)
                r = config_load_accepted(watched->root, &files, &watched->config, errors);
        if (r < 0)
                return r;
        watched->mode = config_find_mode(&watched->config, mode);
        if (!watched->mode)
                return -EINVAL;
        name_devices(watched);
        return 0;
}

int watched_load(const Root *root, const char *mode, Watched **ret) {
        Watched *watched = calloc(1, sizeof(*watched));
        int r;

        *ret = NULL;
        if (!watched)
                return -ENOMEM;
        watched->root = root;
        r = load(watched, mode);
        if (r < 0) {
                free(watched);
                return r;
        }
        *ret = watched;
        return 0;
}

/* A device that is not there has nobody who has it open. */
static size_t find_functions(const Watched *watched, const Host *host,
                             PciAddress ret[static HOST_FUNCTIONS_MAX]) {
        uint32_t devices = config_own_devices(&watched->config, watched->mode);
        size_t n = 0;

        for (size_t i = 0; i < watched->config.n_devices; i++) {
                PciAddress found[DEVICE_FUNCTIONS_MAX];
                size_t n_found = 0;
                Refusal refusal;

                if (!(devices & 1u << i) || device_resolve(&watched->config.devices[i], host, found,
                                                           &n_found, &refusal) != REFUSAL_NONE)
                        continue;
                for (size_t j = 0; j < n_found && n < HOST_FUNCTIONS_MAX; j++) {
                        const Function *function = host_find(host, found[j]);

                        if (function && function->on_vfio)
                                ret[n++] = found[j];
                }
        }
        return n;
}

static bool has_one_of(const Vm *vm, const PciAddress *functions, size_t n) {
        for (size_t i = 0; i < vm->n_addresses; i++)
                for (size_t j = 0; j < n; j++)
                        if (pci_address_compare(vm->addresses[i], functions[j]) == 0)
                                return true;
        return false;
}

static int compare_times(const void *a, const void *b) {
        const Vm *left = a, *right = b;

        return (left->time > right->time) - (left->time < right->time);
}

/* What cannot be read is not told; the kernel says who has a device all the same. */
static void list_told(const Watched *watched, const PciAddress *functions, size_t n, VmList *list) {
        size_t kept = 0;

        if (vm_list_read(watched->root, list) < 0)
                list->n = 0;
        for (size_t i = 0; i < list->n; i++)
                if (has_one_of(&list->vms[i], functions, n))
                        list->vms[kept++] = list->vms[i];
        list->n = kept;
        qsort(list->vms, list->n, sizeof(list->vms[0]), compare_times);
}

int watched_look(const Watched *watched, NodeHolder *ret, VmList *ret_told) {
        _cleanup_free_ Holders *holders = calloc(1, sizeof(*holders));
        _cleanup_free_ Host *host = calloc(1, sizeof(*host));
        PciAddress functions[HOST_FUNCTIONS_MAX];
        size_t n;
        int r;

        *ret = (NodeHolder){ 0 };
        if (!holders || !host)
                return -ENOMEM;
        r = host_scan_beside(watched->root, &watched->config, &watched->state, host);
        if (r < 0)
                return r;
        n = find_functions(watched, host, functions);
        list_told(watched, functions, n, ret_told);
        r = holders_find(watched->root, host, functions, n, holders);
        if (r < 0)
                return r;
        for (size_t i = 0; i < holders->n; i++)
                if (strcmp(holders->list[i].command, OURS) != 0) {
                        *ret = holders->list[i];
                        break;
                }
        return 0;
}

int watched_takes_screen(const Watched *watched) {
        _cleanup_free_ Host *host = calloc(1, sizeof(*host));
        int r;

        if (!host)
                return -ENOMEM;
        r = host_scan_beside(watched->root, &watched->config, &watched->state, host);
        return r < 0 ? r : rescue_is_wanted(&watched->config, watched->mode, host);
}

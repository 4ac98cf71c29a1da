/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "boot/initramfs-stamp.h"
#include "bound-early.h"
#include "host/config-load.h"
#include "host/root-encryption.h"
#include "host/units.h"
#include "inspect-initramfs.h"
#include "model/machine-check.h"
#include "model/rescue.h"
#include "model/switch-origin.h"

typedef struct BoundEarly {
        PciAddress address;
        char driver[CONFIG_DRIVER_SIZE];
} BoundEarly;

/* Where the boot went to the mode in force, what it found bound was bound in the initramfs. In
 * another boot that is as it should be where an image keeps drivers off. */
static bool was_bound(const Situation *now, PciAddress address, bool has_images, BoundEarly *ret) {
        const HomeFunction *home = run_state_find_home(&now->state, address);

        ret->address = address;
        if (home && strcmp(now->state.source, SOURCE_BOOT) == 0 && home->driver[0] != '\0' &&
            !driver_is_no_home(home->driver)) {
                (void)memcpy(ret->driver, home->driver, sizeof(ret->driver));
                return true;
        }
        return !has_images && bound_early_find(now->root, address, ret->driver);
}

/* Not of what the image leaves to the boot unit in any case, such as a card's USB controller. */
static bool find_bound_early(const Situation *now, const PciAddress *taken, size_t n_taken,
                             bool has_images, BoundEarly *ret) {
        for (size_t n = 0; n < n_taken; n++) {
                const Function *function = host_find(&now->host, taken[n]);

                if (function && function_is_media(function) &&
                    was_bound(now, taken[n], has_images, ret))
                        return true;
        }
        return false;
}

static void check_images(const Situation *now, const InitramfsStamps *stamps,
                         const PciAddress *taken, size_t n_taken, Inspection *ret) {
        char address[PCI_ADDRESS_SIZE], advice[128];
        BoundEarly bound;

        if (stamps->n_images > 0 &&
            faccessat(now->root->fd, ENABLED_BOOT_UNIT, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                inspection_add_check(ret, CHECK_FAIL, "initramfs",
                                     "Run systemctl enable vfio-mode-boot.service.",
                                     "The initramfs keeps host drivers off, and "
                                     "vfio-mode-boot.service, which goes on with that, is not "
                                     "enabled: after a boot into the mode the devices have no "
                                     "driver.");
        } else if (stamps->n_stale > 0) {
                (void)snprintf(advice, sizeof(advice), "Run %s.", stamps->tool->renew);
                inspection_add_check(ret, CHECK_WARN, "initramfs", advice,
                                     "The initramfs %s was made with another configuration or "
                                     "version than this one, or without any, or was not written%s.",
                                     stamps->stale,
                                     stamps->n_stale > 1 ? ", and so were others" : "");
        } else if (find_bound_early(now, taken, n_taken, stamps->n_images > 0, &bound)) {
                inspection_add_check(ret, CHECK_WARN, "initramfs", "See vfio-mode-initramfs(7).",
                                     "%s was on %s already when this boot's mode was set: the "
                                     "driver is in the initramfs, or in the kernel itself.",
                                     pci_address_format(bound.address, address), bound.driver);
        } else if (stamps->n_images > 0) {
                inspection_add_check(
                        ret, CHECK_PASS, "initramfs", "",
                        "The initramfs was made with this configuration, and keeps host drivers "
                        "off.");
        }
}

/* Whether what the host's driver shows at boot could be asked for without it. */
static void check_passphrase(const Situation *now, const ConfigMode *mode, Inspection *ret) {
        char cmdline[KERNEL_CMDLINE_MAX];

        if (!rescue_takes_screen(&now->config, mode, &now->host) ||
            file_read_line_at(now->root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                return;
        switch (root_encryption(now->root)) {
        case ROOT_ENCRYPTION_DISK:
                machine_check_passphrase(cmdline, mode->cmdline, ret);
                break;
        case ROOT_ENCRYPTION_NONE:
                inspection_add_check(ret, CHECK_PASS, "passphrase", "",
                                     "The root is on no encrypted disk.");
                break;
        case ROOT_ENCRYPTION_UNKNOWN:
                inspection_add_check(ret, CHECK_WARN, "passphrase",
                                     "If it is, see once, with a second way in, that a passphrase "
                                     "can be typed in a boot into the mode.",
                                     "It is not known whether the root is encrypted.");
                break;
        }
}

void inspect_initramfs(const Situation *now, const ConfigMode *mode, bool is_scanned,
                       const PciAddress *taken, size_t n_taken, Inspection *ret) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        InitramfsStamps stamps;
        int r;

        /* Of a configuration with errors `config` says so. */
        if (!errors || !config || config_load(now->root, &files, config, errors) < 0)
                return;
        r = initramfs_stamps_compare(now->root, &files, &stamps);
        if (r < 0) {
                inspection_add_check(ret, CHECK_WARN, "initramfs", "",
                                     "/" INITRAMFS_DIR " cannot be read: %s.", strerror(-r));
                return;
        }
        check_images(now, &stamps, taken, n_taken, ret);
        if (stamps.n_images > 0 && is_scanned)
                check_passphrase(now, mode, ret);
}

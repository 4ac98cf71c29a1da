/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of the initramfs: initramfs, which runs in it, and initramfs-files, for who makes it.
 * Neither fails a boot or an installation of a kernel: who runs them goes on whatever they say.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/plural.h"
#include "boot/efi-one-shot.h"
#include "boot/initramfs-stamp.h"
#include "host/config-load.h"
#include "host/host-scan.h"
#include "host/units.h"
#include "initramfs.h"
#include "verbs.h"

typedef struct Early {
        Config config;
        ConfigErrors errors;
        BootChoiceInput input;
        BootChoice choice;
        RunState nothing; /* was moved yet */
        Host host;
        Plan plan;
        Refusal refusal;
} Early;

static RefusalKind load_config(const Root *root, ConfigFiles *files, Config *ret,
                               ConfigErrors *errors) {
        char text[256];

        if (config_load(root, files, ret, errors) >= 0)
                return REFUSAL_NONE;
        log_error("%s", config_errors_format(errors, text, sizeof(text)));
        return REFUSAL_CONFIG_INVALID;
}

/* --- initramfs --- */

/*
 * As the boot unit will, but for what is not there yet: how many boots were left unconfirmed.
 * Where that leads to the fallback mode after all, the host driver comes a moment later than it
 * could have. The EFI variable is left for the boot unit to take.
 */
static void choose(const Root *root, Early *early) {
        BootChoiceInput *input = &early->input;

        input->config = &early->config;
        input->previous_result = -ENOENT;
        boot_read_cmdline(root, input);
        input->efi_result = efi_one_shot_read(root, input->efi_mode);
        if (input->efi_result <= 0)
                input->efi_mode[0] = '\0';
        boot_choose(input, &early->choice);
}

/* What would be refused here is refused by the boot unit, which says so to somebody. */
static RefusalKind make_plan(const Root *root, Early *early) {
        const PlanInput input = {
                .config = &early->config,
                .host = &early->host,
                .state = &early->nothing,
                .mode = early->choice.mode,
                .early = true,
        };
        int r = host_scan(root, &early->config, &early->nothing, &early->host);

        if (r < 0)
                return refusal_set(&early->refusal, REFUSAL_FAILED,
                                   "The PCI devices cannot be read: %s.", strerror(-r));
        return plan_make(&input, &early->plan, &early->refusal);
}

RefusalKind apply_initramfs(const Root *root) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ Early *early = calloc(1, sizeof(*early));
        RefusalKind kind;
        size_t n;

        if (!early)
                return REFUSAL_FAILED;
        kind = load_config(root, &files, &early->config, &early->errors);
        if (kind != REFUSAL_NONE)
                return kind;
        choose(root, early);
        kind = make_plan(root, early);
        if (kind != REFUSAL_NONE) {
                log_warning("Host drivers are not kept off the devices of mode '%s' (%s): %s",
                            early->choice.mode, refusal_name(kind), early->refusal.text);
                return kind;
        }
        n = initramfs_keep(root, &early->host, &early->plan);
        if (n > 0)
                log_info("Host drivers are kept off %zu function%s for mode '%s': %s.", n,
                         plural_s((uint64_t)n), early->choice.mode, early->choice.reason);
        return REFUSAL_NONE;
}

/* --- initramfs-files --- */

RefusalKind apply_initramfs_files(const Root *root, const char *image) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ Early *early = calloc(1, sizeof(*early));
        RefusalKind kind;
        int r;

        if (!early)
                return REFUSAL_FAILED;
        if (!initramfs_tool_of(image)) {
                log_error("'%s' is no image: initramfs-tools-KERNEL, dracut-KERNEL or "
                          "mkinitcpio-KERNEL is.",
                          image);
                return REFUSAL_NOT_SUPPORTED;
        }
        kind = load_config(root, &files, &early->config, &early->errors);
        if (kind == REFUSAL_NONE &&
            faccessat(root->fd, ENABLED_BOOT_UNIT, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                log_error(
                        "vfio-mode-boot.service is not enabled, and nobody would go on with what the "
                        "initramfs has begun.");
                kind = REFUSAL_NOT_SUPPORTED;
        }
        if (kind != REFUSAL_NONE) {
                initramfs_stamp_remove(root, image);
                return kind;
        }
        r = initramfs_stamp_write(root, image, &files);
        if (r < 0)
                log_warning_errno(r, "What goes into the image cannot be noted in /" INITRAMFS_DIR
                                     ", where `vfio-modectl check` looks: %m");
        for (size_t i = 0; i < files.n_files; i++)
                (void)puts(files.names[i]);
        return REFUSAL_NONE;
}

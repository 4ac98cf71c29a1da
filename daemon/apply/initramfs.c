/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "host/process.h"
#include "host/state-files.h"
#include "initramfs.h"
#include "state-write.h"
#include "sysfs.h"
#include "undo-log.h"
#include "wedged.h"
#include "writer.h"

#define PCI_DEVICES "sys/bus/pci/devices"

/* After the mode and the fallback mode have had all of theirs: 3.8 s, of the 4 s that the unit has.
 */
#define LET_GO_USEC (WRITER_EARLY_ALL_USEC + 2 * WRITER_EARLY_UNDO_USEC)

void boot_read_cmdline(const Root *root, BootChoiceInput *ret) {
        char cmdline[KERNEL_CMDLINE_MAX] = "";
        ssize_t n;

        n = file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline));
        ret->cmdline_result = n < 0 ? (int)n : 0;
        if (n < 0) {
                log_warning_errno((int)n, "/proc/cmdline cannot be read: %m");
                cmdline[0] = '\0';
        }
        kernel_cmdline_request(cmdline, &ret->request);
        if (boot_marker_find(cmdline, &ret->marker) < 0)
                log_warning("The marker vfio_mode.boot= on the kernel command line is malformed.");
}

/*
 * Graphics and sound only. A disk, a network card or a keyboard's controller may be what the root
 * file system comes by, which is not known there; the boot unit looks at that, and takes those.
 */
static bool is_to_be_kept(const Function *function) {
        return function && function->driver[0] == '\0' && function->driver_override[0] == '\0' &&
               function_is_media(function);
}

static bool is_any_kept(const Host *host) {
        for (size_t i = 0; i < host->n_functions; i++)
                if (strcmp(host->functions[i].driver_override, INITRAMFS_OVERRIDE) == 0)
                        return true;
        return false;
}

static void leave_mark(const Root *root) {
        int r = run_dir_make(root);

        if (r >= 0)
                r = file_replace_at(root->fd, INITRAMFS_KEPT_PATH, "", 0);
        if (r < 0)
                log_warning_errno(r, "/" INITRAMFS_KEPT_PATH " cannot be written: %m");
}

size_t initramfs_keep(const Root *root, const Host *host, const Plan *plan) {
        _cleanup_(writer_close) Writer writer = writer_new(root, now_usec());
        size_t n_kept = 0;

        for (size_t i = 0; i < plan->n_vfio; i++) {
                char address[PCI_ADDRESS_SIZE];
                int r;

                if (!is_to_be_kept(host_find(host, plan->vfio[i])))
                        continue;
                (void)pci_address_format(plan->vfio[i], address);
                r = sysfs_set_override(&writer, plan->vfio[i], INITRAMFS_OVERRIDE);
                if (r < 0)
                        log_warning_errno(r, "%s cannot be kept from host drivers: %m", address);
                else
                        n_kept++;
        }
        if (n_kept > 0 || is_any_kept(host))
                leave_mark(root);
        return n_kept;
}

/* --- the boot unit --- */

typedef struct LetGoPass {
        Writer writer;
        UndoLog undo;
} LetGoPass;

/* Who gets stuck stands in the log as of any switch, so that nobody touches its device. What a
 * switch has left there is its own, and has to stay. */
static void begin(const Root *root, uint64_t since, const char *mode, LetGoPass *ret) {
        ret->writer = writer_new(root, since);
        ret->undo = UNDO_LOG_NULL;
        if (ret->writer.early_end > 0)
                ret->writer.early_end = since + LET_GO_USEC;
        if (faccessat(root->fd, UNDO_PATH, F_OK, 0) < 0 && run_dir_make(root) >= 0 &&
            undo_log_open(root, mode, mode, NULL, &ret->undo) >= 0)
                ret->writer.log = &ret->undo;
}

static void end(LetGoPass *pass) {
        if (pass->writer.is_stuck)
                undo_log_close(&pass->undo);
        else if (undo_log_remove(&pass->undo) < 0)
                log_warning("The undo log /" UNDO_PATH " cannot be removed.");
        writer_close(&pass->writer);
}

/* The boot may not wait as long as a good driver takes; the mode's unit does, and says what it
 * finds.
 */
static void say_late(PciAddress address) {
        char text[PCI_ADDRESS_SIZE];

        log_notice("The driver of %s takes its time; the unit of the mode waits for it.",
                   pci_address_format(address, text));
}

static void fail(const LetGoPass *pass, PciAddress address, int r, Refusal *ret) {
        char text[PCI_ADDRESS_SIZE];

        (void)pci_address_format(address, text);
        log_error_errno(r, "%s, which the initramfs kept from host drivers, cannot be let go: %m",
                        text);
        if (pass->writer.is_stuck)
                (void)wedged_refuse(&pass->writer, ret);
        else if (ret->kind == REFUSAL_NONE)
                (void)refusal_set(ret, REFUSAL_FAILED,
                                  "%s, which the initramfs kept from host drivers, cannot be let "
                                  "go: %s.",
                                  text, strerror(-r));
}

/* Who is still in the kernel, by the switch's log; none: all zero. */
static RunWriter find_stuck(const Root *root) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));

        if (undo && undo_read(root, undo) >= 0 &&
            process_is_there(root, undo->writer.pid, undo->writer.start))
                return undo->writer;
        return (RunWriter){ 0 };
}

/* To read a function's override waits for its lock (before 6.12.80). A module's probe() may have
 * that of any. */
static bool waits_for(const RunWriter *stuck, PciAddress address) {
        const RunWrite *write = &stuck->write;

        if (stuck->pid == 0 || write->kind == RUN_WRITE_HUGEPAGES)
                return false;
        return !run_write_has_address(write) || pci_address_compare(write->address, address) == 0;
}

static bool is_kept(const Root *root, const char *address) {
        char path[128], override[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), PCI_DEVICES "/%.16s/driver_override", address);
        return file_read_line_at(root->fd, path, override, sizeof(override)) >= 0 &&
               strcmp(override, INITRAMFS_OVERRIDE) == 0;
}

static bool is_display(const Root *root, PciAddress address) {
        PciModalias modalias;
        char text[128];

        return sysfs_read_modalias(root, address, text, sizeof(text)) >= 0 &&
               pci_modalias_parse(text, &modalias) >= 0 &&
               modalias.class_code >> 16 == PCI_CLASS_BASE_DISPLAY;
}

static void find_kept(const Root *root, const RunWriter *stuck, bool displays, InitramfsKept *ret) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, PCI_DEVICES);
        const struct dirent *entry;
        PciAddress address;

        while (dir && ret->n < ARRAY_SIZE(ret->addresses) && (entry = readdir(dir)))
                if (pci_address_parse(entry->d_name, &address) >= 0 && !waits_for(stuck, address) &&
                    is_kept(root, entry->d_name) && is_display(root, address) == displays)
                        ret->addresses[ret->n++] = address;
}

void initramfs_release(const Root *root, uint64_t since, const char *mode, InitramfsKept *ret) {
        RunWriter stuck;
        LetGoPass pass;

        *ret = (InitramfsKept){ .n = 0 };
        stuck = find_stuck(root);
        /* Sound, whose driver is quick, is not to wait for a display's. */
        find_kept(root, &stuck, false, ret);
        find_kept(root, &stuck, true, ret);
        if (ret->n == 0)
                return;
        begin(root, since, mode, &pass);
        for (size_t i = 0; i < ret->n && !pass.writer.is_stuck; i++) {
                char text[PCI_ADDRESS_SIZE];
                int r = sysfs_set_override(&pass.writer, ret->addresses[i], "");

                if (r < 0)
                        fail(&pass, ret->addresses[i], r, &ret->refusal);
                else
                        log_notice("%s, which the initramfs kept from host drivers, is not this "
                                   "mode's; it was let go.",
                                   pci_address_format(ret->addresses[i], text));
        }
        end(&pass);
}

/* The fallback mode may have found a driver for it, or taken it, since it was released. */
static bool has_driver(const Root *root, PciAddress address) {
        char driver[CONFIG_DRIVER_SIZE];

        return sysfs_read_driver(root, address, driver) >= 0 && driver[0] != '\0';
}

void initramfs_probe(const Root *root, uint64_t since, const char *mode, InitramfsKept *kept) {
        LetGoPass pass;

        if (kept->n == 0 || kept->refusal.kind == REFUSAL_WEDGED)
                return;
        begin(root, since, mode, &pass);
        pass.writer.is_awaited = mode[0] != '\0' && pass.writer.log;
        for (size_t i = 0; i < kept->n && !pass.writer.is_stuck; i++) {
                /* Nothing binds where the driver is not loaded yet: udev's coldplug sees to that.
                 */
                int r = has_driver(root, kept->addresses[i])
                                ? 0
                                : sysfs_probe(&pass.writer, kept->addresses[i]);

                if (r < 0 && pass.writer.is_stuck && pass.writer.is_awaited)
                        say_late(kept->addresses[i]);
                else if (r < 0)
                        fail(&pass, kept->addresses[i], r, &kept->refusal);
        }
        end(&pass);
}

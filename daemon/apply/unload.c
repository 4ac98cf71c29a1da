/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "host/module-scan.h"
#include "load.h"
#include "sysfs.h"
#include "unload.h"

#define TRIES 15      /* 3 s in all */
#define TRIES_EARLY 5 /* the boot is not held up for longer than 1 s */
#define INTERVAL_NSEC 200000000L

static void list_holders(const Root *root, const char *module, char *buffer, size_t size) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        char path[192];
        size_t n = 0;

        buffer[0] = '\0';
        (void)snprintf(path, sizeof(path), "sys/module/%s/holders", module);
        dir = file_open_dir_at(root->fd, path);
        while (dir && (entry = readdir(dir)) && n < size)
                if (entry->d_name[0] != '.')
                        n += (size_t)snprintf(buffer + n, size - n, "%s%s",
                                              n == 0 ? ", by the modules " : " ", entry->d_name);
}

/* @ret: the one at which it ended. */
static int unload_all(Writer *writer, UndoLog *undo, PciAddress address, const char *module,
                      char ret[static CONFIG_DRIVER_SIZE]) {
        ModuleStack stack;
        int r;

        (void)snprintf(ret, CONFIG_DRIVER_SIZE, "%s", module);
        module_scan_above(writer->root, module, &stack);
        r = stack.is_tangled ? -EBUSY : 0;
        for (size_t i = 0; r >= 0 && i < stack.n_modules; i++) {
                const RunWrite what = run_write(RUN_WRITE_UNLOAD, address, stack.modules[i].name);

                (void)snprintf(ret, CONFIG_DRIVER_SIZE, "%s", stack.modules[i].name);
                r = undo_log_add_module(undo, stack.modules[i].name);
                if (r >= 0)
                        r = writer_unload(writer, &what);
        }
        return r == -EAGAIN ? -EBUSY : r;
}

int unload_module(Writer *writer, UndoLog *undo, PciAddress address, const char *module, bool early,
                  Refusal *ret_refusal) {
        const struct timespec interval = { .tv_nsec = INTERVAL_NSEC };
        char text[PCI_ADDRESS_SIZE], last[CONFIG_DRIVER_SIZE], holders[160];
        unsigned n_tries = 0;
        int r;

        while ((r = unload_all(writer, undo, address, module, last)) == -EBUSY) {
                if (++n_tries == (early ? TRIES_EARLY : TRIES))
                        break;
                (void)nanosleep(&interval, NULL); /* nothing tells when it is let go */
        }
        if (r != -EBUSY)
                return r;
        list_holders(writer->root, last, holders, sizeof(holders));
        (void)refusal_set(ret_refusal, REFUSAL_BUSY,
                          "%s is in use: its module %s cannot be unloaded (reference count %u%s). "
                          "End what uses it, or name its unit in stop-units.",
                          pci_address_format(address, text), last,
                          module_read_references(writer->root, last), holders);
        return r;
}

int unload_undo(Writer *writer, const RunState *state) {
        int r = 0;

        for (size_t i = state->n_modules; i > 0 && !writer->is_stuck; i--) {
                const char *module = state->modules[i - 1];
                int error = load_by_name(writer, (PciAddress){ 0 }, module);

                if (error < 0)
                        r = log_error_errno(error, "The module %s cannot be loaded again: %m",
                                            module);
        }
        return r;
}

/* Before, so that nobody who loads the driver again in between has one bind. */
static int prepare_all(Writer *writer, const UndoLog *undo, const ModuleStack *stack) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < stack->n_functions; i++) {
                const HomeFunction *home =
                        i < MODULE_STACK_FUNCTIONS_MAX
                                ? run_state_find_home(&undo->state, stack->functions[i])
                                : NULL;

                if (!home || strcmp(home->driver, stack->driver) == 0)
                        return -EBUSY;
                if (home->driver[0] != '\0')
                        r = sysfs_set_override(writer, home->address, home->driver);
        }
        return r;
}

int unload_driver_of(Writer *writer, UndoLog *undo, PciAddress address, const char *driver,
                     bool early) {
        ModuleStack stack;
        Refusal refusal;
        int r;

        if (!waiting_driver(driver))
                return 1;
        module_scan(writer->root, driver, &stack);
        if (stack.is_tangled)
                return -EBUSY;
        if (stack.n_modules == 0)
                return 1;
        r = prepare_all(writer, undo, &stack);
        if (r < 0)
                return r;
        r = unload_module(writer, undo, address, stack.modules[stack.n_modules - 1].name, early,
                          &refusal);
        if (r < 0)
                (void)unload_undo(writer, &undo->state);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "host/module-scan.h"
#include "unload.h"

#define TRIES 15      /* 3 s in all */
#define TRIES_EARLY 5 /* the boot is not held up for longer than 1 s */
#define INTERVAL_NSEC 200000000L

static RunWrite describe(RunWriteKind kind, PciAddress address, const char *module) {
        RunWrite write = { .kind = kind, .address = address };

        (void)snprintf(write.driver, sizeof(write.driver), "%s", module);
        return write;
}

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

int unload_module(Writer *writer, PciAddress address, const char *module, bool early,
                  Refusal *ret_refusal) {
        const RunWrite what = describe(RUN_WRITE_UNLOAD, address, module);
        const struct timespec interval = { .tv_nsec = INTERVAL_NSEC };
        char text[PCI_ADDRESS_SIZE], holders[160];
        unsigned n_tries = 0;
        int r;

        for (;;) {
                r = writer_unload(writer, &what);
                if ((r != -EAGAIN && r != -EBUSY) || ++n_tries == (early ? TRIES_EARLY : TRIES))
                        break;
                (void)nanosleep(&interval, NULL); /* nothing tells when it is let go */
        }
        if (r != -EAGAIN && r != -EBUSY)
                return r;
        list_holders(writer->root, module, holders, sizeof(holders));
        (void)refusal_set(ret_refusal, REFUSAL_BUSY,
                          "%s is in use: its module %s cannot be unloaded (reference count %u%s). "
                          "End what uses it, or name its unit in stop-units.",
                          pci_address_format(address, text), module,
                          module_read_references(writer->root, module), holders);
        return -EBUSY;
}

int unload_undo(Writer *writer, const RunState *state) {
        int r = 0;

        for (size_t i = state->n_modules; i > 0 && !writer->is_stuck; i--) {
                const char *module = state->modules[i - 1];
                const RunWrite what = describe(RUN_WRITE_LOAD, (PciAddress){ 0 }, module);
                int error = writer_load(writer, &what);

                if (error < 0)
                        r = log_error_errno(error, "The module %s cannot be loaded again: %m",
                                            module);
        }
        return r;
}

int unload_driver_of(Writer *writer, PciAddress address, const char *driver) {
        _cleanup_free_ RunState *done = calloc(1, sizeof(*done));
        ModuleStack stack;
        Refusal refusal;
        int r = 0;

        if (!waiting_driver(driver))
                return 1;
        if (!done)
                return -ENOMEM;
        module_scan(writer->root, driver, &stack);
        if (stack.n_modules == 0)
                return 1;
        if (stack.n_functions != 1)
                return -EBUSY;
        for (size_t i = 0; r >= 0 && i < stack.n_modules; i++) {
                r = unload_module(writer, address, stack.modules[i].name, false, &refusal);
                if (r >= 0)
                        r = run_state_add_module(done, stack.modules[i].name);
        }
        if (r < 0)
                (void)unload_undo(writer, done);
        return r;
}

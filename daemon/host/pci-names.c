/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpci for names only: without pci_init(), which ends the process where it finds no PCI, and so
 * with callbacks set here, since without it they are NULL and are called.
 */
#include <errno.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "pci-names.h"

struct PciNames {
        struct pci_access *access;
};

/*
 * libpci's error callback gets no pointer of ours and must not return, but must not end the process
 * either: it comes back to the look-up that is running.
 */
static _Thread_local jmp_buf *failed_lookup;

__attribute__((noreturn)) _printf_(1, 2) static void on_error(char *message, ...) {
        (void)message;
        if (failed_lookup)
                longjmp(*failed_lookup, 1);
        abort();
}

_printf_(1, 2) static void on_message(char *message, ...) {
        (void)message;
}

int pci_names_open(PciNames **ret) {
        _cleanup_free_ PciNames *names = malloc(sizeof(*names));

        if (!names)
                return -ENOMEM;
        names->access = pci_alloc(); /* never NULL; out of memory it does end the process */
        names->access->error = on_error;
        names->access->warning = on_message;
        names->access->debug = on_message;
        /* Neither DNS nor the cache of its answers, which lies in the caller's home directory. */
        names->access->id_lookup_mode = 0;
        *ret = TAKE_PTR(names);
        return 0;
}

void pci_names_closep(PciNames **names) {
        if (!*names)
                return;
        pci_cleanup((*names)->access);
        free(*names);
        *names = NULL;
}

/* @second: 0 for a class */
static const char *look_up(PciNames *names, int flags, char *buffer, int size, int first,
                           int second) {
        jmp_buf here;
        const char *name = NULL;

        /* The file pci.ids only: libpci 3.9 leaks what it opens for each look-up in udev's
         * database. */
        flags |= PCI_LOOKUP_NO_HWDB;
        if (setjmp(here) == 0) {
                failed_lookup = &here;
                name = (flags & PCI_LOOKUP_CLASS)
                               ? pci_lookup_name(names->access, buffer, size, flags, first)
                               : pci_lookup_name(names->access, buffer, size, flags, first, second);
        }
        failed_lookup = NULL;
        return name;
}

const char *pci_names_device(PciNames *names, PciId id, char *buffer, size_t size) {
        const int flags = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE;
        char text[256];

        if (look_up(names, flags, text, sizeof(text), id.vendor, id.device))
                (void)snprintf(buffer, size, "%s", text);
        else
                (void)snprintf(buffer, size, "Device %04x:%04x", id.vendor, id.device);
        return buffer;
}

const char *pci_names_class(PciNames *names, uint32_t class_code, char *buffer, size_t size) {
        char text[256];

        /* libpci knows base class and sub-class; the last byte is the programming interface. */
        if (look_up(names, PCI_LOOKUP_CLASS, text, sizeof(text), (int)(class_code >> 8), 0))
                (void)snprintf(buffer, size, "%s", text);
        else
                (void)snprintf(buffer, size, "Class %04x", class_code >> 8);
        return buffer;
}

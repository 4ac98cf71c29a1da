/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before each function: a guest that started since the plan was made has the group's node, and the
 * functions of the group that are still there.
 */
#include <errno.h>

#include "host/holders.h"
#include "sysfs.h"
#include "unbind.h"

static int refuse(PciAddress function, const Holder *holder, Refusal *ret) {
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(function, address);
        if (holder->pid == HOLDER_UNSEEN) {
                (void)refusal_set(ret, REFUSAL_BUSY,
                                  "%s has come into use meanwhile, by a process that cannot be "
                                  "seen from here; shut that guest down first.",
                                  address);
                return -EUSERS;
        }
        (void)refusal_set(ret, REFUSAL_BUSY,
                          "%s has come into use meanwhile, by process %d (%s); shut that guest "
                          "down first.",
                          address, holder->pid, holder->command);
        refusal_set_public(ret, "%s has come into use meanwhile; shut that guest down first.",
                           address);
        return -EUSERS;
}

int unbind_unless_held(Writer *writer, const Host *host, PciAddress address, const char *driver,
                       Refusal *ret) {
        const Function *function = host_find(host, address);
        Holder holder;
        int r;

        if (function && driver_name_is_vfio(driver)) {
                r = holders_find_vfio_of(writer->root, function, &holder);
                if (r < 0)
                        return r;
                if (holder.pid != 0)
                        return refuse(address, &holder, ret);
        }
        return sysfs_unbind(writer, address, driver);
}

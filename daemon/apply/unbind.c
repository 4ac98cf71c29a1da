/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before each function: a guest that started since the plan was made has the group's node, and the
 * functions of the group that are still there.
 */
#include <errno.h>

#include "host/holders.h"
#include "sysfs.h"
#include "unbind.h"

int unbind_unless_held(Writer *writer, const Host *host, PciAddress address, const char *driver,
                       Refusal *ret) {
        const Function *function = host_find(host, address);
        Holder holder;
        int r;

        if (function && driver_name_is_vfio(driver)) {
                r = holders_find_vfio_of(writer->root, function, &holder);
                if (r < 0)
                        return r;
                if (holder.pid != 0) {
                        (void)refusal_set_holder(ret, address, &holder,
                                                 "has come into use meanwhile,");
                        return -EUSERS;
                }
        }
        return sysfs_unbind(writer, address, driver);
}

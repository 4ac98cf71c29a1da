/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "load.h"
#include "sysfs.h"

int load_by_name(Writer *writer, PciAddress address, const char *module) {
        const RunWrite what = run_write(RUN_WRITE_LOAD, address, module);

        return writer_load(writer, &what);
}

int load_for(Writer *writer, PciAddress address, ModuleChoice choice) {
        const RunWrite what = run_write(RUN_WRITE_LOAD, address, "");
        char modalias[128];
        int r;

        r = sysfs_read_modalias(writer->root, address, modalias, sizeof(modalias));
        return r < 0 ? r : writer_load_for(writer, &what, modalias, choice);
}

/*
 * A driver's name is most often its module's, but not always (bochs-drm is in bochs): where there
 * is no such module, the device's own modalias knows. What a blacklist holds back for another's
 * sake (nouveau for nvidia's) comes only where the driver is not among the others.
 */
int load_driver(Writer *writer, PciAddress address, const char *driver) {
        int r;

        if (sysfs_has_driver(writer->root, driver))
                return 0;
        r = load_by_name(writer, address, driver);
        if (r == -ENOENT) {
                r = load_for(writer, address, MODULE_ALLOWED);
                if (!writer->is_stuck && !sysfs_has_driver(writer->root, driver))
                        r = load_for(writer, address, MODULE_ANY);
                /* The error may be that of another module for the device. */
                if (!writer->is_stuck && sysfs_has_driver(writer->root, driver))
                        return 0;
        }
        return r < 0 ? r : 0;
}

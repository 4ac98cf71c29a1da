/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects are the snapshot's devices; a path is an address, encoded as sd_bus_path_encode(3)
 * does.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "device.h"

static int get_text(_unused_ sd_bus *bus, _unused_ const char *path, _unused_ const char *interface,
                    _unused_ const char *property, sd_bus_message *reply, void *userdata,
                    _unused_ sd_bus_error *error) {
        return sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, userdata);
}

#define FIXED(name, signature, getter, field)                                     \
        SD_BUS_PROPERTY(name, signature, getter, offsetof(SnapshotDevice, field), \
                        SD_BUS_VTABLE_PROPERTY_CONST)
#define PROPERTY(name, signature, getter, field)                                  \
        SD_BUS_PROPERTY(name, signature, getter, offsetof(SnapshotDevice, field), \
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        FIXED("Address", "s", get_text, address),
        PROPERTY("PciId", "s", get_text, id),
        PROPERTY("Class", "s", get_text, class_code),
        PROPERTY("Name", "s", get_text, name),
        PROPERTY("Driver", "s", get_text, driver),
        PROPERTY("DriverOverride", "s", get_text, driver_override),
        PROPERTY("WantedDriver", "s", get_text, wanted_driver),
        PROPERTY("IommuGroup", "i", NULL, iommu_group),
        PROPERTY("BootVga", "b", NULL, boot_vga),
        SD_BUS_VTABLE_END,
};

typedef struct Field {
        const char *property;
        size_t offset, size; /* in SnapshotDevice */
} Field;

#define FIELD(name, field) \
        { name, offsetof(SnapshotDevice, field), sizeof(((SnapshotDevice *)NULL)->field) }

static const Field fields[] = {
        FIELD("PciId", id),
        FIELD("Class", class_code),
        FIELD("Name", name),
        FIELD("Driver", driver),
        FIELD("DriverOverride", driver_override),
        FIELD("WantedDriver", wanted_driver),
        FIELD("IommuGroup", iommu_group),
        FIELD("BootVga", boot_vga),
};

static int find(_unused_ sd_bus *bus, const char *path, _unused_ const char *interface,
                void *userdata, void **found, _unused_ sd_bus_error *error) {
        _cleanup_free_ char *address = NULL;
        const Service *service = userdata;
        const SnapshotDevice *device;
        int r;

        r = sd_bus_path_decode(path, BUS_DEVICES_PATH, &address);
        if (r <= 0)
                return r;
        device = snapshot_find_device(&service->snapshot, address);
        if (!device)
                return 0;
        *found = (void *)device;
        return 1;
}

/* A list for sd-bus, which frees it. */
static int enumerate(_unused_ sd_bus *bus, _unused_ const char *prefix, void *userdata, char ***ret,
                     _unused_ sd_bus_error *error) {
        const Service *service = userdata;
        char **paths;

        paths = calloc(service->snapshot.n_devices + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < service->snapshot.n_devices; i++) {
                int r = sd_bus_path_encode(BUS_DEVICES_PATH, service->snapshot.devices[i].address,
                                           &paths[i]);

                if (r < 0) {
                        while (i > 0)
                                free(paths[--i]);
                        free(paths);
                        return r;
                }
        }
        *ret = paths;
        return 1;
}

int device_export(Service *service) {
        int r;

        r = sd_bus_add_fallback_vtable(service->bus, NULL, BUS_DEVICES_PATH, BUS_DEVICE,
                                       device_vtable, find, service);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(service->bus, NULL, BUS_DEVICES_PATH, enumerate,
                                               service);
        if (r >= 0)
                r = sd_bus_add_object_manager(service->bus, NULL, BUS_DEVICES_PATH);
        return r;
}

/* --- changes --- */

int device_tell_removed(Service *service, const Snapshot *after) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < service->snapshot.n_devices; i++) {
                const SnapshotDevice *device = &service->snapshot.devices[i];
                _cleanup_free_ char *path = NULL;

                if (snapshot_find_device(after, device->address))
                        continue;
                r = sd_bus_path_encode(BUS_DEVICES_PATH, device->address, &path);
                if (r >= 0)
                        r = sd_bus_emit_object_removed(service->bus, path);
        }
        return r;
}

/* @before: the snapshot, NULL: none; @device: this one in it, NULL: it is new */
static int tell_device(sd_bus *bus, const Snapshot *before, const SnapshotDevice *device,
                       const SnapshotDevice *now) {
        char *names[ARRAY_SIZE(fields) + 1] = { NULL };
        _cleanup_free_ char *path = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_path_encode(BUS_DEVICES_PATH, now->address, &path);
        if (r < 0)
                return r;
        if (before && !device)
                return sd_bus_emit_object_added(bus, path);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (!device || memcmp((const char *)device + fields[i].offset,
                                      (const char *)now + fields[i].offset, fields[i].size) != 0)
                        names[n++] = (char *)fields[i].property;
        return n == 0 ? 0 : sd_bus_emit_properties_changed_strv(bus, path, BUS_DEVICE, names);
}

int device_tell_changes(Service *service, const Snapshot *before) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < service->snapshot.n_devices; i++) {
                const SnapshotDevice *now = &service->snapshot.devices[i];

                r = tell_device(service->bus, before,
                                before ? snapshot_find_device(before, now->address) : NULL, now);
        }
        return r;
}

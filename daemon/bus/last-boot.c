/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row a fact; the boot before has the same ones behind "previous-".
 */
#include <stdio.h>

#include "last-boot.h"

static int append_text(sd_bus_message *reply, const char *prefix, const char *key,
                       const char *value) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s%s", prefix, key);
        return sd_bus_message_append(reply, "{sv}", name, "s", value);
}

static int append_record(sd_bus_message *reply, const char *prefix, const BootRecord *record) {
        const struct {
                const char *key, *value;
        } texts[] = {
                { "boot-id", record->boot_id },
                { "mode", record->mode },
                { "wanted", record->wanted },
                { "source", boot_source_name(record->source) },
                { "kind", boot_kind_name(record->marker.kind) },
                { "result", refusal_name(record->kind) },
                { "reason", record->reason },
        };
        char name[64];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
                r = append_text(reply, prefix, texts[i].key, texts[i].value);
        (void)snprintf(name, sizeof(name), "%stime", prefix);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", name, "t", record->time);
        (void)snprintf(name, sizeof(name), "%sconfirmed", prefix);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", name, "b", (int)record->confirmed);
        (void)snprintf(name, sizeof(name), "%sunconfirmed", prefix);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", name, "u", (uint32_t)record->unconfirmed);
        return r;
}

int last_boot_append(sd_bus_message *reply, const SnapshotBoot *boot) {
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0 && boot->is_known)
                r = append_record(reply, "", &boot->record);
        if (r >= 0 && boot->is_known)
                r = append_text(reply, "", "not-run", boot->not_run);
        if (r >= 0 && boot->previous_is_known)
                r = append_record(reply, "previous-", &boot->previous);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

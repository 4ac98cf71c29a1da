/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three lines: `writer=PID START`, then `write=KIND ADDRESS DRIVER` for each write, and
 * `wedged=TIME` where one did not come back.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "hugepages.h"
#include "run-writer.h"

#define NOTHING "-"

static const char *const names[_RUN_WRITE_MAX] = {
        [RUN_WRITE_NONE] = "none",
        [RUN_WRITE_OVERRIDE] = "override",
        [RUN_WRITE_UNBIND] = "unbind",
        [RUN_WRITE_BIND] = "bind",
        [RUN_WRITE_PROBE] = "probe",
        [RUN_WRITE_LOAD] = "load",
        [RUN_WRITE_POWER] = "power",
        [RUN_WRITE_D3COLD] = "d3cold",
        [RUN_WRITE_UNLOAD] = "unload",
        [RUN_WRITE_REMOVE_ID] = "remove-id",
        [RUN_WRITE_RELEASE] = "release",
        [RUN_WRITE_RETURN] = "return",
        [RUN_WRITE_HUGEPAGES] = "hugepages",
        [RUN_WRITE_ENABLE] = "enable",
        [RUN_WRITE_ROM] = "rom",
};

RunWrite run_write(RunWriteKind kind, PciAddress address, const char *driver) {
        RunWrite write = { .kind = kind, .address = address };

        (void)snprintf(write.driver, sizeof(write.driver), "%s", driver);
        return write;
}

const char *run_write_name(RunWriteKind kind) {
        return names[kind];
}

bool run_write_has_address(const RunWrite *write) {
        return write->kind != RUN_WRITE_NONE &&
               pci_address_compare(write->address, (PciAddress){ 0 }) != 0;
}

bool run_write_equal(const RunWrite *a, const RunWrite *b) {
        return a->kind == b->kind && pci_address_compare(a->address, b->address) == 0 &&
               strcmp(a->driver, b->driver) == 0;
}

/* --- reading --- */

static int next_word(const char **cursor, char *buffer, size_t size) {
        size_t length;
        const char *word = parse_word(cursor, &length);

        return word ? parse_copy(buffer, size, word, length) : -EBADMSG;
}

static int parse_writer(const char *value, RunWriter *writer) {
        char pid_text[24], start_text[24];
        uint64_t pid, start;
        size_t length;

        if (next_word(&value, pid_text, sizeof(pid_text)) < 0 ||
            next_word(&value, start_text, sizeof(start_text)) < 0 || parse_word(&value, &length) ||
            parse_decimal(pid_text, INT_MAX, &pid) < 0 || pid == 0 ||
            parse_decimal(start_text, UINT64_MAX, &start) < 0)
                return -EBADMSG;
        /* One that was left to itself is followed by another, which is not stuck. */
        *writer = (RunWriter){ .pid = (int)pid, .start = start };
        return 1;
}

static RunWriteKind kind_by_name(const char *name) {
        for (unsigned kind = RUN_WRITE_NONE + 1; kind < _RUN_WRITE_MAX; kind++)
                if (strcmp(names[kind], name) == 0)
                        return (RunWriteKind)kind;
        return RUN_WRITE_NONE;
}

static int parse_write(const char *value, RunWriter *writer) {
        char kind[16], address[PCI_ADDRESS_SIZE];
        RunWrite write = { 0 };
        HugepageSize pool;
        size_t length;

        if (next_word(&value, kind, sizeof(kind)) < 0 ||
            next_word(&value, address, sizeof(address)) < 0 ||
            next_word(&value, write.driver, sizeof(write.driver)) < 0 ||
            parse_word(&value, &length) || pci_address_parse(address, &write.address) < 0)
                return -EBADMSG;
        write.kind = kind_by_name(kind);
        if (strcmp(write.driver, NOTHING) == 0)
                write.driver[0] = '\0';
        else if (!config_driver_is_valid(write.driver))
                return -EBADMSG;
        if (write.kind == RUN_WRITE_NONE ||
            (write.kind == RUN_WRITE_HUGEPAGES && !hugepage_by_name(write.driver, &pool)))
                return -EBADMSG;
        writer->write = write;
        return 1;
}

int run_writer_parse(const char *key, const char *value, RunWriter *writer) {
        if (strcmp(key, "writer") == 0)
                return parse_writer(value, writer);
        if (strcmp(key, "write") == 0)
                return parse_write(value, writer);
        if (strcmp(key, "wedged") == 0)
                return parse_decimal(value, UINT64_MAX, &writer->wedged) < 0 ? -EBADMSG : 1;
        return 0;
}

/* --- writing --- */

static int fits(int n, size_t size) {
        return n >= 0 && (size_t)n < size ? n : -ENAMETOOLONG;
}

int run_writer_format(const RunWriter *writer, char *buffer, size_t size) {
        return fits(snprintf(buffer, size, "writer=%d %llu\n", writer->pid,
                             (unsigned long long)writer->start),
                    size);
}

int run_writer_format_write(const RunWrite *write, char *buffer, size_t size) {
        char address[PCI_ADDRESS_SIZE];

        return fits(snprintf(buffer, size, "write=%s %s %s\n", run_write_name(write->kind),
                             pci_address_format(write->address, address),
                             config_driver_is_valid(write->driver) ? write->driver : NOTHING),
                    size);
}

int run_writer_format_wedged(const RunWriter *writer, char *buffer, size_t size) {
        return fits(snprintf(buffer, size, "wedged=%llu\n", (unsigned long long)writer->wedged),
                    size);
}

/* --- in words --- */

static const char *attribute_of(RunWriteKind kind) {
        if (kind == RUN_WRITE_POWER)
                return "power/control";
        if (kind == RUN_WRITE_D3COLD)
                return "d3cold_allowed";
        return kind == RUN_WRITE_ROM ? "rom" : "enable";
}

static void say_attribute(const RunWrite *write, char buffer[static RUN_WRITE_TEXT_SIZE]) {
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(write->address, address);
        if (write->kind == RUN_WRITE_ROM && write->driver[0] == '\0')
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "reading the ROM of %s", address);
        else
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "setting %s of %s to '%s'",
                               attribute_of(write->kind), address, write->driver);
}

const char *run_write_say(const RunWrite *write, char buffer[static RUN_WRITE_TEXT_SIZE]) {
        char address[PCI_ADDRESS_SIZE];
        const char *driver = write->driver;

        (void)pci_address_format(write->address, address);
        switch (write->kind) {
        case RUN_WRITE_OVERRIDE:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "setting driver_override of %s to '%s'",
                               address, driver);
                break;
        case RUN_WRITE_UNBIND:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "unbinding %s from %s", address,
                               driver);
                break;
        case RUN_WRITE_BIND:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "binding %s to %s", address, driver);
                break;
        case RUN_WRITE_PROBE:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "probing %s by its host driver",
                               address);
                break;
        case RUN_WRITE_LOAD:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "loading the module %s%s%s",
                               driver[0] != '\0' ? driver : "of the host driver",
                               run_write_has_address(write) ? " for " : "",
                               run_write_has_address(write) ? address : "");
                break;
        case RUN_WRITE_POWER:
        case RUN_WRITE_D3COLD:
        case RUN_WRITE_ENABLE:
        case RUN_WRITE_ROM:
                say_attribute(write, buffer);
                break;
        case RUN_WRITE_UNLOAD:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "unloading the module %s of %s", driver,
                               address);
                break;
        case RUN_WRITE_REMOVE_ID:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "having %s forget the id of %s", driver,
                               address);
                break;
        case RUN_WRITE_RELEASE:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "taking the firmware's %s off %s",
                               driver, address);
                break;
        case RUN_WRITE_RETURN:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "giving %s back to the firmware's %s",
                               address, driver);
                break;
        case RUN_WRITE_HUGEPAGES:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE,
                               "changing how many hugepages of %s there are", driver);
                break;
        case RUN_WRITE_NONE:
        case _RUN_WRITE_MAX:
                (void)snprintf(buffer, RUN_WRITE_TEXT_SIZE, "a write that is not known");
                break;
        }
        return buffer;
}

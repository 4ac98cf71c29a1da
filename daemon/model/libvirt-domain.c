/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By expat: a definition may have comments, other namespaces and entities anywhere. Only where an
 * element stands counts; a device's own <address> is that in the guest.
 */
#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "libvirt-domain.h"

#define DEVICE_DEPTH 3 /* domain, devices, hostdev */

typedef struct Reader {
        XML_Parser parser;
        Vm *vm;
        GuestRoms *roms;
        unsigned depth;
        size_t first; /* address of the device that is read */
        char *rom;    /* of that device; NULL: none */
        bool is_in_devices, is_in_source;
        int error;
} Reader;

static void stop(Reader *reader, int error) {
        if (reader->error == 0)
                reader->error = error;
        (void)XML_StopParser(reader->parser, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name) {
        for (; *attributes; attributes += 2)
                if (strcmp(attributes[0], name) == 0)
                        return attributes[1];
        return NULL;
}

/* libvirt writes hexadecimal, with its prefix. */
static bool read_number(const char **attributes, const char *name, uint32_t max, uint32_t *ret) {
        const char *text = attribute(attributes, name);
        uint64_t decimal;

        if (!text)
                return false;
        if (strncmp(text, "0x", 2) == 0)
                return strlen(text) > 2 && strlen(text) <= 10 &&
                       parse_hex_digits(text + 2, strlen(text) - 2, ret) >= 0 && *ret <= max;
        if (parse_decimal(text, max, &decimal) < 0)
                return false;
        *ret = (uint32_t)decimal;
        return true;
}

/* Of a USB device it has other attributes. */
static void read_address(Reader *reader, const char **attributes) {
        uint32_t domain, bus, slot, function;
        Vm *vm = reader->vm;

        if (!read_number(attributes, "domain", UINT32_MAX, &domain) ||
            !read_number(attributes, "bus", 0xff, &bus) ||
            !read_number(attributes, "slot", 0x1f, &slot) ||
            !read_number(attributes, "function", 7, &function))
                return;
        if (vm->n_addresses == VM_ADDRESSES_MAX) {
                stop(reader, -E2BIG);
                return;
        }
        vm->addresses[vm->n_addresses++] = (PciAddress){ .domain = domain,
                                                         .bus = (uint8_t)bus,
                                                         .device = (uint8_t)slot,
                                                         .function = (uint8_t)function };
}

/* It may stand before the <source>. */
static void read_rom(Reader *reader, const char **attributes) {
        const char *file = attribute(attributes, "file");

        if (!file || reader->rom)
                return;
        reader->rom = strdup(file);
        if (!reader->rom)
                stop(reader, -ENOMEM);
}

static void begin_device(Reader *reader) {
        reader->first = reader->vm->n_addresses;
        free(reader->rom);
        reader->rom = NULL;
}

/* That of a device of the guest's own is its affair. */
static void end_device(Reader *reader) {
        if (reader->roms && reader->rom && reader->vm->n_addresses > reader->first)
                guest_roms_add(reader->roms, reader->vm->addresses[reader->first], "", reader->rom,
                               strlen(reader->rom));
}

static void begin_part(Reader *reader, const char *name, const char **attributes) {
        reader->is_in_source = strcmp(name, "source") == 0;
        if (strcmp(name, "rom") == 0)
                read_rom(reader, attributes);
}

static void XMLCALL on_start(void *userdata, const char *name, const char **attributes) {
        Reader *reader = userdata;

        reader->depth++;
        if (reader->depth == 1 && strcmp(name, "domain") != 0)
                stop(reader, -EBADMSG);
        else if (reader->depth == DEVICE_DEPTH - 1)
                reader->is_in_devices = strcmp(name, "devices") == 0;
        else if (reader->depth == DEVICE_DEPTH)
                begin_device(reader);
        else if (reader->depth == DEVICE_DEPTH + 1 && reader->is_in_devices)
                begin_part(reader, name, attributes);
        else if (reader->depth == DEVICE_DEPTH + 2 && reader->is_in_source &&
                 strcmp(name, "address") == 0)
                read_address(reader, attributes);
}

static void XMLCALL on_end(void *userdata, _unused_ const char *name) {
        Reader *reader = userdata;

        if (reader->depth == DEVICE_DEPTH - 1)
                reader->is_in_devices = false;
        if (reader->depth == DEVICE_DEPTH)
                end_device(reader);
        if (reader->depth == DEVICE_DEPTH + 1)
                reader->is_in_source = false;
        reader->depth--;
}

/* libvirt writes none, and it is what entities are declared in. */
static void XMLCALL on_doctype(void *userdata, _unused_ const char *name,
                               _unused_ const char *system, _unused_ const char *public,
                               _unused_ int has_subset) {
        stop(userdata, -EBADMSG);
}

int libvirt_domain_parse(const char *xml, size_t size, Vm *vm, GuestRoms *roms) {
        Reader reader = { .parser = XML_ParserCreate(NULL), .vm = vm, .roms = roms };

        if (!reader.parser)
                return -ENOMEM;
        vm->n_addresses = 0;
        if (roms)
                *roms = (GuestRoms){ 0 };
        XML_SetUserData(reader.parser, &reader);
        XML_SetElementHandler(reader.parser, on_start, on_end);
        XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
        if (size > LIBVIRT_DOMAIN_SIZE_MAX)
                reader.error = -E2BIG;
        else if (XML_Parse(reader.parser, xml, (int)size, true) != XML_STATUS_OK &&
                 reader.error == 0)
                reader.error =
                        XML_GetErrorCode(reader.parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
        XML_ParserFree(reader.parser);
        free(reader.rom);
        return reader.error;
}

char *libvirt_domain_format(const Vm *vm, const GuestRoms *roms) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        (void)fputs("<domain>\n  <devices>\n", out);
        for (size_t i = 0; i < vm->n_addresses; i++) {
                const PciAddress *address = &vm->addresses[i];

                (void)fprintf(
                        out,
                        "    <hostdev mode='subsystem' type='pci'><source><address "
                        "domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>"
                        "</source>%s</hostdev>\n",
                        (unsigned)address->domain, address->bus, address->device, address->function,
                        guest_roms_has(roms, *address) ? "<rom file='/" GUEST_ROM_UNNAMED "'/>"
                                                       : "");
        }
        (void)fputs("  </devices>\n</domain>\n", out);
        return fclose(out) == 0 ? TAKE_PTR(text) : NULL;
}

VmWord libvirt_reason_word(const char *reason) {
        static const char *const failures[] = { "crashed", "failed", "daemon" };

        for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
                if (strcmp(reason, failures[i]) == 0)
                        return VM_WORD_FAILED;
        return VM_WORD_STOPPED;
}

void libvirt_log_reason(const char *log, char *buffer, size_t size) {
        static const char mark[] = "shutting down, reason=";
        const char *last = NULL;

        buffer[0] = '\0';
        for (const char *at = log; (at = strstr(at, mark)); at++)
                last = at + strlen(mark);
        if (last)
                (void)snprintf(buffer, size, "%.*s", (int)strcspn(last, "\r\n"), last);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "proxmox-guest.h"

#define HOSTPCI "hostpci"
#define ONBOOT "onboot:"
#define HOOKSCRIPT "hookscript:"
#define ROM_DIRECTORY "/usr/share/kvm/" /* put before any romfile, also a whole path */
#define DIGITS "0123456789"

static const char *next_line(const char **cursor, size_t *ret_length) {
        const char *line = *cursor;

        if (*line == '\0')
                return NULL;
        *ret_length = strcspn(line, "\n");
        *cursor = line + *ret_length + (line[*ret_length] == '\n');
        return line;
}

/* --- addresses --- */

static int add(Vm *vm, PciAddress address) {
        if (vm->n_addresses == VM_ADDRESSES_MAX)
                return -E2BIG;
        vm->addresses[vm->n_addresses++] = address;
        return 0;
}

/* "0b:00", "0b:00.1", "0000:0b:00", "0000:0b:00.1": the first two without a domain. */
static int add_address(Vm *vm, const char *text, size_t length) {
        const char *point = memchr(text, '.', length), *colon = memchr(text, ':', length);
        bool has_domain = colon && memchr(colon + 1, ':', length - (size_t)(colon + 1 - text));
        char whole[PCI_ADDRESS_SIZE];
        PciAddress address;
        int n;

        n = snprintf(whole, sizeof(whole), "%s%.*s%s", has_domain ? "" : "0000:", (int)length, text,
                     point ? "" : ".0");
        if (n < 0 || (size_t)n >= sizeof(whole) || pci_address_parse(whole, &address) < 0)
                return -EBADMSG;
        for (unsigned function = address.function;
             function < (point ? address.function + 1u : PCI_SLOT_FUNCTIONS); function++) {
                int r;

                address.function = (uint8_t)function;
                r = add(vm, address);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Several, with semicolons between. */
static int add_addresses(Vm *vm, const char *text, size_t length) {
        while (length > 0) {
                const char *end = memchr(text, ';', length);
                size_t n = end ? (size_t)(end - text) : length;
                int r = add_address(vm, text, n);

                if (r < 0 || !end)
                        return r;
                text += n + 1;
                length -= n + 1;
        }
        return -EBADMSG;
}

/* --- properties: words with commas between, of which the first may have no key --- */

/* Finds the value of a key in @text; @is_default: without a key it is the first one's. */
static const char *find_property(const char *text, size_t length, const char *key, bool is_default,
                                 size_t *ret_length) {
        bool is_first = true;

        while (length > 0) {
                const char *end = memchr(text, ',', length);
                size_t n = end ? (size_t)(end - text) : length;
                const char *equals = memchr(text, '=', n);

                if (equals && (size_t)(equals - text) == strlen(key) &&
                    strncmp(text, key, strlen(key)) == 0) {
                        *ret_length = n - (size_t)(equals + 1 - text);
                        return equals + 1;
                }
                if (!equals && is_first && is_default) {
                        *ret_length = n;
                        return text;
                }
                if (!end)
                        break;
                is_first = false;
                text += n + 1;
                length -= n + 1;
        }
        return NULL;
}

static size_t skip_blanks(const char **text, size_t length) {
        while (length > 0 && (**text == ' ' || **text == '\t')) {
                (*text)++;
                length--;
        }
        while (length > 0 && strchr(" \t\r", (*text)[length - 1]))
                length--;
        return length;
}

/* What a hostpci line says of all that it gives. */
typedef struct Options {
        const char *rom;
        size_t n_rom;
        bool is_kept; /* driver=keep: it is on the driver that it is to be on */
} Options;

/* Of what one line gives, the first function has the ROM (qemu-server: PVE/QemuServer/PCI.pm). */
static int add_with_options(Vm *vm, ProxmoxGuest *guest, const char *text, size_t length,
                            const Options *options) {
        size_t first = vm->n_addresses;
        int r = add_addresses(vm, text, length);

        if (r < 0)
                return r;
        guest_roms_add(&guest->roms, vm->addresses[first], ROM_DIRECTORY, options->rom,
                       options->n_rom);
        for (size_t i = first; !options->is_kept && i < vm->n_addresses; i++)
                guest->bound |= UINT64_C(1) << i;
        return 0;
}

static int read_mapping(const char *name, size_t length, const Options *options,
                        ProxmoxGuest *guest) {
        ProxmoxMapping *mapping = &guest->mappings[guest->n_mappings];

        if (guest->n_mappings == PROXMOX_MAPPINGS_MAX)
                return -E2BIG;
        if (parse_copy(mapping->rom, sizeof(mapping->rom), options->rom, options->n_rom) < 0) {
                mapping->rom[0] = '\0';
                guest->roms.n_left_out++;
        }
        mapping->is_kept = options->is_kept;
        guest->n_mappings++;
        return parse_copy(mapping->name, sizeof(mapping->name), name, length);
}

static int read_hostpci(const char *value, size_t length, Vm *vm, ProxmoxGuest *guest) {
        static const char keep[] = "keep";
        size_t n, n_driver, n_rom = 0;
        const char *rom = find_property(value, length, "romfile", false, &n_rom);
        const char *driver = find_property(value, length, "driver", false, &n_driver);
        const char *host = find_property(value, length, "host", true, &n);
        const Options options = {
                .rom = rom ? rom : "",
                .n_rom = n_rom,
                .is_kept =
                        driver && n_driver == strlen(keep) && strncmp(driver, keep, n_driver) == 0,
        };

        if (host)
                return add_with_options(vm, guest, host, n, &options);
        host = find_property(value, length, "mapping", false, &n);
        if (!host || n == 0)
                return -EBADMSG;
        return read_mapping(host, n, &options, guest);
}

/* A boolean of theirs has more words than 1; what is not one of them is false to them, too. */
static bool is_onboot(const char *line, size_t length, bool *ret) {
        static const char *const words[] = { "1", "on", "yes", "true" };
        const char *value = line + strlen(ONBOOT);
        size_t n;

        if (length <= strlen(ONBOOT) || strncmp(line, ONBOOT, strlen(ONBOOT)) != 0)
                return false;
        n = skip_blanks(&value, length - strlen(ONBOOT));
        *ret = false;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                *ret |= n == strlen(words[i]) && strncasecmp(value, words[i], n) == 0;
        return true;
}

/* One that is too long leads nowhere either. */
static bool is_hookscript(const char *line, size_t length,
                          char ret[static PROXMOX_HOOKSCRIPT_SIZE]) {
        const char *value = line + strlen(HOOKSCRIPT);
        size_t n;

        if (length <= strlen(HOOKSCRIPT) || strncmp(line, HOOKSCRIPT, strlen(HOOKSCRIPT)) != 0)
                return false;
        n = skip_blanks(&value, length - strlen(HOOKSCRIPT));
        (void)snprintf(ret, PROXMOX_HOOKSCRIPT_SIZE, "%.*s", (int)n, value);
        return true;
}

int proxmox_guest_parse(const char *text, Vm *vm, ProxmoxGuest *ret) {
        const char *line;
        size_t length;

        *ret = (ProxmoxGuest){ 0 };
        while ((line = next_line(&text, &length)) && line[0] != '[') {
                size_t key = strlen(HOSTPCI), digits;
                const char *value;
                int r;

                if (is_onboot(line, length, &ret->onboot) ||
                    is_hookscript(line, length, ret->hookscript) || length <= key ||
                    strncmp(line, HOSTPCI, key) != 0)
                        continue;
                digits = strspn(line + key, DIGITS);
                if (digits == 0 || line[key + digits] != ':')
                        continue;
                value = line + key + digits + 1;
                length = skip_blanks(&value, length - (size_t)(value - line));
                r = read_hostpci(value, length, vm, ret);
                if (r < 0)
                        return r == -ENAMETOOLONG ? -EBADMSG : r;
        }
        return 0;
}

static bool is_bound(uint64_t bound, size_t index) {
        return bound >> index & 1;
}

/* There may be no more ROMs than there were: of a function that is named twice the first has it. */
static bool is_given_rom(const Vm *vm, const GuestRoms *roms, size_t index) {
        if (!guest_roms_has(roms, vm->addresses[index]))
                return false;
        for (size_t i = 0; i < index; i++)
                if (pci_address_compare(vm->addresses[i], vm->addresses[index]) == 0)
                        return false;
        return true;
}

char *proxmox_guest_format(const Vm *vm, const GuestRoms *roms, uint64_t bound, bool onboot) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0, n_lines = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        if (onboot)
                (void)fputs(ONBOOT " 1\n", out);
        for (size_t i = 0, end; i < vm->n_addresses; i = end) {
                char address[PCI_ADDRESS_SIZE];

                (void)fprintf(out, HOSTPCI "%zu: %s", n_lines++,
                              pci_address_format(vm->addresses[i], address));
                /* A ROM is the first function's of its line. */
                for (end = i + 1; end < vm->n_addresses && !is_given_rom(vm, roms, end) &&
                                  is_bound(bound, end) == is_bound(bound, i);
                     end++)
                        (void)fprintf(out, ";%s", pci_address_format(vm->addresses[end], address));
                (void)fprintf(out, "%s%s\n",
                              is_given_rom(vm, roms, i) ? ",romfile=" GUEST_ROM_UNNAMED : "",
                              is_bound(bound, i) ? "" : ",driver=keep");
        }
        return fclose(out) == 0 ? TAKE_PTR(text) : NULL;
}

/* --- mappings --- */

static bool is_of_node(const char *value, size_t length, const char *node) {
        size_t n;
        const char *of = find_property(value, length, "node", false, &n);

        return of && n == strlen(node) && strncmp(of, node, n) == 0;
}

int proxmox_mapping_parse(const char *text, const ProxmoxMapping *mapping, const char *node, Vm *vm,
                          ProxmoxGuest *guest) {
        const Options options = { mapping->rom, strlen(mapping->rom), mapping->is_kept };
        bool is_it = false;
        const char *line;
        size_t length;

        while ((line = next_line(&text, &length))) {
                const char *value = line, *path;
                size_t n = skip_blanks(&value, length), n_path;
                int r;

                if (value == line) {
                        is_it = n == strlen(mapping->name) && strncmp(line, mapping->name, n) == 0;
                        continue;
                }
                if (!is_it || n <= 4 || strncmp(value, "map ", 4) != 0)
                        continue;
                value += 4;
                n -= 4;
                path = is_of_node(value, n, node) ? find_property(value, n, "path", false, &n_path)
                                                  : NULL;
                r = path ? add_with_options(vm, guest, path, n_path, &options) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- storages --- */

/* "TYPE: NAME", and indented lines of "KEY VALUE" below it. */
int proxmox_storage_parse(const char *text, const char *name, size_t length,
                          char path[static PROXMOX_PATH_SIZE]) {
        static const char key[] = "path";
        bool is_it = false;
        const char *line;
        size_t line_length;

        while ((line = next_line(&text, &line_length))) {
                const char *value = line;
                size_t n = skip_blanks(&value, line_length);

                if (value == line) {
                        const char *colon = memchr(line, ':', n);

                        value = colon ? colon + 1 : line;
                        n = colon ? skip_blanks(&value, n - (size_t)(value - line)) : 0;
                        is_it = n == length && memcmp(value, name, n) == 0;
                        continue;
                }
                if (!is_it || n <= strlen(key) || strncmp(value, key, strlen(key)) != 0)
                        continue;
                value += strlen(key);
                n -= strlen(key);
                if (*value != ' ' && *value != '\t')
                        continue;
                n = skip_blanks(&value, n);
                if (n > 0 && value[0] == '/')
                        return parse_copy(path, PROXMOX_PATH_SIZE, value, n);
        }
        return -ENOENT;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A version; then a line for each: word, time, addresses, and the name last, since that may have
 * blanks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "vm-list.h"

#define HEADER_KEY "vfio-mode-vms"
#define VERSION "1"
#define KEY "vm"
#define LINE_SIZE (VM_NAME_SIZE + VM_ADDRESSES_MAX * PCI_ADDRESS_SIZE + 64)

static const char *const words[_VM_WORD_MAX] = {
        [VM_WORD_BEGUN] = "begun",   [VM_WORD_STOPPED] = "stopped",       [VM_WORD_ENDED] = "ended",
        [VM_WORD_FAILED] = "failed", [VM_WORD_RESTARTING] = "restarting",
};

bool vm_name_is_valid(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length >= VM_NAME_SIZE)
                return false;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
                        return false;
        return true;
}

bool vm_names_function(const Vm *vm, PciAddress address) {
        for (size_t i = 0; i < vm->n_addresses; i++)
                if (pci_address_compare(vm->addresses[i], address) == 0)
                        return true;
        return false;
}

const char *vm_word_name(VmWord word) {
        return words[word];
}

static int parse_word_name(const char *name, size_t length, VmWord *ret) {
        for (VmWord word = 0; word < _VM_WORD_MAX; word++)
                if (strlen(words[word]) == length && strncmp(words[word], name, length) == 0) {
                        *ret = word;
                        return 0;
                }
        return -EINVAL;
}

int vm_word_parse_end(const char *name, VmWord *ret) {
        VmWord word;

        if (parse_word_name(name, strlen(name), &word) < 0 || word == VM_WORD_BEGUN)
                return -EINVAL;
        *ret = word;
        return 0;
}

bool vm_is_expected(const Vm *vm) {
        return vm->word == VM_WORD_BEGUN || vm->word == VM_WORD_RESTARTING;
}

Vm *vm_list_find(VmList *list, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->vms[i].name, name) == 0)
                        return &list->vms[i];
        return NULL;
}

static Vm *make_room(VmList *list) {
        Vm *oldest = NULL;

        if (list->n < VM_LIST_MAX)
                return &list->vms[list->n++];
        for (size_t i = 0; i < list->n; i++)
                if (!vm_is_expected(&list->vms[i]) && (!oldest || list->vms[i].time < oldest->time))
                        oldest = &list->vms[i];
        return oldest;
}

int vm_list_note(VmList *list, const Vm *vm) {
        Vm *place = vm_list_find(list, vm->name);

        if (!place)
                place = make_room(list);
        if (!place)
                return -ENOSPC;
        *place = *vm;
        return 0;
}

/* --- as text --- */

static void print_vm(const Vm *vm, FILE *file) {
        char address[PCI_ADDRESS_SIZE];

        (void)fprintf(file, KEY "=%s %" PRIu64 " ", words[vm->word], vm->time);
        for (size_t i = 0; i < vm->n_addresses; i++)
                (void)fprintf(file, "%s%s", i > 0 ? "," : "",
                              pci_address_format(vm->addresses[i], address));
        (void)fprintf(file, " %s\n", vm->name);
}

int vm_list_format(const VmList *list, char *buffer, size_t size) {
        FILE *file = record_begin(buffer, size);

        if (!file)
                return -ENOSPC;
        record_print(file, HEADER_KEY, VERSION);
        for (size_t i = 0; i < list->n; i++)
                print_vm(&list->vms[i], file);
        return record_end(file, size);
}

static int parse_addresses(const char *word, size_t length, Vm *vm) {
        while (length > 0) {
                const char *comma = memchr(word, ',', length);
                size_t n = comma ? (size_t)(comma - word) : length;
                char address[PCI_ADDRESS_SIZE];

                if (vm->n_addresses == VM_ADDRESSES_MAX ||
                    parse_copy(address, sizeof(address), word, n) < 0 ||
                    pci_address_parse(address, &vm->addresses[vm->n_addresses]) < 0)
                        return -EBADMSG;
                vm->n_addresses++;
                if (!comma)
                        return 0;
                word += n + 1;
                length -= n + 1;
        }
        return -EBADMSG;
}

static int parse_vm(const char *value, Vm *vm) {
        char time[24];
        const char *word;
        size_t length;

        word = parse_word(&value, &length);
        if (!word || parse_word_name(word, length, &vm->word) < 0)
                return -EBADMSG;
        word = parse_word(&value, &length);
        if (!word || parse_copy(time, sizeof(time), word, length) < 0 ||
            parse_decimal(time, INT64_MAX, &vm->time) < 0)
                return -EBADMSG;
        word = parse_word(&value, &length);
        if (!word || parse_addresses(word, length, vm) < 0 || *value != ' ')
                return -EBADMSG;
        value++;
        if (!vm_name_is_valid(value))
                return -EBADMSG;
        return parse_copy(vm->name, sizeof(vm->name), value, strlen(value)) < 0 ? -EBADMSG : 0;
}

int vm_list_parse(const char *text, VmList *ret) {
        _cleanup_free_ VmList *list = calloc(1, sizeof(*list));
        char line[LINE_SIZE];
        const char *value;
        int r;

        if (!list)
                return -ENOMEM;
        r = record_expect(&text, HEADER_KEY, VERSION);
        if (r < 0)
                return r;
        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                Vm *vm = &list->vms[list->n];

                if (strcmp(line, KEY) != 0 || list->n == VM_LIST_MAX || parse_vm(value, vm) < 0)
                        return -EBADMSG;
                /* Of each one line. */
                if (vm_list_find(list, vm->name))
                        return -EBADMSG;
                list->n++;
        }
        if (r < 0)
                return r;
        *ret = *list;
        return 0;
}

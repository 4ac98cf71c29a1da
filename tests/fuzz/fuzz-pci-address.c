/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/pci-address: any text is refused, with the result untouched, or it is an address, id or
 * modalias that says the same when it is written out again.
 */
#undef NDEBUG

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pci-address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text) {
        PciAddress address, again;
        char formatted[PCI_ADDRESS_SIZE];
        const char *domain = text;

        memset(&address, 0xa5, sizeof(address));
        again = address;
        if (pci_address_parse(text, &address) < 0) {
                assert(memcmp(&address, &again, sizeof(address)) == 0);
                return;
        }
        assert(address.device < 32 && address.function < 8);
        assert(pci_address_parse(pci_address_format(address, formatted), &again) == 0);
        assert(pci_address_compare(address, again) == 0 && pci_address_same_slot(address, again));

        /* The same text, but for case and for zeros in front of a long domain. */
        while (strlen(domain) > strlen(formatted) && *domain == '0')
                domain++;
        assert(strcasecmp(domain, formatted) == 0);
}

static void check_id(const char *text) {
        PciId id = { 0x1234, 0x5678 }, again = id;
        char formatted[PCI_ID_SIZE];

        if (pci_id_parse(text, &id) < 0) {
                assert(pci_id_equal(id, again));
                return;
        }
        assert(strcasecmp(pci_id_format(id, formatted), text) == 0);
}

static void check_modalias(const char *text) {
        PciModalias modalias = { { 0x1234, 0x5678 }, UINT32_MAX };
        char head[32], tail[16];

        if (pci_modalias_parse(text, &modalias) < 0) {
                assert(modalias.id.vendor == 0x1234 && modalias.class_code == UINT32_MAX);
                return;
        }
        snprintf(head, sizeof(head), "pci:v%08Xd%08Xsv", (unsigned)modalias.id.vendor,
                 (unsigned)modalias.id.device);
        snprintf(tail, sizeof(tail), "bc%02Xsc%02Xi%02X", modalias.class_code >> 16,
                 modalias.class_code >> 8 & 0xff, modalias.class_code & 0xff);
        assert(strlen(text) == strlen("pci:v12345678d12345678sv12345678sd12345678bc12sc12i12"));
        assert(strncasecmp(text, head, strlen(head)) == 0);
        assert(strcasecmp(text + strlen(text) - strlen(tail), tail) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        assert(text);
        memcpy(text, data, size);
        text[size] = '\0';
        check_address(text);
        check_id(text);
        check_modalias(text);
        free(text);
        return 0;
}

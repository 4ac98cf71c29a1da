/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML, as libvirt's hook is given it; and the end of its log. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/libvirt-domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Vm *vm = calloc(1, sizeof(*vm));
        char *text = malloc(size + 1), reason[16];

        assert(vm && text);
        if (libvirt_domain_parse((const char *)data, size, vm) >= 0)
                assert(vm->n_addresses <= VM_ADDRESSES_MAX);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        libvirt_log_reason(text, reason, sizeof(reason));
        assert(strlen(reason) < sizeof(reason));
        free(text);
        free(vm);
        return 0;
}

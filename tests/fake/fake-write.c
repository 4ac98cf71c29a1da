/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which part of the fake kernel a write is for. */
#include "fake-memory.h"
#include "fake-pci.h"

int fake_write(int root_fd, const FakeWrite *write) {
        /* A write of nothing never reaches the attribute (fs/kernfs/file.c). */
        if (write->length == 0)
                return 0;
        if (write->verb == FAKE_HUGEPAGES)
                return fake_memory_write(root_fd, write->driver, write->text, write->length);
        return fake_pci_write(root_fd, write);
}

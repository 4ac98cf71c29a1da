/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of the host that a libvirt domain is given, out of its XML
 * (https://libvirt.org/formatdomain.html). Pure.
 */
#pragma once

#include "guest-rom.h"
#include "vm-list.h"

#define LIBVIRT_DOMAIN_SIZE_MAX (4 * 1024 * 1024)

/**
 * Finds the PCI addresses in the <source> of a domain's devices: <hostdev type='pci'>, <interface
 * type='hostdev'>, <disk type='nvme'>.
 *
 * @xml: @size bytes; need not be terminated
 * @vm: gets them
 * @roms: gets the files of their <rom file=...>; NULL: not asked for
 *
 * Returns 0; -EBADMSG where it is no XML of a domain, or has a document type; -E2BIG where there
 * are more than VM_ADDRESSES_MAX; -ENOMEM.
 */
_must_check_ int libvirt_domain_parse(const char *xml, size_t size, Vm *vm, GuestRoms *roms);

/** Writes the XML of a domain that is given these functions, and for some of them a ROM file that
 * is called GUEST_ROM_UNNAMED, and of which nothing else is known, for libvirt_domain_parse().
 * Returns new memory, which the caller frees; NULL where there is none.
 */
char *libvirt_domain_format(const Vm *vm, const GuestRoms *roms);

/**
 * How a domain ended, by libvirt's word for it (virDomainShutoffReasonTypeToString(), which hooks
 * are given since 10.5.0 and a domain's log has before): VM_WORD_FAILED for crashed, failed and
 * daemon, else VM_WORD_STOPPED.
 */
VmWord libvirt_reason_word(const char *reason);

/**
 * The reason that the end of a domain's log names.
 *
 * @log: its last bytes
 * @buffer: gets the word; "" where the log names none
 */
void libvirt_log_reason(const char *log, char *buffer, size_t size);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI function's expansion ROM: a chain of images, each for one kind of firmware (PCI Firmware
 * Specification 3.3, chapter 5; UEFI Specification 2.10, 14.4.2). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "pci-address.h"

#define PCI_ROM_SIZE_MAX ((size_t)16 << 20) /* the largest that an expansion ROM BAR can decode */
#define PCI_ROM_IMAGES_MAX 16
#define PCI_ROM_IMAGE_TEXT_SIZE 48

#define PCI_ROM_CODE_X86 0x00u
#define PCI_ROM_CODE_EFI 0x03u

/** What is wrong with a ROM, or with one of its images. */
typedef enum PciRomFault {
        PCI_ROM_GOOD,
        PCI_ROM_EMPTY,        /**< no byte at all */
        PCI_ROM_NO_SIGNATURE, /**< where an image should begin there is no 55 AA */
        PCI_ROM_NO_DATA,      /**< the header leads to no PCI data structure ("PCIR") */
        PCI_ROM_NO_LENGTH,    /**< an image without length: nothing behind it can be found */
        PCI_ROM_CUT,          /**< it ends inside an image */
        PCI_ROM_NO_LAST,      /**< it ends behind an image that is not marked as the last */
        PCI_ROM_TOO_MANY,     /**< more images than PCI_ROM_IMAGES_MAX */
        PCI_ROM_CHECKSUM,     /**< of an x86 image: its bytes do not add up to zero */
        PCI_ROM_OTHER_DEVICE, /**< of an image: it is for another device */
        PCI_ROM_NO_EFI,       /**< of an EFI image: its header lacks EFI's signature */
        _PCI_ROM_FAULT_MAX,
} PciRomFault;

typedef struct PciRomImage {
        size_t offset;        /**< in the ROM */
        size_t length;        /**< as it says itself; behind the ROM's end where it is cut */
        PciId id;             /**< of the device that it is for */
        uint8_t code_type;    /**< PCI_ROM_CODE_*, or another */
        uint16_t efi_machine; /**< of an EFI image: the PE machine type */
        bool is_compressed;   /**< of an EFI image */
        bool is_last;         /**< it says that none follows */
        PciRomFault fault;    /**< the first that was found */
} PciRomImage;

typedef struct PciRom {
        PciRomImage images[PCI_ROM_IMAGES_MAX];
        size_t n_images;
        size_t length;     /**< of the chain; what is behind it is no image, but vendors' own */
        PciRomFault fault; /**< of the chain: why it breaks off at `length` */
} PciRom;

/** Finds the images of @size bytes at @data, which should be for the device @id. What is found of a
 * ROM that is damaged is in @ret all the same. */
void pci_rom_parse(const uint8_t *data, size_t size, PciId id, PciRom *ret);

/** Finds the first image where the ROM does not begin with one: vendors' flash programs put a
 * header before it, of whole units of 512 bytes. Returns its offset, or 0 where there is none
 * behind the begin. */
size_t pci_rom_find(const uint8_t *data, size_t size);

/** The first fault of the ROM or of an image; PCI_ROM_GOOD where it is complete and valid. */
PciRomFault pci_rom_fault(const PciRom *rom);

/** Whether it has an image of that type. */
bool pci_rom_has_code(const PciRom *rom, unsigned code_type);

/** A fault's name in JSON, such as "checksum"; "none" for PCI_ROM_GOOD. */
const char *pci_rom_fault_name(PciRomFault fault);

/** A fault in words, as they go behind "it": "ends inside an image". "" for PCI_ROM_GOOD. */
const char *pci_rom_fault_text(PciRomFault fault);

/** What a code type is called: x86, open-firmware, pa-risc, efi; "other". */
const char *pci_rom_code_name(unsigned code_type);

/** What an EFI machine type is called in the names of its files (UEFI Specification, 3.5.1.1), such
 * as x64; NULL where it is not known. */
const char *pci_rom_machine_name(uint16_t efi_machine);

/** What an image is, such as "efi x64, compressed". Returns @buffer. */
const char *pci_rom_image_format(const PciRomImage *image,
                                 char buffer[static PCI_ROM_IMAGE_TEXT_SIZE]);

/** Where the kernel reads a function's ROM (include/linux/ioport.h). */
typedef struct PciRomResource {
        uint64_t size;  /**< of the window, in bytes; 0: the function has no ROM */
        bool is_shadow; /**< it is memory at 0xc0000, where firmware copies the boot card's ROM */
} PciRomResource;

/**
 * Parses the attribute `resource`: its seventh line is that of the ROM (PCI_ROM_RESOURCE).
 *
 * Returns 0, or -EBADMSG with @ret untouched.
 */
_must_check_ int pci_rom_resource_parse(const char *text, PciRomResource *ret);

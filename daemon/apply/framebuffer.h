/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's framebuffer (host/firmware-framebuffer.h), taken off a display and given back.
 */
#pragma once

#include "writer.h"

/**
 * Takes it from its driver, which gives up the display's memory; where something else keeps that,
 * the log says so.
 *
 * @address: the function that it is on
 * @name: a platform device, such as "efi-framebuffer.0"
 *
 * Returns 0, also where no driver has it; else write(2)'s error.
 */
_must_check_ int framebuffer_release(Writer *writer, PciAddress address, const char *name);

/**
 * Gives it back to its driver, where the function has no driver, or again the one that it stood
 * beside: any other (vfio-pci, a guest by it, a driver that has come for the display) has the
 * memory that the framebuffer would draw to. Where it fails the log says so.
 *
 * @home_driver: that the function had when it was taken off; "": none
 */
void framebuffer_return(Writer *writer, PciAddress address, const char *name,
                        const char *home_driver);

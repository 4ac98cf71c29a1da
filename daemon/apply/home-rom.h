/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function is awake, enabled and gives its ROM for as long as that is read; and is put back then,
 * or by whoever comes after a reading that was cut short.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/run-state.h"
#include "writer.h"

/** Notes what a reading will change of a function. @is_shadow: its ROM is a copy in memory, which
 * is not the function's to give. */
HomeRom home_rom_note(const Root *root, PciAddress address, bool is_shadow);

/** Makes that change, which the writer takes back where it is left alone. Returns 0; -ENOENT where
 * it has no ROM; else the error of a write (writer.h). */
_must_check_ int home_rom_open(Writer *writer, const HomeRom *rom);

/** Puts back what differs from what was noted; nothing, where nothing was. What cannot be put back
 * is said in the log; nothing fails for it, unless it gets stuck (writer.h). A
 * switch's unit has not the CAP_SYS_ADMIN that the kernel wants for disabling a function
 * (enable_store()), which then stays enabled: where the writer was killed, too. */
void home_rom_put_back(Writer *writer, const HomeRom *rom);

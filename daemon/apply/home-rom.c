/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the order in which each of them needs the other: a function that sleeps cannot be enabled, and
 * one that is not enabled does not answer in memory.
 */
#include <errno.h>

#include "base/log.h"
#include "home-rom.h"
#include "power.h"
#include "sysfs.h"

HomeRom home_rom_note(const Root *root, PciAddress address, bool is_shadow) {
        HomeRom rom = { .is_known = true, .address = address };

        if (is_shadow)
                return rom;
        rom.is_enabled = sysfs_is_disabled(root, address);
        if (power_may_sleep(root, address))
                power_policy_set_control(&rom.power, "auto");
        return rom;
}

/* As home_rom_put_back() will, but for who is killed before. The writer is another process. */
static int arrange_end(Writer *writer, const HomeRom *rom) {
        int r = sysfs_disable_rom_at_end(writer, rom->address);

        if (r >= 0 && rom->is_enabled)
                r = sysfs_disable_at_end(writer, rom->address);
        if (r >= 0 && power_policy_is_known(&rom->power))
                r = power_may_sleep_at_end(writer, rom->address);
        return r;
}

int home_rom_open(Writer *writer, const HomeRom *rom) {
        int r = arrange_end(writer, rom);

        if (r >= 0 && power_policy_is_known(&rom->power))
                r = power_wake(writer, rom->address);
        if (r >= 0 && rom->is_enabled)
                r = sysfs_enable(writer, rom->address);
        return r < 0 ? r : sysfs_enable_rom(writer, rom->address);
}

/* Of one that was pulled out meanwhile there is nothing to say. */
static void check(const Writer *writer, int r, const char *what, const HomeRom *rom) {
        char name[PCI_ADDRESS_SIZE];

        if (r < 0 && r != -ENOENT && !writer->is_stuck)
                log_warning_errno(r, "%s%s cannot be disabled again: %m", what,
                                  pci_address_format(rom->address, name));
}

void home_rom_put_back(Writer *writer, const HomeRom *rom) {
        const HomeFunction home = { .address = rom->address, .power = rom->power };

        if (!rom->is_known)
                return;
        check(writer, sysfs_disable_rom(writer, rom->address), "The ROM of ", rom);
        if (rom->is_enabled && !writer->is_stuck)
                check(writer, sysfs_disable(writer, rom->address), "", rom);
        power_put_back(writer, &home);
        writer_forget_end(writer);
}

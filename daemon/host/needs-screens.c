/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only a VGA has `boot_vga`. What else shows the console (class 0380) is known by its framebuffer,
 * be it its driver's or the firmware's, which lies below the function; on a kernel 6.1 the
 * firmware's does not, and is known by the memory that it claims.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "firmware-framebuffer.h"
#include "model/host.h"
#include "needs-screens.h"

#define PCI_DIR "sys/bus/pci/devices"
#define FRAMEBUFFERS_MAX 32  /* kernel: FB_MAX */
#define PCI_CLASS_3D 0x0302u /* it has no outputs */
#define LINE_SIZE 128

typedef struct Screens {
        const Root *root;
        Needs *needs;
        PciAddress console;      /* 0000:00:00.0: of no function */
        bool console_is_nowhere; /* its framebuffer lies below no function */
} Screens;

/* The console is on the first that there is, unless somebody has moved it (con2fbmap). */
static int find_console(const Root *root, Screens *ret) {
        char name[8], target[PATH_MAX];
        Need need = { 0 };
        int r = -ENOENT;

        for (unsigned i = 0; i < FRAMEBUFFERS_MAX && r < 0; i++) {
                (void)snprintf(name, sizeof(name), "fb%u", i);
                r = needs_read_target(root, "sys/class/graphics", name, target);
        }
        if (r >= 0)
                r = need_read_path(root, target, &need);
        if (r >= 0 && need.n_path > 0)
                ret->console = need.path[need.n_path - 1];
        ret->console_is_nowhere = r >= 0 && need.n_path == 0;
        return r == -ENOSPC ? r : 0;
}

/* Of one function; what cannot be read is none. */
static const char *read_line(const Root *root, const char *name, const char *attribute,
                             char buffer[static LINE_SIZE]) {
        char path[NEEDS_PATH_SIZE];

        (void)snprintf(path, sizeof(path), PCI_DIR "/%s/%s", name, attribute);
        if (file_read_line_at(root->fd, path, buffer, LINE_SIZE) < 0)
                buffer[0] = '\0';
        return buffer;
}

static bool is_away(const Root *root, const char *name) {
        char path[NEEDS_PATH_SIZE], driver[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), PCI_DIR "/%s/driver", name);
        return file_read_link_name_at(root->fd, path, driver, sizeof(driver)) >= 0 &&
               driver_name_is_vfio(driver);
}

static int read_path(const Root *root, const char *name, PciAddress address, Need *need) {
        char target[PATH_MAX];

        if (needs_read_target(root, PCI_DIR, name, target) >= 0)
                return need_read_path(root, target, need);
        need->path[need->n_path++] = address; /* in a copy of the machine */
        return 0;
}

static int visit_function(void *userdata, const char *name) {
        const Screens *screens = userdata;
        Need need = { .kind = NEED_SCREEN };
        char text[LINE_SIZE];
        PciModalias modalias;
        PciAddress address;
        int r;

        if (pci_address_parse(name, &address) < 0 ||
            pci_modalias_parse(read_line(screens->root, name, "modalias", text), &modalias) < 0 ||
            modalias.class_code >> 16 != PCI_CLASS_BASE_DISPLAY)
                return 0;
        need.shows_console = pci_address_compare(address, screens->console) == 0 ||
                             (screens->console_is_nowhere &&
                              firmware_framebuffer_claims(screens->root, address));
        if (!need.shows_console && modalias.class_code >> 8 == PCI_CLASS_3D)
                return 0;
        r = read_path(screens->root, name, address, &need);
        if (r < 0)
                return r;
        need.is_function = true;
        need.is_away = is_away(screens->root, name);
        need.is_boot_vga = modalias.class_code >> 8 == PCI_CLASS_VGA &&
                           strcmp(read_line(screens->root, name, "boot_vga", text), "1") == 0;
        need_say(&need, need.shows_console ? "The display that shows the console"
                                           : "The last display of the host");
        return needs_add(screens->needs, &need);
}

int needs_scan_screens(const Root *root, Needs *ret) {
        Screens screens = { .root = root, .needs = ret };
        int r;

        r = find_console(root, &screens);
        return r < 0 ? r : needs_for_each_entry(root, PCI_DIR, visit_function, &screens);
}

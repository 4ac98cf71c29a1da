/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A display belongs to the seat that udev's database names for its card, and to seat0 where none is
 * named.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/parse.h"
#include "device-nodes.h"
#include "login.h"
#include "sessions.h"
#include "units.h"

#define DEFAULT_SEAT "seat0"
#define ID_SEAT "\nE:ID_SEAT="
#define SEATS_MAX 4
#define DATABASE_MAX 8192 /* of one device */

typedef char Seat[sizeof(((Session *)NULL)->seat)];

typedef struct Seats {
        Seat list[SEATS_MAX];
        size_t n;
} Seats;

/* --- seats --- */

/* Where it cannot be read, seat0 would be a guess, at whose sessions are to end. */
static int read_seat(const Root *root, dev_t number, Seat ret) {
        char path[64], text[DATABASE_MAX], *found;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "run/udev/data/c%u:%u", major(number), minor(number));
        n = file_read_at(root->fd, path, text, sizeof(text));
        if (n < 0 && n != -ENOENT)
                return (int)n;
        found = n < 0 ? NULL : strstr(text, ID_SEAT);
        if (found)
                found += strlen(ID_SEAT);
        if (!found || parse_copy(ret, sizeof(Seat), found, strcspn(found, "\n")) < 0)
                (void)snprintf(ret, sizeof(Seat), DEFAULT_SEAT);
        return 0;
}

static void add_seat(Seats *seats, const char *seat) {
        for (size_t i = 0; i < seats->n; i++)
                if (strcmp(seats->list[i], seat) == 0)
                        return;
        if (seats->n < SEATS_MAX)
                (void)snprintf(seats->list[seats->n++], sizeof(Seat), "%s", seat);
}

static int add_seats_of(const Root *root, const Function *function, Seats *ret) {
        _cleanup_free_ DeviceNodes *nodes = calloc(1, sizeof(*nodes));
        int r;

        if (!nodes)
                return -ENOMEM;
        r = device_nodes_add(root, function, nodes);
        for (size_t i = 0; r >= 0 && i < nodes->n; i++)
                if (device_node_is_card(nodes->list[i].number)) {
                        Seat seat;

                        r = read_seat(root, nodes->list[i].number, seat);
                        if (r >= 0)
                                add_seat(ret, seat);
                }
        return r;
}

/* --- screens --- */

/* A 3D controller has no outputs, and what somebody else has put on vfio-pci shows nothing either.
 */
static bool shows_something(int devices_fd, const char *name) {
        char path[64], class[16], driver[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), "%s/class", name);
        if (file_read_line_at(devices_fd, path, class, sizeof(class)) < 0 ||
            strncmp(class, "0x03", 4) != 0 || strncmp(class, "0x0302", 6) == 0)
                return false;
        (void)snprintf(path, sizeof(path), "%s/driver", name);
        return file_read_link_name_at(devices_fd, path, driver, sizeof(driver)) < 0 ||
               !driver_name_is_vfio(driver);
}

bool sessions_have_other_screen(const Root *root, const Plan *plan) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, "sys/bus/pci/devices");
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                PciAddress address;

                if (pci_address_parse(entry->d_name, &address) >= 0 &&
                    !plan_has_vfio(plan, address) && shows_something(dirfd(dir), entry->d_name))
                        return true;
        }
        return false;
}

/* --- the look --- */

static int look_at_manager(Sessions *ret) {
        static const char names[1][CONFIG_UNIT_SIZE] = { DISPLAY_MANAGER };
        UnitState state;
        int r;

        r = units_look(names, 1, &state);
        if (r >= 0 && state.runs)
                (void)memcpy(ret->manager, state.id, sizeof(ret->manager));
        return r;
}

static int find_seats(const Root *root, const Host *host, const Plan *plan, Seats *seats,
                      PciAddress *ret_display) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(host, step->address);

                if (!step_takes_from_driver(step) || !function || function->on_vfio ||
                    !function_is_display(function))
                        continue;
                *ret_display = function->address;
                r = add_seats_of(root, function, seats);
                if (seats->n == 0)
                        add_seat(seats, DEFAULT_SEAT);
        }
        return r;
}

int sessions_look(const Root *root, const Host *host, const Plan *plan, const ConfigMode *mode,
                  Sessions *ret) {
        Seats seats = { .n = 0 };
        int r;

        (void)memset(ret, 0, sizeof(*ret));
        r = find_seats(root, host, plan, &seats, &ret->display);
        if (r < 0 || seats.n == 0)
                return r;
        r = look_at_manager(ret);
        for (size_t i = 0; r >= 0 && i < seats.n; i++)
                r = login_list_sessions(root, seats.list[i], ret);
        if (r >= 0 && ret->manager[0] != '\0')
                r = login_list_sessions_of_manager(root, ret);
        if (r >= 0 && mode->end_sessions && ret->n > 0)
                r = login_find_inhibitor(&ret->inhibitor);
        if (r < 0)
                return r;
        ret->has_other_screen = mode->end_sessions && sessions_have_other_screen(root, plan);
        ret->is_known = true;
        return 0;
}

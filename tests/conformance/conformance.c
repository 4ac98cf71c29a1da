/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conformance ROOT ADDRESS [BRIDGE]: what the kernel's PCI sysfs does, as one list of behaviours
 * that is run against the fake (with libfake-kernel.so preloaded, in every `meson test`) and,
 * unchanged, against a real kernel (as root, with ROOT /). TAP on stdout; the same list must hold
 * on both. For each there is a fake that is wrong in it (wrong-kernel.c).
 *
 * ADDRESS is a function that nobody minds losing for a second: bound to its host driver, which must
 * match it by its id, without an override and in an IOMMU group; the vfio-pci module is loaded.
 * BRIDGE is a bridge that may lose its driver as well; without one, what concerns bridges is
 * skipped. Both are left as they were found; the pool of hugepages of 2 MiB is left empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define ABSENT "0000:fe:1f.7"

typedef struct Subject {
        int root_fd;
        const char *address;
        const char *bridge; /* NULL: none is given up */
        char host_driver[64];
        char bridge_driver[64];
        char ids[16]; /* "8086 2668" */
} Subject;

typedef struct Behaviour {
        const char *name; /* its function's */
        const char *title;
        bool (*holds)(const Subject *subject);
} Behaviour;

/* --- looking and writing --- */

__attribute__((format(printf, 2, 3))) static const char *print(char text[PATH_MAX],
                                                               const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, PATH_MAX, format, arguments);
        va_end(arguments);
        return text;
}

/* One open(2), one write(2), as every program should. Returns 0 or the errno. */
static int write_bytes(const Subject *subject, const char *path, const char *bytes, size_t length) {
        ssize_t n;
        int fd, error;

        fd = openat(subject->root_fd, path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return errno;
        n = write(fd, bytes, length);
        error = n < 0 ? errno : 0;
        (void)close(fd);
        return n >= 0 && n != (ssize_t)length ? -1 : error;
}

static int write_driver(const Subject *subject, const char *driver, const char *attribute,
                        const char *text) {
        char path[PATH_MAX];

        return write_bytes(subject, print(path, "sys/bus/pci/drivers/%s/%s", driver, attribute),
                           text, strlen(text));
}

static int bind_to(const Subject *subject, const char *driver) {
        return write_driver(subject, driver, "bind", subject->address);
}

static int unbind_from(const Subject *subject, const char *driver) {
        return write_driver(subject, driver, "unbind", subject->address);
}

static int probe(const Subject *subject, const char *address) {
        return write_bytes(subject, "sys/bus/pci/drivers_probe", address, strlen(address));
}

static int override_bytes(const Subject *subject, const char *bytes, size_t length) {
        char path[PATH_MAX];

        return write_bytes(subject,
                           print(path, "sys/bus/pci/devices/%s/driver_override", subject->address),
                           bytes, length);
}

static int override(const Subject *subject, const char *text) {
        return override_bytes(subject, text, strlen(text));
}

static bool reads(const Subject *subject, const char *attribute, const char *expected) {
        char path[PATH_MAX], text[TEXT_MAX];
        ssize_t n;
        int fd;

        fd = openat(subject->root_fd,
                    print(path, "sys/bus/pci/devices/%s/%s", subject->address, attribute),
                    O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        n = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        text[n > 0 ? n : 0] = '\0';
        return strcmp(text, expected) == 0;
}

static bool override_reads(const Subject *subject, const char *expected) {
        return reads(subject, "driver_override", expected);
}

static int set_power(const Subject *subject, const char *attribute, const char *text) {
        char path[PATH_MAX];

        return write_bytes(subject,
                           print(path, "sys/bus/pci/devices/%s/%s", subject->address, attribute),
                           text, strlen(text));
}

static const char *driver_of(const Subject *subject, const char *address, char driver[64]) {
        char path[PATH_MAX], target[PATH_MAX];
        ssize_t n;

        driver[0] = '\0';
        n = readlinkat(subject->root_fd, print(path, "sys/bus/pci/devices/%s/driver", address),
                       target, sizeof(target) - 1);
        if (n > 0) {
                target[n] = '\0';
                (void)snprintf(driver, 64, "%.63s", strrchr(target, '/') + 1);
        }
        return driver;
}

static bool is_on(const Subject *subject, const char *expected) {
        char driver[64];

        return strcmp(driver_of(subject, subject->address, driver), expected) == 0;
}

static bool exists(const Subject *subject, const char *path) {
        return faccessat(subject->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool has_vfio_dev(const Subject *subject) {
        char path[PATH_MAX];

        return exists(subject, print(path, "sys/bus/pci/devices/%s/vfio-dev", subject->address));
}

/* The state that every behaviour starts from: on the host driver, or unbound, and no override. */
static void go_home(const Subject *subject, bool bound) {
        char driver[64];

        (void) override(subject, "\n");
        if (driver_of(subject, subject->address, driver)[0] != '\0' &&
            (!bound || strcmp(driver, subject->host_driver) != 0))
                (void)unbind_from(subject, driver);
        if (bound && !is_on(subject, subject->host_driver))
                (void)bind_to(subject, subject->host_driver);
}

static void go_to_vfio(const Subject *subject) {
        go_home(subject, false);
        (void) override(subject, "vfio-pci");
        (void)bind_to(subject, "vfio-pci");
}

/* --- driver_override --- */

static bool unset_reads_null(const Subject *s) {
        return override_reads(s, "(null)\n");
}

static bool set_reads_back(const Subject *s) {
        return override(s, "vfio-pci") == 0 && override_reads(s, "vfio-pci\n");
}

static bool newline_is_no_part(const Subject *s) {
        return override(s, "vfio-pci\n") == 0 && override_reads(s, "vfio-pci\n");
}

static bool rest_is_ignored(const Subject *s) {
        return override(s, "vfio-pci\nnonsense\n") == 0 && override_reads(s, "vfio-pci\n");
}

static bool newline_clears(const Subject *s) {
        return override(s, "vfio-pci") == 0 && override(s, "\n") == 0 &&
               override_reads(s, "(null)\n");
}

static bool nul_clears(const Subject *s) {
        return override(s, "vfio-pci") == 0 && override_bytes(s, "", 1) == 0 &&
               override_reads(s, "(null)\n");
}

static bool nothing_does_nothing(const Subject *s) {
        return override(s, "vfio-pci") == 0 && override_bytes(s, "", 0) == 0 &&
               override_reads(s, "vfio-pci\n");
}

static bool blanks_are_kept(const Subject *s) {
        return override(s, "vfio-pci pci-stub") == 0 && override_reads(s, "vfio-pci pci-stub\n");
}

static bool any_name_is_taken(const Subject *s) {
        return override(s, "no-such-driver") == 0 && override_reads(s, "no-such-driver\n");
}

static bool a_page_less_two_fits(const Subject *s) {
        char text[TEXT_MAX];
        size_t length = (size_t)sysconf(_SC_PAGESIZE) - 2;

        (void)memset(text, 'x', length);
        return override_bytes(s, text, length) == 0;
}

static bool a_page_less_one_is_refused(const Subject *s) {
        char text[TEXT_MAX];
        size_t length = (size_t)sysconf(_SC_PAGESIZE) - 1;

        (void)memset(text, 'x', length);
        return override(s, "vfio-pci") == 0 && override_bytes(s, text, length) == EINVAL &&
               override_reads(s, "vfio-pci\n");
}

static bool override_moves_nothing(const Subject *s) {
        return override(s, "vfio-pci") == 0 && is_on(s, s->host_driver);
}

/* --- bind and unbind of a bound function --- */

static bool unbind_by_another_driver(const Subject *s) {
        return unbind_from(s, "vfio-pci") == ENODEV && is_on(s, s->host_driver);
}

static bool bind_again(const Subject *s) {
        return bind_to(s, s->host_driver) == EBUSY && is_on(s, s->host_driver);
}

static bool bind_of_bound_without_match(const Subject *s) {
        return bind_to(s, "vfio-pci") == ENODEV && is_on(s, s->host_driver);
}

static bool bind_of_bound_with_match(const Subject *s) {
        return override(s, "vfio-pci") == 0 && bind_to(s, "vfio-pci") == EBUSY &&
               is_on(s, s->host_driver);
}

static bool probe_of_bound(const Subject *s) {
        return override(s, "vfio-pci") == 0 && probe(s, s->address) == 0 &&
               is_on(s, s->host_driver);
}

static bool unbind_takes_the_link_away(const Subject *s) {
        return unbind_from(s, s->host_driver) == 0 && is_on(s, "");
}

static bool trailing_newline_is_fine(const Subject *s) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%.32s\n", s->address);
        return write_driver(s, s->host_driver, "unbind", text) == 0 && is_on(s, "");
}

static bool unbind_ignores_override(const Subject *s) {
        return override(s, "no-such-driver") == 0 && unbind_from(s, s->host_driver) == 0 &&
               is_on(s, "");
}

/* --- what is not there --- */

static bool no_driver_directory(const Subject *s) {
        return bind_to(s, "no-such-driver") == ENOENT;
}

static bool bind_absent(const Subject *s) {
        return write_driver(s, "vfio-pci", "bind", ABSENT) == ENODEV;
}

static bool unbind_absent(const Subject *s) {
        return write_driver(s, "vfio-pci", "unbind", ABSENT) == ENODEV;
}

static bool probe_absent(const Subject *s) {
        return probe(s, ABSENT) == ENODEV;
}

static bool garbage_is_no_device(const Subject *s) {
        return write_driver(s, "vfio-pci", "bind", "nonsense") == ENODEV &&
               write_driver(s, s->host_driver, "unbind", "nonsense") == ENODEV &&
               probe(s, "nonsense") == ENODEV;
}

static bool short_form_is_no_device(const Subject *s) {
        const char *form = strchr(s->address, ':') + 1;

        return write_driver(s, s->host_driver, "unbind", form) == ENODEV &&
               is_on(s, s->host_driver);
}

static bool trailing_blank_is_no_device(const Subject *s) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%.32s ", s->address);
        return write_driver(s, s->host_driver, "unbind", text) == ENODEV &&
               is_on(s, s->host_driver);
}

/* --- an unbound function --- */

static bool unbind_of_unbound(const Subject *s) {
        return unbind_from(s, s->host_driver) == ENODEV;
}

static bool vfio_needs_override(const Subject *s) {
        return bind_to(s, "vfio-pci") == ENODEV && is_on(s, "");
}

static bool override_excludes_host_driver(const Subject *s) {
        return override(s, "vfio-pci") == 0 && bind_to(s, s->host_driver) == ENODEV && is_on(s, "");
}

static bool probe_without_match_succeeds(const Subject *s) {
        return override(s, "no-such-driver") == 0 && probe(s, s->address) == 0 && is_on(s, "");
}

static bool probe_follows_override(const Subject *s) {
        return override(s, "vfio-pci") == 0 && probe(s, s->address) == 0 && is_on(s, "vfio-pci");
}

static bool probe_finds_host_driver(const Subject *s) {
        return probe(s, s->address) == 0 && is_on(s, s->host_driver);
}

static bool override_may_name_host_driver(const Subject *s) {
        return override(s, s->host_driver) == 0 && bind_to(s, s->host_driver) == 0 &&
               is_on(s, s->host_driver);
}

static bool bind_to_vfio(const Subject *s) {
        return override(s, "vfio-pci") == 0 && bind_to(s, "vfio-pci") == 0 && is_on(s, "vfio-pci");
}

/* --- on vfio-pci --- */

static bool vfio_has_device_node(const Subject *s) {
        return has_vfio_dev(s);
}

static bool vfio_has_group_node(const Subject *s) {
        char path[PATH_MAX], target[PATH_MAX];
        ssize_t n;

        n = readlinkat(s->root_fd, print(path, "sys/bus/pci/devices/%s/iommu_group", s->address),
                       target, sizeof(target) - 1);
        if (n <= 0)
                return false;
        target[n] = '\0';
        return exists(s, print(path, "sys/class/vfio/%s", strrchr(target, '/') + 1));
}

static bool clearing_leaves_it(const Subject *s) {
        return override(s, "\n") == 0 && is_on(s, "vfio-pci");
}

static bool probe_leaves_it(const Subject *s) {
        return override(s, "\n") == 0 && probe(s, s->address) == 0 && is_on(s, "vfio-pci");
}

static bool host_driver_must_wait(const Subject *s) {
        return override(s, "\n") == 0 && bind_to(s, s->host_driver) == EBUSY &&
               unbind_from(s, s->host_driver) == ENODEV && is_on(s, "vfio-pci");
}

static bool override_returns_it_at_probe(const Subject *s) {
        return unbind_from(s, "vfio-pci") == 0 && probe(s, s->address) == 0 && is_on(s, "vfio-pci");
}

static bool unbind_takes_nodes_away(const Subject *s) {
        return unbind_from(s, "vfio-pci") == 0 && is_on(s, "") && !has_vfio_dev(s);
}

static bool vfio_lets_it_sleep(const Subject *s) {
        return reads(s, "power/control", "auto\n");
}

static bool unbind_keeps_it_awake(const Subject *s) {
        return unbind_from(s, "vfio-pci") == 0 && reads(s, "power/control", "on\n");
}

/* --- power --- */

static bool control_has_two_words(const Subject *s) {
        return set_power(s, "power/control", "auto\n") == 0 &&
               reads(s, "power/control", "auto\n") &&
               set_power(s, "power/control", "off") == EINVAL &&
               set_power(s, "power/control", "on") == 0 && reads(s, "power/control", "on\n");
}

static bool d3cold_is_a_number(const Subject *s) {
        return set_power(s, "d3cold_allowed", "0\n") == 0 && reads(s, "d3cold_allowed", "0\n") &&
               set_power(s, "d3cold_allowed", "no") == EINVAL &&
               set_power(s, "d3cold_allowed", "1") == 0 && reads(s, "d3cold_allowed", "1\n");
}

static bool policy_outlives_drivers(const Subject *s) {
        bool holds = set_power(s, "d3cold_allowed", "0") == 0;

        go_to_vfio(s);
        go_home(s, true);
        holds = holds && reads(s, "d3cold_allowed", "0\n") && is_on(s, s->host_driver);
        return set_power(s, "d3cold_allowed", "1") == 0 && holds;
}

/* --- dynamic ids --- */

static bool one_field_is_no_id(const Subject *s) {
        return write_driver(s, "vfio-pci", "new_id", "8086") == EINVAL;
}

static bool unknown_id_cannot_go(const Subject *s) {
        return write_driver(s, "vfio-pci", "remove_id", s->ids) == ENODEV;
}

static bool new_id_binds_at_once(const Subject *s) {
        bool holds = write_driver(s, "vfio-pci", "new_id", s->ids) == 0 && is_on(s, "vfio-pci") &&
                     write_driver(s, "vfio-pci", "new_id", s->ids) == EEXIST;

        holds &= write_driver(s, "vfio-pci", "remove_id", s->ids) == 0 && is_on(s, "vfio-pci");
        return holds;
}

static bool removed_id_matches_no_more(const Subject *s) {
        return write_driver(s, "vfio-pci", "new_id", s->ids) == 0 &&
               write_driver(s, "vfio-pci", "remove_id", s->ids) == 0 &&
               unbind_from(s, "vfio-pci") == 0 && bind_to(s, "vfio-pci") == ENODEV && is_on(s, "");
}

/* --- bridges --- */

static bool vfio_takes_no_bridge(const Subject *s) {
        Subject bridge = *s;
        bool holds;

        bridge.address = s->bridge;
        if (s->bridge_driver[0] != '\0')
                (void)unbind_from(&bridge, s->bridge_driver);
        holds = override(&bridge, "vfio-pci") == 0 && bind_to(&bridge, "vfio-pci") == EINVAL &&
                is_on(&bridge, "");
        (void) override(&bridge, "\n");
        (void)probe(&bridge, s->bridge);
        return holds && is_on(&bridge, s->bridge_driver);
}

/* --- hugepages --- */

#define POOL "sys/kernel/mm/hugepages/hugepages-2048kB"

static int write_pool(const Subject *s, const char *text) {
        return write_bytes(s, POOL "/nr_hugepages", text, strlen(text));
}

static long read_pool(const Subject *s, const char *attribute) {
        char path[PATH_MAX], text[64] = "";
        int fd;

        fd = openat(s->root_fd, print(path, POOL "/%s", attribute), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        if (read(fd, text, sizeof(text) - 1) <= 0)
                text[0] = '\0';
        (void)close(fd);
        return text[0] != '\0' ? atol(text) : -1;
}

static bool pool_is_raised(const Subject *s) {
        return write_pool(s, "7\n") == 0 && read_pool(s, "nr_hugepages") == 7 &&
               read_pool(s, "free_hugepages") == 7 && read_pool(s, "surplus_hugepages") == 0;
}

static bool pool_is_lowered(const Subject *s) {
        return write_pool(s, "7") == 0 && write_pool(s, "3") == 0 &&
               read_pool(s, "nr_hugepages") == 3 && read_pool(s, "free_hugepages") == 3;
}

static bool pool_takes_numbers_only(const Subject *s) {
        return write_pool(s, "2") == 0 && write_pool(s, "many") == EINVAL &&
               write_pool(s, "-1") == EINVAL && read_pool(s, "nr_hugepages") == 2;
}

/* What program and kernel need has to stay, so that it is never the whole. */
static bool pool_gives_what_there_is(const Subject *s) {
        return write_pool(s, "100000") == 0 && read_pool(s, "nr_hugepages") > 7 &&
               read_pool(s, "nr_hugepages") < 100000 && write_pool(s, "0") == 0 &&
               read_pool(s, "nr_hugepages") == 0;
}

/* --- the list --- */

#define BEHAVIOUR(name, title) { #name, title, name }

static const Behaviour of_bound[] = {
        BEHAVIOUR(unset_reads_null, "an override that is not set reads as (null)"),
        BEHAVIOUR(set_reads_back, "an override reads back as it was written"),
        BEHAVIOUR(newline_is_no_part, "a newline behind an override is no part of it"),
        BEHAVIOUR(rest_is_ignored, "what follows the first newline of an override is ignored"),
        BEHAVIOUR(newline_clears, "a lone newline clears the override"),
        BEHAVIOUR(nul_clears, "a lone NUL byte clears the override"),
        BEHAVIOUR(nothing_does_nothing, "a write of no bytes succeeds and leaves the override"),
        BEHAVIOUR(blanks_are_kept, "blanks in an override are kept: it is no list"),
        BEHAVIOUR(any_name_is_taken, "an override may name a driver that does not exist"),
        BEHAVIOUR(a_page_less_two_fits, "an override may be two bytes shorter than a page"),
        BEHAVIOUR(a_page_less_one_is_refused,
                  "an override one byte shorter than a page is EINVAL and leaves the old one"),
        BEHAVIOUR(override_moves_nothing, "setting an override does not move a bound function"),
        BEHAVIOUR(unbind_by_another_driver,
                  "unbind by a driver that does not have the function is ENODEV"),
        BEHAVIOUR(bind_again, "bind to the driver that has it already is EBUSY"),
        BEHAVIOUR(bind_of_bound_without_match,
                  "bind of a bound function to a driver that does not match is ENODEV"),
        BEHAVIOUR(bind_of_bound_with_match,
                  "bind of a bound function to a driver that matches is EBUSY"),
        BEHAVIOUR(probe_of_bound, "drivers_probe of a bound function succeeds and does nothing"),
        BEHAVIOUR(unbind_takes_the_link_away, "unbind takes the driver link away"),
        BEHAVIOUR(trailing_newline_is_fine, "an address may have a newline behind it"),
        BEHAVIOUR(unbind_ignores_override, "unbind does not ask the override"),
        BEHAVIOUR(no_driver_directory, "a driver that is not loaded has no bind file: ENOENT"),
        BEHAVIOUR(bind_absent, "bind of an address where nothing is, is ENODEV"),
        BEHAVIOUR(unbind_absent, "unbind of an address where nothing is, is ENODEV"),
        BEHAVIOUR(probe_absent, "drivers_probe of an address where nothing is, is ENODEV"),
        BEHAVIOUR(garbage_is_no_device, "garbage for an address is ENODEV"),
        BEHAVIOUR(short_form_is_no_device, "an address without its domain is ENODEV"),
        BEHAVIOUR(trailing_blank_is_no_device, "an address with a blank behind it is ENODEV"),
};

static const Behaviour of_unbound[] = {
        BEHAVIOUR(unbind_of_unbound, "unbind of an unbound function is ENODEV"),
        BEHAVIOUR(vfio_needs_override, "bind to vfio-pci without override or id is ENODEV"),
        BEHAVIOUR(override_excludes_host_driver,
                  "bind to the host driver under another's override is ENODEV"),
        BEHAVIOUR(probe_without_match_succeeds, "drivers_probe succeeds although nothing matched"),
        BEHAVIOUR(probe_follows_override, "drivers_probe binds the driver that the override names"),
        BEHAVIOUR(probe_finds_host_driver, "drivers_probe without override binds the host driver"),
        BEHAVIOUR(override_may_name_host_driver,
                  "bind to the host driver that the override names works"),
        BEHAVIOUR(bind_to_vfio, "bind to vfio-pci with its override works"),
        BEHAVIOUR(control_has_two_words,
                  "power/control takes on and auto, with or without a newline"),
        BEHAVIOUR(d3cold_is_a_number, "d3cold_allowed takes numbers only"),
        BEHAVIOUR(policy_outlives_drivers, "d3cold_allowed stays as it is, whatever driver comes"),
        BEHAVIOUR(one_field_is_no_id, "new_id with one field is EINVAL"),
        BEHAVIOUR(unknown_id_cannot_go, "remove_id of an id that is not known is ENODEV"),
        BEHAVIOUR(new_id_binds_at_once,
                  "new_id binds the free function at once, and is EEXIST the second time"),
        BEHAVIOUR(removed_id_matches_no_more, "an id that was removed does not match any more"),
};

static const Behaviour of_vfio[] = {
        BEHAVIOUR(vfio_has_device_node, "a function on vfio-pci has a vfio-dev directory"),
        BEHAVIOUR(vfio_has_group_node, "its group has an entry in the vfio class"),
        BEHAVIOUR(clearing_leaves_it, "clearing the override leaves it on vfio-pci"),
        BEHAVIOUR(probe_leaves_it, "drivers_probe leaves it on vfio-pci"),
        BEHAVIOUR(host_driver_must_wait, "the host driver can neither bind nor unbind it"),
        BEHAVIOUR(override_returns_it_at_probe,
                  "with the override still set, drivers_probe gives it to vfio-pci again"),
        BEHAVIOUR(unbind_takes_nodes_away, "unbind takes link and vfio-dev away"),
        BEHAVIOUR(vfio_lets_it_sleep, "vfio-pci sets power/control to auto"),
        BEHAVIOUR(unbind_keeps_it_awake, "and to on when it lets go"),
};

static const Behaviour of_pools[] = {
        BEHAVIOUR(pool_is_raised, "a pool of hugepages has as many as were written"),
        BEHAVIOUR(pool_is_lowered, "a pool of hugepages gives back what nobody uses"),
        BEHAVIOUR(pool_takes_numbers_only,
                  "what is no number of hugepages is EINVAL and leaves the pool"),
        BEHAVIOUR(pool_gives_what_there_is,
                  "a write for more hugepages than can be had succeeds and gives fewer"),
};

static const Behaviour of_bridge =
        BEHAVIOUR(vfio_takes_no_bridge, "bind of a bridge to vfio-pci is EINVAL");

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Returns how many do not hold by it. */
static unsigned say(const Behaviour *behaviour, unsigned number, bool holds) {
        (void)printf("%s %u - %s: %s\n", holds ? "ok" : "not ok", number, behaviour->name,
                     behaviour->title);
        return !holds;
}

static unsigned run(const Subject *subject, const Behaviour *list, size_t n, unsigned number) {
        unsigned failed = 0;

        for (size_t i = 0; i < n; i++) {
                if (list == of_vfio)
                        go_to_vfio(subject);
                else
                        go_home(subject, list == of_bound);
                errno = 0;
                failed += say(&list[i], number + (unsigned)i, list[i].holds(subject));
        }
        go_home(subject, true);
        return failed;
}

static unsigned run_pools(const Subject *subject, unsigned number) {
        unsigned failed = 0;

        for (size_t i = 0; i < COUNT(of_pools); i++) {
                bool holds = write_pool(subject, "0") == 0 && of_pools[i].holds(subject);

                failed += say(&of_pools[i], number + (unsigned)i, holds);
        }
        (void)write_pool(subject, "0");
        return failed;
}

static unsigned run_bridge(const Subject *subject, unsigned number) {
        if (subject->bridge)
                return say(&of_bridge, number, of_bridge.holds(subject));
        (void)printf("ok %u - %s # SKIP no bridge was given\n", number, of_bridge.name);
        return 0;
}

static bool read_hex(const Subject *subject, const char *attribute, char ret[5]) {
        char path[PATH_MAX], text[16] = "";
        int fd;

        fd = openat(subject->root_fd,
                    print(path, "sys/bus/pci/devices/%s/%s", subject->address, attribute),
                    O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        if (read(fd, text, sizeof(text) - 1) < (ssize_t)strlen("0x8086"))
                text[0] = '\0';
        (void)close(fd);
        (void)snprintf(ret, 5, "%.4s", text[0] != '\0' ? text + 2 : "");
        return ret[0] != '\0';
}

/* Whether the machine is one that the list can be run on; says why not. */
static bool prepare(Subject *subject) {
        char vendor[5], device[5];
        const char *problem = NULL;

        if (driver_of(subject, subject->address, subject->host_driver)[0] == '\0' ||
            strcmp(subject->host_driver, "vfio-pci") == 0)
                problem = "is not bound to a host driver";
        else if (!override_reads(subject, "(null)\n"))
                problem = "has a driver_override";
        else if (!exists(subject, "sys/bus/pci/drivers/vfio-pci"))
                problem = "cannot be tested: vfio-pci is not loaded";
        else if (!read_hex(subject, "vendor", vendor) || !read_hex(subject, "device", device))
                problem = "has no ids";
        if (problem) {
                (void)printf("Bail out! %s %s\n", subject->address, problem);
                return false;
        }
        (void)snprintf(subject->ids, sizeof(subject->ids), "%s %s", vendor, device);
        if (subject->bridge)
                (void)driver_of(subject, subject->bridge, subject->bridge_driver);
        return true;
}

int main(int argc, char **argv) {
        Subject subject = { .root_fd = -1 };
        unsigned failed = 0, next = 1;
        bool is_as_found;

        if (argc < 3 || argc > 4) {
                (void)fprintf(stderr, "usage: conformance ROOT ADDRESS [BRIDGE]\n");
                return 2;
        }
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        subject.address = argv[2];
        subject.bridge = argc == 4 ? argv[3] : NULL;
        subject.root_fd = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (subject.root_fd < 0) {
                (void)printf("Bail out! %s: %s\n", argv[1], strerror(errno));
                return 1;
        }
        if (!prepare(&subject))
                return 1;
        (void)printf("1..%zu\n",
                     COUNT(of_bound) + COUNT(of_unbound) + COUNT(of_vfio) + COUNT(of_pools) + 2);
        failed += run(&subject, of_bound, COUNT(of_bound), next);
        next += COUNT(of_bound);
        failed += run(&subject, of_unbound, COUNT(of_unbound), next);
        next += COUNT(of_unbound);
        failed += run(&subject, of_vfio, COUNT(of_vfio), next);
        next += COUNT(of_vfio);
        failed += run_pools(&subject, next);
        next += COUNT(of_pools);
        failed += run_bridge(&subject, next++);
        is_as_found = is_on(&subject, subject.host_driver) && override_reads(&subject, "(null)\n");
        (void)printf("%s %u - the function is as it was found\n", is_as_found ? "ok" : "not ok",
                     next);
        failed += !is_as_found;
        (void)close(subject.root_fd);
        return failed > 0;
}

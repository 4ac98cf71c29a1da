/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fake kernel, wrong on purpose: in the one behaviour that $WRONG_BEHAVIOUR names, of those
 * that conformance.c looks for; in none, where that is empty. "list" prints all of them at the
 * first write, and ends.
 *
 * Linked with the fake kernel's sources, in front of its fake_write() (--wrap of ld).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-pci.h"

#define DEVICES "sys/bus/pci/devices"
#define DRIVERS "sys/bus/pci/drivers"
#define VFIO "vfio-pci"
#define TEXT_MAX 8192
#define NEVER (-1) /* the write is not even made */

/* A write, and what it finds. */
typedef struct Attempt {
        int root_fd;
        const FakeWrite *write;
        char text[TEXT_MAX];     /* as it was written, as a string */
        char driver[64];         /* that has the device; "": none */
        char override[TEXT_MAX]; /* "": unset */
} Attempt;

typedef struct Wrong {
        const char *behaviour;
        FakeVerb verb;
        bool (*when)(const Attempt *attempt); /* NULL: always */
        int right, wrong;                     /* the errno, and what it is instead; 0: success */
        int (*how)(const Attempt *attempt);   /* instead of another errno */
} Wrong;

int __real_fake_write(int root_fd, const FakeWrite *write);
int __wrap_fake_write(int root_fd, const FakeWrite *write);

__attribute__((format(printf, 2, 3))) static const char *print(char text[PATH_MAX],
                                                               const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, PATH_MAX, format, arguments);
        va_end(arguments);
        return text;
}

static bool exists(const Attempt *a, const char *path) {
        return faccessat(a->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- what the kernel does by rights --- */

static int as_it_is(const Attempt *a) {
        return __real_fake_write(a->root_fd, a->write);
}

/* The same write with another text. */
static int with_text(const Attempt *a, const char *text) {
        FakeWrite write = *a->write;

        write.text = text;
        write.length = strlen(text);
        if (write.verb != FAKE_OVERRIDE)
                (void)snprintf(write.address, sizeof(write.address), "%s", text);
        return __real_fake_write(a->root_fd, &write);
}

/* Another write to do with the same device. */
static int also(const Attempt *a, FakeVerb verb, const char *driver) {
        FakeWrite write = { .verb = verb, .text = a->write->address };

        (void)snprintf(write.address, sizeof(write.address), "%s", a->write->address);
        (void)snprintf(write.driver, sizeof(write.driver), "%s", driver);
        write.length = strlen(write.text);
        return __real_fake_write(a->root_fd, &write);
}

/* An attribute of the same device. */
static int set(const Attempt *a, FakeVerb verb, const char *text) {
        FakeWrite write = { .verb = verb, .text = text };

        (void)snprintf(write.address, sizeof(write.address), "%s", a->write->address);
        write.length = strlen(write.text);
        return __real_fake_write(a->root_fd, &write);
}

static int set_override(const Attempt *a, const char *driver) {
        return set(a, FAKE_OVERRIDE, driver[0] != '\0' ? driver : "\n");
}

static int show_override(const Attempt *a, const char *text) {
        char path[PATH_MAX];

        return fake_file_write(a->root_fd,
                               print(path, DEVICES "/%s/driver_override", a->write->address),
                               O_TRUNC, text, strlen(text));
}

/* --- when --- */

static bool is_a_newline(const Attempt *a) {
        return strcmp(a->text, "\n") == 0;
}

static bool is_a_nul(const Attempt *a) {
        return a->write->length == 1 && a->text[0] == '\0';
}

static bool is_nothing(const Attempt *a) {
        return a->write->length == 0;
}

static bool ends_in_newline(const Attempt *a) {
        const char *newline = strchr(a->text, '\n');

        return newline && newline > a->text && newline[1] == '\0';
}

static bool has_more_lines(const Attempt *a) {
        const char *newline = strchr(a->text, '\n');

        return newline && newline[1] != '\0';
}

static bool has_a_blank(const Attempt *a) {
        return strchr(a->text, ' ') != NULL;
}

static bool names_no_driver(const Attempt *a) {
        char path[PATH_MAX];

        return strlen(a->text) < NAME_MAX && !is_a_newline(a) && a->text[0] != '\0' &&
               !exists(a, print(path, DRIVERS "/%s", a->text));
}

static bool fills_a_page(const Attempt *a) {
        return a->write->length == 4094;
}

static bool is_too_long(const Attempt *a) {
        return a->write->length == 4095;
}

static bool is_short_form(const Attempt *a) {
        const char *colon = strchr(a->text, ':');

        return colon && !strchr(colon + 1, ':');
}

static bool is_garbage(const Attempt *a) {
        return !strchr(a->text, ':');
}

static bool is_absent(const Attempt *a) {
        char path[PATH_MAX];

        return !is_garbage(a) && !is_short_form(a) && !has_a_blank(a) &&
               !exists(a, print(path, DEVICES "/%s", a->write->address));
}

static bool is_its_driver(const Attempt *a) {
        return strcmp(a->driver, a->write->driver) == 0;
}

static bool has_another_driver(const Attempt *a) {
        return a->driver[0] != '\0' && !is_its_driver(a);
}

static bool is_on_vfio(const Attempt *a) {
        return strcmp(a->driver, VFIO) == 0;
}

static bool is_on_host_driver(const Attempt *a) {
        return a->driver[0] != '\0' && !is_on_vfio(a);
}

static bool is_unbound(const Attempt *a) {
        return a->driver[0] == '\0' && !is_absent(a);
}

static bool is_free_with_override(const Attempt *a) {
        return is_unbound(a) && a->override[0] != '\0';
}

static bool is_free_without_override(const Attempt *a) {
        return is_unbound(a) && a->override[0] == '\0';
}

static bool override_names_it(const Attempt *a) {
        return strcmp(a->override, a->write->driver) == 0;
}

static bool override_names_it_on_host(const Attempt *a) {
        return override_names_it(a) && strcmp(a->override, VFIO) != 0;
}

static bool override_names_another(const Attempt *a) {
        return a->override[0] != '\0' && !override_names_it(a);
}

static bool override_names_nobody(const Attempt *a) {
        char path[PATH_MAX];

        return a->override[0] != '\0' && !exists(a, print(path, DRIVERS "/%s", a->override));
}

static bool wants_vfio(const Attempt *a) {
        return strcmp(a->write->driver, VFIO) == 0;
}

static bool wants_vfio_unasked(const Attempt *a) {
        return wants_vfio(a) && is_free_without_override(a);
}

static bool wants_three(const Attempt *a) {
        return atoi(a->text) == 3;
}

static bool wants_seven(const Attempt *a) {
        return atoi(a->text) == 7;
}

static bool wants_too_many(const Attempt *a) {
        return atoi(a->text) >= 100000;
}

/* --- how, where another errno is not enough --- */

static int shows_nothing(const Attempt *a) {
        return as_it_is(a) | show_override(a, "\n");
}

static int shows_another(const Attempt *a) {
        return as_it_is(a) | show_override(a, "another\n");
}

static int keeps_it_all(const Attempt *a) {
        char text[PATH_MAX];

        return show_override(a, print(text, "%s\n", a->text));
}

static int clears(const Attempt *a) {
        return set_override(a, "");
}

static int cuts_at_blank(const Attempt *a) {
        char text[PATH_MAX];

        return with_text(a, print(text, "%.*s", (int)strcspn(a->text, " "), a->text));
}

static int adds_domain(const Attempt *a) {
        char text[PATH_MAX];

        return with_text(a, print(text, "0000:%s", a->text));
}

static int unbinds_too(const Attempt *a) {
        return as_it_is(a) | also(a, FAKE_UNBIND, a->driver);
}

static int moves(const Attempt *a) {
        return also(a, FAKE_UNBIND, a->driver) | as_it_is(a);
}

/* A driver is known once an override has named it. */
static int makes_driver(const Attempt *a) {
        (void)mkdirat(a->root_fd, DRIVERS "/no-such-driver", 0700);
        (void)fake_file_write(a->root_fd, DRIVERS "/no-such-driver/bind", 0, "", 0);
        return as_it_is(a);
}

static int binds_against_override(const Attempt *a) {
        int r = set_override(a, a->write->driver) | as_it_is(a);

        return r | set_override(a, a->override);
}

static int forgets_override(const Attempt *a) {
        int r = set_override(a, "") | as_it_is(a);

        return r | set_override(a, a->override);
}

static int leaves_vfio_dev(const Attempt *a) {
        char path[PATH_MAX];
        int r = as_it_is(a);

        (void)mkdirat(a->root_fd, print(path, DEVICES "/%s/vfio-dev", a->write->address), 0700);
        return r;
}

static int hides_vfio_dev(const Attempt *a) {
        char path[PATH_MAX];
        int r = as_it_is(a);

        for (unsigned n = 0; n < 16; n++)
                (void)unlinkat(a->root_fd,
                               print(path, DEVICES "/%s/vfio-dev/vfio%u", a->write->address, n),
                               AT_REMOVEDIR);
        (void)unlinkat(a->root_fd, print(path, DEVICES "/%s/vfio-dev", a->write->address),
                       AT_REMOVEDIR);
        return r;
}

static int hides_group_nodes(const Attempt *a) {
        int r = as_it_is(a);

        (void)renameat(a->root_fd, "sys/class/vfio", a->root_fd, "sys/class/vfio-elsewhere");
        return r;
}

static int resets_d3cold(const Attempt *a) {
        return as_it_is(a) | set(a, FAKE_D3COLD, "1");
}

static int keeps_it_awake(const Attempt *a) {
        return as_it_is(a) | set(a, FAKE_POWER, "on");
}

static int lets_it_sleep(const Attempt *a) {
        return as_it_is(a) | set(a, FAKE_POWER, "auto");
}

/* --- one wrong for each right --- */

static const Wrong wrongs[] = {
        { "unset_reads_null", FAKE_OVERRIDE, is_a_newline, .how = shows_nothing },
        { "set_reads_back", FAKE_OVERRIDE, NULL, .how = shows_another },
        { "newline_is_no_part", FAKE_OVERRIDE, ends_in_newline, .how = keeps_it_all },
        { "rest_is_ignored", FAKE_OVERRIDE, has_more_lines, .how = keeps_it_all },
        { "newline_clears", FAKE_OVERRIDE, is_a_newline, .right = NEVER, .wrong = 0 },
        { "nul_clears", FAKE_OVERRIDE, is_a_nul, .right = NEVER, .wrong = 0 },
        { "nothing_does_nothing", FAKE_OVERRIDE, is_nothing, .how = clears },
        { "blanks_are_kept", FAKE_OVERRIDE, has_a_blank, .how = cuts_at_blank },
        { "any_name_is_taken", FAKE_OVERRIDE, names_no_driver, .right = NEVER, .wrong = EINVAL },
        { "a_page_less_two_fits", FAKE_OVERRIDE, fills_a_page, .right = NEVER, .wrong = EINVAL },
        { "a_page_less_one_is_refused", FAKE_OVERRIDE, is_too_long, .right = EINVAL, .wrong = 0 },
        { "override_moves_nothing", FAKE_OVERRIDE, is_on_host_driver, .how = unbinds_too },
        { "unbind_by_another_driver", FAKE_UNBIND, has_another_driver, .right = ENODEV,
          .wrong = 0 },
        { "bind_again", FAKE_BIND, is_its_driver, .right = EBUSY, .wrong = 0 },
        { "bind_of_bound_without_match", FAKE_BIND, has_another_driver, .right = ENODEV,
          .wrong = EBUSY },
        { "bind_of_bound_with_match", FAKE_BIND, has_another_driver, .right = EBUSY,
          .wrong = ENODEV },
        { "probe_of_bound", FAKE_PROBE, is_on_host_driver, .right = 0, .wrong = EBUSY },
        { "unbind_takes_the_link_away", FAKE_UNBIND, is_its_driver, .right = NEVER, .wrong = 0 },
        { "trailing_newline_is_fine", FAKE_UNBIND, ends_in_newline, .right = NEVER,
          .wrong = ENODEV },
        { "unbind_ignores_override", FAKE_UNBIND, override_names_another, .right = NEVER,
          .wrong = ENODEV },
        { "no_driver_directory", FAKE_OVERRIDE, NULL, .how = makes_driver },
        { "bind_absent", FAKE_BIND, is_absent, .right = ENODEV, .wrong = 0 },
        { "unbind_absent", FAKE_UNBIND, is_absent, .right = ENODEV, .wrong = 0 },
        { "probe_absent", FAKE_PROBE, is_absent, .right = ENODEV, .wrong = 0 },
        { "garbage_is_no_device", FAKE_PROBE, is_garbage, .right = ENODEV, .wrong = EINVAL },
        { "short_form_is_no_device", FAKE_UNBIND, is_short_form, .how = adds_domain },
        { "trailing_blank_is_no_device", FAKE_UNBIND, has_a_blank, .how = cuts_at_blank },
        { "unbind_of_unbound", FAKE_UNBIND, is_unbound, .right = ENODEV, .wrong = 0 },
        { "vfio_needs_override", FAKE_BIND, wants_vfio_unasked, .how = binds_against_override },
        { "override_excludes_host_driver", FAKE_BIND, override_names_another,
          .how = binds_against_override },
        { "probe_without_match_succeeds", FAKE_PROBE, override_names_nobody, .right = 0,
          .wrong = ENODEV },
        { "probe_follows_override", FAKE_PROBE, is_free_with_override, .how = forgets_override },
        { "probe_finds_host_driver", FAKE_PROBE, is_free_without_override, .right = NEVER,
          .wrong = 0 },
        { "override_may_name_host_driver", FAKE_BIND, override_names_it_on_host, .right = NEVER,
          .wrong = ENODEV },
        { "bind_to_vfio", FAKE_BIND, wants_vfio, .right = NEVER, .wrong = 0 },
        { "control_has_two_words", FAKE_POWER, NULL, .right = EINVAL, .wrong = 0 },
        { "d3cold_is_a_number", FAKE_D3COLD, NULL, .right = EINVAL, .wrong = 0 },
        { "policy_outlives_drivers", FAKE_BIND, wants_vfio, .how = resets_d3cold },
        { "one_field_is_no_id", FAKE_NEW_ID, NULL, .right = EINVAL, .wrong = 0 },
        { "unknown_id_cannot_go", FAKE_REMOVE_ID, NULL, .right = ENODEV, .wrong = 0 },
        { "new_id_binds_at_once", FAKE_NEW_ID, NULL, .right = EEXIST, .wrong = 0 },
        { "removed_id_matches_no_more", FAKE_REMOVE_ID, NULL, .right = NEVER, .wrong = 0 },
        { "vfio_has_device_node", FAKE_BIND, wants_vfio, .how = hides_vfio_dev },
        { "vfio_has_group_node", FAKE_BIND, wants_vfio, .how = hides_group_nodes },
        { "clearing_leaves_it", FAKE_OVERRIDE, is_on_vfio, .how = unbinds_too },
        { "probe_leaves_it", FAKE_PROBE, is_on_vfio, .how = moves },
        { "host_driver_must_wait", FAKE_BIND, is_on_vfio, .how = moves },
        { "override_returns_it_at_probe", FAKE_PROBE, is_free_with_override,
          .how = forgets_override },
        { "unbind_takes_nodes_away", FAKE_UNBIND, is_on_vfio, .how = leaves_vfio_dev },
        { "vfio_lets_it_sleep", FAKE_BIND, wants_vfio, .how = keeps_it_awake },
        { "unbind_keeps_it_awake", FAKE_UNBIND, is_on_vfio, .how = lets_it_sleep },
        { "pool_is_raised", FAKE_HUGEPAGES, wants_seven, .right = NEVER, .wrong = 0 },
        { "pool_is_lowered", FAKE_HUGEPAGES, wants_three, .right = NEVER, .wrong = 0 },
        { "pool_takes_numbers_only", FAKE_HUGEPAGES, NULL, .right = EINVAL, .wrong = 0 },
        { "pool_gives_what_there_is", FAKE_HUGEPAGES, wants_too_many, .right = NEVER,
          .wrong = ENOMEM },
        { "vfio_takes_no_bridge", FAKE_BIND, NULL, .right = EINVAL, .wrong = 0 },
};

#define COUNT (sizeof(wrongs) / sizeof(wrongs[0]))

static const Wrong *find_wrong(const char *behaviour) {
        if (strcmp(behaviour, "list") == 0) {
                for (size_t i = 0; i < COUNT; i++)
                        (void)dprintf(STDOUT_FILENO, "%s\n", wrongs[i].behaviour);
                _exit(0);
        }
        for (size_t i = 0; i < COUNT; i++)
                if (strcmp(wrongs[i].behaviour, behaviour) == 0)
                        return &wrongs[i];
        (void)dprintf(STDERR_FILENO, "wrong-kernel: nothing is wrong in %s\n", behaviour);
        _exit(1);
}

static void look(Attempt *a) {
        char path[PATH_MAX], target[PATH_MAX];
        ssize_t n;

        n = readlinkat(a->root_fd, print(path, DEVICES "/%s/driver", a->write->address), target,
                       sizeof(target) - 1);
        if (n > 0) {
                target[n] = '\0';
                (void)snprintf(a->driver, sizeof(a->driver), "%.63s", strrchr(target, '/') + 1);
        }
        (void)fake_file_read(a->root_fd,
                             print(path, DEVICES "/%s/driver_override", a->write->address),
                             a->override, sizeof(a->override));
        a->override[strcspn(a->override, "\n")] = '\0';
        if (strcmp(a->override, "(null)") == 0)
                a->override[0] = '\0';
        (void)snprintf(a->text, sizeof(a->text), "%.*s", (int)a->write->length, a->write->text);
}

int __wrap_fake_write(int root_fd, const FakeWrite *write) {
        Attempt attempt = { .root_fd = root_fd, .write = write };
        const char *behaviour = getenv("WRONG_BEHAVIOUR");
        const Wrong *wrong;
        int r;

        if (!behaviour || behaviour[0] == '\0')
                return as_it_is(&attempt);
        wrong = find_wrong(behaviour);
        look(&attempt);
        if (wrong->verb != write->verb || (wrong->when && !wrong->when(&attempt)))
                return as_it_is(&attempt);
        if (wrong->how)
                return wrong->how(&attempt);
        if (wrong->right == NEVER)
                return -wrong->wrong;
        r = as_it_is(&attempt);
        return r == -wrong->right ? -wrong->wrong : r;
}

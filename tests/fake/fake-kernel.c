/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A write(2) that acts as the kernel's sysfs for every tree of plain files whose root holds a file
 * `.fake-kernel`; all other writes go through. Either preloaded (libfake-kernel.so) around a real
 * program with --root=DIR or in a chroot (with $FAKE_KERNEL_PROC, the way to a real /proc), or
 * linked into a test. Only write(2) itself: sysfs wants a value in one
 * write, and a program that uses stdio or pwrite(2) for it finds that nothing happens.
 *
 * Every such write is a line in `.fake-log`: VERB ADDRESS TARGET RESULT, with RESULT "ok" or the
 * name of the errno, and TARGET the driver, or the value of an attribute of the device's own; "-"
 * where there is none.
 *
 * Failures to order stand in `.fake-faults`, or in $FAKE_KERNEL_FAULTS, one a line (or parted by
 * ";"):
 *
 *     VERB ADDRESS TARGET NTH ACTION      such as: bind 0000:01:00.1 vfio-pci 2 EBUSY
 *
 * VERB is override, bind, unbind, probe, new_id, remove_id, power, d3cold, platform-bind,
 * platform-unbind, hugepages (ADDRESS is "-", and TARGET the pool's directory); VERB, ADDRESS and
 * TARGET may be "*". NTH counts the writes that the line is about, over all processes, since the
 * log began; "*": each one. ACTION:
 *
 *     E…          fail with this errno and do nothing
 *     lies        return success and do nothing
 *     fails:E…    do it, and fail with this errno all the same
 *     stall       never return, as a remove() that hangs; a signal still ends it
 *     kill        SIGKILL the process before it is done; with it its parent, where that runs the
 *                 same program, which then has it write
 *     kill-after  the same when it has been done
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-memory.h"
#include "fake-pci.h"

#define LOG_MAX (256 * 1024)

static const char *const verb_names[] = {
        [FAKE_OVERRIDE] = "override",
        [FAKE_BIND] = "bind",
        [FAKE_UNBIND] = "unbind",
        [FAKE_PROBE] = "probe",
        [FAKE_NEW_ID] = "new_id",
        [FAKE_REMOVE_ID] = "remove_id",
        [FAKE_HUGEPAGES] = "hugepages",
        [FAKE_POWER] = "power",
        [FAKE_D3COLD] = "d3cold",
        [FAKE_PLATFORM_BIND] = "platform-bind",
        [FAKE_PLATFORM_UNBIND] = "platform-unbind",
};

/* --- which attribute of which tree --- */

/* The real one, also for a program whose own root is a tree. */
static const char *proc(void) {
        const char *path = getenv("FAKE_KERNEL_PROC");

        return path ? path : "/proc";
}

/* Opens the root that a path lies below; what follows it is left in @ret_rest. */
static int open_root(char *path, const char **ret_rest) {
        char marker[PATH_MAX];

        for (char *sys = strstr(path, "/sys/"); sys; sys = strstr(sys + 1, "/sys/")) {
                (void)snprintf(marker, sizeof(marker), "%.*s/" FAKE_MARKER, (int)(sys - path),
                               path);
                if (access(marker, F_OK) < 0)
                        continue;
                *sys = '\0';
                *ret_rest = sys + 1;
                return open(sys == path ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        return -1;
}

static void copy_word(char *ret, size_t size, const char *text, size_t length) {
        (void)snprintf(ret, size, "%.*s", (int)(length < size ? length : size - 1), text);
}

/* An attribute of a device: sys/devices/.../ADDRESS/ATTRIBUTE. */
static bool parse_device(const char *path, FakeWrite *write) {
        static const struct {
                const char *name;
                FakeVerb verb;
        } attributes[] = { { "/driver_override", FAKE_OVERRIDE },
                           { "/power/control", FAKE_POWER },
                           { "/d3cold_allowed", FAKE_D3COLD } };

        for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
                const char *name = strstr(path, attributes[i].name), *device;

                if (!name || strcmp(name, attributes[i].name) != 0)
                        continue;
                device = memrchr(path, '/', (size_t)(name - path));
                write->verb = attributes[i].verb;
                copy_word(write->address, sizeof(write->address), device + 1,
                          (size_t)(name - device) - 1);
                return true;
        }
        return false;
}

/* Takes the path of an attribute apart; false where writing it means nothing to us. */
static bool parse_attribute(const char *path, FakeWrite *write) {
        const char *name, *parent;

        name = strrchr(path, '/');
        if (!name)
                return false;
        parent = memrchr(path, '/', (size_t)(name - path));
        name++;
        if (strncmp(path, "sys/devices/", 12) == 0)
                return parse_device(path, write);
        if (strcmp(path, "sys/bus/pci/drivers_probe") == 0) {
                write->verb = FAKE_PROBE;
                return true;
        }
        if (strncmp(path, FAKE_POOLS "/", sizeof(FAKE_POOLS)) == 0 &&
            strcmp(name, "nr_hugepages") == 0 && parent) {
                write->verb = FAKE_HUGEPAGES;
                copy_word(write->driver, sizeof(write->driver), parent + 1,
                          (size_t)(name - parent) - 2);
                return true;
        }
        if (strncmp(path, "sys/bus/platform/drivers/", 25) == 0 && parent) {
                write->verb = strcmp(name, "bind") == 0 ? FAKE_PLATFORM_BIND : FAKE_PLATFORM_UNBIND;
                copy_word(write->driver, sizeof(write->driver), parent + 1,
                          (size_t)(name - parent) - 2);
                return true;
        }
        if (strncmp(path, "sys/bus/pci/drivers/", 20) != 0 || !parent)
                return false;
        copy_word(write->driver, sizeof(write->driver), parent + 1, (size_t)(name - parent) - 2);
        for (unsigned verb = FAKE_BIND; verb <= FAKE_REMOVE_ID; verb++)
                if (verb != FAKE_PROBE && strcmp(verb_names[verb], name) == 0) {
                        write->verb = (FakeVerb)verb;
                        return true;
                }
        return false;
}

/* --- log and faults --- */

static bool word_matches(const char *pattern, const char *word) {
        return strcmp(pattern, "*") == 0 || strcmp(pattern, word) == 0;
}

static unsigned count_logged(int root_fd, const char *verb, const char *address,
                             const char *target) {
        char *log, *cursor, *line, words[3][128];
        unsigned n = 0;

        cursor = log = malloc(LOG_MAX);
        if (!log)
                abort();
        (void)fake_file_read(root_fd, FAKE_LOG, log, LOG_MAX);
        while ((line = strsep(&cursor, "\n")))
                if (sscanf(line, "%127s %127s %127s", words[0], words[1], words[2]) == 3)
                        n += word_matches(verb, words[0]) && word_matches(address, words[1]) &&
                             word_matches(target, words[2]);
        free(log);
        return n;
}

/* Whether the attribute is the device's, and the text a value. */
static bool is_own(FakeVerb verb) {
        return verb == FAKE_OVERRIDE || verb == FAKE_POWER || verb == FAKE_D3COLD;
}

/* The words of a log line: blanks in an override would look like more words. */
static void describe(const FakeWrite *write, char ret_address[64], char ret_target[64]) {
        (void)snprintf(ret_address, 64, "%s", write->address[0] != '\0' ? write->address : "-");
        if (is_own(write->verb))
                copy_word(ret_target, 64, write->text, strnlen(write->text, write->length));
        else
                (void)snprintf(ret_target, 64, "%s", write->driver);
        ret_target[strcspn(ret_target, "\n")] = '\0';
        if (ret_target[0] == '\0')
                (void)strcpy(ret_target, "-");
        for (char *c = ret_target; *c; c++)
                if (*c == ' ')
                        *c = '_';
}

/* Finds the action ordered for this write; "" for none. */
static void find_fault(int root_fd, const FakeWrite *write, char ret_action[32]) {
        char faults[4096], address[64], target[64], words[4][128], action[32], *cursor = faults,
                                                                               *line;
        const char *given = getenv("FAKE_KERNEL_FAULTS");

        ret_action[0] = '\0';
        describe(write, address, target);
        if (given)
                copy_word(faults, sizeof(faults), given, strlen(given));
        else
                (void)fake_file_read(root_fd, FAKE_FAULTS, faults, sizeof(faults));
        while ((line = strsep(&cursor, ";\n"))) {
                if (sscanf(line, "%127s %127s %127s %127s %31s", words[0], words[1], words[2],
                           words[3], action) != 5 ||
                    !word_matches(words[0], verb_names[write->verb]) ||
                    !word_matches(words[1], address) || !word_matches(words[2], target))
                        continue;
                if (strcmp(words[3], "*") == 0 ||
                    count_logged(root_fd, words[0], words[1], words[2]) + 1 ==
                            strtoul(words[3], NULL, 10))
                        (void)strcpy(ret_action, action);
        }
}

static int errno_by_name(const char *name) {
        for (int error = 1; error < 134; error++) {
                const char *known = strerrorname_np(error);

                if (known && strcmp(known, name) == 0)
                        return error;
        }
        (void)fprintf(stderr, "fake-kernel: no such errno or action: %s\n", name);
        abort();
}

static void log_write(int root_fd, const FakeWrite *write, int r) {
        char line[256], address[64], target[64];

        describe(write, address, target);
        (void)snprintf(line, sizeof(line), "%s %s %s %s\n", verb_names[write->verb], address,
                       target, r < 0 ? strerrorname_np(-r) : "ok");
        (void)fake_file_write(root_fd, FAKE_LOG, O_APPEND, line, strlen(line));
}

/* --- the write itself --- */

static bool runs_the_same(pid_t pid) {
        char path[64], own[PATH_MAX], other[PATH_MAX];
        ssize_t n, m;

        (void)snprintf(path, sizeof(path), "%s/self/exe", proc());
        n = readlink(path, own, sizeof(own));
        (void)snprintf(path, sizeof(path), "%s/%d/exe", proc(), pid);
        m = readlink(path, other, sizeof(other));
        return n > 0 && n == m && memcmp(own, other, (size_t)n) == 0;
}

/* What makes a switch's writes is a child of the program's. */
static void kill_program(void) {
        pid_t parent = getppid();

        if (runs_the_same(parent))
                (void)kill(parent, SIGKILL);
        (void)kill(getpid(), SIGKILL);
}

static int write_with_faults(int root_fd, const FakeWrite *write) {
        char action[32];
        int r;

        if (write->verb == FAKE_HUGEPAGES)
                fake_memory_restore(root_fd, write->driver);
        find_fault(root_fd, write, action);
        if (strcmp(action, "kill") == 0)
                kill_program();
        if (strcmp(action, "stall") == 0) {
                log_write(root_fd, write, -EINPROGRESS);
                for (;;)
                        (void)pause();
        }
        if (action[0] == 'E')
                r = -errno_by_name(action);
        else if (strcmp(action, "lies") == 0)
                r = 0;
        else
                r = fake_write(root_fd, write);
        if (strncmp(action, "fails:", 6) == 0)
                r = -errno_by_name(action + 6);
        log_write(root_fd, write, r);
        if (strcmp(action, "kill-after") == 0)
                kill_program();
        return r;
}

/* Finds out what a write(2) is about; negative where it is none of ours. Opens the root. */
static int find_write(int fd, const char *text, size_t length, FakeWrite *ret) {
        char link[64], path[PATH_MAX];
        const char *rest;
        ssize_t n;
        int root_fd;

        *ret = (FakeWrite){ .text = text, .length = length };
        (void)snprintf(link, sizeof(link), "%s/self/fd/%d", proc(), fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -1;
        path[n] = '\0';
        root_fd = open_root(path, &rest);
        if (root_fd >= 0 && !parse_attribute(rest, ret)) {
                (void)close(root_fd);
                return -1;
        }
        if (!is_own(ret->verb) && ret->verb != FAKE_HUGEPAGES) {
                copy_word(ret->address, sizeof(ret->address), text, strnlen(text, length));
                ret->address[strcspn(ret->address, "\n")] = '\0';
        }
        return root_fd;
}

/* For a tracer (tests/sweep): what follows, or not any more, is done by the fake. */
static void say_inside(bool is_inside) {
        (void)syscall(SYS_write, -1, "", is_inside ? 1UL : 0UL);
}

/* Whatever is written, there is one write(2) that a tracer can stop or have fail before it acts;
 * for an attribute that is one of nothing, since the fake leaves there what the kernel shows. */
ssize_t write(int fd, const void *buffer, size_t length) {
        int error = errno, root_fd, r = 0;
        FakeWrite write;

        say_inside(true);
        root_fd = find_write(fd, buffer, length, &write);
        say_inside(false);
        errno = error;
        if (root_fd < 0)
                return syscall(SYS_write, fd, buffer, length);
        if (syscall(SYS_write, fd, buffer, 0UL) < 0)
                r = -errno;
        say_inside(true);
        if (r == 0)
                r = write_with_faults(root_fd, &write);
        (void)close(root_fd);
        say_inside(false);
        errno = r < 0 ? -r : error;
        return r < 0 ? -1 : (ssize_t)length;
}

/* What the kernel shows is not emptied by who opens it to write. With files of 64 bits, as all is
 * built, the symbol is openat64. */
int openat(int dir_fd, const char *path, int flags, ...) {
        mode_t mode = 0;
        va_list arguments;

        va_start(arguments, flags);
        if ((flags & (O_CREAT | O_TMPFILE)) != 0)
                mode = va_arg(arguments, mode_t);
        else if (strncmp(path, "sys/", 4) == 0)
                flags &= ~O_TRUNC;
        va_end(arguments);
        return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}

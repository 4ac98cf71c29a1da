/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * round-trips TRIPS FILE ADDRESS=DRIVER...: runs round trips of PCI functions, from their DRIVER on
 * this host to vfio-pci and back, in every way that FILE describes, in turn, and prints what each
 * way there or back took:
 *
 *     TRIP WAY TARGET WALL-NANOSECONDS USER-AND-SYSTEM-MICROSECONDS
 *
 * FILE has lines of WAY TARGET PROGRAM ARGUMENT..., parted by single blanks, in the order in which
 * they are run; TARGET is "passthrough" or "host". Commands of one way and target stand together,
 * and are timed together; an ARGUMENT of '' is empty. No shell takes part, and the environment is
 * the same for all. Between two measurements the machine is let come to rest, and the drivers'
 * links are read: where a function is not where it should be, that ends the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 32
#define ARGUMENTS_MAX 32

typedef struct Command {
        char line[512];
        const char *way;
        const char *target;
        char *arguments[ARGUMENTS_MAX + 1];
} Command;

typedef struct Cost {
        uint64_t wall_ns;
        uint64_t cpu_us;
} Cost;

static char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C",
                               NULL };

static void die(const char *what) {
        (void)fprintf(stderr, "round-trips: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* --- what to run --- */

static bool parse_command(Command *command) {
        char *cursor = command->line, *word;
        size_t n = 0;

        command->line[strcspn(command->line, "\n")] = '\0';
        command->way = strsep(&cursor, " ");
        command->target = strsep(&cursor, " ");
        while ((word = strsep(&cursor, " ")) && n < ARGUMENTS_MAX)
                command->arguments[n++] = strcmp(word, "''") == 0 ? (char *)"" : word;
        command->arguments[n] = NULL;
        return n > 0 && !word;
}

static size_t read_commands(const char *path, Command commands[COMMANDS_MAX]) {
        FILE *file = fopen(path, "re");
        size_t n = 0;

        if (!file)
                die(path);
        while (n < COMMANDS_MAX && fgets(commands[n].line, sizeof(commands[n].line), file))
                if (!parse_command(&commands[n++])) {
                        errno = EINVAL;
                        die(path);
                }
        (void)fclose(file);
        return n;
}

/* --- running it --- */

static void run_child(char *const *arguments, bool quiet) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
            (quiet && dup2(null, STDERR_FILENO) < 0))
                _exit(126);
        (void)execvpe(arguments[0], arguments, environment);
        _exit(127);
}

/* Runs a command to its end, and adds what it and its children used. */
static void run(char *const *arguments, bool quiet, uint64_t *cpu_us) {
        struct rusage usage;
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0)
                run_child(arguments, quiet);
        if (wait4(pid, &status, 0, &usage) < 0)
                die("wait4");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                (void)fprintf(stderr, "round-trips: wait status %#x of %s\n", (unsigned)status,
                              arguments[0]);
                exit(1);
        }
        *cpu_us += (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                   (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Runs this command and those after it that belong to it; returns how many that were. */
static size_t run_timed(const Command *commands, size_t n, Cost *ret) {
        Cost cost = { 0, 0 };
        uint64_t start;
        size_t i;

        start = now_ns();
        for (i = 0; i < n && strcmp(commands[i].way, commands[0].way) == 0 &&
                    strcmp(commands[i].target, commands[0].target) == 0;
             i++)
                run(commands[i].arguments, true, &cost.cpu_us);
        cost.wall_ns = now_ns() - start;
        *ret = cost;
        return i;
}

/* --- between the measurements --- */

static void sleep_ms(long ms) {
        const struct timespec time = { .tv_nsec = ms * 1000000 };

        (void)nanosleep(&time, NULL);
}

/* The clock ticks that all processors were idle. */
static unsigned long idle_ticks(void) {
        FILE *file = fopen("/proc/stat", "re");
        unsigned long idle = 0;

        if (!file || fscanf(file, "cpu %*u %*u %*u %lu", &idle) != 1)
                die("/proc/stat");
        (void)fclose(file);
        return idle;
}

/* What a switch set off (udev, journald) would be in the next one's bill; at most ten seconds. */
static void come_to_rest(void) {
        char *settle[] = { (char *)"udevadm", (char *)"settle", NULL };
        unsigned long before;
        uint64_t nobody = 0;

        run(settle, false, &nobody);
        for (unsigned i = 0; i < 50; i++) {
                before = idle_ticks();
                sleep_ms(200);
                if (idle_ticks() - before >= 18) /* of 20 */
                        return;
        }
        (void)fputs("round-trips: the machine does not come to rest\n", stderr);
}

/* Whether a function is bound to the driver that its ADDRESS=DRIVER or the target demands. */
static void check_place(const char *place, const char *target) {
        char path[128], link[512];
        const char *host_driver = strchr(place, '=') + 1, *driver, *name;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.*s/driver",
                       (int)(host_driver - place) - 1, place);
        n = readlink(path, link, sizeof(link) - 1);
        link[n < 0 ? 0 : n] = '\0';
        driver = strcmp(target, "passthrough") == 0 ? "vfio-pci" : host_driver;
        name = strrchr(link, '/');
        if (!name || strcmp(name + 1, driver) != 0) {
                (void)fprintf(stderr, "round-trips: %s is '%s' and not %s\n", path, link, driver);
                exit(1);
        }
}

int main(int argc, char *argv[]) {
        static Command commands[COMMANDS_MAX];
        unsigned long trips;
        size_t n;

        trips = argc >= 4 ? strtoul(argv[1], NULL, 10) : 0;
        for (int i = 3; i < argc; i++)
                trips = strchr(argv[i], '=') ? trips : 0;
        if (trips == 0) {
                (void)fputs("usage: round-trips TRIPS FILE ADDRESS=DRIVER...\n", stderr);
                return 2;
        }
        n = read_commands(argv[2], commands);
        for (unsigned long trip = 0; trip < trips; trip++)
                for (size_t i = 0, done; i < n; i += done) {
                        Cost cost;

                        come_to_rest();
                        done = run_timed(&commands[i], n - i, &cost);
                        for (int place = 3; place < argc; place++)
                                check_place(argv[place], commands[i].target);
                        (void)printf("%lu %s %s %lu %lu\n", trip, commands[i].way,
                                     commands[i].target, (unsigned long)cost.wall_ns,
                                     (unsigned long)cost.cpu_us);
                        (void)fflush(stdout);
                }
        return 0;
}

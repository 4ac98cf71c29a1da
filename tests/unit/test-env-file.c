/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boot environment's file: what is read, made and changed, and by which system calls. */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot-machine.h"
#include "boot/env-file.h"
#include "table.h"

/* --- changes --- */

static int arm(BootState *state, bool damaged, void *userdata) {
        *state = (BootState){ .sequence = state->sequence + 1, .left = 1 };
        (void)snprintf(state->mode, sizeof(state->mode), "passthrough");
        (void)snprintf(state->arguments, sizeof(state->arguments), "nosmt=force panic=10");
        if (userdata)
                *(bool *)userdata = damaged;
        return 1;
}

static int leave_alone(BootState *state, bool damaged, void *userdata) {
        state->left = 3;
        return 0;
}

static int give_up(BootState *state, bool damaged, void *userdata) {
        return -ENOKEY;
}

/* --- creating --- */

static void test_create(void **state) {
        BootMachine *machine = *state;
        BootState block;
        struct stat st;

        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        assert_int_equal(fstatat(machine->root.fd, BLOCK, &st, 0), 0);
        assert_int_equal(st.st_size, ENV_BLOCK_SIZE);
        block = boot_machine_block(machine);
        assert_true(block.sequence != 0);
        assert_string_equal(block.mode, "");
        assert_int_equal(block.left, 1); /* so that GRUB shows that it writes */
        assert_int_equal(env_file_create(&machine->root, BLOCK), 0);
}

static void test_create_on_the_esp(void **state) {
        BootMachine *machine = *state;
        BootState block;

        assert_int_equal(env_file_create(&machine->root, ESP_BLOCK), 1);
        assert_int_equal(env_file_read(&machine->root, ESP_BLOCK, &block), 0);
}

static void test_create_over_what_is_there(void **state) {
        BootMachine *machine = *state;
        char bytes[ENV_BLOCK_SIZE];
        BootState block;

        (void)memset(bytes, 'x', sizeof(bytes));
        fake_host_write_bytes(machine->fake, BLOCK, bytes, sizeof(bytes));
        assert_int_equal(env_file_create(&machine->root, BLOCK), 0);
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -EBADMSG);
}

/* A power cut between making the file and writing it, at any byte. */
static void test_half_made(void **state) {
        BootMachine *machine = *state;
        char bytes[ENV_BLOCK_SIZE] = "# GRUB Environment Block\n";
        struct stat before, after;

        for (size_t size = 0; size < ENV_BLOCK_SIZE; size += 93) {
                fake_host_write_bytes(machine->fake, BLOCK, bytes, size);
                assert_int_equal(fstatat(machine->root.fd, BLOCK, &before, 0), 0);
                assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
                assert_int_equal(boot_machine_block(machine).left, 1);
                assert_int_equal(fstatat(machine->root.fd, BLOCK, &after, 0), 0);
                assert_int_equal(before.st_ino, after.st_ino);
        }
}

static void test_create_fails(void **state) {
        BootMachine *machine = *state;

        fake_host_write(machine->fake, "boot/grub/vfio-mode", "a file");
        assert_int_equal(env_file_create(&machine->root, BLOCK), -ENOTDIR);
}

/* --- reading --- */

static void test_read_what_is_none(void **state) {
        BootMachine *machine = *state;
        BootState block, untouched;

        (void)memset(&block, 0x5a, sizeof(block));
        untouched = block;
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -ENOENT);
        fake_host_write(machine->fake, BLOCK, "# GRUB Environment Block\n");
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -EBADMSG);
        fake_host_remove(machine->fake, BLOCK);
        assert_int_equal(mkdirat(machine->root.fd, BLOCK, 0755), 0);
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -EBADMSG);
        fake_host_remove(machine->fake, BLOCK);
        assert_int_equal(mkfifoat(machine->root.fd, BLOCK, 0600), 0);
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -EBADMSG);
        fake_host_remove(machine->fake, BLOCK);
        boot_machine_link(machine, "grub.cfg", BLOCK);
        assert_int_equal(env_file_read(&machine->root, BLOCK, &block), -ELOOP);
        assert_memory_equal(&block, &untouched, sizeof(block));
}

/* --- changing --- */

static void test_update(void **state) {
        BootMachine *machine = *state;
        Refusal *refusal = &machine->refusal;
        bool damaged = true;
        BootState before, after;
        struct stat st, same;

        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        before = boot_machine_block(machine);
        assert_int_equal(fstatat(machine->root.fd, BLOCK, &st, 0), 0);
        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, &damaged, refusal), 1);
        assert_false(damaged);
        after = boot_machine_block(machine);
        assert_int_equal(after.sequence, before.sequence + 1);
        assert_string_equal(after.mode, "passthrough");
        assert_string_equal(after.arguments, "nosmt=force panic=10");
        assert_int_equal(fstatat(machine->root.fd, BLOCK, &same, 0), 0);
        assert_int_equal(same.st_ino, st.st_ino);
        assert_int_equal(same.st_size, ENV_BLOCK_SIZE);
}

static void test_update_that_changes_nothing(void **state) {
        BootMachine *machine = *state;
        Refusal *refusal = &machine->refusal;
        BootState before, after;

        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        before = boot_machine_block(machine);
        assert_int_equal(env_file_update(&machine->root, BLOCK, leave_alone, NULL, refusal), 0);
        assert_int_equal(env_file_update(&machine->root, BLOCK, give_up, NULL, refusal), -ENOKEY);
        after = boot_machine_block(machine);
        assert_true(boot_state_equal(&before, &after));
}

static void test_update_of_a_damaged_block(void **state) {
        BootMachine *machine = *state;
        char bytes[ENV_BLOCK_SIZE];
        bool damaged = false;

        (void)memset(bytes, 'x', sizeof(bytes));
        fake_host_write_bytes(machine->fake, BLOCK, bytes, sizeof(bytes));
        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, &damaged, &machine->refusal),
                         1);
        assert_true(damaged);
        assert_string_equal(boot_machine_block(machine).mode, "passthrough");
}

static void test_update_refused(void **state) {
        BootMachine *machine = *state;
        Refusal *refusal = &machine->refusal;

        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, NULL, refusal), -ENOENT);
        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        assert_int_equal(linkat(machine->root.fd, BLOCK, machine->root.fd, "boot/copy", 0), 0);
        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, NULL, refusal), -EOPNOTSUPP);
        assert_int_equal(refusal->kind, REFUSAL_NOT_SUPPORTED);
        assert_non_null(strstr(refusal->text, BLOCK " cannot be written safely"));
        assert_string_equal(boot_machine_block(machine).mode, "");
}

/* --- the lock --- */

/* A child that holds the lock until the pipe is closed. */
static pid_t hold_lock(const BootMachine *machine, int *ret_release) {
        struct flock region = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int ready[2], release[2];
        char byte = 0;
        pid_t child;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(release, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
                int fd = openat(machine->root.fd, BLOCK, O_RDWR | O_CLOEXEC);

                (void)close(release[1]);
                if (fcntl(fd, F_SETLK, &region) == 0)
                        (void)!write(ready[1], &byte, 1);
                (void)!read(release[0], &byte, 1);
                _exit(0);
        }
        (void)close(release[0]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void)close(ready[0]);
        (void)close(ready[1]);
        *ret_release = release[1];
        return child;
}

static void test_lock(void **state) {
        BootMachine *machine = *state;
        int release, status;
        pid_t child;

        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        child = hold_lock(machine, &release);
        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, NULL, &machine->refusal),
                         -ETIMEDOUT);
        assert_string_equal(boot_machine_block(machine).mode, "");
        (void)close(release);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(env_file_update(&machine->root, BLOCK, arm, NULL, &machine->refusal), 1);
}

/* --- system calls --- */

#define TRACED                                                                                \
        "trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,truncate,"    \
        "ftruncate,fallocate,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat," \
        "unlink,unlinkat,symlink,symlinkat,fsync,fdatasync,syncfs,sync,pread64,fadvise64,fcntl"

/* This program, once more and traced, does one thing and leaves the calls behind the mark in @ret.
 */
static char *trace(BootMachine *machine, const char *verb) {
        char file[512], program[512] = "", *text, *start;
        pid_t child;
        int status;

        (void)snprintf(file, sizeof(file), "%s/trace", fake_host_path(machine->fake));
        assert_in_range(readlink("/proc/self/exe", program, sizeof(program) - 1), 1,
                        sizeof(program) - 2);
        child = fork();
        if (child == 0) {
                /* LeakSanitizer cannot work in a process that is traced already. */
                (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
                (void)execlp("strace", "strace", "-o", file, "-e", TRACED, program, verb,
                             fake_host_path(machine->fake), NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        text = fake_host_read(machine->fake, "trace");
        start = strstr(text, BLOCK);
        assert_non_null(start);
        while (start > text && start[-1] != '\n')
                start--;
        (void)memmove(text, start, strlen(start) + 1);
        return text;
}

static size_t count(const char *text, const char *word) {
        size_t n = 0;

        for (; (text = strstr(text, word)); text += strlen(word))
                n++;
        return n;
}

static void assert_in_place(const char *text) {
        static const char *const never[] = { "O_TRUNC",  "truncate",  "rename",  "link(",
                                             "linkat(",  "fallocate", " write(", "writev",
                                             "\nwrite(", "copy_file" };

        for (size_t i = 0; i < ARRAY_SIZE(never); i++)
                assert_int_equal(count(text, never[i]), 0);
        assert_int_equal(count(text, "pwrite64("), 1);
        assert_int_equal(count(text, ", 1024, 0) = 1024\n"), count(text, "pread64(") + 1);
}

static void assert_order(const char *text, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++) {
                text = strstr(text, words[i]);
                assert_non_null(text);
        }
}

static void test_calls_of_an_update(void **state) {
        static const char *const order[] = { "O_RDWR|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC",
                                             "F_SETLK, {l_type=F_WRLCK",
                                             "pread64(",
                                             "pwrite64(",
                                             "fdatasync(",
                                             "POSIX_FADV_DONTNEED",
                                             "pread64(" };
        _cleanup_free_ char *text = NULL;
        BootMachine *machine = *state;

        assert_int_equal(env_file_create(&machine->root, BLOCK), 1);
        text = trace(machine, "--update");
        assert_string_equal(boot_machine_block(machine).mode, "passthrough");
        assert_in_place(text);
        assert_int_equal(count(text, "O_CREAT"), 0);
        assert_int_equal(count(text, "fdatasync("), 1);
        assert_order(text, order, ARRAY_SIZE(order));
}

static void test_calls_of_a_creation(void **state) {
        static const char *const order[] = { "O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644",
                                             "F_SETLK, {l_type=F_WRLCK",
                                             "pwrite64(",
                                             "fsync(",
                                             "O_DIRECTORY",
                                             "fsync(",
                                             "syncfs(" };
        _cleanup_free_ char *text = NULL;
        BootMachine *machine = *state;

        text = trace(machine, "--create");
        assert_in_place(text);
        assert_order(text, order, ARRAY_SIZE(order));
}

static int be_traced(const char *verb, const char *path) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        Refusal refusal = { 0 };

        if (root_open(path, &root) < 0)
                return 1;
        if (strcmp(verb, "--create") == 0)
                return env_file_create(&root, BLOCK) != 1;
        return env_file_update(&root, BLOCK, arm, NULL, &refusal) != 1;
}

#define ON_MACHINE(title, function) \
        { (title), (function), boot_machine_set_up, boot_machine_tear_down, NULL }

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("a new block is idle, and has a boot for GRUB to take", test_create),
                ON_MACHINE("a new block on the ESP", test_create_on_the_esp),
                ON_MACHINE("what is there is left alone", test_create_over_what_is_there),
                ON_MACHINE("a half-made file is finished in place", test_half_made),
                ON_MACHINE("a directory that cannot be made", test_create_fails),
                ON_MACHINE("reading what is no block", test_read_what_is_none),
                ON_MACHINE("a change stays in the same file", test_update),
                ON_MACHINE("a change that changes nothing, and one that fails",
                           test_update_that_changes_nothing),
                ON_MACHINE("a damaged block is written anew", test_update_of_a_damaged_block),
                ON_MACHINE("no file, and a file with two names", test_update_refused),
                ON_MACHINE("another writer is waited for, but not for ever", test_lock),
                ON_MACHINE("an update is one write in place", test_calls_of_an_update),
                ON_MACHINE("a creation is one write, and synced", test_calls_of_a_creation),
        };

        if (argc == 3)
                _exit(be_traced(argv[1], argv[2])); /* nothing of the tools' own at the end */
        return cmocka_run_group_tests_name("env-file", tests, NULL, NULL);
}

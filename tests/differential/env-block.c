/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/env-block against the grub-editenv(1) that is installed: the same edits on the same bytes,
 * also on damaged ones, must end in the same bytes, the same list and the same verdict.
 *
 * usage: env-block GRUB-EDITENV
 *
 * The seed is printed; $VFIO_MODE_TEST_SEED sets it.
 *
 * Left out, since we do otherwise on purpose: names that are empty or hold '=' or a newline (GRUB
 * takes them), files of another size than ours, and lists of blocks with an empty line, which GRUB
 * has read in two ways: up to 2.12 as a part of the next name, from 2.14 on not at all.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "model/env-block.h"

#define EDITS 10000  /* that succeed */
#define BATCH_MAX 24 /* edits of one call */
#define TEXT_SIZE 2048
#define FILE_NAME "env"
#define LIST_NAME "list"

static struct {
        const char *program;
        uint64_t random;
        unsigned n_edits, n_tried, n_calls, n_refused, n_damaged, n_lists;
} test;

#define CHECK(condition)                                                                  \
        do {                                                                              \
                if (!(condition)) {                                                       \
                        (void)fprintf(stderr, "call %u: %s\n", test.n_calls, #condition); \
                        exit(EXIT_FAILURE);                                               \
                }                                                                         \
        } while (0)

static uint32_t number(uint32_t below) {
        test.random = test.random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (uint32_t)(test.random >> 33) % below;
}

/* ---- The program ---- */

static void write_file(const EnvBlock *block) {
        FILE *file = fopen(FILE_NAME, "we");

        CHECK(file && fwrite(block->bytes, sizeof(block->bytes), 1, file) == 1);
        CHECK(fclose(file) == 0);
}

static void read_file(EnvBlock *ret) {
        FILE *file = fopen(FILE_NAME, "re");

        CHECK(file && fread(ret->bytes, sizeof(ret->bytes), 1, file) == 1);
        CHECK(fgetc(file) == EOF && fclose(file) == 0);
}

/* Runs grub-editenv with its output into a file. Returns whether it succeeded. */
static bool run(char *const *arguments) {
        posix_spawn_file_actions_t actions;
        int status;
        pid_t pid;

        test.n_calls++;
        CHECK(posix_spawn_file_actions_init(&actions) == 0);
        CHECK(posix_spawn_file_actions_addopen(&actions, 1, LIST_NAME, O_WRONLY | O_CREAT | O_TRUNC,
                                               0600) == 0);
        CHECK(posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) == 0);
        CHECK(posix_spawn(&pid, test.program, &actions, NULL, arguments, environ) == 0);
        CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        return WEXITSTATUS(status) == 0;
}

/* ---- What is drawn ---- */

/* Few names, so that they meet; those that are beginnings of others or of the value in front. */
static const char *draw_name(void) {
        static const char *const names[] = {
                "a",
                "ab",
                "abc",
                "vfio_seq",
                "vfio_mode",
                "vfio_left",
                "vfio_keep",
                "vfio_skip",
                "vfio_args",
                "vfio_end",
                "_",
                "a b",
                "#c",
                "\\",
                "saved_entry",
                "\xc3\xa4",
                "a_name_that_is_longer_than_the_others_and_than_any_that_is_in_use",
        };

        return names[number(ARRAY_SIZE(names))];
}

static size_t draw_length(void) {
        switch (number(100)) {
        case 0:
                return number(1000);
        case 1:
                return 850 + number(150);
        case 2:
        case 3:
                return number(300);
        default:
                return number(24);
        }
}

static void draw_value(char value[static TEXT_SIZE]) {
        static const char bytes[] = "abcdefgh 0123456789=##\\\\\n\n\t\"'$;\xc3\xa4\xff\x01";
        size_t length = draw_length();
        bool plain = number(2);

        for (size_t i = 0; i < length; i++)
                value[i] = plain ? 'x' : bytes[number(sizeof(bytes) - 1)];
        value[length] = '\0';
}

/* One of the ways in which a block can be spoilt. */
static void damage_once(EnvBlock *block) {
        static const char bytes[] = "#\n=\\a\0\xff ";
        char *at = &block->bytes[number(ENV_BLOCK_SIZE)];
        size_t rest = (size_t)(block->bytes + ENV_BLOCK_SIZE - at);

        switch (number(10)) {
        case 0: /* leapp, osbuild: a newline behind the filling */
                block->bytes[ENV_BLOCK_SIZE - 1] = '\n';
                break;
        case 1:
                (void)memset(at, '#', rest); /* torn */
                break;
        case 2:
                (void)memset(at, 0, rest);
                break;
        case 3: /* no filling */
                (void)memset(at, 'x', rest);
                break;
        case 4:
                (void)memset(at, 'x', rest);
                block->bytes[ENV_BLOCK_SIZE - 1] = '\n';
                break;
        case 5: /* a backslash that takes the end along */
                block->bytes[ENV_BLOCK_SIZE - 1] = '\\';
                break;
        case 6: /* behind the signature, where the variables are */
                block->bytes[25 + number(200)] = bytes[number(sizeof(bytes) - 1)];
                break;
        case 7:
                (void)memmove(at, block->bytes + number(ENV_BLOCK_SIZE), 1);
                break;
        case 8: /* a line out of nothing */
                if (rest > 8)
                        (void)memcpy(at, "\nab=cd\n", 7);
                break;
        default:
                *at = bytes[number(sizeof(bytes) - 1)];
                break;
        }
}

/* ---- One edit, here and there ---- */

typedef struct Batch {
        char texts[BATCH_MAX][TEXT_SIZE];
        char *arguments[3 + BATCH_MAX + 1];
        unsigned n;
} Batch;

static void batch_begin(Batch *batch, const char *verb) {
        batch->arguments[0] = (char *)(uintptr_t)test.program;
        batch->arguments[1] = (char *)(uintptr_t)FILE_NAME;
        batch->arguments[2] = (char *)(uintptr_t)verb;
        batch->arguments[3] = NULL;
        batch->n = 0;
}

static void batch_add(Batch *batch) {
        batch->arguments[3 + batch->n] = batch->texts[batch->n];
        batch->arguments[3 + ++batch->n] = NULL;
}

/* grub-editenv writes all of them or none. */
static bool batch_set(Batch *batch, EnvBlock *block) {
        unsigned n = 1 + number(number(4) ? BATCH_MAX : 2);
        EnvBlock copy = *block;
        bool good = true;

        batch_begin(batch, "set");
        for (unsigned i = 0; i < n; i++) {
                const char *name = draw_name();
                char value[TEXT_SIZE];
                EnvBlock before = copy;
                int r;

                draw_value(value);
                (void)sprintf(batch->texts[i], "%s=%s", name, value);
                batch_add(batch);
                r = env_block_set(&copy, name, value);
                CHECK(r == 0 || r == -ENOSPC);
                CHECK(r == 0 || memcmp(&copy, &before, sizeof(copy)) == 0);
                good = good && r == 0;
        }
        if (good)
                *block = copy;
        return good;
}

static void compare_list(const EnvBlock *block) {
        char value[ENV_BLOCK_SIZE + 1], line[2 * ENV_BLOCK_SIZE], got[2 * ENV_BLOCK_SIZE];
        FILE *file = fopen(LIST_NAME, "re");
        EnvVariable variable;
        size_t cursor = 0;

        CHECK(file);
        test.n_lists++;
        while (env_block_next(block, &cursor, &variable)) {
                size_t length;

                CHECK(env_variable_value(&variable, value, sizeof(value)) >= 0);
                length = (size_t)sprintf(line, "%.*s=%s\n", (int)variable.name_length,
                                         variable.name, value);
                CHECK(fread(got, length, 1, file) == 1 && memcmp(got, line, length) == 0);
        }
        CHECK(fgetc(file) == EOF && fclose(file) == 0);
}

static bool has_empty_line(const EnvBlock *block) {
        for (size_t i = 24; i + 1 < ENV_BLOCK_SIZE; i++)
                if (block->bytes[i] == '\n' && block->bytes[i + 1] == '\n')
                        return true;
        return false;
}

static void step(EnvBlock *block) {
        bool is_block = env_block_check(block->bytes, sizeof(block->bytes)) == 0;
        static Batch batch;
        EnvBlock expected = *block, written;
        bool good = batch_set(&batch, &expected);

        if (!is_block) {
                good = false;
                expected = *block;
        }
        CHECK(run(batch.arguments) == good);
        read_file(&written);
        CHECK(memcmp(&written, &expected, sizeof(written)) == 0);
        test.n_tried += batch.n;
        test.n_edits += good ? batch.n : 0;
        test.n_refused += !good;
        *block = expected;

        if (number(4) == 0 && is_block && !has_empty_line(block)) {
                batch_begin(&batch, "list");
                CHECK(run(batch.arguments));
                compare_list(block);
        }
}

/* As grub-editenv makes it, now and then by itself: an empty block is the same each time. */
static void start_anew(EnvBlock *block) {
        static Batch batch;
        EnvBlock created;

        env_block_init(block);
        if (test.n_calls > 0 && number(8)) {
                write_file(block);
                return;
        }
        CHECK(unlink(FILE_NAME) == 0 || errno == ENOENT);
        batch_begin(&batch, "create");
        CHECK(run(batch.arguments));
        read_file(&created);
        CHECK(memcmp(&created, block, sizeof(created)) == 0);
}

/* A directory of its own, in memory: grub-editenv syncs whatever it writes. */
static void enter_directory(char *template, size_t size) {
        const char *tmp = getenv("TMPDIR");

        if (!tmp)
                tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        (void)snprintf(template, size, "%s/env-block-XXXXXX", tmp);
        CHECK(mkdtemp(template) && chdir(template) == 0);
}

int main(int argc, char **argv) {
        const char *seed = getenv("VFIO_MODE_TEST_SEED");
        char directory[4096];
        EnvBlock block;

        CHECK(argc == 2);
        test.program = argv[1];
        test.random = seed ? strtoull(seed, NULL, 10) : 1;
        (void)printf("VFIO_MODE_TEST_SEED=%llu\n", (unsigned long long)test.random);
        enter_directory(directory, sizeof(directory));

        while (test.n_edits < EDITS) {
                start_anew(&block);
                for (unsigned n = 1 + number(6); n > 0; n--)
                        step(&block);
                if (number(4)) {
                        for (unsigned n = 1 + number(3); n > 0; n--)
                                damage_once(&block);
                        write_file(&block);
                        test.n_damaged++;
                }
                for (unsigned n = number(5); n > 0; n--)
                        step(&block);
        }
        (void)printf("%u edits, and %u in calls that are refused as a whole; %u calls, %u refused, "
                     "%u damaged blocks, %u lists\n",
                     test.n_edits, test.n_tried - test.n_edits, test.n_calls, test.n_refused,
                     test.n_damaged, test.n_lists);
        CHECK(test.n_refused > 100 && test.n_damaged > 100 && test.n_lists > 100);
        CHECK(unlink(FILE_NAME) == 0 && unlink(LIST_NAME) == 0 && rmdir(directory) == 0);
        return EXIT_SUCCESS;
}

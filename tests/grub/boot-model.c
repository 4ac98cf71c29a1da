/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the model says of blocks in files, for the tests that hold it against real GRUB. One command
 * in a line of stdin, its words separated by tabs; one line of answer each:
 *
 *   format FILE SEQUENCE MODE LEFT KEEP SKIP ARGUMENTS   makes the file
 *   boot FILE WRITABLE     kind, what GRUB's variable holds, and the block after that boot
 *   set-once, set-default, cancel, disarm, confirm FILE MODE ARGUMENTS TRIES NOW COMMAND-LINE
 *                          the OS's operations; changes the file as they would
 *   config HEX             the text as a configuration: "+" and the cmdline of mode passthrough, or
 *                          "-" and the first error
 *
 * A block in an answer is SEQUENCE,MODE,LEFT,KEEP,SKIP, or "damaged"; LEFT is -1 of one that has
 * expired. A mode named "host" is the
 * fallback mode and the default-mode.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/boot-state.h"
#include "model/config.h"

#define FIELDS 8
#define TEXT_MAX 4096 /* what is drawn has some 3,500 bytes at most */

static _Noreturn void die(const char *what) {
        fprintf(stderr, "boot-model: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static unsigned number(const char *text) {
        return (unsigned)strtoul(text, NULL, 10);
}

static int load(const char *path, BootState *ret) {
        EnvBlock block;
        char beyond;
        size_t size;
        FILE *file = fopen(path, "re");

        if (!file)
                return -errno;
        size = fread(block.bytes, 1, sizeof(block.bytes), file);
        size += fread(&beyond, 1, 1, file);
        fclose(file);
        return size == sizeof(block.bytes) ? boot_state_parse(&block, ret) : -EBADMSG;
}

static void store(const char *path, const BootState *state) {
        EnvBlock block;
        FILE *file;

        if (boot_state_format(state, &block) < 0)
                die("format");
        file = fopen(path, "we");
        if (!file || fwrite(&block, sizeof(block), 1, file) != 1 || fclose(file) != 0)
                die(path);
}

static void print_block(const BootState *state) {
        printf("%llu,%s,%d,%d,%d\n", (unsigned long long)state->sequence, state->mode,
               state->expired ? -1 : (int)state->left, (int)state->keep, (int)state->skip);
}

static void format(char **field) {
        BootState state = { .sequence = strtoull(field[2], NULL, 10),
                            .expired = strcmp(field[4], "-1") == 0,
                            .left = strcmp(field[4], "-1") == 0 ? 0 : number(field[4]),
                            .keep = (BootKeep)number(field[5]),
                            .skip = number(field[6]) != 0 };

        snprintf(state.mode, sizeof(state.mode), "%s", field[3]);
        snprintf(state.arguments, sizeof(state.arguments), "%s", field[7]);
        store(field[1], &state);
        print_block(&state);
}

static void boot(char **field) {
        BootState state = { 0 }, after = { 0 };
        char mode[CONFIG_NAME_SIZE];
        int r = load(field[1], &state);
        BootKind kind;

        if (r == -ENOENT) {
                printf("missing\tvfio_mode.boot=missing.0.0\tdamaged\n");
                return;
        }
        kind = boot_state_boot(r < 0 ? NULL : &state, number(field[2]) != 0, mode, &after);
        printf("%s\t", boot_kind_name(kind));
        if (mode[0] != '\0')
                printf("vfio_mode=%s ", mode);
        if (kind == BOOT_KIND_ONCE || kind == BOOT_KIND_TRIAL || kind == BOOT_KIND_DEFAULT)
                printf("%s%s", state.arguments, state.arguments[0] ? " " : "");
        printf("vfio_mode.boot=%s.%llu.%u\t", boot_kind_name(kind),
               (unsigned long long)after.sequence, after.left);
        if (r < 0)
                printf("damaged\n");
        else
                print_block(&after);
}

static void operate(char **field) {
        BootTarget target = { .mode = field[2],
                              .arguments = field[3],
                              .is_fallback = strcmp(field[2], "host") == 0,
                              .tries = number(field[4]),
                              .now = strtoull(field[5], NULL, 10) };
        BootState old = { 0 }, new = { 0 };
        RefusalKind kind = REFUSAL_NONE;
        BootMarker marker;
        Refusal refusal;

        if (load(field[1], &old) == -ENOENT)
                die(field[1]);
        if (boot_marker_find(field[6], &marker) < 0)
                die(field[6]);
        if (strcmp(field[0], "set-once") == 0)
                kind = boot_state_set_once(&old, &target, &new, &refusal);
        else if (strcmp(field[0], "set-default") == 0)
                boot_state_set_default(&old, &target, true, &new);
        else if (strcmp(field[0], "cancel") == 0)
                boot_state_cancel(&old, target.now, &new);
        else if (strcmp(field[0], "disarm") == 0)
                boot_state_disarm(&old, target.now, &new);
        else
                kind = boot_state_confirm(&old, &marker, target.now, &new, &refusal);
        if (kind != REFUSAL_NONE) {
                printf("refused\n");
                return;
        }
        store(field[1], &new);
        print_block(&new);
}

static void config(char **field) {
        char text[TEXT_MAX], error[512];
        size_t size = strlen(field[1]) / 2;
        ConfigSource source = { .file = "hostile.ini", .text = text, .size = size };
        ConfigErrors errors = { 0 };
        Config config = { 0 };
        unsigned byte;

        if (size > sizeof(text))
                die("too long");
        for (size_t i = 0; i < size; i++) {
                if (sscanf(field[1] + 2 * i, "%2x", &byte) != 1)
                        die("no hexadecimal digits");
                text[i] = (char)byte;
        }
        if (config_parse(&source, 1, &config, &errors) < 0)
                printf("-%s\n", config_errors_format(&errors, error, sizeof(error)));
        else
                printf("+%s\n", config_find_mode(&config, "passthrough")->cmdline);
}

int main(void) {
        char line[2 * TEXT_MAX + 64];

        while (fgets(line, sizeof(line), stdin)) {
                char *field[FIELDS], *rest = line;

                line[strcspn(line, "\n")] = '\0';
                for (size_t i = 0; i < FIELDS; i++) {
                        field[i] = strsep(&rest, "\t");
                        if (!field[i])
                                field[i] = line + strlen(line);
                }
                if (strcmp(field[0], "format") == 0)
                        format(field);
                else if (strcmp(field[0], "boot") == 0)
                        boot(field);
                else if (strcmp(field[0], "config") == 0)
                        config(field);
                else
                        operate(field);
                if (fflush(stdout) != 0)
                        die("stdout");
        }
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over files instead of under libFuzzer, so that its corpus is part of every
 * test run with any compiler. Arguments are files and directories of files.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1024 * 1024)

static int replay_file(const char *path) {
        FILE *file = fopen(path, "re");
        uint8_t *data = malloc(INPUT_MAX);
        uint8_t *exact;
        size_t size;

        if (!file || !data) {
                perror(path);
                exit(EXIT_FAILURE);
        }
        size = fread(data, 1, INPUT_MAX, file);
        fclose(file);

        /* No byte more than the input has, so that reading beyond it is seen. */
        exact = malloc(size ? size : 1);
        if (!exact)
                exit(EXIT_FAILURE);
        memcpy(exact, data, size);
        free(data);
        (void)LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        return 1;
}

static int replay(const char *path) {
        DIR *directory = opendir(path);
        struct dirent *entry;
        char name[4096];
        int n = 0;

        if (!directory)
                return replay_file(path);
        while ((entry = readdir(directory))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
                n += replay_file(name);
        }
        closedir(directory);
        return n;
}

int main(int argc, char **argv) {
        int n = 0;

        for (int i = 1; i < argc; i++)
                n += replay(argv[i]);
        printf("%d inputs\n", n);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

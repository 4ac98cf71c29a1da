/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/modprobe-config against libkmod: the same lines of a file, in the same order. libkmod reads
 * the kernel's command line as well, whatever file it is given; that is taken off by a file that is
 * empty.
 */
#undef NDEBUG

#include <assert.h>
#include <libkmod.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "model/modprobe-config.h"

#define LINES_MAX 64

typedef struct Said {
        char module[MODPROBE_WORD_SIZE], value[256];
} Said;

static const char *const texts[] = {
        "",
        "# a comment\noptions vfio-pci ids=10de:2484 disable_vga=1\nblacklist nouveau\n",
        "  blacklist\tsnd-hda-intel  \n\t# options a b=1\n#blacklist c\n",
        "options a b=1 \\\n  c=2\noptions a\noptions\nblacklist\nnonsense a\n",
        "install nouveau /bin/false\ninstall a\ninstall a-b  true  # x\n",
        "# a comment that goes on \\\nblacklist a\nblacklist b",
        "softdep nvidia pre: vfio-pci post: x\nsoftdep a-b pre: c\n",
        "alias nouveau off\nalias\tpci:v000010DEd00002484sv*sd*bc03sc00i00*  vfio-pci  x # y\nalias a-b\nalias c\\\nd e-f\n",
        "alias x y\nremove z /bin/true\nblacklist a\\\nb c\n\n\noptions x y\\z\n",
};

static size_t ask_libkmod(const char *path, ModprobeCommand command, Said *ret) {
        const char *const paths[] = { path, NULL };
        struct kmod_ctx *context = kmod_new("/nowhere", paths);
        struct kmod_config_iter *(*const iterators[])(const struct kmod_ctx *) = {
                [MODPROBE_BLACKLIST] = kmod_config_get_blacklists,
                [MODPROBE_OPTIONS] = kmod_config_get_options,
                [MODPROBE_INSTALL] = kmod_config_get_install_commands,
                [MODPROBE_SOFTDEP] = kmod_config_get_softdeps,
                [MODPROBE_ALIAS] = kmod_config_get_aliases,
        };
        struct kmod_config_iter *iterator;
        size_t n = 0;

        assert(context);
        iterator = iterators[command](context);
        assert(iterator);
        while (kmod_config_iter_next(iterator)) {
                const char *value = kmod_config_iter_get_value(iterator);

                assert(n < LINES_MAX);
                (void)snprintf(ret[n].module, sizeof(ret[n].module), "%s",
                               kmod_config_iter_get_key(iterator));
                (void)snprintf(ret[n++].value, sizeof(ret[0].value), "%s", value ? value : "");
        }
        kmod_config_iter_free_iter(iterator);
        (void)kmod_unref(context);
        return n;
}

static size_t ask_us(const char *text, ModprobeCommand command, Said *ret) {
        const char *cursor = text;
        unsigned number = 0;
        ModprobeLine line;
        size_t n = 0;

        while (modprobe_config_next(&cursor, &number, &line)) {
                if (line.command != command)
                        continue;
                (void)snprintf(ret[n].module, sizeof(ret[n].module), "%s", line.module);
                (void)snprintf(ret[n++].value, sizeof(ret[0].value), "%.255s", line.value);
        }
        return n;
}

static void write_text(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* A soft dependency is put in its own words by libkmod, and blanks before a value are kept. */
static void compare(const char *path, const char *text, ModprobeCommand command) {
        static Said theirs[LINES_MAX], ours[LINES_MAX], always[LINES_MAX];
        size_t n_always, n_theirs, n_ours;

        write_text(path, "");
        n_always = ask_libkmod(path, command, always);
        write_text(path, text);
        n_theirs = ask_libkmod(path, command, theirs);
        n_ours = ask_us(text, command, ours);
        if (n_theirs != n_ours + n_always) {
                printf("%s of '%s': %zu, libkmod %zu\n", modprobe_command_name(command), text,
                       n_ours, n_theirs - n_always);
                exit(EXIT_FAILURE);
        }
        for (size_t i = 0; i < n_ours; i++) {
                if (strcmp(ours[i].module, theirs[i].module) == 0 &&
                    (command == MODPROBE_SOFTDEP ||
                     strcmp(ours[i].value, theirs[i].value + strspn(theirs[i].value, " \t")) == 0))
                        continue;
                printf("'%s' of '%s', libkmod '%s' of '%s'\n", ours[i].value, ours[i].module,
                       theirs[i].value, theirs[i].module);
                exit(EXIT_FAILURE);
        }
}

int main(void) {
        char path[] = "/tmp/modprobe-XXXXXX.conf";
        int fd = mkstemps(path, 5);
        size_t n = 0;

        assert(fd >= 0 && close(fd) == 0);
        /* It complains of lines that are none. */
        assert(setenv("KMOD_LOG", "0", true) == 0);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                for (ModprobeCommand command = 0; command < _MODPROBE_COMMAND_MAX; command++, n++)
                        compare(path, texts[i], command);
        (void)unlink(path);
        printf("%zu comparisons\n", n);
        return EXIT_SUCCESS;
}

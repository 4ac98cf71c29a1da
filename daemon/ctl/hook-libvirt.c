/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * https://libvirt.org/hooks.html: `prepare` comes before libvirt touches the devices, `release`
 * after it has let go of them. At all other operations nothing happens, and nothing fails: a
 * failure would end a guest that runs (reconnect, at the restart of libvirtd).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/hook.h"
#include "ctl/local.h"
#include "ctl/text.h"
#include "model/libvirt-domain.h"
#include "model/refusal.h"

#define LOG_DIR "var/log/libvirt/qemu"
#define LOG_TAIL_SIZE 4096

static int read_xml(char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = must_have(malloc(LIBVIRT_DOMAIN_SIZE_MAX + 1));
        size_t size = 0;
        ssize_t n;

        while ((n = read(STDIN_FILENO, text + size, LIBVIRT_DOMAIN_SIZE_MAX + 1 - size)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t)n;
                if (size > LIBVIRT_DOMAIN_SIZE_MAX)
                        return -E2BIG;
        }
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int read_domain(Vm *vm) {
        _cleanup_free_ char *xml = NULL;
        size_t size = 0;
        int r;

        r = read_xml(&xml, &size);
        if (r >= 0)
                r = libvirt_domain_parse(xml, size, vm, NULL);
        if (r < 0)
                complain("The definition of '%s' cannot be read: %s", vm->name,
                         r == -EBADMSG ? "it is no domain in XML" : strerror(-r));
        return r;
}

/* libvirt before 10.5.0 tells no reason; but it has written it already. */
static void read_reason(const Arguments *arguments, const char *guest, char *buffer, size_t size) {
        _cleanup_free_ char *path = text_format(LOG_DIR "/%s.log", guest);
        _cleanup_(root_close) Root root = ROOT_NULL;
        _cleanup_close_ int fd = -1;
        char tail[LOG_TAIL_SIZE + 1];
        ssize_t n;

        buffer[0] = '\0';
        if (strchr(guest, '/') || local_root(arguments, &root) < 0)
                return;
        fd = openat(root.fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return;
        if (lseek(fd, -LOG_TAIL_SIZE, SEEK_END) < 0 && lseek(fd, 0, SEEK_SET) < 0)
                return;
        n = read(fd, tail, LOG_TAIL_SIZE);
        if (n <= 0)
                return;
        tail[n] = '\0';
        libvirt_log_reason(tail, buffer, size);
}

static int end(const Arguments *arguments, Vm *vm, const char *guest, const char *reason) {
        char written[32];

        if (strcmp(reason, "-") == 0)
                read_reason(arguments, guest, written, sizeof(written));
        vm->word = libvirt_reason_word(strcmp(reason, "-") == 0 ? written : reason);
        return hook_end(arguments, vm);
}

int hook_libvirt(const Arguments *arguments, const char *const *operands, size_t n) {
        _cleanup_free_ Vm *vm = must_have(calloc(1, sizeof(*vm)));
        const char *operation = n >= 2 ? operands[1] : "";
        bool begins = strcmp(operation, "prepare") == 0;

        if (n < 2) {
                complain("'hook libvirt' needs what libvirt calls its hook with: GUEST OPERATION "
                         "SUB-OPERATION EXTRA");
                return EXIT_CODE_USAGE;
        }
        if (!begins && strcmp(operation, "release") != 0)
                return EXIT_CODE_DONE;
        hook_name(operands[0], vm);
        if (read_domain(vm) < 0)
                return begins ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
        return begins ? hook_begin(arguments, vm)
                      : end(arguments, vm, operands[0], n >= 4 ? operands[3] : "-");
}

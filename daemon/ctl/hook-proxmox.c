/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hookscript of Proxmox VE (qm(1), --hookscript): pre-start, post-start, pre-stop, post-stop. Of
 * a start that fails after pre-start it is told nothing: that is the guard's to see.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/hook.h"
#include "ctl/local.h"
#include "ctl/text.h"
#include "host/guest-scan.h"
#include "host/state-files.h"
#include "model/refusal.h"

#define DIGITS "0123456789"

static int find_functions(const Arguments *arguments, const char *id, Vm *vm) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        ProxmoxGuest guest;
        int r;

        r = local_root(arguments, &root);
        if (r < 0)
                return r;
        r = guest_read_proxmox(&root, id, vm, &guest);
        if (r < 0)
                complain("What guest %s is given cannot be read from /" PROXMOX_GUESTS_DIR
                         "/%s.conf: %s",
                         id, id,
                         r == -EBADMSG ? "a hostpci line cannot be understood" : strerror(-r));
        return r;
}

/* pre-stop was called before. */
static bool was_asked_to_end(const Arguments *arguments, const char *name) {
        _cleanup_free_ VmList *list = must_have(calloc(1, sizeof(*list)));
        _cleanup_(root_close) Root root = ROOT_NULL;
        const Vm *told;

        if (local_root(arguments, &root) < 0 || vm_list_read(&root, list) < 0)
                return false;
        told = vm_list_find(list, name);
        return told && told->word == VM_WORD_STOPPED;
}

int hook_proxmox(const Arguments *arguments, const char *const *operands, size_t n) {
        _cleanup_free_ Vm *vm = must_have(calloc(1, sizeof(*vm)));
        const char *id = n >= 1 ? operands[0] : "", *phase = n >= 2 ? operands[1] : "";
        bool begins = strcmp(phase, "pre-start") == 0, has_ended = strcmp(phase, "post-stop") == 0;

        if (n != 2 || id[0] == '\0' || id[strspn(id, DIGITS)] != '\0' || strlen(id) > 9) {
                complain(
                        "'hook proxmox' needs what Proxmox VE calls a hookscript with: VMID PHASE");
                return EXIT_CODE_USAGE;
        }
        if (!begins && !has_ended && strcmp(phase, "pre-stop") != 0)
                return EXIT_CODE_DONE;
        hook_name(id, vm);
        if (find_functions(arguments, id, vm) < 0)
                return begins ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
        /* A hookscript is not told how a guest has ended. */
        vm->word = has_ended && !was_asked_to_end(arguments, vm->name) ? VM_WORD_ENDED
                                                                       : VM_WORD_STOPPED;
        return begins ? hook_begin(arguments, vm) : hook_end(arguments, vm);
}

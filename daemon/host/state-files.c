/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the files of /run/vfio-mode and the like; their form is model/run-state's,
 * model/run-result's and model/switch-trial's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "hold.h"
#include "state-files.h"

int lock_is_held(const Root *root) {
        /* Who only awaits its end has another byte. */
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        _cleanup_close_ int fd = openat(root->fd, LOCK_PATH, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fcntl(fd, F_GETLK, &lock) < 0)
                return -errno;
        return lock.l_type != F_UNLCK;
}

static int read_state(const Root *root, const char *path, bool may_be_torn, RunState *ret) {
        _cleanup_free_ char *text = NULL;
        char *end;
        ssize_t n;

        n = file_read_alloc_at(root->fd, path, RUN_STATE_SIZE_MAX, &text);
        if (n == -ENOENT)
                (void)memset(ret, 0, sizeof(*ret));
        if (n < 0)
                return (int)n;
        end = strrchr(text, '\n');
        if (may_be_torn && end)
                end[1] = '\0';
        return run_state_parse(text, ret);
}

static int read_result(const Root *root, const char *path, RunResult *ret) {
        char text[RUN_RESULT_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        return run_result_parse(text, ret);
}

int state_read(const Root *root, RunState *ret) {
        int r = read_state(root, STATUS_PATH, false, ret);

        if (r >= 0)
                hold_forget_released(root, ret);
        return r;
}

int undo_read(const Root *root, RunState *ret) {
        return read_state(root, UNDO_PATH, true, ret);
}

bool mode_in_force_read(const Root *root, char ret[static CONFIG_NAME_SIZE]) {
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));
        int r = state ? undo_read(root, state) : -ENOMEM;

        ret[0] = '\0';
        if (r != -ENOENT && (r < 0 || !run_state_is_of_rom(state)))
                return false;
        if (state_read(root, state) >= 0)
                (void)memcpy(ret, state->mode, sizeof(state->mode));
        return ret[0] != '\0';
}

/* Whoever may not open it is not told. What is of another run was left by a write that failed. */
static void read_names(const Root *root, RunResult *ret) {
        RunResult names;

        if (read_result(root, RESULT_NAMES_PATH, &names) >= 0 && names.kind == ret->kind &&
            strcmp(names.invocation, ret->invocation) == 0 && strcmp(names.mode, ret->mode) == 0)
                (void)memcpy(ret->full_text, names.text, sizeof(ret->full_text));
}

int result_read(const Root *root, RunResult *ret) {
        int r = read_result(root, RESULT_PATH, ret);

        if (r >= 0)
                read_names(root, ret);
        return r;
}

int boot_result_read(const Root *root, RunResult *ret) {
        return read_result(root, BOOT_PATH, ret);
}

static int read_trial(const Root *root, const char *path, SwitchTrial *ret) {
        char text[SWITCH_TRIAL_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        return switch_trial_parse(text, ret);
}

int trial_read(const Root *root, SwitchTrial *ret) {
        return read_trial(root, TRIAL_PATH, ret);
}

int trial_next_read(const Root *root, SwitchTrial *ret) {
        return read_trial(root, TRIAL_NEXT_PATH, ret);
}

int vm_watch_read(const Root *root, VmWatch *ret) {
        char text[VM_WATCH_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, VM_WATCH_PATH, text, sizeof(text));
        return n < 0 ? (int)n : vm_watch_parse(text, ret);
}

int vm_list_read(const Root *root, VmList *ret) {
        _cleanup_free_ char *text = NULL;
        ssize_t n;

        n = file_read_alloc_at(root->fd, VM_LIST_PATH, VM_LIST_SIZE_MAX, &text);
        return n < 0 ? (int)n : vm_list_parse(text, ret);
}

int inspection_read(const Root *root, const char *mode, Inspection *ret) {
        char path[sizeof(INSPECT_DIR) + CONFIG_NAME_SIZE];
        _cleanup_free_ char *text = NULL;
        ssize_t n;

        (void)snprintf(path, sizeof(path), INSPECT_DIR "/%s", mode);
        n = file_read_alloc_at(root->fd, path, INSPECTION_SIZE_MAX, &text);
        return n < 0 ? (int)n : inspection_parse(text, ret);
}

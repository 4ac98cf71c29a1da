/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decisions are model/vm-watch's. Here are its clock, its looks, and the end of who has a
 * device: a pidfd, so that nothing wakes up while a VM runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/boot-history.h"
#include "guard.h"
#include "host/connectors.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "host/units.h"
#include "inhibitor.h"
#include "model/switch-origin.h"
#include "model/vm-watch.h"
#include "power-button.h"
#include "signs.h"
#include "watched.h"

#define SEC UINT64_C(1000000)
#define FALLBACK_UNIT "vfio-mode-fallback.service"
#define RESCUE_UNIT "vfio-mode-rescue.service"
#define RESCUES "The power button brings the screen back."
#define PRESSED "the power button was pressed"
#define CONFIRM_UNIT "vfio-mode-confirm.service"
#define BOOTED_TARGET "multi-user.target"
#define BOOT_USEC (300 * SEC)      /* a boot that does not get there counts from then on, too */
#define ASK_AGAIN_USEC (60 * SEC)  /* whether the fallback mode is on its way */
#define TRY_AGAIN_USEC SEC         /* what has failed */
#define REGISTERED_USEC (60 * SEC) /* a guest opens a device some time after it was registered */
#define ACCURACY_USEC (20 * 1000)

typedef struct Guard {
        const Root *root;
        Watched *watched;
        VmWatch watch;
        NodeHolder holder; /* who is waited for; pid 0: nobody */
        VmList told;       /* by hooks */
        char kept[VM_WATCH_SIZE_MAX];
        sd_event *event;
        sd_event_source *timer, *end; /* the next look; the end of who has a device */
        int awaited;                  /* whose end that is */
        Signs *signs;
        uint64_t started;
        uint64_t registered;  /* when a guest was last; 0: never */
        uint64_t asked_until; /* the fallback mode is on its way */
        bool has_said;        /* what it waits for */
        int sleep_fd; /* the lock against the machine's sleep, while a VM has a device; -1: none */
        PowerButton *button; /* NULL: it is not ours */
} Guard;

/* --- what it knows --- */

/*
 * Whoever the mode was entered for may have been told of, and may have failed already, before there
 * was a guard. What came before the mode is of before; that has whole seconds.
 */
static uint64_t mode_began(const Guard *guard) {
        uint64_t now = now_usec(), real = now_real_usec(), began = guard->watch.mode_since * SEC;

        return real >= began && real - began < now ? now - (real - began) : 0;
}

static void begin(Guard *guard) {
        VmWatch before;

        (void)memcpy(guard->watch.mode, guard->watched->mode->name, sizeof(guard->watch.mode));
        guard->watch.mode_since = guard->watched->state.since;
        if (vm_watch_read(guard->root, &before) >= 0 &&
            strcmp(before.mode, guard->watch.mode) == 0 &&
            before.mode_since == guard->watch.mode_since) {
                before.confirms = guard->watch.confirms;
                guard->watch = before;
                return;
        }
        guard->watch.is_for_vm = strcmp(guard->watched->state.source, SOURCE_VM) == 0;
        guard->watch.heard = mode_began(guard);
}

/* Returns whether there was anything new. */
static bool keep(Guard *guard) {
        char text[VM_WATCH_SIZE_MAX];
        int r;

        r = vm_watch_format(&guard->watch, text, sizeof(text));
        if (r >= 0 && strcmp(text, guard->kept) == 0)
                return false;
        if (r >= 0)
                r = file_replace_at(guard->root->fd, VM_WATCH_PATH, text, (size_t)r);
        if (r < 0)
                log_warning_errno(r, "/" VM_WATCH_PATH " cannot be written: %m");
        else
                (void)memcpy(guard->kept, text, sizeof(text));
        return true;
}

static void say(Guard *guard) {
        char text[VM_WATCH_REASON_SIZE];

        (void)vm_watch_describe(&guard->watch, guard->watched->mode, guard->watched->names, text);
        log_info("%s", text);
        (void)sd_notifyf(0, "STATUS=%s%s", text, guard->button ? " " RESCUES : "");
        guard->has_said = true;
}

/* --- the fallback --- */

/* The mode's unit stops on the way there, and we with it. Where that does not come about, it is
 * asked for again. */
static uint64_t fall_back(const Guard *guard, const char *source, const char *reason) {
        const char *mode = guard->watched->config.fallback_mode;
        int r;

        log_notice("Going to the fallback mode: %s.", reason);
        r = origin_leave(guard->root, GUARD_ORIGIN_PATH, mode, source, reason, "");
        if (r < 0)
                log_warning_errno(r, "/" GUARD_ORIGIN_PATH " cannot be written: %m");
        r = units_queue_service(FALLBACK_UNIT);
        if (r < 0)
                log_error_errno(r, FALLBACK_UNIT " cannot be started; trying again: %m");
        return r < 0 ? TRY_AGAIN_USEC : ASK_AGAIN_USEC;
}

/* --- the confirmation --- */

static bool awaits_confirmation(const Guard *guard) {
        return boot_awaits_vm(guard->root, &guard->watched->config, guard->watched->mode);
}

/* The unit does it. By its restart, since it has done what is due at the end of a boot already. */
static void confirm(const Guard *guard) {
        if (!guard->watch.confirms || !guard->watch.has_settled)
                return;
        if (units_queue_restart(CONFIRM_UNIT) < 0)
                log_warning(CONFIRM_UNIT
                            " cannot be started; confirm with `vfio-modectl confirm`.");
}

/* --- the machine's sleep --- */

/* A device that a VM has comes back from it in a state that the VM knows nothing of. */
static void keep_awake(Guard *guard) {
        bool is_there = guard->holder.pid > 0;

        if (is_there && guard->sleep_fd < 0)
                guard->sleep_fd = inhibitor_take("sleep", "A virtual machine has a device");
        else if (!is_there)
                closep(&guard->sleep_fd);
        if (is_there && guard->sleep_fd < 0)
                log_warning_errno(guard->sleep_fd,
                                  "logind cannot be kept from putting the machine to sleep: %m");
}

/* --- looking --- */

static int look(Guard *guard);

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        return look(userdata);
}

static int on_sign(Sign sign, void *userdata) {
        Guard *guard = userdata;
        uint64_t now = now_usec();

        if (sign == SIGN_MACHINE)
                guard->registered = now;
        /* The way back tries whether the nodes are free. */
        return now < guard->asked_until ? 0 : look(guard);
}

static int on_end(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events,
                  void *userdata) {
        Guard *guard = userdata;

        guard->end = sd_event_source_disable_unref(guard->end);
        return look(guard);
}

static int look_at(Guard *guard, uint64_t when) {
        int r;

        r = sd_event_source_set_time(guard->timer, when);
        return r < 0 ? r : sd_event_source_set_enabled(guard->timer, SD_EVENT_ONESHOT);
}

/* Returns 1; 0 where it has ended already. Who had a device before may have let go of it, and
 * live on. */
static int await_end(Guard *guard) {
        int fd, r;

        if (guard->end && guard->awaited == guard->holder.pid)
                return 1;
        guard->end = sd_event_source_disable_unref(guard->end);
        guard->awaited = guard->holder.pid;
        fd = pidfd_open(guard->holder.pid, 0);
        if (fd < 0)
                return errno == ESRCH ? 0 : -errno;
        r = sd_event_add_io(guard->event, &guard->end, fd, EPOLLIN, on_end, guard);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(guard->end, true);
        if (r < 0) {
                guard->end = sd_event_source_disable_unref(guard->end);
                closep(&fd);
        }
        return r < 0 ? r : 1;
}

static void start_clock(Guard *guard, uint64_t now) {
        if (guard->watch.since == 0 &&
            (now - guard->started >= BOOT_USEC || units_may_run(BOOTED_TARGET)))
                vm_watch_start_clock(&guard->watch, now_usec());
}

static VmVerdict judge(Guard *guard, uint64_t now, char reason[static VM_WATCH_REASON_SIZE]) {
        const bool had_settled = guard->watch.has_settled;
        VmVerdict verdict;

        start_clock(guard, now);
        guard->watch.confirms = guard->watch.confirms && awaits_confirmation(guard);
        for (size_t i = 0; i < guard->told.n; i++)
                vm_watch_hear(&guard->watch, guard->watched->mode, &guard->told.vms[i], now);
        verdict = vm_watch_look(&guard->watch, guard->watched->mode, now, guard->holder.pid > 0,
                                guard->watched->names, reason);
        if (!keep(guard) && guard->has_said)
                return verdict;
        if (had_settled != guard->watch.has_settled || !guard->has_said)
                confirm(guard);
        say(guard);
        return verdict;
}

static int wait_on(Guard *guard, uint64_t now) {
        uint64_t next = vm_watch_next_look(&guard->watch, guard->watched->mode, now);
        int r = guard->watch.phase == VM_THERE ? await_end(guard) : 1;

        if (r < 0)
                log_warning_errno(r, "The end of process %d cannot be waited for: %m",
                                  guard->holder.pid);
        if (r <= 0)
                next = r < 0 ? now + TRY_AGAIN_USEC : now;
        return next == VM_WATCH_NEVER ? sd_event_source_set_enabled(guard->timer, SD_EVENT_OFF)
                                      : look_at(guard, next);
}

/* Nothing depends on a virtual machine, or not any more. It comes and goes as it likes, and the
 * machine is kept awake meanwhile. There are signs of it: nothing has to be looked at by time. */
static int attend(Guard *guard, uint64_t now) {
        bool is_there = guard->holder.pid > 0;
        int r = is_there ? await_end(guard) : 1;

        if (r <= 0)
                return look_at(guard, r < 0 ? now + TRY_AGAIN_USEC : now);
        if (!is_there && guard->registered > 0 && now - guard->registered < REGISTERED_USEC)
                return look_at(guard, now + TRY_AGAIN_USEC);
        return sd_event_source_set_enabled(guard->timer, SD_EVENT_OFF);
}

static int go_back(Guard *guard, uint64_t now, const char *source, const char *reason) {
        guard->asked_until = now + fall_back(guard, source, reason);
        return look_at(guard, guard->asked_until);
}

static int look(Guard *guard) {
        char reason[VM_WATCH_REASON_SIZE];
        uint64_t now = now_usec();
        int r;

        r = watched_look(guard->watched, &guard->holder, &guard->told);
        if (r < 0) {
                /* Who may be there is not taken for gone. */
                log_warning_errno(r, "Processes using VFIO cannot be looked for: %m");
                return look_at(guard, now + TRY_AGAIN_USEC);
        }
        keep_awake(guard);
        switch (judge(guard, now, reason)) {
        case VM_DONE:
                return attend(guard, now);
        case VM_FALL_BACK:
                return go_back(guard, now, SOURCE_FALLBACK, reason);
        case VM_GO_BACK:
                return go_back(guard, now, SOURCE_VM_EXIT, reason);
        case VM_WAIT:
                break;
        }
        return wait_on(guard, now);
}

/* --- the power button --- */

/* Not while another card has a screen: then nobody is lost, and the button does what it always
 * does. */
static bool is_to_rescue(const Guard *guard) {
        int r = watched_takes_screen(guard->watched);

        if (r < 0)
                log_warning_errno(r, "Whether the mode takes the screen cannot be found out: %m");
        return r != 0 && !connectors_have_screen(guard->root, NULL, 0);
}

static void on_pressed(void *userdata) {
        Guard *guard = userdata;
        const char *mode = guard->watched->config.fallback_mode;
        int r;

        if (connectors_have_screen(guard->root, NULL, 0)) {
                log_notice("Another card has a screen by now: the power button does again what it "
                           "always does.");
                power_button_closep(&guard->button);
                return;
        }
        power_button_beep(guard->button);
        if (units_is_active(RESCUE_UNIT)) {
                log_notice("The power button was pressed again; the screen is on its way back.");
                return;
        }
        /* To everybody, by way of journald. */
        log_line(LOG_EMERG, "The power button was pressed: the screen is on its way back.");
        r = origin_leave(guard->root, GUARD_ORIGIN_PATH, mode, SOURCE_POWER_BUTTON, PRESSED, "");
        if (r < 0)
                log_warning_errno(r, "/" GUARD_ORIGIN_PATH " cannot be written: %m");
        r = units_queue_service(RESCUE_UNIT);
        if (r < 0)
                r = units_queue_service(FALLBACK_UNIT);
        if (r < 0)
                log_error_errno(r, FALLBACK_UNIT " cannot be started: %m");
}

/* --- */

static void guard_done(Guard *guard) {
        (void)sd_event_source_disable_unref(guard->timer);
        (void)sd_event_source_disable_unref(guard->end);
        signs_closep(&guard->signs);
        power_button_closep(&guard->button);
        closep(&guard->sleep_fd);
        (void)sd_event_unref(guard->event);
        free(guard->watched);
}

static int run(Guard *guard) {
        bool rescues = is_to_rescue(guard);
        int r;

        guard->started = now_usec();
        guard->watch.confirms = awaits_confirmation(guard);
        begin(guard);
        r = sd_event_new(&guard->event);
        if (r >= 0 && rescues)
                r = power_button_open(guard->root, guard->event, on_pressed, guard, &guard->button);
        if (r >= 0 && rescues)
                log_info(RESCUES);
        if (r >= 0)
                r = sd_event_add_time(guard->event, &guard->timer, CLOCK_MONOTONIC, 0,
                                      ACCURACY_USEC, on_time, guard);
        if (r >= 0)
                r = signs_open(guard->event, on_sign, guard, &guard->signs);
        if (r >= 0)
                r = look(guard);
        return r < 0 ? r : sd_event_loop(guard->event);
}

int guard_run(const Root *root, const char *mode) {
        _cleanup_(guard_done) Guard guard = { .root = root, .sleep_fd = -1 };
        int r;

        r = watched_load(root, mode, &guard.watched);
        if (r == -ESTALE) {
                log_info("The machine is not in mode '%s'; there is nothing to watch.", mode);
                return 0;
        }
        if (r < 0)
                return log_error_errno(r, "What was accepted with mode '%s' cannot be read: %m",
                                       mode);
        if (config_own_devices(&guard.watched->config, guard.watched->mode) == 0) {
                log_info("Mode '%s' has nothing to watch for.", mode);
                return 0;
        }
        r = run(&guard);
        return r < 0 ? log_error_errno(r, "The guard of mode '%s' cannot go on: %m", mode) : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * logind leaves the button alone while somebody holds an inhibitor lock for it; the lock is a
 * descriptor (org.freedesktop.login1(5), Inhibit). Kernel: Documentation/input/event-codes.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "inhibitor.h"
#include "power-button.h"

#define INPUT_DIR "dev/input"
#define DEVICES_MAX 32
#define NAME_SIZE 16
#define AGAIN_USEC (5 * UINT64_C(1000000))
#define BEEP_HZ 880
#define BEEP_USEC (300 * UINT64_C(1000))

typedef struct Device {
        char name[NAME_SIZE]; /* "event0"; "": none */
        sd_event_source *source;
        struct PowerButton *button;
} Device;

struct PowerButton {
        Root root; /* borrowed */
        sd_event *event;
        PowerButtonHandler *pressed;
        void *userdata;
        Device devices[DEVICES_MAX];
        sd_event_source *directory, *again, *silence;
        int lock_fd, speaker_fd;
};

/* --- the lock --- */

static int on_again(sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        PowerButton *button = userdata;
        int r;

        button->lock_fd = inhibitor_take("handle-power-key", "It brings the screen back");
        if (button->lock_fd >= 0)
                return 0;
        log_debug("logind does not give the power button: %s", strerror(-button->lock_fd));
        r = sd_event_source_set_time_relative(source, AGAIN_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* --- the devices --- */

static bool has_bit(const uint8_t *bits, unsigned bit) {
        return bits[bit / 8] & 1u << bit % 8;
}

static bool has_code(int fd, unsigned type, unsigned code) {
        uint8_t bits[(KEY_MAX + 8) / 8] = { 0 };

        return ioctl(fd, EVIOCGBIT(type, sizeof(bits)), bits) >= 0 && has_bit(bits, code);
}

/* A kernel that does not know masks wakes us for each key, and nothing worse. */
static void hear_only_the_button(int fd) {
        static const unsigned silent[] = { EV_REL, EV_ABS, EV_MSC, EV_SW };
        uint8_t keys[(KEY_MAX + 8) / 8] = { 0 }, none[(KEY_MAX + 8) / 8] = { 0 };
        struct input_mask mask = { .type = EV_KEY,
                                   .codes_size = sizeof(keys),
                                   .codes_ptr = (uint64_t)(uintptr_t)keys };

        keys[KEY_POWER / 8] = (uint8_t)(1u << KEY_POWER % 8);
        (void)ioctl(fd, EVIOCSMASK, &mask);
        mask.codes_ptr = (uint64_t)(uintptr_t)none;
        for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
                mask.type = silent[i];
                (void)ioctl(fd, EVIOCSMASK, &mask);
        }
}

static void forget(Device *device) {
        device->source = sd_event_source_disable_unref(device->source);
        device->name[0] = '\0';
}

static int on_event(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                    void *userdata) {
        Device *device = userdata;
        PowerButton *button = device->button;
        struct input_event event;
        bool is_pressed = false;
        ssize_t n;

        while ((n = read(fd, &event, sizeof(event))) == (ssize_t)sizeof(event))
                is_pressed |= event.type == EV_KEY && event.code == KEY_POWER && event.value == 1;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                forget(device); /* it was unplugged */
        if (is_pressed)
                button->pressed(button->userdata);
        return 0;
}

static Device *find_place(PowerButton *button, const char *name) {
        Device *place = NULL;

        for (size_t i = 0; i < DEVICES_MAX; i++) {
                Device *device = &button->devices[i];

                if (strcmp(device->name, name) == 0)
                        return NULL;
                if (!place && device->name[0] == '\0')
                        place = device;
        }
        return place;
}

static void look_at(PowerButton *button, const char *name) {
        Device *device = strlen(name) < NAME_SIZE ? find_place(button, name) : NULL;
        char path[sizeof(INPUT_DIR) + NAME_SIZE + 1];
        _cleanup_close_ int fd = -1;

        if (!device)
                return;
        (void)snprintf(path, sizeof(path), INPUT_DIR "/%s", name);
        fd = openat(button->root.fd, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return;
        if (button->speaker_fd < 0 && has_code(fd, EV_SND, SND_TONE)) {
                button->speaker_fd = TAKE_FD(fd);
                return;
        }
        if (!has_code(fd, EV_KEY, KEY_POWER))
                return;
        hear_only_the_button(fd);
        device->button = button;
        if (sd_event_add_io(button->event, &device->source, fd, EPOLLIN, on_event, device) < 0)
                return;
        (void)sd_event_source_set_io_fd_own(device->source, true);
        (void)TAKE_FD(fd);
        (void)snprintf(device->name, sizeof(device->name), "%s", name);
}

static int on_directory(_unused_ sd_event_source *source,
                        _unused_ const struct inotify_event *event, void *userdata) {
        PowerButton *button = userdata;
        int fd = openat(button->root.fd, INPUT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!directory) {
                closep(&fd);
                return 0;
        }
        while ((entry = readdir(directory)))
                if (strncmp(entry->d_name, "event", strlen("event")) == 0)
                        look_at(button, entry->d_name);
        (void)closedir(directory);
        return 0;
}

/* --- the beep --- */

static void sound(const PowerButton *button, int hertz) {
        const struct input_event event = { .type = EV_SND, .code = SND_TONE, .value = hertz };

        if (button->speaker_fd >= 0 &&
            write(button->speaker_fd, &event, sizeof(event)) < (ssize_t)sizeof(event))
                log_debug("The PC's speaker stays silent.");
}

static int on_silence(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        sound(userdata, 0);
        return 0;
}

void power_button_beep(PowerButton *button) {
        if (button->speaker_fd < 0 || button->silence)
                return;
        if (sd_event_add_time_relative(button->event, &button->silence, CLOCK_MONOTONIC, BEEP_USEC,
                                       0, on_silence, button) >= 0)
                sound(button, BEEP_HZ);
}

/* --- */

void power_button_closep(PowerButton **button) {
        if (!*button)
                return;
        if ((*button)->silence)
                sound(*button, 0);
        for (size_t i = 0; i < DEVICES_MAX; i++)
                forget(&(*button)->devices[i]);
        (void)sd_event_source_disable_unref((*button)->directory);
        (void)sd_event_source_disable_unref((*button)->again);
        (void)sd_event_source_disable_unref((*button)->silence);
        closep(&(*button)->lock_fd);
        closep(&(*button)->speaker_fd);
        free(*button);
        *button = NULL;
}

int power_button_open(const Root *root, sd_event *event, PowerButtonHandler *pressed,
                      void *userdata, PowerButton **ret) {
        _cleanup_(power_button_closep) PowerButton *button = calloc(1, sizeof(*button));
        int r;

        if (!button)
                return -ENOMEM;
        *button = (PowerButton){ .root = *root,
                                 .event = event,
                                 .pressed = pressed,
                                 .userdata = userdata,
                                 .lock_fd = -1,
                                 .speaker_fd = -1 };
        r = sd_event_add_time_relative(event, &button->again, CLOCK_MONOTONIC, 0, 0, on_again,
                                       button);
        if (r < 0)
                return r;
        /* One that udev has just made is not ours to open before its attributes are set. */
        r = sd_event_add_inotify(event, &button->directory, "/" INPUT_DIR,
                                 IN_CREATE | IN_ATTRIB | IN_ONLYDIR, on_directory, button);
        if (r < 0)
                log_warning_errno(r, "/" INPUT_DIR " cannot be watched: %m");
        (void)on_directory(NULL, NULL, button);
        *ret = TAKE_PTR(button);
        return 0;
}

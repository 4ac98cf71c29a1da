/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unit's exit status does not matter, only what it left: a refusal is an answer, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/state-files.h"
#include "inspect.h"
#include "mode-check.h"
#include "unit-job.h"
#include "view/words.h"

struct Inspecting {
        Service *service;
        char mode[CONFIG_NAME_SIZE];
        char path[sizeof(INSPECT_DIR) + CONFIG_NAME_SIZE];
        struct stat before; /* of what an earlier run left */
        Request *now;       /* those that are told by this run */
        Request *then;      /* those that came too late for it */
        Inspecting *next;
};

static void inspecting_free(Inspecting *inspecting) {
        Inspecting **link = &inspecting->service->inspections;

        while (*link != inspecting)
                link = &(*link)->next;
        *link = inspecting->next;
        free(inspecting);
}

/* --- telling --- */

static int append_row(sd_bus_message *reply, const char *const row[static 8]) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (unsigned i = 0; r >= 0 && i < 8 && row[i]; i += 2) {
                _cleanup_free_ char *value = text_clean(row[i + 1]);

                r = sd_bus_message_append(reply, "{sv}", row[i], "s", value);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_steps(sd_bus_message *reply, const Inspection *inspection) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < inspection->n_steps; i++) {
                const InspectionStep *step = &inspection->steps[i];

                r = append_row(reply, (const char *const[8]){ "step", step->step, "object",
                                                              step->object, "note", step->note });
        }
        return r;
}

static int append_checks(sd_bus_message *reply, const Inspection *inspection) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < inspection->n_checks; i++) {
                const Check *check = &inspection->checks[i];

                r = append_row(reply,
                               (const char *const[8]){ "id", check->id, "result",
                                                       check_result_name(check->result), "message",
                                                       check->message, "advice", check->advice });
        }
        return r;
}

static void send_rows(Request *request, const Inspection *inspection,
                      int (*append)(sd_bus_message *reply, const Inspection *inspection)) {
        sd_bus_message *reply = NULL;

        if (sd_bus_message_new_method_return(request->call, &reply) < 0 ||
            sd_bus_message_open_container(reply, 'a', "a{sv}") < 0 ||
            append(reply, inspection) < 0 || sd_bus_message_close_container(reply) < 0)
                reply = sd_bus_message_unref(reply);
        request_send(request, reply);
}

static void tell_plan(Request *request, const Inspection *inspection) {
        if (inspection->kind == REFUSAL_NONE && request->sees_all) {
                send_rows(request, inspection, append_steps);
        } else if (inspection->kind == REFUSAL_NONE) {
                _cleanup_free_ Inspection *hidden = must_have(malloc(sizeof(*hidden)));

                *hidden = *inspection;
                inspection_hide_processes(hidden);
                send_rows(request, hidden, append_steps);
        } else {
                request_refuse(request, inspection->kind,
                               request->sees_all ? inspection->text : inspection->public_text);
        }
}

static void tell_checks(Request *request, const Inspection *inspection) {
        _cleanup_free_ Inspection *hidden = must_have(malloc(sizeof(*hidden)));

        *hidden = *inspection;
        if (!request->sees_all)
                inspection_hide_names(hidden);
        send_rows(request, hidden, append_checks);
}

/* --- the run --- */

/* Whether the run left something: another file is there than before it. */
static bool has_answer(const Inspecting *inspecting) {
        const struct stat *before = &inspecting->before;
        struct stat after;

        if (fstatat(inspecting->service->root.fd, inspecting->path, &after, 0) < 0)
                return false;
        return before->st_ino != after.st_ino || before->st_mtim.tv_sec != after.st_mtim.tv_sec ||
               before->st_mtim.tv_nsec != after.st_mtim.tv_nsec;
}

static void refuse_all(Request *requests, const char *text) {
        for (Request *request = requests, *follower; request; request = follower) {
                follower = request->follower;
                request_refuse(request, REFUSAL_FAILED, text);
        }
}

static void start(Inspecting *inspecting);

static void on_ended(void *userdata, const UnitJobEnd *end) {
        _cleanup_free_ Inspection *inspection = must_have(calloc(1, sizeof(*inspection)));
        Inspecting *inspecting = userdata;
        Request *requests = TAKE_PTR(inspecting->now);

        if (end->refused)
                refuse_all(requests, end->text);
        else if (!has_answer(inspecting) ||
                 inspection_read(&inspecting->service->root, inspecting->mode, inspection) < 0)
                refuse_all(requests, "The inspection gave no answer; see: systemctl status "
                                     "'vfio-mode-inspect@*'");
        else
                for (Request *request = requests, *follower; request; request = follower) {
                        follower = request->follower;
                        request->tell(request, inspection);
                }
        if (inspecting->then)
                start(inspecting);
        else
                inspecting_free(inspecting);
}

static void start(Inspecting *inspecting) {
        const UnitJobHandler handler = { .ended = on_ended, .userdata = inspecting };
        Service *service = inspecting->service;
        char unit[128];

        inspecting->now = TAKE_PTR(inspecting->then);
        if (fstatat(service->root.fd, inspecting->path, &inspecting->before, 0) < 0)
                inspecting->before = (struct stat){ 0 };
        (void)snprintf(unit, sizeof(unit), "vfio-mode-inspect@%s.service", inspecting->mode);
        if (unit_job_call(service, "StartUnit", unit, &handler) >= 0)
                return;
        refuse_all(TAKE_PTR(inspecting->now), "systemd cannot be asked.");
        inspecting_free(inspecting);
}

static Inspecting *find(const Service *service, const char *mode) {
        for (Inspecting *i = service->inspections; i; i = i->next)
                if (strcmp(i->mode, mode) == 0)
                        return i;
        return NULL;
}

static void begin(Request *request, void (*tell)(Request *request, const Inspection *inspection)) {
        Service *service = request->service;
        const char *mode = request->arguments.mode;
        Inspecting *inspecting;
        Refusal refusal = { 0 };

        if (mode_check(&service->root, mode, &refusal) != REFUSAL_NONE) {
                request_refuse(request, refusal.kind, refusal.text);
                return;
        }
        request->tell = tell;
        inspecting = find(service, mode);
        if (inspecting) {
                request->follower = inspecting->then;
                inspecting->then = request;
                return;
        }
        inspecting = must_have(calloc(1, sizeof(*inspecting)));
        *inspecting =
                (Inspecting){ .service = service, .then = request, .next = service->inspections };
        (void)snprintf(inspecting->mode, sizeof(inspecting->mode), "%s", mode);
        (void)snprintf(inspecting->path, sizeof(inspecting->path), INSPECT_DIR "/%s", mode);
        service->inspections = inspecting;
        start(inspecting);
}

void inspect_plan(Request *request) {
        begin(request, tell_plan);
}

void inspect_check(Request *request) {
        begin(request, tell_checks);
}

void inspect_free(Service *service) {
        while (service->inspections)
                inspecting_free(service->inspections);
}

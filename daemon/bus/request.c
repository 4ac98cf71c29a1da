/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of those that wait. That an answer cannot be sent is nobody's concern here: the caller
 * may be gone, and what it asked for is done all the same.
 */
#include <errno.h>
#include <stdlib.h>

#include "errors.h"
#include "idle.h"
#include "request.h"

static size_t count_of(const Service *service, uid_t uid) {
        size_t n = 0;

        for (const Request *request = service->requests; request; request = request->next)
                n += request->caller.uid == uid;
        return n;
}

int request_check_room(const Service *service, const Caller *caller, sd_bus_error *error) {
        if (caller->is_privileged ? service->n_requests < REQUESTS_PRIVILEGED_MAX
                                  : service->n_requests < REQUESTS_MAX &&
                                            count_of(service, caller->uid) < REQUESTS_USER_MAX)
                return 0;
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "Too many calls wait for their answer already.");
}

int request_new(Service *service, sd_bus_message *call, const Method *method, const Caller *caller,
                Request **ret) {
        Request *request;

        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        *request = (Request){
                .service = service,
                .call = sd_bus_message_ref(call),
                .method = method,
                .caller = *caller,
                .sees_all = caller->is_privileged,
                .next = service->requests,
        };
        if (request->next)
                request->next->previous = request;
        service->requests = request;
        service->n_requests++;
        *ret = request;
        return 0;
}

void request_free(Request *request) {
        Service *service = request->service;

        if (request->next)
                request->next->previous = request->previous;
        if (request->previous)
                request->previous->next = request->next;
        else
                service->requests = request->next;
        service->n_requests--;
        (void)sd_bus_slot_unref(request->polkit);
        (void)sd_bus_message_unref(request->call);
        free(request);
        idle_touch(service);
}

void request_done(Request *request) {
        (void)sd_bus_reply_method_return(request->call, NULL);
        request_free(request);
}

void request_send(Request *request, sd_bus_message *reply) {
        if (reply)
                (void)sd_bus_send(NULL, reply, NULL);
        else
                (void)sd_bus_reply_method_errno(request->call, -ENOMEM, NULL);
        (void)sd_bus_message_unref(reply);
        request_free(request);
}

void request_refuse(Request *request, RefusalKind kind, const char *text) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void)bus_error_set(&error, kind, text);
        (void)sd_bus_reply_method_error(request->call, &error);
        sd_bus_error_free(&error);
        request_free(request);
}

void request_fail(Request *request, const char *name, const char *text) {
        (void)sd_bus_reply_method_errorf(request->call, name, "%s", text);
        request_free(request);
}

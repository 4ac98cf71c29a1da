/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks polkit without waiting. What cannot be found out is a no: polkit is not there, does not
 * answer in time, or says something else than it should.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "polkit.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define FLAG_ALLOW_INTERACTION 1u
#define ANSWER_USEC (10 * UINT64_C(1000000))
#define INTERACTION_USEC (120 * UINT64_C(1000000)) /* a person types a password */

typedef enum Rule {
        RULE_FREE, /* everybody may */
        RULE_ASK,
        RULE_TELL, /* everybody may, but what is told depends on the action */
} Rule;

typedef struct ActionRow {
        const char *member;
        const char *action;
        Rule rule;
} ActionRow;

static const ActionRow actions[] = {
        { "SwitchMode", ACTION_SWITCH_MODE, RULE_ASK },
        { "Confirm", ACTION_SWITCH_MODE, RULE_ASK },
        { "Release", ACTION_SWITCH_MODE, RULE_ASK },
        { "BeginVM", ACTION_MANAGE_VM, RULE_ASK },
        { "EndVM", ACTION_MANAGE_VM, RULE_ASK },
        { "SetNextBoot", ACTION_SET_NEXT_BOOT, RULE_ASK },
        { "SetDefault", ACTION_SET_NEXT_BOOT, RULE_ASK },
        { "CancelNextBoot", ACTION_SET_NEXT_BOOT, RULE_ASK },
        /* Other users' processes are named only to who could end them by a switch. */
        { "PlanSwitch", ACTION_SWITCH_MODE, RULE_TELL },
        { "CheckMode", NULL, RULE_FREE }, /* who is not root is told no names */
        { "Describe", NULL, RULE_FREE },
};

static const ActionRow *find_row(const Method *method) {
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
                if (strcmp(actions[i].member, method->member) == 0)
                        return &actions[i];
        return NULL;
}

void polkit_find_caller(sd_bus_message *call, Caller *ret) {
        sd_bus_creds *creds = NULL;
        uid_t uid;

        *ret = (Caller){ .uid = CALLER_UNKNOWN };
        if (sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds) >= 0 &&
            sd_bus_creds_get_euid(creds, &uid) >= 0)
                *ret = (Caller){ .uid = uid, .is_privileged = uid == 0 || uid == geteuid() };
        (void)sd_bus_creds_unref(creds);
}

/* @r: what reading the answer gave */
static void decide(Request *request, int r, bool authorised, bool challenge) {
        const ActionRow *row = find_row(request->method);

        /* The question was asked a while ago: that it was the right one is looked at again. */
        if (!row || row->rule == RULE_FREE || strcmp(row->action, request->action) != 0)
                r = -ESTALE;
        authorised = r >= 0 && authorised;
        if (authorised || (r != -ESTALE && row->rule == RULE_TELL)) {
                request->sees_all = authorised;
                request->method->perform(request);
        } else if (r >= 0 && challenge) {
                request_fail(request, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                             "Interactive authentication is required.");
        } else {
                request_refuse(request, REFUSAL_NOT_AUTHORISED, "");
        }
}

static int on_answer(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        Request *request = userdata;
        int r, authorised = false, challenge = false;

        request->polkit = sd_bus_slot_unref(request->polkit);
        if (error)
                log_debug("polkit was asked for %s: %s", request->action, error->message);
        r = error ? -EACCES : sd_bus_message_enter_container(answer, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(answer, "bb", &authorised, &challenge);
        decide(request, r, authorised, challenge);
        return 0;
}

static int ask(Request *request, const char *action, bool interactive) {
        const char *sender = sd_bus_message_get_sender(request->call);
        sd_bus_message *question = NULL;
        int r;

        r = sd_bus_message_new_method_call(request->service->bus, &question, POLKIT_NAME,
                                           POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(question, "(sa{sv})sa{ss}us", "system-bus-name", 1,
                                          "name", "s", sender, action, 0,
                                          interactive ? FLAG_ALLOW_INTERACTION : 0u, "");
        if (r >= 0)
                r = sd_bus_call_async(request->service->bus, &request->polkit, question, on_answer,
                                      request, interactive ? INTERACTION_USEC : ANSWER_USEC);
        (void)sd_bus_message_unref(question);
        request->action = action;
        return r;
}

void polkit_authorise(Request *request) {
        const ActionRow *row = find_row(request->method);
        bool interactive;

        if (!row) {
                request_refuse(request, REFUSAL_NOT_AUTHORISED, "");
                return;
        }
        if (row->rule == RULE_FREE || request->sees_all) {
                request->method->perform(request);
                return;
        }
        interactive = row->rule == RULE_ASK &&
                      sd_bus_message_get_allow_interactive_authorization(request->call) > 0;
        if (ask(request, row->action, interactive) < 0)
                request_refuse(request, REFUSAL_NOT_AUTHORISED, "polkit cannot be asked.");
}

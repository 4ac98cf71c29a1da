/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in /run/vfio-mode, and the trial of a switch: whatever it is, it is refused or it is a
 * state that is written and read back to the same text.
 */
#include <stdio.h>

#include "model/run-result.h"
#include "model/run-state.h"
#include "model/switch-trial.h"
#include "round-trip.h"

ROUND_TRIP(state_round_trip, RunState, run_state_parse, run_state_format)

static void result_round_trip(const char *text) {
        RunResult result, again;
        char *printed = NULL;
        size_t size;
        FILE *file;

        if (run_result_parse(text, &result) < 0)
                return;
        file = open_memstream(&printed, &size);
        assert(file);
        run_result_print(&result, file);
        assert(fclose(file) == 0);
        assert(run_result_parse(printed, &again) == 0);
        assert(again.kind == result.kind && again.n_steps == result.n_steps);
        free(printed);
}

static void trial_round_trip(const char *text) {
        char printed[SWITCH_TRIAL_SIZE_MAX];
        SwitchTrial trial, again;

        if (switch_trial_parse(text, &trial) < 0)
                return;
        assert(switch_trial_format(&trial, printed, sizeof(printed)) > 0);
        assert(switch_trial_parse(printed, &again) == 0);
        assert(strcmp(again.mode, trial.mode) == 0 && strcmp(again.back, trial.back) == 0);
        assert(again.until == trial.until && again.due == trial.due);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text;

        if (size > RUN_STATE_SIZE_MAX)
                return 0;
        text = malloc(size + 1);
        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        free(state_round_trip(text));
        result_round_trip(text);
        trial_round_trip(text);
        free(text);
        return 0;
}

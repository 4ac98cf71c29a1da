// SPDX-License-Identifier: GPL-2.0-or-later
#define BELOW nvidia_modeset_stand_in
#include "stand_in.h"

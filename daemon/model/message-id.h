/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ids of journal entries that programs look for; conf/catalog explains each to a person.
 */
#pragma once

#define MESSAGE_ID_MODE_CHANGED "3b67d5dc249c45d48fceaf5243da37d4"
#define MESSAGE_ID_FELL_BACK "42dd17b21330430a902de2ed8220153d"
#define MESSAGE_ID_REFUSED "ed892804fcaa4daaabca82e8e3d3d82f"
#define MESSAGE_ID_WEDGED "59c7384a1c4f436094ad48d71e50bcd2"
#define MESSAGE_ID_STRANDED "a12549ee3a494db59e9db4c58c33c3b1" /* the way back has failed */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values that are known by the words around them: names of disks by their serial numbers, secrets,
 * e-mail addresses. Each matcher returns the length of the value at the place, or 0. Pure.
 */
#pragma once

#include "redact-forms.h"

#define REDACT_MAIL_DOMAIN "example.org" /* of placeholders, which are left alone */

/** A name below /dev/disk/by-id, without the number of a partition, also as part of a unit's name;
 * and what has a disk's WWN behind "wwn-0x", "eui." or "naa.". */
size_t redact_match_disk(const Place *place);

/** An e-mail address; units (`user@1000.service`) look like one, and are none. */
size_t redact_match_mail(const Place *place);

/** The value of a word such as `password=` or `rd.iscsi.initiator=`, and who is named to a server
 * in a URL, with the password. */
size_t redact_match_secret(const Place *place);

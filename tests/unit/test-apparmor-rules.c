/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rules of AppArmor's let a file be read. */
#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/apparmor-rules.h"
#include "table.h"

#define ROM "/var/lib/vbios/gpu.rom"

static const struct Row {
        const char *title, *rules;
        bool lets_read;
} rows[] = {
        { "none", "", false },
        { "of the file", ROM " r,", true },
        { "with blanks before it, and a comment behind", "# x\n\t " ROM "   r, # the card's\n",
          true },
        { "of all below a directory", "/usr/share/vgabios/** r,\n/var/lib/** r,\n", true },
        { "of all", "/** rw,", true },
        { "of the files in its directory", "/var/lib/vbios/* rk,", true },
        { "of the files in another", "/var/lib/* r,", false },
        { "of a directory whose name only begins so", "/var/lib/vbios-old/** r,", false },
        { "of the directory itself", "/var/lib/vbios/ r,", false },
        { "of what is below the file", ROM "/** r,", false },
        { "of names of a kind", "/var/lib/vbios/gp?.[rR]om r,", true },
        { "of another kind", "/var/lib/vbios/*.bin r,", false },
        { "quoted", "\"" ROM "\" r,", true },
        { "a quote that does not end", "\"" ROM " r,", false },
        { "with words before it", "audit file " ROM " r,", true },
        { "for whom it belongs to", "owner " ROM " r,", false },
        { "to write", ROM " wk,", false },
        { "without permissions", ROM, false },
        { "denied", ROM " r,\ndeny /var/lib/vbios/** rw,\n", false },
        { "denied to write", "deny " ROM " w,\n" ROM " r,\n", true },
        { "denied for others", "deny /home/** r,\n" ROM " r,\n", true },
        { "as a comment", "#" ROM " r,", false },
        { "a variable", "@{HOME}/** r,", false },
        { "alternatives", "/var/{lib,cache}/** r,", false },
        { "stars in the middle", "/var/**/gpu.rom r,", false },
        { "more stars than are looked at", "/*/*/*/*/* r,", false },
        { "other rules",
          "capability setuid,\nnetwork inet stream,\nsignal (receive) peer=libvirtd,\n", false },
};

static void test_rules(void **state) {
        const struct Row *row = *state;

        assert_int_equal(apparmor_rules_let_read(row->rules, ROM), row->lets_read);
}

/* Of a line that is longer than any path nothing is believed, and the next one counts. */
static void test_long(_unused_ void **state) {
        char text[2048];

        (void)memset(text, 'a', sizeof(text));
        text[0] = '/';
        (void)strcpy(text + 1024, "\n" ROM " r,\n");
        assert_true(apparmor_rules_let_read(text, ROM));
        (void)strcpy(text + 540, " r,\n");
        assert_false(apparmor_rules_let_read(text, ROM));
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_rules, rows);
        table_add(&table, "a long line", test_long, NULL);
        return table_run("apparmor-rules", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an /etc/default/grub has for the kernel; each good one is held against the shell itself. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/grub-default.h"
#include "table.h"

static const struct Good {
        const char *title, *text, *linux_words, *default_words;
} goods[] = {
        { "as Debian has it",
          "# If you change this file, run 'update-grub' afterwards to update\n"
          "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n"
          "GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo x`\n"
          "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
          "", "quiet" },
        { "single quotes", "GRUB_CMDLINE_LINUX='a \"b\" $c \\d'", "a \"b\" $c \\d", "" },
        { "double quotes", "GRUB_CMDLINE_LINUX=\"a 'b' \\$c \\\"d\\\" \\e \\\\f \\`g\\`\"",
          "a 'b' $c \"d\" \\e \\f `g`", "" },
        { "no quotes", "GRUB_CMDLINE_LINUX=a\\ b\\\"\\$c", "a b\"$c", "" },
        { "quotes beside each other", "GRUB_CMDLINE_LINUX=a' b '\"c \"d", "a b c d", "" },
        { "nothing", "GRUB_CMDLINE_LINUX=", "", "" },
        { "the later one counts", "GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX=b\n", "b", "" },
        { "an earlier one that takes a shell", "GRUB_CMDLINE_LINUX=$(true)\nGRUB_CMDLINE_LINUX=b\n",
          "b", "" },
        { "two in a line", "GRUB_CMDLINE_LINUX=a GRUB_CMDLINE_LINUX_DEFAULT=b", "a", "b" },
        { "two behind a semicolon", "GRUB_CMDLINE_LINUX=a;GRUB_CMDLINE_LINUX_DEFAULT=b;", "a",
          "b" },
        { "exported", "export GRUB_CMDLINE_LINUX=\"a b\" X\nexport GRUB_COLOR GRUB_CMDLINE_LINUX",
          "a b", "" },
        { "variables", "A=a B_2=\"b c\"\nGRUB_CMDLINE_LINUX=\"$A ${B_2} x\"\n", "a b c x", "" },
        { "itself, and more", "GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"",
          "a b", "" },
        { "itself, of which there is nothing yet",
          "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"\n"
          "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT}$GRUB_CMDLINE_XEN c\"",
          " b", " c" },
        { "a variable in single quotes is none", "A=a\nGRUB_CMDLINE_LINUX='$A'", "$A", "" },
        { "a comment behind", "GRUB_CMDLINE_LINUX=a # b\n", "a", "" },
        { "no comment", "GRUB_CMDLINE_LINUX=a#b", "a#b", "" },
        { "a comment alone", "  # GRUB_CMDLINE_LINUX=b\nGRUB_CMDLINE_LINUX=a", "a", "" },
        { "a line that goes on",
          "GRUB_CMDLINE_LINUX=\"a \\\nb\"\nGRUB_CMDLINE_LINUX_DEFAULT=c\\\nd", "a b", "cd" },
        { "lines within quotes", "GRUB_CMDLINE_LINUX='a\nb'", "a\nb", "" },
        { "a dollar that is one", "GRUB_CMDLINE_LINUX=\"a$ $.\"$", "a$ $.$", "" },
        { "no home directory", "GRUB_CMDLINE_LINUX=a~b'~'", "a~b~", "" },
        { "what takes a shell, elsewhere",
          "A=$(echo \"x )\" ')' \\); (echo y) ) B=\"`echo \\`x\\` `\" C=${X:-\"}\"} D=$((1 + (2))) E=~\n"
          "GRUB_CMDLINE_LINUX=a",
          "a", "" },
};

/* What the shell makes of it, behind each other with a line end between. */
static void ask_shell(const char *text, char *buffer, size_t size) {
        int in[2], out[2], status;
        ssize_t n, length = 0;
        pid_t child;

        assert_int_equal(pipe(in), 0);
        assert_int_equal(pipe(out), 0);
        child = fork();
        if (child == 0) {
                (void)dup2(in[0], STDIN_FILENO);
                (void)dup2(out[1], STDOUT_FILENO);
                (void)close(in[1]);
                (void)execl("/bin/sh", "sh", (char *)NULL);
                _exit(127);
        }
        assert_true(child > 0);
        (void)close(in[0]);
        (void)close(out[1]);
        (void)dprintf(in[1],
                      "%s\nprintf '%%s|%%s' \"$GRUB_CMDLINE_LINUX\" "
                      "\"$GRUB_CMDLINE_LINUX_DEFAULT\"\n",
                      text);
        (void)close(in[1]);
        while ((n = read(out[0], buffer + length, size - 1 - (size_t)length)) > 0)
                length += n;
        buffer[length] = '\0';
        (void)close(out[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

static void test_good(void **state) {
        const struct Good *row = *state;
        GrubDefaultError error = { 0 };
        char said[1024], wanted[1024];
        GrubDefault found;

        assert_int_equal(grub_default_parse(row->text, &found, &error), 0);
        assert_string_equal(found.linux_words, row->linux_words);
        assert_string_equal(found.default_words, row->default_words);
        ask_shell(row->text, said, sizeof(said));
        (void)snprintf(wanted, sizeof(wanted), "%s|%s", row->linux_words, row->default_words);
        assert_string_equal(said, wanted);
}

/* Not every shell has it: not held against one. */
static void test_append(_unused_ void **state) {
        GrubDefaultError error = { 0 };
        GrubDefault found;

        assert_int_equal(grub_default_parse("GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX+=' b'\n"
                                            "GRUB_CMDLINE_LINUX_DEFAULT+=c",
                                            &found, &error),
                         0);
        assert_string_equal(found.linux_words, "a b");
        assert_string_equal(found.default_words, "c");
}

static const struct Bad {
        const char *title, *text;
        unsigned line;
        const char *says;
} bads[] = {
        { "a command", "A=b\nGRUB_CMDLINE_LINUX=\"x $(cat /x)\"", 2,
          "GRUB_CMDLINE_LINUX has $(...), which takes a shell" },
        { "in backquotes", "GRUB_CMDLINE_LINUX_DEFAULT=`x`", 1,
          "GRUB_CMDLINE_LINUX_DEFAULT has `...`" },
        { "by another variable", "A=`x`\n\nGRUB_CMDLINE_LINUX=$A", 3,
          "has $A, which has `...`, which takes a shell" },
        { "an unknown variable", "GRUB_CMDLINE_LINUX=\"$EXTRA\"", 1,
          "has $EXTRA, which nothing sets before" },
        { "what grub-mkconfig has set", "GRUB_CMDLINE_LINUX=\"root=$GRUB_DEVICE\"", 1,
          "has $GRUB_DEVICE, which nothing sets before" },
        { "one that is set later", "GRUB_CMDLINE_LINUX=$A\nA=b", 1, "nothing sets before" },
        { "an expansion with more", "A=a\nGRUB_CMDLINE_LINUX=${A:-b}", 2, "has ${A...}" },
        { "an argument of the shell's", "GRUB_CMDLINE_LINUX=\"$1\"", 1, "has $1" },
        { "quotes that differ by shell", "GRUB_CMDLINE_LINUX=$'a'", 1, "has $'...'" },
        { "a home directory", "GRUB_CMDLINE_LINUX=~root", 1, "has ~" },
        { "one behind a colon", "GRUB_CMDLINE_LINUX=a:~", 1, "has ~" },
        { "added to", "GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX+=$B\n", 2, "has $B" },
        { "another file", "GRUB_CMDLINE_LINUX=a\n. /etc/x\n", 2, "'.' is no assignment" },
        { "a condition", "GRUB_CMDLINE_LINUX=a\nif true; then\nGRUB_CMDLINE_LINUX=b\nfi", 2,
          "'if' is no assignment" },
        { "a variable for a command only", "GRUB_CMDLINE_LINUX=a true", 1,
          "'true' is no assignment" },
        { "a function", "x() { true; }", 1, "'x()' is no assignment" },
        { "a list", "GRUB_CMDLINE_LINUX=(a b)", 1, "'('" },
        { "and then", "GRUB_CMDLINE_LINUX=a && GRUB_CMDLINE_LINUX=b", 1, "'&'" },
        { "in the background", "GRUB_CMDLINE_LINUX=a&", 1, "'&'" },
        { "an option of export", "export -n GRUB_CMDLINE_LINUX", 1, "'-n' is no assignment" },
        { "no quote at the end", "A=1\nGRUB_CMDLINE_LINUX=\"a\nb", 2, "does not end" },
        { "no single quote at the end", "GRUB_CMDLINE_LINUX='a\n\n", 1, "does not end" },
        { "no end of a command", "GRUB_CMDLINE_LINUX=a\nA=$(b", 2, "a command begins here" },
        { "no end of an expansion", "A=${b\n", 1, "an expansion begins here" },
        { "no end of backquotes", "A=`b\n", 1, "does not end" },
        { "a comment in a command", "A=$(b # it's )\n)\nGRUB_CMDLINE_LINUX=a", 1, "a comment" },
        { "a command in a string in a command", "A=$(b \"$(c \"d)\")\")", 1, "only a shell" },
        { "neither of the two", "GRUB_DEFAULT=0\n", 0, "sets neither" },
        { "nothing", "", 0, "sets neither" },
        { "a name that is too long",
          "A234567890123456789012345678901234567890123456789012345678901234567890=1", 1,
          "a name is longer" },
};

static void test_bad(void **state) {
        const struct Bad *row = *state;
        GrubDefault found = { .linux_words = "untouched" };
        GrubDefaultError error = { 0 };

        assert_int_equal(grub_default_parse(row->text, &found, &error), -EBADMSG);
        assert_int_equal(error.line, row->line);
        if (!strstr(error.text, row->says))
                fail_msg("'%s' does not say '%s'", error.text, row->says);
        assert_string_equal(found.linux_words, "untouched");
}

/* Each value fits, and what it grows to does not. */
static void test_too_much(_unused_ void **state) {
        GrubDefaultError error = { 0 };
        char text[16384] = "";
        GrubDefault found;
        size_t n = 0;

        n += (size_t)snprintf(text, sizeof(text), "A=%02000d\nGRUB_CMDLINE_LINUX=$A$A$A\n", 0);
        assert_int_equal(grub_default_parse(text, &found, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "GRUB_CMDLINE_LINUX is longer than 4095 bytes"));
        n = 0;
        for (unsigned i = 0; i < 129; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "V%u=\n", i);
        assert_int_equal(grub_default_parse(text, &found, &error), -EBADMSG);
        assert_int_equal(error.line, 129);
}

static const struct Sets {
        const char *title, *text;
        bool sets;
} sets[] = {
        { "sets nothing", "", false },
        { "sets one", "A=1\nGRUB_CMDLINE_LINUX=x\n", true },
        { "sets the other", "\t GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT x\"",
          true },
        { "adds to one", "GRUB_CMDLINE_LINUX+=x", true },
        { "sets one exported", "export GRUB_CMDLINE_LINUX=x", true },
        { "sets one in a condition", "if true; then\n  GRUB_CMDLINE_LINUX=x; fi", true },
        { "sets one behind a semicolon", "A=1; GRUB_CMDLINE_LINUX=x", true },
        { "sets neither but others",
          "GRUB_CMDLINE_LINUX_RECOVERY=x\nGRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_XEN_REPLACE=y",
          false },
        { "sets one in a comment", "# GRUB_CMDLINE_LINUX=x; GRUB_CMDLINE_LINUX=y\n#\n", false },
        { "only uses one", "A=$GRUB_CMDLINE_LINUX\n", false },
};

static void test_sets(void **state) {
        const struct Sets *row = *state;

        assert_int_equal(grub_default_sets(row->text), row->sets);
}

int main(void) {
        static Table table;

        TABLE_ROWS(&table, test_good, goods);
        table_add(&table, "added to", test_append, NULL);
        TABLE_ROWS(&table, test_bad, bads);
        TABLE_ROWS(&table, test_sets, sets);
        table_add(&table, "too much", test_too_much, NULL);
        return table_run("grub-default", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether libvirt may run its hook under SELinux: what is said of a label, and where it is read.
 * fgetxattr(2) is a kernel's that has labels, which only root may set on a real one. */
#undef NDEBUG
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fake-pc.h"
#include "host/hook-facts.h"
#include "table.h"

#define HOOK "etc/libvirt/hooks/qemu.d/libvirt"
#define OTHER_HOOK "etc/libvirt/hooks/qemu.d/other"
#define BOOLEAN "sys/fs/selinux/booleans/virt_hooks_unconfined"
#define RELABEL "restorecon -v /" HOOK
#define SET_BIN "semanage fcontext -a -f f -t bin_t '/etc/libvirt/hooks/qemu.*' && " RELABEL
#define STOPS "no guest will start"

/* --- what is said --- */

static const struct Row {
        const char *title;
        const char *type;
        bool has_hook_type, is_on, is_virtqemud;
        CheckResult result;
        const char *says, *advises; /* words of each */
} rows[] = {
        { "libvirtd, and the policy's type", "virt_hook_t", true, false, false, CHECK_PASS,
          "which is virt_hook_t for SELinux", "" },
        { "libvirtd needs no boolean", "virt_hook_t", true, true, false, CHECK_PASS, "libvirt runs",
          "" },
        { "the directory's type", "virt_etc_rw_t", true, true, false, CHECK_WARN,
          "is virt_etc_rw_t instead of virt_hook_t", RELABEL },
        { "a type that begins like it", "virt_hook_tmp_t", true, true, false, CHECK_WARN,
          "is virt_hook_tmp_t instead of virt_hook_t", RELABEL },
        { "a home directory's, for virtqemud", "user_home_t", true, true, true, CHECK_WARN, STOPS,
          RELABEL },
        { "no label", "", true, true, false, CHECK_WARN, "has no label", RELABEL },
        { "virtqemud, and the boolean is off", "virt_hook_t", true, false, true, CHECK_WARN,
          "while its boolean virt_hooks_unconfined is off",
          "setsebool -P virt_hooks_unconfined on" },
        { "virtqemud, and the boolean is on", "virt_hook_t", true, true, true, CHECK_WARN,
          "whether the policy lets virtqemud run it", "ausearch -m avc -ts recent" },
        { "a policy without that type", "virt_etc_rw_t", false, false, false, CHECK_WARN,
          "is virt_etc_rw_t instead of bin_t", SET_BIN },
        { "no label, and a policy without that type", "", false, false, true, CHECK_WARN,
          "has no label", SET_BIN },
        { "a program's type there", "bin_t", false, false, false, CHECK_WARN,
          "whether the policy lets libvirtd run it, and that speak to",
          "does not name the device" },
        { "a program's type for virtqemud there", "bin_t", false, false, true, CHECK_WARN,
          "lets virtqemud run it", "does not name the device" },
};

static void check(const HookFacts *facts, const struct Row *row) {
        static const ConfigMode mode = { .name = "passthrough" };
        Inspection *found = calloc(1, sizeof(*found));
        const Check *only = &found->checks[0];

        hook_check(facts, &mode, found);
        assert_int_equal(found->n_checks, 1);
        assert_string_equal(only->id, "libvirt-hook");
        assert_int_equal(only->result, row->result);
        if (!strstr(only->message, row->says))
                fail_msg("'%s' is not in: %s", row->says, only->message);
        if (row->result == CHECK_PASS)
                assert_string_equal(only->advice, "");
        else if (!strstr(only->advice, row->advises))
                fail_msg("'%s' is not in: %s", row->advises, only->advice);
        free(found);
}

static void test_what_is_said(void **state) {
        const struct Row *row = *state;
        HookFacts facts = {
                .has_libvirt = true,
                .path = HOOK,
                .service = row->is_virtqemud ? HOOK_OF_VIRTQEMUD : HOOK_OF_LIBVIRTD,
                .is_executable = true,
                .is_known = true,
                .selinux_enforces = true,
                .has_hook_type = row->has_hook_type,
                .hooks_are_unconfined = row->is_on,
        };

        (void)strcpy(facts.selinux_type, row->type);
        check(&facts, row);
        facts.selinux_enforces = false;
        check(&facts, &(struct Row){ .result = CHECK_PASS, .says = "libvirt runs /" HOOK });
}

/* --- a label --- */

static const struct Label {
        const char *title, *label, *type; /* NULL: it is none */
} labels[] = {
        { "a label", "system_u:object_r:virt_hook_t:s0", "virt_hook_t" },
        { "without a range", "system_u:object_r:bin_t", "bin_t" },
        { "with categories", "u:r:svirt_image_t:s0:c270,c908", "svirt_image_t" },
        { "as long as there is room",
          "u:r:123456789012345678901234567890123456789012345678901234567890123",
          "123456789012345678901234567890123456789012345678901234567890123" },
        { "longer than that",
          "u:r:1234567890123456789012345678901234567890123456789012345678901234", NULL },
        { "nothing", "", NULL },
        { "a type alone", "bin_t", NULL },
        { "no type", "system_u:object_r", NULL },
        { "an empty type", "system_u:object_r:", NULL },
        { "an empty type with a range", "system_u:object_r::s0", NULL },
        { "a type of several words", "system_u:object_r:a b:s0", NULL },
        { "another system's label", "_", NULL },
};

static void test_label(void **state) {
        const struct Label *row = *state;
        char type[SELINUX_TYPE_SIZE] = "untouched";

        assert_int_equal(selinux_label_type(row->label, type), row->type ? 0 : -EBADMSG);
        assert_string_equal(type, row->type ? row->type : "untouched");
}

/* --- where it is read --- */

static const char *kernels_label; /* NULL: the file has none */
static char asked[512];           /* of this file */

/* In the place of libc's. The kernel's value ends with a NUL byte, which counts. */
ssize_t fgetxattr(int fd, const char *name, void *value, size_t size) {
        char link[64];
        ssize_t n;

        assert_string_equal(name, "security.selinux");
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, asked, sizeof(asked) - 1);
        assert_true(n > 0);
        asked[n] = '\0';
        if (!kernels_label) {
                errno = ENODATA;
                return -1;
        }
        if (strlen(kernels_label) + 1 > size) {
                errno = ERANGE;
                return -1;
        }
        (void)memcpy(value, kernels_label, strlen(kernels_label) + 1);
        return (ssize_t)strlen(kernels_label) + 1;
}

static int set_up(void **state) {
        FakePC *pc = fake_pc_new();

        kernels_label = NULL;
        asked[0] = '\0';
        fake_host_write(pc->fake, "etc/libvirt/qemu/networks/default.xml", "");
        fake_host_write(pc->fake, HOOK, "exec /usr/bin/vfio-modectl hook -- libvirt\n");
        fake_host_write(pc->fake, OTHER_HOOK, "exec true\n");
        assert_int_equal(fchmodat(pc->root.fd, HOOK, 0755, 0), 0);
        fake_host_write(pc->fake, "sys/fs/selinux/enforce", "1");
        *state = pc;
        return 0;
}

static void test_it_is_read(void **state) {
        FakePC *pc = *state;
        HookFacts facts;

        kernels_label = "system_u:object_r:virt_hook_t:s0";
        hook_facts_read(&pc->root, &facts);
        assert_string_equal(facts.path, HOOK);
        assert_string_equal(facts.selinux_type, "virt_hook_t");
        assert_non_null(strstr(asked, "/" HOOK));
        assert_true(facts.selinux_enforces);
        assert_false(facts.has_hook_type);
        assert_false(facts.hooks_are_unconfined);
        assert_string_equal(facts.service, HOOK_OF_LIBVIRTD);
}

/* Its value now, and the one that waits for a commit. */
static void test_boolean(void **state) {
        FakePC *pc = *state;
        HookFacts facts;

        fake_host_write(pc->fake, BOOLEAN, "0 1");
        hook_facts_read(&pc->root, &facts);
        assert_true(facts.has_hook_type);
        assert_false(facts.hooks_are_unconfined);
        fake_host_write(pc->fake, BOOLEAN, "1 1");
        hook_facts_read(&pc->root, &facts);
        assert_true(facts.hooks_are_unconfined);
}

static void test_no_label(void **state) {
        static const char *const none[] = { NULL, "", "_" };
        FakePC *pc = *state;
        HookFacts facts;

        for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
                kernels_label = none[i];
                hook_facts_read(&pc->root, &facts);
                assert_string_equal(facts.selinux_type, "");
        }
}

static void test_longer_than_there_is_room(void **state) {
        char label[400] = "u:r:t:";
        FakePC *pc = *state;
        HookFacts facts;

        (void)memset(label + strlen(label), 's', sizeof(label) - strlen(label) - 1);
        label[sizeof(label) - 1] = '\0';
        kernels_label = label;
        hook_facts_read(&pc->root, &facts);
        assert_string_equal(facts.selinux_type, "");
}

static void test_virtqemud(void **state) {
        FakePC *pc = *state;
        HookFacts facts;

        fake_host_write(pc->fake, "etc/systemd/system/sockets.target.wants/virtqemud.socket", "");
        hook_facts_read(&pc->root, &facts);
        assert_string_equal(facts.service, HOOK_OF_VIRTQEMUD);
}

/* What is executed is the file that the link leads to. */
static void test_link(void **state) {
        FakePC *pc = *state;
        HookFacts facts;

        kernels_label = "system_u:object_r:usr_t:s0";
        fake_host_write(pc->fake, "usr/share/hook", "exec /usr/bin/vfio-modectl hook\n");
        fake_host_remove(pc->fake, HOOK);
        assert_int_equal(symlinkat("../../../../usr/share/hook", pc->root.fd, HOOK), 0);
        hook_facts_read(&pc->root, &facts);
        assert_true(facts.is_link);
        assert_string_equal(facts.selinux_type, "usr_t");
        assert_non_null(strstr(asked, "/usr/share/hook"));
}

#define ON_FAKE(title, function) { (title), (function), set_up, fake_pc_tear_down, NULL }

int main(void) {
        static const struct CMUnitTest tests[] = {
                ON_FAKE("the label of our hook is read, and of no other", test_it_is_read),
                ON_FAKE("the policy's boolean", test_boolean),
                ON_FAKE("a file without a label, and one of another system's", test_no_label),
                ON_FAKE("a label that does not fit is none", test_longer_than_there_is_room),
                ON_FAKE("virtqemud is who runs hooks where its socket is enabled", test_virtqemud),
                ON_FAKE("of a link its target's label", test_link),
        };
        Table table = { .n_tests = 0 };

        for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                table.tests[table.n_tests++] = tests[i];
        TABLE_ROWS(&table, test_what_is_said, rows);
        TABLE_ROWS(&table, test_label, labels);
        return table_run("hook-check", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/proc-tables: what is taken from the kernel's tables, and what is left out. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/mount-info.h"
#include "host/proc-tables.h"
#include "table.h"

typedef struct Row {
        const char *title, *table, *found; /**< what is found, with a blank behind each */
} Row;

#define TITLES \
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n"
#define ROUTE(interface, destination, flags, mask)                                     \
        interface "\t" destination "\t0202000A\t" flags "\t0\t0\t0\t" mask "\t0\t0\t0" \
                  "                                                                          \n"

static const Row routes[] = {
        { "no table", "", "" },
        { "only titles", TITLES, "" },
        { "a default route and a network",
          TITLES ROUTE("eth0", "00000000", "0003", "00000000")
                  ROUTE("eth1", "0002000A", "0001", "00FFFFFF"),
          "eth0 " },
        { "two default routes",
          TITLES ROUTE("vmbr0", "00000000", "0003", "00000000")
                  ROUTE("wlan0", "00000000", "0003", "00000000"),
          "vmbr0 wlan0 " },
        { "half of the Internet is no default route",
          TITLES ROUTE("tun0", "00000000", "0003", "00000080"), "" },
        { "a default route that is rejected or down",
          TITLES ROUTE("*", "00000000", "0201", "00000000")
                  ROUTE("eth0", "00000000", "0002", "00000000"),
          "" },
        { "lines that are none, and one without an end",
          "\n\t\neth1\t00000000\neth2 00000000 0 xyz 0 0 0 00000000\n"
          "eth0 00000000 0 1 0 0 0 0",
          "eth0 " },
        { "a name that no interface has",
          TITLES ROUTE("an-interface-of-many", "00000000", "0003", "00000000"), "" },
};

#define ZEROES "00000000000000000000000000000000"
#define LOCAL "fe800000000000000000000000000001"
#define IPV6(destination, length, flags, interface)                                         \
        destination " " length " " ZEROES " 00 " LOCAL " 00000400 00000001 00000000 " flags \
                    " " interface "\n"

static const Row ipv6_routes[] = {
        { "no IPv6 table", "", "" },
        { "an IPv6 default route and a network",
          IPV6("20010db8000000000000000000000000", "40", "00000001", "    eth1")
                  IPV6(ZEROES, "00", "00450003", "    eth0"),
          "eth0 " },
        { "a network that begins with zeroes", IPV6(ZEROES, "60", "00000001", "eth0"), "" },
        { "the entry that every machine has", IPV6(ZEROES, "00", "00200200", "      lo"), "" },
        { "IPv6 lines that are cut", ZEROES " 00 " ZEROES "\n" ZEROES, "" },
};

static const Row swaps[] = {
        { "no swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", "" },
        { "a partition, a file with a blank, and one that was deleted",
          "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
          "/dev/dm-1                               partition\t1000444\t\t0\t\t-2\n"
          "/srv/swap\\040file                       file\t\t1000444\t\t0\t\t-3\n"
          "/srv/gone\\040(deleted)                  file\t\t1000444\t\t0\t\t-4\n",
          "/dev/dm-1 /srv/swap file /srv/gone (deleted) " },
        { "a line without an end", "/dev/sda2", "/dev/sda2 " },
};

typedef bool (*Next)(const char **cursor, char *text);

static bool next_route(const char **cursor, char *text) {
        return proc_route_next(cursor, text);
}

static bool next_ipv6_route(const char **cursor, char *text) {
        return proc_ipv6_route_next(cursor, text);
}

static bool next_swap(const char **cursor, char *text) {
        return proc_swaps_next(cursor, text, 64);
}

static void check(const Row *row, Next next) {
        const char *cursor = row->table;
        char found[512] = "", text[64];
        size_t n = 0;

        while (next(&cursor, text))
                n += (size_t)snprintf(found + n, sizeof(found) - n, "%s ", text);
        assert_string_equal(found, row->found);
        assert_string_equal(cursor, "");
}

static void test_route(void **state) {
        check(*state, next_route);
}

static void test_ipv6_route(void **state) {
        check(*state, next_ipv6_route);
}

static void test_swaps(void **state) {
        check(*state, next_swap);
}

static const struct Keys {
        const char *title, *keys;
        bool is_keyboard;
} keys[] = {
        { "a keyboard", "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe", true },
        { "a keyboard of 32-bit words", "7 febeffdf ffefffff ffffffff fffffffe", true },
        { "a power button", "10000000000000 0", false },
        { "the extra keys of a keyboard", "3f000301ff 0 0 483ffff17aff32d bfd4444600000000",
          false },
        { "a mouse", "ff0000 0 0 0 0", false },
        { "digits only", "ffe", false },
        { "nothing", "", false },
        { "a line break behind", "fffffffffffffffe\n", true },
        { "no number", "fffffffgfffffffe fffgfffe", false },
};

static void test_keys(void **state) {
        const struct Keys *row = *state;

        assert_int_equal(input_keys_are_keyboard(row->keys), row->is_keyboard);
}

static void test_mounts(void **state) {
        static const char table[] =
                "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro\n"
                "not a mount\n"
                "22 21 0:27 /@home /home\\040dir rw - btrfs /dev/mapper/pool rw,subvol=/@home\n"
                "23 21 8:1 / \\000 rw - vfat /dev/sda1 rw";
        const char *cursor = table;
        MountInfo mount;

        (void)state;
        assert_true(mount_info_next(&cursor, &mount));
        assert_string_equal(mount.device, "8:2");
        assert_string_equal(mount.point, "/");
        assert_string_equal(mount.source, "/dev/sda2");
        assert_string_equal(mount.options, "rw,errors=remount-ro");
        assert_true(mount_info_next(&cursor, &mount));
        assert_string_equal(mount.device, "0:27");
        assert_string_equal(mount.point, "/home dir");
        assert_string_equal(mount.type, "btrfs");
        assert_string_equal(mount.source, "/dev/mapper/pool");
        assert_false(mount_info_next(&cursor, &mount));
        assert_true(mount_info_find(table, "home dir/me", &mount));
        assert_string_equal(mount.device, "0:27");
        assert_true(mount_info_find(table, "homestead", &mount));
        assert_string_equal(mount.device, "8:2");
}

static void test_mount_of_a_file(void **state) {
        static const char table[] =
                "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
                "211 21 0:27 / /net rw - nfs4 server:/ rw\n"
                "22 21 0:28 / /odd\n"
                "23 21 0:29 / /long rw - a-type-of-more-than-thirty-one-bytes none rw";
        char type[MOUNT_TYPE_SIZE] = "";

        (void)state;
        assert_int_equal(proc_fdinfo_mount("pos:\t0\nflags:\t02\nmnt_id:\t211\nino:\t1\n"), 211);
        assert_int_equal(proc_fdinfo_mount("mnt_id: 29"), 29);
        assert_int_equal(proc_fdinfo_mount("not-mnt_id:\t2\n"), -ENOENT);
        assert_int_equal(proc_fdinfo_mount(""), -ENOENT);
        assert_int_equal(proc_fdinfo_mount("mnt_id:\n7\n"), -EBADMSG);
        assert_int_equal(proc_fdinfo_mount("mnt_id:\t2147483648\n"), -EBADMSG);
        assert_int_equal(proc_fdinfo_mount("mnt_id:\t-1\n"), -EBADMSG);

        assert_true(mount_info_type(table, 21, type));
        assert_string_equal(type, "ext4");
        assert_true(mount_info_type(table, 211, type));
        assert_string_equal(type, "nfs4");
        assert_true(mount_info_type(table, 22, type));
        assert_string_equal(type, "");
        assert_true(mount_info_type(table, 23, type));
        assert_string_equal(type, "");
        assert_false(mount_info_type(table, 2, type));
        assert_false(mount_info_type("", 21, type));
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_route, routes);
        TABLE_ROWS(&table, test_ipv6_route, ipv6_routes);
        TABLE_ROWS(&table, test_swaps, swaps);
        TABLE_ROWS(&table, test_keys, keys);
        table_add(&table, "mounts one after the other, and the one a path lies in", test_mounts,
                  NULL);
        table_add(&table, "the mount of a file that is open", test_mount_of_a_file, NULL);
        return table_run("proc-tables", &table);
}

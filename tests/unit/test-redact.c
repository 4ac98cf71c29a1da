/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What says whose machine it is goes, and what looks like it stays. */
#undef NDEBUG

#include <errno.h>
#include <string.h>

#include "model/redact-file.h"
#include "model/redact.h"
#include "table.h"

#define LONG_LINE (256 * 1024)

static const struct Row {
        const char *title, *text, *redacted;
} rows[] = {
        { "nothing", "", "" },
        { "a UUID", "root=UUID=6D3F1C52-8f0e-4a53-9d0c-2f5b7c1e9a44 quiet",
          "root=UUID=00000000-0000-4000-8000-000000000001 quiet" },
        { "the same again, and another one",
          "6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44 6D3F1C52-8F0E-4A53-9D0C-2F5B7C1E9A44 "
          "7d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44",
          "00000000-0000-4000-8000-000000000001 00000000-0000-4000-8000-000000000001 "
          "00000000-0000-4000-8000-000000000002" },
        { "a UUID of zeros", "00000000-0000-0000-0000-000000000000",
          "00000000-0000-0000-0000-000000000000" },
        { "a FAT's UUID", "by-uuid/1A2B-3C4D", "by-uuid/FFFF-0001" },
        { "a range", "0a00-0bff 03F8-03FF: x", "0a00-0bff 03F8-03FF: x" },
        { "a date", "2026-11-29", "2026-11-29" },
        { "a machine id", "76666966a01d4f4da0de000000000001", "00000000000040008000000000000001" },
        { "a longer number", "76666966a01d4f4da0de00000000000123",
          "76666966a01d4f4da0de00000000000123" },
        { "a MAC address", "ether 52:54:00:AB:cd:ef,", "ether 02:00:00:00:00:01," },
        { "the same in a name", "52:54:00:ab:cd:ef enx525400abcdef 52-54-00-ab-cd-ef",
          "02:00:00:00:00:01 enx020000000001 02-00-00-00-00-01" },
        { "a MAC address behind others",
          "ifname=net0:52:54:00:ab:cd:ef BOOTIF=01-52-54-00-ab-cd-ef 52:54:00:ab:cd:ef: 5254.00ab.cdef",
          "ifname=net0:02:00:00:00:00:01 BOOTIF=02-00-00-00-00-02 02:00:00:00:00:01: "
          "0200.0000.0001" },
        { "one of a battery", "hid-52:54:00:ab:cd:ef-battery battery_52:54:00:ab:cd:ee",
          "hid-02:00:00:00:00:01-battery battery_02:00:00:00:00:02" },
        { "an InfiniBand address", "80:00:00:48:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1",
          "02:00:00:00:00:01" },
        { "dots", "1234.5678.9012 5254.00ab.cdef.1 at 5254.00ab.cdef.",
          "1234.5678.9012 5254.00ab.cdef.1 at 0200.0000.0001." },
        { "no MAC address", "0000:01:00.0 10de:2484 12:34:56 0003:046D:C52B.0001",
          "0000:01:00.0 10de:2484 12:34:56 0003:046D:C52B.0001" },
        { "an IPv4 address", "ip=192.168.1.7::10.0.0.1", "ip=198.18.0.1::198.18.0.2" },
        { "a range of them, and one in a name", "10.0.0.1-10.0.0.9 nas-10.0.0.1 ::ffff:10.0.0.1",
          "198.18.0.1-198.18.0.2 nas-198.18.0.1 ::ffff:198.18.0.1" },
        { "everybody's",
          "127.0.0.1 0.0.0.0 255.255.255.0 ::1 ::", "127.0.0.1 0.0.0.0 255.255.255.0 ::1 ::" },
        { "versions", "6.12.48 1.2.3.4.5 usb 1-1.2.3.4:1.0 1.2.3.400",
          "6.12.48 1.2.3.4.5 usb 1-1.2.3.4:1.0 1.2.3.400" },
        { "an IPv6 address", "from fe80::5054:ff:feab:cdef: ok, 2001:db8:0:1:2:3:4:5.",
          "from 2001:db8::1: ok, 2001:db8::2." },
        { "colons", "a::b std::vector dead::: ::", "2001:db8::1 std::vector dead::: ::" },
        { "a user", "alice's alice_1 malice alice.service /home/alice/x",
          "user1's user1_1 malice user1.service /home/user1/x" },
        { "a user in a volume's name", "/dev/mapper/alice_crypt crypt_alice alice2",
          "/dev/mapper/user1_crypt crypt_user1 alice2" },
        { "a user before a telephone's apostrophe",
          "Alice\xe2\x80\x99s Keyboard, \xe2\x80\x9c"
          "alice\xe2\x80\x9d",
          "user1\xe2\x80\x99s Keyboard, \xe2\x80\x9cuser1\xe2\x80\x9d" },
        { "a guest", "'Alice's Win 11' win-11.xml of\\x20win\\x2d11 win-110",
          "'guest002' guest001.xml of\\x20guest001 win-110" },
        { "a user that nobody named", "/home/bob-2/.config and bob-2",
          "/home/user1/.config and bob-2" },
        { "the host", "pc.example.org pc pcie", "machine machine pcie" },
        { "in capital letters", "ALICE PC.Example.org /home/Alice ID_FS_LABEL=Alice-Backup",
          "user1 machine /home/user1 ID_FS_LABEL=user1-Backup" },
        { "a user that nobody named, either way", "/home/Bob /home/bob",
          "/home/user1 /home/user1" },
        { "a host with a dash", "her-pc her-pcs other-her-pc", "machine her-pcs other-machine" },
        { "the same in a volume's name", "/dev/mapper/her--pc--vg-root vg-her--pc",
          "/dev/mapper/machine--vg-root vg-machine" },
        { "the same in a unit's name", "dev-mapper-her\\x2dpc.mount x\\x2dher\\x2d\\x2dpc\\x2dy",
          "dev-mapper-machine.mount x\\x2dmachine\\x2dy" },
        { "the same in JSON", "\"x\\\\x2dher\\\\x2dpc\\\\x2d1\"", "\"x\\\\x2dmachine\\\\x2d1\"" },
        { "behind escapes", "/mnt/of\\040alice of\\x20alice \\x41alice \\xc3\\xa9alice",
          "/mnt/of\\040user1 of\\x20user1 \\x41alice \\xc3\\xa9alice" },
        { "a UUID in a unit's name",
          "dev-disk-by\\x2duuid-6d3f1c52\\x2d8f0e\\x2d4a53\\x2d9d0c\\x2d2f5b7c1e9a44.device "
          "x\\x2d6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44",
          "dev-disk-by\\x2duuid-00000000\\x2d0000\\x2d4000\\x2d8000\\x2d000000000001.device "
          "x\\x2d00000000-0000-4000-8000-000000000001" },
        { "the same in JSON", "\"6d3f1c52\\\\x2d8f0e\\\\x2d4a53\\\\x2d9d0c\\\\x2d2f5b7c1e9a44\"",
          "\"00000000\\\\x2d0000\\\\x2d4000\\\\x2d8000\\\\x2d000000000001\"" },
        { "a FAT's UUID elsewhere",
          "osprober-efi-1A2B-3C4D by\\x2duuid-1A2B\\x2d3C4D.device 1A2B-3C4D-5E6F",
          "osprober-efi-FFFF-0001 by\\x2duuid-FFFF\\x2d0001.device 1A2B-3C4D-5E6F" },
        { "an NTFS's UUID",
          "ID_FS_UUID=01D9A2B3C4D5E6F7 --fs-uuid 01D9A2B3C4D5E6F7 7A2B3C4D5E6F7081",
          "ID_FS_UUID=FFFFFFFF00000001 --fs-uuid FFFFFFFF00000001 FFFFFFFF00000002" },
        { "one of digits", "by-uuid/1767225600123456 --set=root 1767225600123456",
          "by-uuid/FFFFFFFF00000001 --set=root FFFFFFFF00000001" },
        { "a time, and bits", "since=1767225600123456 ff9f207ac14057ff 0x01D9A2B3C4D5E6F7",
          "since=1767225600123456 ff9f207ac14057ff 0x01D9A2B3C4D5E6F7" },
        { "behind an underscore", "crypt_6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44",
          "crypt_00000000-0000-4000-8000-000000000001" },
        { "a disk by its serial number",
          "root=/dev/disk/by-id/nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0R1-part2 "
          "/dev/disk/by-id/nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0R1, by-id/wwn-0x5002538e40b0c0d1",
          "root=/dev/disk/by-id/disk1-part2 /dev/disk/by-id/disk1, by-id/disk2" },
        { "the same in a unit's name",
          "dev-disk-by\\x2did-ata\\x2dWDC_WD40_WCC7K0\\x2dpart1.device by\\x2did-x.swap",
          "dev-disk-by\\x2did-disk1\\x2dpart1.device by\\x2did-disk2.swap" },
        { "a disk by its standards",
          "wwn-0x5002538e40b0c0d1 eui.0025385b11b1a2c3 naa.6001405abcdef012 3600508b400105e21 "
          "mapper/3600508b400105e210000900000490000-part1 eui.12",
          "wwn-0xdisk1 eui.disk2 naa.disk3 00000000000040008000000000000001 "
          "mapper/00000000000040008000000000000002-part1 eui.12" },
        { "e-mail", "a.lice+x@corp.example.com, <bob@b-c.de>. mail7@example.org",
          "mail1@example.org, <mail2@example.org>. mail7@example.org" },
        { "no e-mail",
          "user@1000.service getty@tty1 vfio-mode-replug@0000:01:00.0.service a@1.2 @b.cd",
          "user@1000.service getty@tty1 vfio-mode-replug@0000:01:00.0.service a@1.2 @b.cd" },
        { "secrets",
          "rd.iscsi.password=hunter2 token=!!! PASSWORD='a b' x.token=\"a b\" systemd.set_credential=p:q "
          "rd.iscsi.initiator=iqn.1993-08.org.debian:01:abc netroot=iscsi:a:b@nas::::x quiet",
          "rd.iscsi.password=- token=- PASSWORD='-' x.token=\"-\" systemd.set_credential=- "
          "rd.iscsi.initiator=- netroot=- quiet" },
        { "serial numbers",
          "ATTRS{serial}==\"4C53 01\", ENV{ID_SERIAL_SHORT}!=\"S5G\" ATTR{wwid}==\"eui.1\" smbios.serial=PF1 "
          "ATTRS{uniq}=='x' ID_WWN=0x5 ID_WWN_WITH_EXTENSION=0x56 ID_WWN_VENDOR_EXTENSION=0x6 ATTR{address}==\"a\"",
          "ATTRS{serial}==\"-\", ENV{ID_SERIAL_SHORT}!=\"-\" ATTR{wwid}==\"-\" smbios.serial=- "
          "ATTRS{uniq}=='-' ID_WWN=- ID_WWN_WITH_EXTENSION=- ID_WWN_VENDOR_EXTENSION=- ATTR{address}==\"a\"" },
        { "secrets that begin as an operator",
          "password=\"=abc\" token='==' ATTRS{serial}==\"=4C\" token==x",
          "password=\"-\" token='-' ATTRS{serial}==\"-\" token==-" },
        { "no serial numbers",
          "GRUB_SERIAL_COMMAND=\"serial --unit=0\" usbserial.vendor=0x1 serial 5",
          "GRUB_SERIAL_COMMAND=\"serial --unit=0\" usbserial.vendor=0x1 serial 5" },
        { "who was given an address",
          "ip=10.0.0.2::10.0.0.1:255.255.255.0:oldpc:eth0:none ip=[2001:db8:1::1]:::64:old-pc:eth0 ip=eth0:dhcp "
          "ip=a:b:c:d skip=a:b:c:d:e:f",
          "ip=198.18.0.1::198.18.0.2:255.255.255.0:-:eth0:none ip=[2001:db8::1]:::64:-:eth0 ip=eth0:dhcp "
          "ip=a:b:c:d skip=a:b:c:d:e:f" },
        { "who is named in a URL", "http://alice:hunter2@nas/x https://nas/a@b",
          "http://-@nas/x https://nas/a@b" },
        { "no secrets", "bypass=1 password pass= iommu=pt", "bypass=1 password pass= iommu=pt" },
        { "volumes",
          "lvmid/3EI0yF-1UiS-tcbW-gHEF-5KM5-m0Cc-cFWRtK/uFmwN3-iTSi-P2f2-hM0p-Aq0e-Lp4G-W2bDBv",
          "lvmid/000000-0000-0000-0000-0000-0000-000001/000000-0000-0000-0000-0000-0000-000002" },
        { "a partition", "root=PARTUUID=1a2b3c4d-02 by-partuuid/1A2B3C4D-05 00a0c0ff-01",
          "root=PARTUUID=00000001-02 by-partuuid/00000001-05 00a0c0ff-01" },
        { "the same in a unit's name", "by\\x2dpartuuid-1a2b3c4d\\x2d02.device",
          "by\\x2dpartuuid-00000001\\x2d02.device" },
        { "not ASCII",
          "\xc3\xa9"
          "alice alice\xc3\xa9",
          "\xc3\xa9"
          "alice alice\xc3\xa9" },
};

static Redactor *new_redactor(void) {
        Redactor *redactor = redactor_new();

        assert_non_null(redactor);
        assert_int_equal(redactor_add_word(redactor, REDACT_USER_NAME, "alice"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_HOST_NAME, "pc"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_HOST_NAME, "pc.example.org"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_HOST_NAME, "Her-PC"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_GUEST_NAME, "win-11"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_GUEST_NAME, "Alice's Win 11"), 0);
        return redactor;
}

static void test_row(void **state) {
        _cleanup_(redactor_freep) Redactor *redactor = new_redactor();
        const struct Row *row = *state;
        _cleanup_free_ char *text = NULL;
        size_t length;

        assert_int_equal(redact(redactor, row->text, strlen(row->text), &text, &length), 0);
        assert_string_equal(text, row->redacted);
        assert_int_equal(length, strlen(row->redacted));
}

/* The same value has the same placeholder in every text. */
static void test_consistent(void **state) {
        static const char *const texts[] = { "52:54:00:00:00:01", "52:54:00:00:00:02",
                                             "52:54:00:00:00:01" };
        static const char *const redacted[] = { "02:00:00:00:00:01", "02:00:00:00:00:02",
                                                "02:00:00:00:00:01" };
        _cleanup_(redactor_freep) Redactor *redactor = new_redactor();

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_free_ char *text = NULL;
                size_t length;

                assert_int_equal(redact(redactor, texts[i], strlen(texts[i]), &text, &length), 0);
                assert_string_equal(text, redacted[i]);
        }
}

/* More than can be told apart still go. */
static void test_many(void **state) {
        _cleanup_(redactor_freep) Redactor *redactor = new_redactor();
        _cleanup_free_ char *text = NULL;
        char address[32];
        size_t length;

        for (unsigned i = 0; i < REDACT_SEEN_MAX + 1; i++) {
                free(text);
                text = NULL;
                (void)snprintf(address, sizeof(address), "52:54:00:00:%02x:%02x", i >> 8, i & 0xff);
                assert_int_equal(redact(redactor, address, strlen(address), &text, &length), 0);
        }
        assert_string_equal(text, "02:00:00:00:00:00");
}

/* What is looked at before and behind each character has an end: else this takes minutes. */
static void test_long_lines(void **state) {
        static const char *const parts[] = { "x", "aa:", "aa-", "=x", "x:", "1.", "a@" };
        _cleanup_(redactor_freep) Redactor *redactor = new_redactor();

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                size_t size = LONG_LINE - LONG_LINE % strlen(parts[i]), length;
                _cleanup_free_ char *line = malloc(size + 1), *text = NULL;

                assert_non_null(line);
                for (size_t at = 0; at < size; at += strlen(parts[i]))
                        (void)memcpy(line + at, parts[i], strlen(parts[i]) + 1);
                assert_int_equal(redact(redactor, line, size, &text, &length), 0);
                assert_memory_equal(text, line, size / 2); /* at its end there may be an address */
        }
}

static void test_words(void **state) {
        _cleanup_(redactor_freep) Redactor *redactor = new_redactor();
        char word[REDACT_WORD_SIZE + 1];
        int r = 0;

        assert_int_equal(redactor_add_word(redactor, REDACT_USER_NAME, "alice"), 0);
        assert_int_equal(redactor_add_word(redactor, REDACT_USER_NAME, "x"), -EINVAL);
        (void)memset(word, 'x', sizeof(word));
        word[REDACT_WORD_SIZE] = '\0';
        assert_int_equal(redactor_add_word(redactor, REDACT_USER_NAME, word), -EINVAL);
        for (unsigned i = 0; i < REDACT_WORDS_MAX && r == 0; i++) {
                (void)snprintf(word, sizeof(word), "user-%u", i);
                r = redactor_add_word(redactor, REDACT_USER_NAME, word);
        }
        assert_int_equal(r, -ENOSPC);
}

static void test_has_word(void **state) {
        (void)state;
        assert_true(redact_has_word("run/vfio-moded/vm/*", "vm"));
        assert_true(redact_has_word("6.8.12-4-pve", "PVE"));
        assert_false(redact_has_word("run/vfio-moded/vm/*", "vfio_moded"));
        assert_false(redact_has_word("proc/devices", "device"));
        assert_false(redact_has_word("", "device"));
}

/* --- files --- */

static const struct FileRow {
        const char *title;
        RedactFile what;
        const char *text, *taken;
} file_rows[] = {
        { "a text", REDACT_FILE_TEXT, "a\nb", "a\nb" },
        { "a name", REDACT_FILE_NAME, "secret", "" },
        { "a processor", REDACT_FILE_CPUINFO,
          "processor\t: 0\nvendor_id\t: X\nSerial\t: 17\nflags\t: vmx\n\nflags\t: svm\n",
          "vendor_id\t: X\nflags\t: vmx\n" },
        { "memory", REDACT_FILE_IOMEM,
          "00a0-c0ff : PCI Bus 0000:00\n  c000-cfff : Kernel code\nx\n",
          "00a0-c0ff : PCI Bus 0000:00\n  0000-0000 : Kernel code\n" },
        { "routes", REDACT_FILE_ROUTE,
          "Iface\tDestination\tGateway\nbr0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n"
          "br0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
          "Iface\tDestination\tGateway\nbr0\t00000000\t00000000\t0003\t0\t0\t0\t00000000\n" },
        { "routes of IPv6", REDACT_FILE_IPV6_ROUTE,
          "0000 00 fe80 00 fe81 1 1 0 3 br0\nfe80 40 0000 00 0000 1 1 0 1 br0\n",
          "0000 00 0000 00 0000 1 1 0 3 br0\n" },
        { "mounts", REDACT_FILE_MOUNTS,
          "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /mnt/x rw - nfs4 nas:/x rw,addr=10.0.0.1\n"
          "3 1 0:7 / /usr rw - nfs nas:/usr ro\nbroken\n",
          "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n3 1 0:7 / /usr rw - nfs -------- --\n" },
        { "mounts by programs", REDACT_FILE_MOUNTS,
          "1 0 8:2 / /mnt/w rw - fuseblk /dev/sda2 rw,user_id=0\n"
          "2 0 0:9 / /mnt/x rw - fuse.sshfs a@b:/ rw\n3 0 0:8 / /mnt/y rw - fuse x rw\n",
          "1 0 8:2 / /mnt/w rw - fuseblk /dev/sda2 rw,user_id=0\n" },
        { "udev", REDACT_FILE_UDEV,
          "S:disk/by-id/x\nE:ID_SERIAL=17\nE:ID_FS_UUID=1A2B-3C4D\nG:seat\n",
          "E:ID_FS_UUID=1A2B-3C4D\nG:seat\n" },
        { "GRUB's users", REDACT_FILE_GRUB,
          "menuentry 'a' --users bob --id b {\nmenuentry 'a' --users=\"bob,eve\" {\nmenuentry 'a' --users '' {",
          "menuentry 'a' --users --- --id b {\nmenuentry 'a' --users=\"-------\" {\nmenuentry 'a' --users '' {" },
        { "GRUB", REDACT_FILE_GRUB, "set timeout=5\n  password_pbkdf2 root grub.x\nmenuentry\n",
          "set timeout=5\nmenuentry\n" },
        { "a script", REDACT_FILE_SCRIPT, "#!/bin/sh\ncurl -u me:secret x\nmodprobe -r nvidia\n",
          "#!/bin/sh\nmodprobe -r nvidia\n" },
        { "settings", REDACT_FILE_SETTINGS, "# a\\\nb\\\nc\nd # e\\\nf\n  ;g\n\n#\n\\\n#h",
          "#\\\n\\\n\nd # e\\\nf\n  ;\n\n#\n\\\n#" },
        { "a path", REDACT_FILE_DIRECTORY, "/srv/x y.img (deleted)\n", "/srv/-" },
        { "a path of one", REDACT_FILE_DIRECTORY, "/", "/" },
        { "no path", REDACT_FILE_DIRECTORY, "x\n", "x\n" },
        { "a mapped device", REDACT_FILE_FIRST_WORD, "LVM-abcdef", "LVM-" },
        { "without a dash", REDACT_FILE_FIRST_WORD, "x", "x" },
        { "a card", REDACT_FILE_NVIDIA, "Model: \t X\nGPU UUID: \t GPU-17\nDevice Minor: \t 0\n",
          "Model: \t X\nDevice Minor: \t 0\n" },
};

static void test_file(void **state) {
        const struct FileRow *row = *state;
        _cleanup_free_ char *text = strdup(row->text);

        assert_non_null(text);
        assert_int_equal(redact_file(row->what, text, strlen(text)), strlen(row->taken));
        assert_string_equal(text, row->taken);
}

static void test_block(void **state) {
        char shorter[9] = "a=b\n##", longer[9] = "a=bbbb\n#";

        assert_int_equal(redact_file_fit_block(shorter, 6, 8), 8);
        assert_memory_equal(shorter, "a=b\n####", 8);
        assert_int_equal(redact_file_fit_block(longer, 8, 7), 7);
        assert_int_equal(redact_file_fit_block(longer, 7, 6), 7);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        TABLE_ROWS(&table, test_file, file_rows);
        table_add(&table, "the same everywhere", test_consistent, NULL);
        table_add(&table, "more than can be told apart", test_many, NULL);
        table_add(&table, "lines without blanks", test_long_lines, NULL);
        table_add(&table, "words", test_words, NULL);
        table_add(&table, "a word in a text", test_has_word, NULL);
        table_add(&table, "the size of a block", test_block, NULL);
        return table_run("redact", &table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model/pci-address: addresses, ids and modaliases in the kernel's forms. */
#undef NDEBUG

#include <errno.h>
#include <string.h>

#include "model/pci-address.h"
#include "table.h"

static const struct Good {
        const char *title;
        const char *text;
        PciAddress address;
        const char *formatted; /* NULL: as @text */
} good_addresses[] = {
        { "an address", "0000:0b:00.0", { 0, 0x0b, 0, 0 }, NULL },
        { "the last function of the last bus", "ffff:ff:1f.7", { 0xffff, 0xff, 0x1f, 7 }, NULL },
        { "upper case", "00AB:0B:1F.1", { 0xab, 0x0b, 0x1f, 1 }, "00ab:0b:1f.1" },
        { "a domain below Intel VMD", "10000:e0:06.0", { 0x10000, 0xe0, 6, 0 }, NULL },
        { "the largest domain", "ffffffff:00:00.0", { UINT32_MAX, 0, 0, 0 }, NULL },
        { "a domain with zeros in front", "00000000:01:00.0", { 0, 1, 0, 0 }, "0000:01:00.0" },
};

static void test_good_address(void **state) {
        const struct Good *row = *state;
        char text[PCI_ADDRESS_SIZE];
        PciAddress address = { 0 };

        assert_int_equal(pci_address_parse(row->text, &address), 0);
        assert_int_equal(pci_address_compare(address, row->address), 0);
        assert_ptr_equal(pci_address_format(address, text), text);
        assert_string_equal(text, row->formatted ? row->formatted : row->text);
        address = (PciAddress){ 0 };
        assert_int_equal(pci_address_parse_typed(row->text, &address), 0);
        assert_int_equal(pci_address_compare(address, row->address), 0);
}

static void test_without_domain(void **state) {
        PciAddress address = { 1, 2, 3, 4 };

        (void)state;
        assert_int_equal(pci_address_parse_typed("0b:1f.7", &address), 0);
        assert_int_equal(pci_address_compare(address, (PciAddress){ 0, 0x0b, 0x1f, 7 }), 0);
}

static const struct Bad {
        const char *title;
        const char *text;
} bad_addresses[] = {
        { "nothing for an address", "" },
        { "an address without its domain, and more", "0b:00.00" },
        { "an address without its domain that is too long", "0b:00.000000000000" },
        { "a bus of one digit without its domain", "b:00.0" },
        { "a slot without its domain", "0b:00" },
        { "a domain of three digits", "000:0b:00.0" },
        { "a domain of nine digits", "000000000:0b:00.0" },
        { "a domain that is none", "00x0:0b:00.0" },
        { "a bus of one digit", "0000:b:00.0" },
        { "a bus of three digits", "0000:00b:00.0" },
        { "a device above 1f", "0000:0b:20.0" },
        { "a function above 7", "0000:0b:00.8" },
        { "a function of two digits", "0000:0b:00.00" },
        { "no function", "0000:0b:00." },
        { "a slot only", "0000:0b:00" },
        { "every function by a star", "0000:0b:00.*" },
        { "a colon for the dot", "0000:0b:00:0" },
        { "a dot for the colon", "0000:0b.00.0" },
        { "a blank before an address", " 0000:0b:00.0" },
        { "a line break behind an address", "0000:0b:00.0\n" },
        { "a colon alone", ":" },
        { "a sign", "+000:0b:00.0" },
};

static void test_bad_address(void **state) {
        const struct Bad *row = *state;
        PciAddress address = { 1, 2, 3, 4 };

        assert_int_equal(pci_address_parse(row->text, &address), -EINVAL);
        assert_int_equal(pci_address_parse_typed(row->text, &address), -EINVAL);
        assert_int_equal(pci_address_compare(address, (PciAddress){ 1, 2, 3, 4 }), 0);
}

/* What a file names has to be whole, for whoever looks for it in the journal. */
static void test_whole_address_only(void **state) {
        PciAddress address;

        (void)state;
        assert_int_equal(pci_address_parse("0b:00.0", &address), -EINVAL);
}

/* In the kernel's order. */
static const PciAddress ordered[] = {
        { 0, 0, 0, 0 }, { 0, 0, 0, 7 },       { 0, 0, 0x1f, 0 }, { 0, 1, 0, 0 },
        { 0, 2, 1, 3 }, { 0, 0xff, 0x1f, 7 }, { 1, 0, 0, 0 },    { 0x10000, 0, 0, 0 },
};

static void test_compare(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(ordered); i++)
                for (size_t j = 0; j < ARRAY_SIZE(ordered); j++)
                        assert_int_equal(pci_address_compare(ordered[i], ordered[j]),
                                         (i > j) - (i < j));
}

static void test_same_slot(void **state) {
        PciAddress a = { 1, 2, 3, 4 };

        (void)state;
        assert_true(pci_address_same_slot(a, a));
        assert_true(pci_address_same_slot(a, (PciAddress){ 1, 2, 3, 0 }));
        assert_false(pci_address_same_slot(a, (PciAddress){ 1, 2, 4, 4 }));
        assert_false(pci_address_same_slot(a, (PciAddress){ 1, 3, 3, 4 }));
        assert_false(pci_address_same_slot(a, (PciAddress){ 2, 2, 3, 4 }));
}

static void test_out_of_range(void **state) {
        char text[PCI_ADDRESS_SIZE];

        (void)state;
        assert_string_equal(pci_address_format((PciAddress){ UINT32_MAX, 0xff, 0xff, 0xff }, text),
                            "ffffffff:ff:1f.7");
}

static const struct Id {
        const char *title;
        const char *text;
        int result;
        PciId id;
} ids[] = {
        { "an id", "10de:2484", 0, { 0x10de, 0x2484 } },
        { "an id in upper case", "1AF4:10DE", 0, { 0x1af4, 0x10de } },
        { "nothing for an id", "", -EINVAL, { 0 } },
        { "a vendor only", "10de", -EINVAL, { 0 } },
        { "a vendor and a colon", "10de:", -EINVAL, { 0 } },
        { "a vendor of three digits", "0de:2484", -EINVAL, { 0 } },
        { "a device of five digits", "10de:24840", -EINVAL, { 0 } },
        { "a device of three digits", "10de:248", -EINVAL, { 0 } },
        { "a blank for the colon", "10de 2484", -EINVAL, { 0 } },
        { "an id in C's manner", "0x10de:0x2484", -EINVAL, { 0 } },
};

static void test_id(void **state) {
        const struct Id *row = *state;
        char text[PCI_ID_SIZE];
        PciId id = { 1, 2 };

        assert_int_equal(pci_id_parse(row->text, &id), row->result);
        assert_true(pci_id_equal(id, row->result < 0 ? (PciId){ 1, 2 } : row->id));
        if (row->result == 0) {
                assert_ptr_equal(pci_id_format(id, text), text);
                assert_int_equal(strcasecmp(text, row->text), 0);
        }
}

static void test_id_equal(void **state) {
        PciId id = { 1, 2 };

        (void)state;
        assert_true(pci_id_equal(id, (PciId){ 1, 2 }));
        assert_false(pci_id_equal(id, (PciId){ 1, 3 }));
        assert_false(pci_id_equal(id, (PciId){ 2, 2 }));
}

#define SUBSYSTEM "sv00001458sd0000404C"

static const struct Modalias {
        const char *title;
        const char *text;
        int result;
        PciModalias modalias;
} modaliases[] = {
        { "a VGA controller",
          "pci:v000010DEd00002484" SUBSYSTEM "bc03sc00i00",
          0,
          { { 0x10de, 0x2484 }, 0x030000 } },
        { "a NVMe disk",
          "pci:v0000144Dd0000A80A" SUBSYSTEM "bc01sc08i02",
          0,
          { { 0x144d, 0xa80a }, 0x010802 } },
        { "another bus", "usb:v000010DEd00002484" SUBSYSTEM "bc03sc00i00", -EINVAL, { { 0 }, 0 } },
        { "a vendor of more than 16 bits",
          "pci:v000110DEd00002484" SUBSYSTEM "bc03sc00i00",
          -EINVAL,
          { { 0 }, 0 } },
        { "a device of more than 16 bits",
          "pci:v000010DEd00012484" SUBSYSTEM "bc03sc00i00",
          -EINVAL,
          { { 0 }, 0 } },
        { "a pattern", "pci:v000010DEd*sv*sd*bc03sc*i*", -EINVAL, { { 0 }, 0 } },
        { "no subsystem vendor", "pci:v000010DEd00002484bc03sc00i00", -EINVAL, { { 0 }, 0 } },
        { "no subsystem device",
          "pci:v000010DEd00002484sv00001458bc03sc00i00",
          -EINVAL,
          { { 0 }, 0 } },
        { "no base class", "pci:v000010DEd00002484" SUBSYSTEM, -EINVAL, { { 0 }, 0 } },
        { "no sub-class", "pci:v000010DEd00002484" SUBSYSTEM "bc03", -EINVAL, { { 0 }, 0 } },
        { "no interface", "pci:v000010DEd00002484" SUBSYSTEM "bc03sc00", -EINVAL, { { 0 }, 0 } },
        { "junk behind a modalias",
          "pci:v000010DEd00002484" SUBSYSTEM "bc03sc00i00\n",
          -EINVAL,
          { { 0 }, 0 } },
};

static void test_modalias(void **state) {
        const struct Modalias *row = *state;
        PciModalias modalias = { { 1, 2 }, 3 };
        PciModalias expected = row->result < 0 ? modalias : row->modalias;

        assert_int_equal(pci_modalias_parse(row->text, &modalias), row->result);
        assert_true(pci_id_equal(modalias.id, expected.id));
        assert_int_equal(modalias.class_code, expected.class_code);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_good_address, good_addresses);
        TABLE_ROWS(&table, test_bad_address, bad_addresses);
        TABLE_ROWS(&table, test_id, ids);
        TABLE_ROWS(&table, test_modalias, modaliases);
        table_add(&table, "an address that is typed without its domain", test_without_domain, NULL);
        table_add(&table, "an address in a file without its domain", test_whole_address_only, NULL);
        table_add(&table, "the kernel's order", test_compare, NULL);
        table_add(&table, "functions of one slot", test_same_slot, NULL);
        table_add(&table, "numbers that are none of an address stay in the buffer",
                  test_out_of_range, NULL);
        table_add(&table, "equal ids", test_id_equal, NULL);
        return table_run("pci-address", &table);
}

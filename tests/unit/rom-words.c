/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rom-words.h"
#include "table.h"

void rom_words_put_16(uint8_t *at, unsigned value) {
        at[0] = (uint8_t)value;
        at[1] = (uint8_t)(value >> 8);
}

/* "x86", "efi", "efi-zip", "sparc", "pa-risc", "other", and "!" behind the last. */
static void put_image(const char *word, PciId id, uint8_t *image) {
        static const char *const codes[] = { "x86", "sparc", "pa-risc", "efi", "other" };
        uint8_t *data = image + ROM_WORDS_DATA, sum = 0;
        unsigned code = 0;

        for (size_t i = 0; i < ROM_WORDS_IMAGE; i++)
                image[i] = (uint8_t)(i * 7);
        (void)memset(image, 0, ROM_WORDS_DATA + 0x40);
        rom_words_put_16(image, 0xaa55);
        rom_words_put_16(image + 0x18, ROM_WORDS_DATA);
        (void)memcpy(data, "PCIR", 4);
        rom_words_put_16(data + 4, id.vendor);
        rom_words_put_16(data + 6, id.device);
        rom_words_put_16(data + 0x0a, 0x18);
        data[0x0c] = 3;
        rom_words_put_16(data + 0x10, ROM_WORDS_IMAGE / 512);
        while (strncmp(word, codes[code], strlen(codes[code])) != 0)
                code++;
        data[0x14] = (uint8_t)code;
        data[0x15] = strchr(word, '!') ? 0x80 : 0;
        if (code == PCI_ROM_CODE_EFI) {
                rom_words_put_16(image + 0x04, 0x0ef1);
                rom_words_put_16(image + 0x0a, 0x8664);
                rom_words_put_16(image + 0x0c, strstr(word, "zip") != NULL);
        }
        for (size_t i = 0; i < ROM_WORDS_IMAGE; i++)
                sum = (uint8_t)(sum + image[i]);
        image[ROM_WORDS_IMAGE - 1] = (uint8_t)(image[ROM_WORDS_IMAGE - 1] - sum);
}

size_t rom_words_make(const char *words, PciId id, uint8_t rom[static ROM_WORDS_MAX]) {
        char *text = strdup(words), *cursor = text, *word;
        size_t size = 0;

        while ((word = strsep(&cursor, " ")) && *word) {
                assert_true(size + ROM_WORDS_IMAGE <= ROM_WORDS_MAX);
                put_image(word, id, rom + size);
                size += ROM_WORDS_IMAGE;
        }
        free(text);
        return size;
}

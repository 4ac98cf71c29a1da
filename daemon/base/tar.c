/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The header is ustar's. What does not fit into its fields (a path in sysfs often does not) goes
 * before it as a pax record, as does a time with a fraction.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tar.h"

#define BLOCK_SIZE 512
#define FILE_SIZE_MAX 077777777777u /* eleven octal digits */

/* POSIX.1-2017, pax: ustar Header Block. */
typedef struct Header {
        char name[100], mode[8], uid[8], gid[8], size[12], time[12], checksum[8], type;
        char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
        char prefix[155], padding[12];
} Header;

_Static_assert(sizeof(Header) == BLOCK_SIZE, "a header is one block");

typedef struct Entry {
        const char *path, *target; /* NULL: it is no link */
        char type;
        unsigned mode;
        uint64_t time; /* us */
        size_t length;
} Entry;

static int put(TarWriter *tar, const void *data, size_t length) {
        static const char zeros[BLOCK_SIZE];
        size_t padding = (BLOCK_SIZE - length % BLOCK_SIZE) % BLOCK_SIZE;

        errno = 0;
        if ((length > 0 && fwrite(data, length, 1, tar->file) != 1) ||
            (padding > 0 && fwrite(zeros, padding, 1, tar->file) != 1))
                return errno > 0 ? -errno : -EIO;
        tar->n_bytes += length + padding;
        return 0;
}

/* Octal digits and a NUL fill the field. */
static void set_number(char *field, size_t size, uint64_t number) {
        field[--size] = '\0';
        while (size > 0) {
                field[--size] = (char)('0' + (number & 7));
                number >>= 3;
        }
}

/* A field that is full has no NUL. */
static void set_text(char *field, size_t size, const char *text) {
        size_t length = strlen(text);

        (void)memcpy(field, text, length < size ? length : size);
}

static int put_header(TarWriter *tar, const Entry *entry) {
        Header header = { .type = entry->type, .magic = "ustar", .version = { '0', '0' } };
        unsigned sum = 0;

        set_text(header.name, sizeof(header.name), entry->path);
        set_text(header.link, sizeof(header.link), entry->target ? entry->target : "");
        set_number(header.mode, sizeof(header.mode), entry->mode);
        set_number(header.uid, sizeof(header.uid), 0);
        set_number(header.gid, sizeof(header.gid), 0);
        set_number(header.size, sizeof(header.size), entry->length);
        set_number(header.time, sizeof(header.time), entry->time / 1000000);
        (void)memset(header.checksum, ' ', sizeof(header.checksum));
        for (size_t i = 0; i < sizeof(header); i++)
                sum += ((const unsigned char *)&header)[i];
        set_number(header.checksum, sizeof(header.checksum) - 1, sum);
        return put(tar, &header, sizeof(header));
}

/* "LENGTH KEY=VALUE\n", where the length counts its own digits. */
static void add_record(FILE *records, const char *key, const char *value) {
        size_t rest = strlen(key) + strlen(value) + strlen(" =\n"), length = rest + 1;

        while (length != rest + (size_t)snprintf(NULL, 0, "%zu", length))
                length++;
        (void)fprintf(records, "%zu %s=%s\n", length, key, value);
}

static int format_records(const Entry *entry, char **ret, size_t *ret_length) {
        FILE *records = open_memstream(ret, ret_length);
        char time[32];

        if (!records)
                return -ENOMEM;
        if (strlen(entry->path) > sizeof(((Header *)0)->name))
                add_record(records, "path", entry->path);
        if (entry->target && strlen(entry->target) > sizeof(((Header *)0)->link))
                add_record(records, "linkpath", entry->target);
        (void)snprintf(time, sizeof(time), "%" PRIu64 ".%06" PRIu64, entry->time / 1000000,
                       entry->time % 1000000);
        if (entry->time % 1000000 > 0)
                add_record(records, "mtime", time);
        return fclose(records) != 0 ? -ENOMEM : 0;
}

static int put_entry(TarWriter *tar, const Entry *entry, const void *data) {
        _cleanup_free_ char *records = NULL;
        size_t n_records = 0;
        int r;

        if (entry->path[0] == '\0' || entry->path[0] == '/' || entry->length > FILE_SIZE_MAX)
                return -EINVAL;
        r = format_records(entry, &records, &n_records);
        if (r >= 0 && n_records > 0)
                r = put_header(tar, &(Entry){ .path = "pax", .type = 'x', .length = n_records });
        if (r >= 0)
                r = put(tar, records, n_records);
        if (r >= 0)
                r = put_header(tar, entry);
        if (r >= 0)
                r = put(tar, data, entry->length);
        if (r >= 0)
                tar->n_entries++;
        return r;
}

int tar_add_file(TarWriter *tar, const char *path, unsigned mode, uint64_t time, const char *data,
                 size_t length) {
        const Entry entry = {
                .path = path, .type = '0', .mode = mode, .time = time, .length = length
        };

        return put_entry(tar, &entry, data);
}

int tar_add_directory(TarWriter *tar, const char *path) {
        return put_entry(tar, &(Entry){ .path = path, .type = '5', .mode = 0755 }, NULL);
}

int tar_add_link(TarWriter *tar, const char *path, const char *target) {
        return put_entry(tar, &(Entry){ .path = path, .target = target, .type = '2', .mode = 0777 },
                         NULL);
}

int tar_end(TarWriter *tar) {
        static const char zeros[2 * BLOCK_SIZE];
        int r = put(tar, zeros, sizeof(zeros));

        if (r >= 0 && fflush(tar->file) != 0)
                r = -errno;
        return r;
}

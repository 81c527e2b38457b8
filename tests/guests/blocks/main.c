/*
 * Moves bytes with plain `read` and `write`, for the benchmarks of input and
 * output: what is measured is the way to the operating system and back.
 *
 * Usage: blocks write FILE MEBIBYTES [BLOCK-BYTES]   writes a file
 *        blocks read FILE [BLOCK-BYTES]              reads it, prints a sum
 *        blocks copy [BLOCK-BYTES]                   standard input to output
 *        blocks lines COUNT                          one `write` for each line
 *
 * Blocks are of 64 KiB unless told otherwise, and of 1 MiB at most.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_MAX = 1 << 20 };

static unsigned char block[BLOCK_MAX];

static void fail(const char *what) {
    fprintf(stderr, "blocks: %s: %s\n", what, strerror(errno));
    exit(3);
}

static size_t number(char **args, int index, size_t otherwise) {
    return args[index] ? strtoul(args[index], NULL, 10) : otherwise;
}

/* A pipe may take a part. */
static void write_all(int fd, const unsigned char *from, size_t count) {
    while (count > 0) {
        ssize_t done = write(fd, from, count);
        if (done < 0)
            fail("write");
        from += done;
        count -= (size_t)done;
    }
}

static int write_file(const char *name, size_t total, size_t size) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        fail(name);
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(i * 31 + i / 251);
    for (size_t done = 0; done < total; done += size) {
        block[0] = (unsigned char)(done / size);
        write_all(fd, block, size);
    }
    return close(fd);
}

static int read_file(const char *name, size_t size) {
    int fd = open(name, O_RDONLY);
    if (fd < 0)
        fail(name);
    uint64_t sum = 0, total = 0;
    ssize_t count;
    while ((count = read(fd, block, size)) > 0) {
        sum = sum * 31 + block[0] + block[count - 1];
        total += (uint64_t)count;
    }
    if (count < 0)
        fail("read");
    printf("%" PRIu64 " bytes, sum %016" PRIx64 "\n", total, sum);
    return close(fd);
}

static int copy(size_t size) {
    ssize_t count;
    while ((count = read(0, block, size)) > 0)
        write_all(1, block, (size_t)count);
    if (count < 0)
        fail("read");
    return 0;
}

static int lines(size_t count) {
    char line[64];
    for (size_t i = 0; i < count; i++) {
        int length = 0;
        memcpy(line, "line ", 5);
        for (size_t rest = i; length == 0 || rest > 0; rest /= 10)
            line[5 + length++] = (char)('0' + rest % 10);
        line[5 + length] = '\n';
        write_all(1, (unsigned char *)line, 6 + (size_t)length);
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "write") && argc > 3) {
        size_t size = number(argv, 4, 65536);
        if (size > 0 && size <= BLOCK_MAX)
            return write_file(argv[2], number(argv, 3, 0) << 20, size);
    } else if (!strcmp(what, "read") && argc > 2) {
        size_t size = number(argv, 3, 65536);
        if (size > 0 && size <= BLOCK_MAX)
            return read_file(argv[2], size);
    } else if (!strcmp(what, "copy")) {
        size_t size = number(argv, 2, 65536);
        if (size > 0 && size <= BLOCK_MAX)
            return copy(size);
    } else if (!strcmp(what, "lines") && argc > 2) {
        return lines(number(argv, 2, 0));
    }
    fprintf(stderr, "usage: blocks write FILE MEBIBYTES [BLOCK] | read FILE [BLOCK] | copy [BLOCK] | lines COUNT\n");
    return 2;
}

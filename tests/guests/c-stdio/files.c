/*
 * Files, directories, links and refusals below one directory, which starts and
 * ends empty. Its name is never printed: it differs from run to run.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static const char *directory;

/* The path of a name below the directory; good until the fourth call after. */
static const char *below(const char *name) {
    static char paths[4][4096];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void text_file(void) {
    FILE *file = fopen(below("lines.txt"), "w");
    if (!file)
        fail("fopen");
    for (int line = 1; line <= 5; line++)
        fprintf(file, "line %d of %s, square %d\n", line, "five", line * line);
    fputs("last without end", file);
    fclose(file);

    file = fopen(below("lines.txt"), "a+");
    fprintf(file, ", now ended\n");
    rewind(file);
    char line[64];
    int count = 0;
    size_t bytes = 0;
    while (fgets(line, sizeof line, file)) {
        count++;
        bytes += strlen(line);
    }
    printf("%d lines, %zu bytes, end %d, the last: %s", count, bytes, feof(file) != 0, line);
    rewind(file);
    int number, square, matched = 0;
    while (fscanf(file, "line %d of five, square %d\n", &number, &square) == 2)
        matched += number * square;
    printf("scanned: %d\n", matched);
    fclose(file);
    remove(below("lines.txt"));
}

static void binary_file(void) {
    uint32_t block[4096];
    FILE *file = fopen(below("blocks.bin"), "w+b");
    if (!file)
        fail("fopen");
    for (int round = 0; round < 64; round++) {
        for (int i = 0; i < 4096; i++)
            block[i] = (uint32_t)(round * 4096 + i) * 2654435761u;
        if (fwrite(block, sizeof *block, 4096, file) != 4096)
            fail("fwrite");
    }
    printf("at %ld", ftell(file));
    fseek(file, -4L * 4096, SEEK_END);
    size_t items = fread(block, sizeof *block, 4096, file);
    printf(", %zu items, first %" PRIu32, items, block[0]);
    fseek(file, 400, SEEK_SET);
    fseek(file, 4, SEEK_CUR);
    items = fread(block, sizeof *block, 1, file);
    printf(", item 101 %s", items == 1 && block[0] == 101u * 2654435761u ? "as written" : "wrong");
    fseek(file, 0, SEEK_END);
    items = fread(block, sizeof *block, 1, file);
    printf(", %zu beyond the end\n", items);

    setvbuf(file, NULL, _IONBF, 0);
    rewind(file);
    unsigned sum = 0;
    for (int i = 0; i < 1000; i++)
        sum = sum * 31 + (unsigned)fgetc(file);
    ungetc('!', file);
    printf("unbuffered: %u, %c\n", sum, fgetc(file));
    fflush(file);
    if (ftruncate(fileno(file), 1000) != 0)
        fail("ftruncate");
    struct stat status;
    fstat(fileno(file), &status);
    printf("cut to %lld, regular %d\n", (long long)status.st_size, S_ISREG(status.st_mode) != 0);
    fclose(file);
    remove(below("blocks.bin"));
}

typedef ssize_t transfer(int fd, const struct iovec *pieces, int count);

/* Repeats `readv` or `writev` until all is done: either may stop early. */
static ssize_t transfer_all(transfer *call, int fd, struct iovec *pieces, int count) {
    ssize_t total = 0;
    while (count > 0) {
        ssize_t done = call(fd, pieces, count);
        if (done < 0 || (done == 0 && pieces->iov_len > 0))
            break;
        total += done;
        for (; count > 0 && (size_t)done >= pieces->iov_len; count--)
            done -= (ssize_t)pieces++->iov_len;
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + done;
            pieces->iov_len -= (size_t)done;
        }
    }
    return total;
}

/* The calls below the streams: descriptors, positions, gathered pieces. */
static void descriptors(void) {
    int fd = open(below("raw"), O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        fail("open");
    struct iovec out[] = {{"gathered ", 9}, {"", 0}, {"pieces", 6}};
    ssize_t gathered = transfer_all(writev, fd, out, 3);
    ssize_t placed = pwrite(fd, "PIECES", 6, 9);
    char text[32] = "";
    ssize_t beyond = pread(fd, text, sizeof text, 100);
    ssize_t picked = pread(fd, text, 4, 2);
    printf("%zd %zd %zd %zd \"%s\" at %lld\n", gathered, placed, beyond, picked, text, (long long)lseek(fd, 0, SEEK_CUR));
    char front[5] = "", back[16] = "";
    struct iovec in[] = {{front, 4}, {back, 15}};
    lseek(fd, 0, SEEK_SET);
    ssize_t scattered = transfer_all(readv, fd, in, 2);
    printf("%zd \"%s\" \"%s\" %d\n", scattered, front, back, fdatasync(fd) == 0 && fsync(fd) == 0);

    struct timespec times[] = {{1000000000, 0}, {1234567890, 0}};
    struct stat status;
    int set = futimens(fd, times) || fstat(fd, &status);
    printf("times: %d %lld %lld\n", set, (long long)status.st_atim.tv_sec, (long long)status.st_mtim.tv_sec);
    fcntl(fd, F_SETFL, O_APPEND);
    lseek(fd, 0, SEEK_SET);
    ssize_t appended = write(fd, "!", 1);
    printf("append: %zd at %lld\n", appended, (long long)lseek(fd, 0, SEEK_CUR));
    close(fd);
    unlink(below("raw"));
}

static void links(void) {
    FILE *file = fopen(below("target"), "w");
    fputs("reached", file);
    fclose(file);
    char text[64] = "";
    int made = symlink("target", below("soft"));
    ssize_t length = readlink(below("soft"), text, sizeof text - 1);
    printf("symlink: %d, %zd \"%s\"", made, length, text);
    struct stat itself, through;
    lstat(below("soft"), &itself);
    stat(below("soft"), &through);
    printf(", link %d, file %d", S_ISLNK(itself.st_mode) != 0, S_ISREG(through.st_mode) != 0);
    file = fopen(below("soft"), "r");
    printf(", %s\n", file && fgets(text, sizeof text, file) ? text : "out of reach");
    if (file)
        fclose(file);

    int linked = link(below("target"), below("hard"));
    stat(below("hard"), &through);
    printf("link: %d, %d names", linked, (int)through.st_nlink);
    unlink(below("target"));
    printf(", the other is left %d, the soft one dangles %d\n", access(below("hard"), R_OK), access(below("soft"), F_OK));
    unlink(below("soft"));
    unlink(below("hard"));
}

static int by_text(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Lists a directory in order; directories end with a slash. */
static void list(const char *name) {
    char *names[64];
    size_t count = 0;
    DIR *stream = opendir(below(name));
    if (!stream)
        fail("opendir");
    for (struct dirent *entry; (entry = readdir(stream)) && count < 64;) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        names[count] = malloc(strlen(entry->d_name) + 2);
        sprintf(names[count++], "%s%s", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
    }
    closedir(stream);
    qsort(names, count, sizeof *names, by_text);
    printf("%zu entries:", count);
    for (size_t i = 0; i < count; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    putchar('\n');
}

static void touch(const char *name) {
    FILE *file = fopen(below(name), "w");
    if (!file || fputs(name, file) < 0 || fclose(file) != 0)
        fail(name);
}

static void directories(void) {
    mkdir(below("box"), 0777);
    mkdir(below("box/inner"), 0777);
    const char *names[] = {"box/pear", "box/apple", "box/fig", "box/Zucchini", "box/inner/seed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        touch(names[i]);
    list("box");
    rename(below("box/fig"), below("box/inner/date"));
    list("box/inner");
    struct stat status;
    int missing = stat(below("box/fig"), &status);
    int present = stat(below("box/inner/date"), &status);
    printf("%d %d %lld %d\n", missing, present, (long long)status.st_size, access(below("box"), F_OK));

    const char *leftovers[] = {"box/pear", "box/apple", "box/Zucchini", "box/inner/seed", "box/inner/date"};
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++)
        unlink(below(leftovers[i]));
    rmdir(below("box/inner"));
    list("box");
}

/* Prints how a call that should fail was refused. */
static void refused(const char *what, bool failed) {
    printf("%s: %s\n", what, failed ? strerror(errno) : "not refused");
    errno = 0;
}

static void errors(void) {
    refused("open what is missing", fopen(below("missing"), "r") == NULL);
    refused("make a directory twice", mkdir(below("box"), 0777) != 0);
    touch("box/file");
    refused("remove a full directory", rmdir(below("box")) != 0);
    refused("unlink what is missing", unlink(below("box/none")) != 0);
    refused("a file as a directory", fopen(below("box/file/child"), "r") == NULL);
    refused("list a file", opendir(below("box/file")) == NULL);
    refused("close what is not open", close(99) != 0);
    FILE *readable = fopen(below("box/file"), "r");
    int written = fputc('x', readable);
    printf("write to what is read: %d %d\n", written == EOF, ferror(readable) != 0);
    fclose(readable);
    unlink(below("box/file"));
    rmdir(below("box"));
    list(".");
}

void walk_files(const char *path) {
    directory = path;
    printf("== files\n");
    text_file();
    binary_file();
    descriptors();
    links();
    directories();
    errors();
}

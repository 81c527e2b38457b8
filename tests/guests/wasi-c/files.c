/* Reading, writing, positions and sizes of files. */

#include "test.h"
#include <sys/uio.h>

/* fd_write: "Write to a file descriptor. Note: This is similar to `writev` in POSIX." */
static void write_then_read(void) {
    int fd = open_raw(ROOT, "new", CREAT, READ | WRITE | SEEK, 0);
    OK(write_raw(fd, "some text"));
    EQ(position_of(fd), 9);
    char text[16];
    size_t count;
    OK(read_raw(fd, text, sizeof text, &count));
    EQ(count, 0);
    OK(lseek(fd, 0, SEEK_SET));
    OK(read_raw(fd, text, sizeof text, &count));
    EQ(count, 9);
    BYTES(text, "some text", 9);
    HOST("file new some text");
}

/* POSIX writev: buffers are written in order, each whole before the next; empty ones do no harm. */
static void gather_in_order(void) {
    int fd = open_raw(ROOT, "new", CREAT, WRITE, 0);
    __wasi_ciovec_t pieces[] = {{(void *)"one", 3}, {0, 0}, {(void *)"two", 3}, {(void *)"three", 5}};
    __wasi_size_t count;
    OK(__wasi_fd_write(fd, pieces, 4, &count));
    EQ(count, 11);
    HOST("file new onetwothree");
}

/* POSIX readv: "shall always fill an area completely before proceeding to the next." */
static void scatter_in_order(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    char a[4], b[3], c[8];
    __wasi_iovec_t pieces[] = {{(void *)a, 4}, {(void *)b, 3}, {(void *)c, 8}};
    __wasi_size_t count;
    OK(__wasi_fd_read(fd, pieces, 3, &count));
    EQ(count, 10);
    BYTES(a, "0123", 4);
    BYTES(b, "456", 3);
    BYTES(c, "789", 3);
}

/* No buffers at all: POSIX lets writev of nothing return zero. */
static void no_buffers(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    __wasi_size_t count = 7;
    OK(__wasi_fd_write(fd, NULL, 0, &count));
    EQ(count, 0);
    count = 7;
    OK(__wasi_fd_read(fd, NULL, 0, &count));
    EQ(count, 0);
    HOST("file digits 0123456789");
}

/* fd_pread: "Read from a file descriptor, without using and updating the file descriptor's offset." */
static void pread_keeps_position(void) {
    int fd = open("/digits", O_RDONLY);
    char text[8];
    EQ(lseek(fd, 2, SEEK_SET), 2);
    EQ(pread(fd, text, 4, 5), 4);
    BYTES(text, "5678", 4);
    EQ(lseek(fd, 0, SEEK_CUR), 2);
    EQ(pread(fd, text, 4, 8), 2);
    EQ(pread(fd, text, 4, 10), 0);
    EQ(pread(fd, text, 4, 1000), 0);
}

/* fd_pwrite: "Write to a file descriptor, without using and updating the file descriptor's offset." */
static void pwrite_keeps_position(void) {
    int fd = open("/digits", O_RDWR);
    EQ(pwrite(fd, "ab", 2, 4), 2);
    EQ(lseek(fd, 0, SEEK_CUR), 0);
    EQ(write(fd, "X", 1), 1);
    HOST("file digits X123ab6789");
}

/* POSIX pwrite past the end: the gap reads as zeros. */
static void pwrite_past_the_end(void) {
    int fd = open("/digits", O_RDWR);
    EQ(pwrite(fd, "end", 3, 5000), 3);
    EQ(size_of(fd), 5003);
    HOST("zeros digits 10 5000");
    HOST("size digits 5003");
}

/* pread and pwrite of several buffers go on where the one before ended. */
static void positioned_vectors(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE | SEEK, 0);
    __wasi_ciovec_t out[] = {{(void *)"AB", 2}, {(void *)"CD", 2}};
    __wasi_size_t count;
    OK(__wasi_fd_pwrite(fd, out, 2, 3, &count));
    EQ(count, 4);
    char a[3], b[3];
    __wasi_iovec_t in[] = {{(void *)a, 3}, {(void *)b, 3}};
    OK(__wasi_fd_pread(fd, in, 2, 2, &count));
    EQ(count, 6);
    BYTES(a, "2AB", 3);
    BYTES(b, "CD7", 3);
    EQ(position_of(fd), 0);
    HOST("file digits 012ABCD789");
}

/* Offsets are unsigned in WASI; what the host's signed ones cannot say is invalid. */
static void offsets_too_large(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE | SEEK, 0);
    char byte;
    __wasi_iovec_t in = {(void *)&byte, 1};
    __wasi_size_t count;
    EQ(__wasi_fd_pread(fd, &in, 1, UINT64_MAX, &count), EINVAL);
    EQ(__wasi_fd_pread(fd, &in, 1, (uint64_t)1 << 63, &count), EINVAL);
    HOST("size digits 10");
}

/* whence `set`: "Seek relative to start-of-file." */
static void seek_from_start(void) {
    int fd = open("/digits", O_RDONLY);
    EQ(lseek(fd, 4, SEEK_SET), 4);
    EQ(lseek(fd, 0, SEEK_SET), 0);
    EQ(lseek(fd, 100, SEEK_SET), 100);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    EQ(position_of(fd), 100);
}

/* whence `cur`: "Seek relative to current position." */
static void seek_from_here(void) {
    int fd = open("/digits", O_RDONLY);
    EQ(lseek(fd, 4, SEEK_CUR), 4);
    EQ(lseek(fd, -3, SEEK_CUR), 1);
    EQ(lseek(fd, 0, SEEK_CUR), 1);
    FAILS(lseek(fd, -2, SEEK_CUR), EINVAL);
    EQ(position_of(fd), 1);
}

/* whence `end`: "Seek relative to end-of-file." */
static void seek_from_end(void) {
    int fd = open("/digits", O_RDONLY);
    EQ(lseek(fd, 0, SEEK_END), 10);
    EQ(lseek(fd, -10, SEEK_END), 0);
    EQ(lseek(fd, 5, SEEK_END), 15);
    FAILS(lseek(fd, -11, SEEK_END), EINVAL);
    char byte;
    EQ(read(fd, &byte, 1), 0);
}

/* A fourth origin does not exist. */
static void seek_from_nowhere(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | SEEK, 0);
    __wasi_filesize_t at;
    EQ(__wasi_fd_seek(fd, 0, 3, &at), EINVAL);
    EQ(__wasi_fd_seek(fd, 0, 255, &at), EINVAL);
}

/* POSIX lseek on a pipe, and here on streams that are in memory: ESPIPE. */
static void seek_on_streams(void) {
    for (int fd = 0; fd < 3; fd++) {
        __wasi_filesize_t at;
        EQ(__wasi_fd_seek(fd, 0, SEEK_SET, &at), ESPIPE);
        EQ(__wasi_fd_tell(fd, &at), ESPIPE);
    }
}

/* POSIX lseek: "shall allow the file offset to be set beyond the end [...] data in the gap shall return [...] 0". */
static void write_past_the_end(void) {
    int fd = open("/digits", O_RDWR);
    EQ(lseek(fd, 90, SEEK_END), 100);
    EQ(size_of(fd), 10);
    EQ(write(fd, "tail", 4), 4);
    EQ(size_of(fd), 104);
    HOST("zeros digits 10 100");
    HOST("size digits 104");
}

/* A hole of a gigabyte takes no time. */
static void sparse_file(void) {
    int fd = open("/sparse", O_RDWR | O_CREAT, 0644);
    EQ(lseek(fd, 1 << 30, SEEK_SET), 1 << 30);
    EQ(write(fd, "!", 1), 1);
    char text[2];
    EQ(pread(fd, text, 2, (1 << 30) - 1), 2);
    BYTES(text, "\0!", 2);
    HOST("size sparse 1073741825");
}

/* fd_filestat_set_size: "If this increases the file's size, the extra bytes are filled with zeros." */
static void set_size_grows(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    OK(__wasi_fd_filestat_set_size(fd, 300));
    EQ(size_of(fd), 300);
    EQ(position_of(fd), 0);
    HOST("zeros digits 10 300");
}

/* fd_filestat_set_size: "Adjust the size of an open file." The position stays where it was. */
static void set_size_shrinks(void) {
    int fd = open("/digits", O_RDWR);
    EQ(lseek(fd, 8, SEEK_SET), 8);
    OK(ftruncate(fd, 4));
    EQ(lseek(fd, 0, SEEK_CUR), 8);
    char byte;
    EQ(read(fd, &byte, 1), 0);
    HOST("file digits 0123");
}

/* What was cut off comes back as zeros. */
static void set_size_there_and_back(void) {
    int fd = open("/digits", O_RDWR);
    OK(ftruncate(fd, 3));
    OK(ftruncate(fd, 10));
    HOST("zeros digits 3 10");
    HOST("size digits 10");
}

/* POSIX ftruncate: "[EBADF] or [EINVAL] The fildes argument is not a file descriptor open for writing." */
static void set_size_needs_writing(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    TRUE(__wasi_fd_filestat_set_size(fd, 1) != 0);
    HOST("size digits 10");
}

/* No file is as large as that. */
static void set_size_too_large(void) {
    int fd = open_raw(ROOT, "digits", 0, WRITE, 0);
    TRUE(__wasi_fd_filestat_set_size(fd, UINT64_MAX) != 0);
    HOST("size digits 10");
}

/* fd_allocate: "Force the allocation of space in a file. Note: This is similar to `posix_fallocate` in POSIX." */
static void allocate_grows(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    OK(__wasi_fd_allocate(fd, 0, 100));
    EQ(size_of(fd), 100);
    OK(__wasi_fd_allocate(fd, 10, 10));
    EQ(size_of(fd), 100);
    OK(__wasi_fd_allocate(fd, 90, 20));
    EQ(size_of(fd), 110);
    HOST("zeros digits 10 110");
}

/* POSIX posix_fallocate: "[EINVAL] The len argument is less than or equal to zero, or the offset is negative". */
static void allocate_nothing(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    EQ(__wasi_fd_allocate(fd, 0, 0), EINVAL);
    EQ(__wasi_fd_allocate(fd, UINT64_MAX, 1), EINVAL);
    HOST("size digits 10");
}

/* POSIX posix_fallocate: "[EBADF] The fd argument references a file that was opened without write permission." */
static void allocate_needs_writing(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    EQ(__wasi_fd_allocate(fd, 0, 100), EBADF);
    HOST("size digits 10");
}

/* advice has six values; advice changes nothing that can be seen. */
static void advise_all(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    for (int advice = 0; advice < 6; advice++)
        OK(__wasi_fd_advise(fd, 0, 10, advice));
    OK(__wasi_fd_advise(fd, 5, 0, __WASI_ADVICE_SEQUENTIAL));
    OK(__wasi_fd_advise(fd, 4000, 4000, __WASI_ADVICE_WILLNEED));
    EQ(__wasi_fd_advise(fd, 0, 10, 6), EINVAL);
    EQ(__wasi_fd_advise(999, 0, 10, 0), EBADF);
    HOST("file digits 0123456789");
}

/* POSIX read: "[EBADF] The fildes argument is not a valid file descriptor open for reading." */
static void read_needs_reading(void) {
    int fd = open_raw(ROOT, "digits", 0, WRITE | SEEK, 0);
    char byte;
    size_t count;
    EQ(read_raw(fd, &byte, 1, &count), EBADF);
    __wasi_iovec_t piece = {(void *)&byte, 1};
    EQ(__wasi_fd_pread(fd, &piece, 1, 0, &count), EBADF);
}

/* POSIX write: "[EBADF] The fildes argument is not a valid file descriptor open for writing." */
static void write_needs_writing(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | SEEK, 0);
    EQ(write_raw(fd, "x"), EBADF);
    __wasi_ciovec_t piece = {(void *)"x", 1};
    __wasi_size_t count;
    EQ(__wasi_fd_pwrite(fd, &piece, 1, 0, &count), EBADF);
    HOST("file digits 0123456789");
}

/* Two descriptors of one file have two positions. */
static void positions_are_apart(void) {
    int a = open("/digits", O_RDWR), b = open("/digits", O_RDWR);
    TRUE(a != b);
    EQ(write(a, "abc", 3), 3);
    char text[4];
    EQ(read(b, text, 4), 4);
    BYTES(text, "abc3", 4);
    HOST("file digits abc3456789");
}

/* Streams of the C library: read, append, update. */
static void streams_of_stdio(void) {
    FILE *file = fopen("/new", "w+");
    TRUE(file != NULL);
    EQ(fprintf(file, "%d %s\n", 42, "lines"), 9);
    OK(fseek(file, 0, SEEK_SET));
    int number = 0;
    char word[16];
    EQ(fscanf(file, "%d %15s", &number, word), 2);
    EQ(number, 42);
    OK(fclose(file));
    file = fopen("/new", "a");
    TRUE(fputs("more", file) >= 0);
    OK(fclose(file));
    TRUE(fopen("/nowhere/new", "w") == NULL);
    EQ(errno, ENOENT);
    HOST("file new 42 lines\\nmore");
}

/* Data without a buffer of the C library is on the host at once. */
static void unbuffered_writes(void) {
    FILE *file = fopen("/new", "w");
    OK(setvbuf(file, NULL, _IONBF, 0));
    EQ(fwrite("ab", 1, 2, file), 2);
    struct stat stat_now;
    OK(stat("/new", &stat_now));
    EQ(stat_now.st_size, 2);
    EQ(fwrite("cd", 1, 2, file), 2);
    OK(stat("/new", &stat_now));
    EQ(stat_now.st_size, 4);
    HOST("file new abcd");
}

/* fd_sync, fd_datasync: files and directories, and nothing that is not open. */
static void synchronise(void) {
    int fd = open("/digits", O_RDWR);
    EQ(write(fd, "Z", 1), 1);
    OK(__wasi_fd_sync(fd));
    OK(__wasi_fd_datasync(fd));
    OK(__wasi_fd_sync(ROOT));
    EQ(__wasi_fd_sync(999), EBADF);
    EQ(__wasi_fd_datasync(999), EBADF);
    HOST("file digits Z123456789");
}

/* A block of a mebibyte in one call, and back. */
static void large_blocks(void) {
    size_t size = 1 << 20, count;
    unsigned char *block = malloc(size), *again = malloc(size);
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(i * 31 >> 3);
    int fd = open_raw(ROOT, "large", CREAT, READ | WRITE | SEEK, 0);
    __wasi_ciovec_t piece = {block, size};
    OK(__wasi_fd_write(fd, &piece, 1, &count));
    EQ(count, size);
    EQ(lseek(fd, 0, SEEK_SET), 0);
    OK(read_raw(fd, again, size, &count));
    EQ(count, size);
    BYTES(again, block, size);
    HOST("size large 1048576");
}

const struct test_case file_cases[] = {
    CASE(write_then_read), CASE(gather_in_order), CASE(scatter_in_order), CASE(no_buffers),
    CASE(pread_keeps_position), CASE(pwrite_keeps_position), CASE(pwrite_past_the_end), CASE(positioned_vectors),
    CASE(offsets_too_large), CASE(seek_from_start), CASE(seek_from_here), CASE(seek_from_end),
    CASE(seek_from_nowhere), CASE(seek_on_streams), CASE(write_past_the_end), CASE(sparse_file),
    CASE(set_size_grows), CASE(set_size_shrinks), CASE(set_size_there_and_back), CASE(set_size_needs_writing),
    CASE(set_size_too_large), CASE(allocate_grows), CASE(allocate_nothing), CASE(allocate_needs_writing),
    CASE(advise_all), CASE(read_needs_reading), CASE(write_needs_writing), CASE(positions_are_apart),
    CASE(streams_of_stdio), CASE(unbuffered_writes), CASE(synchronise), CASE(large_blocks), {0, 0}};

/* What the cases of this guest share. A case checks what the calls return, and tells with HOST what the test must
   then find on its own side. The world in which it runs is described in tests/wasi/world.rs. */

#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define CASE(name) {#name, name}

/* The first directory given, and the one that is read-only. */
#define ROOT 3
#define FIXED 4

#define READ __WASI_RIGHTS_FD_READ
#define WRITE __WASI_RIGHTS_FD_WRITE
#define SEEK __WASI_RIGHTS_FD_SEEK
#define CREAT __WASI_OFLAGS_CREAT
#define EXCL __WASI_OFLAGS_EXCL
#define TRUNC __WASI_OFLAGS_TRUNC
#define DIRECTORY __WASI_OFLAGS_DIRECTORY
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

void check_equal(const char *file, int line, const char *text, long long actual, long long expected);
void check_bytes(const char *file, int line, const void *actual, const void *expected, size_t length);

#define EQ(actual, expected) check_equal(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define TRUE(condition) check_equal(__FILE__, __LINE__, #condition, !!(condition), 1)
#define OK(call) EQ(call, 0)
/* The C library's call fails with this errno; its numbers are WASI's. */
#define FAILS(call, code) (errno = 0, EQ(call, -1), EQ(errno, code))
#define BYTES(actual, expected, length) check_bytes(__FILE__, __LINE__, actual, expected, length)
/* What the host must see afterwards: one line, see tests/wasi/world.rs. */
#define HOST(...) (printf("host " __VA_ARGS__), printf("\n"))

/* path_open without wishes of its own; -1 minus the error code if it fails. */
int open_raw(int dir, const char *path, int oflags, uint64_t rights, int fdflags);
int open_with(int dir, int lookup, const char *path, int oflags, uint64_t rights, int fdflags);
/* The error code of opening; what was opened is closed. */
int open_error(int dir, int lookup, const char *path, int oflags, uint64_t rights);
/* Writes or reads text at the position; the error code, or nothing. */
int write_raw(int fd, const char *text);
int read_raw(int fd, void *buffer, size_t length, size_t *count);
uint64_t size_of(int fd);
uint64_t position_of(int fd);
void close_raw(int fd);
/* Whether the name leads anywhere, and to what (a filetype), without following a link at its end. */
int type_of(int dir, const char *path);

extern const struct test_case file_cases[], descriptor_cases[], name_cases[], link_cases[], listing_cases[], other_cases[];

#endif

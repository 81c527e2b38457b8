/* Cases of WASI preview 1, seen from C. Usage: wasi-c list | wasi-c CASE */

#include "test.h"

static int failures;

void check_equal(const char *file, int line, const char *text, long long actual, long long expected) {
    if (actual != expected) {
        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, text, actual, expected);
        failures++;
    }
}

void check_bytes(const char *file, int line, const void *actual, const void *expected, size_t length) {
    if (memcmp(actual, expected, length) != 0) {
        fprintf(stderr, "%s:%d: not the bytes \"%.*s\"\n", file, line, (int)length, (const char *)expected);
        failures++;
    }
}

int open_with(int dir, int lookup, const char *path, int oflags, uint64_t rights, int fdflags) {
    __wasi_fd_t fd;
    int error = __wasi_path_open(dir, lookup, path, oflags, rights, 0, fdflags, &fd);
    return error ? -1 - error : (int)fd;
}

int open_raw(int dir, const char *path, int oflags, uint64_t rights, int fdflags) {
    return open_with(dir, 0, path, oflags, rights, fdflags);
}

int open_error(int dir, int lookup, const char *path, int oflags, uint64_t rights) {
    int fd = open_with(dir, lookup, path, oflags, rights, 0);
    if (fd < 0)
        return -1 - fd;
    close_raw(fd);
    return 0;
}

int write_raw(int fd, const char *text) {
    __wasi_ciovec_t piece = {(const uint8_t *)text, strlen(text)};
    __wasi_size_t count;
    int error = __wasi_fd_write(fd, &piece, 1, &count);
    if (!error)
        EQ(count, strlen(text));
    return error;
}

int read_raw(int fd, void *buffer, size_t length, size_t *count) {
    __wasi_iovec_t piece = {buffer, length};
    return __wasi_fd_read(fd, &piece, 1, count);
}

uint64_t size_of(int fd) {
    __wasi_filestat_t stat;
    OK(__wasi_fd_filestat_get(fd, &stat));
    return stat.size;
}

uint64_t position_of(int fd) {
    __wasi_filesize_t position;
    OK(__wasi_fd_tell(fd, &position));
    return position;
}

void close_raw(int fd) { OK(__wasi_fd_close(fd)); }

int type_of(int dir, const char *path) {
    __wasi_filestat_t stat;
    int error = __wasi_path_filestat_get(dir, 0, path, &stat);
    return error ? -1 - error : stat.filetype;
}

static const struct test_case *const groups[] = {file_cases, descriptor_cases, name_cases, link_cases, listing_cases, other_cases};

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    int found = 0, list = strcmp(argv[1], "list") == 0;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (const struct test_case *it = groups[g]; it->name; it++) {
            if (list) {
                puts(it->name);
                found = 1;
            } else if (strcmp(argv[1], it->name) == 0) {
                it->run();
                found = 1;
            }
        }
    }
    if (!found)
        fprintf(stderr, "there is no case %s\n", argv[1]);
    return failures || !found;
}

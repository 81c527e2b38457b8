/* Listing directories. */

#include "test.h"
#include <dirent.h>

static void make_files(int dir, int count) {
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "file-%04d", i);
        EQ(open_error(dir, 0, name, CREAT | EXCL, WRITE), 0);
    }
}

/* One listing of `size` bytes at a time; counts the entries, and files among them by number in `seen`. */
static int list_in_pieces(int dir, size_t size, unsigned char *seen) {
    uint8_t buffer[4096];
    uint64_t cookie = 0;
    int count = 0;
    for (;;) {
        __wasi_size_t used;
        int error = __wasi_fd_readdir(dir, buffer, size, cookie, &used);
        EQ(error, 0);
        if (error)
            return -1;
        size_t at = 0, before = count;
        __wasi_dirent_t entry;
        while (at + sizeof entry <= used) {
            memcpy(&entry, buffer + at, sizeof entry);
            if (at + sizeof entry + entry.d_namlen > used)
                break;
            const char *name = (const char *)buffer + at + sizeof entry;
            char number[5] = {0};
            if (seen && entry.d_namlen == 9 && memcmp(name, "file-", 5) == 0)
                seen[atoi(memcpy(number, name + 5, 4)) % 1000]++;
            at += sizeof entry + entry.d_namlen;
            cookie = entry.d_next;
            count++;
        }
        if (used < size || (size_t)count == before)
            return count;
    }
}

/* fd_readdir: an empty directory has itself and its parent. */
static void an_empty_directory(void) {
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    EQ(list_in_pieces(dir, 4096, NULL), 2);
}

/* dirent: the type and the number of each entry are those that filestat tells. */
static void entries_describe_themselves(void) {
    DIR *dir = opendir("/");
    struct dirent *entry;
    int count = 0;
    while ((entry = readdir(dir))) {
        struct stat by_name;
        if (strcmp(entry->d_name, "..") == 0)
            continue;
        OK(fstatat(dirfd(dir), entry->d_name, &by_name, AT_SYMLINK_NOFOLLOW));
        EQ(entry->d_ino, by_name.st_ino);
        EQ(entry->d_type == DT_DIR, S_ISDIR(by_name.st_mode));
        EQ(entry->d_type == DT_LNK, S_ISLNK(by_name.st_mode));
        EQ(entry->d_type == DT_REG, S_ISREG(by_name.st_mode));
        count++;
    }
    EQ(count, 13);
    OK(closedir(dir));
}

/* Buffers of every size down to one entry's see every name once. */
static void small_buffers(void) {
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    make_files(dir, 100);
    size_t sizes[] = {34, 40, 64, 100, 1000, 4096};
    for (int s = 0; s < 6; s++) {
        unsigned char seen[1000] = {0};
        EQ(list_in_pieces(dir, sizes[s], seen), 102);
        for (int i = 0; i < 100; i++)
            EQ(seen[i], 1);
    }
}

/* "potentially truncating the last directory entry": the buffer is filled to its last byte. */
static void the_last_entry_is_cut(void) {
    uint8_t buffer[64];
    __wasi_size_t used;
    for (size_t size = 0; size < 60; size++) {
        OK(__wasi_fd_readdir(ROOT, buffer, size, 0, &used));
        EQ(used, size);
    }
}

/* "d_next: The offset of the next directory entry stored in this directory": any cookie can be gone back to. */
static void cookies_can_be_used_again(void) {
    uint8_t buffer[2048], again[2048];
    __wasi_size_t used, used_again;
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    make_files(dir, 20);
    OK(__wasi_fd_readdir(dir, buffer, sizeof buffer, 0, &used));
    __wasi_dirent_t first;
    memcpy(&first, buffer, sizeof first);
    size_t length = sizeof first + first.d_namlen;
    for (int i = 0; i < 3; i++) {
        OK(__wasi_fd_readdir(dir, again, sizeof again, first.d_next, &used_again));
        EQ(used_again, used - length);
        BYTES(again, buffer + length, used_again);
    }
}

/* Files that come and go while a directory is listed: those that stay are seen once. */
static void changing_directories(void) {
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    make_files(dir, 200);
    DIR *stream = opendir("/dir/sub");
    unsigned char seen[1000] = {0};
    struct dirent *entry;
    char name[32];
    int steps = 0;
    while ((entry = readdir(stream))) {
        if (memcmp(entry->d_name, "file-", 5) == 0)
            seen[atoi(entry->d_name + 5)]++;
        if (steps < 50) {
            snprintf(name, sizeof name, "file-%04d", 100 + steps);
            OK(__wasi_path_unlink_file(dir, name));
            snprintf(name, sizeof name, "late-%04d", steps);
            EQ(open_error(dir, 0, name, CREAT, WRITE), 0);
        }
        steps++;
    }
    for (int i = 0; i < 100; i++)
        EQ(seen[i], 1);
    for (int i = 150; i < 200; i++)
        EQ(seen[i], 1);
    HOST("none dir/sub/file-0100");
    HOST("file dir/sub/late-0049 ");
}

/* POSIX rewinddir: what was made meanwhile is seen. */
static void rewinding(void) {
    DIR *stream = opendir("/dir/sub");
    int count = 0;
    while (readdir(stream))
        count++;
    EQ(count, 2);
    EQ(open_error(ROOT, 0, "dir/sub/new", CREAT, WRITE), 0);
    rewinddir(stream);
    for (count = 0; readdir(stream);)
        count++;
    EQ(count, 3);
}

/* POSIX: "[ENOTDIR]" for what is no directory; EBADF for what is nothing. */
static void listing_what_is_no_directory(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    uint8_t buffer[64];
    __wasi_size_t used;
    EQ(__wasi_fd_readdir(fd, buffer, 64, 0, &used), ENOTDIR);
    EQ(__wasi_fd_readdir(999, buffer, 64, 0, &used), EBADF);
    TRUE(opendir("/digits") == NULL);
    EQ(errno, ENOTDIR);
}

/* A thousand entries through the C library. */
static void many_entries(void) {
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    make_files(dir, 1000);
    unsigned char seen[1000] = {0};
    EQ(list_in_pieces(dir, 4096, seen), 1002);
    for (int i = 0; i < 1000; i++)
        EQ(seen[i], 1);
    struct dirent **list;
    EQ(scandir("/dir/sub", &list, NULL, alphasort), 1002);
    EQ(strcmp(list[1001]->d_name, "file-0999"), 0);
}

const struct test_case listing_cases[] = {
    CASE(an_empty_directory), CASE(entries_describe_themselves), CASE(small_buffers), CASE(the_last_entry_is_cut),
    CASE(cookies_can_be_used_again), CASE(changing_directories), CASE(rewinding), CASE(listing_what_is_no_directory),
    CASE(many_entries), {0, 0}};

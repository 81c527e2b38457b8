/* Descriptors: flags, rights, attributes, times, renumbering, closing; and directories used as files. */

#include "test.h"

/* fdstat: the type, the flags it was opened with, and rights that name reading. */
static void fdstat_of_a_file(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | SEEK, __WASI_FDFLAGS_APPEND);
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(fd, &stat));
    EQ(stat.fs_filetype, __WASI_FILETYPE_REGULAR_FILE);
    EQ(stat.fs_flags, __WASI_FDFLAGS_APPEND);
    TRUE(stat.fs_rights_base & READ);
    TRUE(!(stat.fs_rights_base & WRITE));
}

/* fdstat of a directory: no seeking there, and rights to pass on. */
static void fdstat_of_a_directory(void) {
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(ROOT, &stat));
    EQ(stat.fs_filetype, __WASI_FILETYPE_DIRECTORY);
    TRUE(stat.fs_rights_base & __WASI_RIGHTS_PATH_OPEN);
    TRUE(!(stat.fs_rights_base & SEEK));
    EQ(stat.fs_rights_inheriting & (READ | WRITE), READ | WRITE);
}

/* fdstat of standard streams: one is read, two are written. */
static void fdstat_of_streams(void) {
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(0, &stat));
    EQ(stat.fs_rights_base & (READ | WRITE), READ);
    for (int fd = 1; fd < 3; fd++) {
        OK(__wasi_fd_fdstat_get(fd, &stat));
        EQ(stat.fs_rights_base & (READ | WRITE), WRITE);
    }
}

/* fd_fdstat_set_flags: "Adjust the flags associated with a file descriptor." */
static void flags_come_and_go(void) {
    int fd = open("/digits", O_RDWR);
    EQ(fcntl(fd, F_GETFL) & O_APPEND, 0);
    OK(fcntl(fd, F_SETFL, O_APPEND));
    TRUE(fcntl(fd, F_GETFL) & O_APPEND);
    EQ(write(fd, "end", 3), 3);
    OK(fcntl(fd, F_SETFL, 0));
    EQ(lseek(fd, 0, SEEK_SET), 0);
    EQ(write(fd, "start", 5), 5);
    HOST("file digits start56789end");
}

/* fdflags has five bits. */
static void flags_that_do_not_exist(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    EQ(__wasi_fd_fdstat_set_flags(fd, 1 << 5), EINVAL);
    EQ(__wasi_fd_fdstat_set_flags(fd, 0x8000), EINVAL);
    EQ(open_raw(ROOT, "digits", 0, READ, 1 << 6), -1 - EINVAL);
    EQ(__wasi_fd_fdstat_set_flags(999, 0), EBADF);
}

/* fdflags `append`: "Data written to the file is always appended to the file's end." */
static void append_ignores_the_position(void) {
    int fd = open("/digits", O_RDWR | O_APPEND);
    EQ(write(fd, "ab", 2), 2);
    EQ(lseek(fd, 0, SEEK_SET), 0);
    EQ(write(fd, "cd", 2), 2);
    EQ(lseek(fd, 0, SEEK_CUR), 14);
    EQ(lseek(fd, 0, SEEK_SET), 0);
    char text[2];
    EQ(read(fd, text, 2), 2);
    BYTES(text, "01", 2);
    HOST("file digits 0123456789abcd");
}

/* fdflags `sync`, `dsync`, `rsync`: the data arrives all the same. */
static void synchronised_descriptors(void) {
    int flags[] = {__WASI_FDFLAGS_SYNC, __WASI_FDFLAGS_DSYNC, __WASI_FDFLAGS_RSYNC | __WASI_FDFLAGS_SYNC};
    for (int i = 0; i < 3; i++) {
        int fd = open_raw(ROOT, "digits", 0, READ | WRITE, flags[i]);
        TRUE(fd > 0);
        OK(write_raw(fd, i == 2 ? "xyz" : "abc"));
        close_raw(fd);
    }
    HOST("file digits xyz3456789");
}

/* fdflags `nonblock` on a regular file changes nothing: it never waits. */
static void nonblocking_file(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, __WASI_FDFLAGS_NONBLOCK);
    char text[10];
    size_t count;
    OK(read_raw(fd, text, 10, &count));
    EQ(count, 10);
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(fd, &stat));
    EQ(stat.fs_flags, __WASI_FDFLAGS_NONBLOCK);
}

/* fd_fdstat_set_rights: "This can only be used to remove rights, and returns `errno::notcapable` if called in a way
   that would attempt to add rights." */
static void rights_only_shrink(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE | SEEK, 0);
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(fd, &stat));
    OK(__wasi_fd_fdstat_set_rights(fd, stat.fs_rights_base & ~WRITE, stat.fs_rights_inheriting));
    TRUE(write_raw(fd, "x") != 0);
    EQ(__wasi_fd_fdstat_set_rights(fd, stat.fs_rights_base, stat.fs_rights_inheriting), ENOTCAPABLE);
    EQ(__wasi_fd_fdstat_set_rights(fd, UINT64_MAX, 0), ENOTCAPABLE);
    char text[4];
    size_t count;
    OK(read_raw(fd, text, 4, &count));
    HOST("file digits 0123456789");
}

/* Rights given up by a directory are given up below it. */
static void rights_of_a_directory(void) {
    int dir = open_raw(ROOT, "dir", DIRECTORY, 0, 0);
    __wasi_fdstat_t stat;
    OK(__wasi_fd_fdstat_get(dir, &stat));
    OK(__wasi_fd_fdstat_set_rights(dir, stat.fs_rights_base & ~__WASI_RIGHTS_PATH_UNLINK_FILE,
                                   stat.fs_rights_inheriting));
    EQ(__wasi_path_unlink_file(dir, "inner"), ENOTCAPABLE);
    HOST("file dir/inner inner\\n");
}

/* fd_filestat_get: "Return the attributes of an open file." */
static void filestat_of_a_file(void) {
    int fd = open_raw(ROOT, "hello", 0, READ, 0);
    __wasi_filestat_t stat, by_name;
    OK(__wasi_fd_filestat_get(fd, &stat));
    EQ(stat.filetype, __WASI_FILETYPE_REGULAR_FILE);
    EQ(stat.size, 13);
    EQ(stat.nlink, 1);
    TRUE(stat.mtim > 0);
    OK(__wasi_path_filestat_get(ROOT, 0, "hello", &by_name));
    EQ(by_name.ino, stat.ino);
    EQ(by_name.dev, stat.dev);
    HOST("ino hello %llu", (unsigned long long)stat.ino);
}

/* Device and number identify a file: the same for one, different for two. */
static void files_have_identities(void) {
    struct stat a, again, b;
    OK(stat("/hello", &a));
    OK(stat("/dir/../hello", &again));
    OK(stat("/digits", &b));
    EQ(a.st_ino, again.st_ino);
    EQ(a.st_dev, again.st_dev);
    TRUE(a.st_ino != b.st_ino);
}

/* fd_filestat_set_times with `atim` and `mtim`: to the nanosecond. */
static void times_are_set(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    OK(__wasi_fd_filestat_set_times(fd, 1000000007, 2000000000123456789,
                                    __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    __wasi_filestat_t stat;
    OK(__wasi_fd_filestat_get(fd, &stat));
    EQ(stat.atim, 1000000007);
    EQ(stat.mtim, 2000000000123456789);
    HOST("mtime digits 2000000000123456789");
}

/* fstflags: a time that is not named stays. */
static void one_time_is_set(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    __wasi_filestat_t before, after;
    OK(__wasi_fd_filestat_get(fd, &before));
    OK(__wasi_fd_filestat_set_times(fd, 5000000000, 6000000000, __WASI_FSTFLAGS_ATIM));
    OK(__wasi_fd_filestat_get(fd, &after));
    EQ(after.atim, 5000000000);
    EQ(after.mtim, before.mtim);
    OK(__wasi_fd_filestat_set_times(fd, 7, 7, 0));
    OK(__wasi_fd_filestat_get(fd, &after));
    EQ(after.atim, 5000000000);
}

/* fstflags `mtim_now`: "Adjust the last data modification timestamp to the time of clock `clockid::realtime`." */
static void time_is_set_to_now(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    OK(__wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    OK(__wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM_NOW));
    __wasi_filestat_t stat;
    OK(__wasi_fd_filestat_get(fd, &stat));
    EQ(stat.atim, 1);
    __wasi_timestamp_t now;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &now));
    TRUE(stat.mtim <= now + 1000000000 && stat.mtim + 60000000000 > now);
}

/* A value and now at once: EINVAL, by descriptor and by name, and nothing changes. */
static void times_that_contradict(void) {
    int fd = open_raw(ROOT, "digits", 0, READ | WRITE, 0);
    int atim = __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW, mtim = __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW;
    OK(__wasi_fd_filestat_set_times(fd, 0, 9, __WASI_FSTFLAGS_MTIM));
    EQ(__wasi_fd_filestat_set_times(fd, 1, 1, atim), EINVAL);
    EQ(__wasi_fd_filestat_set_times(fd, 1, 1, mtim), EINVAL);
    EQ(__wasi_path_filestat_set_times(ROOT, 0, "digits", 1, 1, atim), EINVAL);
    EQ(__wasi_path_filestat_set_times(ROOT, 0, "digits", 1, 1, mtim), EINVAL);
    EQ(__wasi_fd_filestat_set_times(fd, 1, 1, 1 << 4), EINVAL);
    HOST("mtime digits 9");
}

/* path_filestat_set_times with and without `symlink_follow`: the link's time or its target's. */
static void times_of_links(void) {
    OK(__wasi_path_filestat_set_times(ROOT, 0, "link", 0, 11, __WASI_FSTFLAGS_MTIM));
    OK(__wasi_path_filestat_set_times(ROOT, FOLLOW, "link", 0, 22, __WASI_FSTFLAGS_MTIM));
    HOST("mtime link 11");
    HOST("mtime hello 22");
}

/* fd_renumber: "Atomically replace a file descriptor by renumbering another file descriptor." */
static void renumber_over_an_open_one(void) {
    int a = open_raw(ROOT, "digits", 0, READ, 0), b = open_raw(ROOT, "hello", 0, READ, 0);
    OK(__wasi_fd_renumber(a, b));
    char text[4];
    size_t count;
    OK(read_raw(b, text, 4, &count));
    BYTES(text, "0123", 4);
    EQ(read_raw(a, text, 4, &count), EBADF);
}

/* fd_renumber: "Due to the strong focus on thread safety, this environment does not provide a mechanism to duplicate
   [...] a file descriptor to an arbitrary number": the number must be open. */
static void renumber_to_a_free_one(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    EQ(__wasi_fd_renumber(fd, 500), EBADF);
    EQ(__wasi_fd_renumber(500, fd), EBADF);
    char byte;
    size_t count;
    OK(read_raw(fd, &byte, 1, &count));
}

/* Onto itself: nothing happens. */
static void renumber_onto_itself(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    OK(__wasi_fd_renumber(fd, fd));
    char byte;
    size_t count;
    OK(read_raw(fd, &byte, 1, &count));
}

/* A directory that was given can be replaced, and its name goes with it. */
static void renumber_over_a_preopen(void) {
    int dir = open_raw(ROOT, "dir", DIRECTORY, 0, 0);
    OK(__wasi_fd_renumber(dir, ROOT));
    EQ(type_of(ROOT, "inner"), __WASI_FILETYPE_REGULAR_FILE);
    EQ(type_of(ROOT, "hello"), -1 - ENOENT);
}

/* fd_close: a number means nothing afterwards; the lowest free one is given again. */
static void closing(void) {
    int fd = open_raw(ROOT, "digits", 0, READ, 0);
    OK(__wasi_fd_close(fd));
    EQ(__wasi_fd_close(fd), EBADF);
    EQ(__wasi_fd_close(-1), EBADF);
    EQ(open_raw(ROOT, "hello", 0, READ, 0), fd);
}

/* Standard input can be closed; what is opened then may take its number. */
static void closing_standard_input(void) {
    OK(close(0));
    char byte;
    FAILS(read(0, &byte, 1), EBADF);
    EQ(open("/digits", O_RDONLY), 0);
    EQ(getchar(), '0');
}

/* A file that has lost its name lives on. */
static void files_without_names(void) {
    int fd = open("/digits", O_RDWR);
    OK(unlink("/digits"));
    EQ(write(fd, "still", 5), 5);
    EQ(size_of(fd), 10);
    __wasi_filestat_t stat;
    OK(__wasi_fd_filestat_get(fd, &stat));
    EQ(stat.nlink, 0);
    HOST("none digits");
}

/* Directories are not read or written as files: EBADF, as for a descriptor that is not open for it. */
static void directories_are_no_files(void) {
    char byte;
    size_t count;
    __wasi_filesize_t at;
    __wasi_iovec_t piece = {(void *)&byte, 1};
    EQ(read_raw(ROOT, &byte, 1, &count), EBADF);
    EQ(write_raw(ROOT, "x"), EBADF);
    EQ(__wasi_fd_pread(ROOT, &piece, 1, 0, &count), EBADF);
    EQ(__wasi_fd_pwrite(ROOT, (__wasi_ciovec_t *)&piece, 1, 0, &count), EBADF);
    EQ(__wasi_fd_seek(ROOT, 0, 1, &at), EBADF);
    EQ(__wasi_fd_tell(ROOT, &at), EBADF);
    EQ(__wasi_fd_allocate(ROOT, 0, 1), EBADF);
    EQ(__wasi_fd_filestat_set_size(ROOT, 0), EBADF);
}

/* prestat: directories from 3 upwards with their names, then EBADF. */
static void preopens_have_names(void) {
    __wasi_prestat_t stat;
    char name[16];
    OK(__wasi_fd_prestat_get(ROOT, &stat));
    EQ(stat.tag, __WASI_PREOPENTYPE_DIR);
    EQ(stat.u.dir.pr_name_len, 1);
    OK(__wasi_fd_prestat_get(FIXED, &stat));
    EQ(stat.u.dir.pr_name_len, 6);
    OK(__wasi_fd_prestat_dir_name(FIXED, (uint8_t *)name, 6));
    BYTES(name, "/fixed", 6);
    EQ(__wasi_fd_prestat_dir_name(FIXED, (uint8_t *)name, 5), ENAMETOOLONG);
    EQ(__wasi_fd_prestat_get(5, &stat), EBADF);
    EQ(__wasi_fd_prestat_get(1, &stat), EBADF);
}

/* The descriptors of a guest are limited, and the limit says `mfile`. */
static void descriptors_are_limited(void) {
    int last = 0, count = 0;
    while (count < 5000 && (last = open_raw(ROOT, "digits", 0, READ, 0)) >= 0)
        count++;
    EQ(last, -1 - EMFILE);
    TRUE(count > 50);
    close_raw(10);
    EQ(open_raw(ROOT, "digits", 0, READ, 0), 10);
}

const struct test_case descriptor_cases[] = {
    CASE(fdstat_of_a_file), CASE(fdstat_of_a_directory), CASE(fdstat_of_streams), CASE(flags_come_and_go),
    CASE(flags_that_do_not_exist), CASE(append_ignores_the_position), CASE(synchronised_descriptors),
    CASE(nonblocking_file), CASE(rights_only_shrink), CASE(rights_of_a_directory), CASE(filestat_of_a_file),
    CASE(files_have_identities), CASE(times_are_set), CASE(one_time_is_set), CASE(time_is_set_to_now),
    CASE(times_that_contradict), CASE(times_of_links), CASE(renumber_over_an_open_one),
    CASE(renumber_to_a_free_one), CASE(renumber_onto_itself), CASE(renumber_over_a_preopen), CASE(closing),
    CASE(closing_standard_input), CASE(files_without_names), CASE(directories_are_no_files),
    CASE(preopens_have_names), CASE(descriptors_are_limited), {0, 0}};

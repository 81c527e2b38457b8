/* Opening, making, moving and removing by name. */

#include "test.h"

/* oflags `creat`: "Create file if it does not exist." */
static void create_a_file(void) {
    int fd = open_raw(ROOT, "new", CREAT, WRITE, 0);
    TRUE(fd > 2);
    HOST("file new ");
}

/* oflags `creat` on what exists opens it and leaves it as it is. */
static void create_what_exists(void) {
    int fd = open_raw(ROOT, "digits", CREAT, READ, 0);
    TRUE(fd > 2);
    EQ(size_of(fd), 10);
    HOST("file digits 0123456789");
}

/* oflags `excl`: "Fail if file already exists." */
static void create_exclusively(void) {
    EQ(open_error(ROOT, 0, "digits", CREAT | EXCL, WRITE), EEXIST);
    EQ(open_error(ROOT, 0, "dir", CREAT | EXCL, WRITE), EEXIST);
    EQ(open_error(ROOT, 0, "new", CREAT | EXCL, WRITE), 0);
    EQ(open_error(ROOT, 0, "new", CREAT | EXCL, WRITE), EEXIST);
    HOST("file new ");
}

/* POSIX open: with O_EXCL, "if path names a symbolic link, open() shall fail and set errno to [EEXIST], regardless of
   the contents of the symbolic link." */
static void create_exclusively_through_a_link(void) {
    EQ(open_error(ROOT, FOLLOW, "dangling", CREAT | EXCL, WRITE), EEXIST);
    EQ(open_error(ROOT, 0, "link", CREAT | EXCL, WRITE), EEXIST);
    HOST("none nowhere");
}

/* oflags `trunc`: "Truncate file to size 0." */
static void truncate_while_opening(void) {
    int fd = open_raw(ROOT, "digits", TRUNC, READ | WRITE, 0);
    EQ(size_of(fd), 0);
    HOST("file digits ");
}

/* oflags `directory`: "Fail if not a directory." */
static void open_as_a_directory(void) {
    EQ(open_error(ROOT, 0, "dir", DIRECTORY, 0), 0);
    EQ(open_error(ROOT, 0, "digits", DIRECTORY, 0), ENOTDIR);
    EQ(open_error(ROOT, 0, "missing", DIRECTORY, 0), ENOENT);
    EQ(open_error(ROOT, 0, "dir/sub/..", DIRECTORY, 0), 0);
}

/* A directory cannot be made by opening it, whichever flags say so. */
static void create_and_directory(void) {
    EQ(open_error(ROOT, 0, "new", CREAT | DIRECTORY, 0), EINVAL);
    HOST("none new");
}

/* POSIX open: "[EISDIR] The named file is a directory and oflag includes O_WRONLY or O_RDWR." */
static void write_to_a_directory(void) {
    EQ(open_error(ROOT, 0, "dir", 0, READ | WRITE), EISDIR);
    EQ(open_error(ROOT, 0, "dir", TRUNC, WRITE), EISDIR);
    EQ(open_error(ROOT, 0, "dir", 0, READ), 0);
}

/* Names are looked up below a directory, not below a file: ENOTDIR. */
static void open_below_a_file(void) {
    int file = open_raw(ROOT, "digits", 0, READ, 0);
    EQ(open_error(file, 0, "x", 0, READ), ENOTDIR);
    EQ(open_error(file, 0, "x", CREAT, WRITE), ENOTDIR);
    EQ(open_error(ROOT, 0, "digits/x", 0, READ), ENOTDIR);
    EQ(open_error(999, 0, "x", 0, READ), EBADF);
    EQ(open_error(1, 0, "x", 0, READ), ENOTDIR);
}

/* POSIX: "[ENOENT] A component of path does not name an existing file or path is an empty string." */
static void open_what_is_missing(void) {
    EQ(open_error(ROOT, 0, "missing", 0, READ), ENOENT);
    EQ(open_error(ROOT, 0, "missing/x", CREAT, WRITE), ENOENT);
    EQ(open_error(ROOT, 0, "dir/missing/x", 0, READ), ENOENT);
    EQ(open_error(ROOT, 0, "", 0, READ), ENOENT);
}

/* oflags has four bits, lookupflags one. */
static void flags_of_opening_that_do_not_exist(void) {
    EQ(open_error(ROOT, 0, "digits", 1 << 4, READ), EINVAL);
    EQ(open_error(ROOT, 0, "digits", 0x8000, READ), EINVAL);
    EQ(open_error(ROOT, 1 << 1, "digits", 0, READ), EINVAL);
}

/* Dots, double slashes and ways back inside lead where they lead elsewhere. */
static void winding_names(void) {
    const char *names[] = {"./hello", "dir/../hello", "dir/sub/../../hello", "./dir/.././hello", ".//hello",
                           "dir//..///hello", "dir/./../hello"};
    for (int i = 0; i < 7; i++) {
        int fd = open_raw(ROOT, names[i], 0, READ, 0);
        TRUE(fd > 2);
        EQ(size_of(fd), 13);
        close_raw(fd);
    }
}

/* Names that lead out of the directory: not permitted, whatever lies there. */
static void names_that_lead_out(void) {
    const char *names[] = {"..", "../outside/secret", "dir/../../outside/secret", "/etc/passwd", "/", "dir/../..",
                           "../../etc/passwd", "dir/sub/../../../outside"};
    for (int i = 0; i < 8; i++) {
        EQ(open_error(ROOT, 0, names[i], 0, READ), EPERM);
        EQ(open_error(ROOT, FOLLOW, names[i], 0, READ), EPERM);
        EQ(type_of(ROOT, names[i]), -1 - EPERM);
    }
    int dir = open_raw(ROOT, "dir", DIRECTORY, 0, 0);
    EQ(open_error(dir, 0, "../hello", 0, READ), EPERM);
    EQ(open_error(dir, 0, "sub/../inner", 0, READ), 0);
}

/* Zero bytes and bytes that are no text. */
static void names_that_are_no_text(void) {
    __wasi_filestat_t stat;
    EQ(type_of(ROOT, "\xff\xfe"), -1 - EILSEQ);
    EQ(__wasi_path_filestat_get(ROOT, 0, "\xc3", &stat), EILSEQ);
}

/* POSIX: "[ENAMETOOLONG] The length of a component of a pathname is longer than {NAME_MAX}", which is 255. */
static void long_names(void) {
    char name[5001];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    EQ(open_error(ROOT, 0, name, CREAT, WRITE), 0);
    name[255] = 'n';
    name[256] = 0;
    EQ(open_error(ROOT, 0, name, CREAT, WRITE), ENAMETOOLONG);
    name[256] = 'n';
    name[5000] = 0;
    EQ(open_error(ROOT, 0, name, CREAT, WRITE), ENAMETOOLONG);
}

/* Names in other scripts, with spaces and line ends. */
static void unusual_names(void) {
    const char *names[] = {"na\xc3\xafve", "\xe6\x96\x87\xe4\xbb\xb6", "two words", "line\nend", "-r", "...", "a\\b"};
    for (int i = 0; i < 7; i++) {
        EQ(open_error(ROOT, 0, names[i], CREAT | EXCL, WRITE), 0);
        EQ(type_of(ROOT, names[i]), __WASI_FILETYPE_REGULAR_FILE);
    }
    HOST("file na\xc3\xafve ");
    HOST("file ... ");
}

/* path_create_directory: "Note: This is similar to `mkdirat` in POSIX." */
static void make_directories(void) {
    OK(mkdir("/one", 0755));
    OK(mkdir("/one/two", 0755));
    FAILS(mkdir("/one", 0755), EEXIST);
    FAILS(mkdir("/digits", 0755), EEXIST);
    FAILS(mkdir("/missing/two", 0755), ENOENT);
    FAILS(mkdir("/digits/two", 0755), ENOTDIR);
    HOST("dir one/two");
}

/* POSIX: "A pathname that contains [...] one or more trailing slashes shall be resolved as if a single dot was
   appended": mkdir makes what it names, with slashes too. */
static void make_with_slashes(void) {
    OK(__wasi_path_create_directory(ROOT, "one/"));
    OK(__wasi_path_create_directory(ROOT, "two//"));
    HOST("dir one");
    HOST("dir two");
}

/* path_remove_directory: "Return `errno::notempty` if the directory is not empty." */
static void remove_directories(void) {
    EQ(__wasi_path_remove_directory(ROOT, "dir"), ENOTEMPTY);
    OK(__wasi_path_remove_directory(ROOT, "dir/sub"));
    EQ(__wasi_path_remove_directory(ROOT, "dir/sub"), ENOENT);
    EQ(__wasi_path_remove_directory(ROOT, "digits"), ENOTDIR);
    EQ(__wasi_path_remove_directory(ROOT, "dirlink"), ENOTDIR);
    HOST("none dir/sub");
    HOST("link dirlink dir");
}

/* Slashes after the name of a directory do no harm; after that of a file: ENOTDIR. */
static void remove_directories_with_slashes(void) {
    OK(__wasi_path_remove_directory(ROOT, "dir/sub/"));
    EQ(__wasi_path_remove_directory(ROOT, "digits/"), ENOTDIR);
    EQ(__wasi_path_remove_directory(ROOT, "missing/"), ENOENT);
    HOST("none dir/sub");
    HOST("file digits 0123456789");
}

/* path_unlink_file: "Return `errno::isdir` if the path refers to a directory." */
static void unlink_files(void) {
    OK(__wasi_path_unlink_file(ROOT, "digits"));
    EQ(__wasi_path_unlink_file(ROOT, "digits"), ENOENT);
    EQ(__wasi_path_unlink_file(ROOT, "dir"), EISDIR);
    EQ(__wasi_path_unlink_file(ROOT, "dir/inner/x"), ENOTDIR);
    HOST("none digits");
    HOST("dir dir");
}

/* A slash after the name asks for a directory: no file is removed by such a name. */
static void unlink_with_slashes(void) {
    EQ(__wasi_path_unlink_file(ROOT, "digits/"), ENOTDIR);
    EQ(__wasi_path_unlink_file(ROOT, "dir/"), EISDIR);
    EQ(__wasi_path_unlink_file(ROOT, "missing/"), ENOENT);
    HOST("file digits 0123456789");
    HOST("dir dir");
}

/* POSIX unlink: "If path names a symbolic link, unlink() shall remove the symbolic link". */
static void unlink_links(void) {
    OK(__wasi_path_unlink_file(ROOT, "link"));
    OK(__wasi_path_unlink_file(ROOT, "dirlink"));
    OK(__wasi_path_unlink_file(ROOT, "dangling"));
    OK(__wasi_path_unlink_file(ROOT, "out"));
    HOST("none link");
    HOST("none dirlink");
    HOST("size hello 13");
    HOST("dir dir");
}

/* path_rename: "Note: This is similar to `renameat` in POSIX." The file goes, its contents stay. */
static void rename_files(void) {
    OK(rename("/digits", "/numbers"));
    OK(rename("/numbers", "/dir/sub/numbers"));
    FAILS(rename("/digits", "/again"), ENOENT);
    HOST("none digits");
    HOST("file dir/sub/numbers 0123456789");
}

/* POSIX rename: "If the link named by the new argument exists, it shall be removed". */
static void rename_over_a_file(void) {
    int fd = open("/hello", O_RDONLY);
    OK(rename("/digits", "/hello"));
    EQ(size_of(fd), 13);
    OK(rename("/hello", "/hello"));
    HOST("none digits");
    HOST("file hello 0123456789");
}

/* POSIX rename: "If the directory named by the new argument exists, it shall be removed" if it is empty. */
static void rename_over_a_directory(void) {
    OK(mkdir("/other", 0755));
    OK(rename("/other", "/dir/sub"));
    OK(mkdir("/other", 0755));
    FAILS(rename("/other", "/dir"), ENOTEMPTY);
    HOST("dir dir/sub");
    HOST("dir other");
}

/* POSIX rename: "[EISDIR] new names a directory and old one that is not", "[ENOTDIR]" the other way round. */
static void rename_across_kinds(void) {
    FAILS(rename("/digits", "/dir/sub"), EISDIR);
    FAILS(rename("/dir/sub", "/digits"), ENOTDIR);
    HOST("file digits 0123456789");
    HOST("dir dir/sub");
}

/* POSIX rename: "[EINVAL] The old pathname names an ancestor directory of the new pathname." */
static void rename_into_itself(void) {
    FAILS(rename("/dir", "/dir/sub/dir"), EINVAL);
    HOST("dir dir/sub");
}

/* Slashes after names of directories do no harm; after those of files: ENOTDIR. */
static void rename_with_slashes(void) {
    OK(__wasi_path_rename(ROOT, "dir/sub/", ROOT, "moved"));
    OK(__wasi_path_rename(ROOT, "moved", ROOT, "again/"));
    OK(__wasi_path_rename(ROOT, "again/", ROOT, "last/"));
    EQ(__wasi_path_rename(ROOT, "digits/", ROOT, "x"), ENOTDIR);
    EQ(__wasi_path_rename(ROOT, "digits", ROOT, "x/"), ENOTDIR);
    HOST("dir last");
    HOST("file digits 0123456789");
}

/* A link that is renamed stays a link. */
static void rename_links(void) {
    OK(rename("/link", "/dir/link"));
    OK(rename("/dangling", "/dangling2"));
    HOST("link dir/link hello");
    HOST("link dangling2 nowhere");
    HOST("size hello 13");
}

/* path_filestat_get: "Return the attributes of a file or directory." */
static void filestat_by_name(void) {
    EQ(type_of(ROOT, "hello"), __WASI_FILETYPE_REGULAR_FILE);
    EQ(type_of(ROOT, "dir"), __WASI_FILETYPE_DIRECTORY);
    EQ(type_of(ROOT, "dir/"), __WASI_FILETYPE_DIRECTORY);
    EQ(type_of(ROOT, "."), __WASI_FILETYPE_DIRECTORY);
    EQ(type_of(ROOT, "hello/"), -1 - ENOTDIR);
    EQ(type_of(ROOT, "hello/."), -1 - ENOTDIR);
    EQ(type_of(ROOT, "missing"), -1 - ENOENT);
    EQ(type_of(ROOT, "dir/inner"), __WASI_FILETYPE_REGULAR_FILE);
}

/* POSIX open: a slash after a name asks for a directory. */
static void open_with_slashes(void) {
    EQ(open_error(ROOT, 0, "dir/", 0, READ), 0);
    EQ(open_error(ROOT, 0, "dir/", DIRECTORY, 0), 0);
    EQ(open_error(ROOT, 0, "hello/", 0, READ), ENOTDIR);
    TRUE(open_error(ROOT, 0, "new/", CREAT, WRITE) != 0);
    HOST("none new");
}

/* The directory itself by its name `.`. */
static void open_the_directory_itself(void) {
    int again = open_raw(ROOT, ".", DIRECTORY, 0, 0);
    TRUE(again > 4);
    EQ(type_of(again, "hello"), __WASI_FILETYPE_REGULAR_FILE);
    EQ(open_error(again, 0, "..", 0, READ), EPERM);
}

/* A directory that was moved is still what its descriptor means. */
static void directories_follow_their_descriptor(void) {
    int dir = open_raw(ROOT, "dir", DIRECTORY, 0, 0);
    OK(rename("/dir", "/elsewhere"));
    EQ(type_of(dir, "inner"), __WASI_FILETYPE_REGULAR_FILE);
    OK(__wasi_path_create_directory(dir, "made"));
    HOST("dir elsewhere/made");
}

/* A directory that was removed has nothing in it and takes nothing. */
static void removed_directories(void) {
    int dir = open_raw(ROOT, "dir/sub", DIRECTORY, 0, 0);
    OK(rmdir("/dir/sub"));
    EQ(open_error(dir, 0, "new", CREAT, WRITE), ENOENT);
    EQ(__wasi_path_create_directory(dir, "new"), ENOENT);
    HOST("none dir/sub");
}

/* POSIX: a file system that is read-only says EROFS to whatever would change it, and lets everything be read. */
static void read_only_directories(void) {
    EQ(open_error(FIXED, 0, "note", 0, READ), 0);
    EQ(open_error(FIXED, 0, "note", 0, WRITE), EROFS);
    EQ(open_error(FIXED, 0, "note", TRUNC, READ), EROFS);
    EQ(open_error(FIXED, 0, "new", CREAT, WRITE), EROFS);
    EQ(__wasi_path_create_directory(FIXED, "new"), EROFS);
    EQ(__wasi_path_remove_directory(FIXED, "sub"), EROFS);
    EQ(__wasi_path_unlink_file(FIXED, "note"), EROFS);
    EQ(__wasi_path_symlink("note", FIXED, "new"), EROFS);
    EQ(__wasi_path_rename(FIXED, "note", ROOT, "note"), EROFS);
    EQ(__wasi_path_rename(ROOT, "digits", FIXED, "digits"), EROFS);
    EQ(__wasi_path_link(FIXED, 0, "note", ROOT, "note"), EROFS);
    EQ(__wasi_path_filestat_set_times(FIXED, 0, "note", 0, 0, __WASI_FSTFLAGS_MTIM), EROFS);
    int fd = open_raw(FIXED, "note", 0, READ, 0);
    EQ(__wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM), EROFS);
    HOST("file digits 0123456789");
}

/* POSIX access: whether a name leads somewhere, asked without opening it. */
static void access_without_opening(void) {
    OK(access("/hello", R_OK));
    OK(access("/dir", F_OK));
    FAILS(access("/missing", F_OK), ENOENT);
    FAILS(access("/dir/inner/x", F_OK), ENOTDIR);
}

const struct test_case name_cases[] = {
    CASE(create_a_file), CASE(create_what_exists), CASE(create_exclusively),
    CASE(create_exclusively_through_a_link), CASE(truncate_while_opening), CASE(open_as_a_directory),
    CASE(create_and_directory), CASE(write_to_a_directory), CASE(open_below_a_file), CASE(open_what_is_missing),
    CASE(flags_of_opening_that_do_not_exist), CASE(winding_names), CASE(names_that_lead_out),
    CASE(names_that_are_no_text), CASE(long_names), CASE(unusual_names), CASE(make_directories),
    CASE(make_with_slashes), CASE(remove_directories), CASE(remove_directories_with_slashes), CASE(unlink_files),
    CASE(unlink_with_slashes), CASE(unlink_links), CASE(rename_files), CASE(rename_over_a_file),
    CASE(rename_over_a_directory), CASE(rename_across_kinds), CASE(rename_into_itself), CASE(rename_with_slashes),
    CASE(rename_links), CASE(filestat_by_name), CASE(open_with_slashes), CASE(open_the_directory_itself),
    CASE(directories_follow_their_descriptor), CASE(removed_directories), CASE(read_only_directories),
    CASE(access_without_opening), {0, 0}};

/* Symbolic and hard links. */

#include "test.h"

/* path_symlink, path_readlink: what was put in comes out. */
static void make_and_read_a_link(void) {
    OK(symlink("dir/inner", "/made"));
    char text[32];
    EQ(readlink("/made", text, sizeof text), 9);
    BYTES(text, "dir/inner", 9);
    int fd = open("/made", O_RDONLY);
    TRUE(fd > 2);
    EQ(size_of(fd), 6);
    HOST("link made dir/inner");
}

/* POSIX readlink: "If the buf argument is not large enough to contain the link content, the first bufsize bytes shall
   be placed in buf." */
static void read_a_link_in_part(void) {
    uint8_t text[9] = "........";
    __wasi_size_t used;
    OK(__wasi_path_readlink(ROOT, "link", text, 3, &used));
    EQ(used, 3);
    BYTES(text, "hel.....", 8);
    OK(__wasi_path_readlink(ROOT, "link", text, 0, &used));
    EQ(used, 0);
}

/* POSIX readlink: "[EINVAL] The path argument names a file that is not a symbolic link." */
static void read_what_is_no_link(void) {
    char text[8];
    FAILS(readlink("/hello", text, 8), EINVAL);
    FAILS(readlink("/dir", text, 8), EINVAL);
    FAILS(readlink("/missing", text, 8), ENOENT);
}

/* POSIX symlink: "[EEXIST] The path2 argument names an existing file." */
static void links_over_what_exists(void) {
    FAILS(symlink("x", "/hello"), EEXIST);
    FAILS(symlink("x", "/dir"), EEXIST);
    FAILS(symlink("x", "/dangling"), EEXIST);
    FAILS(symlink("x", "/missing/new"), ENOENT);
    HOST("link dangling nowhere");
}

/* POSIX: what a link leads to need not exist, and its name may end in no slash. */
static void links_with_slashes(void) {
    TRUE(__wasi_path_symlink("hello", ROOT, "new/") != 0);
    EQ(__wasi_path_symlink("hello", ROOT, "dir/"), EEXIST);
    OK(__wasi_path_symlink("dir/", ROOT, "made"));
    EQ(type_of(ROOT, "made/inner"), __WASI_FILETYPE_REGULAR_FILE);
    HOST("none new");
    HOST("link made dir/");
}

/* An absolute link could only lead out of the sandbox. */
static void absolute_links_are_refused(void) {
    EQ(__wasi_path_symlink("/etc/passwd", ROOT, "made"), EPERM);
    EQ(__wasi_path_symlink("/", ROOT, "made"), EPERM);
    HOST("none made");
}

/* lookupflags `symlink_follow`: "As long as the resolved path corresponds to a symbolic link, it is expanded." */
static void stat_of_a_link(void) {
    __wasi_filestat_t found;
    OK(__wasi_path_filestat_get(ROOT, 0, "link", &found));
    EQ(found.filetype, __WASI_FILETYPE_SYMBOLIC_LINK);
    EQ(found.size, 5);
    OK(__wasi_path_filestat_get(ROOT, FOLLOW, "link", &found));
    EQ(found.filetype, __WASI_FILETYPE_REGULAR_FILE);
    EQ(found.size, 13);
    struct stat by_libc;
    OK(lstat("/dirlink", &by_libc));
    TRUE(S_ISLNK(by_libc.st_mode));
    OK(stat("/dirlink", &by_libc));
    TRUE(S_ISDIR(by_libc.st_mode));
}

/* A slash after a link's name goes through the link, though it is not to be followed. */
static void stat_of_a_link_with_a_slash(void) {
    EQ(type_of(ROOT, "dirlink"), __WASI_FILETYPE_SYMBOLIC_LINK);
    EQ(type_of(ROOT, "dirlink/"), __WASI_FILETYPE_DIRECTORY);
    EQ(type_of(ROOT, "link/"), -1 - ENOTDIR);
    EQ(type_of(ROOT, "dangling/"), -1 - ENOENT);
}

/* POSIX openat with O_NOFOLLOW: "[ELOOP] [...] the path argument names a symbolic link." */
static void links_that_are_not_followed(void) {
    EQ(open_error(ROOT, 0, "link", 0, READ), ELOOP);
    EQ(open_error(ROOT, 0, "dangling", 0, READ), ELOOP);
    EQ(open_error(ROOT, 0, "loop", 0, READ), ELOOP);
    int error = open_error(ROOT, 0, "dirlink", DIRECTORY, 0);
    TRUE(error == ELOOP || error == ENOTDIR);
    EQ(open_error(ROOT, 0, "dirlink", 0, READ), ELOOP);
}

/* The same with symlink_follow. */
static void links_that_are_followed(void) {
    EQ(open_error(ROOT, FOLLOW, "link", 0, READ), 0);
    EQ(open_error(ROOT, FOLLOW, "dirlink", DIRECTORY, 0), 0);
    EQ(open_error(ROOT, FOLLOW, "link", DIRECTORY, 0), ENOTDIR);
    EQ(open_error(ROOT, FOLLOW, "dangling", 0, READ), ENOENT);
    EQ(open_error(ROOT, FOLLOW, "dangling", DIRECTORY, 0), ENOENT);
}

/* Links in the middle of a name are always followed. */
static void links_on_the_way(void) {
    EQ(open_error(ROOT, 0, "dirlink/inner", 0, READ), 0);
    EQ(open_error(ROOT, 0, "dirlink/sub/../inner", 0, READ), 0);
    EQ(open_error(ROOT, 0, "link/x", 0, READ), ENOTDIR);
    EQ(open_error(ROOT, 0, "dangling/x", 0, READ), ENOENT);
    OK(__wasi_path_create_directory(ROOT, "dirlink/made"));
    HOST("dir dir/made");
}

/* POSIX: "[ELOOP] A loop exists in symbolic links encountered during resolution of the path argument." */
static void links_in_a_circle(void) {
    EQ(open_error(ROOT, FOLLOW, "loop", 0, READ), ELOOP);
    EQ(open_error(ROOT, 0, "loop/x", 0, READ), ELOOP);
    EQ(type_of(ROOT, "loop"), __WASI_FILETYPE_SYMBOLIC_LINK);
    EQ(type_of(ROOT, "loop/x"), -1 - ELOOP);
    __wasi_filestat_t stat;
    EQ(__wasi_path_filestat_get(ROOT, FOLLOW, "loop", &stat), ELOOP);
    OK(symlink("there", "/back"));
    OK(symlink("back", "/there"));
    EQ(open_error(ROOT, FOLLOW, "there", 0, READ), ELOOP);
    OK(__wasi_path_unlink_file(ROOT, "loop"));
    HOST("none loop");
}

/* Creating through a link whose target is missing makes the target. */
static void create_through_a_link(void) {
    EQ(open_error(ROOT, FOLLOW, "dangling", CREAT, WRITE), 0);
    HOST("file nowhere ");
    HOST("link dangling nowhere");
}

/* Without following, it makes nothing. */
static void create_through_a_link_that_is_not_followed(void) {
    EQ(open_error(ROOT, 0, "dangling", CREAT, WRITE), ELOOP);
    HOST("none nowhere");
}

/* Links that lead out of the directory: not permitted, through them or at their end. */
static void links_that_lead_out(void) {
    const char *names[] = {"out", "outdir", "abs"};
    __wasi_filestat_t stat;
    for (int i = 0; i < 3; i++) {
        EQ(open_error(ROOT, FOLLOW, names[i], 0, READ), EPERM);
        EQ(__wasi_path_filestat_get(ROOT, FOLLOW, names[i], &stat), EPERM);
        EQ(__wasi_path_filestat_set_times(ROOT, FOLLOW, names[i], 0, 0, __WASI_FSTFLAGS_MTIM), EPERM);
        EQ(type_of(ROOT, names[i]), __WASI_FILETYPE_SYMBOLIC_LINK);
    }
    EQ(open_error(ROOT, 0, "outdir/secret", 0, READ), EPERM);
    EQ(open_error(ROOT, 0, "outdir/new", CREAT, WRITE), EPERM);
    EQ(__wasi_path_unlink_file(ROOT, "outdir/secret"), EPERM);
    EQ(__wasi_path_rename(ROOT, "outdir/secret", ROOT, "mine"), EPERM);
    EQ(__wasi_path_link(ROOT, 0, "outdir/secret", ROOT, "mine"), EPERM);
    EQ(__wasi_path_create_directory(ROOT, "outdir/new"), EPERM);
    HOST("none mine");
}

/* A link that would be harmless where it is made is harmless where it is moved to. */
static void links_that_move(void) {
    OK(symlink("..", "/dir/sub/up"));
    EQ(type_of(ROOT, "dir/sub/up/inner"), __WASI_FILETYPE_REGULAR_FILE);
    OK(rename("/dir/sub/up", "/up"));
    EQ(open_error(ROOT, FOLLOW, "up", 0, READ), EPERM);
    EQ(open_error(ROOT, 0, "up/outside/secret", 0, READ), EPERM);
}

/* path_link: "Create a hard link. Note: This is similar to `linkat` in POSIX." */
static void hard_links(void) {
    OK(link("/digits", "/dir/numbers"));
    struct stat a, b;
    OK(stat("/digits", &a));
    OK(stat("/dir/numbers", &b));
    EQ(a.st_ino, b.st_ino);
    EQ(b.st_nlink, 2);
    int fd = open("/dir/numbers", O_WRONLY);
    EQ(write(fd, "AB", 2), 2);
    OK(unlink("/dir/numbers"));
    OK(stat("/digits", &a));
    EQ(a.st_nlink, 1);
    HOST("file digits AB23456789");
    HOST("none dir/numbers");
}

/* POSIX link: existing names, missing ones, and directories. */
static void hard_links_that_fail(void) {
    EQ(__wasi_path_link(ROOT, 0, "digits", ROOT, "hello"), EEXIST);
    EQ(__wasi_path_link(ROOT, 0, "digits", ROOT, "dir"), EEXIST);
    EQ(__wasi_path_link(ROOT, 0, "digits", ROOT, "dangling"), EEXIST);
    EQ(__wasi_path_link(ROOT, 0, "missing", ROOT, "new"), ENOENT);
    EQ(__wasi_path_link(ROOT, 0, "digits", ROOT, "missing/new"), ENOENT);
    TRUE(__wasi_path_link(ROOT, 0, "dir", ROOT, "new") != 0);
    EQ(__wasi_path_link(ROOT, 0, "digits", ROOT, "../new"), EPERM);
    EQ(__wasi_path_link(ROOT, 0, "digits", 999, "new"), EBADF);
    TRUE(__wasi_path_link(ROOT, 0, "digits/", ROOT, "new") != 0);
    TRUE(__wasi_path_link(ROOT, 0, "digits", ROOT, "new/") != 0);
    HOST("none new");
    HOST("nlink digits 1");
}

/* POSIX linkat without AT_SYMLINK_FOLLOW: "a new link to the symbolic link itself". */
static void hard_links_of_links(void) {
    OK(__wasi_path_link(ROOT, 0, "link", ROOT, "second"));
    EQ(type_of(ROOT, "second"), __WASI_FILETYPE_SYMBOLIC_LINK);
    EQ(__wasi_path_link(ROOT, FOLLOW, "link", ROOT, "third"), EINVAL);
    HOST("link second hello");
    HOST("nlink link 2");
    HOST("none third");
}

const struct test_case link_cases[] = {
    CASE(make_and_read_a_link), CASE(read_a_link_in_part), CASE(read_what_is_no_link), CASE(links_over_what_exists),
    CASE(links_with_slashes), CASE(absolute_links_are_refused), CASE(stat_of_a_link),
    CASE(stat_of_a_link_with_a_slash), CASE(links_that_are_not_followed), CASE(links_that_are_followed),
    CASE(links_on_the_way), CASE(links_in_a_circle), CASE(create_through_a_link),
    CASE(create_through_a_link_that_is_not_followed), CASE(links_that_lead_out), CASE(links_that_move),
    CASE(hard_links), CASE(hard_links_that_fail), CASE(hard_links_of_links), {0, 0}};

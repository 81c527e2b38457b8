/* What the two halves of this guest know of each other. */

/* Ends the program; what is printed goes to standard error. */
void fail(const char *what);

/* Files, directories, links and refusals below an empty directory. */
void walk_files(const char *path);

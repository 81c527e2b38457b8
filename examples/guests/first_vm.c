// A guest of examples/first_vm.rs: greets everyone whose name it is given.
//
// It knows two functions of its host. Strings pass through the guest's own
// memory: the guest says where they are, and how long.

#define FROM_HOST(name) __attribute__((import_module("vm"), import_name(name)))
#define FOR_HOST(name) __attribute__((export_name(name)))

// Writes the next line to `buffer`; returns its length, or -1 at the end.
FROM_HOST("input") int input(char *buffer, int size);
// Prints `length` bytes at `text`.
FROM_HOST("output") void output(const char *text, int length);

static int append(char *line, int at, const char *text, int length) {
    for (int n = 0; n < length; n++)
        line[at + n] = text[n];
    return at + length;
}

FOR_HOST("main") int run(void) {
    static char name[64], line[128];
    int greeted = 0;
    for (int length; (length = input(name, sizeof name)) >= 0; greeted++) {
        int end = append(line, 0, "Hello, ", 7);
        end = append(line, end, name, length);
        end = append(line, end, "!", 1);
        output(line, end);
    }
    return greeted;
}

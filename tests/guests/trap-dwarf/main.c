/*
 * Traps three calls deep, for the tests of backtraces: compiled with DWARF and
 * names, and without a C library, whose debug information would name the
 * machine that built it.
 *
 * The first letter of the first argument chooses the trap: `u` runs into
 * `unreachable`, `d` divides by zero, `i` calls through an empty table slot, `s`
 * overflows the stack; otherwise a cell outside the memory is read.
 */

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define NOINLINE __attribute__((noinline))

struct piece {
    const char *bytes;
    unsigned long size;
};

IMPORT("fd_write") int fd_write(int fd, const struct piece *pieces, unsigned long count, unsigned long *written);
IMPORT("args_sizes_get") int args_sizes_get(unsigned long *count, unsigned long *size);
IMPORT("args_get") int args_get(char **argv, char *bytes);

static volatile int cells[16] = {2, 3, 5, 7, 11, 13, 17, 19};

/* Keeps nothing in linear memory, so that the machine's stack is what runs out. */
NOINLINE static int dive(int depth) {
    int below = dive(depth + 1);
    return below ^ cells[below & 15];
}

NOINLINE static int read_cell(char kind, unsigned index) {
    volatile int zero = 0;
    int (*volatile nowhere)(unsigned) = 0;
    switch (kind) {
    case 'u':
        __builtin_trap();
    case 'd':
        return cells[1] / zero;
    case 'i':
        return nowhere(index) + cells[1];
    case 's':
        return dive(1) + cells[1];
    default:
        return cells[index];
    }
}

NOINLINE static int sum_row(char kind, unsigned row) {
    int sum = cells[0];
    sum += read_cell(kind, row * 0x10000000u);
    return sum + cells[2];
}

NOINLINE static int sum_table(char kind) {
    int sum = cells[3];
    sum += sum_row(kind, 3);
    return sum + cells[4];
}

static char chosen_kind(void) {
    static char *argv[8];
    static char bytes[512];
    unsigned long count, size;
    if (args_sizes_get(&count, &size) != 0 || count < 2 || count > 8 || size > sizeof bytes)
        return 'o';
    return args_get(argv, bytes) == 0 ? argv[1][0] : 'o';
}

void _start(void) {
    static const char text[] = "about to trap\n";
    struct piece piece = {text, sizeof text - 1};
    unsigned long written;
    fd_write(1, &piece, 1, &written);
    cells[5] = sum_table(chosen_kind());
}

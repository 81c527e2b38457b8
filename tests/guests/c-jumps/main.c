/*
 * setjmp and longjmp as C compilers make them for WebAssembly: as exceptions.
 * Jumps out of several depths, to the inner and the outer of two places, out of
 * callbacks of the C library, through function pointers and variable arguments,
 * with values that must survive, and a small machine that works by jumps alone.
 *
 * Usage: c-jumps [ROUNDS]; ROUNDS is how much the last part does.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 120 };

static jmp_buf outer, inner;

static void __attribute__((noinline)) fall(jmp_buf place, int depth, int value) {
    volatile char frame[64];
    memset((char *)frame, depth, sizeof frame);
    if (value < 0)
        return;
    if (depth == 0)
        longjmp(place, value);
    fall(place, depth - 1, value);
    if (frame[depth % 64] != depth)
        abort();
}

/* The values that `setjmp` returns, from several depths. 0 becomes 1. */
static void depths(void) {
    static const int depth[] = {0, 1, 10, 100, 1000};
    volatile int round = 0;
    volatile long sum = 0;
    int got = setjmp(outer);
    if (got)
        sum += got * (round + 1L);
    if (round < 5) {
        int at = round;
        round = at + 1;
        fall(outer, depth[at], at * 11);
    }
    printf("depths: %d rounds, sum %ld\n", round, sum);
}

/* A jump past an inner place to the outer one, and one that stops at the inner. */
static void two_places(void) {
    volatile int steps = 0;
    for (volatile int way = 0; way < 3; way = way + 1) {
        int first = setjmp(outer);
        if (first) {
            printf("outer got %d at step %d\n", first, steps);
            continue;
        }
        steps = steps + 1;
        int second = setjmp(inner);
        if (second) {
            steps = steps + 10;
            printf("inner got %d at step %d\n", second, steps);
            if (way == 2)
                fall(outer, 3, 300);
            continue;
        }
        steps = steps + 100;
        fall(way == 0 ? outer : inner, 5, 100 + way);
    }
}

static int calls;

static int compare(const void *left, const void *right) {
    int a = *(const int *)left, b = *(const int *)right;
    calls++;
    if (a == 13 || b == 13)
        longjmp(outer, 13);
    return (a > b) - (a < b);
}

static int compare_struck(const void *key, const void *item) {
    int wanted = *(const int *)key, found = *(const int *)item;
    if (found == 40)
        longjmp(inner, 40 + wanted);
    return wanted - found;
}

/* Out of what the C library calls back. */
static void callbacks(void) {
    int good[] = {9, 3, 7, 1, 5}, bad[] = {8, 13, 2, 4};
    for (volatile int round = 0; round < 2; round = round + 1) {
        int got = setjmp(outer);
        if (got) {
            printf("qsort left with %d\n", got);
            continue;
        }
        if (round == 0)
            qsort(good, 5, sizeof *good, compare);
        else
            qsort(bad, 4, sizeof *bad, compare);
        printf("sorted %d %d %d %d %d, asked %d\n", good[0], good[1], good[2], good[3], good[4], calls > 0);
    }
    int items[] = {10, 20, 30, 40, 50, 60, 70}, key = 2;
    int got = setjmp(inner);
    if (got)
        printf("bsearch left with %d\n", got);
    else
        printf("bsearch found %d\n", bsearch(&key, items, 7, sizeof *items, compare_struck) != NULL);
}

/* What is volatile has its last value; what did not change keeps it, whatever its type. */
static void survivors(int seed) {
    const int64_t wide = (int64_t)seed << 35;
    const double fraction = seed / 16.0;
    const float half = seed * 0.5f;
    static char text[32];
    volatile int count = 0;
    volatile double grown = 1.0;
    snprintf(text, sizeof text, "seed %d", seed);
    int got = setjmp(outer);
    if (got < 4) {
        count = count + 1;
        grown = grown * 1.5;
        text[0] = (char)('A' + got);
        fall(outer, 7, got + 1);
    }
    printf("survivors: %lld %.4f %.2f \"%s\" %d %.4f, got %d\n", (long long)wide, fraction, (double)half, text, count,
           grown, got);
}

/* Errors as libraries in C raise them: a chain of places, the message beside. */
struct attempt {
    jmp_buf place;
    struct attempt *outer;
    char *message;
};

static struct attempt *current;

static void __attribute__((format(printf, 1, 2), noreturn)) raise_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current->message, MESSAGE_BYTES, format, arguments);
    va_end(arguments);
    longjmp(current->place, 1);
}

static int protect(void (*body)(int), int argument, char *message) {
    struct attempt attempt = {.outer = current, .message = message};
    current = &attempt;
    int failed = setjmp(attempt.place);
    if (!failed)
        body(argument);
    current = current->outer;
    return failed;
}

static void leaf(int depth) {
    if (depth % 2)
        raise_error("leaf %d, %s, %.1f", depth, "odd", depth / 2.0);
}

static void branch(int depth) {
    char message[MESSAGE_BYTES] = "fine";
    int failed = protect(depth > 3 ? branch : leaf, depth - 1, message);
    if (depth % 3 == 0)
        raise_error("%d above [%.60s]", depth, message);
    if (failed && depth != 7)
        raise_error("%d after %.80s", depth, message);
}

static void protected_calls(void) {
    for (int depth = 2; depth < 9; depth++) {
        char message[MESSAGE_BYTES] = "fine";
        int failed = protect(branch, depth, message);
        printf("protected %d: %d, %s\n", depth, failed, message);
    }
}

/* A search that gives up by jumping out of its recursion: the first solutions of the queens. */
struct queens {
    jmp_buf found;
    int size, rows[12];
    uint32_t wanted;
};

static void place(struct queens *board, int column) {
    if (column == board->size) {
        if (board->wanted-- == 0)
            longjmp(board->found, 1);
        return;
    }
    for (int row = 0; row < board->size; row++) {
        int free = 1;
        for (int other = 0; other < column && free; other++) {
            int apart = column - other, between = board->rows[other] - row;
            free = between != 0 && between != apart && between != -apart;
        }
        if (free) {
            board->rows[column] = row;
            place(board, column + 1);
        }
    }
}

static void search(void) {
    for (volatile int size = 4; size <= 9; size = size + 1) {
        static struct queens board;
        board.size = size;
        board.wanted = (uint32_t)(size > 6 ? size * 3 : 1);
        printf("queens %d:", size);
        if (setjmp(board.found))
            for (int column = 0; column < board.size; column++)
                printf(" %d", board.rows[column]);
        else
            place(&board, 0);
        printf("\n");
    }
}

/* Many jumps in a loop, with state that the loop carries. */
static void many(int rounds) {
    volatile uint32_t hash = 2166136261u;
    volatile int left = rounds;
    int got = setjmp(outer);
    if (got)
        hash = (hash ^ (uint32_t)got) * 16777619u;
    if (left > 0) {
        left = left - 1;
        fall(outer, left % 9, left & 0xffff);
    }
    printf("many: %d left, %08x\n", left, hash);
}

int main(int argc, char **argv) {
    depths();
    two_places();
    callbacks();
    survivors(12);
    survivors(-7);
    protected_calls();
    search();
    many(argc > 1 ? atoi(argv[1]) : 20000);
    return 0;
}

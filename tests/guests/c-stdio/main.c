/*
 * A walk through the C library: formatted output and input, dates, memory,
 * sorting, what surrounds a process; `files.c` goes on with files. Standard
 * output is the same bytes on every target; the name of the directory is never
 * printed.
 *
 * Usage: c-stdio DIR [WORD...], where DIR is an empty directory that the
 * program may write to and leaves empty.
 */

#define _GNU_SOURCE

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

void fail(const char *what) {
    fprintf(stderr, "c-stdio: %s: %s\n", what, strerror(errno));
    exit(3);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- formatted output and input ---- */

static void integers(void) {
    printf("%d|%5d|%-5d|%05d|%+d|% d\n", 42, 42, 42, 42, 42, 42);
    printf("%u|%x|%#X|%#o|%hhd|%hu\n", UINT_MAX, 48879u, 48879u, 493u, (signed char)-1, (unsigned short)65535);
    printf("%ld|%lld|%" PRIu64 "|%" PRId64 "\n", 123456789L, LLONG_MIN, UINT64_MAX, INT64_MAX);
    printf("%zu|%jd|%td|%*d|%-*d|%.4d\n", sizeof(int), (intmax_t)-7, (ptrdiff_t)9, 6, 1, 6, 2, 3);
    printf("%c%c%c|%%|%s|%10s|%-10s|%.3s|%10.2s\n", 'a', 66, 'c', "text", "right", "left", "truncated", "ab");
}

static void floats(void) {
    printf("%f|%.2f|%10.3f|%-10.1f|%+.0f|%#.0f\n", 3.25, 2.0 / 3.0, 1e3 / 7.0, 2.25, 2.5, 2.0);
    printf("%e|%.3E|%g|%g|%g|%G\n", 12345.678, 0.00012345, 1e-5, 123456.0, 1234567.0, 1e-10);
    printf("%a|%.2a|%a\n", 1.0, 3.14, -0.1);
    printf("%f|%F|%5.1f|%.15g|%.17g\n", INFINITY, -INFINITY, -0.0, 0.1, 0.1);
    printf("%.20f\n%.0f\n%g\n", sqrt(2.0), DBL_MAX, DBL_MIN);
    double harmonic = 0, leibniz = 0;
    for (int n = 1; n <= 100000; n++) {
        harmonic += 1.0 / n;
        leibniz += (n % 2 ? 4.0 : -4.0) / (2 * n - 1);
    }
    printf("%.12f %.12f %.3f %.3f\n", harmonic, leibniz, floor(-2.5), fabs(-1.125));
}

/* vsnprintf through a variadic function of our own. */
static int format(char *out, size_t size, const char *pattern, ...) {
    va_list arguments;
    va_start(arguments, pattern);
    int length = vsnprintf(out, size, pattern, arguments);
    va_end(arguments);
    return length;
}

static void strings(void) {
    char small[8];
    int length = format(small, sizeof small, "%s-%d-%.1f", "overlong", 7, 1.5);
    printf("\"%s\" of %d\n", small, length);

    char text[64] = "alpha,beta;;gamma delta";
    int count = 0;
    for (char *word = strtok(text, ",; "); word; word = strtok(NULL, ",; "))
        printf("%d:%s ", ++count, word);
    printf("\n%s|%s|%zu|%zu\n", strstr("haystack with needle", "needle"), strrchr("a/b/c", '/'),
           strspn("2026abc", "0123456789"), strcspn("key=value", "="));
    printf("%d %d %d\n", strcmp("abc", "abd") < 0, strncmp("abcdef", "abcxyz", 3), memcmp("a\0b", "a\0c", 3) < 0);
    for (const char *c = "Mixed Case 123!"; *c; c++)
        putchar(isupper((unsigned char)*c) ? tolower((unsigned char)*c) : toupper((unsigned char)*c));
    putchar('\n');
}

static void parsing(void) {
    int day, month, year, consumed;
    char name[16];
    double value;
    int fields = sscanf("12/11/2026 epsilon 2.75rest", "%d/%d/%d %15s %lf%n", &day, &month, &year, name, &value, &consumed);
    printf("%d fields: %d-%d-%d %s %.2f, %d read\n", fields, year, month, day, name, value, consumed);
    unsigned hex;
    char set[8];
    fields = sscanf("0xff:abcXYZ", "%x:%7[a-c]", &hex, set);
    printf("%d fields: %u %s\n", fields, hex, set);

    char *end;
    long hex_number = strtol("0x7fG", &end, 0);
    printf("%ld '%s' %ld %lu", hex_number, end, strtol("-0777", NULL, 8), strtoul("zz", NULL, 36));
    value = strtod("1.5e3xyz", &end);
    printf(" %g '%s'\n", value, end);
    errno = 0;
    long long huge = strtoll("99999999999999999999", NULL, 10);
    printf("%d %d %d\n", huge == LLONG_MAX, errno == ERANGE, atoi("  -12 monkeys"));
}

static void dates(void) {
    const time_t moments[] = {0, 951782400, 1000000000, 2147483647};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char text[64];
        struct tm *parts = gmtime(&moments[i]);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %b day %j", parts);
        printf("%s\n", text);
    }
    struct timespec first, second;
    const struct timespec pause = {0, 2000000};
    bool sane = clock_gettime(CLOCK_MONOTONIC, &first) == 0 && nanosleep(&pause, NULL) == 0 &&
                sched_yield() == 0 && clock_gettime(CLOCK_MONOTONIC, &second) == 0;
    struct timespec resolution;
    sane = sane && clock_getres(CLOCK_REALTIME, &resolution) == 0 && resolution.tv_sec == 0;
    long long elapsed_ns = (second.tv_sec - first.tv_sec) * 1000000000ll + (second.tv_nsec - first.tv_nsec);
    unsigned char bytes[32] = {0};
    unsigned drawn = 0;
    if (getentropy(bytes, sizeof bytes) == 0)
        for (size_t i = 0; i < sizeof bytes; i++)
            drawn |= bytes[i];
    sane = sane && drawn != 0 && elapsed_ns >= 2000000 && time(NULL) > 1577836800;
    printf("clocks and entropy: %s\n", sane ? "sane" : "not sane");
}

/* ---- memory ---- */

struct node {
    struct node *left, *right;
};

static struct node *grow_tree(int depth) {
    struct node *node = malloc(sizeof *node);
    if (!node)
        fail("malloc");
    node->left = depth ? grow_tree(depth - 1) : NULL;
    node->right = depth ? grow_tree(depth - 1) : NULL;
    return node;
}

static long fell_tree(struct node *node) {
    if (!node)
        return 0;
    long count = 1 + fell_tree(node->left) + fell_tree(node->right);
    free(node);
    return count;
}

/* Blocks of random sizes come and go; each carries a pattern that must last. */
static void churn(void) {
    enum { SLOTS = 2048, ROUNDS = 200000 };
    static struct { unsigned char *bytes; size_t size; } slots[SLOTS];
    unsigned long allocated = 0, resized = 0, damaged = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t slot = next_random() % SLOTS;
        unsigned char mark = (unsigned char)slot;
        size_t size = 1 + next_random() % (next_random() % 64 ? 256 : 16384);
        if (slots[slot].bytes) {
            unsigned char *bytes = slots[slot].bytes;
            damaged += bytes[0] != mark || bytes[slots[slot].size - 1] != mark;
            if (next_random() % 4) {
                free(bytes);
                slots[slot].bytes = NULL;
                continue;
            }
            resized++;
        } else {
            allocated++;
        }
        slots[slot].bytes = realloc(slots[slot].bytes, size);
        if (!slots[slot].bytes)
            fail("realloc");
        slots[slot].size = size;
        memset(slots[slot].bytes, mark, size);
    }
    for (int slot = 0; slot < SLOTS; slot++)
        free(slots[slot].bytes);
    printf("churn: %lu allocated, %lu resized, %lu damaged\n", allocated, resized, damaged);
}

static void memory(void) {
    churn();
    long nodes = 0;
    for (int depth = 4; depth <= 16; depth += 4)
        nodes += fell_tree(grow_tree(depth));
    printf("trees: %ld nodes\n", nodes);

    unsigned char *zeros = calloc(1000, 1000);
    size_t sum = 0;
    for (size_t i = 0; zeros && i < 1000000; i++)
        sum += zeros[i];
    printf("calloc: %s\n", zeros && sum == 0 ? "zero" : "not zero");
    free(zeros);

    char overlap[] = "0123456789";
    memmove(overlap + 2, overlap, 6);
    printf("memmove: %s\n", overlap);
    void *aligned = aligned_alloc(4096, 8192);
    printf("aligned: %d\n", aligned && (uintptr_t)aligned % 4096 == 0);
    free(aligned);
}

/* ---- sorting ---- */

struct person {
    char name[12];
    int age;
};

static int by_age_then_name(const void *left, const void *right) {
    const struct person *a = left, *b = right;
    return a->age != b->age ? (a->age > b->age) - (a->age < b->age) : strcmp(a->name, b->name);
}

static int by_value(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void sorting(void) {
    struct person people[] = {{"Ada", 36}, {"Grace", 85}, {"Alan", 41}, {"Kurt", 71}, {"Emmy", 53}, {"Alonzo", 41}};
    size_t count = sizeof people / sizeof *people;
    qsort(people, count, sizeof *people, by_age_then_name);
    for (size_t i = 0; i < count; i++)
        printf("%s%s %d", i ? ", " : "", people[i].name, people[i].age);
    putchar('\n');

    enum { NUMBERS = 100000 };
    static uint32_t numbers[NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = (uint32_t)next_random();
    uint32_t wanted = numbers[12345];
    qsort(numbers, NUMBERS, sizeof *numbers, by_value);
    bool ordered = true;
    for (int i = 1; i < NUMBERS; i++)
        ordered &= numbers[i - 1] <= numbers[i];
    uint32_t *found = bsearch(&wanted, numbers, NUMBERS, sizeof *numbers, by_value);
    printf("%d numbers %s, median %" PRIu32 ", found at %td\n", NUMBERS, ordered ? "in order" : "in disorder",
           numbers[NUMBERS / 2], found ? found - numbers : -1);
}

/* ---- what surrounds the process ---- */

static void surroundings(int argc, char **argv) {
    for (int i = 2; i < argc; i++)
        printf("argument %d: %s\n", i - 1, argv[i]);
    const char *names[] = {"GUEST_COLOR", "GUEST_EMPTY", "GUEST_MISSING"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        printf("%s: %s%s%s\n", names[i], value ? "\"" : "", value ? value : "not set", value ? "\"" : "");
    }
    setenv("GUEST_NEW", "set here", 1);
    unsetenv("GUEST_COLOR");
    printf("%s, %s\n", getenv("GUEST_NEW"), getenv("GUEST_COLOR") ? "still set" : "gone");

    char line[256];
    int lines = 0, words = 0;
    size_t bytes = 0;
    while (fgets(line, sizeof line, stdin)) {
        lines++;
        bytes += strlen(line);
        bool inside = false;
        for (char *c = line; *c; c++) {
            words += !inside && !isspace((unsigned char)*c);
            inside = !isspace((unsigned char)*c);
        }
    }
    printf("standard input: %d lines, %d words, %zu bytes\n", lines, words, bytes);
}

static void at_the_end(void) {
    printf("== done\n");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: c-stdio DIR [WORD...]\n");
        return 2;
    }
    atexit(at_the_end);
    printf("== formats\n");
    integers();
    floats();
    strings();
    parsing();
    dates();
    printf("== memory\n");
    memory();
    printf("== sorting\n");
    sorting();
    walk_files(argv[1]);
    printf("== surroundings\n");
    surroundings(argc, argv);
    return 0;
}

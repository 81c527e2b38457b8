/* Text of so many kibibytes through bzip2's compressor and decompressor.
 *
 *   bzip2 [KIBIBYTES]
 */
#include "bzlib.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 2026;

/* SplitMix64. */
static unsigned below(unsigned limit) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) >> 32) % limit;
}

static uint64_t checksum(const char *bytes, unsigned size) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (unsigned at = 0; at < size; at++)
        hash = (hash ^ (unsigned char)bytes[at]) * 0x100000001b3u;
    return hash;
}

/* Words of syllables, the first ones more frequent. */
static void write_text(char *text, unsigned size) {
    static const char syllables[16][4] = {"ka", "lo", "min", "ter", "an", "sel", "or", "vi",
                                          "dun", "pe", "ris", "mo", "ta", "en", "gul", "shi"};
    unsigned at = 0;
    while (at < size) {
        for (unsigned left = 1 + below(4); left > 0; left--) {
            unsigned end = 1 + below(16);
            for (const char *letter = syllables[below(end)]; *letter && at < size; letter++)
                text[at++] = *letter;
        }
        if (at < size)
            text[at++] = below(11) ? ' ' : '\n';
    }
}

/* The library calls this when it finds a bug of its own. */
void bz_internal_error(int code) {
    fprintf(stderr, "bzip2: internal error %d\n", code);
    exit(3);
}

int main(int argc, char **argv) {
    unsigned size = (argc > 1 ? (unsigned)atoi(argv[1]) : 2048) << 10;
    unsigned room = size + size / 50 + 1024, back = size;
    char *text = malloc(size), *packed = malloc(room), *unpacked = malloc(size);
    if (!text || !packed || !unpacked)
        return 1;
    write_text(text, size);
    for (int level = 1; level <= 9; level += 4) {
        unsigned length = room;
        if (BZ2_bzBuffToBuffCompress(packed, &length, text, size, level, 0, 0) != BZ_OK)
            return 1;
        back = size;
        if (BZ2_bzBuffToBuffDecompress(unpacked, &back, packed, length, 0, 0) != BZ_OK)
            return 1;
        if (back != size || memcmp(text, unpacked, size) != 0)
            return 1;
        printf("level %d: %u of %u bytes, %016llx\n", level, length, size,
               (unsigned long long)checksum(packed, length));
    }
    return 0;
}

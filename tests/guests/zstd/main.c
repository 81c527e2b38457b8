/*
 * Writes 16 MiB of made-up prose, compresses it with Zstandard in one call,
 * decompresses and compares; then takes the first part through the streaming
 * interface at level 9. Prints sizes and checksums.
 *
 * Usage: zstd [LEVEL [MEBIBYTES]]
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd.h"

enum { MEBIBYTE = 1 << 20, WORDS = 4096, STREAM_LEVEL = 9, STREAM_PART = 3, CHUNK = 60000 };

static void fail(const char *what, const char *why) {
    fprintf(stderr, "zstd: %s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (!memory)
        fail("malloc", "out of memory");
    return memory;
}

/* Passes a result of Zstandard on, or ends the program if it is an error. */
static size_t good(size_t result, const char *what) {
    if (ZSTD_isError(result))
        fail(what, ZSTD_getErrorName(result));
    return result;
}

/* FNV-1a over 32-bit pieces, so that checking does not outweigh compressing. */
static uint32_t checksum(const unsigned char *bytes, size_t size) {
    uint32_t hash = 2166136261u;
    for (; size >= 4; bytes += 4, size -= 4) {
        uint32_t piece = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
        hash = (hash ^ piece) * 16777619u;
    }
    for (; size; bytes++, size--)
        hash = (hash ^ *bytes) * 16777619u;
    return hash;
}

/* ---- prose ---- */

static uint64_t random_state = 0x2545f4914f6cdd1du;

static uint32_t draw(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static char words[WORDS][16];
static size_t word_lengths[WORDS];

static void invent_words(void) {
    static const char consonants[] = "bcdfghlmnprstvw", vowels[] = "aaeeiou";
    for (int i = 0; i < WORDS; i++) {
        size_t length = 0;
        for (uint32_t left = 1 + draw() % 4; left; left--) {
            words[i][length++] = consonants[draw() % (sizeof consonants - 1)];
            words[i][length++] = vowels[draw() % (sizeof vowels - 1)];
            if (draw() % 3 == 0)
                words[i][length++] = "nrstl"[draw() % 5];
        }
        word_lengths[i] = length;
    }
}

/* Small numbers are far more frequent than large ones, as words are. */
static uint32_t draw_word(void) {
    uint32_t range = WORDS >> (draw() % 10);
    return draw() % range;
}

static void write_prose(unsigned char *out, size_t size) {
    char sentence[512];
    size_t at = 0, number = 0;
    while (at < size) {
        size_t length = 0;
        if (draw() % 8 == 0)
            length = (size_t)snprintf(sentence, sizeof sentence, "\n%zu. ", ++number);
        for (uint32_t left = 3 + draw() % 15; left; left--) {
            uint32_t word = draw_word();
            memcpy(sentence + length, words[word], word_lengths[word]);
            length += word_lengths[word];
            sentence[length++] = left > 1 ? (draw() % 9 ? ' ' : ',') : '.';
        }
        sentence[length++] = ' ';
        size_t piece = length < size - at ? length : size - at;
        memcpy(out + at, sentence, piece);
        at += piece;
    }
}

/* ---- compression ---- */

static void report(const char *what, int level, size_t plain, size_t packed, uint32_t sum) {
    printf("%-8s level %d: %zu -> %zu bytes, checksum %08x\n", what, level, plain, packed, sum);
}

static void in_one_call(const unsigned char *plain, size_t size, int level) {
    size_t bound = ZSTD_compressBound(size);
    unsigned char *packed = allocate(bound), *restored = allocate(size);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    good(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level), "level");
    good(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1), "checksum");
    size_t packed_size = good(ZSTD_compress2(context, packed, bound, plain, size), "compress");
    ZSTD_freeCCtx(context);
    report("one call", level, size, packed_size, checksum(packed, packed_size));

    size_t restored_size = good(ZSTD_decompress(restored, size, packed, packed_size), "decompress");
    if (restored_size != size || memcmp(plain, restored, size) != 0)
        fail("decompress", "what came back differs");
    packed[packed_size / 2] ^= 0x10;
    printf("a flipped bit: %s\n", ZSTD_isError(ZSTD_decompress(restored, size, packed, packed_size)) ? "noticed" : "missed");
    free(packed);
    free(restored);
}

/* Compresses piece by piece; returns the size of what `packed` then holds. */
static size_t pack_stream(const unsigned char *plain, size_t size, unsigned char *packed, size_t bound) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    good(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, STREAM_LEVEL), "level");
    ZSTD_outBuffer out = {packed, bound, 0};
    for (size_t at = 0; at < size; at += CHUNK) {
        size_t piece = size - at < CHUNK ? size - at : CHUNK;
        ZSTD_inBuffer in = {plain + at, piece, 0};
        ZSTD_EndDirective directive = at + piece == size ? ZSTD_e_end : ZSTD_e_continue;
        while (good(ZSTD_compressStream2(context, &out, &in, directive), "stream") != 0 && directive == ZSTD_e_end)
            continue;
        if (in.pos != in.size)
            fail("stream", "input is left over");
    }
    ZSTD_freeCCtx(context);
    return out.pos;
}

/* Decompresses piece by piece; returns the size and sets the checksum. */
static size_t unpack_stream(const unsigned char *packed, size_t size, uint32_t *sum) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    static unsigned char buffer[CHUNK];
    ZSTD_inBuffer in = {packed, size, 0};
    size_t total = 0, left = 1;
    *sum = 0;
    while (left != 0) {
        ZSTD_outBuffer out = {buffer, sizeof buffer, 0};
        left = good(ZSTD_decompressStream(context, &out, &in), "unpack");
        *sum = *sum * 31 + checksum(buffer, out.pos);
        total += out.pos;
        if (left != 0 && out.pos == 0 && in.pos == in.size)
            fail("unpack", "the stream is cut short");
    }
    ZSTD_freeDCtx(context);
    return total;
}

static void by_stream(const unsigned char *plain, size_t size) {
    size_t bound = ZSTD_compressBound(size);
    unsigned char *packed = allocate(bound);
    size_t packed_size = pack_stream(plain, size, packed, bound);
    report("stream", STREAM_LEVEL, size, packed_size, checksum(packed, packed_size));
    uint32_t sum;
    size_t restored = unpack_stream(packed, packed_size, &sum);
    printf("restored %zu bytes, checksum %08x\n", restored, sum);
    free(packed);
}

int main(int argc, char **argv) {
    int level = argc > 1 ? atoi(argv[1]) : 3;
    long mebibytes = argc > 2 ? strtol(argv[2], NULL, 10) : 16;
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel() || mebibytes < 1 || mebibytes > 256) {
        fprintf(stderr, "usage: zstd [LEVEL [MEBIBYTES]]\n");
        return 2;
    }
    size_t size = (size_t)mebibytes * MEBIBYTE;
    unsigned char *plain = allocate(size);
    invent_words();
    write_prose(plain, size);
    printf("Zstandard %s, %zu bytes, checksum %08x\n", ZSTD_versionString(), size, checksum(plain, size));
    printf("%.60s\n", (const char *)plain);
    in_one_call(plain, size, level);
    by_stream(plain, size / STREAM_PART);
    free(plain);
    return 0;
}

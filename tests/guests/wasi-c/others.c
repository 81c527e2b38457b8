/* Streams, arguments, environment, clocks, random numbers, polling. */

#include "test.h"
#include <poll.h>
#include <sched.h>
#include <sys/time.h>
#include <time.h>

static uint64_t now_of(int clock) {
    __wasi_timestamp_t now;
    OK(__wasi_clock_time_get(clock, 1, &now));
    return now;
}

/* Standard input as the test gives it: "typed in", then the end, again and again. */
static void standard_input(void) {
    char text[16];
    EQ(read(0, text, 5), 5);
    BYTES(text, "typed", 5);
    EQ(read(0, text, 16), 3);
    EQ(read(0, text, 16), 0);
    EQ(read(0, text, 16), 0);
}

/* Streams are one-way: EBADF against it. */
static void streams_are_one_way(void) {
    char byte;
    size_t count;
    EQ(write_raw(0, "x"), EBADF);
    EQ(read_raw(1, &byte, 1, &count), EBADF);
    EQ(read_raw(2, &byte, 1, &count), EBADF);
}

/* What is printed arrives, and the host looks for the file that the print asks for. */
static void standard_output(void) {
    OK(setvbuf(stdout, NULL, _IONBF, 0));
    EQ(write(1, "host file ", 10), 10);
    printf("digits %s\n", "0123456789");
}

/* isatty: neither files nor streams in memory are terminals. POSIX: "[ENOTTY]". */
static void terminals(void) {
    int fd = open("/digits", O_RDWR);
    for (int i = 0; i < 3; i++)
        EQ(isatty(i), 0);
    EQ(isatty(fd), 0);
    EQ(errno, ENOTTY);
    EQ(isatty(ROOT), 0);
    errno = 0;
    EQ(isatty(999), 0);
    EQ(errno, EBADF);
}

/* args_get: the program's name, the case's, and what the test adds. */
static void arguments(void) {
    __wasi_size_t count, size;
    OK(__wasi_args_sizes_get(&count, &size));
    EQ(count, 5);
    uint8_t *list[8], text[128];
    TRUE(size < sizeof text);
    OK(__wasi_args_get(list, text));
    EQ(strcmp((char *)list[0], "wasi-c"), 0);
    EQ(strcmp((char *)list[2], ""), 0);
    EQ(strcmp((char *)list[3], "two words"), 0);
    EQ(strcmp((char *)list[4], "na\xc3\xafve"), 0);
    EQ(list[0] - text, 0);
    EQ(list[4] + strlen((char *)list[4]) + 1 - text, size);
}

/* environ_get: names and values as the test set them, and nothing of the host's. */
static void environment(void) {
    EQ(strcmp(getenv("GREETING"), "hello = world"), 0);
    EQ(strcmp(getenv("EMPTY"), ""), 0);
    TRUE(getenv("PATH") == NULL);
    TRUE(getenv("HOME") == NULL);
    __wasi_size_t count, size;
    OK(__wasi_environ_sizes_get(&count, &size));
    EQ(count, 2);
    EQ(size, sizeof "GREETING=hello = world" + sizeof "EMPTY=");
}

/* clock_res_get: "Implementations are required to provide a non-zero value for supported clocks. For unsupported
   clocks, return `errno::inval`." */
static void resolutions(void) {
    __wasi_timestamp_t resolution = 0;
    for (int clock = 0; clock < 2; clock++) {
        OK(__wasi_clock_res_get(clock, &resolution));
        TRUE(resolution > 0 && resolution <= 1000000000);
    }
    EQ(__wasi_clock_res_get(4, &resolution), EINVAL);
    EQ(__wasi_clock_res_get(-1, &resolution), EINVAL);
    EQ(__wasi_clock_time_get(77, 0, &resolution), EINVAL);
}

/* clockid `monotonic`: "a clock [...] whose absolute value has no meaning" and that never goes back. */
static void monotonic_clock(void) {
    uint64_t last = now_of(1);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = now_of(1);
        TRUE(now >= last);
        last = now;
    }
}

/* clockid `realtime`: "Time value zero corresponds with 1970-01-01T00:00:00Z." */
static void clock_of_the_day(void) {
    struct timeval day;
    OK(gettimeofday(&day, NULL));
    TRUE(day.tv_sec > 1700000000);
    uint64_t a = now_of(0);
    TRUE(a / 1000000000 - day.tv_sec < 60);
    TRUE(time(NULL) >= day.tv_sec);
}

/* Processor time passes while the guest works. */
static void processor_time(void) {
    uint64_t before = now_of(2), i = 0;
    volatile uint64_t sum = 0;
    while (now_of(2) == before && i < 100000000)
        sum += i++;
    TRUE(now_of(2) > before);
    TRUE(now_of(3) > 0);
}

/* random_get: no two draws alike, no byte left out, none beyond the end. */
static void random_bytes(void) {
    uint8_t a[64] = {0}, b[64] = {0};
    OK(__wasi_random_get(a, 60));
    OK(__wasi_random_get(b, 60));
    TRUE(memcmp(a, b, 60) != 0);
    BYTES(a + 60, "\0\0\0\0", 4);
    OK(__wasi_random_get(a, 0));
}

/* A buffer larger than any one request of a host's. */
static void many_random_bytes(void) {
    size_t size = 3 << 20, counts[256] = {0};
    uint8_t *bytes = calloc(size, 1);
    OK(__wasi_random_get(bytes, size));
    for (size_t i = 0; i < size; i++)
        counts[bytes[i]]++;
    for (int i = 0; i < 256; i++)
        TRUE(counts[i] > 11000 && counts[i] < 13600);
}

static __wasi_subscription_t timer(uint64_t userdata, int clock, uint64_t timeout, int flags) {
    __wasi_subscription_t wish = {0};
    wish.userdata = userdata;
    wish.u.tag = __WASI_EVENTTYPE_CLOCK;
    wish.u.u.clock.id = clock;
    wish.u.u.clock.timeout = timeout;
    wish.u.u.clock.flags = flags;
    return wish;
}

/* subclockflags without `subscription_clock_abstime`: the timeout counts from now. */
static void sleeping(void) {
    uint64_t before = now_of(1);
    struct timespec nap = {0, 20000000};
    OK(nanosleep(&nap, NULL));
    uint64_t took = now_of(1) - before;
    TRUE(took >= 20000000 && took < 5000000000);
}

/* subclockflags `subscription_clock_abstime`: "treat the timestamp [...] as an absolute timestamp of clock". */
static void sleeping_until(void) {
    for (int clock = 0; clock < 2; clock++) {
        uint64_t until = now_of(clock) + 15000000;
        __wasi_subscription_t wish = timer(9, clock, until, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
        __wasi_event_t event;
        __wasi_size_t count;
        OK(__wasi_poll_oneoff(&wish, &event, 1, &count));
        EQ(count, 1);
        EQ(event.userdata, 9);
        EQ(event.error, 0);
        EQ(event.type, __WASI_EVENTTYPE_CLOCK);
        TRUE(now_of(clock) >= until);
    }
}

/* A time that has passed happens at once. */
static void sleeping_until_long_ago(void) {
    __wasi_subscription_t wish = timer(1, 0, 1, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
    __wasi_event_t event;
    __wasi_size_t count;
    uint64_t before = now_of(1);
    OK(__wasi_poll_oneoff(&wish, &event, 1, &count));
    EQ(count, 1);
    TRUE(now_of(1) - before < 2000000000);
}

/* Of two timers the earlier one happens. */
static void the_earlier_timer(void) {
    __wasi_subscription_t wishes[] = {timer(1, 1, 60000000000, 0), timer(2, 1, 5000000, 0)};
    __wasi_event_t events[2];
    __wasi_size_t count;
    OK(__wasi_poll_oneoff(wishes, events, 2, &count));
    EQ(count, 1);
    EQ(events[0].userdata, 2);
}

/* poll_oneoff: "If `nsubscriptions` is 0, returns `errno::inval`." */
static void polling_for_nothing(void) {
    __wasi_subscription_t wish = timer(1, 1, 1, 0);
    __wasi_event_t event;
    __wasi_size_t count;
    EQ(__wasi_poll_oneoff(&wish, &event, 0, &count), EINVAL);
}

/* Regular files are always ready, POSIX poll says. */
static void polling_files(void) {
    int fd = open("/digits", O_RDWR);
    struct pollfd wishes[] = {{fd, POLLIN, 0}, {fd, POLLOUT, 0}};
    EQ(poll(wishes, 2, 1000), 2);
    TRUE(wishes[0].revents & POLLIN);
    TRUE(wishes[1].revents & POLLOUT);
}

/* Standard streams: there is something to read, and room to write. */
static void polling_standard_streams(void) {
    struct pollfd wishes[] = {{0, POLLIN, 0}, {1, POLLOUT, 0}, {2, POLLOUT, 0}};
    EQ(poll(wishes, 3, 1000), 3);
    TRUE(wishes[0].revents & POLLIN);
    TRUE(wishes[1].revents & POLLOUT);
    TRUE(wishes[2].revents & POLLOUT);
}

/* sched_yield: "Temporarily yield execution of the calling thread." */
static void yielding(void) {
    for (int i = 0; i < 100; i++)
        OK(sched_yield());
}

const struct test_case other_cases[] = {
    CASE(standard_input), CASE(streams_are_one_way), CASE(standard_output), CASE(terminals), CASE(arguments),
    CASE(environment), CASE(resolutions), CASE(monotonic_clock), CASE(clock_of_the_day), CASE(processor_time),
    CASE(random_bytes), CASE(many_random_bytes), CASE(sleeping), CASE(sleeping_until), CASE(sleeping_until_long_ago),
    CASE(the_earlier_timer), CASE(polling_for_nothing), CASE(polling_files), CASE(polling_standard_streams),
    CASE(yielding), {0, 0}};

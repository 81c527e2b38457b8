// A guest of examples/threads.rs: counts the primes in a range. The counter of
// calls is the guest's own: every instance has one.

static int calls;

static int is_prime(unsigned n) {
    for (unsigned d = 2; d * d <= n; d++)
        if (n % d == 0)
            return 0;
    return n >= 2;
}

__attribute__((export_name("count"))) int count(unsigned from, unsigned to) {
    int found = 0;
    for (unsigned n = from; n < to; n++)
        found += is_prime(n);
    calls++;
    return found;
}

__attribute__((export_name("calls"))) int number_of_calls(void) {
    return calls;
}

/*
 * C++ exceptions as compilers make them: through frames with destructors, out of
 * constructors, through virtual calls and std::function, caught by value, by
 * base and by `...`, thrown again, nested, kept and thrown later. Each part
 * prints a line or a few; what destructors did is part of the output.
 *
 * Usage: cpp-throw [ROUNDS]; ROUNDS is how much the last part does.
 *        cpp-throw uncaught: throws what nobody catches.
 *
 * Only what this file throws itself is caught: the C++ library for WASI is built
 * without exceptions and ends the program where it would throw.
 */

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

/* What happened since the last line, in one string. */
std::string trace;

void note(const std::string &what) {
    if (!trace.empty())
        trace += ' ';
    trace += what;
}

void line(const char *part) {
    std::printf("%s: %s\n", part, trace.c_str());
    trace.clear();
}

/* Notes its end, and whether an exception was on its way. */
class Guard {
public:
    explicit Guard(std::string name) : name_(std::move(name)) {}
    Guard(const Guard &) = delete;
    ~Guard() { note("~" + name_ + (std::uncaught_exceptions() ? "!" : "")); }

private:
    std::string name_;
};

struct Failure : std::exception {
    explicit Failure(std::string text) : text(std::move(text)) {}
    const char *what() const noexcept override { return text.c_str(); }
    std::string text;
};

struct NotFound : Failure {
    NotFound(std::string text, int where) : Failure(std::move(text)), where(where) {}
    int where;
};

/* A second base, so that the handler's pointer is not the object's. */
struct Tagged {
    virtual ~Tagged() = default;
    int64_t tag = 77;
};

struct Both : Failure, Tagged {
    Both() : Failure("both") {}
};

/* Recursion with a guard in each frame. */
[[gnu::noinline]] int descend(int depth) {
    Guard guard("g" + std::to_string(depth));
    if (depth == 0)
        throw NotFound("bottom", 4711);
    return descend(depth - 1) + 1;
}

void through_frames() {
    try {
        Guard outer("outer");
        note("got " + std::to_string(descend(4)));
    } catch (const NotFound &error) {
        note(std::string(error.what()) + " " + std::to_string(error.where));
    }
    line("frames");
}

[[gnu::noinline]] void throw_kind(int kind) {
    Guard guard("k");
    switch (kind) {
    case 0: throw 42;
    case 1: throw "text";
    case 2: throw 2.5;
    case 3: throw NotFound("missing", 3);
    case 4: throw Both();
    case 5: throw std::string("a string that is too long to lie inside of its object");
    case 6: throw static_cast<const Failure *>(nullptr);
    case 7: throw int64_t{1} << 40;
    default: note("nothing");
    }
}

/* The first handler that fits is taken: by type, by base, by anything. */
void kinds() {
    for (int kind = 0; kind <= 8; kind++) {
        try {
            throw_kind(kind);
        } catch (int number) {
            note("int " + std::to_string(number));
        } catch (const char *text) {
            note(std::string("char* ") + text);
        } catch (double number) {
            note("double " + std::to_string(number));
        } catch (const Tagged &tagged) {
            note("Tagged " + std::to_string(tagged.tag));
        } catch (const Failure &failure) {
            note(std::string("Failure ") + failure.what());
        } catch (const std::string &text) {
            note("string of " + std::to_string(text.size()));
        } catch (const Failure *pointer) {
            note(pointer ? "pointer" : "null pointer");
        } catch (...) {
            note("...");
        }
    }
    line("kinds");
}

[[gnu::noinline]] void middle(bool again) {
    Guard guard("middle");
    try {
        descend(1);
    } catch (Failure &failure) {
        failure.text += ", seen";
        Guard inside("handler");
        if (again)
            throw; // the same object goes on, with its dynamic type
        throw Failure("another after " + failure.text);
    }
}

void again() {
    for (bool same : {true, false}) {
        try {
            middle(same);
        } catch (const NotFound &error) {
            note(std::string("NotFound ") + error.what() + " " + std::to_string(error.where));
        } catch (const std::exception &error) {
            note(std::string("exception ") + error.what());
        }
    }
    line("again");
}

/* Exceptions that live while others come and go. */
int nested(int depth) {
    if (depth == 0)
        throw depth;
    try {
        return nested(depth - 1);
    } catch (int caught) {
        int extra = 0;
        try {
            Guard guard("n" + std::to_string(depth));
            throw Failure(std::to_string(depth));
        } catch (const Failure &failure) {
            extra = std::atoi(failure.what());
        }
        note("in flight " + std::to_string(std::uncaught_exceptions()));
        throw caught + extra;
    }
}

void nesting() {
    try {
        nested(5);
    } catch (int sum) {
        note("sum " + std::to_string(sum));
    }
    line("nested");
}

/* A constructor that fails: what was built is taken down, what was not is not. */
struct Part {
    explicit Part(int number) : guard("part" + std::to_string(number)) {
        if (number == 3)
            throw Failure("part 3");
    }
    Guard guard;
};

struct Whole {
    Guard first{"first"};
    Part one{1};
    std::unique_ptr<Part> two = std::make_unique<Part>(2);
    Part three;
    Guard last{"last"};
    explicit Whole(int number) try : three(number) {
        note("whole");
    } catch (const Failure &failure) {
        note(std::string("function-try ") + failure.what());
        // leaving this handler throws again
    }
    ~Whole() { note("~whole"); }
};

void constructors() {
    for (int number : {4, 3}) {
        try {
            auto whole = std::make_unique<Whole>(number);
        } catch (const std::exception &error) {
            note(std::string("caught ") + error.what());
        }
        line(number == 4 ? "built" : "not built");
    }
    try {
        auto parts = new Part[3]{Part(1), Part(2), Part(3)};
        delete[] parts;
    } catch (const Failure &failure) {
        note(failure.what());
    }
    line("array");
}

struct Visitor {
    virtual ~Visitor() = default;
    virtual int visit(int value) = 0;
};

struct Picky : Visitor {
    int visit(int value) override {
        Guard guard("visit");
        if (value % 3 == 0)
            throw NotFound("virtual", value);
        return value * 2;
    }
};

int each(const std::vector<int> &values, const std::function<int(int)> &apply) {
    Guard guard("each");
    int sum = 0;
    for (int value : values)
        sum += apply(value);
    return sum;
}

void callbacks() {
    std::unique_ptr<Visitor> visitor = std::make_unique<Picky>();
    auto call = [&](int value) { return visitor->visit(value); };
    for (const std::vector<int> &values : {std::vector{1, 2, 4}, std::vector{5, 6, 7}}) {
        try {
            note("sum " + std::to_string(each(values, call)));
        } catch (const NotFound &error) {
            note("at " + std::to_string(error.where));
        }
    }
    line("callbacks");
}

int compare(const void *left, const void *right) {
    int a = *static_cast<const int *>(left), b = *static_cast<const int *>(right);
    if (a == 13 || b == 13)
        throw Failure("13 has no place");
    return (a > b) - (a < b);
}

/* Out of the C library: its frames have nothing to clean up. */
void through_c() {
    int numbers[] = {5, 3, 9, 1, 13, 7};
    std::qsort(numbers, 4, sizeof *numbers, compare);
    note(std::to_string(numbers[0]) + ".." + std::to_string(numbers[3]));
    try {
        std::qsort(numbers, 6, sizeof *numbers, compare);
        note("sorted");
    } catch (const Failure &failure) {
        note(failure.what());
    }
    line("qsort");
}

/* `exception_ptr`: caught here, thrown again elsewhere, more than once. */
void kept() {
    std::exception_ptr pointer;
    try {
        descend(1);
    } catch (...) {
        pointer = std::current_exception();
    }
    for (int round = 0; round < 2; round++) {
        try {
            std::rethrow_exception(pointer);
        } catch (const NotFound &error) {
            note("kept " + std::to_string(error.where));
        }
    }
    line("kept");
}

/* A destructor that throws and catches while an exception is on its way. */
struct Busy {
    ~Busy() {
        try {
            throw_kind(0);
        } catch (int number) {
            note("busy " + std::to_string(number));
        }
    }
};

void in_destructors() {
    try {
        Busy busy;
        throw Failure("outer");
    } catch (const Failure &failure) {
        note(failure.what());
    }
    line("destructors");
}

/* Values that live across calls that may throw must be right in the handler. */
[[gnu::noinline]] double live(int seed) {
    int64_t a = seed * 3, b = seed ^ 0x55;
    double x = seed / 7.0, y = 1.0 / (seed + 1);
    float f = static_cast<float>(seed) * 0.5f;
    for (int i = 0; i < 8; i++) {
        try {
            a += i;
            if ((seed + i) % 3 == 0)
                throw_kind(static_cast<int>(b % 3));
            b += a;
            x += y;
        } catch (int number) {
            a ^= number;
            y += x;
        } catch (const char *text) {
            b += static_cast<int64_t>(std::strlen(text));
            f += 1.5f;
        } catch (double number) {
            x -= number;
        }
    }
    return static_cast<double>(a + b) + x + y + f;
}

void many(int rounds) {
    double sum = 0;
    for (int round = 0; round < rounds; round++) {
        sum += live(round);
        trace.clear();
    }
    note(std::to_string(sum));
    line("live");
    uint64_t hash = 1469598103934665603u;
    for (int round = 0; round < rounds; round++) {
        try {
            descend(round % 12);
        } catch (const NotFound &) {
            for (char c : trace)
                hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
        }
        trace.clear();
    }
    std::printf("many: %016llx\n", static_cast<unsigned long long>(hash));
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::strcmp(argv[1], "uncaught") == 0) {
        std::printf("nobody catches this\n");
        std::fflush(stdout);
        descend(2);
    }
    through_frames();
    kinds();
    again();
    nesting();
    constructors();
    callbacks();
    through_c();
    kept();
    in_destructors();
    many(argc > 1 ? std::atoi(argv[1]) : 2000);
    return 0;
}

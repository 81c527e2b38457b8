/*
 * A made-up shop in SQLite: fills a database with orders inside transactions,
 * indexes it, and asks it joins, aggregates, windows, recursion, and work on
 * text. Each answer is printed as a line with its number of rows, a checksum
 * over every value, and its first row; only integers and text leave SQLite, so
 * that the output does not depend on the target.
 *
 * Usage: sqlite [ORDERS [DATABASE]]; without DATABASE the shop is in memory.
 * A database file is closed, opened again and checked at the end.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

enum { DEFAULT_ORDERS = 150000, PRODUCTS = 400 };

static sqlite3 *db;

/* Ends the program if `result` is not what SQLite says when all is well. */
static void expect(int result, int wanted, const char *what) {
    if (result == wanted)
        return;
    fprintf(stderr, "sqlite: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no database");
    exit(1);
}

static void run(const char *sql) {
    expect(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
}

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *statement;
    expect(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, sql);
    return statement;
}

static void step_once(sqlite3_stmt *statement) {
    expect(sqlite3_step(statement), SQLITE_DONE, sqlite3_sql(statement));
    expect(sqlite3_reset(statement), SQLITE_OK, sqlite3_sql(statement));
}

/* ---- made-up data ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static unsigned below(unsigned limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 32) % limit);
}

static const char *const SYLLABLES[] = {"ka", "lo", "mi", "ren", "ta", "vos", "del", "shi", "on", "bra", "que", "fu"};
static const char *const CITIES[] = {"Aarhus", "Bergen", "Cork", "Delft", "Évora", "Faro", "Graz", "Hamar", "Ípiros"};
static const char *const WORDS[] = {"gift", "urgent", "fragile", "return", "wrapped", "standing order", "first", "paid"};

/* A name of two to four syllables, with a capital. */
static void make_name(char *out) {
    size_t length = 0;
    for (unsigned left = 2 + below(3); left; left--) {
        const char *syllable = SYLLABLES[below(12)];
        memcpy(out + length, syllable, strlen(syllable));
        length += strlen(syllable);
    }
    out[length] = '\0';
    out[0] = (char)(out[0] - 'a' + 'A');
}

/* One draw a statement: the order of arguments is the compiler's choice. */
static void make_note(char *out, size_t size) {
    const char *first = WORDS[below(8)];
    const char *second = WORDS[below(8)];
    snprintf(out, size, "%s, %s #%u", first, second, below(1000));
}

static void fill_customers(unsigned customers) {
    sqlite3_stmt *insert = prepare("INSERT INTO customer VALUES (?1, ?2, ?3, ?4)");
    for (unsigned id = 1; id <= customers; id++) {
        char name[32];
        make_name(name);
        sqlite3_bind_int(insert, 1, (int)id);
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 3, CITIES[below(9)], -1, SQLITE_STATIC);
        sqlite3_bind_int(insert, 4, (int)(1950 + below(55)));
        step_once(insert);
    }
    sqlite3_finalize(insert);
}

static void fill_products(void) {
    sqlite3_stmt *insert = prepare("INSERT INTO product VALUES (?1, ?2, ?3, ?4)");
    for (unsigned id = 1; id <= PRODUCTS; id++) {
        char name[32], kind[2] = {(char)('A' + below(16)), '\0'};
        make_name(name);
        sqlite3_bind_int(insert, 1, (int)id);
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 3, kind, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(insert, 4, (int)(99 + below(40000)));
        step_once(insert);
    }
    sqlite3_finalize(insert);
}

static void fill_orders(unsigned orders, unsigned customers) {
    sqlite3_stmt *insert = prepare("INSERT INTO purchase VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    for (unsigned id = 1; id <= orders; id++) {
        char note[64] = "";
        if (below(4) == 0)
            make_note(note, sizeof note);
        sqlite3_bind_int(insert, 1, (int)id);
        sqlite3_bind_int(insert, 2, (int)(1 + below(below(2) ? customers : 1 + customers / 10)));
        sqlite3_bind_int(insert, 3, (int)(1 + below(PRODUCTS)));
        sqlite3_bind_int(insert, 4, (int)(1 + below(9)));
        sqlite3_bind_int(insert, 5, (int)(below(730)));
        if (note[0])
            sqlite3_bind_text(insert, 6, note, -1, SQLITE_TRANSIENT);
        else
            sqlite3_bind_null(insert, 6);
        step_once(insert);
    }
    sqlite3_finalize(insert);
}

static void fill(unsigned orders) {
    unsigned customers = orders / 25 + 10;
    run("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, born INT);"
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, cents INT NOT NULL);"
        "CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INT NOT NULL, product INT NOT NULL,"
        "                       quantity INT NOT NULL, day INT NOT NULL, note TEXT);"
        "BEGIN");
    fill_customers(customers);
    fill_products();
    fill_orders(orders, customers);
    run("COMMIT;"
        "CREATE INDEX purchase_by_customer ON purchase (customer, day);"
        "CREATE INDEX purchase_by_day ON purchase (day);"
        "CREATE INDEX purchase_by_note ON purchase (note) WHERE note IS NOT NULL;"
        "ANALYZE");
}

/* ---- questions ---- */

/* FNV-1a over the bytes of a value and a separator. */
static uint64_t mix(uint64_t hash, const unsigned char *bytes) {
    for (; bytes && *bytes; bytes++)
        hash = (hash ^ *bytes) * 0x100000001b3u;
    return (hash ^ 0x1f) * 0x100000001b3u;
}

static void ask(const char *label, const char *sql) {
    sqlite3_stmt *statement = prepare(sql);
    uint64_t hash = 0xcbf29ce484222325u;
    unsigned rows = 0;
    char first[160] = "";
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int column = 0; column < sqlite3_column_count(statement); column++) {
            const unsigned char *value = sqlite3_column_text(statement, column);
            hash = mix(hash, value);
            size_t used = strlen(first);
            if (rows == 0)
                snprintf(first + used, sizeof first - used, "%s%s", column ? " | " : "", value ? (const char *)value : "NULL");
        }
        rows++;
    }
    expect(result, SQLITE_DONE, sql);
    sqlite3_finalize(statement);
    printf("%-22s %6u rows  %016llx  %s\n", label, rows, (unsigned long long)hash, first);
}

static void ask_joins(void) {
    ask("turnover by kind",
        "SELECT kind, count(*), sum(quantity * cents), max(quantity * cents) FROM purchase"
        " JOIN product ON product.id = purchase.product WHERE day % 3 = 0 GROUP BY kind ORDER BY 3 DESC");
    ask("best customers",
        "SELECT c.name, c.city, sum(p.quantity * r.cents) AS spent FROM customer c"
        " JOIN purchase p ON p.customer = c.id JOIN product r ON r.id = p.product"
        " WHERE p.day >= 500 GROUP BY c.id ORDER BY spent DESC, c.id LIMIT 50");
    ask("days of a city",
        "SELECT day, count(DISTINCT customer), sum(quantity) FROM purchase"
        " WHERE customer IN (SELECT id FROM customer WHERE city = 'Évora') GROUP BY day ORDER BY day");
    ask("never ordered",
        "SELECT c.id, c.name FROM customer c LEFT JOIN purchase p ON p.customer = c.id AND p.day > 700"
        " WHERE p.id IS NULL ORDER BY c.name, c.id");
}

static void ask_windows(void) {
    ask("running total",
        "SELECT day, sum(sold) OVER (ORDER BY day), rank() OVER (ORDER BY sold DESC, day) FROM"
        " (SELECT day, sum(quantity) AS sold FROM purchase GROUP BY day) ORDER BY day");
    ask("gaps of one customer",
        "SELECT max(gap), count(*) FROM (SELECT day - lag(day) OVER (PARTITION BY customer ORDER BY day, id) AS gap"
        " FROM purchase WHERE customer < 200) WHERE gap > 20");
    ask("recursion",
        "WITH RECURSIVE collatz(start, n, steps) AS (SELECT value, value, 0 FROM"
        " (WITH RECURSIVE s(value) AS (VALUES (1) UNION ALL SELECT value + 1 FROM s WHERE value < 400) SELECT value FROM s)"
        " UNION ALL SELECT start, CASE WHEN n % 2 THEN 3 * n + 1 ELSE n / 2 END, steps + 1 FROM collatz WHERE n > 1)"
        " SELECT start, max(steps) FROM collatz GROUP BY start ORDER BY 2 DESC, 1 LIMIT 10");
}

static void ask_texts(void) {
    ask("notes by word",
        "SELECT substr(note, 1, instr(note, ',') - 1) AS word, count(*), min(note), max(length(note)) FROM purchase"
        " WHERE note LIKE '%fragile%' OR note GLOB 'g*#*7' GROUP BY word ORDER BY 2 DESC, 1");
    ask("shouted and replaced",
        "SELECT upper(replace(note, 'order', 'command')) AS t, hex(substr(note, -3)) FROM purchase"
        " WHERE note >= 'r' AND note < 's' ORDER BY t, id LIMIT 2000");
    ask("names by vowels",
        "SELECT length(name) - length(replace(replace(lower(name), 'a', ''), 'o', '')) AS vowels, count(*),"
        " group_concat(DISTINCT substr(name, 1, 2)) FROM (SELECT name FROM customer ORDER BY name, id)"
        " GROUP BY vowels ORDER BY vowels");
    ask("formatted",
        "SELECT printf('%05d/%-8s/%x/%.2f', id, trim(name, 'Kk'), cents, cents / 100.0) FROM product ORDER BY name, id");
    ask("dates",
        "SELECT strftime('%Y-%m', '2024-01-01', day || ' days') AS month, count(*), sum(quantity) FROM purchase"
        " WHERE id % 5 = 0 GROUP BY month ORDER BY month");
    ask("json",
        "SELECT json_group_array(json_object('kind', kind, 'cents', total)) FROM"
        " (SELECT kind, sum(cents) AS total FROM product GROUP BY kind ORDER BY kind)");
}

static void change(void) {
    run("BEGIN;"
        "UPDATE purchase SET quantity = quantity + 1, note = coalesce(note, '') || '!' WHERE day % 29 = 3;"
        "DELETE FROM purchase WHERE product IN (SELECT id FROM product WHERE kind = 'C') AND day < 200;"
        "INSERT INTO customer SELECT id + 1000000, name || ' II', city, born + 30 FROM customer WHERE born < 1955;"
        "COMMIT");
    printf("%d inserted by the last statement\n", sqlite3_changes(db));
    run("BEGIN; DELETE FROM purchase WHERE day BETWEEN 10 AND 30; ROLLBACK");
    ask("after the changes", "SELECT count(*), sum(quantity), count(note), sum(length(note)) FROM purchase");
    ask("customers", "SELECT count(*), min(name), max(name) FROM customer");
}

/* ---- the program ---- */

static void open_database(const char *path) {
    expect(sqlite3_open(path, &db), SQLITE_OK, path);
}

static void close_database(void) {
    expect(sqlite3_close(db), SQLITE_OK, "close");
    db = NULL;
}

int main(int argc, char **argv) {
    long orders = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_ORDERS;
    const char *path = argc > 2 ? argv[2] : ":memory:";
    if (orders < 1 || orders > 10000000) {
        fprintf(stderr, "usage: sqlite [ORDERS [DATABASE]]\n");
        return 2;
    }
    printf("SQLite %s, %ld orders\n", sqlite3_libversion(), orders);
    open_database(path);
    fill((unsigned)orders);
    ask_joins();
    ask_windows();
    ask_texts();
    change();
    if (argc > 2) {
        run("VACUUM");
        close_database();
        open_database(path);
        ask("whole", "PRAGMA integrity_check");
        ask("opened again", "SELECT count(*), sum(id), sum(quantity) FROM purchase");
    }
    ask("integrity", "PRAGMA quick_check(customer)");
    close_database();
    return 0;
}

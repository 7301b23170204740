#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "stack/base/rand.h"
#include "stack/base/ranges.h"

static struct ranges s;

/* "0-5 8-9" relative to base. */
static void expect(uint32_t base, const char *want) {
    char text[512] = "";
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < s.n; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%s%u-%u", i ? " " : "", s.r[i].lo.v - base,
                 s.r[i].hi.v - base);
        bytes += s.r[i].hi.v - s.r[i].lo.v;
    }
    cr_assert_str_eq(text, want);
    cr_assert_eq(s.bytes, bytes);
}

static int64_t add(uint32_t base, uint32_t lo, uint32_t hi) {
    return ranges_add(&s, seq(base + lo), seq(base + hi));
}

Test(ranges, unites_what_overlaps_or_touches) {
    static const uint32_t bases[] = {0, 1000, 0xfffffff0u, 0x7ffffff0u};
    for (int i = 0; i < 4; i++) {
        uint32_t b = bases[i];
        ranges_clear(&s);
        cr_assert_eq(add(b, 10, 20), 10);
        cr_assert_eq(add(b, 30, 40), 10);
        cr_assert_eq(add(b, 50, 60), 10);
        expect(b, "10-20 30-40 50-60");
        cr_assert_eq(add(b, 12, 18), 0);
        cr_assert_eq(add(b, 10, 20), 0);
        cr_assert_eq(add(b, 20, 22), 2);
        cr_assert_eq(add(b, 28, 30), 2);
        expect(b, "10-22 28-40 50-60");
        cr_assert_eq(add(b, 0, 5), 5);
        cr_assert_eq(add(b, 24, 26), 2);
        expect(b, "0-5 10-22 24-26 28-40 50-60");
        cr_assert_eq(add(b, 4, 55), 5 + 2 + 2 + 10);
        expect(b, "0-60");
        cr_assert_eq(add(b, 60, 60), 0);
        cr_assert_eq(add(b, 70, 65), 0, "backwards is nothing");
        expect(b, "0-60");
    }
}

Test(ranges, full_refuses_a_new_one_but_still_extends_and_joins) {
    ranges_clear(&s);
    for (uint32_t i = 0; i < RANGES_MAX; i++)
        cr_assert_eq(add(0, 10 * i, 10 * i + 5), 5);
    struct ranges before = s;
    cr_assert_eq(add(0, 7, 8), -1);
    cr_assert_eq(add(0, 100000, 100001), -1);
    cr_assert_eq(memcmp(&before, &s, sizeof(s)), 0);
    cr_assert_eq(add(0, 5, 6), 1);
    cr_assert_eq(add(0, 6, 10), 4);
    cr_assert_eq(s.n, RANGES_MAX - 1);
    cr_assert_eq(add(0, 100000, 100001), 1);
}

Test(ranges, trims) {
    uint32_t b = 0xffffffe0u;
    ranges_clear(&s);
    add(b, 10, 20), add(b, 30, 40), add(b, 50, 60);
    ranges_trim_below(&s, seq(b + 10));
    expect(b, "10-20 30-40 50-60");
    ranges_trim_below(&s, seq(b + 15));
    expect(b, "15-20 30-40 50-60");
    ranges_trim_below(&s, seq(b + 30));
    expect(b, "30-40 50-60");
    ranges_trim_above(&s, seq(b + 60));
    expect(b, "30-40 50-60");
    ranges_trim_above(&s, seq(b + 55));
    expect(b, "30-40 50-55");
    ranges_trim_above(&s, seq(b + 45));
    expect(b, "30-40");
    ranges_trim_below(&s, seq(b + 100));
    expect(b, "");
    ranges_trim_above(&s, seq(b));
    expect(b, "");
}

Test(ranges, look_ups) {
    ranges_clear(&s);
    cr_assert_null(ranges_find(&s, seq(0)));
    cr_assert_null(ranges_at_or_after(&s, seq(0)));
    add(0, 10, 20), add(0, 30, 40);
    cr_assert_null(ranges_find(&s, seq(9)));
    cr_assert_eq(ranges_find(&s, seq(10)), &s.r[0]);
    cr_assert_eq(ranges_find(&s, seq(19)), &s.r[0]);
    cr_assert_null(ranges_find(&s, seq(20)));
    cr_assert_eq(ranges_at_or_after(&s, seq(0)), &s.r[0]);
    cr_assert_eq(ranges_at_or_after(&s, seq(20)), &s.r[1]);
    cr_assert_eq(ranges_at_or_after(&s, seq(39)), &s.r[1]);
    cr_assert_null(ranges_at_or_after(&s, seq(40)));
    cr_assert(ranges_contains(&s, seq(10), seq(20)));
    cr_assert(!ranges_contains(&s, seq(10), seq(21)));
    cr_assert(!ranges_contains(&s, seq(15), seq(35)));
    cr_assert_eq(ranges_bytes_in(&s, seq(0), seq(100)), 20);
    cr_assert_eq(ranges_bytes_in(&s, seq(15), seq(35)), 10);
    cr_assert_eq(ranges_bytes_in(&s, seq(20), seq(30)), 0);
    cr_assert_eq(ranges_bytes_in(&s, seq(12), seq(13)), 1);
}

Test(ranges, agrees_with_a_bitmap) {
    enum { SPAN = 300 };
    struct rand r;
    rand_init(&r, (const uint8_t[16]){4});
    for (int round = 0; round < 200; round++) {
        uint32_t base = (uint32_t)rand_u64(&r);
        bool bit[SPAN] = {false};
        ranges_clear(&s);
        for (int op = 0; op < 60; op++) {
            uint32_t lo = rand_below(&r, SPAN), hi = lo + rand_below(&r, 20);
            hi = hi < SPAN ? hi : SPAN;
            int64_t fresh = 0;
            for (uint32_t i = lo; i < hi; i++) {
                fresh += !bit[i];
                bit[i] = true;
            }
            cr_assert_eq(add(base, lo, hi), fresh);
            if (op == 30) {
                ranges_trim_below(&s, seq(base + lo));
                ranges_trim_above(&s, seq(base + lo + 150));
                for (uint32_t i = 0; i < SPAN; i++)
                    bit[i] &= i >= lo && i < lo + 150;
            }
        }
        uint32_t total = 0;
        for (uint32_t i = 0; i < SPAN; i++) {
            cr_assert_eq(ranges_find(&s, seq(base + i)) != NULL, bit[i]);
            total += bit[i];
        }
        cr_assert_eq(s.bytes, total);
        cr_assert_eq(ranges_bytes_in(&s, seq(base), seq(base + SPAN)), total);
    }
}

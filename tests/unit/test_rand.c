#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/rand.h"

/* Vectors of the reference: key 00..0f, message 00..len-1. */
Test(rand, siphash_vectors) {
    static const struct {
        size_t len;
        uint64_t want;
    } v[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
             {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}, {63, 0x958a324ceb064572}};
    struct siphash_key key;
    uint8_t bytes[64];
    for (int i = 0; i < 64; i++)
        bytes[i] = (uint8_t)i;
    memcpy(key.k, bytes, 16);
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
        cr_assert_eq(siphash(&key, bytes, v[i].len), v[i].want, "len %zu", v[i].len);
}

Test(rand, same_seed_same_numbers) {
    struct rand a, b, c;
    rand_init(&a, (const uint8_t[16]){1, 2, 3});
    rand_init(&b, (const uint8_t[16]){1, 2, 3});
    rand_init(&c, (const uint8_t[16]){1, 2, 4});
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = rand_u64(&a);
        cr_assert_eq(x, rand_u64(&b));
        same += x == rand_u64(&c);
    }
    cr_assert_eq(same, 0);
}

Test(rand, below_stays_below_and_reaches_all_alike) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){9});
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t x = rand_below(&r, 7);
        cr_assert_lt(x, 7);
        seen[x]++;
    }
    for (int i = 0; i < 7; i++)
        cr_assert(seen[i] > 9500 && seen[i] < 10500, "%d: %d", i, seen[i]);
    cr_assert_eq(rand_below(&r, 1), 0);
    for (int i = 0; i < 1000; i++)
        cr_assert_lt(rand_below(&r, 0x80000001u), 0x80000001u);
}

Test(rand, keys_differ) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){9});
    struct siphash_key a = rand_key(&r), b = rand_key(&r);
    cr_assert(a.k[0] != b.k[0] && a.k[1] != b.k[1] && a.k[0] != a.k[1]);
}

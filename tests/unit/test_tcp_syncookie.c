#include "tests/unit/tcp_unit.h"

#define A (&(const struct endpoint){US, 5000})
#define B (&(const struct endpoint){PEER, 40000})
#define C (&(const struct endpoint){PEER, 40001})

Test(tcp_syncookie, tells_the_mss_again) {
    struct stack *st = tu_stack();
    for (uint32_t i = 0; i < 4; i++) {
        seq_t k = syncookie_make(st, A, B, seq(0xfffffff0u), 7, i);
        cr_assert_eq(syncookie_check(st, A, B, seq(0xfffffff0u), k, 7), (int)i);
        cr_assert_eq(syncookie_check(st, A, B, seq(0xfffffff0u), k, 8), (int)i, "a minute later");
    }
    fx_free(st);
}

Test(tcp_syncookie, what_is_none_is_not_believed) {
    struct stack *st = tu_stack();
    seq_t k = syncookie_make(st, A, B, seq(1000), 7, 3);
    cr_assert_eq(syncookie_check(st, A, B, seq(1000), k, 9), -1, "too old");
    cr_assert_eq(syncookie_check(st, A, B, seq(1000), k, 6), -1, "from the future");
    cr_assert_eq(syncookie_check(st, A, C, seq(1000), k, 7), -1, "for another port");
    cr_assert_eq(syncookie_check(st, A, B, seq(1000), seq_add(k, 99), 7), -1);
    uint32_t believed = 0; /* by guessing: 4 of 2^24 in each of two minutes of 256 */
    for (uint32_t i = 0; i < 200000; i++)
        believed += syncookie_check(st, A, B, seq(1000), seq(i * 21474u), 7) >= 0;
    cr_assert_leq(believed, 1);
    fx_free(st);
}

#include <criterion/criterion.h>

#include "stack/base/seq.h"

Test(seq, comparisons_go_round_the_end_of_the_number_space) {
    seq_t a = seq(0xfffffff0u), b = seq_add(a, 0x20);
    cr_assert_eq(b.v, 0x10u);
    cr_assert(seq_lt(a, b) && seq_le(a, b) && !seq_gt(a, b) && !seq_ge(a, b));
    cr_assert(seq_gt(b, a) && seq_ge(b, a));
    cr_assert_eq(seq_diff(b, a), 0x20);
    cr_assert_eq(seq_diff(a, b), -0x20);
    cr_assert_eq(seq_sub(b, 0x20).v, a.v);
}

Test(seq, equal_is_neither_before_nor_after) {
    seq_t a = seq(7);
    cr_assert(seq_eq(a, a) && seq_le(a, a) && seq_ge(a, a));
    cr_assert(!seq_lt(a, a) && !seq_gt(a, a));
}

Test(seq, order_holds_up_to_half_the_space) {
    seq_t a = seq(0x80000000u);
    cr_assert(seq_lt(a, seq_add(a, 0x7fffffffu)));
    cr_assert(seq_gt(a, seq_sub(a, 0x7fffffffu)));
}

Test(seq, min_and_max_across_the_wrap) {
    seq_t a = seq(0xffffffffu), b = seq(1);
    cr_assert(seq_eq(seq_max(a, b), b));
    cr_assert(seq_eq(seq_min(a, b), a));
}

Test(seq, in_is_half_open) {
    seq_t lo = seq(0xfffffffeu), hi = seq(2);
    cr_assert(seq_in(lo, lo, hi));
    cr_assert(seq_in(seq(0), lo, hi));
    cr_assert(!seq_in(hi, lo, hi));
    cr_assert(!seq_in(seq(0xfffffffdu), lo, hi));
    cr_assert(!seq_in(lo, lo, lo));
}

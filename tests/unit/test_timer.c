#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "stack/base/rand.h"
#include "stack/base/timer.h"

#define N 200

static struct timers ts;
static struct timer t[N];
static void *mem;

static void setup(void) {
    struct arena a;
    mem = calloc(1, 8192);
    arena_init(&a, mem, 8192);
    cr_assert(timers_init(&ts, &a, N));
    for (int i = 0; i < N; i++)
        timer_init(&t[i], TIMER_TCP_RTX);
}
static void teardown(void) {
    free(mem);
}
TestSuite(timer, .init = setup, .fini = teardown);

static void check_heap(void) {
    for (uint32_t i = 0; i < ts.n; i++) {
        cr_assert_eq(ts.heap[i]->slot, i + 1);
        cr_assert_leq(ts.heap[i]->armed_ns, ts.heap[i]->deadline_ns);
        if (i > 0)
            cr_assert_leq(ts.heap[(i - 1) / 2]->armed_ns, ts.heap[i]->armed_ns);
    }
}

Test(timer, expires_at_its_deadline_and_is_then_off) {
    cr_assert_eq(timers_next(&ts), TIME_NEVER);
    timer_set(&ts, &t[0], 100);
    cr_assert(timer_is_set(&t[0]));
    cr_assert_eq(timers_next(&ts), 100);
    cr_assert_null(timers_expire(&ts, 99));
    cr_assert_eq(timers_expire(&ts, 100), &t[0]);
    cr_assert(!timer_is_set(&t[0]));
    cr_assert_null(timers_expire(&ts, 1000));
    cr_assert_eq(timers_next(&ts), TIME_NEVER);
}

Test(timer, earlier_moves_at_once_and_later_when_it_would_have_expired) {
    timer_set(&ts, &t[0], 100);
    timer_set(&ts, &t[1], 150);
    timer_set(&ts, &t[0], 200);
    cr_assert_eq(timers_next(&ts), 100, "a lower bound");
    cr_assert_null(timers_expire(&ts, 120));
    cr_assert_eq(timers_next(&ts), 150);
    timer_set(&ts, &t[0], 130);
    cr_assert_eq(timers_next(&ts), 130);
    cr_assert_eq(timers_expire(&ts, 300), &t[0]);
    cr_assert_eq(timers_expire(&ts, 300), &t[1]);
}

Test(timer, set_earlier_never_delays) {
    timer_set_earlier(&ts, &t[0], 100);
    timer_set_earlier(&ts, &t[0], 200);
    cr_assert_eq(t[0].deadline_ns, 100);
    timer_set_earlier(&ts, &t[0], 50);
    cr_assert_eq(t[0].deadline_ns, 50);
}

Test(timer, stop) {
    timer_stop(&ts, &t[0]);
    timer_set(&ts, &t[0], 100);
    timer_set(&ts, &t[1], 110);
    timer_stop(&ts, &t[0]);
    timer_stop(&ts, &t[0]);
    cr_assert_eq(timers_next(&ts), 110);
    cr_assert_eq(timers_expire(&ts, 200), &t[1]);
    cr_assert_null(timers_expire(&ts, 200));
}

Test(timer, all_expire_in_order_whatever_was_done_to_them) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){3});
    for (int round = 0; round < 20000; round++) {
        struct timer *x = &t[rand_below(&r, N)];
        if (rand_below(&r, 4) == 0)
            timer_stop(&ts, x);
        else
            timer_set(&ts, x, 1 + rand_below(&r, 1000000));
        if (round % 64 == 0)
            check_heap();
    }
    uint64_t last = 0, expired = 0, armed = 0;
    for (int i = 0; i < N; i++)
        armed += timer_is_set(&t[i]);
    for (uint64_t now = 0; now <= 1000001; now += 500) {
        struct timer *x;
        while ((x = timers_expire(&ts, now)) != NULL) {
            expired++;
            cr_assert(!timer_is_set(x));
        }
        cr_assert_gt(timers_next(&ts), now);
        cr_assert_geq(timers_next(&ts), last);
        last = timers_next(&ts);
    }
    cr_assert_eq(expired, armed);
}

Test(timer, the_heap_can_be_made_anew_from_the_deadlines) {
    for (int i = 0; i < N; i += 2)
        timer_set(&ts, &t[i], (uint64_t)(1000 - i));
    ts.heap[0] = ts.heap[5]; /* as a process left it that died in the middle */
    timers_clear(&ts);
    for (int i = 0; i < N; i++)
        timers_readd(&ts, &t[i]);
    check_heap();
    cr_assert_eq(ts.n, N / 2);
    for (int i = N - 2; i >= 0; i -= 2)
        cr_assert_eq(timers_expire(&ts, 2000), &t[i]);
}

Test(timer, a_deadline_of_zero_is_a_mistake, .signal = SIGABRT) {
    timer_set(&ts, &t[0], 0);
}

/* A process dies between taking a timer off and dealing with it. */
Test(timer, clear_puts_back_what_was_handed_out_and_not_dealt_with) {
    timer_set(&ts, &t[0], 100);
    timer_set(&ts, &t[1], 101);
    cr_assert_eq(timers_expire(&ts, 100), &t[0]);
    timers_clear(&ts);
    timers_readd(&ts, &t[0]);
    timers_readd(&ts, &t[1]);
    cr_assert_eq(timers_expire(&ts, 100), &t[0]);
    timers_fired(&ts);
    cr_assert_eq(timers_expire(&ts, 200), &t[1]);
    timers_fired(&ts);
    timers_clear(&ts);
    cr_assert(!timer_is_set(&t[0]) && !timer_is_set(&t[1]));
}

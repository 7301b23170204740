#include "tests/unit/tcp_unit.h"

#define KEPT_MAX 64

static struct chunk *kept[KEPT_MAX];
static uint32_t n_kept;

/* Of all buffers, n pages are in use. */
static void hold(struct stack *st, uint32_t n) {
    while (n_kept < n)
        cr_assert_not_null(kept[n_kept++] = chunk_get(&st->chunks, 1));
    while (n_kept > n)
        chunk_unref(&st->chunks, kept[--n_kept]);
    cr_assert_eq(memory_pages(st), n);
    memory_update(st);
}

static struct stack *stack_of(uint32_t least, uint32_t pressure, uint32_t most) {
    struct stack *st = tu_stack();
    st->tcp->cfg.mem[0] = least;
    st->tcp->cfg.mem[1] = pressure;
    st->tcp->cfg.mem[2] = most;
    return st;
}

Test(tcp_memory, pressure_lasts_until_the_least_is_reached_again) {
    struct stack *st = stack_of(10, 20, 30);
    hold(st, 20);
    cr_assert_not(st->tcp->memory.pressure);
    hold(st, 21);
    cr_assert(st->tcp->memory.pressure);
    st->now_ns += 5 * MS_NS;
    hold(st, 11);
    cr_assert(st->tcp->memory.pressure);
    hold(st, 10);
    cr_assert_not(st->tcp->memory.pressure);
    cr_assert_eq(st->ctr.TcpExtTCPMemoryPressures, 1);
    cr_assert_eq(st->ctr.TcpExtTCPMemoryPressuresChrono, 5);
    hold(st, 0);
    fx_free(st);
}

Test(tcp_memory, nothing_grows_above_the_least) {
    struct stack *st = stack_of(10, 20, 30);
    hold(st, 10);
    cr_assert(memory_may_grow(st));
    hold(st, 11);
    cr_assert_not(memory_may_grow(st));
    hold(st, 0);
    fx_free(st);
}

Test(tcp_memory, under_pressure_each_gets_its_least_and_the_small_a_share) {
    struct stack *st = stack_of(10, 20, 30);
    struct tcb *t = tu_tcb(st);
    hold(st, 21);
    cr_assert(memory_may_receive(st, t));
    t->rcv.gap_true_size = st->tcp->cfg.rmem[MEM_LEAST];
    cr_assert(memory_may_receive(st, t), "thirty of these would fit");
    t->rcv.gap_true_size = 30 * MEMORY_PAGE;
    cr_assert_not(memory_may_receive(st, t));
    cr_assert(memory_may_send(st, t), "it has sent nothing");
    hold(st, 10);
    cr_assert(memory_may_receive(st, t));
    t->rcv.gap_true_size = 0;
    hold(st, 0);
    tu_end(st, t);
}

Test(tcp_memory, above_the_most_nobody_gets_more) {
    struct stack *st = stack_of(10, 20, 30);
    struct tcb *t = tu_tcb(st);
    hold(st, 31);
    cr_assert(memory_is_out(st));
    cr_assert_not(memory_may_receive(st, t));
    cr_assert_not(memory_may_send(st, t));
    hold(st, 0);
    tu_end(st, t);
}

Test(tcp_memory, the_pools_bound_it_too) {
    struct stack *st = stack_of(INT32_MAX, INT32_MAX, INT32_MAX);
    struct pool *small = &st->chunks.small;
    uint32_t all = small->max + st->chunks.large.max * (CHUNK_LARGE_SIZE / MEMORY_PAGE);
    cr_assert_gt(all, 2 * KEPT_MAX);
    uint32_t used = small->n_used;
    small->n_used = all * 2 / 3 + 1; /* as if; large ones would do */
    memory_update(st);
    cr_assert(st->tcp->memory.pressure);
    small->n_used = used;
    fx_free(st);
}

#include "stack/net/errq.h"
#include "tests/unit/stack_fixture.h"

static struct stack *with_pool(uint32_t max) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(errq_pool_init(st, max), 0);
    return st;
}

Test(errq, first_in_first_out) {
    struct stack *st = with_pool(8);
    struct errq q;
    errq_init(&q);
    cr_assert_null(errq_first(&q));
    for (uint32_t i = 0; i < 3; i++)
        errq_add(st, &q)->ee.ee_data = i;
    cr_assert_eq(errq_last(&q)->ee.ee_data, 2);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(errq_first(&q)->ee.ee_data, i);
        errq_drop_first(st, &q);
    }
    cr_assert_eq(q.n, 0);
    fx_free(st);
}

Test(errq, one_socket_cannot_take_all) {
    struct stack *st = with_pool(2 * ERRQ_MAX);
    struct errq q, other;
    errq_init(&q);
    errq_init(&other);
    for (uint32_t i = 0; i < ERRQ_MAX; i++)
        cr_assert_not_null(errq_add(st, &q));
    cr_assert_null(errq_add(st, &q));
    cr_assert_eq(st->ctr.errq_drops, 1);
    cr_assert_not_null(errq_add(st, &other));
    errq_clear(st, &q);
    errq_clear(st, &other);
    fx_free(st);
}

Test(errq, what_no_live_endpoint_keeps_goes_with_the_repair) {
    struct stack *st = with_pool(8);
    struct errq live, dead;
    errq_init(&live);
    errq_init(&dead);
    for (uint32_t i = 0; i < 4; i++)
        errq_add(st, i % 2 == 0 ? &live : &dead)->ee.ee_data = i;
    errq_repair_begin(st);
    errq_repair_keep(st, &live);
    errq_repair_end(st);
    cr_assert_eq(live.n, 2);
    cr_assert_eq(errq_first(&live)->ee.ee_data, 0);
    cr_assert_eq(errq_last(&live)->ee.ee_data, 2);
    errq_clear(st, &live);
    errq_init(&dead);
    for (int i = 0; i < 8; i++)
        cr_assert_not_null(errq_add(st, &live), "all eight are free again");
    errq_clear(st, &live);
    fx_free(st);
}

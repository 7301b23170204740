/* What congestion controls are for, seen from outside: bulk flows through one bottleneck. The
 * bounds are wide; bench/cc.sh has the figures. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/sim/flows.h"

static struct flows_result run(const char *wire, double seconds, const char *a, const char *b) {
    struct flows_config cfg = {.run_ns = (uint64_t)(seconds * NS_PER_S), .seed = 1};
    struct flows_result r;
    cfg.from_ns = cfg.run_ns / 4;
    cr_assert_null(impair_parse(wire, &cfg.wire));
    snprintf(cfg.flow[cfg.n++].cc, sizeof(cfg.flow[0].cc), "%s", a);
    if (b != NULL)
        snprintf(cfg.flow[cfg.n++].cc, sizeof(cfg.flow[0].cc), "%s", b);
    cr_assert(flows_run(&cfg, &r));
    return r;
}

#define DEEP    "rate=10Mbit,delay=10ms,queue=64KB"
#define SHALLOW "rate=100Mbit,delay=10ms,queue=32KB" /* an eighth of the path's own */

Test(flows, one_flow_fills_a_deep_bottleneck) {
    cr_assert_gt(run(DEEP, 20, "reno", NULL).utilisation, 0.98);
    cr_assert_gt(run(DEEP, 20, "cubic", NULL).utilisation, 0.98);
    cr_assert_gt(run(DEEP, 20, "bbr", NULL).utilisation, 0.93);
}

Test(flows, bbr_leaves_the_queue_nearly_empty) {
    struct flows_result bbr = run(DEEP, 30, "bbr", NULL), cubic = run(DEEP, 30, "cubic", NULL);
    cr_assert_lt(bbr.queue_mean_ns, cubic.queue_mean_ns / 3);
    cr_assert_eq(bbr.queue_drops, 0);
}

Test(flows, cubic_and_bbr_fill_a_shallow_one_better_than_reno) {
    double reno = run(SHALLOW, 30, "reno", NULL).utilisation;
    cr_assert_gt(run(SHALLOW, 30, "cubic", NULL).utilisation, reno);
    cr_assert_gt(run(SHALLOW, 30, "bbr", NULL).utilisation, reno);
}

Test(flows, bbr_does_not_take_random_loss_for_congestion) {
    const char *lossy = "rate=100Mbit,delay=10ms,queue=1MB,loss=1%";
    cr_assert_gt(run(lossy, 15, "bbr", NULL).utilisation, 0.6);
    cr_assert_lt(run(lossy, 15, "cubic", NULL).utilisation, 0.2);
}

Test(flows, rfc8257_dctcp_keeps_the_queue_at_the_mark) {
    struct flows_result r = run("rate=100Mbit,delay=1ms,queue=1MB,mark=60KB", 5, "dctcp", NULL);
    cr_assert_gt(r.utilisation, 0.97);
    cr_assert_gt(r.marked, 100);
    cr_assert_eq(r.queue_drops, 0);
    cr_assert_lt(r.queue_p95_ns, 8.0 * NS_PER_MS); /* 60 KB are 4.9 ms */
}

Test(flows, two_of_a_kind_share) {
    cr_assert_gt(run(DEEP, 60, "reno", "reno").jain, 0.95);
    cr_assert_gt(run(DEEP, 60, "cubic", "cubic").jain, 0.95);
    cr_assert_gt(run(DEEP, 60, "bbr", "bbr").jain, 0.9);
}

Test(flows, different_ones_live_beside_each_other) {
    cr_assert_gt(run(DEEP, 60, "cubic", "reno").jain, 0.9);
    cr_assert_gt(run(DEEP, 60, "bbr", "cubic").jain, 0.8);
}

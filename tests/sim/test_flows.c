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

/* A flow of 20 ms beside one of 80 or 160: how many times the far one's rate the near one has. The
 * jitter keeps the two from falling in step. */
static double near_to_far(const char *cc, uint64_t far_ms, uint32_t queue_ms) {
    struct flows_config cfg = {.run_ns = 120 * NS_PER_S, .from_ns = 30 * NS_PER_S, .seed = 1};
    struct flows_result r;
    cfg.wire = (struct impair){.rate_bps = 50000000,
                               .queue_bytes = queue_ms * (50000000 / 8 / 1000),
                               .delay_ns = 10 * NS_PER_MS,
                               .jitter_ns = NS_PER_MS,
                               .far_ns = (far_ms - 20) / 2 * NS_PER_MS};
    for (cfg.n = 0; cfg.n < 2; cfg.n++) {
        snprintf(cfg.flow[cfg.n].cc, sizeof(cfg.flow[0].cc), "%s", cc);
        cfg.flow[cfg.n].far = cfg.n == 1;
    }
    cr_assert(flows_run(&cfg, &r));
    cr_assert_gt(r.utilisation, 0.95);
    return r.goodput_bps[0] / r.goodput_bps[1];
}

/* With losses in common, a standard AIMD flow's rate goes by the square of the round trip. */
Test(flows, reno_favours_the_near_by_less_than_the_square) {
    double deep = near_to_far("reno", 80, 50), shallow = near_to_far("reno", 80, 20);
    cr_assert(deep > 1.3 && deep < 16, "%f", deep);
    cr_assert(shallow > deep && shallow < 16, "%f", shallow);
}

Test(flows, rfc9438_cubic_is_linear_in_the_round_trip) { /* §3.3: the ratio of rates is that */
    double r80 = near_to_far("cubic", 80, 50), r160 = near_to_far("cubic", 160, 90);
    cr_assert(r80 > 0.5 && r80 < 4, "%f", r80);
    cr_assert(r160 > 0.5 && r160 < 8, "%f", r160);
    double shallow = near_to_far("cubic", 80, 20);
    cr_assert(shallow < 4, "%f", shallow);
    cr_assert_lt(shallow, near_to_far("reno", 80, 20));
}

/* BBR's far flows keep more in flight and win where the queue is deep, more than ten to one with
 * the first version; nobody starves. */
Test(flows, bbr_favours_the_far_but_starves_nobody) {
    double r80 = near_to_far("bbr", 80, 50), r160 = near_to_far("bbr", 160, 90);
    cr_assert(r80 > 0.2 && r80 < 1, "%f", r80);
    cr_assert(r160 > 0.08 && r160 < 1, "%f", r160);
}

Test(flows, different_ones_live_beside_each_other) {
    cr_assert_gt(run(DEEP, 60, "cubic", "reno").jain, 0.9);
    cr_assert_gt(run(DEEP, 60, "bbr", "cubic").jain, 0.8);
}

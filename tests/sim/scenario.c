#include "tests/sim/scenario.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>

#include "stack/tcp/ecn.h"
#include "tests/sim/app.h"

#define MAX_CONNS     3
#define TOTAL_MAX     300000u
#define BAD_WIRE_MAX  30000u /* bytes, where so much is lost that each timeout is the rule */
#define BAD_WIRE_PPM  150000u
#define DAY_NS        (86400 * NS_PER_S)
#define IDLE_MAX_NS   (30 * DAY_NS) /* a timestamp's half circle is 24.9 days of milliseconds */
#define IDLE_WIRE_PPM 20000u        /* nine keepalive probes in a row must not all be lost */
#define RTO_MAX_NS    (120 * NS_PER_S)
#define SLACK_NS      (10 * NS_PER_S)
#define RUN_MAX_NS    (20 * DAY_NS)
#define DRAIN_MAX_NS  (6000 * NS_PER_S) /* FINs again and again, then TIME-WAIT */
#define ROUNDS_MAX    200000            /* at one and the same moment: a livelock */

struct scenario {
    struct world w;
    struct world_config cfg;
    struct rand rand;
    struct app app[2 * MAX_CONNS];
    int napps;
    uint64_t seed;
    bool verbose;
    bool idles;          /* its connections rest for days, kept alive */
    uint32_t repair_ppm; /* chance that, after a poll, a process seems to have died in the stack */
};

static uint32_t pick(struct scenario *s, uint32_t lo, uint32_t hi) {
    return lo + rand_below(&s->rand, hi - lo + 1);
}

static bool one_in(struct scenario *s, uint32_t n) {
    return rand_below(&s->rand, n) == 0;
}

/* ---- what the seed means ---- */

/* Small, middle and large are equally likely, so that the ends of the scale come up as well. */
static uint32_t pick_size(struct scenario *s, uint32_t max) {
    static const uint32_t bound[] = {0, 1, 100, 1500, 20000, UINT32_MAX};
    uint32_t b = bound[pick(s, 0, 5)];
    return pick(s, 0, b < max ? b : max);
}

/* One way: half of 0.05 to 750 ms, each order of magnitude as likely. */
static uint64_t pick_delay(struct scenario *s) {
    static const uint64_t max_us[] = {25, 250, 2500, 25000, 100000, 375000};
    return 25000 + rand_u64(&s->rand) % (max_us[pick(s, 0, 5)] * 1000);
}

/* A queue of a few frames, of a round trip or so, or one that is never full. */
static uint32_t pick_queue(struct scenario *s) {
    static const uint32_t min[] = {5, 30, 1000}, max[] = {20, 300, 3000};
    uint32_t kind = pick(s, 0, 2);
    return pick(s, min[kind], max[kind]) * s->cfg.caps.mtu;
}

static void pick_impairment(struct scenario *s, struct impair *im) {
    *im = (struct impair){.seed = rand_u64(&s->rand), .delay_ns = pick_delay(s)};
    if (one_in(s, 2))
        im->loss_ppm = pick(s, 0, one_in(s, 2) ? 300000 : 20000);
    if (one_in(s, 3))
        im->burst = pick(s, 2, 8);
    if (one_in(s, 3))
        im->dup_ppm = pick(s, 0, 100000);
    if (one_in(s, 3)) {
        im->reorder_ppm = pick(s, 0, 250000);
        im->reorder_ns = pick(s, 1, 30) * NS_PER_MS;
    }
    if (one_in(s, 3))
        im->corrupt_ppm = pick(s, 0, one_in(s, 2) ? 150000 : 20000);
    if (one_in(s, 3))
        im->jitter_ns = 1 + rand_u64(&s->rand) % (20 * NS_PER_MS);
    if (one_in(s, 3)) {
        im->rate_bps = pick(s, 1000, 200000) * 1000ull;
        im->queue_bytes = pick_queue(s);
        if (one_in(s, 4))
            im->mark_bytes = im->queue_bytes / 3 + 1;
    }
    if (s->idles) {
        im->loss_ppm %= IDLE_WIRE_PPM;
        im->corrupt_ppm %= IDLE_WIRE_PPM;
        im->burst = 0;
    }
}

static bool is_bad_wire(const struct scenario *s) {
    const struct impair *im = s->cfg.impair;
    return im[0].loss_ppm + im[1].loss_ppm + im[0].corrupt_ppm + im[1].corrupt_ppm > BAD_WIRE_PPM;
}

static void pick_hosts(struct scenario *s) {
    const uint16_t mtu[] = {1500, 576, 1280, 9000, (uint16_t)pick(s, 576, 9000)};
    struct tcp_config *tcp = &s->cfg.stack.tcp;
    world_config_default(&s->cfg);
    s->cfg.seed = s->seed;
    s->cfg.caps.mtu = mtu[pick(s, 0, 4)];
    s->cfg.caps.tx_csum = one_in(s, 2);
    if (s->cfg.caps.tx_csum && one_in(s, 2))
        s->cfg.caps.gso_max = 65535;
    if (!one_in(s, 4)) {
        pick_impairment(s, &s->cfg.impair[0]);
        pick_impairment(s, &s->cfg.impair[1]);
    }
    if (one_in(s, 4))
        tcp->timestamps = false;
    if (one_in(s, 4))
        tcp->sack = false;
    if (one_in(s, 4))
        tcp->window_scaling = false;
    tcp->cc = (uint8_t)pick(s, CC_STACK_DEFAULT + 1, CC_N - 1);
    tcp->ecn = (uint32_t)pick(s, ECN_OFF, ACCECN_IF_ASKED);
    if (one_in(s, 8))
        s->repair_ppm = pick(s, 100, 50000);
    /* Data should arrive even through the worst of these wires, a closed socket's too. */
    tcp->retries2 = tcp->orphan_retries = tcp->synack_retries = 100;
}

static void pick_metrics(struct scenario *s, struct route_metrics *m) {
    if (one_in(s, 3))
        m->mtu = (uint16_t)pick(s, 300, s->cfg.caps.mtu);
    m->mtu_lock = one_in(s, 2);
    if (one_in(s, 3))
        m->advmss = (uint16_t)pick(s, 1, 9000);
    /* A smaller one would take hours of virtual time. And where a reader rests for days, what a
     * closed socket still has to send must fit, or its probes end (orphan_retries). */
    if (!s->idles && one_in(s, 3))
        m->window = pick(s, 2000, 100000);
    if (one_in(s, 3))
        m->initcwnd = pick(s, 1, 100);
    if (one_in(s, 3))
        m->initrwnd = pick(s, 1, 40);
    if (one_in(s, 3))
        m->rto_min_ms = pick(s, 1, 500);
    m->quickack = one_in(s, 3);
    m->ecn = one_in(s, 3);
}

/* The route between the hosts may say something of the way. By numbers of its own, so that a seed
 * from before means what it did. */
static void pick_route(struct scenario *s) {
    struct rand rest = s->rand;
    struct net_config *net = &s->cfg.stack.net;
    uint8_t key[16] = "route";
    memcpy(key + 8, &s->seed, sizeof(s->seed));
    rand_init(&s->rand, key);
    if (one_in(s, 3)) {
        net->route[0] =
            (struct route){.dst = {.net = addr_v4(0x0a000000), .plen = ADDR_V4_PLEN + 24},
                           .gateway = addr_v4(0),
                           .src = addr_v4(0)};
        net->nroutes = 1;
        pick_metrics(s, &net->route[0].metrics);
    }
    s->rand = rest;
}

static void pick_app(struct scenario *s, struct app_config *c) {
    *c = (struct app_config){
        .max_write = 1 + pick_size(s, 60000),
        .max_read = 1 + pick_size(s, 60000),
        .nodelay = one_in(s, 2),
        .edge = one_in(s, 2),
        .direct = one_in(s, 2),
        .close_early = one_in(s, 2),
    };
    c->send_total = pick_size(s, c->max_write < 50 ? 3000 : TOTAL_MAX);
    if (one_in(s, 3))
        c->sndbuf = (int)pick(s, 2000, 300000);
    if (one_in(s, 3))
        c->rcvbuf = (int)pick(s, 2000, 300000);
    if (one_in(s, 2)) {
        c->think_ppm = pick(s, 1000, 200000);
        c->think_ns = (one_in(s, 4) ? 3000 : 20) * NS_PER_MS;
    }
    if (is_bad_wire(s))
        c->send_total %= BAD_WIRE_MAX;
    if (s->idles) {
        c->keepalive = true;
        c->send_total %= BAD_WIRE_MAX;
        c->think_ppm = 20000;
        c->think_ns = IDLE_MAX_NS;
    }
}

static bool pick_simultaneous_open(struct scenario *s) {
    /* Its ends do not try again, so the wire must be a good one, and both must be there. */
    return one_in(s, 8) && !s->idles &&
           s->cfg.impair[0].loss_ppm + s->cfg.impair[1].loss_ppm < 10000 &&
           s->cfg.impair[0].corrupt_ppm + s->cfg.impair[1].corrupt_ppm < 10000 &&
           s->cfg.impair[0].queue_bytes + s->cfg.impair[1].queue_bytes == 0;
}

static void pick_connection(struct scenario *s, int i) {
    struct app_config c[2];
    pick_app(s, &c[0]);
    pick_app(s, &c[1]);
    /* A peer that reads a byte at a time and thinks after it would take hours of virtual time. */
    for (int k = 0; k < 2; k++) {
        if (c[k].max_read < 100 && c[!k].send_total > 5000)
            c[!k].send_total %= 5000;
        c[!k].expect_total = c[k].send_total;
    }
    c[1].expect_total = c[0].send_total;
    c[0].expect_total = c[1].send_total;
    c[0].send_after_eof = one_in(s, 6);
    c[1].send_after_eof = !c[0].send_after_eof && one_in(s, 6);
    bool both = pick_simultaneous_open(s);
    int client = (int)pick(s, 0, 1);
    uint16_t port = (uint16_t)(WORLD_PORT + i);
    uint64_t key0 = rand_u64(&s->rand), key1 = rand_u64(&s->rand);
    struct app *a = &s->app[s->napps];
    app_init(&a[0], &s->w, client, both ? APP_PEER : APP_CLIENT, port, &c[0], s->seed, key0, key1);
    app_init(&a[1], &s->w, !client, both ? APP_PEER : APP_SERVER, port, &c[1], s->seed, key1, key0);
    s->napps += 2;
}

static void print_route(const struct net_config *net) {
    const struct route_metrics *m = &net->route[0].metrics;
    if (net->nroutes > 0)
        printf(
            "  route: mtu %s%u advmss %u window %u initcwnd %u initrwnd %u rto_min %u quickack %d "
            "ecn %d\n",
            m->mtu_lock ? "lock " : "", m->mtu, m->advmss, m->window, m->initcwnd, m->initrwnd,
            m->rto_min_ms, m->quickack, m->ecn);
}

static void print_meaning(const struct scenario *s) {
    char line[300];
    printf("seed %" PRIu64 ":%s mtu %u gso %u csum %d ts %d sack %d ws %d cc %s ecn %u "
           "repair %u\n",
           s->seed, s->idles ? " idles," : "", s->cfg.caps.mtu, s->cfg.caps.gso_max,
           s->cfg.caps.tx_csum, s->cfg.stack.tcp.timestamps, s->cfg.stack.tcp.sack,
           s->cfg.stack.tcp.window_scaling, tcp_cc_name(s->cfg.stack.tcp.cc), s->cfg.stack.tcp.ecn,
           s->repair_ppm);
    print_route(&s->cfg.stack.net);
    for (int i = 0; i < 2; i++) {
        const struct impair *im = &s->cfg.impair[i];
        printf("  wire %d: loss %u burst %u dup %u reorder %u/%.1fms corrupt %u delay %.1fms "
               "jitter %.1fms "
               "rate %" PRIu64 " queue %u\n",
               i, im->loss_ppm, im->burst, im->dup_ppm, im->reorder_ppm,
               (double)im->reorder_ns / 1e6, im->corrupt_ppm, (double)im->delay_ns / 1e6,
               (double)im->jitter_ns / 1e6, im->rate_bps, im->queue_bytes);
    }
    for (int i = 0; i < s->napps; i++) {
        const struct app_config *c = &s->app[i].cfg;
        app_describe(&s->app[i], line, sizeof(line));
        printf("  %s; write %u read %u sndbuf %d rcvbuf %d think %u/%.0fms%s%s%s%s%s\n", line,
               c->max_write, c->max_read, c->sndbuf, c->rcvbuf, c->think_ppm,
               (double)c->think_ns / 1e6, c->nodelay ? " nodelay" : "", c->edge ? " edge" : "",
               c->direct ? " direct" : "", c->send_after_eof ? " send-after-eof" : "",
               c->close_early ? " close-early" : "");
    }
}

/* ---- running it ---- */

static bool report(struct scenario *s, const char *what) {
    char text[8192];
    fprintf(stderr, "seed %" PRIu64 ": FAILED at %.3f s: %s\n", s->seed,
            (double)(s->w.now_ns - WORLD_EPOCH) / 1e9, what);
    for (int i = 0; i < s->napps; i++) {
        app_describe(&s->app[i], text, sizeof(text));
        fprintf(stderr, "  %s\n", text);
    }
    for (int i = 0; i < 2; i++) {
        struct stack *st = s->w.host[i].st;
        sock_describe(st, text, sizeof(text));
        fprintf(stderr, "  host %d (chunks %u+%u, packets %u in use):\n%s\n", i,
                st->chunks.small.n_used, st->chunks.large.n_used, st->pkts.n_used, text);
    }
    fprintf(stderr, "  replay: sim_run --seed %" PRIu64 " [--pcap FILE]\n", s->seed);
    return false;
}

static void check_tcb(struct stack *st, struct tcb *t, void *arg) {
    const char *wrong = tcp_check(st, t);
    if (wrong != NULL)
        *(const char **)arg = wrong;
}

static const char *check_invariants(struct scenario *s) {
    const char *wrong = NULL;
    for (int i = 0; i < 2; i++)
        tcp_foreach(s->w.host[i].st, check_tcb, &wrong);
    for (int i = 0; i < s->napps; i++)
        if (s->app[i].error[0] != '\0')
            wrong = s->app[i].error;
    return wrong;
}

static void poll_host(struct scenario *s, int host) {
    for (int i = 0; i < s->napps; i++)
        if (s->app[i].host == host)
            app_before_poll(&s->app[i]);
    world_poll(&s->w, host);
    /* Nothing was being changed, so repair may lose packets but no connection and no byte. */
    if (s->repair_ppm > 0 && rand_below(&s->rand, 1000000) < s->repair_ppm) {
        struct direct_recv *direct = s->w.host[host].st->direct;
        stack_repair(s->w.host[host].st, s->w.now_ns);
        s->w.host[host].st->direct = direct;
        world_poll(&s->w, host);
    }
    for (int i = 0; i < s->napps; i++)
        if (s->app[i].host == host)
            app_after_poll(&s->app[i]);
}

/* Does all that can be done at this moment. NULL, or what went wrong. */
static const char *settle(struct scenario *s) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool did = false;
        poll_host(s, 0);
        poll_host(s, 1);
        for (int i = 0; i < s->napps; i++)
            did |= app_step(&s->app[i]);
        const char *wrong = check_invariants(s);
        if (wrong != NULL)
            return wrong;
        if (!did && world_next(&s->w) > s->w.now_ns)
            return NULL;
    }
    return "livelock: time stands still";
}

static uint64_t progress(const struct scenario *s) {
    uint64_t sum = 0;
    for (int i = 0; i < s->napps; i++)
        sum += s->app[i].sent + s->app[i].received + s->app[i].phase + s->app[i].eof +
               s->app[i].shut + (uint64_t)s->app[i].attempts;
    return sum;
}

static bool all_closed(const struct scenario *s) {
    for (int i = 0; i < s->napps; i++)
        if (s->app[i].phase != APP_CLOSED)
            return false;
    return true;
}

static uint64_t next_time(const struct scenario *s) {
    uint64_t next = world_next(&s->w);
    for (int i = 0; i < s->napps; i++) {
        uint64_t t = app_next(&s->app[i]);
        next = t < next ? t : next;
    }
    return next;
}

/* How long no byte may move: RFC 6298 doubles the timeout each time, so that with the last one all
 * before it take no longer than twice as long, and at its bound each takes 120 s; likewise with the
 * probes of a closed window. */
static void explain_stall(struct stack *st, struct tcb *t, void *arg) {
    uint64_t *longest = arg;
    struct tcp_info info;
    (void)st;
    tcp_get_info(st, t, &info);
    uint64_t rto = (uint64_t)info.tcpi_rto * 1000;
    for (uint32_t i = 0; i < info.tcpi_probes && rto < RTO_MAX_NS; i++)
        rto *= 2;
    uint64_t ns = 3 * rto;
    if (rto >= RTO_MAX_NS)
        ns += ((uint64_t)info.tcpi_backoff + info.tcpi_probes) * RTO_MAX_NS;
    if (ns > *longest)
        *longest = ns;
}

static uint64_t stall_limit(struct scenario *s) {
    uint64_t longest = 0;
    for (int i = 0; i < 2; i++) {
        const struct impair *im = &s->cfg.impair[i];
        tcp_foreach(s->w.host[i].st, explain_stall, &longest);
        longest += 4 * (im->delay_ns + im->jitter_ns + im->reorder_ns);
        if (im->rate_bps > 0)
            longest += (uint64_t)im->queue_bytes * 8 * NS_PER_S / im->rate_bps;
    }
    return longest + SLACK_NS;
}

/* The last moment at which an application was thinking, not waiting. */
static uint64_t last_wake(const struct scenario *s) {
    uint64_t last = 0;
    for (int i = 0; i < s->napps; i++)
        if (s->app[i].wake_ns > last)
            last = s->app[i].wake_ns;
    return last;
}

static bool transfer(struct scenario *s) {
    uint64_t last = 0, last_at = s->w.now_ns, limit = 0;
    for (;;) {
        const char *wrong = settle(s);
        if (wrong != NULL)
            return report(s, wrong);
        if (all_closed(s))
            return true;
        if (progress(s) != last) {
            last = progress(s);
            last_at = s->w.now_ns;
            limit = 0;
        }
        /* The longest since then: the ACK that ends a stall takes the backoff back. */
        if (stall_limit(s) > limit)
            limit = stall_limit(s);
        uint64_t next = next_time(s), since = last_at > last_wake(s) ? last_at : last_wake(s);
        if (next == TIME_NEVER || (next > since && next - since > limit))
            return report(s, "stalled");
        if (!s->idles && next - WORLD_EPOCH > RUN_MAX_NS)
            return report(s, "too slow");
        s->w.now_ns = next;
    }
}

static bool drain(struct scenario *s) {
    uint64_t until = s->w.now_ns + DRAIN_MAX_NS;
    for (;;) {
        const char *wrong = settle(s);
        if (wrong != NULL)
            return report(s, wrong);
        const char *left = world_leftover(&s->w);
        if (left == NULL)
            return true;
        uint64_t next = world_next(&s->w);
        if (next > until)
            return report(s, left);
        s->w.now_ns = next;
    }
}

static void print_end(const struct scenario *s) {
    for (int i = 0; i < 2; i++) {
        struct sim_stats x;
        sim_wire_stats(s->w.wire, i, &x);
        printf("  wire %d: %" PRIu64 " frames, %" PRIu64 " lost, %" PRIu64 " duplicated, %" PRIu64
               " reordered, %" PRIu64 " corrupted, %" PRIu64 " dropped by the queue\n",
               i, x.frames, x.lost, x.dupped, x.reordered, x.corrupted, x.queue_drops);
    }
    const char *name, *what;
    uint64_t v[2];
    for (unsigned c = 0; (name = counters_get(&s->w.host[0].st->ctr, c, &v[0], &what)); c++) {
        counters_get(&s->w.host[1].st->ctr, c, &v[1], &what);
        if (v[0] != 0 || v[1] != 0)
            printf("  %-26s %10" PRIu64 " %10" PRIu64 "  %s\n", name, v[0], v[1], what);
    }
    printf("  virtual time %.3f s\n", (double)(s->w.now_ns - WORLD_EPOCH) / 1e9);
}

bool scenario_run(uint64_t seed, const char *pcap, bool verbose, struct scenario_time *took) {
    static struct scenario s;
    uint8_t key[16] = {'s', 'i', 'm'};
    memcpy(key + 8, &seed, sizeof(seed));
    memset(&s, 0, sizeof(s));
    s.seed = seed;
    s.verbose = verbose;
    rand_init(&s.rand, key);
    s.idles = one_in(&s, 10);
    pick_hosts(&s);
    pick_route(&s);
    s.cfg.pcap = pcap;
    if (!world_init(&s.w, &s.cfg))
        return report(&s, "set-up");
    for (int i = 0, n = (int)pick(&s, 1, MAX_CONNS); i < n; i++)
        pick_connection(&s, i);
    if (verbose)
        print_meaning(&s);
    bool good = transfer(&s) && drain(&s);
    if (verbose)
        print_end(&s);
    *took = (struct scenario_time){s.w.now_ns - WORLD_EPOCH, s.idles};
    world_free(&s.w);
    return good;
}

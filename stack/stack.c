/* The stack as a whole: set-up, the poll loop, dispatch between the layers, crash repair.
 *
 * Theory of operation. stack_poll takes frames from the link in batches. After each batch it
 * *settles*: TCP sends the ACKs and data that the batch has made due (RFC 9293 MUST-58, MUST-59),
 * packets to ourselves are taken in again, until nothing more happens or a bound is reached; then
 * it transmits. So two programs on one host talk within one poll, and a super-frame is ACKed before
 * the next batch is looked at. What the link does not take stays queued, and the deadline returned
 * says when to try again. Events are handed to the watches last.
 *
 * Nothing here keeps state of its own beyond struct stack. */
#include "stack/stack.h"

#include <assert.h>
#include <string.h>

#include "stack/net/errq.h"
#include "stack/wire/icmp4.h"

#define SETTLE_ROUNDS   64     /* of flush and loopback in one go */
#define LOOP_PKTS_MAX   4096   /* loopback packets in one go */
#define TIMERS_MAX      4096   /* expired timers in one poll */
#define TX_RETRY_NS     500000 /* the link was full: try again after this */
#define TCB_SIZE_BOUND  8192   /* a tcb, its share of TCP's tables, and its timers: at most this */
#define TCP_FIXED_BOUND (4u << 20)
#define TCB_TIMERS      6            /* TIMER_TCP_ kinds: all may be armed at once */
#define POOL_OVERHEAD   (64 + 1 + 4) /* alignment, in_use byte, free list entry: of each object */

/* ---- set-up ---- */

void stack_config_default(struct stack_config *cfg, int scale) {
    memset(cfg, 0, sizeof(*cfg));
    tcp_config_default(&cfg->tcp);
    sock_config_default(&cfg->sock);
    cfg->net.mtu = 1500;
    cfg->log_level = LOG_ERROR;
    if (scale == 0) {
        cfg->tcp.max_conns = 65536;
        cfg->max_pkts = 8192;
        cfg->max_small_chunks = 262144;
        cfg->max_large_chunks = 16384;
        cfg->max_udp = 16384;
        cfg->max_dgrams = 65536;
        cfg->max_errmsgs = 16384;
        return;
    }
    cfg->tcp.max_conns = 256;
    cfg->sock = (struct sock_config){.max_socks = 256,
                                     .max_procs = 16,
                                     .max_refs = 1024,
                                     .max_watches = 1024,
                                     .max_watchsets = 64};
    cfg->net.neigh_max = 64;
    cfg->net.frags_max = 16;
    cfg->net.flow_buckets = 256;
    cfg->max_pkts = 1024;
    cfg->max_small_chunks = 1024;
    cfg->max_large_chunks = 64;
    cfg->max_udp = 64;
    cfg->max_dgrams = 256;
    cfg->max_errmsgs = 512;
}

static uint32_t timers_wanted(const struct stack_config *cfg) {
    return cfg->tcp.max_conns * TCB_TIMERS + net_timers_max(&cfg->net);
}

/* An upper bound. What is never touched costs nothing. */
size_t stack_mem_size(const struct stack_config *cfg) {
    size_t size = sizeof(struct stack) + 4096;
    size += (size_t)cfg->max_pkts * (sizeof(struct pkt) + POOL_OVERHEAD);
    size += (size_t)cfg->max_small_chunks * (CHUNK_SMALL_SIZE + POOL_OVERHEAD);
    size += (size_t)cfg->max_large_chunks * (CHUNK_LARGE_SIZE + POOL_OVERHEAD);
    size += (size_t)timers_wanted(cfg) * sizeof(struct timer *);
    size += net_mem_size(&cfg->net) + udp_mem_size(cfg->max_udp, cfg->max_dgrams);
    size += errq_mem_size(cfg->max_errmsgs);
    size += (size_t)cfg->tcp.max_conns * TCB_SIZE_BOUND + TCP_FIXED_BOUND;
    size += sock_mem_size(&cfg->sock);
    return (size + 4095) & ~(size_t)4095;
}

struct stack *stack_init(void *mem, size_t size, const struct stack_config *cfg,
                         const uint8_t seed[static 16], uint64_t now_ns) {
    struct arena arena;
    arena_init(&arena, mem, size);
    struct stack *st = arena_alloc(&arena, sizeof(*st), 64);
    if (st == NULL)
        return NULL;
    st->arena = arena;
    st->now_ns = now_ns;
    st->log.level = (uint8_t)cfg->log_level;
    rand_init(&st->rand, seed);
    STAILQ_INIT(&st->tx);
    STAILQ_INIT(&st->loop);
    struct arena *a = &st->arena;
    if (!pool_init(&st->pkts, a, sizeof(struct pkt), cfg->max_pkts) ||
        !chunk_pools_init(&st->chunks, a, cfg->max_small_chunks, cfg->max_large_chunks) ||
        !timers_init(&st->timers, a, timers_wanted(cfg)))
        return NULL;
    if (net_init(st, &cfg->net) != 0 || errq_pool_init(st, cfg->max_errmsgs) != 0 ||
        udp_init(st, cfg->max_udp, cfg->max_dgrams) != 0 || tcp_init(st, &cfg->tcp) != 0 ||
        sock_init(st, &cfg->sock) != 0)
        return NULL;
    return st;
}

/* ---- what comes in ---- */

static void input_l4(struct stack *st, struct ip_in *in) {
    switch (in->proto) {
    case PROTO_TCP:
        tcp_input(st, in);
        break;
    case PROTO_UDP:
        if (!udp_input(st, in))
            net_send_unreach(st, in, ICMP4_UNREACH_PORT);
        break;
    default:
        assert(!"net hands up TCP and UDP only");
    }
}

static void input(struct stack *st, struct frame *f, bool loop) {
    struct ip_in in;
    struct icmp_err err;
    enum net_in_kind kind = loop ? net_input_loop(st, f, &in, &err) : net_input(st, f, &in, &err);
    if (kind == NET_IN_DONE)
        return;
    if (kind == NET_IN_L4)
        input_l4(st, &in);
    else if (err.proto == PROTO_TCP)
        tcp_icmp(st, &err);
    else if (err.proto == PROTO_UDP)
        udp_icmp(st, &err);
    net_input_end(st, &in);
    stack_clean(st);
}

/* Takes in packets to ourselves that were queued on entry; those they cause wait for the next
 * round, so that ACKs are aggregated. Returns how many. */
static uint32_t input_loop(struct stack *st) {
    uint32_t n = st->loop_len;
    for (uint32_t i = 0; i < n; i++) {
        struct pkt *p = STAILQ_FIRST(&st->loop);
        struct frame f;
        STAILQ_REMOVE_HEAD(&st->loop, link);
        st->loop_len--;
        frame_from_pkt(&f, p);
        input(st, &f, true);
        pkt_free(&st->pkts, &st->chunks, p);
    }
    return n;
}

static void unreachable(struct stack *st) {
    struct addr dst;
    while (net_next_failed(st, &dst)) {
        tcp_host_unreach(st, &dst);
        stack_clean(st);
    }
}

static void settle(struct stack *st) {
    uint32_t taken = 0;
    tcp_flush(st);
    for (int round = 0; st->loop_len > 0; round++) {
        if (round == SETTLE_ROUNDS || taken >= LOOP_PKTS_MAX) {
            st->ctr.loop_overruns++;
            break;
        }
        taken += input_loop(st);
        tcp_flush(st);
    }
    unreachable(st);
    stack_clean(st);
}

/* ---- what goes out ---- */

static void transmit(struct stack *st, struct link *link) {
    while (st->tx_len > 0) {
        struct pkt *batch[LINK_BATCH], *p;
        uint64_t dropped = 0;
        int n = 0;
        STAILQ_FOREACH (p, &st->tx, link) {
            batch[n++] = p;
            if (n == LINK_BATCH)
                break;
        }
        int sent = link_send_batch(link, batch, n, st->now_ns, &dropped);
        assert(sent <= n);
        st->ctr.link_tx_dropped += dropped;
        for (int i = 0; i < sent; i++) {
            st->ctr.link_tx_frames++;
            st->ctr.link_tx_bytes += pkt_len(batch[i]);
            STAILQ_REMOVE_HEAD(&st->tx, link);
            st->tx_len--;
            pkt_free(&st->pkts, &st->chunks, batch[i]);
        }
        if (sent < n)
            break;
    }
}

/* The end of every entry: what is due goes out, who waits is told. Returns the next deadline. */
static uint64_t finish(struct stack *st, struct link *link) {
    transmit(st, link);
    sock_dispatch(st);
    uint64_t next = timers_next(&st->timers), event = link_next_event(link);
    if (event < next)
        next = event;
    if (st->tx_len > 0 && st->now_ns + TX_RETRY_NS < next)
        next = st->now_ns + TX_RETRY_NS;
    if (st->loop_len > 0)
        next = st->now_ns;
    return next;
}

/* ---- entries ---- */

static int receive_batch(struct stack *st, struct link *link, int max) {
    struct frame f[LINK_BATCH];
    int n = link_recv_batch(link, f, max, st->now_ns);
    for (int i = 0; i < n; i++) {
        st->ctr.link_rx_frames++;
        st->ctr.link_rx_bytes += f[i].len;
        input(st, &f[i], false);
    }
    if (n > 0)
        link_recv_done(link, n);
    return n;
}

static void run_timers(struct stack *st) {
    for (int i = 0; i < TIMERS_MAX; i++) {
        struct timer *t = timers_expire(&st->timers, st->now_ns);
        if (t == NULL)
            return;
        bool taken = tcp_timer(st, t) || net_timer(st, t);
        assert(taken);
        timers_fired(&st->timers);
        stack_clean(st);
    }
}

uint64_t stack_poll(struct stack *st, struct link *link, uint64_t now_ns, bool *more) {
    int left = POLL_FRAMES_MAX;
    st->now_ns = now_ns;
    for (int n = LINK_BATCH; left > 0 && n == LINK_BATCH; left -= n) {
        n = receive_batch(st, link, left < LINK_BATCH ? left : LINK_BATCH);
        settle(st);
        transmit(st, link);
    }
    if (more != NULL)
        *more = left == 0;
    run_timers(st);
    settle(st);
    return finish(st, link);
}

uint64_t stack_flush(struct stack *st, struct link *link, uint64_t now_ns) {
    st->now_ns = now_ns;
    settle(st);
    return finish(st, link);
}

void stack_set_wall(struct stack *st, uint64_t wall_ns, uint64_t now_ns) {
    st->wall_offset_ns = (int64_t)(wall_ns - now_ns);
}

bool stack_idle(struct stack *st) {
    uint32_t live, timewait;
    tcp_count(st, &live, &timewait);
    return sock_count(st) == 0 && live == 0 && timewait == 0 && st->tx_len == 0 &&
           st->loop_len == 0;
}

/* ---- crash repair (DESIGN.md D8) ---- */

/* Packets are copies or references of what a tcb still holds: all are dropped, and TCP sends
 * again. */
static void drop_all_pkts(struct stack *st) {
    memset(st->pkts.in_use, 0, st->pkts.max);
    pool_rebuild(&st->pkts);
    STAILQ_INIT(&st->tx);
    STAILQ_INIT(&st->loop);
    st->tx_len = st->loop_len = 0;
}

/* Each step relies on those before it: packets and timers are gone before the network layer
 * rebuilds its queues and empties the flow table; chunks are counted anew from the streams that
 * the marks reach, and the rest is swept; then flows, timers, and lists are linked again; the sock
 * layer, which asks the others what they have, is last. */
void stack_repair(struct stack *st, uint64_t now_ns) {
    st->now_ns = now_ns;
    st->ctr.repairs++;
    st->direct = NULL; /* memory of the dead process */
    drop_all_pkts(st);
    timers_clear(&st->timers);
    chunk_pools_mark_begin(&st->chunks);
    net_repair(st);
    errq_repair_begin(st);
    tcp_repair_mark(st);
    udp_repair_mark(st);
    errq_repair_end(st);
    chunk_pools_sweep(&st->chunks);
    tcp_repair_relink(st);
    udp_repair_relink(st);
    sock_repair(st);
    stack_clean(st);
}

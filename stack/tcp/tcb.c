/* The life of a tcb: allocation, the one function that changes its state, its end, and the derived
 * lists that it stands in. Theory in tcb.h. */
#include "stack/tcp/tcb.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>

void tcp_config_default(struct tcp_config *cfg) {
    *cfg = (struct tcp_config){
        .max_conns = 65536,
        .syn_retries = 6,
        .synack_retries = 5,
        .retries2 = 15,
        .fin_timeout_ns = 60 * S_NS,
        .keepalive_time_ns = 7200 * S_NS,
        .keepalive_intvl_ns = 75 * S_NS,
        .keepalive_probes = 9,
        .rmem = {4096, 131072, 6u << 20},
        .wmem = {4096, 16384, 4u << 20},
        .mem = {262144, 349525, 524288}, /* of the default pools */
        .core_rmem_max = 212992,
        .core_wmem_max = 212992,
        .core_rmem_default = 212992,
        .notsent_lowat = UINT32_MAX,
        .moderate_rcvbuf = true,
        .retries1 = 3,
        .base_mss = 1024,
        .min_snd_mss = TCP_MSS_FLOOR,
        .mtu_probe_floor = 48,
        .mtu_probe_interval_ns = 600 * S_NS,
        .mtu_probe_threshold = 8,
        .max_syn_backlog = 2048,
        .max_orphans = 131072,
        .max_tw_buckets = 131072,
        .syn_linear = 4,
        .tw_reuse = TW_REUSE_LOOPBACK,
        .tw_reuse_delay_ns = 1 * S_NS,
        .rto_max_ns = TCP_RTO_MAX_NS,
        .port_range = {32768, 60999},
        .default_ttl = 64,
        .window_scaling = true,
        .timestamps = 1,
        .sack = true,
        .somaxconn = 4096,
        .rto_min_ns = 200 * MS_NS,
        .cc = CC_CUBIC,
        .dsack = true,
        .ecn = ECN_IF_ASKED,
        .ecn_fallback = true,
        .syncookies = SYNCOOKIES_WHEN_FULL,
        .invalid_ratelimit_ns = 500 * MS_NS,
        .slow_start_after_idle = true,
        .recovery = 1,
        .early_retrans = 3,
        .frto = 2,
        .reordering = 3,
        .max_reordering = 300,
        .msl_timewait_ns = 60 * S_NS,
        .fastopen = FASTOPEN_CLIENT,
        .pacing_ss_ratio = 200,
        .pacing_ca_ratio = 120,
        .min_tso_segs = 2,
        .tso_rtt_log = 9,
        .min_rtt_wlen_ns = 300 * S_NS,
        .comp_sack_delay_ns = 1 * MS_NS,
        .comp_sack_nr = 44,
        .pingpong_thresh = 1,
    };
}

#define GAP_RUNS_PER_CONN 4u
#define GAP_RUNS_LEAST    1024u
#define SENTS_PER_CONN    4u
#define SENTS_LEAST       8192u
#define MARKS_CONNS       2u /* one for every two connections: few programs ask for any */
#define MARKS_LEAST       2048u
#define MD5_KEYS_LEAST    1024u /* or one a connection */

/* The knobs that are IP's. */
static void apply_net(struct stack *st) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    struct net_defaults d = {.port_first = (uint16_t)cfg->port_range[0],
                             .port_last = (uint16_t)cfg->port_range[1],
                             .ttl = (uint8_t)cfg->default_ttl,
                             .reserved = cfg->reserved_ports};
    net_set_defaults(st, &d);
}

int tcp_init(struct stack *st, const struct tcp_config *cfg) {
    struct tcp *tcp = arena_alloc(&st->arena, sizeof(*tcp), _Alignof(struct tcp));
    if (tcp == NULL)
        return -ENOMEM;
    st->tcp = tcp;
    tcp->cfg = *cfg;
    tcp->isn_key = rand_key(&st->rand);
    tcp->ts_key = rand_key(&st->rand);
    tcp->cookie_key = rand_key(&st->rand);
    apply_net(st);
    struct siphash_key fastopen_key = rand_key(&st->rand);
    memcpy(tcp->fastopen_key, &fastopen_key, sizeof(tcp->fastopen_key));
    TAILQ_INIT(&tcp->flush);
    TAILQ_INIT(&tcp->events);
    TAILQ_INIT(&tcp->timewait);
    uint32_t runs = u32_max(GAP_RUNS_LEAST, GAP_RUNS_PER_CONN * cfg->max_conns);
    uint32_t marks = u32_max(MARKS_LEAST, cfg->max_conns / MARKS_CONNS);
    if (!pool_init(&tcp->tcbs, &st->arena, sizeof(struct tcb), cfg->max_conns) ||
        !pool_init(&tcp->gaps, &st->arena, sizeof(struct gap_run), runs) ||
        !pool_init(&tcp->sents, &st->arena, sizeof(struct sent),
                   u32_max(SENTS_LEAST, SENTS_PER_CONN * cfg->max_conns)) ||
        !pool_init(&tcp->marks, &st->arena, sizeof(struct send_mark), marks) ||
        !pool_init(&tcp->md5_keys, &st->arena, sizeof(struct md5_key),
                   u32_max(MD5_KEYS_LEAST, cfg->max_conns)))
        return -ENOMEM;
    return 0;
}

void tcp_set_config(struct stack *st, const struct tcp_config *cfg) {
    uint32_t max_conns = st->tcp->cfg.max_conns; /* the pools stay as they are */
    st->tcp->cfg = *cfg;
    st->tcp->cfg.max_conns = max_conns;
    apply_net(st);
}

const struct tcp_config *tcp_get_config(const struct stack *st) {
    return &st->tcp->cfg;
}

/* Too many: the oldest goes before its time, as in Linux; it has the least to protect. */
static void shorten_timewait(struct stack *st) {
    struct tcb *t = TAILQ_FIRST(&st->tcp->timewait);
    if (t == NULL)
        return;
    st->ctr.TcpExtTCPTimeWaitOverflow++;
    tcb_finish(st, t, 0);
    tcb_leave(st, t);
}

struct tcb *tcb_alloc(struct stack *st) {
    if (st->tcp->tcbs.n_used == st->tcp->tcbs.max)
        shorten_timewait(st);
    struct tcb *t = pool_get(&st->tcp->tcbs);
    if (t == NULL) {
        st->ctr.mem_conns_out++;
        return NULL;
    }
    t->state = TCPS_CLOSED;
    t->holder = TCB_USER;
    t->created_ns = st->now_ns;
    t->path = net_path_metrics(st, &t->remote.addr); /* none yet */
    TAILQ_INIT(&t->syn_queue);
    TAILQ_INIT(&t->accept_queue);
    TAILQ_INIT(&t->rcv.gaps);
    sent_init(t);
    fastopen_init(t);
    marks_init(&t->marks);
    md5_init(t);
    errq_init(&t->errq);
    timers_init_tcb(t);
    return t;
}

struct tcb *tcp_open(struct stack *st) {
    return tcb_alloc(st);
}

const char *tcp_state_name(enum tcp_state s) {
    switch (s) {
    case TCPS_ESTABLISHED:
        return "ESTAB";
    case TCPS_SYN_SENT:
        return "SYN-SENT";
    case TCPS_SYN_RCVD:
        return "SYN-RECV";
    case TCPS_FIN_WAIT_1:
        return "FIN-WAIT-1";
    case TCPS_FIN_WAIT_2:
        return "FIN-WAIT-2";
    case TCPS_TIME_WAIT:
        return "TIME-WAIT";
    case TCPS_CLOSED:
        return "UNCONN";
    case TCPS_CLOSE_WAIT:
        return "CLOSE-WAIT";
    case TCPS_LAST_ACK:
        return "LAST-ACK";
    case TCPS_LISTEN:
        return "LISTEN";
    case TCPS_CLOSING:
        return "CLOSING";
    }
    return "?";
}

static void log_state(struct stack *st, const struct tcb *t, enum tcp_state state) {
    char l[ADDR_STRLEN], r[ADDR_STRLEN];
    if (st->log.level < LOG_DEBUG)
        return;
    stack_log(st, LOG_DEBUG, "tcp %s:%u %s:%u %s -> %s", addr_format(&t->local.addr, l),
              t->local.port, addr_format(&t->remote.addr, r), t->remote.port,
              tcp_state_name(t->state), tcp_state_name(state));
}

/* A port that the user named stays his when the connection is over (as in Linux). */
static void release_flow(struct stack *st, struct tcb *t) {
    flow_remove(st, &t->flow);
    t->bound = false;
    if (!t->bound_port || t->holder != TCB_USER)
        return;
    t->local = t->bind_to;
    t->remote = (struct endpoint){0};
    t->bound = true;
    tcb_insert_flow(st, t);
}

void tcb_list_timewait(struct stack *st, struct tcb *t) {
    if (t->on_timewait || t->state != TCPS_TIME_WAIT || t->holder != TCB_ORPHAN)
        return;
    t->on_timewait = true;
    TAILQ_INSERT_TAIL(&st->tcp->timewait, t, queue_link);
    uint32_t max =
        u32_min(st->tcp->cfg.max_conns / TCP_TIMEWAIT_SHARE, st->tcp->cfg.max_tw_buckets);
    max = u32_max(max, 1);
    if (++st->tcp->n_timewait > max) /* hence another than t stands first */
        shorten_timewait(st);
}

static void unlist_timewait(struct stack *st, struct tcb *t) {
    if (!t->on_timewait)
        return;
    t->on_timewait = false;
    TAILQ_REMOVE(&st->tcp->timewait, t, queue_link);
    st->tcp->n_timewait--;
}

bool tcb_count_orphan(struct stack *st, struct tcb *t) {
    bool orphan = t->holder == TCB_ORPHAN && t->state != TCPS_CLOSED && t->state != TCPS_TIME_WAIT;
    if (orphan && !t->orphan_counted)
        st->tcp->n_orphans++;
    else if (!orphan && t->orphan_counted)
        st->tcp->n_orphans--;
    t->orphan_counted = orphan;
    return orphan;
}

void tcb_set_state(struct stack *st, struct tcb *t, enum tcp_state state) {
    enum tcp_state old = t->state;
    if (old == state)
        return;
    log_state(st, t, state);
    t->state = state;
    t->flow.deaf = state == TCPS_CLOSED;
    if (state == TCPS_ESTABLISHED)
        t->established_ns = st->now_ns;
    if (state == TCPS_TIME_WAIT) { /* nothing will be sent or come any more: keep it small */
        st->ctr.TcpExtTW++;
        t->timewait_ns = st->now_ns;
        stream_clear(&st->chunks, &t->snd.buf);
        sent_clear(st, t);
        gaps_clear(st, t);
        tcb_list_timewait(st, t);
    }
    if (state == TCPS_CLOSED) {
        unlist_timewait(st, t);
        release_flow(st, t);
    }
    tcb_count_orphan(st, t);
    tcp_on_state(st, t);
}

void tcb_free_buffers(struct stack *st, struct tcb *t) {
    stream_clear(&st->chunks, &t->snd.buf);
    marks_clear(st, t);
    stream_clear(&st->chunks, &t->rcv.queue);
    sent_clear(st, t);
    gaps_clear(st, t);
}

void tcb_finish(struct stack *st, struct tcb *t, int error) {
    if (t->state == TCPS_CLOSED)
        return;
    fastopen_settle(st, t, error == ECONNRESET);
    if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RCVD)
        st->ctr.TcpAttemptFails++;
    if (error != 0)
        t->error = error;
    t->done = true;
    stream_clear(&st->chunks, &t->snd.buf);
    sent_clear(st, t);
    marks_clear(st, t);
    gaps_clear(st, t);
    if (t->want_flush)
        TAILQ_REMOVE(&st->tcp->flush, t, flush_link);
    t->want_flush = false;
    t->ack.now = t->ack.owed = false;
    tcb_set_state(st, t, TCPS_CLOSED);
    if (t->holder == TCB_SYNQ) {
        listen_forget(t);
        t->holder = TCB_ORPHAN;
    }
    if (t->holder == TCB_ORPHAN)
        tcb_free_buffers(st, t);
    else
        tcb_raise(st, t, POLLHUP | POLLIN | POLLRDHUP | POLLOUT | (t->error != 0 ? POLLERR : 0u));
}

static void tcb_free(struct stack *st, struct tcb *t) {
    assert(t->state == TCPS_CLOSED && t->listener == NULL);
    assert(TAILQ_EMPTY(&t->syn_queue) && TAILQ_EMPTY(&t->accept_queue));
    tcb_free_buffers(st, t);
    errq_clear(st, &t->errq);
    md5_clear(st, t);
    flow_remove(st, &t->flow);
    if (t->want_flush)
        TAILQ_REMOVE(&st->tcp->flush, t, flush_link);
    if (t->want_event)
        TAILQ_REMOVE(&st->tcp->events, t, event_link);
    t->want_flush = t->want_event = false;
    pool_put(&st->tcp->tcbs, t);
}

void tcb_leave(struct stack *st, struct tcb *t) {
    if (t->state == TCPS_CLOSED && t->holder == TCB_ORPHAN)
        tcb_free(st, t);
    __asm__ volatile("" ::: "memory");
    for (int i = 0; i < STACK_MAX_DIRTY; i++)
        if (st->dirty[i] == t)
            st->dirty[i] = NULL;
}

/* ---- the flow table ---- */

void tcb_insert_flow(struct stack *st, struct tcb *t) {
    struct flow_key key = {.local = t->local, .remote = t->remote, .proto = PROTO_TCP};
    t->flow.deaf = t->state == TCPS_CLOSED;
    t->flow.spread = t->opts.reuse_port && t->remote.port == 0;
    flow_insert(st, &t->flow, &key);
}

struct tcb *tcb_from_flow(struct flow_node *n) {
    return (struct tcb *)((char *)n - offsetof(struct tcb, flow));
}

struct tcb *tcb_find(struct stack *st, const struct ip_in *in, const struct tcp_hdr *h) {
    struct flow_key key = {
        .local = {in->dst, h->dport}, .remote = {in->src, h->sport}, .proto = PROTO_TCP};
    struct flow_node *n = flow_match(st, &key);
    return n != NULL ? tcb_from_flow(n) : NULL;
}

/* ---- events and the flush list ---- */

void tcb_raise(struct stack *st, struct tcb *t, uint32_t poll_bits) {
    t->rose |= poll_bits;
    if (t->want_event || t->holder != TCB_USER)
        return;
    t->want_event = true;
    TAILQ_INSERT_TAIL(&st->tcp->events, t, event_link);
}

struct tcb *tcp_next_event(struct stack *st, uint32_t *rose) {
    struct tcb *t;
    while ((t = TAILQ_FIRST(&st->tcp->events)) != NULL) {
        TAILQ_REMOVE(&st->tcp->events, t, event_link);
        t->want_event = false;
        *rose = t->rose;
        t->rose = 0;
        if (t->user != NULL)
            return t;
    }
    return NULL;
}

void tcb_check_space(struct stack *st, struct tcb *t) {
    if (!t->snd.nospace || !tcb_has_data_phase(t))
        return;
    if (sndbuf_is_writable(st, t)) {
        t->snd.nospace = false;
        tcb_raise(st, t, POLLOUT);
    } else if (t->snd.buf.len == 0 && !(t->shut & SHUT_BIT_WR)) {
        tcp_on_no_memory(st, t); /* it is memory that is short, and no ACK will tell of that */
    }
}

void tcb_want_flush(struct stack *st, struct tcb *t) {
    if (t->want_flush)
        return;
    t->want_flush = true;
    TAILQ_INSERT_TAIL(&st->tcp->flush, t, flush_link);
}

/* Bounded: a tcb's turn ends when it is off the list, and output does not put it back. */
void tcp_flush(struct stack *st) {
    struct tcb *t;
    memory_update(st);
    while ((t = TAILQ_FIRST(&st->tcp->flush)) != NULL) {
        stack_dirty(st, t);
        TAILQ_REMOVE(&st->tcp->flush, t, flush_link);
        t->want_flush = false;
        tcp_output(st, t);
        tcb_leave(st, t);
    }
}

/* ---- all of them ---- */

void tcp_foreach(struct stack *st, void (*fn)(struct stack *st, struct tcb *t, void *arg),
                 void *arg) {
    struct tcb *t;
    POOL_FOREACH (&st->tcp->tcbs, i, t)
        fn(st, t, arg);
}

void tcp_count(struct stack *st, uint32_t *live, uint32_t *timewait) {
    struct tcb *t;
    *live = *timewait = 0;
    POOL_FOREACH (&st->tcp->tcbs, i, t) {
        if (t->state == TCPS_TIME_WAIT && t->holder == TCB_ORPHAN)
            (*timewait)++;
        else
            (*live)++;
    }
}

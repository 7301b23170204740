#include "tests/sim/flows.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS    (100 * 1000ull) /* the receivers read, and the queue is looked at, this often */
#define PIECE      65536u
#define HDRS       66.0 /* Ethernet, IP, TCP with timestamps: what a segment costs on the wire */
#define SEGMENT    1448.0
#define CONNECT_NS (30 * NS_PER_S)
#define FAR_PORT   (WORLD_PORT + 1)

struct flow {
    struct sock *out, *in;
    bool connected;
    uint64_t received, counted, sampled;
};

struct run {
    const struct flows_config *cfg;
    struct world w;
    struct sock *listener[2]; /* near, far */
    struct flow flow[FLOWS_MAX];
    uint64_t *queue_ns;
    size_t n_queue, max_queue;
    char *piece;
};

static bool failed(const char *what, int err) {
    fprintf(stderr, "flows: %s: %s\n", what, strerror(-err));
    return false;
}

static struct sockaddr_in server_addr(bool far) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(far ? FAR_PORT : WORLD_PORT),
                                .sin_addr.s_addr = htonl(0x0a000002)};
}

static int choose_cc(struct stack *st, struct sock *so, const char *cc) {
    return sock_setopt(st, so, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc));
}

/* DCTCP's receiver echoes marks its own way, so both ends have it. */
static bool start_listener(struct run *r, bool far) {
    struct stack *st = r->w.host[1].st;
    struct sockaddr_in sa = server_addr(far);
    int err = sock_open(st, r->w.host[1].proc, AF_INET, SOCK_STREAM, 0, 0, &r->listener[far]);
    if (err == 0)
        err = sock_bind(st, r->listener[far], (struct sockaddr *)&sa, sizeof(sa));
    if (err == 0)
        err = choose_cc(st, r->listener[far], r->cfg->flow[0].cc);
    if (err == 0)
        err = sock_listen(st, r->listener[far], FLOWS_MAX);
    return err == 0 || failed("listen", err);
}

static bool start_flow(struct run *r, int i) {
    struct stack *st = r->w.host[0].st;
    const char *cc = r->cfg->flow[i].cc;
    struct sockaddr_in sa = server_addr(r->cfg->flow[i].far);
    int err = sock_open(st, r->w.host[0].proc, AF_INET, SOCK_STREAM, 0, 0, &r->flow[i].out);
    if (err != 0)
        return failed("socket", err);
    err = choose_cc(st, r->flow[i].out, cc);
    if (err != 0)
        return failed(cc, err);
    err = sock_connect(st, r->flow[i].out, (struct sockaddr *)&sa, sizeof(sa));
    return err == -EINPROGRESS || failed("connect", err);
}

/* Connections of one distance come in the order in which they were begun. */
static bool accept_flow(struct run *r, int i) {
    struct host *h = &r->w.host[1];
    struct sock *listener = r->listener[r->cfg->flow[i].far];
    int err = sock_accept(h->st, listener, h->proc, 0, NULL, NULL, &r->flow[i].in);
    if (err == -EAGAIN)
        return true;
    if (err != 0)
        return failed("accept", err);
    r->flow[i].connected = true;
    return true;
}

static bool feed(struct run *r, struct flow *f) {
    struct iovec iov = {r->piece, PIECE};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;
    while ((n = sock_send(r->w.host[0].st, f->out, &msg, 0)) > 0)
        ;
    return n == -EAGAIN || failed("send", (int)n);
}

static bool drain(struct run *r, struct flow *f, bool counts) {
    ssize_t n;
    for (;;) {
        struct iovec iov = {r->piece, PIECE};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        if ((n = sock_recv(r->w.host[1].st, f->in, &msg, 0)) <= 0)
            break;
        f->received += (uint64_t)n;
        if (counts)
            f->counted += (uint64_t)n;
    }
    return n == -EAGAIN || failed("recv", (int)n);
}

static bool step_flow(struct run *r, int i, uint64_t at) {
    struct flow *f = &r->flow[i];
    uint64_t start = r->cfg->flow[i].start_ns;
    if (at < start)
        return true;
    if (f->out == NULL && !start_flow(r, i))
        return false;
    if (!f->connected) {
        if (!accept_flow(r, i))
            return false;
        if (!f->connected)
            return at < start + CONNECT_NS || failed("no connection", -ETIMEDOUT);
    }
    return feed(r, f) && drain(r, f, at >= r->cfg->from_ns);
}

/* Lets the world go on until `until`. */
static void advance(struct run *r, uint64_t until) {
    for (;;) {
        world_poll(&r->w, 0);
        world_poll(&r->w, 1);
        uint64_t next = world_next(&r->w);
        if (next > until)
            break;
        r->w.now_ns = next > r->w.now_ns ? next : r->w.now_ns + 1;
    }
    r->w.now_ns = until;
    for (int h = 0; h < 2; h++)
        stack_set_time(r->w.host[h].st, until);
}

static void note_queue(struct run *r, uint64_t at) {
    uint64_t q = sim_wire_backlog_ns(r->w.wire, 0, r->w.now_ns);
    if (at >= r->cfg->from_ns && r->n_queue < r->max_queue)
        r->queue_ns[r->n_queue++] = q;
}

static void sample(struct run *r, uint64_t at) {
    uint64_t bytes[FLOWS_MAX] = {0};
    for (int i = 0; i < r->cfg->n; i++) {
        bytes[i] = r->flow[i].received - r->flow[i].sampled;
        r->flow[i].sampled = r->flow[i].received;
    }
    r->cfg->sample(r->cfg->arg, at, bytes, sim_wire_backlog_ns(r->w.wire, 0, r->w.now_ns));
}

static bool run(struct run *r) {
    const struct flows_config *c = r->cfg;
    uint64_t sampled = 0;
    for (uint64_t at = 0; at < c->run_ns; at += STEP_NS) {
        for (int i = 0; i < c->n; i++)
            if (!step_flow(r, i, at))
                return false;
        advance(r, WORLD_EPOCH + at + STEP_NS);
        note_queue(r, at);
        if (c->sample != NULL && at + STEP_NS >= sampled + c->sample_ns) {
            sampled = at + STEP_NS;
            sample(r, sampled);
        }
    }
    return true;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void summarize(struct run *r, struct flows_result *out) {
    const struct flows_config *c = r->cfg;
    double s = (double)(c->run_ns - c->from_ns) / NS_PER_S, sum = 0, squares = 0, total = 0;
    struct sim_stats stats;
    for (int i = 0; i < c->n; i++) {
        double bps = (double)r->flow[i].counted * 8 / s;
        out->bytes[i] = r->flow[i].counted;
        out->goodput_bps[i] = bps;
        sum += bps;
        squares += bps * bps;
    }
    out->jain = squares > 0 ? sum * sum / (c->n * squares) : 0;
    if (c->wire.rate_bps > 0)
        out->utilisation = sum * (SEGMENT + HDRS) / SEGMENT / (double)c->wire.rate_bps;
    for (size_t i = 0; i < r->n_queue; i++)
        total += (double)r->queue_ns[i];
    qsort(r->queue_ns, r->n_queue, sizeof(*r->queue_ns), by_value);
    size_t p95 = r->n_queue * 95 / 100;
    if (r->n_queue > 0) {
        out->queue_mean_ns = total / (double)r->n_queue;
        out->queue_p95_ns = (double)r->queue_ns[p95];
    }
    sim_wire_stats(r->w.wire, 0, &stats);
    out->queue_drops = stats.queue_drops;
    out->marked = stats.marked;
    out->retransmitted = r->w.host[0].st->ctr.TcpRetransSegs;
}

bool flows_run(const struct flows_config *cfg, struct flows_result *out) {
    struct run *r = calloc(1, sizeof(*r));
    struct world_config wc;
    bool ok = false;
    *out = (struct flows_result){0};
    if (r == NULL)
        return failed("memory", -ENOMEM);
    world_config_default(&wc);
    stack_config_default(&wc.stack, 0);
    wc.stack.tcp.max_conns = 256;
    wc.stack.tcp.rmem[MEM_FIRST] = wc.stack.tcp.rmem[MEM_MOST]; /* never what limits a flow */
    wc.caps = (struct link_caps){.mtu = 1500, .gso_max = 65535, .tx_csum = true};
    wc.impair[0] = cfg->wire;
    wc.impair[0].seed = cfg->seed;
    wc.impair[0].far_port = FAR_PORT;
    wc.impair[1] = (struct impair){.delay_ns = cfg->wire.delay_ns,
                                   .far_port = FAR_PORT,
                                   .far_ns = cfg->wire.far_ns,
                                   .seed = cfg->seed + 1};
    wc.seed = cfg->seed;
    wc.pcap = cfg->pcap;
    r->cfg = cfg;
    r->max_queue = (size_t)(cfg->run_ns / STEP_NS) + 1;
    r->queue_ns = calloc(r->max_queue, sizeof(*r->queue_ns));
    r->piece = calloc(1, PIECE);
    if (r->queue_ns != NULL && r->piece != NULL && world_init(&r->w, &wc)) {
        ok = start_listener(r, false) && start_listener(r, true) && run(r);
        if (ok)
            summarize(r, out);
        world_free(&r->w);
    }
    free(r->queue_ns);
    free(r->piece);
    free(r);
    return ok;
}

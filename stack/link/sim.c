/* The simulated wire. Two ends; what end i sends goes through dir[i] (impair.h) and is received by
 * the other one when its time has come. Time is what the callers say it is.
 *
 * As on a veth pair, a super-frame and an unfinished checksum pass whole when the wire has such
 * offloads and nothing acts on single frames; a large frame shows only its head and must be read
 * (read_rest), so that the receiver's handling of that is under test too. */
#include "stack/link/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/timer.h"
#include "stack/link/gso.h"
#include "stack/link/impair.h"
#include "stack/wire/eth.h"

#define SIM_QUEUE_MEM  (32u << 20) /* a direction's frames on the way */
#define SIM_LINEAR_MAX 2048u       /* larger frames show only their head */
#define SIM_HEAD       192u

struct sim_rx {
    struct sim_end *end;
    uint8_t *buf;
    uint32_t len;
    bool split; /* the rest is behind read_rest */
    bool read;
};

struct sim_end {
    struct link link;
    struct sim_wire *wire;
    struct impair_dir *out, *in;
    uint8_t *buf[LINK_BATCH]; /* GSO_FRAME_MAX each, allocated when first needed */
    struct sim_rx rx[LINK_BATCH];
    int nrx, next_read; /* frames handed out; reading goes in order */
};

struct sim_wire {
    struct impair_dir dir[2];
    struct sim_end end[2];
    uint8_t *mem[2];
    uint8_t scratch[GSO_FRAME_MAX];
};

static struct sim_end *end_of(struct link *l) {
    return (struct sim_end *)l;
}

static int sim_read_rest(struct frame *f, const struct iovec *iov, int niov) {
    struct sim_rx *rx = f->src;
    int i = (int)(rx - rx->end->rx);
    assert(rx->split && !rx->read);                      /* once at most, */
    assert(i >= rx->end->next_read && i < rx->end->nrx); /* in order, before recv_done */
    rx->read = true;
    rx->end->next_read = i + 1;
    struct iovec src = {rx->buf + SIM_HEAD, rx->len - SIM_HEAD};
    return (int)iov_copy(iov, niov, 0, &src, 1, 0, src.iov_len);
}

static void sim_fill_frame(struct sim_end *e, int i, const struct frameq_meta *m, struct frame *f) {
    struct sim_rx *rx = &e->rx[i];
    *rx = (struct sim_rx){.end = e, .buf = e->buf[i], .len = m->len};
    rx->split = m->len > SIM_LINEAR_MAX;
    *f = (struct frame){.data = rx->buf,
                        .linear = rx->split ? SIM_HEAD : m->len,
                        .len = m->len,
                        .csum = m->csum,
                        .gso_size = m->gso_size,
                        .read_rest = sim_read_rest,
                        .src = rx};
}

static int sim_recv_batch(struct link *l, struct frame *f, int max, uint64_t now_ns) {
    struct sim_end *e = end_of(l);
    int n = 0;

    assert(e->nrx == 0 && max <= LINK_BATCH);
    for (; n < max && frameq_next(&e->in->q) <= now_ns; n++) {
        struct frameq_meta m;
        if (e->buf[n] == NULL)
            e->buf[n] = malloc(GSO_FRAME_MAX);
        assert(e->buf[n] != NULL); /* a test that runs out of memory has failed */
        frameq_pop(&e->in->q, &m, e->buf[n]);
        sim_fill_frame(e, n, &m, &f[n]);
    }
    e->nrx = n;
    e->next_read = 0;
    return n;
}

static void sim_recv_done(struct link *l, int n) {
    struct sim_end *e = end_of(l);
    assert(n == e->nrx);
    e->nrx = 0;
}

/* Returns false when the packet does not fit on the wire. */
static bool sim_send_one(struct sim_end *e, struct pkt *p, uint64_t now_ns) {
    struct gso_src s;
    uint8_t *buf = e->wire->scratch;
    const struct link_caps *caps = &e->link.caps;
    bool whole = p->gso_size > 0 && caps->gso_max > 0 && !impair_per_frame(&e->out->cfg);

    gso_from_pkt(&s, p);
    if (whole && pkt_len(p) > ETH_HDR_LEN + caps->gso_max)
        return false;
    if (!whole && gso_len(&s, 0) > ETH_HDR_LEN + (uint32_t)caps->mtu)
        return false;
    if (whole || (p->gso_size == 0 && caps->tx_csum && e->out->cfg.corrupt_ppm == 0)) {
        uint32_t len = gso_linearize(&s, buf);
        impair_dir_put(e->out, buf, len, p->gso_size,
                       p->csum_partial ? FRAME_CSUM_PARTIAL : FRAME_CSUM_UNKNOWN, now_ns);
        return true;
    }
    for (uint32_t i = 0, n = gso_count(&s); i < n; i++) {
        uint32_t len = gso_build(&s, i, buf);
        impair_dir_put(e->out, buf, len, 0, FRAME_CSUM_UNKNOWN, now_ns);
    }
    return true;
}

static int sim_send_batch(struct link *l, struct pkt *const *p, int n, uint64_t now_ns,
                          uint64_t *dropped) {
    for (int i = 0; i < n; i++)
        if (!sim_send_one(end_of(l), p[i], now_ns))
            ++*dropped;
    return n;
}

static uint64_t sim_next_event(struct link *l) {
    return frameq_next(&end_of(l)->in->q);
}

/* The wire owns its ends. */
static void sim_close(struct link *l) {
    (void)l;
}

static const struct link_ops sim_ops = {.recv_batch = sim_recv_batch,
                                        .recv_done = sim_recv_done,
                                        .send_batch = sim_send_batch,
                                        .next_event = sim_next_event,
                                        .close = sim_close};

struct sim_wire *sim_wire_new(const struct impair impair[2], const struct link_caps *caps) {
    struct sim_wire *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    for (int i = 0; i < 2; i++) {
        /* calloc of a large piece is untouched pages; one more line for the alignment. */
        w->mem[i] = calloc(1, SIM_QUEUE_MEM + 64);
        if (w->mem[i] == NULL) {
            sim_wire_free(w);
            return NULL;
        }
        uint8_t *aligned = w->mem[i] + (-(uintptr_t)w->mem[i] & 63);
        bool ok = impair_dir_init(&w->dir[i], &impair[i], aligned, SIM_QUEUE_MEM);
        assert(ok);
        w->end[i] = (struct sim_end){.link = {.ops = &sim_ops, .caps = *caps},
                                     .wire = w,
                                     .out = &w->dir[i],
                                     .in = &w->dir[1 - i]};
    }
    return w;
}

struct link *sim_wire_end(struct sim_wire *w, int end) {
    return &w->end[end].link;
}

uint64_t sim_wire_backlog_ns(const struct sim_wire *w, int end, uint64_t now_ns) {
    uint64_t busy = w->dir[end].busy_until_ns;
    return busy > now_ns ? busy - now_ns : 0;
}

void sim_wire_stats(const struct sim_wire *w, int end, struct sim_stats *out) {
    *out = w->dir[end].stats;
}

void sim_wire_free(struct sim_wire *w) {
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < LINK_BATCH; k++)
            free(w->end[i].buf[k]);
        free(w->mem[i]);
    }
    free(w);
}

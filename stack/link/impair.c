/* Impairment around a real link, for a lab whose kernel has no netem. Both directions pass through
 * a struct impair_dir (impair.h) that lies in memory shared by all processes of the host; whichever
 * of them polls sends and receives what has become due, under the stack's lock.
 *
 * What stands in that memory: plain data and addresses within it. What is this process's own
 * (struct impair_link): the inner link and buffers. A process that dies in the middle leaves `busy`
 * set; the next one then forgets the frames on the way, which TCP sends again. A direction that
 * has nothing to do is passed through untouched. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/timer.h"
#include "stack/link/gso.h"
#include "stack/link/impair.h"
#include "stack/link/sim.h"

#define RETRY_NS     50000u /* after the inner link had no room */
#define MTU_FRAME    1514u
#define TAKE_BATCHES 8

enum { OUT, IN };

struct impair_state {
    uint32_t busy;
    bool active[2];
    struct impair_dir dir[2];
};

struct impair_link {
    struct link link;
    struct link *inner;
    struct impair_state *state;
    uint64_t retry_ns;        /* 0: not blocked */
    uint8_t *buf[LINK_BATCH]; /* GSO_FRAME_MAX each, allocated when first needed */
    uint8_t *scratch, *rx;    /* GSO_FRAME_MAX each */
};

static struct impair_link *self_of(struct link *l) {
    return (struct impair_link *)l;
}

/* Every frame on the wire at once: the bottleneck's queue, and what is under way behind it. */
static size_t bytes_needed(const struct impair *c) {
    if (c->rate_bps == 0)
        return 0;
    uint64_t way_ns =
        c->delay_ns + c->far_ns + c->jitter_ns + (c->reorder_ppm != 0 ? c->reorder_ns : 0);
    uint32_t queue = c->queue_bytes != 0 ? c->queue_bytes : IMPAIR_QUEUE_DEFAULT;
    return queue + (size_t)((unsigned __int128)way_ns * c->rate_bps / 8 / 1000000000u);
}

bool impair_init(void *mem, size_t size, const struct impair *out, const struct impair *in) {
    const struct impair *cfg[2] = {out, in};
    struct impair_state *s = mem;
    size_t used = (sizeof(*s) + 63) & ~(size_t)63;

    if (size < used)
        return false;
    *s = (struct impair_state){.active = {!impair_is_none(out), !impair_is_none(in)}};
    int n = s->active[OUT] + s->active[IN];
    size_t share = n > 0 ? ((size - used) / (unsigned)n) & ~(size_t)63 : 0;
    for (int i = 0; i < 2; i++) {
        if (!s->active[i])
            continue;
        if (!impair_dir_init(&s->dir[i], cfg[i], (uint8_t *)mem + used, share) ||
            frameq_capacity(&s->dir[i].q, MTU_FRAME) < bytes_needed(cfg[i]))
            return false;
        used += share;
    }
    return true;
}

static void enter(struct impair_link *il) {
    struct impair_state *s = il->state;
    for (int i = 0; s->busy && i < 2; i++)
        if (s->active[i])
            frameq_reset(&s->dir[i].q);
    s->busy = 1;
    __asm__ volatile("" ::: "memory");
}

static void leave(struct impair_link *il) {
    __asm__ volatile("" ::: "memory");
    il->state->busy = 0;
}

static uint8_t *buffer(struct impair_link *il, int i) {
    if (il->buf[i] == NULL)
        il->buf[i] = malloc(GSO_FRAME_MAX);
    return il->buf[i];
}

static void put_split(struct impair_link *il, int dir, const struct gso_src *s, uint64_t now_ns) {
    for (uint32_t i = 0, n = gso_count(s); i < n; i++) {
        uint32_t len = gso_build(s, i, il->scratch);
        impair_dir_put(&il->state->dir[dir], il->scratch, len, 0, FRAME_CSUM_UNKNOWN, now_ns);
    }
}

/* A packet that views plain memory; good for the inner link, which only reads it. */
static void pkt_of_mem(struct pkt *p, uint8_t *data, uint32_t len) {
    uint32_t head = len < PKT_HDR_MAX ? len : PKT_HDR_MAX;
    p->hdr_off = (uint16_t)(PKT_HDR_MAX - head);
    p->csum_partial = false;
    p->gso_type = GSO_NONE;
    p->gso_size = 0;
    p->nfrags = len > head;
    p->payload_len = len - head;
    memcpy(pkt_hdr(p), data, head);
    p->frag[0] = (struct pkt_frag){NULL, data + head, len - head};
}

/* Sends what is due. */
static void flush_out(struct impair_link *il, uint64_t now_ns, uint64_t *dropped) {
    struct frameq *q = &il->state->dir[OUT].q;
    struct pkt pkts[LINK_BATCH], *list[LINK_BATCH];
    struct frameq_meta m[LINK_BATCH];

    if (now_ns < il->retry_ns)
        return;
    il->retry_ns = 0;
    while (frameq_next(q) <= now_ns) {
        int n = 0;
        while (n < LINK_BATCH && frameq_next(q) <= now_ns && buffer(il, n) != NULL) {
            frameq_pop(q, &m[n], il->buf[n]);
            pkt_of_mem(&pkts[n], il->buf[n], m[n].len);
            list[n] = &pkts[n];
            n++;
        }
        int sent = link_send_batch(il->inner, list, n, now_ns, dropped);
        for (int i = sent; i < n; i++)
            frameq_push(q, &m[i], il->buf[i]); /* keeps its time, and there was room a moment ago */
        if (sent < n || n == 0) {
            il->retry_ns = now_ns + RETRY_NS;
            return;
        }
    }
}

static int impair_send_batch(struct link *l, struct pkt *const *p, int n, uint64_t now_ns,
                             uint64_t *dropped) {
    struct impair_link *il = self_of(l);
    struct gso_src s;

    if (!il->state->active[OUT])
        return link_send_batch(il->inner, p, n, now_ns, dropped);
    enter(il);
    for (int i = 0; i < n; i++) {
        gso_from_pkt(&s, p[i]);
        put_split(il, OUT, &s, now_ns);
    }
    flush_out(il, now_ns, dropped);
    leave(il);
    return n;
}

/* Takes a batch from the inner link; returns its size. A frame whose rest is lost, or that cannot
 * be split, is dropped. */
static int take_batch(struct impair_link *il, uint64_t now_ns) {
    struct frame f[LINK_BATCH];
    struct gso_src s;

    int n = link_recv_batch(il->inner, f, LINK_BATCH, now_ns);
    for (int i = 0; i < n; i++) {
        uint32_t len = f[i].len < GSO_FRAME_MAX ? f[i].len : GSO_FRAME_MAX;
        struct iovec iov = {il->rx, len};
        const uint8_t *data = f[i].data;
        if (f[i].linear < f[i].len) {
            if (frame_read(&f[i], 0, len, &iov, 1) != (int)len)
                continue;
            data = il->rx;
        }
        if (gso_from_frame(&s, data, len, f[i].gso_size, f[i].csum))
            put_split(il, IN, &s, now_ns);
    }
    if (n > 0)
        link_recv_done(il->inner, n);
    return n;
}

static int impair_recv_batch(struct link *l, struct frame *f, int max, uint64_t now_ns) {
    struct impair_link *il = self_of(l);
    struct frameq_meta m;
    uint64_t dropped = 0; /* counted nowhere: the sender has long been told that they went */
    int n = 0;

    enter(il);
    if (il->state->active[OUT])
        flush_out(il, now_ns, &dropped);
    if (!il->state->active[IN]) {
        leave(il);
        return link_recv_batch(il->inner, f, max, now_ns);
    }
    /* All there is, within bounds: what is not yet due here does not show in our answer, and the
     * caller goes to sleep when it gets nothing. */
    for (int i = 0; i < TAKE_BATCHES && take_batch(il, now_ns) == LINK_BATCH; i++)
        ;
    struct frameq *q = &il->state->dir[IN].q;
    for (; n < max && frameq_next(q) <= now_ns && buffer(il, n) != NULL; n++) {
        frameq_pop(q, &m, il->buf[n]);
        frame_from_mem(&f[n], il->buf[n], m.len);
    }
    leave(il);
    return n;
}

static void impair_recv_done(struct link *l, int n) {
    struct impair_link *il = self_of(l);
    if (!il->state->active[IN])
        link_recv_done(il->inner, n);
}

static uint64_t impair_next_event(struct link *l) {
    struct impair_link *il = self_of(l);
    uint64_t next = link_next_event(il->inner);
    for (int i = 0; i < 2; i++) {
        if (!il->state->active[i])
            continue;
        uint64_t due = frameq_next(&il->state->dir[i].q);
        if (i == OUT && due != TIME_NEVER && due < il->retry_ns)
            due = il->retry_ns;
        if (due < next)
            next = due;
    }
    return next;
}

static void impair_close(struct link *l) {
    struct impair_link *il = self_of(l);
    for (int i = 0; i < LINK_BATCH; i++)
        free(il->buf[i]);
    free(il->scratch);
    free(il->rx);
    free(il);
}

static const struct link_ops impair_ops = {.recv_batch = impair_recv_batch,
                                           .recv_done = impair_recv_done,
                                           .send_batch = impair_send_batch,
                                           .next_event = impair_next_event,
                                           .close = impair_close};

struct link *link_impair_new(struct link *inner, void *mem) {
    struct impair_link *il = calloc(1, sizeof(*il));
    if (il == NULL)
        return NULL;
    il->scratch = malloc(GSO_FRAME_MAX);
    il->rx = malloc(GSO_FRAME_MAX);
    if (il->scratch == NULL || il->rx == NULL) {
        impair_close(&il->link);
        return NULL;
    }
    il->link = (struct link){.ops = &impair_ops, .caps = inner->caps};
    il->inner = inner;
    il->state = mem;
    return &il->link;
}

/* Received data and the window.
 *
 * Payload is read from its frame straight to where it belongs: the buffer of a waiting reader
 * (st->direct), the room behind the last chunk of the queue, fresh chunks. Nothing is published
 * before the bytes are there, so a process that dies while copying leaves the connection whole.
 *
 * Invariants: the queue holds the bytes [rcv.copied, rcv.nxt) less a FIN; two neighbouring chunks
 * of it are never so empty that one would hold both, hence its true size is at most twice its
 * length and a chunk, however small the segments were (V15). rcv.adv never moves left (SHLD-14). */
#include "stack/tcp/tcb.h"

#include <poll.h>

#define USER_IOV_MAX      16
#define PRESSURE_SEGMENTS 4u /* that a window offers while memory is short */
#define FRESH_MAX         20 /* chunks: 64 KB in small ones */

uint32_t recv_clamped(const struct tcb *t, uint32_t limit) {
    uint32_t clamp = t->opts.window_clamp != 0 ? t->opts.window_clamp : t->path->window;
    return clamp != 0 ? u32_min(limit, clamp) : limit;
}

void recv_init(struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    /* Half of the buffer is window, as with Linux's tcp_adv_win_scale = 1: the rest is overhead. */
    uint32_t half = (t->opts.rcvbuf != 0 ? t->opts.rcvbuf : cfg->rmem[MEM_FIRST]) / 2;
    t->rcv.limit = recv_clamped(t, u32_max(half, TCP_RCVBUF_MIN / 2));
    t->rcv.adv_mss = opts_advertised_mss(st, t);
    t->rcv.wscale = t->use_wscale ? opts_window_scale(st, t) : 0;
    t->rcv.mss = u32_min(TCP_MSS_DEFAULT, t->rcv.adv_mss);
    uint64_t first = (uint64_t)t->path->initrwnd * t->rcv.adv_mss;
    t->rcv.open = first != 0 && first < t->rcv.limit ? (uint32_t)first : UINT32_MAX;
}

/* A window that began small opens as the peer's own does in slow start (Linux: tcp_grow_window). */
static void open_window(const struct stack *st, struct tcb *t, uint32_t came) {
    if (t->rcv.open < t->rcv.limit && !st->tcp->memory.pressure)
        t->rcv.open += 2 * came;
}

uint32_t recv_offered(const struct tcb *t) {
    return u32_min(t->rcv.limit, t->rcv.open);
}

/* ---- reading a segment's payload ---- */

struct landing {
    struct iovec iov[USER_IOV_MAX + 1 + FRESH_MAX];
    int n;
    size_t user, room; /* bytes that the user's part and the tail's room take */
    struct chunk *fresh[FRESH_MAX];
    int n_fresh;
};

static void landing_add(struct landing *l, void *p, size_t n) {
    if (n > 0)
        l->iov[l->n++] = (struct iovec){p, n};
}

static void landing_free(struct stack *st, struct landing *l) {
    while (l->n_fresh > 0)
        chunk_unref(&st->chunks, l->fresh[--l->n_fresh]);
}

/* Places for `len` bytes. False: memory is out. */
static bool landing_plan(struct stack *st, struct landing *l, size_t len, const struct stream *to,
                         const struct iovec *user, int nuser) {
    l->n = l->n_fresh = 0;
    l->user = l->room = 0;
    for (int i = 0; i < nuser && i < USER_IOV_MAX && len > 0; i++) {
        size_t n = user[i].iov_len < len ? user[i].iov_len : len;
        landing_add(l, user[i].iov_base, n);
        l->user += n;
        len -= n;
    }
    struct chunk *c = to->tail;
    if (c != NULL && len > 0) {
        l->room = c->cap - c->off - c->len < len ? c->cap - c->off - c->len : len;
        landing_add(l, c->data + c->off + c->len, l->room);
        len -= l->room;
    }
    while (len > 0) {
        c = l->n_fresh < FRESH_MAX ? chunk_get(&st->chunks, len) : NULL;
        if (c == NULL) {
            st->ctr.mem_chunks_out++;
            landing_free(st, l);
            return false;
        }
        c->len = (uint32_t)(c->cap < len ? c->cap : len);
        landing_add(l, c->data, c->len);
        len -= c->len;
        l->fresh[l->n_fresh++] = c;
    }
    return true;
}

static void landing_publish(struct landing *l, struct stream *to) {
    if (l->room > 0) {
        to->tail->len += (uint32_t)l->room;
        to->len += l->room;
    }
    for (int i = 0; i < l->n_fresh; i++)
        stream_append_chunk(to, l->fresh[i]);
}

static bool read_payload(struct seg *s, const struct iovec *iov, int n) {
    uint32_t at = s->h.hdr_len + s->skip;
    if (s->chunk != NULL) {
        struct iovec src = {s->chunk->data + s->chunk->off, s->chunk->len};
        return iov_copy(iov, n, 0, &src, 1, at, s->len) == s->len;
    }
    return frame_read(&s->in->f, at, s->len, iov, n) == (int)s->len;
}

int recv_read(struct stack *st, struct seg *s, struct stream *to, const struct iovec *user,
              int nuser, size_t *to_user) {
    struct landing l;
    if (!landing_plan(st, &l, s->len, to, user, nuser))
        return -ENOMEM;
    if (!read_payload(s, l.iov, l.n)) {
        landing_free(st, &l);
        return -EIO;
    }
    landing_publish(&l, to);
    if (to_user != NULL)
        *to_user = l.user;
    return 0;
}

/* ---- in order, and not ---- */

/* The rest of the buffer that a waiting reader has lent, or 0 entries. */
static int direct_iov(struct stack *st, const struct tcb *t, struct iovec *out) {
    struct direct_recv *d = st->direct;
    int n = 0;
    if (d == NULL || d->t != t || t->rcv.queue.len > 0 || t->urgent.state != URGENT_NONE)
        return 0;
    size_t skip = d->got;
    for (int i = 0; i < d->niov && n < USER_IOV_MAX; i++) {
        if (skip >= d->iov[i].iov_len) {
            skip -= d->iov[i].iov_len;
            continue;
        }
        out[n++] = (struct iovec){(uint8_t *)d->iov[i].iov_base + skip, d->iov[i].iov_len - skip};
        skip = 0;
    }
    return n;
}

static bool deliver(struct stack *st, struct tcb *t, struct seg *s) {
    struct iovec user[USER_IOV_MAX];
    size_t to_user = 0;
    int nuser = direct_iov(st, t, user);
    int err = recv_read(st, s, &t->rcv.queue, user, nuser, &to_user);
    /* Out-of-order data must not starve what would let it be delivered. */
    while (err == -ENOMEM && gaps_drop_last(st, t))
        err = recv_read(st, s, &t->rcv.queue, user, nuser, &to_user);
    if (err != 0)
        return false;
    t->rcv.nxt = seq_add(t->rcv.nxt, s->len);
    t->rcv.bytes += s->len;
    if (to_user > 0) {
        st->direct->got += to_user;
        recv_after_read(st, t, (uint32_t)to_user);
    }
    return true;
}

/* Out-of-order data goes first when memory is short: it can be had again (RFC 2018 §8). A reader
 * who has nothing to read always gets the next bytes. */
static bool prune(struct stack *st, struct tcb *t) {
    if (t->rcv.queue.len == 0 || memory_may_receive(st, t))
        return true;
    st->ctr.TcpExtPruneCalled++;
    if (gaps_drop_last(st, t)) {
        st->ctr.TcpExtOfoPruned++;
        while (!memory_may_receive(st, t) && gaps_drop_last(st, t))
            continue;
    }
    if (memory_may_receive(st, t))
        return true;
    st->ctr.TcpExtRcvPruned++;
    return false;
}

static void in_order(struct stack *st, struct tcb *t, struct seg *s) {
    memory_update(st);
    if (!prune(st, t) || !deliver(st, t, s)) {
        st->ctr.TcpExtTCPRcvQDrop++;
        s->fin = false;
        return;
    }
    open_window(st, t, s->len);
    bool filled = gaps_drain(st, t);
    ackpolicy_on_data(st, t, s, true, filled);
    tcb_raise(st, t, POLLIN);
}

/* Text of an acceptable segment, cut to the window (RFC 9293 §3.10.7.4, seventh). */
void recv_segment(struct stack *st, struct tcb *t, struct seg *s) {
    seq_t fin_seq = seq_add(s->seq, s->len); /* before what is known already is cut off */
    if (s->len > 0) {
        t->rcv.last_data_ns = st->now_ns;
        t->rcv.data_segs_in++;
        rcvrtt_on_data(st, t, s);
        if (seq_eq(s->seq, t->rcv.nxt)) {
            in_order(st, t, s);
        } else {
            if (gaps_store(st, t, s))
                st->ctr.TcpExtTCPOFOQueue++, t->account.ooopack++;
            else
                s->fin = false;
            ackpolicy_on_data(st, t, s, false, false);
        }
    }
    if (s->fin && !t->rcv.fin_known) {
        t->rcv.fin_known = true;
        t->rcv.fin_seq = fin_seq;
        if (!seq_eq(t->rcv.fin_seq, t->rcv.nxt))
            ackpolicy_now(st, t);
    }
}

/* ---- the window ---- */

uint32_t recv_syn_window(const struct tcb *t) {
    uint32_t wnd = u32_min(recv_offered(t), 65535);
    return wnd > t->rcv.adv_mss ? wnd - wnd % t->rcv.adv_mss : wnd;
}

static uint32_t free_room(const struct tcb *t) {
    uint32_t used = (uint32_t)t->rcv.queue.len;
    return t->rcv.limit > used ? t->rcv.limit - used : 0;
}

uint32_t recv_new_window(const struct tcb *t) {
    uint32_t room = u32_min(free_room(t), t->rcv.open);
    room = u32_min(room, 65535u << t->rcv.wscale); /* more cannot be said, so it is no news */
    uint32_t cur = tcb_rcv_wnd(t);
    /* Receiver's SWS avoidance (MUST-39, §3.8.6.2.2); no shrinking (SHLD-14). */
    if (room <= cur || room - cur < u32_min(t->rcv.limit / 2, t->rcv.mss))
        return cur;
    return room;
}

/* Rounded up to what the scaled field can say: down would move the right edge left. But only once
 * past the limit, else each small segment that nobody reads would find a rounded-up window again,
 * and the queue would grow for ever; then what is shown is less than what is accepted, by less
 * than a unit (RFC 7323 §2.4). */
uint32_t recv_advance_window(struct stack *st, struct tcb *t) {
    uint32_t unit = 1u << t->rcv.wscale;
    if (st->tcp->memory.pressure && free_room(t) < t->rcv.limit / 2) /* __tcp_select_window */
        t->rcv.open = u32_min(t->rcv.open, PRESSURE_SEGMENTS * t->rcv.adv_mss);
    uint32_t wnd = recv_new_window(t), up = (wnd + unit - 1) & ~(unit - 1);
    seq_t bound = seq_add(t->rcv.copied, t->rcv.limit + unit);
    wnd = seq_le(seq_add(t->rcv.nxt, up), bound) ? up : wnd & ~(unit - 1);
    wnd = u32_min(wnd, 65535u << t->rcv.wscale);
    seq_t edge = seq_add(t->rcv.nxt, wnd);
    t->rcv.adv = seq_max(t->rcv.adv, edge);
    return wnd;
}

/* So much was read in the last round trip, and so much in the one before (t->rcv.grow_space): the
 * window is to hold twice that, since what is measured now left a round trip ago, and twice as much
 * again as the reader has become faster by, since a sender in slow start doubles; and what waits
 * out of order, which no reader can take. As Linux's tcp_rcvbuf_grow. */
static uint32_t wanted_window(struct tcb *t, uint32_t copied) {
    uint64_t wnd = 2 * (uint64_t)copied;
    wnd += 2 * (wnd * (copied - t->rcv.grow_space) / u32_max(t->rcv.grow_space, 1));
    wnd += (uint32_t)seq_diff(gaps_end(t), t->rcv.nxt);
    return wnd < UINT32_MAX ? (uint32_t)wnd : UINT32_MAX;
}

/* Once a round trip, by what the reader took in it: the window never is to be what limits the
 * sender. What still waits to be read is no merit of the reader (tcp_rcv_space_adjust). */
static void grow(struct stack *st, struct tcb *t, uint32_t n) {
    uint64_t rtt = rcvrtt_ns(t);
    t->rcv.grow_copied += n;
    if (st->now_ns - t->rcv.grow_start_ns < rtt)
        return;
    uint32_t waits = (uint32_t)t->rcv.queue.len;
    uint32_t copied = t->rcv.grow_copied > waits ? t->rcv.grow_copied - waits : 0;
    if (copied > t->rcv.grow_space) {
        bool fixed = t->opts.rcvbuf != 0 || !st->tcp->cfg.moderate_rcvbuf;
        uint32_t want = u32_min(wanted_window(t, copied), st->tcp->cfg.rmem[MEM_MOST]);
        if (!fixed && !st->tcp->memory.pressure)
            t->rcv.limit = u32_max(t->rcv.limit, recv_clamped(t, want));
        t->rcv.grow_space = copied;
    }
    t->rcv.grow_start_ns = st->now_ns;
    t->rcv.grow_copied = 0;
}

void recv_after_read(struct stack *st, struct tcb *t, uint32_t n) {
    t->rcv.copied = seq_add(t->rcv.copied, n);
    urgent_on_read(t);
    grow(st, t, n);
}

/* Fragments of IPv4 datagrams: put together (RFC 791 §3.2, RFC 1122 §3.3.2) and made (§3.3.5).
 *
 * A datagram being put together is a list of pieces in order of their offset, none overlapping, so
 * it is whole when their lengths add up to its end. Contiguous pieces share a chunk, so that tiny
 * fragments do not cost a page each. Bounds, all counted when reached: bytes of all datagrams by
 * their true size (FRAG_MEM_MAX: the oldest datagram goes), pieces of one datagram, datagrams, and
 * 30 seconds.
 *
 * What overlaps anything already held kills its datagram (V6; RFC 5722 asks it for IPv6, Linux does
 * it for both), unless it repeats a fragment exactly. */
#include <errno.h>
#include <string.h>

#include "stack/net/net_internal.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

static uint32_t bucket_count(uint32_t max) {
    uint32_t n = 1;
    while (n < max)
        n *= 2;
    return n;
}

size_t frag_mem_size(uint32_t max) {
    return max * (sizeof(struct fragq) + 64 + 5) +
           FRAG_PIECES_MAX * (sizeof(struct frag_piece) + 64 + 5) +
           bucket_count(max) * sizeof(struct fragq_list);
}

int frag_init(struct stack *st, uint32_t max) {
    struct frag_cache *c = &st->net->frag;
    uint32_t n = bucket_count(max);
    c->mask = n - 1;
    c->key = rand_key(&st->rand);
    c->bucket = arena_alloc(&st->arena, n * sizeof(*c->bucket), sizeof(void *));
    if (c->bucket == NULL || !pool_init(&c->queues, &st->arena, sizeof(struct fragq), max) ||
        !pool_init(&c->pieces, &st->arena, sizeof(struct frag_piece), FRAG_PIECES_MAX))
        return -ENOMEM;
    TAILQ_INIT(&c->age);
    timer_init(&c->timer, TIMER_FRAG);
    return 0;
}

/* ---- datagrams being put together ---- */

static struct fragq_list *bucket_of(struct frag_cache *c, const struct ip4_hdr *h) {
    struct {
        uint32_t src, dst, id_proto;
    } key = {h->src.w[3], h->dst.w[3], (uint32_t)h->id << 8 | h->proto};
    return &c->bucket[siphash(&c->key, &key, sizeof(key)) & c->mask];
}

static void unlink_q(struct frag_cache *c, struct fragq *q) {
    LIST_REMOVE(q, chain);
    TAILQ_REMOVE(&c->age, q, age);
}

/* Gives back what an unlinked datagram holds. */
static void free_q(struct stack *st, struct fragq *q) {
    struct frag_cache *c = &st->net->frag;
    struct frag_piece *p;
    while ((p = TAILQ_FIRST(&q->pieces)) != NULL) {
        TAILQ_REMOVE(&q->pieces, p, link);
        chunk_unref(&st->chunks, p->chunk);
        pool_put(&c->pieces, p);
    }
    c->mem -= q->mem;
    pool_put(&c->queues, q);
}

static void kill_q(struct stack *st, struct fragq *q) {
    st->ctr.IpReasmFails++;
    unlink_q(&st->net->frag, q);
    free_q(st, q);
}

void frag_release(struct stack *st) {
    struct frag_cache *c = &st->net->frag;
    if (c->done != NULL) {
        free_q(st, c->done);
        c->done = NULL;
    }
}

static void charge(struct stack *st, struct fragq *q, uint32_t bytes) {
    q->mem += bytes;
    st->net->frag.mem += bytes;
}

static struct fragq *find_q(struct stack *st, const struct ip4_hdr *h) {
    struct fragq *q;
    LIST_FOREACH (q, bucket_of(&st->net->frag, h), chain) {
        if (q->id == h->id && q->proto == h->proto && addr_eq(&q->src, &h->src) &&
            addr_eq(&q->dst, &h->dst))
            return q;
    }
    return NULL;
}

static struct fragq *new_q(struct stack *st, const struct ip4_hdr *h) {
    struct frag_cache *c = &st->net->frag;
    if (c->queues.n_used == c->queues.max && !TAILQ_EMPTY(&c->age))
        kill_q(st, TAILQ_FIRST(&c->age));
    struct fragq *q = pool_get(&c->queues);
    if (q == NULL)
        return NULL;
    q->src = h->src;
    q->dst = h->dst;
    q->id = h->id;
    q->proto = h->proto;
    q->expires_ns = st->now_ns + FRAG_TIMEOUT_NS;
    TAILQ_INIT(&q->pieces);
    LIST_INSERT_HEAD(bucket_of(c, h), q, chain);
    TAILQ_INSERT_TAIL(&c->age, q, age);
    charge(st, q, sizeof(*q));
    timer_set_earlier(&st->timers, &c->timer, q->expires_ns);
    return q;
}

/* ---- a fragment's place ---- */

enum place { PLACE_OK, PLACE_DUP, PLACE_BAD };

/* Finds the piece after which [off, off + len) belongs; NULL: it is the first. */
static enum place find_place(struct fragq *q, uint32_t off, uint32_t len,
                             struct frag_piece **after) {
    struct frag_piece *p = TAILQ_LAST(&q->pieces, frag_pieces);
    while (p != NULL && p->off > off)
        p = TAILQ_PREV(p, frag_pieces, link);
    *after = p;
    if (p != NULL && p->off == off && p->len == len)
        return PLACE_DUP;
    if (p != NULL && (uint32_t)p->off + p->len > off)
        return PLACE_BAD;
    struct frag_piece *next = p != NULL ? TAILQ_NEXT(p, link) : TAILQ_FIRST(&q->pieces);
    return next != NULL && off + len > next->off ? PLACE_BAD : PLACE_OK;
}

/* Room for `len` bytes: behind the piece before, where its chunk goes on, else in a chunk of its
 * own. Sets *mem to what that costs. */
static uint8_t *make_room(struct stack *st, struct frag_piece *before, uint32_t len,
                          struct chunk **chunk, uint32_t *mem) {
    struct chunk *c = before != NULL ? before->chunk : NULL;
    *mem = sizeof(struct frag_piece);
    if (c != NULL && before->p + before->len == c->data + c->len && c->cap - c->len >= len) {
        chunk_ref(c);
    } else {
        c = chunk_get(&st->chunks, len);
        if (c == NULL || c->cap < len) {
            if (c != NULL)
                chunk_unref(&st->chunks, c);
            st->ctr.mem_chunks_out++;
            return NULL;
        }
        *mem += (uint32_t)chunk_true_size(c);
    }
    *chunk = c;
    c->len += len;
    return c->data + c->len - len;
}

static bool add_piece(struct stack *st, struct fragq *q, struct ip_in *in, uint32_t off,
                      struct frag_piece *after) {
    struct frag_cache *c = &st->net->frag;
    uint32_t len = in->f.len, mem;
    if (q->npieces == FRAG_DGRAM_PIECES_MAX)
        return false;
    struct frag_piece *p = pool_get(&c->pieces);
    if (p == NULL)
        return false;
    bool joins = after != NULL && (uint32_t)after->off + after->len == off;
    p->p = make_room(st, joins ? after : NULL, len, &p->chunk, &mem);
    if (p->p == NULL) {
        pool_put(&c->pieces, p);
        return false;
    }
    p->off = (uint16_t)off;
    p->len = (uint16_t)len;
    if (after != NULL)
        TAILQ_INSERT_AFTER(&q->pieces, after, p, link);
    else
        TAILQ_INSERT_HEAD(&q->pieces, p, link);
    q->npieces++;
    q->received += len;
    charge(st, q, mem);
    struct iovec iov = {p->p, len};
    return frame_read(&in->f, 0, len, &iov, 1) == (int)len;
}

/* ---- checks ---- */

/* RFC 1858, RFC 3128: the first fragment must hold what firewalls and we look at. */
static uint32_t l4_hdr_min(uint8_t proto) {
    switch (proto) {
    case PROTO_TCP:
        return TCP_HDR_LEN;
    case PROTO_UDP:
    case PROTO_ICMP:
        return UDP_HDR_LEN;
    default:
        return 1;
    }
}

static bool fragment_is_sane(const struct ip4_hdr *h, uint32_t len) {
    uint32_t min = l4_hdr_min(h->proto);
    if (len == 0 || (h->mf && len % 8 != 0))
        return false;
    if (IP4_HDR_LEN + h->frag_off + len > PKT_PAYLOAD_MAX) /* V7, ping of death */
        return false;
    return h->frag_off == 0 ? len >= min : h->frag_off >= min;
}

/* What is known of the end must agree with every fragment. */
static bool note_end(struct fragq *q, const struct ip4_hdr *h, uint32_t len) {
    uint32_t end = h->frag_off + len;
    if (q->last)
        return h->mf ? end <= q->end : end == q->end;
    if (h->mf)
        return true;
    struct frag_piece *p = TAILQ_LAST(&q->pieces, frag_pieces);
    if (p != NULL && (uint32_t)p->off + p->len > end)
        return false;
    q->last = true;
    q->end = end;
    return true;
}

/* RFC 3168 §5.3: congestion told to one fragment is told to the datagram; a mixture with Not-ECT
 * is a lie. */
static bool join_ecn(struct fragq *q) {
    enum { NOT_ECT = 1 << 0, CE = 1 << 3 };
    if (!(q->ecn_seen & CE))
        return true;
    q->tos |= 3;
    return !(q->ecn_seen & NOT_ECT);
}

/* ---- whole again ---- */

static int read_rest_of_q(struct frame *f, const struct iovec *iov, int niov) {
    const struct fragq *q = f->src;
    const struct frag_piece *p;
    size_t done = 0;
    TAILQ_FOREACH (p, &q->pieces, link) {
        if ((uint32_t)p->off + p->len <= FRAG_LINEAR)
            continue;
        uint32_t skip = p->off < FRAG_LINEAR ? FRAG_LINEAR - p->off : 0;
        struct iovec src = {p->p, p->len};
        done += iov_copy(iov, niov, done, &src, 1, skip, p->len - skip);
    }
    return (int)done;
}

static void present(struct stack *st, struct fragq *q, struct ip_in *in) {
    struct frag_cache *c = &st->net->frag;
    const struct frag_piece *p;
    uint32_t n = 0;
    TAILQ_FOREACH (p, &q->pieces, link) {
        uint32_t k = p->len < FRAG_LINEAR - n ? p->len : FRAG_LINEAR - n;
        memcpy(c->linear + n, p->p, k);
        n += k;
        if (n == FRAG_LINEAR)
            break;
    }
    in->f = (struct frame){
        .data = c->linear,
        .linear = n,
        .len = q->end,
        .csum = FRAME_CSUM_UNKNOWN,
        .read_rest = read_rest_of_q,
        .src = q,
    };
    in->tos = q->tos;
    in->ttl = q->ttl;
    in->broadcast = q->broadcast;
    in->hdr_len = q->hdr_len;
    memcpy(in->hdr, q->hdr, q->hdr_len);
}

static void note_fragment(struct fragq *q, const struct ip4_hdr *h, const struct ip_in *in) {
    q->ecn_seen |= (uint8_t)(1 << (h->tos & 3));
    q->broadcast |= in->broadcast;
    if (h->frag_off == 0) {
        q->first = true;
        q->tos = h->tos;
        q->ttl = h->ttl;
        q->hdr_len = in->hdr_len;
        memcpy(q->hdr, in->hdr, in->hdr_len);
    }
}

bool frag_input(struct stack *st, const struct ip4_hdr *h, struct ip_in *in) {
    struct frag_cache *c = &st->net->frag;
    st->ctr.IpReasmReqds++;
    struct fragq *q = find_q(st, h);
    if (!fragment_is_sane(h, in->f.len)) {
        st->ctr.IpInHdrErrors++;
        if (q != NULL)
            kill_q(st, q);
        return false;
    }
    if (q == NULL && (q = new_q(st, h)) == NULL) {
        st->ctr.IpReasmFails++;
        return false;
    }
    struct frag_piece *after;
    enum place place = find_place(q, h->frag_off, in->f.len, &after);
    if (place == PLACE_DUP)
        return false;
    if (place == PLACE_BAD || !note_end(q, h, in->f.len) ||
        !add_piece(st, q, in, h->frag_off, after)) {
        kill_q(st, q);
        return false;
    }
    note_fragment(q, h, in);
    if (!q->last || q->received < q->end) {
        while (c->mem > FRAG_MEM_MAX) /* V8: the oldest has had its time */
            kill_q(st, TAILQ_FIRST(&c->age));
        return false;
    }
    if (!join_ecn(q)) {
        kill_q(st, q);
        return false;
    }
    unlink_q(c, q);
    c->done = q;
    present(st, q, in);
    st->ctr.IpReasmOKs++;
    return true;
}

/* RFC 1122 §3.3.2: who holds the first fragment says that time is over. */
static void send_time_exceeded(struct stack *st, struct fragq *q) {
    const struct frag_piece *p = TAILQ_FIRST(&q->pieces);
    struct ip_in in = {.src = q->src,
                       .dst = q->dst,
                       .proto = q->proto,
                       .tos = q->tos,
                       .ttl = q->ttl,
                       .broadcast = q->broadcast,
                       .hdr_len = q->hdr_len};
    memcpy(in.hdr, q->hdr, q->hdr_len);
    frame_from_mem(&in.f, p->p, p->len);
    icmp_send_error(st, &in, ICMP4_TIME_EXCEEDED, ICMP4_TIMEX_REASM);
}

void frag_timer(struct stack *st) {
    struct frag_cache *c = &st->net->frag;
    struct fragq *q;
    while ((q = TAILQ_FIRST(&c->age)) != NULL && q->expires_ns <= st->now_ns) {
        st->ctr.IpReasmTimeout++;
        if (q->first)
            send_time_exceeded(st, q);
        kill_q(st, q);
    }
    if (q != NULL)
        timer_set(&st->timers, &c->timer, q->expires_ns);
}

void frag_repair(struct stack *st) {
    struct frag_cache *c = &st->net->frag;
    struct fragq *q;
    struct frag_piece *p;
    pool_rebuild(&c->queues);
    pool_rebuild(&c->pieces);
    POOL_FOREACH (&c->queues, i, q)
        pool_put(&c->queues, q);
    POOL_FOREACH (&c->pieces, i, p)
        pool_put(&c->pieces, p);
    for (uint32_t i = 0; i <= c->mask; i++)
        LIST_INIT(&c->bucket[i]);
    TAILQ_INIT(&c->age);
    c->mem = 0;
    c->done = NULL;
    timer_init(&c->timer, TIMER_FRAG);
}

/* ---- making them ---- */

/* Nobody behind us could finish the checksum of a datagram in pieces. */
static void finish_csum(struct pkt *p) {
    if (!p->csum_partial)
        return;
    uint8_t *hdr = pkt_hdr(p);
    size_t hdr_len = pkt_hdr_len(p), start = p->csum_start;
    uint64_t sum = csum_add(0, hdr + start, hdr_len - start);
    be16_t csum = csum_finish(pkt_csum_payload(p, sum, hdr_len - start));
    if (csum.raw == 0)
        csum.raw = 0xffff; /* RFC 768: zero would say "none" */
    memcpy(hdr + start + p->csum_offset, &csum, sizeof(csum));
    p->csum_partial = false;
}

/* References to payload bytes [off, off + len) of p. */
static bool add_slice(struct pkt *to, const struct pkt *p, uint32_t off, uint32_t len) {
    for (unsigned i = 0; i < p->nfrags && len > 0; i++) {
        const struct pkt_frag *f = &p->frag[i];
        if (off >= f->len) {
            off -= f->len;
            continue;
        }
        uint32_t n = len < f->len - off ? len : f->len - off;
        if (!pkt_add_frag(to, f->chunk, f->p + off, n))
            return false;
        off = 0;
        len -= n;
    }
    return len == 0;
}

int frag_output(struct stack *st, struct pkt *p, const struct ip_out *io,
                const struct route_hop *hop, uint16_t mtu) {
    uint32_t hdr_len = (uint32_t)pkt_hdr_len(p), total = (uint32_t)pkt_len(p);
    uint32_t max = (mtu - IP4_HDR_LEN) & ~7u;
    uint16_t id = ip4_take_ids(st, io, 1);
    int error = hdr_len <= max ? 0 : -EMSGSIZE;
    finish_csum(p);
    for (uint32_t off = 0, len; off < total && error == 0; off += len) {
        len = total - off < max ? total - off : max;
        uint32_t skip = off == 0 ? hdr_len : 0; /* the first carries the L4 header too */
        struct pkt *q = pkt_get(&st->pkts);
        if (q == NULL || !add_slice(q, p, off + skip - hdr_len, len - skip)) {
            if (q != NULL)
                net_drop_pkt(st, q);
            error = -ENOBUFS;
            break;
        }
        if (skip > 0)
            memcpy(pkt_push(q, skip), pkt_hdr(p), skip);
        st->ctr.IpFragCreates++;
        error = ip4_send(st, q, io, hop, id, off + len < total, (uint16_t)off);
    }
    if (error == 0)
        st->ctr.IpFragOKs++;
    else if (error == -ENOBUFS)
        st->ctr.IpOutDiscards++;
    net_drop_pkt(st, p);
    return error;
}

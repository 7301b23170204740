/* Outgoing packets and views of incoming frames; theory in the header. */
#include "stack/base/pkt.h"

#include <assert.h>
#include <string.h>

#include "stack/base/csum.h"

struct pkt *pkt_get(struct pool *pkts) {
    struct pkt *p = pool_get_raw(pkts);
    if (p == NULL)
        return NULL;
    /* Field by field: hdr[] and frag[] are most of it and need no zeroing. */
    p->hdr_off = PKT_HDR_MAX;
    p->nfrags = 0;
    p->payload_len = 0;
    p->csum_partial = false;
    p->csum_start = p->csum_offset = 0;
    p->gso_type = GSO_NONE;
    p->gso_size = p->gso_hdr_len = 0;
    p->owner = 0;
    return p;
}

void pkt_free(struct pool *pkts, struct chunk_pools *cp, struct pkt *p) {
    for (unsigned i = 0; i < p->nfrags; i++)
        chunk_unref(cp, p->frag[i].chunk);
    p->nfrags = 0;
    pool_put(pkts, p);
}

void *pkt_push(struct pkt *p, size_t n) {
    assert(n <= p->hdr_off);
    p->hdr_off = (uint16_t)(p->hdr_off - n);
    if (p->csum_partial)
        p->csum_start = (uint16_t)(p->csum_start + n);
    if (p->gso_type != GSO_NONE)
        p->gso_hdr_len = (uint16_t)(p->gso_hdr_len + n);
    return pkt_hdr(p);
}

bool pkt_add_frag(struct pkt *p, struct chunk *c, uint8_t *data, uint32_t len) {
    assert(data >= c->data && len <= c->cap - (size_t)(data - c->data));
    if (len > PKT_PAYLOAD_MAX - p->payload_len)
        return false;
    struct pkt_frag *last = p->nfrags > 0 ? &p->frag[p->nfrags - 1] : NULL;
    if (last != NULL && last->chunk == c && last->p + last->len == data) {
        last->len += len;
    } else {
        if (p->nfrags == PKT_FRAGS_MAX)
            return false;
        p->frag[p->nfrags++] = (struct pkt_frag){c, data, len};
        chunk_ref(c);
    }
    p->payload_len += len;
    return true;
}

bool pkt_add_copy(struct pkt *p, struct chunk_pools *cp, const void *data, uint32_t len) {
    const uint8_t *src = data;
    while (len > 0) {
        struct chunk *c = chunk_get(cp, len);
        if (c == NULL)
            return false;
        uint32_t n = len < c->cap ? len : c->cap;
        memcpy(c->data, src, n);
        c->len = n;
        bool added = pkt_add_frag(p, c, c->data, n);
        chunk_unref(cp, c); /* the fragment holds its own */
        if (!added)
            return false;
        src += n;
        len -= n;
    }
    return true;
}

size_t pkt_add_stream(struct pkt *p, struct stream *s, size_t off, size_t len) {
    size_t done = 0;
    if (len > PKT_PAYLOAD_MAX - p->payload_len)
        len = PKT_PAYLOAD_MAX - p->payload_len;
    while (done < len && off + done < s->len) {
        uint8_t *data;
        struct chunk *c;
        size_t n = stream_run(s, off + done, len - done, &data, &c);
        if (!pkt_add_frag(p, c, data, (uint32_t)n))
            break;
        done += n;
    }
    return done;
}

static int frag_iov(const struct pkt *p, struct iovec *iov) {
    for (unsigned i = 0; i < p->nfrags; i++)
        iov[i] = (struct iovec){p->frag[i].p, p->frag[i].len};
    return p->nfrags;
}

int pkt_iov(struct pkt *p, struct iovec *iov) {
    iov[0] = (struct iovec){pkt_hdr(p), pkt_hdr_len(p)};
    return 1 + frag_iov(p, iov + 1);
}

uint64_t pkt_csum_payload(const struct pkt *p, uint64_t sum, size_t at) {
    for (unsigned i = 0; i < p->nfrags; i++) {
        sum = csum_add_at(sum, p->frag[i].p, p->frag[i].len, at);
        at += p->frag[i].len;
    }
    return sum;
}

void frame_trim(struct frame *f, uint32_t n) {
    if (f->len > n)
        f->len = n;
    if (f->linear > n)
        f->linear = n;
}

/* Reads `len` bytes of the rest, less the first `skip` of it, into the vector from its byte
 * `at` on. What lies behind them (trimmed off) is dropped by read_rest, since it does not fit. */
static int read_rest_part(struct frame *f, uint32_t skip, uint32_t len, const struct iovec *iov,
                          int niov, size_t at) {
    enum { SCRATCH = 2048 };
    uint8_t scratch[SCRATCH]; /* where skipped bytes go, one over the other */
    int nskip = (int)((skip + SCRATCH - 1) / SCRATCH);
    for (; niov > 0 && at >= iov->iov_len; iov++, niov--)
        at -= iov->iov_len;
    struct iovec v[nskip + niov + 1]; /* + 1: never of length 0 */
    int n = 0;
    for (uint32_t left = skip; left > 0; n++) {
        uint32_t piece = left < SCRATCH ? left : SCRATCH;
        v[n] = (struct iovec){scratch, piece};
        left -= piece;
    }
    for (uint32_t left = len; left > 0 && niov > 0; iov++, niov--) {
        size_t piece = iov->iov_len - at;
        if (piece > left)
            piece = left;
        v[n++] = (struct iovec){(uint8_t *)iov->iov_base + at, piece};
        left -= (uint32_t)piece;
        at = 0;
    }
    int got = f->read_rest(f, v, n);
    if (got < 0)
        return got;
    return (uint32_t)got > skip ? got - (int)skip : 0;
}

int frame_read(struct frame *f, uint32_t skip, uint32_t len, const struct iovec *iov, int niov) {
    if (skip >= f->len)
        return 0;
    size_t room = iov_len(iov, niov);
    if (len > f->len - skip)
        len = f->len - skip;
    if (len > room)
        len = (uint32_t)room;
    uint32_t done = 0;
    if (skip < f->linear) {
        struct iovec src = {(void *)(uintptr_t)f->data, f->linear};
        done = (uint32_t)iov_copy(iov, niov, 0, &src, 1, skip, len);
    }
    if (done == len)
        return (int)done;
    uint32_t rest_skip = skip > f->linear ? skip - f->linear : 0;
    int got = read_rest_part(f, rest_skip, len - done, iov, niov, done);
    return got < 0 ? got : (int)done + got;
}

void frame_from_mem(struct frame *f, const void *data, uint32_t len) {
    *f = (struct frame){.data = data, .linear = len, .len = len};
}

static int read_rest_of_pkt(struct frame *f, const struct iovec *iov, int niov) {
    struct iovec src[PKT_FRAGS_MAX];
    const struct pkt *p = f->src;
    int n = frag_iov(p, src);
    return (int)iov_copy(iov, niov, 0, src, n, 0, p->payload_len);
}

void frame_from_pkt(struct frame *f, struct pkt *p) {
    *f = (struct frame){
        .data = pkt_hdr(p),
        .linear = (uint32_t)pkt_hdr_len(p),
        .len = (uint32_t)pkt_len(p),
        /* Bytes of our own memory: there is nothing to verify in either case. */
        .csum = p->csum_partial ? FRAME_CSUM_PARTIAL : FRAME_CSUM_OK,
        .gso_size = p->gso_type != GSO_NONE ? p->gso_size : 0,
        .read_rest = read_rest_of_pkt,
        .src = p,
    };
}

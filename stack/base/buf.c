/* Chunks and streams; theory in the header. */
#include "stack/base/buf.h"

#include <assert.h>
#include <string.h>

bool chunk_pools_init(struct chunk_pools *cp, struct arena *a, uint32_t n_small, uint32_t n_large) {
    return pool_init(&cp->small, a, CHUNK_SMALL_SIZE, n_small) &&
           pool_init(&cp->large, a, CHUNK_LARGE_SIZE, n_large);
}

struct chunk *chunk_get(struct chunk_pools *cp, size_t want) {
    bool large = want > CHUNK_SMALL_CAP;
    struct chunk *c = pool_get_raw(large ? &cp->large : &cp->small);
    if (c == NULL) {
        large = !large;
        c = pool_get_raw(large ? &cp->large : &cp->small);
        if (c == NULL)
            return NULL;
    }
    *c =
        (struct chunk){.refs = 1, .cap = large ? CHUNK_LARGE_CAP : CHUNK_SMALL_CAP, .large = large};
    return c;
}

void chunk_unref(struct chunk_pools *cp, struct chunk *c) {
    assert(c->refs > 0);
    if (--c->refs == 0)
        pool_put(c->large ? &cp->large : &cp->small, c);
}

size_t iov_len(const struct iovec *iov, int niov) {
    size_t len = 0;
    for (int i = 0; i < niov; i++)
        len += iov[i].iov_len;
    return len;
}

/* Moves *skip bytes into the vector: afterwards it lies within its first entry. */
static void iov_seek(const struct iovec **iov, int *niov, size_t *skip) {
    while (*niov > 0 && *skip >= (*iov)->iov_len) {
        *skip -= (*iov)->iov_len;
        (*iov)++;
        (*niov)--;
    }
}

size_t iov_copy(const struct iovec *dst, int ndst, size_t dst_skip, const struct iovec *src,
                int nsrc, size_t src_skip, size_t len) {
    size_t done = 0;
    while (done < len) {
        iov_seek(&dst, &ndst, &dst_skip);
        iov_seek(&src, &nsrc, &src_skip);
        if (ndst <= 0 || nsrc <= 0)
            break;
        size_t n = len - done;
        if (n > dst->iov_len - dst_skip)
            n = dst->iov_len - dst_skip;
        if (n > src->iov_len - src_skip)
            n = src->iov_len - src_skip;
        memcpy((uint8_t *)dst->iov_base + dst_skip, (const uint8_t *)src->iov_base + src_skip, n);
        done += n;
        dst_skip += n;
        src_skip += n;
    }
    return done;
}

void stream_append_chunk(struct stream *s, struct chunk *c) {
    assert(c->len > 0 && c->off + c->len <= c->cap);
    c->next = NULL;
    if (s->tail == NULL)
        s->head = c;
    else
        s->tail->next = c;
    s->tail = c;
    s->len += c->len;
}

size_t stream_append(struct chunk_pools *cp, struct stream *s, const struct iovec *iov, int niov,
                     size_t skip, size_t len) {
    size_t done = 0, avail = iov_len(iov, niov);
    avail = avail > skip ? avail - skip : 0;
    if (len > avail)
        len = avail;
    struct chunk *c = s->tail;
    if (c != NULL && len > 0) {
        struct iovec room = {c->data + c->off + c->len, c->cap - c->off - c->len};
        done = iov_copy(&room, 1, 0, iov, niov, skip, len);
        c->len += (uint32_t)done;
        s->len += done;
    }
    while (done < len) {
        c = chunk_get(cp, len - done);
        if (c == NULL)
            break;
        struct iovec room = {c->data, c->cap};
        c->len = (uint32_t)iov_copy(&room, 1, 0, iov, niov, skip + done, len - done);
        done += c->len;
        stream_append_chunk(s, c);
    }
    return done;
}

void stream_join(struct chunk_pools *cp, struct stream *to, struct stream *from) {
    struct chunk *c = to->tail, *f = from->head;
    if (c != NULL && f != NULL && f->len <= c->cap - c->off - c->len) {
        memcpy(c->data + c->off + c->len, f->data + f->off, f->len);
        c->len += f->len;
        to->len += f->len;
        stream_consume(cp, from, f->len);
    }
    if (from->head == NULL)
        return;
    if (to->tail == NULL)
        to->head = from->head;
    else
        to->tail->next = from->head;
    to->tail = from->tail;
    to->len += from->len;
    *from = (struct stream){0};
}

/* The chunk that holds offset `off` < s->len, and the offset of its first byte. Remembers it, so
 * that going forward through a stream costs one step a chunk. */
static struct chunk *stream_seek(struct stream *s, size_t off, size_t *chunk_off) {
    struct chunk *c = s->head;
    size_t at = 0;
    if (off >= s->len - s->tail->len) {
        c = s->tail;
        at = s->len - c->len;
    } else if (s->cur != NULL && off >= s->cur_off) {
        c = s->cur;
        at = s->cur_off;
    }
    while (off - at >= c->len) {
        at += c->len;
        c = c->next;
    }
    s->cur = c;
    s->cur_off = at;
    *chunk_off = at;
    return c;
}

size_t stream_run(struct stream *s, size_t off, size_t max, uint8_t **p, struct chunk **chunk) {
    assert(off < s->len);
    size_t at;
    struct chunk *c = stream_seek(s, off, &at);
    size_t n = c->len - (off - at);
    *p = c->data + c->off + (off - at);
    *chunk = c;
    return n < max ? n : max;
}

size_t stream_copy(struct stream *s, size_t off, const struct iovec *iov, int niov, size_t skip,
                   size_t len) {
    size_t done = 0;
    while (done < len && off + done < s->len) {
        uint8_t *p;
        struct chunk *c;
        size_t n = stream_run(s, off + done, len - done, &p, &c);
        struct iovec src = {p, n};
        size_t copied = iov_copy(iov, niov, skip + done, &src, 1, 0, n);
        done += copied;
        if (copied < n)
            break;
    }
    return done;
}

void stream_consume(struct chunk_pools *cp, struct stream *s, size_t n) {
    assert(n <= s->len);
    s->len -= n;
    if (s->cur != NULL) {
        if (s->cur_off >= n)
            s->cur_off -= n;
        else if (n - s->cur_off < s->cur->len)
            s->cur_off = 0; /* becomes the head */
        else
            s->cur = NULL;
    }
    while (n > 0) {
        struct chunk *c = s->head;
        assert(c != NULL);
        if (n < c->len) {
            c->off += (uint32_t)n;
            c->len -= (uint32_t)n;
            return;
        }
        n -= c->len;
        s->head = c->next;
        if (s->head == NULL)
            s->tail = NULL;
        c->next = NULL;
        chunk_unref(cp, c);
    }
}

void stream_clear(struct chunk_pools *cp, struct stream *s) {
    stream_consume(cp, s, s->len);
}

size_t stream_true_size(const struct stream *s) {
    size_t size = 0;
    for (const struct chunk *c = s->head; c != NULL; c = c->next)
        size += chunk_true_size(c);
    return size;
}

void chunk_pools_mark_begin(struct chunk_pools *cp) {
    struct chunk *c;
    pool_rebuild(&cp->small);
    pool_rebuild(&cp->large);
    POOL_FOREACH (&cp->small, i, c)
        c->refs = 0;
    POOL_FOREACH (&cp->large, i, c)
        c->refs = 0;
}

/* `c` is a chunk in use that no stream has claimed yet, and its fields make sense. */
static bool chunk_is_whole(const struct chunk_pools *cp, const struct chunk *c) {
    bool small = pool_owns(&cp->small, c);
    if (!small && !pool_owns(&cp->large, c))
        return false;
    return c->refs == 0 && c->large == !small &&
           c->cap == (small ? CHUNK_SMALL_CAP : CHUNK_LARGE_CAP) && c->len > 0 &&
           c->off <= c->cap && c->len <= c->cap - c->off;
}

bool chunk_pools_mark(struct chunk_pools *cp, struct stream *s) {
    size_t len = 0, claimed = 0;
    struct chunk *c = s->head, *last = NULL;
    /* A claimed chunk has a reference, so that a cycle comes to an end at its first. */
    for (; c != NULL && chunk_is_whole(cp, c); c = c->next) {
        c->refs = 1;
        len += c->len;
        claimed++;
        last = c;
    }
    s->cur = NULL;
    if (c == NULL && last == s->tail && len == s->len)
        return true;
    for (c = s->head; claimed > 0; claimed--, c = c->next)
        c->refs = 0;
    *s = (struct stream){0};
    return false;
}

static void sweep(struct pool *p) {
    struct chunk *c;
    pool_rebuild(p);
    POOL_FOREACH (p, i, c)
        if (c->refs == 0)
            pool_put(p, c);
}

void chunk_pools_sweep(struct chunk_pools *cp) {
    sweep(&cp->small);
    sweep(&cp->large);
}

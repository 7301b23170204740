/* Byte buffers: chunks of two sizes, counted references, and streams (a FIFO of bytes kept as a
 * list of chunks). The send and receive queues of TCP and the payloads of queued packets are made
 * of these, so that a segment leaves as references to the bytes that the application wrote once.
 *
 * Invariants: chunk->refs = streams holding it (0 or 1) + pkt fragments pointing into it; bytes
 * between off and off+len of a chunk in a stream never move and are never changed, only bytes
 * behind them are appended; stream->len is the sum of its chunks' len. */
#ifndef STACK_BASE_BUF_H
#define STACK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "stack/base/arena.h"

#define CHUNK_SMALL_SIZE 4096u
#define CHUNK_LARGE_SIZE (65536u + 64u)

struct chunk {
    struct chunk *next; /* in its stream */
    uint32_t refs;
    uint32_t off; /* of the first byte in use */
    uint32_t len; /* bytes in use */
    uint32_t cap; /* bytes of data[] */
    uint8_t large;
    _Alignas(32) uint8_t data[];
};
#define CHUNK_SMALL_CAP (CHUNK_SMALL_SIZE - sizeof(struct chunk))
/* A 65,536-byte frame less its headers fits. */
#define CHUNK_LARGE_CAP (CHUNK_LARGE_SIZE - sizeof(struct chunk))

struct chunk_pools {
    struct pool small, large;
};

struct stream {
    struct chunk *head, *tail;
    size_t len;
    /* Where the last look-up ended: the chunk that holds stream offset cur_off. NULL: none. */
    struct chunk *cur;
    size_t cur_off; /* stream offset of cur's first byte */
};

bool chunk_pools_init(struct chunk_pools *cp, struct arena *a, uint32_t n_small, uint32_t n_large);
/* refs = 1. `want` bytes decide the size; falls back on the other size; NULL when both are out. */
struct chunk *chunk_get(struct chunk_pools *cp, size_t want);
static inline void chunk_ref(struct chunk *c) {
    c->refs++;
}
void chunk_unref(struct chunk_pools *cp, struct chunk *c);
/* Bytes of memory a chunk really takes, for charging it (V15: true size). */
static inline size_t chunk_true_size(const struct chunk *c) {
    return c->large ? CHUNK_LARGE_SIZE : CHUNK_SMALL_SIZE;
}

/* Appends up to `len` bytes from the vector beginning `skip` bytes into it. Returns how many;
 * fewer only when the pools are out (0: nothing). */
size_t stream_append(struct chunk_pools *cp, struct stream *s, const struct iovec *iov, int niov,
                     size_t skip, size_t len);
/* Appends bytes c->off..c->off+c->len of a chunk that the caller filled; takes the caller's
 * reference. */
void stream_append_chunk(struct stream *s, struct chunk *c);
/* Moves all of `from` behind `to`: by reference, but its first chunk by copy where that fits into
 * the room behind `to`, so that joining many small pieces wastes no chunks. */
void stream_join(struct chunk_pools *cp, struct stream *to, struct stream *from);
/* Copies up to `len` bytes beginning at stream offset `off` into the vector (from its byte
 * `skip` on). Does not consume. */
size_t stream_copy(struct stream *s, size_t off, const struct iovec *iov, int niov, size_t skip,
                   size_t len);
/* A run of bytes inside one chunk, beginning at stream offset `off` (< len): sets *p and
 * *chunk, returns its length, at most `max`. */
size_t stream_run(struct stream *s, size_t off, size_t max, uint8_t **p, struct chunk **chunk);
/* Drops `n` (<= len) bytes from the front. */
void stream_consume(struct chunk_pools *cp, struct stream *s, size_t n);
void stream_clear(struct chunk_pools *cp, struct stream *s);
/* Memory held, as chunk_true_size counts. */
size_t stream_true_size(const struct stream *s);

/* Crash repair: chunk_pools_mark_begin forgets all references; chunk_pools_mark counts those of
 * a live stream again (false, and the stream is made empty, when its list is not whole: a chunk
 * that is no chunk, a wrong sum, a cycle); chunk_pools_sweep frees what nobody marked. */
void chunk_pools_mark_begin(struct chunk_pools *cp);
bool chunk_pools_mark(struct chunk_pools *cp, struct stream *s);
void chunk_pools_sweep(struct chunk_pools *cp);

/* Copies between two vectors; returns the bytes copied. */
size_t iov_copy(const struct iovec *dst, int ndst, size_t dst_skip, const struct iovec *src,
                int nsrc, size_t src_skip, size_t len);
size_t iov_len(const struct iovec *iov, int niov);

#endif

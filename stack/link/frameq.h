/* Frames that wait for their time, in memory that the caller gives: the queue under the simulated
 * wire and under the impairment of a real link. Frames come out in the order of their due times,
 * those of one time in the order in which they went in.
 *
 * The memory may be shared by processes that map it at the same address; who uses it at a time is
 * the caller's affair. A frame is kept in cells of equal size, so nothing fragments and any free
 * cell serves any frame. The queue is full when cells or entries are out, and says so. */
#ifndef STACK_LINK_FRAMEQ_H
#define STACK_LINK_FRAMEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/arena.h"

#define FRAMEQ_CELL_SIZE 2048u

struct frameq_entry;

/* What is known of a frame beside its bytes. */
struct frameq_meta {
    uint64_t due_ns;
    uint32_t len;
    uint16_t gso_size;
    uint8_t csum; /* enum frame_csum */
};

struct frameq {
    void *mem;
    size_t size;
    struct arena arena;
    struct pool entries, cells;
    struct frameq_entry **heap; /* a binary heap by (due, order of arrival) */
    uint32_t n;
    uint64_t arrivals;
};

/* `mem` is zeroed, 64-byte aligned, and stays the caller's. False when it is too small for even
 * one frame of the largest size. */
bool frameq_init(struct frameq *q, void *mem, size_t size);
/* Forgets every frame, whatever state a dying process left the queue in. */
void frameq_reset(struct frameq *q);
/* Copies a frame of m->len bytes in. False: full, nothing has changed. */
bool frameq_push(struct frameq *q, const struct frameq_meta *m, const uint8_t *data);
/* When the next frame is due; TIME_NEVER when there is none. */
uint64_t frameq_next(const struct frameq *q);
/* Copies the next frame to buf (room for GSO_FRAME_MAX bytes) and removes it. False: empty. */
bool frameq_pop(struct frameq *q, struct frameq_meta *m, uint8_t *buf);
/* Bytes of frames it holds at least, if all are of `len` bytes. */
size_t frameq_capacity(const struct frameq *q, uint32_t len);

#endif

/* A small ordered set of disjoint, non-adjacent ranges of sequence numbers [lo, hi): the SACK
 * scoreboard of a sender and the gap list of a receiver. Fixed capacity; add reports when a new
 * range does not fit, and the caller decides what to drop. All numbers must lie within 2^31. */
#ifndef STACK_BASE_RANGES_H
#define STACK_BASE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct range {
    seq_t lo, hi;
};
#define RANGES_MAX 128

struct ranges {
    uint32_t n;
    uint32_t bytes; /* sum of hi - lo */
    struct range r[RANGES_MAX];
};

void ranges_clear(struct ranges *s);
/* Unites [lo, hi) with the set. Returns the bytes that were new (0: all known already), or -1
 * when it would need one range too many (then nothing has changed). */
int64_t ranges_add(struct ranges *s, seq_t lo, seq_t hi);
/* Forgets everything below `lo`. */
void ranges_trim_below(struct ranges *s, seq_t lo);
/* Forgets everything at or above `hi`. */
void ranges_trim_above(struct ranges *s, seq_t hi);
/* The range that holds `x`, or NULL. Binary search. */
const struct range *ranges_find(const struct ranges *s, seq_t x);
/* The first range whose hi > x (holding x or after it), or NULL. */
const struct range *ranges_at_or_after(const struct ranges *s, seq_t x);
/* Whole of [lo, hi) is in one range. */
bool ranges_contains(const struct ranges *s, seq_t lo, seq_t hi);
/* Bytes of the set within [lo, hi). */
uint32_t ranges_bytes_in(const struct ranges *s, seq_t lo, seq_t hi);

#endif

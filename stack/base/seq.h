/* TCP sequence numbers (RFC 9293 §3.4): arithmetic modulo 2^32. A type of its own, so that a
 * raw `<` between two of them does not compile. */
#ifndef STACK_BASE_SEQ_H
#define STACK_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t v;
} seq_t;

struct range { /* [lo, hi) */
    seq_t lo, hi;
};

static inline seq_t seq(uint32_t v) {
    return (seq_t){v};
}
static inline seq_t seq_add(seq_t a, uint32_t n) {
    return (seq_t){a.v + n};
}
static inline seq_t seq_sub(seq_t a, uint32_t n) {
    return (seq_t){a.v - n};
}
/* a - b as a signed distance; right whenever the two are less than 2^31 apart. */
static inline int32_t seq_diff(seq_t a, seq_t b) {
    return (int32_t)(a.v - b.v);
}
static inline bool seq_lt(seq_t a, seq_t b) {
    return seq_diff(a, b) < 0;
}
static inline bool seq_le(seq_t a, seq_t b) {
    return seq_diff(a, b) <= 0;
}
static inline bool seq_gt(seq_t a, seq_t b) {
    return seq_diff(a, b) > 0;
}
static inline bool seq_ge(seq_t a, seq_t b) {
    return seq_diff(a, b) >= 0;
}
static inline bool seq_eq(seq_t a, seq_t b) {
    return a.v == b.v;
}
static inline seq_t seq_max(seq_t a, seq_t b) {
    return seq_gt(a, b) ? a : b;
}
static inline seq_t seq_min(seq_t a, seq_t b) {
    return seq_lt(a, b) ? a : b;
}
/* lo <= s < hi */
static inline bool seq_in(seq_t s, seq_t lo, seq_t hi) {
    return seq_le(lo, s) && seq_lt(s, hi);
}

#endif

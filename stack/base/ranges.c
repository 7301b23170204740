/* Ordered sets of sequence ranges; theory in the header. Invariant: r[0..n) ascend, and between
 * two neighbours there is at least one number that is in neither. */
#include "stack/base/ranges.h"

#include <string.h>

void ranges_clear(struct ranges *s) {
    s->n = 0;
    s->bytes = 0;
}

/* Index of the first range whose hi > x, or n. */
static uint32_t first_beyond(const struct ranges *s, seq_t x) {
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (seq_gt(s->r[mid].hi, x))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static uint32_t range_len(const struct range *r) {
    return (uint32_t)seq_diff(r->hi, r->lo);
}

int64_t ranges_add(struct ranges *s, seq_t lo, seq_t hi) {
    if (seq_ge(lo, hi))
        return 0;
    /* r[i..j) overlap [lo, hi) or touch it. */
    uint32_t i = first_beyond(s, lo), j = i;
    if (i > 0 && seq_eq(s->r[i - 1].hi, lo))
        i--;
    uint32_t known = 0;
    struct range merged = {lo, hi};
    for (; j < s->n && seq_le(s->r[j].lo, hi); j++)
        ;
    for (uint32_t k = i; k < j; k++) {
        known += range_len(&s->r[k]);
        merged.lo = seq_min(merged.lo, s->r[k].lo);
        merged.hi = seq_max(merged.hi, s->r[k].hi);
    }
    if (i == j && s->n == RANGES_MAX)
        return -1;
    memmove(&s->r[i + 1], &s->r[j], (s->n - j) * sizeof(s->r[0]));
    s->r[i] = merged;
    s->n = s->n - (j - i) + 1;
    uint32_t added = range_len(&merged) - known;
    s->bytes += added;
    return added;
}

void ranges_trim_below(struct ranges *s, seq_t lo) {
    uint32_t gone = first_beyond(s, lo);
    for (uint32_t i = 0; i < gone; i++)
        s->bytes -= range_len(&s->r[i]);
    if (gone > 0) {
        s->n -= gone;
        memmove(&s->r[0], &s->r[gone], s->n * sizeof(s->r[0]));
    }
    if (s->n > 0 && seq_lt(s->r[0].lo, lo)) {
        s->bytes -= (uint32_t)seq_diff(lo, s->r[0].lo);
        s->r[0].lo = lo;
    }
}

void ranges_trim_above(struct ranges *s, seq_t hi) {
    while (s->n > 0 && seq_ge(s->r[s->n - 1].lo, hi))
        s->bytes -= range_len(&s->r[--s->n]);
    if (s->n > 0 && seq_gt(s->r[s->n - 1].hi, hi)) {
        s->bytes -= (uint32_t)seq_diff(s->r[s->n - 1].hi, hi);
        s->r[s->n - 1].hi = hi;
    }
}

const struct range *ranges_at_or_after(const struct ranges *s, seq_t x) {
    uint32_t i = first_beyond(s, x);
    return i < s->n ? &s->r[i] : NULL;
}

const struct range *ranges_find(const struct ranges *s, seq_t x) {
    const struct range *r = ranges_at_or_after(s, x);
    return r != NULL && seq_le(r->lo, x) ? r : NULL;
}

bool ranges_contains(const struct ranges *s, seq_t lo, seq_t hi) {
    const struct range *r = ranges_find(s, lo);
    return r != NULL && seq_ge(r->hi, hi);
}

uint32_t ranges_bytes_in(const struct ranges *s, seq_t lo, seq_t hi) {
    uint32_t bytes = 0;
    for (uint32_t i = first_beyond(s, lo); i < s->n && seq_lt(s->r[i].lo, hi); i++)
        bytes += (uint32_t)seq_diff(seq_min(s->r[i].hi, hi), seq_max(s->r[i].lo, lo));
    return bytes;
}

/* A simulated wire between two ends, on virtual time, with seeded impairments. Also the impairment
 * around any link (run-with-stack.sh --loss … in a real lab): the same queue, another carrier. */
#ifndef STACK_LINK_SIM_H
#define STACK_LINK_SIM_H

#include <stddef.h>

#include "stack/link/link.h"

/* Probabilities in millionths. All zero: a perfect wire. */
struct impair {
    uint32_t loss_ppm, dup_ppm, reorder_ppm, corrupt_ppm;
    uint32_t burst;      /* frames that a loss takes in a row, on average; 0, 1: losses are alone */
    uint64_t delay_ns;   /* one way */
    uint64_t jitter_ns;  /* added, uniform in [0, jitter_ns); keeps the order */
    uint64_t reorder_ns; /* how much later a reordered frame comes */
    uint16_t far_port;   /* frames from or to this TCP or UDP port come from farther away: … */
    uint64_t far_ns;     /* … this is added to their delay. 0: none do */
    uint64_t rate_bps;   /* bottleneck; 0: none */
    uint32_t queue_bytes; /* of the bottleneck, drop-tail; 0: 256 KiB */
    uint32_t mark_bytes;  /* a longer queue marks what does ECN (CE, RFC 3168); 0: never */
    uint64_t seed;
};

struct sim_wire;

struct sim_stats {
    uint64_t frames, lost, dupped, reordered, corrupted, queue_drops, marked;
};

/* A wire with two ends, 0 and 1. impair[i] acts on what end i sends. caps: of both ends. */
struct sim_wire *sim_wire_new(const struct impair impair[2], const struct link_caps *caps);
struct link *sim_wire_end(struct sim_wire *w, int end);
/* How long what waits now at the bottleneck behind end `end` will take. */
uint64_t sim_wire_backlog_ns(const struct sim_wire *w, int end, uint64_t now_ns);
void sim_wire_stats(const struct sim_wire *w, int end, struct sim_stats *out);
void sim_wire_free(struct sim_wire *w);

/* Impairment around a real link. Its queues lie in `mem` (zeroed, `size` bytes, in the shared
 * segment, so that whichever process polls next sends what has become due). Written once by
 * impair_init; false when size is too small for the queue of the bottleneck and the delay. */
#define IMPAIR_MEM_DEFAULT (64u << 20)
bool impair_init(void *mem, size_t size, const struct impair *out, const struct impair *in);
/* This process's link over that state and `inner` (not owned). Super-frames are split first (and
 * received ones too), so that loss is per segment as on a real wire. */
struct link *link_impair_new(struct link *inner, void *mem);
/* Text form of the options: "loss=1%,burst=3,reorder=1%,delay=10ms,dup=…,corrupt=…,jitter=…,
 * rate=10Mbit,queue=64KB,far-port=…,far-delay=…,seed=7". NULL when fine, else a message that names
 * the mistake (static text). */
const char *impair_parse(const char *text, struct impair *out);

#endif

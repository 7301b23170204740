/* One direction of an impaired wire: what happens to a frame between the sender's port and the
 * receiver's. Shared by the simulated wire (sim.c) and the impairment of a real link (impair.c).
 *
 * A frame first queues at the bottleneck (rate_bps, drop-tail at queue_bytes), then may be lost
 * (alone, or in bursts: Gilbert's model of two states, of which the bad one loses all), damaged or
 * doubled on the way, and is due at the far end after delay and jitter; one that is reordered comes
 * reordered_ns later than it should, the others keep their order. The queue of the bottleneck is
 * not a list: busy_until_ns says all there is to know about it.
 *
 * Behind the bottleneck the way may fork: what has far_port goes the longer one, so that flows of
 * two round trips share one queue. Each way keeps its own order. */
#ifndef STACK_LINK_IMPAIR_H
#define STACK_LINK_IMPAIR_H

#include "stack/base/pkt.h"
#include "stack/base/rand.h"
#include "stack/link/frameq.h"
#include "stack/link/gso.h"
#include "stack/link/sim.h"

#define IMPAIR_QUEUE_DEFAULT      (256u << 10)
#define IMPAIR_BURST_MAX          1000u
#define IMPAIR_REORDER_DEFAULT_NS 1000000ull

/* Plain data: may lie in a shared segment. */
struct impair_dir {
    struct impair cfg;
    struct rand rnd;
    uint64_t busy_until_ns;
    uint64_t last_due_ns[2]; /* near, far */
    bool in_burst;           /* the last frame was lost, and the burst goes on */
    struct sim_stats stats;
    struct frameq q;
};

/* `mem` for the frames on the way: zeroed, 64-byte aligned. False when it is too small. */
bool impair_dir_init(struct impair_dir *d, const struct impair *cfg, void *mem, size_t size);
/* Acts on single frames (loss, rate, …), so that super-frames must be split first. */
bool impair_per_frame(const struct impair *cfg);
/* Nothing at all to do. */
bool impair_is_none(const struct impair *cfg);
/* Sends one frame through; damages `frame` in place. */
void impair_dir_put(struct impair_dir *d, uint8_t *frame, uint32_t len, uint16_t gso_size,
                    enum frame_csum csum, uint64_t now_ns);

#endif

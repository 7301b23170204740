/* The link: what carries Ethernet frames. The stack knows only this; behind it are AF_PACKET, a
 * simulated wire, a pcap tap or an impairment around another link. Lives in one process (it holds
 * function pointers and descriptors); what several processes must share (the ring's position) the
 * implementation keeps in memory that its creator hands it. */
#ifndef STACK_LINK_LINK_H
#define STACK_LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/pkt.h"

#define LINK_BATCH 32 /* frames that one recv_batch gives at most */

struct link;

struct link_ops {
    /* Up to `max` (<= LINK_BATCH) frames that have arrived, oldest first. They stay valid until
     * recv_done (n: what recv_batch returned, if not 0), and must be read (frame_read) in order.
     * Never blocks. */
    int (*recv_batch)(struct link *l, struct frame *f, int max, uint64_t now_ns);
    void (*recv_done)(struct link *l, int n);
    /* Sends packets with complete Ethernet headers, in order. Finishes checksums and splits
     * super-frames where the carrier cannot. Never blocks. Returns how many were taken; a packet
     * that the carrier refuses for good counts as taken (and is counted as dropped in *dropped).
     * The packets stay the caller's. */
    int (*send_batch)(struct link *l, struct pkt *const *p, int n, uint64_t now_ns,
                      uint64_t *dropped);
    /* When this link itself next has something to do (a simulated frame arrives, an impaired one
     * is due), TIME_NEVER if that is only known to the descriptor. */
    uint64_t (*next_event)(struct link *l);
    void (*close)(struct link *l);
};

struct link_caps {
    uint16_t mtu;     /* largest IP packet on the wire */
    uint32_t gso_max; /* largest super-frame's IP length; 0: none */
    bool tx_csum;     /* partial checksums are finished for us */
};

struct link {
    const struct link_ops *ops;
    struct link_caps caps;
};

static inline int link_recv_batch(struct link *l, struct frame *f, int max, uint64_t now) {
    return l->ops->recv_batch(l, f, max, now);
}
static inline void link_recv_done(struct link *l, int n) {
    l->ops->recv_done(l, n);
}
static inline int link_send_batch(struct link *l, struct pkt *const *p, int n, uint64_t now,
                                  uint64_t *dropped) {
    return l->ops->send_batch(l, p, n, now, dropped);
}
static inline uint64_t link_next_event(struct link *l) {
    return l->ops->next_event(l);
}

#endif

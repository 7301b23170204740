/* Inside of AF_PACKET: what afpacket.c (life, sending), afpacket_rx.c (the ring and the queue) and
 * afpacket_plain.c (receiving without a ring) share. */
#ifndef STACK_LINK_AFPACKET_INT_H
#define STACK_LINK_AFPACKET_INT_H

#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "stack/link/afpacket.h"

/* Of a frame that is read by recvmsg this much is shown first: headers, with room to spare. Its
 * payload then goes straight to its place, and is not copied out of the ring as well. */
#define AFPACKET_HEAD 192u

#define VNET_LEN ((uint32_t)sizeof(struct virtio_net_hdr))

/* A frame of the ring that has been handed out. */
struct ring_rx {
    struct afpacket *ap;
    const uint8_t *head; /* in the slot */
    uint32_t slot;
    uint32_t len, linear;
    bool queued; /* stands whole in the receive queue (TP_STATUS_COPY) */
    bool gone;   /* is no longer there */
};

struct plain_rx {
    uint8_t *buf; /* AFPACKET_PLAIN_BUF bytes */
    struct virtio_net_hdr vnet;
    union {
        struct cmsghdr align;
        uint8_t b[64];
    } aux;
};

struct afpacket {
    struct link link;
    struct afpacket_shared *sh;
    int fd;
    uint8_t *ring; /* NULL without one */
    size_t ring_size;
    struct ring_rx rx[LINK_BATCH];
    int nrx;
    int next_queued;        /* frames of this batch before it have left the queue */
    uint32_t empty_polls;   /* since the last look at the socket's error */
    uint64_t blocked_ns;    /* since when the carrier has taken nothing; 0: it does */
    struct plain_rx *plain; /* LINK_BATCH of them, without a ring */
    uint8_t *scratch;       /* a frame made by gso.h, when the carrier cannot */
};

static inline struct afpacket *afpacket_of(struct link *l) {
    return (struct afpacket *)l;
}

/* What a virtio_net_hdr (NULL: none) and TP_STATUS_ flags say about a frame's checksum. */
enum frame_csum afpacket_csum(const struct virtio_net_hdr *v, uint32_t tp_status);
/* An error on the socket (the interface went down) keeps it readable until it is fetched; looked
 * for now and then when there is nothing to receive. */
void afpacket_poll_was_empty(struct afpacket *ap);

int afpacket_ring_recv(struct link *l, struct frame *f, int max, uint64_t now_ns);
void afpacket_ring_done(struct link *l, int n);
void afpacket_ring_resync(struct afpacket *ap);

int afpacket_plain_recv(struct link *l, struct frame *f, int max, uint64_t now_ns);
void afpacket_plain_done(struct link *l, int n);
bool afpacket_plain_init(struct afpacket *ap);
void afpacket_plain_free(struct afpacket *ap);

int afpacket_send(struct link *l, struct pkt *const *p, int n, uint64_t now_ns, uint64_t *dropped);

#endif

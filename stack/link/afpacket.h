/* AF_PACKET: raw Ethernet frames through a packet socket bound to an interface (DESIGN.md D5, D6).
 *
 * One process (the keeper) opens and configures the socket; every process of the host attaches to
 * the same descriptor, maps the same ring, and shares the position in it. All calls happen under
 * the stack's lock. */
#ifndef STACK_LINK_AFPACKET_H
#define STACK_LINK_AFPACKET_H

#include <stddef.h>

#include "stack/base/addr.h"
#include "stack/link/link.h"

#define AFPACKET_SLOT_SIZE  4096u
#define AFPACKET_SLOTS      1024u
#define AFPACKET_RCVBUF     (16u << 20) /* for the large frames, which wait outside the ring */
#define AFPACKET_SNDBUF     (16u << 20)

/* Lies in the shared segment. Written once by afpacket_open, except the ring's position. */
struct afpacket_shared {
    uint32_t ifindex;
    uint16_t mtu;
    bool vnet;        /* PACKET_VNET_HDR both ways */
    bool ring;        /* TPACKET_V2 RX ring; else recvmsg only */
    uint32_t slots, slot_size;
    uint32_t next;    /* slot to be read next */
    uint64_t ring_drops; /* as PACKET_STATISTICS told, summed */
};

/* Opens a packet socket on `ifname` for frames to `mac`, broadcast and multicast; sets vnet headers,
 * ring, filter (libpcap: ARP, and IP to us), IGNORE_OUTGOING, QDISC_BYPASS, and MAC membership;
 * falls back where the interface or kernel lacks one. Returns the descriptor, close-on-exec, or
 * -errno and a message in err that says what is wrong and how to mend it. */
int afpacket_open(const char *ifname, const struct mac *mac, const struct addr *addrs, int naddrs,
                  struct afpacket_shared *sh, char *err, size_t errlen);
/* A link of this process over that descriptor (dup'ed by the caller if it needs its own): maps the
 * ring. NULL and errno on failure. close() unmaps, and leaves the descriptor open. */
struct link *afpacket_attach(int fd, struct afpacket_shared *sh);
/* After a process died holding the lock: brings ring and queue in step again by dropping what is
 * in doubt (TCP sends it again). */
void afpacket_resync(struct link *l);
/* PACKET_STATISTICS since the last call, added to sh->ring_drops. */
void afpacket_update_stats(struct link *l);

#endif

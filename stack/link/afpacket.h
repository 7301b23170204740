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

/* A packet of 1,500 bytes fits. With 4 KB slots a super-frame costs 4 to 10 % more (measured),
 * since what fits of it in its slot is copied twice. */
#define AFPACKET_SLOT_SIZE 2048u
#define AFPACKET_SLOTS     2048u
#define AFPACKET_RCVBUF    (16u << 20) /* for the large frames, which wait outside the ring */
#define AFPACKET_SNDBUF    (16u << 20)

/* Lies in the shared segment. Written once by afpacket_open, except where it says otherwise. */
struct afpacket_shared {
    uint32_t ifindex;
    uint16_t mtu;
    bool vnet;        /* PACKET_VNET_HDR both ways */
    bool ring;        /* TPACKET_V2 RX ring; else recvmsg only */
    uint32_t gso_max; /* largest super-frame's IP length; 0: none */
    uint32_t slots, slot_size;
    /* The position; changes all the time. */
    uint32_t next;     /* slot to be read next */
    uint32_t handed;   /* slots that a batch now being processed covers */
    uint32_t replayed; /* 1 + the slot at which a dead reader's batch was last taken in again */
    bool in_doubt;     /* ring and queue may be out of step: compare before reading */
    /* Counters, for whoever shows them. */
    uint64_t ring_drops; /* as PACKET_STATISTICS told, summed */
    uint64_t vlan_drops; /* frames with a VLAN tag */
    uint64_t truncated;  /* frames of which the ring held only a part and the queue nothing */
};

/* Opens a packet socket on `ifname` for frames to `mac`, broadcast and multicast; sets vnet
 * headers, ring, filter (libpcap: ARP, and IPv4 to us), IGNORE_OUTGOING, and MAC membership;
 * falls back where the interface or kernel lacks one. Returns the descriptor,
 * close-on-exec, or -errno and a message in err that says what is wrong and how to mend it. naddrs
 * 0: IPv4 packets to any address. */
int afpacket_open(const char *ifname, const struct mac *mac, const struct addr *addrs, int naddrs,
                  struct afpacket_shared *sh, char *err, size_t errlen);
/* The same without some features, to test the fallbacks and to compare. */
enum afpacket_flag { AFPACKET_NO_VNET = 1, AFPACKET_NO_RING = 2 };
int afpacket_open_flags(const char *ifname, const struct mac *mac, const struct addr *addrs,
                        int naddrs, unsigned flags, struct afpacket_shared *sh, char *err,
                        size_t errlen);
/* A link of this process over that descriptor (dup'ed by the caller if it needs its own): maps the
 * ring. NULL and errno on failure. close() unmaps, and leaves the descriptor open. */
struct link *afpacket_attach(int fd, struct afpacket_shared *sh);
/* The link's descriptor was moved to another number. */
void afpacket_set_fd(struct link *l, int fd);
/* After a process died holding the lock: brings ring and queue in step again by dropping what is
 * in doubt (TCP sends it again). recv_batch does it by itself when it finds a batch unfinished. */
void afpacket_resync(struct link *l);
/* Has a frame arrived? With a ring a look at the next slot's status, without a system call and
 * without the stack's lock (a hint, then); without a ring a recv with MSG_PEEK. For spinning. */
bool afpacket_pending(const struct link *l);
/* PACKET_STATISTICS since the last call, added to sh->ring_drops. */
void afpacket_update_stats(struct link *l);

#endif

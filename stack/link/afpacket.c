/* A process's link over the packet socket, and sending. How frames are received: afpacket_rx.c.
 *
 * Sending. Each packet is a sendmmsg entry: virtio header, headers, payload where the application's
 * bytes lie. The kernel copies them, and does what the interface cannot: it finishes checksums and
 * segments super-frames.
 *
 * PACKET_QDISC_BYPASS is not used, although DESIGN.md D5 names it: what goes past the qdisc is not
 * shown to other packet sockets, so tshark on our own interface would see half of a conversation;
 * super-frames that the driver does not segment are dropped; and it gains nothing measurable on a
 * veth, which has no queue. */
#include "stack/link/afpacket.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/base/timer.h"
#include "stack/link/afpacket_int.h"
#include "stack/link/gso.h"
#include "stack/link/sys.h"
#include "stack/wire/tcp.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2; older headers lack it */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define BLOCKED_MAX_NS 10000000u /* it has had none for so long: drop */
#define EMPTY_POLLS    1024u     /* between two looks at the socket's error */

enum frame_csum afpacket_csum(const struct virtio_net_hdr *v, uint32_t tp_status) {
    if ((v != NULL && (v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) ||
        (tp_status & TP_STATUS_CSUMNOTREADY))
        return FRAME_CSUM_PARTIAL;
    if ((v != NULL && (v->flags & VIRTIO_NET_HDR_F_DATA_VALID)) ||
        (tp_status & TP_STATUS_CSUM_VALID))
        return FRAME_CSUM_OK;
    return FRAME_CSUM_UNKNOWN;
}

/* Fetches the error that stands at the socket (the interface went down). False: there is none. */
static bool take_error(struct afpacket *ap) {
    int err = 0;
    socklen_t len = sizeof(err);
    return sys_getsockopt(ap->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err != 0;
}

void afpacket_poll_was_empty(struct afpacket *ap) {
    if (++ap->empty_polls < EMPTY_POLLS)
        return;
    ap->empty_polls = 0;
    take_error(ap);
}

/* TCP flags of a packet whose checksum is TCP's. */
static uint8_t tcp_flags_of(const struct pkt *p) {
    return p->hdr[p->hdr_off + p->csum_start + 13];
}

static void make_vnet(const struct pkt *p, struct virtio_net_hdr *v) {
    *v = (struct virtio_net_hdr){0};
    if (p->csum_partial) {
        v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        v->csum_start = p->csum_start;
        v->csum_offset = p->csum_offset;
    }
    if (p->gso_size == 0)
        return;
    assert(p->csum_partial); /* the kernel refuses a super-frame without */
    v->gso_type = p->gso_type == GSO_TCP4   ? VIRTIO_NET_HDR_GSO_TCPV4
                  : p->gso_type == GSO_TCP6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                            : VIRTIO_NET_HDR_GSO_UDP_L4;
    if (p->gso_type != GSO_UDP && (tcp_flags_of(p) & TH_CWR))
        v->gso_type |= VIRTIO_NET_HDR_GSO_ECN; /* CWR only on the first segment */
    v->gso_size = p->gso_size;
    v->hdr_len = p->gso_hdr_len;
}

/* Sends up to LINK_BATCH packets as they are. Returns how many, or -errno of the first. */
static int send_direct(struct afpacket *ap, struct pkt *const *p, int n) {
    struct mmsghdr mm[LINK_BATCH];
    struct virtio_net_hdr vnet[LINK_BATCH];
    struct iovec iov[LINK_BATCH][2 + PKT_FRAGS_MAX];

    for (int i = 0; i < n; i++) {
        int niov = 0;
        if (ap->sh->vnet) {
            make_vnet(p[i], &vnet[i]);
            iov[i][niov++] = (struct iovec){&vnet[i], sizeof(vnet[i])};
        }
        niov += pkt_iov(p[i], &iov[i][niov]);
        mm[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = iov[i], .msg_iovlen = (size_t)niov}};
    }
    int r = sys_sendmmsg(ap->fd, mm, (unsigned)n, MSG_DONTWAIT);
    return r < 0 ? -errno : r;
}

/* Without vnet headers: splits and sums here. Returns 1, or -errno when nothing was sent; what
 * could not be sent of a super-frame whose first segments were is lost, as on a full wire. */
static int send_soft(struct afpacket *ap, struct pkt *p) {
    struct gso_src s;
    if (ap->scratch == NULL && (ap->scratch = malloc(GSO_FRAME_MAX)) == NULL)
        return -ENOBUFS;
    gso_from_pkt(&s, p);
    for (uint32_t i = 0, n = gso_count(&s); i < n; i++) {
        uint32_t len = gso_build(&s, i, ap->scratch);
        if (sys_send(ap->fd, ap->scratch, len, MSG_DONTWAIT) < 0)
            return i > 0 ? 1 : -errno;
    }
    return 1;
}

static bool needs_soft(const struct afpacket *ap, const struct pkt *p) {
    return !ap->sh->vnet && (p->gso_size > 0 || p->csum_partial);
}

static int send_some(struct afpacket *ap, struct pkt *const *p, int n) {
    int run = 0;
    if (needs_soft(ap, p[0]))
        return send_soft(ap, p[0]);
    while (run < n && run < LINK_BATCH && !needs_soft(ap, p[run]))
        run++;
    return send_direct(ap, p, run);
}

/* The carrier has no room now. True when it has had none for so long that the packet is to go:
 * the far end of a veth may be down, which looks the same. */
static bool blocked_too_long(struct afpacket *ap, uint64_t now_ns) {
    if (ap->blocked_ns == 0)
        ap->blocked_ns = now_ns;
    return now_ns - ap->blocked_ns > BLOCKED_MAX_NS;
}

/* Sending drew error `r`, for a reason that is gone now. */
static bool try_again(struct afpacket *ap, int r) {
    if (r == -ENETDOWN) /* it was down, and may be up again */
        return take_error(ap);
    return r == -EINTR;
}

int afpacket_send(struct link *l, struct pkt *const *p, int n, uint64_t now_ns, uint64_t *dropped) {
    struct afpacket *ap = afpacket_of(l);
    int done = 0;

    while (done < n) {
        int r = send_some(ap, p + done, n - done);
        if (r > 0) {
            done += r;
            ap->blocked_ns = 0;
            continue;
        }
        if (try_again(ap, r))
            continue;
        if ((r == -EAGAIN || r == -ENOBUFS) && !blocked_too_long(ap, now_ns))
            return done;
        done++; /* ENETDOWN, EMSGSIZE, ...: nothing to wait for */
        ++*dropped;
    }
    return done;
}

/* The descriptor tells of frames, and who has unsent packets knows it. */
static uint64_t ap_next_event(struct link *l) {
    (void)l;
    return TIME_NEVER;
}

static void ap_close(struct link *l) {
    struct afpacket *ap = afpacket_of(l);
    if (ap->ring != NULL)
        munmap(ap->ring, ap->ring_size);
    afpacket_plain_free(ap);
    free(ap->scratch);
    free(ap);
}

static const struct link_ops ring_ops = {.recv_batch = afpacket_ring_recv,
                                         .recv_done = afpacket_ring_done,
                                         .send_batch = afpacket_send,
                                         .next_event = ap_next_event,
                                         .close = ap_close};
static const struct link_ops plain_ops = {.recv_batch = afpacket_plain_recv,
                                          .recv_done = afpacket_plain_done,
                                          .send_batch = afpacket_send,
                                          .next_event = ap_next_event,
                                          .close = ap_close};

static bool map_ring(struct afpacket *ap) {
    ap->ring_size = (size_t)ap->sh->slots * ap->sh->slot_size;
    void *p = mmap(NULL, ap->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, ap->fd, 0);
    if (p == MAP_FAILED)
        return false;
    ap->ring = p;
    return true;
}

struct link *afpacket_attach(int fd, struct afpacket_shared *sh) {
    struct afpacket *ap = calloc(1, sizeof(*ap));
    if (ap == NULL)
        return NULL;
    ap->link.ops = sh->ring ? &ring_ops : &plain_ops;
    ap->link.caps = (struct link_caps){.mtu = sh->mtu, .gso_max = sh->gso_max, .tx_csum = sh->vnet};
    ap->sh = sh;
    ap->fd = fd;
    if (sh->ring ? !map_ring(ap) : !afpacket_plain_init(ap)) {
        int err = errno;
        ap_close(&ap->link);
        errno = err;
        return NULL;
    }
    return &ap->link;
}

void afpacket_set_fd(struct link *l, int fd) {
    afpacket_of(l)->fd = fd;
}

void afpacket_resync(struct link *l) {
    if (afpacket_of(l)->ring != NULL)
        afpacket_ring_resync(afpacket_of(l));
}

void afpacket_update_stats(struct link *l) {
    struct afpacket *ap = afpacket_of(l);
    struct tpacket_stats st = {0};
    socklen_t len = sizeof(st);
    if (sys_getsockopt(ap->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0)
        ap->sh->ring_drops += st.tp_drops;
}

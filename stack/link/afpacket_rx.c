/* Receiving by the RX ring.
 *
 * A slot whose status has TP_STATUS_USER is ours; its frame, or as much of it as fits, stands in
 * it. A larger frame has TP_STATUS_COPY as well and stands whole in the socket's receive queue, in
 * the order of the slots. So the n-th COPY slot belongs to the n-th frame in the queue, and every
 * such frame must leave the queue, read or thrown away, before its slot goes back to the kernel.
 * The kernel puts a frame in the queue before it gives the slot to us.
 *
 * The position (sh->next) moves on before the slot is given back: if we die between the two, the
 * slot comes round once more with its old frame, where the other way round reading would stop.
 * When a process died in the middle of a batch, the batch is taken in again, and queue and ring may
 * be out of step by a few frames.
 * Then in_doubt is set, and until both have been seen empty each frame is compared with what the
 * ring shows before it is taken from the queue: what stands too early in the queue is thrown away,
 * a slot whose frame is no longer there is given up (-EIO; TCP sends it again). Even without doubt
 * every read is compared with the slot's head afterwards. */
#include "stack/link/afpacket_int.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>

#include "stack/link/sys.h"

#define READ_IOV_MAX 160

static struct tpacket2_hdr *slot_at(const struct afpacket *ap, uint32_t i) {
    return (struct tpacket2_hdr *)(ap->ring + (size_t)i * ap->sh->slot_size);
}

static uint32_t slot_after(const struct afpacket *ap, uint32_t i) {
    return i + 1 < ap->sh->slots ? i + 1 : 0;
}

/* Pairs with the kernel's write barrier before it sets the status: what the slot holds is whole. */
static uint32_t slot_status(const struct tpacket2_hdr *h) {
    return __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
}

static void slot_release(struct tpacket2_hdr *h) {
    __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* Gives the next slot back. */
static void advance(struct afpacket *ap) {
    struct tpacket2_hdr *h = slot_at(ap, ap->sh->next);
    ap->sh->next = slot_after(ap, ap->sh->next);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* in this order, should we die here */
    slot_release(h);
}

/* recvmsg of [vnet header | head | rest], never blocking. Returns the frame's length, or -errno. */
static int queue_recv(struct afpacket *ap, uint8_t head[static AFPACKET_HEAD], uint32_t head_len,
                      const struct iovec *rest, int nrest, int flags) {
    struct virtio_net_hdr vnet;
    struct iovec iov[2 + READ_IOV_MAX];
    struct msghdr m = {.msg_iov = iov};

    assert(nrest <= READ_IOV_MAX);
    if (ap->sh->vnet)
        iov[m.msg_iovlen++] = (struct iovec){&vnet, sizeof(vnet)};
    iov[m.msg_iovlen++] = (struct iovec){head, head_len};
    for (int i = 0; i < nrest; i++)
        iov[m.msg_iovlen++] = rest[i];
    ssize_t n = sys_recvmsg(ap->fd, &m, MSG_DONTWAIT | MSG_TRUNC | flags);
    if (n < 0 && errno != EAGAIN) /* the interface's error, reported once; the queue stands */
        n = sys_recvmsg(ap->fd, &m, MSG_DONTWAIT | MSG_TRUNC | flags);
    if (n < 0)
        return -errno;
    return (int)n - (ap->sh->vnet ? (int)VNET_LEN : 0);
}

static bool slot_matches(const struct tpacket2_hdr *h, const uint8_t *head, int len) {
    return len >= 0 && h->tp_len == (uint32_t)len &&
           memcmp((const uint8_t *)h + h->tp_mac, head,
                  h->tp_len < AFPACKET_HEAD ? h->tp_len : AFPACKET_HEAD) == 0;
}

/* Does the frame at the queue's front belong to a slot behind `slot`? */
static bool belongs_behind(const struct afpacket *ap, uint32_t slot, const uint8_t *head, int len) {
    for (uint32_t i = slot_after(ap, slot); i != slot; i = slot_after(ap, i)) {
        struct tpacket2_hdr *h = slot_at(ap, i);
        uint32_t status = slot_status(h);
        if (!(status & TP_STATUS_USER))
            return false;
        if ((status & TP_STATUS_COPY) && slot_matches(h, head, len))
            return true;
    }
    return false;
}

/* In doubt: throws away what stands in the queue before the frame of this slot. False when that
 * frame isn't there. */
static bool queue_align(struct afpacket *ap, uint32_t slot) {
    uint8_t head[AFPACKET_HEAD];
    for (uint32_t i = 0; i < ap->sh->slots; i++) {
        int len = queue_recv(ap, head, sizeof(head), NULL, 0, MSG_PEEK);
        if (len < 0)
            return false;
        if (slot_matches(slot_at(ap, slot), head, len))
            return true;
        if (belongs_behind(ap, slot, head, len))
            return false;
        if (queue_recv(ap, head, sizeof(head), NULL, 0, 0) < 0)
            return false;
    }
    return false;
}

/* Takes the frame of `rx` from the queue, its bytes behind the head into the vector. Returns the
 * frame's length or -EIO. */
static int queue_take(struct ring_rx *rx, const struct iovec *iov, int niov) {
    struct afpacket *ap = rx->ap;
    uint8_t head[AFPACKET_HEAD];

    rx->gone = true;
    if (ap->sh->in_doubt && !queue_align(ap, rx->slot)) {
        ap->sh->truncated++;
        return -EIO;
    }
    int len = queue_recv(ap, head, rx->linear, iov, niov, 0);
    if (len == (int)rx->len && memcmp(head, rx->head, rx->linear) == 0)
        return len;
    ap->sh->in_doubt = true;
    ap->sh->truncated++;
    return -EIO;
}

/* Throws away the frames of this batch before frame `end` that nobody has read. */
static void queue_skip(struct afpacket *ap, int end) {
    for (; ap->next_queued < end; ap->next_queued++) {
        struct ring_rx *rx = &ap->rx[ap->next_queued];
        if (rx->queued && !rx->gone)
            queue_take(rx, NULL, 0);
    }
}

static int ring_read_rest(struct frame *f, const struct iovec *iov, int niov) {
    struct ring_rx *rx = f->src;
    struct afpacket *ap = rx->ap;
    int i = (int)(rx - ap->rx);

    assert(i < ap->nrx && !rx->gone);
    if (!rx->queued) { /* the receive buffer was full when it came */
        rx->gone = true;
        ap->sh->truncated++;
        return -EIO;
    }
    assert(i >= ap->next_queued);
    queue_skip(ap, i);
    ap->next_queued = i + 1;
    int len = queue_take(rx, iov, niov);
    if (len < 0)
        return len;
    size_t room = iov_len(iov, niov), rest = rx->len - rx->linear;
    return (int)(rest < room ? rest : room);
}

static void fill_frame(struct afpacket *ap, uint32_t slot, uint32_t status, struct frame *f) {
    const struct tpacket2_hdr *h = slot_at(ap, slot);
    struct ring_rx *rx = &ap->rx[ap->nrx];
    struct virtio_net_hdr v = {0};

    *rx = (struct ring_rx){.ap = ap,
                           .head = (const uint8_t *)h + h->tp_mac,
                           .slot = slot,
                           .len = h->tp_len,
                           .linear = h->tp_snaplen,
                           .queued = (status & TP_STATUS_COPY) != 0};
    if (rx->linear < rx->len && rx->linear > AFPACKET_HEAD)
        rx->linear = AFPACKET_HEAD;
    if (ap->sh->vnet)
        memcpy(&v, rx->head - VNET_LEN, VNET_LEN);
    *f = (struct frame){.data = rx->head,
                        .linear = rx->linear,
                        .len = rx->len,
                        .csum = (uint8_t)afpacket_csum(ap->sh->vnet ? &v : NULL, status),
                        .gso_size = v.gso_type != VIRTIO_NET_HDR_GSO_NONE ? v.gso_size : 0,
                        .read_rest = ring_read_rest,
                        .src = rx};
}

/* A frame with a VLAN tag is for another network than ours. Such a slot ends the batch before it,
 * and is given back when it is the first. */
static bool drop_vlan(struct afpacket *ap, uint32_t status) {
    if (!(status & TP_STATUS_VLAN_VALID))
        return false;
    ap->sh->vlan_drops++;
    if (status & TP_STATUS_COPY) {
        struct frame f;
        fill_frame(ap, ap->sh->next, status, &f);
        queue_take(&ap->rx[0], NULL, 0);
    }
    advance(ap);
    return true;
}

/* Ring and queue are both empty: they are in step. */
static void settle_doubt(struct afpacket *ap) {
    uint8_t head[AFPACKET_HEAD];
    if (queue_recv(ap, head, sizeof(head), NULL, 0, MSG_PEEK) == -EAGAIN)
        ap->sh->in_doubt = false;
}

int afpacket_ring_recv(struct link *l, struct frame *f, int max, uint64_t now_ns) {
    struct afpacket *ap = afpacket_of(l);
    uint32_t status, all = 0;

    (void)now_ns;
    assert(max > 0 && max <= LINK_BATCH && ap->nrx == 0);
    if (ap->sh->handed != 0) /* whoever took that batch is dead */
        afpacket_ring_resync(ap);
    uint32_t slot = ap->sh->next;
    while (ap->nrx < max && (status = slot_status(slot_at(ap, slot))) & TP_STATUS_USER) {
        all |= status;
        if (status & TP_STATUS_VLAN_VALID) {
            if (ap->nrx > 0 || !drop_vlan(ap, status))
                break;
            slot = ap->sh->next;
            continue;
        }
        fill_frame(ap, slot, status, &f[ap->nrx]);
        ap->nrx++;
        slot = slot_after(ap, slot);
    }
    ap->next_queued = 0;
    ap->sh->handed = (uint32_t)ap->nrx;
    if (all & TP_STATUS_LOSING)
        afpacket_update_stats(l);
    if (all == 0) {
        if (ap->sh->in_doubt)
            settle_doubt(ap);
        afpacket_poll_was_empty(ap);
    }
    return ap->nrx;
}

void afpacket_ring_done(struct link *l, int n) {
    struct afpacket *ap = afpacket_of(l);
    assert(n == ap->nrx);
    queue_skip(ap, n);
    for (; ap->nrx > 0; ap->nrx--) {
        ap->sh->handed--;
        advance(ap);
    }
}

void afpacket_ring_resync(struct afpacket *ap) {
    ap->sh->in_doubt = true;
    /* The unfinished batch is taken in once more: what its reader had done with it already comes
     * twice, which TCP is used to; a loss would cost its connections a timeout. But its frames may
     * be what killed their reader, so not a third time. */
    bool again = ap->sh->replayed == ap->sh->next + 1;
    ap->sh->replayed = ap->sh->next + 1;
    for (; again && ap->sh->handed > 0; ap->sh->handed--)
        advance(ap);
    ap->sh->handed = 0;
    ap->nrx = 0;
}

/* Read without the stack's lock: sh->next may be about to move, and the answer is a hint. */
bool afpacket_pending(const struct link *l) {
    const struct afpacket *ap = (const struct afpacket *)l;
    if (ap->ring != NULL)
        return (slot_status(slot_at(ap, __atomic_load_n(&ap->sh->next, __ATOMIC_RELAXED))) &
                TP_STATUS_USER) != 0;
    uint8_t c[VNET_LEN + 1]; /* less than a whole vnet header would be EINVAL */
    return sys_recv(ap->fd, c, sizeof(c), MSG_DONTWAIT | MSG_PEEK) >= 0;
}

/* Receiving without a ring: recvmmsg into buffers of this process. For kernels that have no memory
 * for a ring; slower, otherwise the same. */
#include "stack/link/afpacket_int.h"

#include <assert.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

#include "stack/link/gso.h"
#include "stack/link/sys.h"

/* TP_STATUS_ flags of a frame; 0 when the kernel sent none along. */
static uint32_t aux_status(struct msghdr *m) {
    struct tpacket_auxdata aux;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
            return aux.tp_status;
        }
    return 0;
}

static int receive(struct afpacket *ap, struct mmsghdr *mm, struct iovec (*iov)[2], int max) {
    for (int i = 0; i < max; i++) {
        struct plain_rx *rx = &ap->plain[i];
        int skip = ap->sh->vnet ? 0 : 1;
        iov[i][0] = (struct iovec){&rx->vnet, sizeof(rx->vnet)};
        iov[i][1] = (struct iovec){rx->buf, GSO_FRAME_MAX};
        mm[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i][skip],
                                             .msg_iovlen = (size_t)(2 - skip),
                                             .msg_control = rx->aux.b,
                                             .msg_controllen = sizeof(rx->aux.b)}};
    }
    return sys_recvmmsg(ap->fd, mm, (unsigned)max, MSG_DONTWAIT);
}

int afpacket_plain_recv(struct link *l, struct frame *f, int max, uint64_t now_ns) {
    struct afpacket *ap = afpacket_of(l);
    struct mmsghdr mm[LINK_BATCH];
    struct iovec iov[LINK_BATCH][2];
    int n = 0;

    (void)now_ns;
    assert(max > 0 && max <= LINK_BATCH);
    int got = receive(ap, mm, iov, max);
    for (int i = 0; i < got; i++) {
        struct plain_rx *rx = &ap->plain[i];
        uint32_t status = aux_status(&mm[i].msg_hdr);
        uint32_t len = mm[i].msg_len - (ap->sh->vnet ? VNET_LEN : 0);
        if (status & TP_STATUS_VLAN_VALID) {
            ap->sh->vlan_drops++;
            continue;
        }
        if (mm[i].msg_hdr.msg_flags & MSG_TRUNC) {
            ap->sh->truncated++;
            continue;
        }
        frame_from_mem(&f[n], rx->buf, len);
        f[n].csum = (uint8_t)afpacket_csum(ap->sh->vnet ? &rx->vnet : NULL, status);
        if (ap->sh->vnet && rx->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
            f[n].gso_size = rx->vnet.gso_size;
        n++;
    }
    if (got <= 0)
        afpacket_poll_was_empty(ap);
    return n;
}

void afpacket_plain_done(struct link *l, int n) {
    (void)l;
    (void)n;
}

bool afpacket_plain_init(struct afpacket *ap) {
    ap->plain = calloc(LINK_BATCH, sizeof(*ap->plain));
    if (ap->plain == NULL)
        return false;
    for (int i = 0; i < LINK_BATCH; i++)
        if ((ap->plain[i].buf = malloc(GSO_FRAME_MAX)) == NULL)
            return false;
    return true;
}

void afpacket_plain_free(struct afpacket *ap) {
    for (int i = 0; ap->plain != NULL && i < LINK_BATCH; i++)
        free(ap->plain[i].buf);
    free(ap->plain);
}

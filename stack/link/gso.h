/* Segmentation in software: what a carrier without offload cannot do for us.
 *
 * Takes a packet apart into the frames that would stand on a wire: of a super-frame one for each
 * gso_size bytes of payload, with headers as Linux and TSO hardware make them (TCP sequence number
 * and IPv4 identification go on, FIN and PSH only on the last, CWR only on the first, lengths and
 * checksums right); of an ordinary packet itself, with its partial checksum finished.
 *
 * Frames are made by number and in any order: nothing is kept between calls. Nothing here looks
 * beyond Ethernet, IPv4 or IPv6 without extension headers, TCP and UDP. */
#ifndef STACK_LINK_GSO_H
#define STACK_LINK_GSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "stack/base/pkt.h"

/* Largest frame anywhere: an IP packet of 65,535 bytes behind an Ethernet header. */
#define GSO_FRAME_MAX (14u + 65535u)

/* A packet from wherever, seen as headers in one piece and payload. A view: the bytes stay where
 * they are and must outlive it. */
struct gso_src {
    const uint8_t *hdr;
    uint32_t hdr_len;
    struct iovec iov[1 + PKT_FRAGS_MAX];
    int niov;
    uint32_t payload_len;
    uint16_t gso_size; /* 0: one frame, whatever its size */
    bool csum_partial;
    uint16_t csum_start, csum_offset; /* from the Ethernet header on */
};

/* Of a packet with its Ethernet header. */
void gso_from_pkt(struct gso_src *s, struct pkt *p);
/* Of a received frame, all of it in one piece, with what the carrier said about it. The headers
 * are not trusted; false when they are none that can be split (gso_size > 0). A partial checksum
 * that cannot be found stays as it is. Padding behind the IP packet is cut from what is split or
 * summed. */
bool gso_from_frame(struct gso_src *s, const uint8_t *data, uint32_t len, uint16_t gso_size,
                    enum frame_csum csum);
/* Number of frames, >= 1. */
uint32_t gso_count(const struct gso_src *s);
/* Length of frame `i`. */
uint32_t gso_len(const struct gso_src *s, uint32_t i);
/* Writes frame `i` to buf, which has room for gso_len bytes. Returns that length. */
uint32_t gso_build(const struct gso_src *s, uint32_t i, uint8_t *buf);
/* The whole packet as one linear piece, unsplit, checksum as it is. Returns its length. */
uint32_t gso_linearize(const struct gso_src *s, uint8_t *buf);

#endif

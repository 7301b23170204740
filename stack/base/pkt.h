/* Packets on their way out, and views of frames that came in.
 *
 * struct pkt: an outgoing packet, a pool object. Headers are built back to front in hdr[]; the
 * payload is references into chunks, so nothing is copied. One pkt may be a super-frame: gso_size
 * bytes of payload per segment on the wire.
 *
 * struct frame: an incoming frame or packet. It is a view, valid only while it is being processed,
 * and lives on a stack, never in the segment. The first `linear` bytes are in memory at `data`;
 * the rest, if any, is fetched by frame_read, straight to where it belongs. */
#ifndef STACK_BASE_PKT_H
#define STACK_BASE_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "stack/base/addr.h"
#include "stack/base/arena.h"
#include "stack/base/buf.h"

#define PKT_HDR_MAX     192 /* Ethernet 14 + IP 60 + TCP 60 and some to spare */
#define PKT_FRAGS_MAX   18  /* 64 KB in small chunks */
#define PKT_PAYLOAD_MAX 65535u

enum gso_type { GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP };

struct pkt_frag {
    struct chunk *chunk; /* one reference each */
    uint8_t *p;
    uint32_t len;
};

struct pkt {
    STAILQ_ENTRY(pkt) link;
    uint16_t hdr_off; /* of the first header byte in hdr[] */
    uint16_t nfrags;
    uint32_t payload_len; /* sum of frag[].len */
    /* Offload. csum_start is counted from the first byte of the outermost header in hdr[] as it
     * was when pkt_set_csum was called; pkt_push moves it along. Checksum field: the folded
     * pseudo-header sum (csum_fold), to be finished by the link. */
    bool csum_partial;
    uint16_t csum_start, csum_offset;
    uint8_t gso_type; /* enum gso_type */
    uint16_t gso_size;
    uint16_t gso_hdr_len; /* headers that each segment gets again, from the outermost byte on */
    uint32_t owner;       /* for the sender's use */
    uint8_t hdr[PKT_HDR_MAX];
    struct pkt_frag frag[PKT_FRAGS_MAX];
};
STAILQ_HEAD(pkt_queue, pkt);

/* A fresh packet with room for headers and no payload, or NULL (the pool counts it). */
struct pkt *pkt_get(struct pool *pkts);
void pkt_free(struct pool *pkts, struct chunk_pools *cp, struct pkt *p);
/* Makes room for `n` header bytes before what is there, and returns their place. */
void *pkt_push(struct pkt *p, size_t n);
static inline uint8_t *pkt_hdr(struct pkt *p) {
    return p->hdr + p->hdr_off;
}
static inline size_t pkt_hdr_len(const struct pkt *p) {
    return PKT_HDR_MAX - p->hdr_off;
}
static inline size_t pkt_len(const struct pkt *p) {
    return pkt_hdr_len(p) + p->payload_len;
}
/* To be called when the L4 header has been pushed and is the outermost: its checksum field, at
 * `offset` in it, holds the folded pseudo-header sum, and the link finishes it. */
static inline void pkt_set_csum(struct pkt *p, uint16_t offset) {
    p->csum_partial = true;
    p->csum_start = 0;
    p->csum_offset = offset;
}
/* Likewise: makes it a super-frame of `size` bytes of payload a segment. pkt_push counts what is
 * pushed later to gso_hdr_len. */
static inline void pkt_set_gso(struct pkt *p, enum gso_type type, uint16_t size) {
    p->gso_type = (uint8_t)type;
    p->gso_size = size;
    p->gso_hdr_len = (uint16_t)pkt_hdr_len(p);
}
/* Appends a piece of payload; takes a reference of its own to the chunk. False when no fragment
 * is left (adjacent pieces of one chunk are joined). */
bool pkt_add_frag(struct pkt *p, struct chunk *c, uint8_t *data, uint32_t len);
/* Copies `len` bytes into a chunk of its own and appends that. False when memory is out. */
bool pkt_add_copy(struct pkt *p, struct chunk_pools *cp, const void *data, uint32_t len);
/* Appends up to `len` bytes of a stream from offset `off`; returns how many fitted. */
size_t pkt_add_stream(struct pkt *p, struct stream *s, size_t off, size_t len);
/* Headers and payload as a vector of at most 1 + PKT_FRAGS_MAX entries; returns their number. */
int pkt_iov(struct pkt *p, struct iovec *iov);
/* Sums the payload (for links that cannot finish checksums), beginning at offset `at`. */
uint64_t pkt_csum_payload(const struct pkt *p, uint64_t sum, size_t at);

enum frame_csum {
    FRAME_CSUM_UNKNOWN, /* nobody has verified it: we must */
    FRAME_CSUM_OK,      /* verified below us */
    FRAME_CSUM_PARTIAL, /* never finished (a local sender with offload): nothing to verify */
};

struct frame {
    const uint8_t *data; /* outermost unparsed byte; parsers advance it by frame_pull */
    uint32_t linear;     /* bytes at data */
    uint32_t len;        /* bytes in all, >= linear */
    uint8_t csum;        /* enum frame_csum */
    uint16_t gso_size;   /* > 0: a super-frame of segments of this payload size */
    /* Reads the bytes behind the linear ones, all of them, into the vector; what does not fit is
     * dropped. To be called once at most. Returns the bytes read, or -errno (the frame is then
     * lost). */
    int (*read_rest)(struct frame *f, const struct iovec *iov, int niov);
    void *src; /* for read_rest */
};

/* Advances past `n` (<= linear) bytes. */
static inline void frame_pull(struct frame *f, uint32_t n) {
    f->data += n;
    f->linear -= n;
    f->len -= n;
}
/* Cuts what lies behind the first `n` bytes (Ethernet padding, RFC 894). read_rest still reads
 * the whole rest: frame_read takes care of that. */
void frame_trim(struct frame *f, uint32_t n);
/* Copies all of the frame's remaining bytes, less `skip` at the front and what exceeds `len`, into
 * the vector. To be called once at most. Returns the bytes copied, or -errno when they are lost. */
int frame_read(struct frame *f, uint32_t skip, uint32_t len, const struct iovec *iov, int niov);
/* A view of plain memory. */
void frame_from_mem(struct frame *f, const void *data, uint32_t len);
/* A view of an outgoing packet (the loopback path); p must outlive it. */
void frame_from_pkt(struct frame *f, struct pkt *p);

#endif

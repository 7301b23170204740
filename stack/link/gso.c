#include "stack/link/gso.h"

#include <assert.h>
#include <string.h>

#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

#define IP6_HDR_LEN  40
#define IP4_LEN_AT   2
#define IP4_ID_AT    4
#define IP4_FRAG_AT  6
#define IP4_PROTO_AT 9
#define IP4_CSUM_AT  10
#define IP4_SRC_AT   12
#define IP6_LEN_AT   4
#define IP6_NEXT_AT  6
#define IP6_SRC_AT   8
#define TCP_SEQ_AT   4
#define TCP_DOFF_AT  12
#define TCP_FLAGS_AT 13
#define UDP_LEN_AT   4

/* Where the headers of a frame stand. */
struct layout {
    bool v6;
    uint8_t proto;
    uint32_t l4;      /* offset of the TCP or UDP header */
    uint32_t payload; /* offset of the first byte behind it */
    uint32_t end;     /* offset behind the IP packet */
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}
static void put16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static uint32_t get32(const uint8_t *p) {
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static void put32(uint8_t *p, uint32_t v) {
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}
/* be16_t is already in wire order. */
static void put_csum(uint8_t *p, be16_t v) {
    memcpy(p, &v, sizeof(v));
}

static bool layout_ip(const uint8_t *h, uint32_t len, struct layout *lo) {
    uint16_t type = get16(h + 12);
    const uint8_t *ip = h + ETH_HDR_LEN;

    if (type == ETH_IPV4 && len >= ETH_HDR_LEN + IP4_HDR_LEN && ip[0] >> 4 == 4) {
        uint32_t ihl = (ip[0] & 15u) * 4;
        /* A fragment carries no L4 header of its own, and its checksum covers more than itself. */
        if (ihl < IP4_HDR_LEN || (get16(ip + IP4_FRAG_AT) & 0x3fff) != 0)
            return false;
        *lo = (struct layout){.proto = ip[IP4_PROTO_AT],
                              .l4 = ETH_HDR_LEN + ihl,
                              .end = ETH_HDR_LEN + get16(ip + IP4_LEN_AT)};
        return true;
    }
    if (type == ETH_IPV6 && len >= ETH_HDR_LEN + IP6_HDR_LEN && ip[0] >> 4 == 6) {
        *lo = (struct layout){.v6 = true,
                              .proto = ip[IP6_NEXT_AT],
                              .l4 = ETH_HDR_LEN + IP6_HDR_LEN,
                              .end = ETH_HDR_LEN + IP6_HDR_LEN + get16(ip + IP6_LEN_AT)};
        return true;
    }
    return false;
}

/* `len` bytes at h are there to be looked at. False unless a whole TCP or UDP header is. */
static bool layout_parse(const uint8_t *h, uint32_t len, struct layout *lo) {
    if (len < ETH_HDR_LEN || !layout_ip(h, len, lo))
        return false;
    if (lo->proto == PROTO_UDP) {
        lo->payload = lo->l4 + UDP_HDR_LEN;
    } else if (lo->proto == PROTO_TCP && len >= lo->l4 + TCP_HDR_LEN) {
        uint32_t doff = (h[lo->l4 + TCP_DOFF_AT] >> 4) * 4u;
        if (doff < TCP_HDR_LEN)
            return false;
        lo->payload = lo->l4 + doff;
    } else {
        return false;
    }
    return lo->payload <= len;
}

void gso_from_pkt(struct gso_src *s, struct pkt *p) {
    struct iovec iov[1 + PKT_FRAGS_MAX];
    int niov = pkt_iov(p, iov);
    uint32_t hdr_len = (uint32_t)pkt_hdr_len(p);

    *s = (struct gso_src){.hdr = pkt_hdr(p),
                          .hdr_len = p->gso_size > 0 ? p->gso_hdr_len : hdr_len,
                          .payload_len = p->payload_len,
                          .gso_size = p->gso_size,
                          .csum_partial = p->csum_partial,
                          .csum_start = p->csum_start,
                          .csum_offset = p->csum_offset};
    assert(s->hdr_len <= hdr_len);
    if (s->hdr_len < hdr_len) { /* payload that stands behind the headers in hdr[] */
        s->iov[s->niov++] = (struct iovec){pkt_hdr(p) + s->hdr_len, hdr_len - s->hdr_len};
        s->payload_len += hdr_len - s->hdr_len;
    }
    for (int i = 1; i < niov; i++)
        s->iov[s->niov++] = iov[i];
}

bool gso_from_frame(struct gso_src *s, const uint8_t *data, uint32_t len, uint16_t gso_size,
                    enum frame_csum csum) {
    struct layout lo;

    *s = (struct gso_src){.hdr = data, .hdr_len = len};
    if (gso_size == 0 && csum != FRAME_CSUM_PARTIAL)
        return true;
    if (!layout_parse(data, len, &lo) || lo.end < lo.payload || lo.end > len)
        return gso_size == 0;
    s->hdr_len = lo.payload;
    s->payload_len = lo.end - lo.payload;
    s->iov[0] = (struct iovec){(uint8_t *)(uintptr_t)data + lo.payload, s->payload_len};
    s->niov = 1;
    s->gso_size = gso_size;
    s->csum_partial = csum == FRAME_CSUM_PARTIAL;
    s->csum_start = (uint16_t)lo.l4;
    s->csum_offset = lo.proto == PROTO_TCP ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET;
    return true;
}

uint32_t gso_count(const struct gso_src *s) {
    if (s->gso_size == 0 || s->payload_len == 0)
        return 1;
    return (s->payload_len + s->gso_size - 1) / s->gso_size;
}

static uint32_t segment_payload(const struct gso_src *s, uint32_t i) {
    if (s->gso_size == 0)
        return s->payload_len;
    uint32_t left = s->payload_len - i * s->gso_size;
    return left < s->gso_size ? left : s->gso_size;
}

uint32_t gso_len(const struct gso_src *s, uint32_t i) {
    return s->hdr_len + segment_payload(s, i);
}

static void copy_payload(const struct gso_src *s, uint32_t off, uint32_t len, uint8_t *buf) {
    struct iovec dst = {buf, len};
    size_t n = iov_copy(&dst, 1, 0, s->iov, s->niov, off, len);
    assert(n == len);
}

static be16_t csum_l4(const uint8_t *f, const struct layout *lo, uint32_t len) {
    uint32_t l4_len = len - lo->l4;
    const uint8_t *ip = f + ETH_HDR_LEN;
    /* The pseudo-header's addresses stand side by side in either IP header. */
    uint64_t sum = lo->v6 ? csum_add(0, ip + IP6_SRC_AT, 32) : csum_add(0, ip + IP4_SRC_AT, 8);
    uint8_t rest[8] = {0, 0, 0, 0, 0, lo->proto, 0, 0};
    put16(rest, (uint16_t)(l4_len >> 16));
    put16(rest + 2, (uint16_t)l4_len);
    sum = csum_add(sum, rest, sizeof(rest));
    return csum_finish(csum_add(sum, f + lo->l4, l4_len));
}

/* RFC 768: a UDP checksum that comes out as zero is sent as all ones. */
static be16_t udp_nonzero(be16_t v) {
    return be16_get(v) == 0 ? be16(0xffff) : v;
}

static void fix_ip(uint8_t *f, const struct layout *lo, uint32_t i, uint32_t len) {
    uint8_t *ip = f + ETH_HDR_LEN;
    if (lo->v6) {
        put16(ip + IP6_LEN_AT, (uint16_t)(len - ETH_HDR_LEN - IP6_HDR_LEN));
        return;
    }
    put16(ip + IP4_LEN_AT, (uint16_t)(len - ETH_HDR_LEN));
    put16(ip + IP4_ID_AT, (uint16_t)(get16(ip + IP4_ID_AT) + i));
    put16(ip + IP4_CSUM_AT, 0);
    put_csum(ip + IP4_CSUM_AT, csum_finish(csum_add(0, ip, lo->l4 - ETH_HDR_LEN)));
}

static void fix_tcp(const struct gso_src *s, uint8_t *f, const struct layout *lo, uint32_t i,
                    uint32_t len) {
    uint8_t *tcp = f + lo->l4;
    put32(tcp + TCP_SEQ_AT, get32(tcp + TCP_SEQ_AT) + i * s->gso_size);
    if (i + 1 < gso_count(s))
        tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TH_FIN | TH_PSH);
    if (i > 0)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TH_CWR; /* RFC 3168 §6.1.2: once a window */
    put16(tcp + TCP_CSUM_OFFSET, 0);
    put_csum(tcp + TCP_CSUM_OFFSET, csum_l4(f, lo, len));
}

static void fix_udp(const struct gso_src *s, uint8_t *f, const struct layout *lo, uint32_t len) {
    uint8_t *udp = f + lo->l4;
    bool none = !s->csum_partial && get16(udp + UDP_CSUM_OFFSET) == 0;
    put16(udp + UDP_LEN_AT, (uint16_t)(len - lo->l4));
    put16(udp + UDP_CSUM_OFFSET, 0);
    if (!none)
        put_csum(udp + UDP_CSUM_OFFSET, udp_nonzero(csum_l4(f, lo, len)));
}

static void finish_partial(const struct gso_src *s, uint8_t *f, uint32_t len) {
    assert(s->csum_start + s->csum_offset + 2u <= len);
    uint8_t *field = f + s->csum_start + s->csum_offset;
    be16_t v = csum_finish(csum_add(0, f + s->csum_start, len - s->csum_start));
    put_csum(field, s->csum_offset == UDP_CSUM_OFFSET ? udp_nonzero(v) : v);
}

uint32_t gso_build(const struct gso_src *s, uint32_t i, uint8_t *buf) {
    uint32_t n = segment_payload(s, i);
    uint32_t len = s->hdr_len + n;
    struct layout lo;

    assert(i < gso_count(s));
    memcpy(buf, s->hdr, s->hdr_len);
    copy_payload(s, i * s->gso_size, n, buf + s->hdr_len);
    if (s->gso_size == 0) {
        if (s->csum_partial)
            finish_partial(s, buf, len);
        return len;
    }
    bool ok = layout_parse(buf, s->hdr_len, &lo) && lo.payload == s->hdr_len;
    assert(ok); /* gso_from_frame has looked; a packet of our own is right */
    fix_ip(buf, &lo, i, len);
    if (lo.proto == PROTO_TCP)
        fix_tcp(s, buf, &lo, i, len);
    else
        fix_udp(s, buf, &lo, len);
    return len;
}

uint32_t gso_linearize(const struct gso_src *s, uint8_t *buf) {
    memcpy(buf, s->hdr, s->hdr_len);
    copy_payload(s, 0, s->payload_len, buf + s->hdr_len);
    return s->hdr_len + s->payload_len;
}

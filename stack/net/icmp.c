/* ICMP (RFC 792, RFC 1122 §3.2.2): answers to echo requests, errors about our packets taken apart
 * for the transports, and errors of our own.
 *
 * What we say is limited twice, as Linux does it: one error a second to each destination, six of
 * which may be saved up, and a thousand a second altogether. The common limit takes a random
 * number of credits, one on average, so that it cannot be used to count what we said to others
 * (V24, CVE-2020-25705). Asked first is the destination's own limit, so that a destination over it
 * takes nothing from the others.
 *
 * Not here: timestamp and mask requests (RFC 6918), redirects and source quench (ignored). */
#include <errno.h>
#include <string.h>

#include "stack/net/net_internal.h"

void icmp_init(struct stack *st) {
    struct icmp_limits *l = &st->net->icmp;
    l->key = rand_key(&st->rand);
    l->credit = ICMP_GLOBAL_BURST;
    l->stamp_ns = st->now_ns;
}

/* ---- limits ---- */

static bool allow_globally(struct stack *st) {
    struct icmp_limits *l = &st->net->icmp;
    uint64_t ns_each = 1000000000u / ICMP_GLOBAL_PER_SECOND;
    uint64_t n = (st->now_ns - l->stamp_ns) / ns_each;
    l->stamp_ns += n * ns_each;
    l->credit = n < ICMP_GLOBAL_BURST - l->credit ? l->credit + (uint32_t)n : ICMP_GLOBAL_BURST;
    if (l->credit == 0)
        return false;
    uint32_t take = rand_below(&st->rand, 3);
    l->credit -= take < l->credit ? take : l->credit;
    return true;
}

static bool allow_destination(struct stack *st, const struct addr *dst) {
    struct icmp_limits *l = &st->net->icmp;
    struct icmp_dst *set = l->e[siphash(&l->key, dst, sizeof(*dst)) % ICMP_DST_SETS], *e = &set[0];
    for (unsigned i = 0; i < ICMP_DST_WAYS; i++) {
        if (set[i].used && addr_eq(&set[i].dst, dst)) {
            e = &set[i];
            break;
        }
        if (set[i].stamp_ns < e->stamp_ns)
            e = &set[i];
    }
    const uint64_t full = ICMP_DST_BURST * ICMP_DST_INTERVAL_NS;
    if (!e->used || !addr_eq(&e->dst, dst))
        *e = (struct icmp_dst){.dst = *dst, .used = true, .saved_ns = full, .stamp_ns = st->now_ns};
    uint64_t gained = st->now_ns - e->stamp_ns;
    e->saved_ns = gained < full - e->saved_ns ? e->saved_ns + gained : full;
    e->stamp_ns = st->now_ns;
    if (e->saved_ns < ICMP_DST_INTERVAL_NS)
        return false;
    e->saved_ns -= ICMP_DST_INTERVAL_NS;
    return true;
}

/* ---- errors of our own ---- */

/* RFC 1122 §3.2.2: no error about an ICMP error, a broadcast, a fragment other than the first
 * (those never come this far), or to a source that is not a single host. */
static bool may_send_error(struct stack *st, const struct ip_in *in) {
    if (in->broadcast || (!in->loop && !addr_is_unicast(&in->src)) ||
        net_is_broadcast(st, &in->src))
        return false;
    /* Which ICMP message it is must be known, and must not be an error. */
    if (in->proto == PROTO_ICMP && (in->f.linear == 0 || icmp4_is_error(in->f.data[0])))
        return false;
    return true;
}

/* Puts the ICMP header before the payload, and sends it. */
static void finish_and_send(struct stack *st, struct pkt *p, const struct icmp4_hdr *h,
                            const struct ip_out *io) {
    uint8_t *hdr = pkt_push(p, ICMP4_HDR_LEN);
    icmp4_build(hdr, h);
    be16_t csum = csum_finish(pkt_csum_payload(p, csum_add(0, hdr, ICMP4_HDR_LEN), ICMP4_HDR_LEN));
    memcpy(hdr + 2, &csum, sizeof(csum));
    st->ctr.IcmpOutMsgs++;
    net_output(st, p, io);
}

void icmp_send_error(struct stack *st, struct ip_in *in, uint8_t type, uint8_t code) {
    if (!may_send_error(st, in))
        return;
    if (!in->loop && (!allow_destination(st, &in->src) || !allow_globally(st))) {
        st->ctr.IcmpOutRateLimited++;
        return;
    }
    /* The IP header and as much behind it as makes the message 576 bytes (RFC 1812 §4.3.2.3). */
    uint8_t quote[ICMP_ERROR_MAX - IP4_HDR_LEN - ICMP4_HDR_LEN];
    uint32_t n = in->f.linear < sizeof(quote) - in->hdr_len ? in->f.linear
                                                            : (uint32_t)sizeof(quote) - in->hdr_len;
    memcpy(quote, in->hdr, in->hdr_len);
    memcpy(quote + in->hdr_len, in->f.data, n);
    struct pkt *p = pkt_get(&st->pkts);
    if (p == NULL || !pkt_add_copy(p, &st->chunks, quote, in->hdr_len + n)) {
        if (p != NULL)
            net_drop_pkt(st, p);
        st->ctr.IpOutDiscards++;
        return;
    }
    struct icmp4_hdr h = {.type = type, .code = code};
    /* RFC 1812 §4.3.2.5: precedence of internetwork control. */
    struct ip_out io = {
        .src = in->dst, .dst = in->src, .proto = PROTO_ICMP, .tos = (in->tos & 0x1e) | 0xc0};
    finish_and_send(st, p, &h, &io);
}

void net_send_unreach(struct stack *st, struct ip_in *in, uint8_t code) {
    icmp_send_error(st, in, ICMP4_UNREACH, code);
}

/* ---- errors of others ---- */

/* Linux's icmp_err_convert, for destination unreachable by code. */
static const struct {
    uint8_t error;
    bool hard;
} unreach_errors[] = {
    {ENETUNREACH, false},  /* net */
    {EHOSTUNREACH, false}, /* host */
    {ENOPROTOOPT, true},   /* protocol */
    {ECONNREFUSED, true},  /* port */
    {EMSGSIZE, false},     /* fragmentation needed */
    {EOPNOTSUPP, false},   /* source route failed */
    {ENETUNREACH, true},   /* net unknown */
    {EHOSTDOWN, true},     /* host unknown */
    {ENONET, true},        /* source host isolated */
    {ENETUNREACH, true},   /* net prohibited */
    {EHOSTUNREACH, true},  /* host prohibited */
    {ENETUNREACH, false},  /* net, for this TOS */
    {EHOSTUNREACH, false}, /* host, for this TOS */
    {EHOSTUNREACH, true},  /* prohibited by a filter */
    {EHOSTUNREACH, true},  /* precedence violation */
    {EHOSTUNREACH, true},  /* precedence cutoff */
};

static bool map_error(const struct icmp4_hdr *h, struct icmp_err *err) {
    switch (h->type) {
    case ICMP4_UNREACH:
        if (h->code >= sizeof(unreach_errors) / sizeof(unreach_errors[0]))
            return false;
        err->error = unreach_errors[h->code].error;
        err->hard = unreach_errors[h->code].hard;
        return true;
    case ICMP4_TIME_EXCEEDED:
        err->error = EHOSTUNREACH;
        return true;
    case ICMP4_PARAM_PROBLEM:
        err->error = EPROTO;
        err->hard = true;
        return true;
    default:
        return false;
    }
}

/* The header of our packet as the message quotes it. Its checksum is not verified: routers on the
 * way have changed the TTL, and not all of them for the better. */
static bool parse_quote(const uint8_t *p, size_t len, struct icmp_err *err) {
    struct {
        uint8_t ver_ihl, tos;
        be16_t total_len, id, frag;
        uint8_t ttl, proto;
        be16_t csum;
        be32_t src, dst;
    } h;
    if (len < sizeof(h))
        return false;
    memcpy(&h, p, sizeof(h));
    size_t hdr_len = (size_t)(h.ver_ihl & 0x0f) * 4;
    if (h.ver_ihl >> 4 != 4 || hdr_len < sizeof(h) || len < hdr_len + 8 ||
        (be16_get(h.frag) & 0x1fff) != 0)
        return false;
    err->src = addr_from_be(h.src);
    err->dst = addr_from_be(h.dst);
    err->proto = h.proto;
    size_t n = len - hdr_len;
    err->quote_len = (uint8_t)(n < sizeof(err->quote) ? n : sizeof(err->quote));
    memcpy(err->quote, p + hdr_len, err->quote_len);
    return true;
}

static enum net_in_kind error_input(struct stack *st, const struct ip_in *in,
                                    const struct icmp4_hdr *h, const uint8_t *msg, size_t len,
                                    struct icmp_err *err) {
    *err = (struct icmp_err){.from = in->src, .type = h->type, .code = h->code, .mtu = h->mtu};
    if (in->broadcast || !map_error(h, err) ||
        !parse_quote(msg + ICMP4_HDR_LEN, len - ICMP4_HDR_LEN, err)) {
        st->ctr.IcmpInErrors++;
        return NET_IN_DONE;
    }
    /* RFC 1122 §3.2.2: it must be about a packet that can have been ours. */
    bool ours = in->loop ? net_is_local(st, &err->src) : iface_index_of(st, &err->src) >= 0;
    if (!ours) {
        st->ctr.IcmpInErrors++;
        return NET_IN_DONE;
    }
    return NET_IN_ICMP_ERR;
}

/* ---- echo ---- */

/* RFC 1122 §3.2.2.6: data come back whole, same TOS. Never to a broadcast (V30, as Linux's
 * icmp_echo_ignore_broadcasts). `c`: the chunk that holds msg, or NULL. */
static void echo_input(struct stack *st, struct ip_in *in, const struct icmp4_hdr *h, uint8_t *msg,
                       uint32_t len, struct chunk *c) {
    if (in->broadcast) {
        st->ctr.IcmpInIgnored++;
        return;
    }
    struct pkt *p = pkt_get(&st->pkts);
    uint32_t n = len - ICMP4_HDR_LEN;
    if (p == NULL || !(c != NULL ? pkt_add_frag(p, c, msg + ICMP4_HDR_LEN, n)
                                 : pkt_add_copy(p, &st->chunks, msg + ICMP4_HDR_LEN, n))) {
        if (p != NULL)
            net_drop_pkt(st, p);
        st->ctr.IpOutDiscards++;
        return;
    }
    struct icmp4_hdr reply = {.type = ICMP4_ECHO_REPLY, .id = h->id, .seq = h->seq};
    struct ip_out io = {.src = in->dst, .dst = in->src, .proto = PROTO_ICMP, .tos = in->tos};
    finish_and_send(st, p, &reply, &io);
}

/* ---- input ---- */

/* The whole message in one piece: where it lies, or, if it does not lie in one, in a chunk of its
 * own (*c, a reference of the caller's). NULL: no room, or lost. */
static uint8_t *load(struct stack *st, struct frame *f, struct chunk **c) {
    *c = NULL;
    if (f->linear == f->len)
        return (uint8_t *)(uintptr_t)f->data;
    *c = chunk_get(&st->chunks, f->len);
    if (*c == NULL) {
        st->ctr.mem_chunks_out++;
        return NULL;
    }
    struct iovec iov = {(*c)->data, (*c)->cap};
    if (f->len > (*c)->cap || frame_read(f, 0, f->len, &iov, 1) != (int)f->len)
        return NULL;
    (*c)->len = f->len;
    return (*c)->data;
}

static enum net_in_kind dispatch(struct stack *st, struct ip_in *in, uint8_t *msg, uint32_t len,
                                 struct chunk *c, struct icmp_err *err) {
    struct icmp4_hdr h;
    if (in->f.csum == FRAME_CSUM_UNKNOWN && csum_finish(csum_add(0, msg, len)).raw != 0) {
        st->ctr.IcmpInCsumErrors++;
        return NET_IN_DONE;
    }
    if (icmp4_parse(msg, len, &h) < 0) {
        st->ctr.IcmpInErrors++;
        return NET_IN_DONE;
    }
    switch (h.type) {
    case ICMP4_ECHO:
        echo_input(st, in, &h, msg, len, c);
        return NET_IN_DONE;
    case ICMP4_UNREACH:
    case ICMP4_TIME_EXCEEDED:
    case ICMP4_PARAM_PROBLEM:
        return error_input(st, in, &h, msg, len, err);
    default: /* MUST-55: source quench silently; RFC 1812 §5.2.7.2 redirects; echo replies */
        st->ctr.IcmpInIgnored++;
        return NET_IN_DONE;
    }
}

enum net_in_kind icmp_input(struct stack *st, struct ip_in *in, struct icmp_err *err) {
    struct chunk *c;
    st->ctr.IcmpInMsgs++;
    if (in->f.len < ICMP4_HDR_LEN) {
        st->ctr.IcmpInErrors++;
        return NET_IN_DONE;
    }
    enum net_in_kind kind = NET_IN_DONE;
    uint8_t *msg = load(st, &in->f, &c);
    if (msg != NULL)
        kind = dispatch(st, in, msg, in->f.len, c, err);
    else
        st->ctr.IpInDiscards++;
    if (c != NULL)
        chunk_unref(&st->chunks, c);
    return kind;
}

/* UDP (RFC 768, RFC 1122 §4.1, RFC 8085); the rules of bind and connect are Linux's.
 *
 * A datagram that came lies in its pool object if it is small, in a chunk of its own otherwise;
 * both are charged to the endpoint by their true size. Whoever connects is in the flow table by
 * its whole key and hears its remote only; others by their local endpoint.
 *
 * Not here: multicast membership, corking. */
#include "stack/net/udp.h"

#include <errno.h>
#include <string.h>

#include "stack/net/net_internal.h"
#include "stack/wire/udp.h"

#define UDP_MCAST_TTL 1 /* RFC 1112 §6.1 */

size_t udp_mem_size(uint32_t max, uint32_t max_dgrams) {
    return max * (sizeof(struct udp) + 64 + 5) + max_dgrams * (sizeof(struct udp_dgram) + 64 + 5) +
           256;
}

int udp_init(struct stack *st, uint32_t max, uint32_t max_dgrams) {
    struct udp_state *s = &st->net->udp;
    STAILQ_INIT(&s->events);
    if (!pool_init(&s->socks, &st->arena, sizeof(struct udp), max) ||
        !pool_init(&s->dgrams, &st->arena, sizeof(struct udp_dgram), max_dgrams))
        return -ENOMEM;
    return 0;
}

struct udp *udp_open(struct stack *st) {
    struct udp *u = pool_get(&st->net->udp.socks);
    if (u == NULL) {
        st->ctr.mem_socks_out++;
        return NULL;
    }
    u->local.addr = u->remote.addr = addr_v4(0);
    u->rcvbuf = UDP_RCVBUF_DEFAULT;
    u->mcast_ttl = UDP_MCAST_TTL;
    STAILQ_INIT(&u->queue);
    errq_init(&u->errq);
    return u;
}

static void raise_event(struct stack *st, struct udp *u) {
    if (u->ev)
        return;
    u->ev = true;
    STAILQ_INSERT_TAIL(&st->net->udp.events, u, ev_link);
}

struct udp *udp_next_event(struct stack *st) {
    struct udp_state *s = &st->net->udp;
    struct udp *u = STAILQ_FIRST(&s->events);
    if (u == NULL)
        return NULL;
    STAILQ_REMOVE_HEAD(&s->events, ev_link);
    u->ev = false;
    return u;
}

int udp_take_error(struct udp *u) {
    int error = u->error;
    u->error = 0;
    return error;
}

static void free_dgram(struct stack *st, struct udp_dgram *d) {
    d->owner = NULL;
    stream_clear(&st->chunks, &d->data);
    pool_put(&st->net->udp.dgrams, d);
}

static void take_head(struct stack *st, struct udp *u) {
    struct udp_dgram *d = STAILQ_FIRST(&u->queue);
    STAILQ_REMOVE_HEAD(&u->queue, link);
    u->queued_bytes -= d->charged;
    free_dgram(st, d);
}

void udp_close(struct stack *st, struct udp *u) {
    flow_remove(st, &u->flow);
    while (!STAILQ_EMPTY(&u->queue))
        take_head(st, u);
    errq_clear(st, &u->errq);
    if (u->ev)
        STAILQ_REMOVE(&st->net->udp.events, u, udp, ev_link);
    pool_put(&st->net->udp.socks, u);
}

/* ---- addresses ---- */

static bool is_connected(const struct udp *u) {
    return u->remote.port != 0;
}

static void link_flow(struct stack *st, struct udp *u) {
    struct flow_key key = {.local = u->local, .remote = u->remote, .proto = PROTO_UDP};
    u->flow.spread = u->reuse_port && !is_connected(u);
    flow_insert(st, &u->flow, &key);
}

/* Two may share a port when their addresses differ, or when both said so (SO_REUSEADDR, or
 * SO_REUSEPORT; all programs of a host count as one user). */
static bool conflicts(struct stack *st, const struct udp *u, const struct endpoint *local) {
    struct flow_node *n = NULL;
    while ((n = flow_on_port(st, PROTO_UDP, local->port, n)) != NULL) {
        const struct udp *o = (const struct udp *)((const char *)n - offsetof(struct udp, flow));
        if (o == u || (u->reuse_addr && o->reuse_addr) || (u->reuse_port && o->reuse_port))
            continue;
        if (addr_is_any(&o->local.addr) || addr_is_any(&local->addr) ||
            addr_eq(&o->local.addr, &local->addr))
            return true;
    }
    return false;
}

static bool may_bind(struct stack *st, const struct addr *a) {
    return addr_is_any(a) || net_is_local(st, a) || net_is_broadcast(st, a) || addr_is_multicast(a);
}

/* A port for u, which has none. */
static bool pick_port(struct stack *st, struct udp *u) {
    static const struct endpoint any;
    u->local.port = flow_pick_port(st, PROTO_UDP, &u->local, &any, NULL);
    return u->local.port != 0;
}

int udp_bind(struct stack *st, struct udp *u, const struct endpoint *local) {
    if (u->local.port != 0)
        return -EINVAL;
    if (!may_bind(st, &local->addr))
        return -EADDRNOTAVAIL;
    if (local->port != 0 && conflicts(st, u, local))
        return -EADDRINUSE;
    u->local = *local;
    if (local->port == 0 && !pick_port(st, u)) {
        u->local.addr = addr_v4(0);
        return -EADDRINUSE;
    }
    u->addr_locked = !addr_is_any(&local->addr);
    u->port_locked = local->port != 0;
    link_flow(st, u);
    return 0;
}

/* Linux: dissolving gives back what connect and send chose, and keeps what bind said. */
static void disconnect(struct stack *st, struct udp *u) {
    flow_remove(st, &u->flow);
    u->remote = (struct endpoint){.addr = addr_v4(0)};
    if (!u->addr_locked)
        u->local.addr = addr_v4(0);
    if (!u->port_locked)
        u->local.port = 0;
    else
        link_flow(st, u);
}

/* 0.0.0.0 as a destination means this host (RFC 1122 §3.2.1.3 (a)), as in Linux. */
static struct endpoint real_remote(const struct endpoint *to) {
    struct endpoint r = *to;
    if (addr_is_any(&r.addr))
        r.addr = addr_v4(0x7f000001);
    return r;
}

/* Where packets to dst come from: what bind said, unless that was no single host. */
static int pick_source(struct stack *st, const struct udp *u, const struct addr *dst,
                       struct addr *src) {
    int error = net_pick_source(st, dst, src);
    if (error == 0 && net_is_local(st, &u->local.addr))
        *src = u->local.addr;
    return error;
}

int udp_connect(struct stack *st, struct udp *u, const struct endpoint *remote) {
    if (remote->port == 0 && addr_is_any(&remote->addr)) {
        disconnect(st, u);
        return 0;
    }
    struct endpoint to = real_remote(remote);
    struct addr src;
    int error = pick_source(st, u, &to.addr, &src);
    if (error != 0)
        return error;
    if (net_is_broadcast(st, &to.addr) && !u->broadcast_ok)
        return -EACCES;
    if (addr_is_loopback(&src) && !net_is_loop(st, &to.addr))
        return -EINVAL;
    if (u->local.port == 0 && !pick_port(st, u))
        return -EAGAIN;
    flow_remove(st, &u->flow);
    if (addr_is_any(&u->local.addr))
        u->local.addr = src;
    u->remote = to;
    link_flow(st, u);
    return 0;
}

/* ---- sending ---- */

/* Copies the payload behind a fresh packet's header, in as few chunks as there can be. */
static bool add_payload(struct stack *st, struct pkt *p, const struct iovec *iov, int niov,
                        size_t len) {
    for (size_t done = 0; done < len;) {
        struct chunk *c = chunk_get(&st->chunks, len - done);
        if (c == NULL) {
            st->ctr.mem_chunks_out++;
            return false;
        }
        size_t n = len - done < c->cap ? len - done : c->cap;
        struct iovec dst = {c->data, n};
        c->len = (uint32_t)iov_copy(&dst, 1, 0, iov, niov, done, n);
        bool ok = c->len == n && pkt_add_frag(p, c, c->data, (uint32_t)n);
        chunk_unref(&st->chunks, c);
        if (!ok)
            return false;
        done += n;
    }
    return true;
}

static void add_header(struct pkt *p, uint16_t sport, uint16_t dport, const struct ip_out *io) {
    size_t len = UDP_HDR_LEN + p->payload_len;
    struct udp_hdr h = {.sport = sport, .dport = dport, .len = (uint16_t)len};
    uint8_t *hdr = pkt_push(p, UDP_HDR_LEN);
    udp_build(hdr, &h);
    be16_t sum = csum_fold(csum_pseudo(&io->src, &io->dst, PROTO_UDP, (uint32_t)len));
    memcpy(hdr + UDP_CSUM_OFFSET, &sum, sizeof(sum));
    p->csum_partial = true;
    p->csum_start = 0;
    p->csum_offset = UDP_CSUM_OFFSET;
}

static int prepare_send(struct stack *st, struct udp *u, const struct endpoint *to, size_t len,
                        struct ip_out *io) {
    if (to->port == 0)
        return -EINVAL;
    if (len > UDP_MAX_PAYLOAD)
        return -EMSGSIZE;
    bool multicast = addr_is_multicast(&to->addr);
    *io = (struct ip_out){.dst = to->addr, .proto = PROTO_UDP, .tos = u->tos, .df = u->df};
    io->ttl = multicast ? u->mcast_ttl : u->ttl;
    int error = pick_source(st, u, &to->addr, &io->src);
    if (error != 0)
        return error;
    if (net_is_broadcast(st, &to->addr) && !u->broadcast_ok)
        return -EACCES;
    if (u->error != 0)
        return -udp_take_error(u);
    if (st->tx_len >= UDP_TX_BACKLOG_MAX)
        return -EAGAIN;
    if (u->local.port == 0) {
        if (!pick_port(st, u))
            return -EAGAIN;
        link_flow(st, u);
    }
    return 0;
}

ssize_t udp_send(struct stack *st, struct udp *u, const struct iovec *iov, int niov,
                 const struct endpoint *to) {
    if (to == NULL && !is_connected(u))
        return -EDESTADDRREQ;
    struct endpoint remote = to != NULL ? real_remote(to) : u->remote;
    size_t len = iov_len(iov, niov);
    struct ip_out io;
    int error = prepare_send(st, u, &remote, len, &io);
    if (error != 0)
        return error;
    struct pkt *p = pkt_get(&st->pkts);
    if (p == NULL) {
        st->ctr.mem_pkts_out++;
        return -ENOBUFS;
    }
    if (!add_payload(st, p, iov, niov, len)) {
        net_drop_pkt(st, p);
        return -ENOBUFS;
    }
    add_header(p, u->local.port, remote.port, &io);
    error = net_output(st, p, &io);
    /* Linux drops quietly what its queues have no room for, unless IP_RECVERR is set; and a
     * neighbour's failure is no news either. */
    if (error != 0 && error != -ENOBUFS && error != -EHOSTUNREACH)
        return error;
    st->ctr.UdpOutDatagrams++;
    return (ssize_t)len;
}

/* ---- receiving ---- */

ssize_t udp_recv(struct stack *st, struct udp *u, const struct iovec *iov, int niov, bool peek,
                 struct endpoint *from, struct endpoint *to) {
    if (u->error != 0)
        return -udp_take_error(u);
    struct udp_dgram *d = STAILQ_FIRST(&u->queue);
    if (d == NULL)
        return -EAGAIN;
    struct iovec small = {d->small, d->inline_len};
    size_t len = d->data.len > 0 ? d->data.len : d->inline_len;
    if (d->data.len > 0)
        stream_copy(&d->data, 0, iov, niov, 0, len);
    else
        iov_copy(iov, niov, 0, &small, 1, 0, len);
    if (from != NULL)
        *from = d->from;
    if (to != NULL)
        *to = d->to;
    if (!peek)
        take_head(st, u);
    return (ssize_t)len;
}

/* What came, before it is known for how many: in `small`, or in chunk c. */
struct payload {
    const uint8_t *p;
    uint32_t len;
    struct chunk *c;
    uint8_t small[UDP_INLINE_MAX];
};

/* Reads and verifies. False: dropped and counted; pl->c is the caller's to give back anyway. */
static bool load(struct stack *st, const struct ip_in *in, const struct udp_hdr *h,
                 struct payload *pl) {
    struct frame f = in->f;
    uint8_t *buf = pl->small;
    pl->len = h->len - UDP_HDR_LEN;
    pl->c = NULL;
    if (pl->len > sizeof(pl->small)) {
        pl->c = chunk_get(&st->chunks, pl->len);
        if (pl->c == NULL || pl->c->cap < pl->len) {
            st->ctr.mem_chunks_out++;
            st->ctr.UdpRcvbufErrors++;
            return false;
        }
        pl->c->len = pl->len;
        buf = pl->c->data;
    }
    pl->p = buf;
    struct iovec iov = {buf, pl->len};
    if (frame_read(&f, UDP_HDR_LEN, pl->len, &iov, 1) != (int)pl->len) {
        st->ctr.UdpInErrors++;
        return false;
    }
    if (!h->has_csum || f.csum != FRAME_CSUM_UNKNOWN) /* RFC 768: zero is no checksum */
        return true;
    uint64_t sum = csum_pseudo(&in->src, &in->dst, PROTO_UDP, h->len);
    sum = csum_add(sum, in->f.data, UDP_HDR_LEN);
    if (csum_finish(csum_add(sum, buf, pl->len)).raw != 0) {
        st->ctr.UdpInCsumErrors++;
        return false;
    }
    return true;
}

/* Fills d's data with the `len` bytes at p; takes pl's chunk over if `take`. */
static bool fill(struct stack *st, struct udp_dgram *d, struct payload *pl, const uint8_t *p,
                 uint32_t len, bool take) {
    d->charged = sizeof(*d);
    if (len <= UDP_INLINE_MAX) {
        memcpy(d->small, p, len);
        d->inline_len = (uint16_t)len;
        return true;
    }
    struct chunk *c = take ? pl->c : chunk_get(&st->chunks, len);
    if (c == NULL || c->cap < len) {
        if (c != NULL)
            chunk_unref(&st->chunks, c);
        st->ctr.mem_chunks_out++;
        return false;
    }
    if (take)
        pl->c = NULL;
    else
        memcpy(c->data, p, len);
    c->len = len;
    d->charged += (uint32_t)chunk_true_size(c);
    stream_append_chunk(&d->data, c);
    return true;
}

static void queue_dgram(struct stack *st, struct udp *u, const struct ip_in *in,
                        const struct udp_hdr *h, struct payload *pl, const uint8_t *p, uint32_t len,
                        bool take) {
    struct udp_state *s = &st->net->udp;
    /* Linux: the datagram that crosses the limit is still taken. */
    struct udp_dgram *d = u->queued_bytes <= u->rcvbuf ? pool_get_raw(&s->dgrams) : NULL;
    if (d == NULL) {
        st->ctr.UdpRcvbufErrors++;
        return;
    }
    memset(d, 0, offsetof(struct udp_dgram, small));
    d->from = (struct endpoint){in->src, h->sport};
    d->to = (struct endpoint){in->dst, h->dport};
    d->tos = in->tos;
    d->ttl = in->ttl;
    d->order = ++s->order;
    d->when_ns = st->now_ns;
    if (!fill(st, d, pl, p, len, take)) {
        st->ctr.UdpRcvbufErrors++;
        pool_put(&s->dgrams, d);
        return;
    }
    d->owner = u;
    STAILQ_INSERT_TAIL(&u->queue, d, link);
    u->queued_bytes += d->charged;
    st->ctr.UdpInDatagrams++;
    raise_event(st, u);
}

/* One datagram, or several that came as one super-frame (UDP_SEGMENT of a local sender). */
static void queue_all(struct stack *st, struct udp *u, const struct ip_in *in,
                      const struct udp_hdr *h, struct payload *pl, bool last_reader) {
    uint32_t seg = in->f.gso_size;
    if (seg == 0 || seg >= pl->len) {
        queue_dgram(st, u, in, h, pl, pl->p, pl->len, last_reader && pl->c != NULL);
        return;
    }
    for (uint32_t off = 0, n; off < pl->len; off += n) {
        n = pl->len - off < seg ? pl->len - off : seg;
        queue_dgram(st, u, in, h, pl, pl->p + off, n, false);
    }
}

static struct udp *udp_of(struct flow_node *n) {
    return (struct udp *)((char *)n - offsetof(struct udp, flow));
}

/* A broadcast goes to everybody on that port whom it can concern (RFC 1122 §4.1.3.3). */
static bool wants_broadcast(const struct udp *u, const struct ip_in *in, const struct udp_hdr *h) {
    bool addr_ok = addr_is_any(&u->local.addr) || addr_eq(&u->local.addr, &in->dst);
    bool from_ok =
        !is_connected(u) || (addr_eq(&u->remote.addr, &in->src) && u->remote.port == h->sport);
    return addr_ok && from_ok;
}

static void input_broadcast(struct stack *st, const struct ip_in *in, const struct udp_hdr *h,
                            struct payload *pl) {
    struct flow_node *n = NULL;
    bool any = false;
    while ((n = flow_on_port(st, PROTO_UDP, h->dport, n)) != NULL) {
        if (wants_broadcast(udp_of(n), in, h)) {
            queue_all(st, udp_of(n), in, h, pl, false);
            any = true;
        }
    }
    st->ctr.UdpNoPorts += !any;
}

bool udp_input(struct stack *st, struct ip_in *in) {
    struct udp_hdr h;
    struct payload pl;
    if (udp_parse(in->f.data, in->f.linear, &h) < 0 || h.len > in->f.len ||
        (in->f.gso_size > 0 && in->f.csum == FRAME_CSUM_UNKNOWN)) {
        st->ctr.UdpInErrors++;
        return true;
    }
    struct flow_key key = {
        .local = {in->dst, h.dport}, .remote = {in->src, h.sport}, .proto = PROTO_UDP};
    struct flow_node *n = in->broadcast ? NULL : flow_match(st, &key);
    bool found = true;
    if (load(st, in, &h, &pl)) {
        if (in->broadcast)
            input_broadcast(st, in, &h, &pl);
        else if (n != NULL)
            queue_all(st, udp_of(n), in, &h, &pl, true);
        else
            found = false;
    }
    if (pl.c != NULL)
        chunk_unref(&st->chunks, pl.c);
    st->ctr.UdpNoPorts += !found;
    return found;
}

/* IP_RECVERR (ip_icmp_error): the message, with what it quotes of the datagram's payload. */
static void queue_icmp_error(struct stack *st, struct udp *u, const struct icmp_err *err,
                             uint16_t port) {
    struct errmsg *m = errq_add(st, &u->errq);
    if (m == NULL)
        return;
    m->ee.ee_errno = (uint32_t)err->error;
    m->ee.ee_origin = SO_EE_ORIGIN_ICMP;
    m->ee.ee_type = err->type;
    m->ee.ee_code = err->code;
    m->ee.ee_info = err->mtu;
    m->dst = (struct endpoint){err->dst, port};
    m->offender = err->from;
    m->has_offender = true;
    m->len = (uint16_t)(err->quote_len - UDP_HDR_LEN);
    memcpy(m->data, err->quote + UDP_HDR_LEN, m->len);
}

/* RFC 1122 §4.1.3.3; as in Linux, without IP_RECVERR only a connected endpoint learns of it, and
 * only of what is final. */
void udp_icmp(struct stack *st, const struct icmp_err *err) {
    struct udp_hdr h;
    if (udp_parse(err->quote, err->quote_len, &h) < 0)
        return;
    struct flow_key key = {
        .local = {err->src, h.sport}, .remote = {err->dst, h.dport}, .proto = PROTO_UDP};
    struct flow_node *n = flow_match(st, &key);
    if (n == NULL) {
        st->ctr.IcmpInErrors++;
        return;
    }
    struct udp *u = udp_of(n);
    bool too_big = err->type == ICMP4_UNREACH && err->code == ICMP4_UNREACH_FRAG;
    if (too_big)
        net_set_path_mtu(st, &err->dst, err->mtu);
    bool hard = err->hard || (too_big && u->df);
    if (u->recverr ? err->error == 0 || (too_big && !u->df) : !is_connected(u) || !hard)
        return;
    if (u->recverr)
        queue_icmp_error(st, u, err, h.dport);
    u->error = err->error;
    raise_event(st, u);
}

void udp_foreach(struct stack *st, void (*fn)(struct stack *st, struct udp *u, void *arg),
                 void *arg) {
    struct pool *socks = &st->net->udp.socks;
    struct udp *u;
    POOL_FOREACH (socks, i, u)
        fn(st, u, arg);
}

/* ---- crash repair ---- */

/* In the order in which they came. */
static void requeue(struct udp *u, struct udp_dgram *d) {
    struct udp_dgram *after = NULL, *o;
    STAILQ_FOREACH (o, &u->queue, link) {
        if (o->order > d->order)
            break;
        after = o;
    }
    if (after != NULL)
        STAILQ_INSERT_AFTER(&u->queue, after, d, link);
    else
        STAILQ_INSERT_HEAD(&u->queue, d, link);
    u->queued_bytes += d->charged;
}

void udp_repair_mark(struct stack *st) {
    struct udp_state *s = &st->net->udp;
    struct udp *u;
    struct udp_dgram *d;
    pool_rebuild(&s->socks);
    pool_rebuild(&s->dgrams);
    POOL_FOREACH (&s->socks, i, u) {
        STAILQ_INIT(&u->queue);
        errq_repair_keep(st, &u->errq);
        u->queued_bytes = 0;
    }
    POOL_FOREACH (&s->dgrams, i, d) {
        bool whole = d->owner != NULL && pool_owns(&s->socks, d->owner) &&
                     chunk_pools_mark(&st->chunks, &d->data) && d->inline_len <= UDP_INLINE_MAX;
        if (whole) {
            requeue(d->owner, d);
        } else {
            d->owner = NULL;
            pool_put(&s->dgrams, d);
        }
    }
}

void udp_repair_relink(struct stack *st) {
    struct udp_state *s = &st->net->udp;
    struct udp *u;
    STAILQ_INIT(&s->events);
    POOL_FOREACH (&s->socks, i, u) {
        u->flow.linked = false;
        if (u->local.port != 0)
            link_flow(st, u);
        u->ev = false;
        raise_event(st, u); /* who waits for it looks again */
    }
}

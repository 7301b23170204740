/* UDP endpoints: binding and connecting as Linux does, V3, RFC 1122 §4.1. */
#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;
static uint8_t buf[70000], msg[66000], data[66000], got[66000];

static struct endpoint ep(uint32_t a, uint16_t port) {
    return (struct endpoint){addr_v4(a), port};
}
static int bind_to(struct stack *st, struct udp *u, uint32_t a, uint16_t port) {
    struct endpoint local = ep(a, port);
    return udp_bind(st, u, &local);
}
static int connect_to(struct stack *st, struct udp *u, uint32_t a, uint16_t port) {
    struct endpoint remote = ep(a, port);
    return udp_connect(st, u, &remote);
}
static ssize_t send_to(struct stack *st, struct udp *u, size_t n, uint32_t a, uint16_t port) {
    struct iovec iov = {data, n};
    struct endpoint to = ep(a, port);
    return udp_send(st, u, &iov, 1, port != 0 ? &to : NULL);
}
static ssize_t receive(struct stack *st, struct udp *u, struct endpoint *from) {
    struct iovec iov = {got, sizeof(got)};
    return udp_recv(st, u, &iov, 1, false, from, NULL);
}
static void pattern(size_t n) {
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 5 + i / 253);
}
/* A datagram from the peer's port 9 to `dst`. */
static size_t build(uint32_t dst, uint16_t dport, size_t n) {
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    h.dst = addr_v4(dst);
    return fx_build_ip4(buf, h, msg, fx_build_udp(msg, h.src, 9, h.dst, dport, data, n));
}
static void from_peer(struct stack *st, uint32_t dst, uint16_t dport, size_t n) {
    fx_input_all(st, buf, build(dst, dport, n));
}

Test(udp, there_and_back) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    struct endpoint from, to;
    fx_know_peer(st);
    pattern(1472);
    cr_assert_eq(receive(st, u, &from), -EAGAIN);
    static const size_t sizes[] = {0, 1, 511, 512, 513, 1472};
    cr_assert_eq(bind_to(st, u, 0, 53), 0);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(send_to(st, u, sizes[i], 0x0a000002, 9), (ssize_t)sizes[i]);
        cr_assert(fx_pop(st, &o));
        fx_finish(&o);
        struct udp_hdr h;
        cr_assert(udp_parse(FX_L4(&o), FX_L4_LEN(&o), &h) > 0);
        cr_assert_eq(h.sport, 53);
        cr_assert_eq(h.dport, 9);
        cr_assert_eq(h.len, 8 + sizes[i]);
        struct ip4_hdr ip = fx_ip4(&o);
        uint64_t sum = csum_pseudo(&ip.src, &ip.dst, PROTO_UDP, h.len);
        cr_assert_eq(csum_finish(csum_add(sum, FX_L4(&o), h.len)).raw, 0);
        cr_assert_arr_eq(FX_L4(&o) + 8, data, sizes[i]);
        from_peer(st, 0x0a000001, 53, sizes[i]);
        cr_assert_eq(udp_next_event(st), u);
        cr_assert_null(udp_next_event(st));
        struct iovec iov = {got, sizeof(got)};
        cr_assert_eq(udp_recv(st, u, &iov, 1, true, &from, &to), (ssize_t)sizes[i], "peek");
        cr_assert(endpoint_eq(&from, &(struct endpoint){PEER, 9}));
        cr_assert(endpoint_eq(&to, &(struct endpoint){US, 53}));
        iov.iov_len = sizes[i] / 2; /* a short buffer cuts, and tells the length */
        cr_assert_eq(udp_recv(st, u, &iov, 1, false, NULL, NULL), (ssize_t)sizes[i]);
        cr_assert_arr_eq(got, data, sizes[i]);
        cr_assert_eq(receive(st, u, &from), -EAGAIN);
        cr_assert_eq(u->queued_bytes, 0);
    }
    udp_close(st, u);
    cr_assert_eq(st->net->udp.socks.n_used + st->net->udp.dgrams.n_used, 0);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, bind_rules) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *a = udp_open(st), *b = udp_open(st), *c = udp_open(st);
    cr_assert_eq(bind_to(st, a, 0x0a000063, 5), -EADDRNOTAVAIL);
    cr_assert_eq(bind_to(st, a, 0x0a000001, 5), 0);
    cr_assert_eq(bind_to(st, a, 0x0a000001, 6), -EINVAL, "once only");
    cr_assert_eq(bind_to(st, b, 0x0a000001, 5), -EADDRINUSE);
    cr_assert_eq(bind_to(st, b, 0, 5), -EADDRINUSE);
    cr_assert_eq(bind_to(st, b, 0x7f000001, 5), 0, "another address");
    b->reuse_addr = c->reuse_addr = true;
    cr_assert_eq(bind_to(st, c, 0, 5), -EADDRINUSE, "a did not agree");
    a->reuse_addr = true;
    cr_assert_eq(bind_to(st, c, 0, 5), 0);
    udp_close(st, a);
    udp_close(st, b);
    udp_close(st, c);
    a = udp_open(st), b = udp_open(st), c = udp_open(st);
    a->reuse_port = b->reuse_port = c->reuse_addr = true;
    cr_assert_eq(bind_to(st, a, 0, 5), 0);
    cr_assert_eq(bind_to(st, b, 0, 5), 0);
    cr_assert_eq(bind_to(st, c, 0, 5), -EADDRINUSE);
    cr_assert_eq(bind_to(st, c, 0x0a0000ff, 0), 0, "a broadcast address, and any port");
    cr_assert_geq(c->local.port, 32768);
    fx_free(st);
}

Test(udp, connected_hears_its_remote_only) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st), *any = udp_open(st);
    any->reuse_addr = u->reuse_addr = true;
    cr_assert_eq(bind_to(st, u, 0, 77), 0);
    cr_assert_eq(connect_to(st, u, 0x0a000002, 9), 0);
    cr_assert(addr_eq(&u->local.addr, &US), "a local address was picked");
    from_peer(st, 0x0a000001, 77, 10);
    cr_assert_eq(receive(st, u, NULL), 10);
    cr_assert_eq(connect_to(st, u, 0x0a000002, 10), 0, "another remote");
    from_peer(st, 0x0a000001, 77, 10);
    cr_assert_eq(receive(st, u, NULL), -EAGAIN);
    cr_assert_eq(st->ctr.UdpNoPorts, 1);
    cr_assert_eq(bind_to(st, any, 0, 77), 0);
    from_peer(st, 0x0a000001, 77, 10);
    cr_assert_eq(receive(st, any, NULL), 10, "which others may get");
    cr_assert_eq(connect_to(st, u, 0, 0), 0, "dissolved");
    cr_assert(addr_is_any(&u->local.addr));
    cr_assert_eq(u->local.port, 77, "what bind said stays");
    struct udp *v = udp_open(st);
    cr_assert_eq(connect_to(st, v, 0x0a000002, 9), 0);
    cr_assert_neq(v->local.port, 0);
    cr_assert_eq(connect_to(st, v, 0, 0), 0);
    cr_assert_eq(v->local.port, 0, "what connect chose does not");
    fx_free(st);
}

Test(udp, refusals) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    cr_assert_eq(send_to(st, u, 1, 0, 0), -EDESTADDRREQ);
    struct iovec iov = {data, 1};
    struct endpoint to = ep(0x0a000002, 0);
    cr_assert_eq(udp_send(st, u, &iov, 1, &to), -EINVAL, "port 0");
    cr_assert_eq(send_to(st, u, 65508, 0x0a000002, 9), -EMSGSIZE);
    cr_assert_eq(send_to(st, u, 1, 0x0a0000ff, 9), -EACCES);
    cr_assert_eq(connect_to(st, u, 0xffffffff, 9), -EACCES);
    u->broadcast_ok = true;
    cr_assert_eq(send_to(st, u, 1, 0x0a0000ff, 9), 1);
    u->df = true;
    fx_know_peer(st);
    cr_assert_eq(send_to(st, u, 1473, 0x0a000002, 9), -EMSGSIZE);
    struct udp *lo = udp_open(st);
    cr_assert_eq(bind_to(st, lo, 0x7f000001, 0), 0);
    cr_assert_eq(send_to(st, lo, 1, 0x0a000002, 9), -EINVAL);
    cr_assert_eq(connect_to(st, lo, 0x0a000002, 9), -EINVAL);
    cfg.gateway = addr_v4(0);
    struct stack *island = fx_new(&cfg);
    struct udp *v = udp_open(island);
    cr_assert_eq(connect_to(island, v, 0xc0000201, 9), -ENETUNREACH);
    cr_assert_eq(send_to(island, v, 1, 0xc0000201, 9), -ENETUNREACH);
    fx_free(island);
    fx_run_loop(st);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, through_localhost) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *server = udp_open(st), *client = udp_open(st);
    struct endpoint from;
    pattern(65507);
    cr_assert_eq(bind_to(st, server, 0, 53), 0);
    static const uint32_t to[] = {0x7f000001, 0x0a000001, 0 /* this host */};
    static const size_t sizes[] = {4, 5000, 65507};
    for (unsigned i = 0; i < 9; i++) {
        cr_assert_eq(send_to(st, client, sizes[i % 3], to[i / 3], 53), (ssize_t)sizes[i % 3]);
        fx_run_loop(st);
        cr_assert_eq(receive(st, server, &from), (ssize_t)sizes[i % 3]);
        cr_assert_arr_eq(got, data, sizes[i % 3]);
        cr_assert_eq(from.port, client->local.port);
        struct iovec iov = {data, 3};
        cr_assert_eq(udp_send(st, server, &iov, 1, &from), 3);
        fx_run_loop(st);
        cr_assert_eq(receive(st, client, NULL), 3);
    }
    cr_assert_eq(st->tx_len, 0);
    fx_check_empty(st);
    fx_free(st);
}

/* RFC 8085 §5.2: a connected endpoint learns that nobody is there. */
Test(udp, rfc8085_port_unreachable_refuses) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *conn = udp_open(st), *loose = udp_open(st);
    cr_assert_eq(connect_to(st, conn, 0x7f000001, 99), 0);
    cr_assert_eq(send_to(st, conn, 4, 0, 0), 4);
    cr_assert_eq(send_to(st, loose, 4, 0x7f000001, 99), 4);
    fx_run_loop(st);
    cr_assert_eq(st->ctr.UdpNoPorts, 2);
    cr_assert_eq(udp_next_event(st), conn);
    cr_assert_null(udp_next_event(st), "an unconnected one does not");
    cr_assert_eq(receive(st, conn, NULL), -ECONNREFUSED);
    cr_assert_eq(receive(st, conn, NULL), -EAGAIN, "told once");
    cr_assert_eq(send_to(st, conn, 4, 0, 0), 4);
    fx_run_loop(st);
    cr_assert_eq(send_to(st, conn, 4, 0, 0), -ECONNREFUSED, "send tells it too");
    fx_check_empty(st);
    fx_free(st);
}

/* From the wire: a peer's answer to our datagram to its closed port. */
Test(udp, icmp_error_from_the_wire) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    fx_know_peer(st);
    cr_assert_eq(connect_to(st, u, 0x0a000002, 99), 0);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(send_to(st, u, 40, 0, 0), 40);
        cr_assert(fx_pop(st, &o));
        struct icmp4_hdr h = {.type = ICMP4_UNREACH, .code = i == 0 ? 1 : i == 1 ? 4 : 3};
        h.mtu = 900;
        size_t n = fx_build_icmp(msg, h, o.data + ETH_HDR_LEN, 28);
        fx_input_all(st, buf, fx_build_ip4(buf, fx_from_peer(PROTO_ICMP), msg, n));
        cr_assert_eq(udp_take_error(u), i == 2 ? ECONNREFUSED : 0, "only what is final");
    }
    cr_assert_eq(net_path_mtu(st, &PEER), 900);
    fx_free(st);
}

/* V3: lengths that lie, and checksums. */
Test(udp, v3_malformed) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    cr_assert_eq(bind_to(st, u, 0, 53), 0);
    pattern(100);
    uint8_t *udp = buf + ETH_HDR_LEN + IP4_HDR_LEN;
    size_t len = build(0x0a000001, 53, 100);
    static const uint16_t lies[] = {0, 7, 109, 65535};
    for (unsigned i = 0; i < 4; i++) {
        be16_t l = be16(lies[i]);
        memcpy(udp + 4, &l, 2);
        fx_input_all(st, buf, len);
        cr_assert_eq(st->ctr.UdpInErrors, i + 1);
    }
    for (size_t n = 0; n < 8; n++)
        fx_input_all(st, buf, fx_build_ip4(buf, fx_from_peer(PROTO_UDP), data, n));
    cr_assert_eq(st->ctr.UdpInErrors, 12);
    len = build(0x0a000001, 53, 100);
    buf[len - 1] ^= 1;
    fx_input_all(st, buf, len);
    cr_assert_eq(st->ctr.UdpInCsumErrors, 1);
    cr_assert_eq(receive(st, u, NULL), -EAGAIN);
    udp[6] = udp[7] = 0; /* RFC 768: none was made */
    fx_input_all(st, buf, len);
    cr_assert_eq(receive(st, u, NULL), 100);
    /* A UDP length shorter than the packet's cuts it. */
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    size_t n = fx_build_udp(msg, h.src, 9, h.dst, 53, data, 20);
    fx_input_all(st, buf, fx_build_ip4(buf, h, msg, n + 30));
    cr_assert_eq(receive(st, u, NULL), 20);
    /* A bad one for a closed port draws no answer. */
    fx_know_peer(st);
    len = build(0x0a000001, 54, 10);
    buf[len - 1] ^= 1;
    fx_input_all(st, buf, len);
    cr_assert_eq(st->tx_len, 0);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, partial_checksum_and_split_frame) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    struct frame f;
    struct fx_split s;
    struct ip_in in;
    struct icmp_err err;
    cr_assert_eq(bind_to(st, u, 0, 53), 0);
    pattern(60000);
    size_t len = build(0x0a000001, 53, 60000); /* an UFO-like frame; 4 KB of it in the ring */
    fx_frame(&f, &s, buf, len, 4000);
    fx_dispatch(st, net_input(st, &f, &in, &err), &in, &err);
    cr_assert_eq(receive(st, u, NULL), 60000);
    cr_assert_arr_eq(got, data, 60000);
    buf[ETH_HDR_LEN + IP4_HDR_LEN + 6] ^= 0x55; /* never finished: whatever stands there */
    fx_frame(&f, &s, buf, len, 4000);
    f.csum = FRAME_CSUM_PARTIAL;
    fx_dispatch(st, net_input(st, &f, &in, &err), &in, &err);
    cr_assert_eq(receive(st, u, NULL), 60000);
    /* UDP_SEGMENT of a local sender: several datagrams in one frame. */
    len = build(0x0a000001, 53, 2500);
    fx_frame(&f, &s, buf, len, len);
    f.csum = FRAME_CSUM_PARTIAL;
    f.gso_size = 1000;
    fx_dispatch(st, net_input(st, &f, &in, &err), &in, &err);
    cr_assert_eq(receive(st, u, NULL), 1000);
    cr_assert_eq(receive(st, u, NULL), 1000);
    cr_assert_eq(receive(st, u, NULL), 500);
    cr_assert_arr_eq(got, data + 2000, 500);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, receive_buffer_is_bounded_by_true_size) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    cr_assert_eq(bind_to(st, u, 0, 53), 0);
    unsigned n = 0;
    while (st->ctr.UdpRcvbufErrors == 0 && n < 10000) {
        from_peer(st, 0x0a000001, 53, 1);
        n++;
    }
    cr_assert_gt(n, 200); /* Linux: 277 of one byte */
    cr_assert_leq(u->queued_bytes, UDP_RCVBUF_DEFAULT + sizeof(struct udp_dgram));
    cr_assert_eq(receive(st, u, NULL), 1);
    cr_assert_eq(receive(st, u, NULL), 1);
    from_peer(st, 0x0a000001, 53, 1400);
    cr_assert_eq(st->ctr.UdpRcvbufErrors, 1, "room again");
    udp_close(st, u);
    cr_assert_eq(st->net->udp.dgrams.n_used, 0);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, broadcast_reaches_all_whom_it_concerns) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *a = udp_open(st), *b = udp_open(st), *host = udp_open(st), *sender = udp_open(st);
    a->reuse_addr = b->reuse_addr = host->reuse_addr = true;
    cr_assert_eq(bind_to(st, a, 0, 67), 0);
    cr_assert_eq(bind_to(st, b, 0x0a0000ff, 67), 0);
    cr_assert_eq(bind_to(st, host, 0x0a000001, 67), 0);
    pattern(1000);
    from_peer(st, 0x0a0000ff, 67, 1000);
    cr_assert_eq(receive(st, a, NULL), 1000);
    cr_assert_eq(receive(st, b, NULL), 1000);
    cr_assert_arr_eq(got, data, 1000);
    cr_assert_eq(receive(st, host, NULL), -EAGAIN);
    from_peer(st, 0xffffffff, 68, 10); /* V30: nobody there, and no word about it */
    cr_assert_eq(st->tx_len, 0);
    sender->broadcast_ok = true;
    cr_assert_eq(send_to(st, sender, 20, 0x0a0000ff, 67), 20);
    fx_run_loop(st);
    cr_assert_eq(receive(st, a, NULL), 20, "our own is heard here too");
    cr_assert_eq(st->tx_len, 1);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, a_link_that_is_behind_makes_senders_wait) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    fx_know_peer(st);
    ssize_t n;
    unsigned sent = 0;
    while ((n = send_to(st, u, 10, 0x0a000002, 9)) == 10)
        sent++;
    cr_assert_eq(n, -EAGAIN);
    cr_assert_eq(sent, UDP_TX_BACKLOG_MAX);
    fx_drain(st);
    cr_assert_eq(send_to(st, u, 10, 0x0a000002, 9), 10);
    fx_check_empty(st);
    fx_free(st);
}

Test(udp, out_of_endpoints) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    for (int i = 0; i < 64; i++)
        cr_assert_not_null(udp_open(st));
    cr_assert_null(udp_open(st));
    cr_assert_eq(st->ctr.mem_socks_out, 1);
    fx_free(st);
}

Test(udp, repair_keeps_what_was_queued) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st), *c = udp_open(st);
    cr_assert_eq(bind_to(st, u, 0, 53), 0);
    cr_assert_eq(connect_to(st, c, 0x0a000002, 9), 0);
    pattern(3000);
    for (unsigned i = 0; i < 20; i++)
        from_peer(st, 0x0a000001, 53, 400 + i * 20); /* in pool objects and in chunks */
    for (unsigned i = 0; i < 5; i++)
        cr_assert_gt(receive(st, u, NULL), 0);
    for (unsigned i = 20; i < 25; i++)
        from_peer(st, 0x0a000001, 53, 400 + i * 20); /* into objects used before */
    uint32_t charged = u->queued_bytes;
    struct udp_dgram *half = pool_get(&st->net->udp.dgrams); /* being filled */
    cr_assert_not_null(half);
    memset(&u->queue, 0x5a, sizeof(u->queue));
    memset(&st->net->udp.events, 0x5a, sizeof(st->net->udp.events));
    u->queued_bytes = 12345;
    chunk_pools_mark_begin(&st->chunks);
    timers_clear(&st->timers);
    udp_repair_mark(st);
    chunk_pools_sweep(&st->chunks);
    net_repair(st);
    udp_repair_relink(st);
    cr_assert_eq(u->queued_bytes, charged);
    for (unsigned i = 5; i < 25; i++) {
        cr_assert_eq(receive(st, u, NULL), 400 + i * 20);
        cr_assert_arr_eq(got, data, 400 + i * 20);
    }
    cr_assert_eq(receive(st, u, NULL), -EAGAIN);
    cr_assert_eq(st->net->udp.dgrams.n_used, 0);
    from_peer(st, 0x0a000001, c->local.port, 7);
    cr_assert_eq(receive(st, c, NULL), 7);
    udp_close(st, u);
    udp_close(st, c);
    cr_assert_null(udp_next_event(st));
    fx_check_empty(st);
    fx_free(st);
}

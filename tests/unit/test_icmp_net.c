/* ICMP in and out: echo, errors, their limits (V24), and silence where it is due (V30). */
#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;
static uint8_t buf[70000], msg[66000], data[66000];

static size_t echo(size_t n, struct ip4_hdr h) {
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 3 + i / 255);
    struct icmp4_hdr ih = {.type = ICMP4_ECHO, .id = 77, .seq = 3};
    size_t len = fx_build_icmp(msg, ih, data, n);
    return fx_build_ip4(buf, h, msg, len);
}

Test(icmp, echo_is_answered) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    static const size_t sizes[] = {0, 1, 56, 57, 1472};
    for (unsigned i = 0; i < 5; i++) {
        struct ip4_hdr h = fx_from_peer(PROTO_ICMP);
        h.tos = 0x20;
        fx_input_done(st, buf, echo(sizes[i], h));
        cr_assert(fx_pop(st, &o));
        struct ip4_hdr r = fx_ip4(&o);
        struct icmp4_hdr ih;
        cr_assert(addr_eq(&r.src, &US) && addr_eq(&r.dst, &PEER));
        cr_assert_eq(r.tos, 0x20, "RFC 1122: the same TOS");
        cr_assert_eq(FX_L4_LEN(&o), 8 + sizes[i]);
        cr_assert(icmp4_parse(FX_L4(&o), FX_L4_LEN(&o), &ih) > 0);
        cr_assert_eq(ih.type, ICMP4_ECHO_REPLY);
        cr_assert_eq(ih.id, 77);
        cr_assert_eq(ih.seq, 3);
        cr_assert_eq(csum_finish(csum_add(0, FX_L4(&o), FX_L4_LEN(&o))).raw, 0);
        cr_assert_arr_eq(FX_L4(&o) + 8, data, sizes[i]);
    }
    for (int i = 0; i < 100; i++) /* no limit on replies: ping -f */
        fx_input_done(st, buf, echo(56, fx_from_peer(PROTO_ICMP)));
    cr_assert_eq(st->tx_len, 100);
    fx_check_empty(st);
    fx_free(st);
}

/* ping -s 65507: comes and goes in fragments. */
Test(icmp, largest_echo) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    size_t len = echo(65507, fx_from_peer(PROTO_ICMP)) - ETH_HDR_LEN - IP4_HDR_LEN;
    cr_assert_eq(len, 65515);
    static uint8_t back[66000], f[2000];
    for (size_t off = 0; off < len; off += 1480) {
        size_t n = len - off < 1480 ? len - off : 1480;
        struct ip4_hdr h = fx_from_peer(PROTO_ICMP);
        h.frag_off = (uint16_t)off;
        h.mf = off + n < len;
        fx_input_done(st, f, fx_build_ip4(f, h, msg + off, n));
    }
    size_t got = 0;
    while (fx_pop(st, &o)) {
        cr_assert_eq(fx_ip4(&o).frag_off, got);
        memcpy(back + got, FX_L4(&o), FX_L4_LEN(&o));
        got += FX_L4_LEN(&o);
    }
    cr_assert_eq(got, len);
    cr_assert_eq(back[0], ICMP4_ECHO_REPLY);
    cr_assert_arr_eq(back + 8, data, 65507);
    cr_assert_eq(csum_finish(csum_add(0, back, len)).raw, 0);
    fx_check_empty(st);
    fx_free(st);
}

Test(icmp, echo_that_is_not_linear) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct frame f;
    struct fx_split s;
    struct ip_in in;
    struct icmp_err err;
    fx_know_peer(st);
    size_t len = echo(1400, fx_from_peer(PROTO_ICMP));
    fx_frame(&f, &s, buf, len, 200);
    cr_assert_eq(net_input(st, &f, &in, &err), NET_IN_DONE);
    cr_assert(fx_pop(st, &o));
    cr_assert_arr_eq(FX_L4(&o) + 8, data, 1400);
    buf[1000] ^= 1; /* the checksum is verified there too */
    fx_frame(&f, &s, buf, len, 200);
    cr_assert_eq(net_input(st, &f, &in, &err), NET_IN_DONE);
    cr_assert_eq(st->ctr.IcmpInCsumErrors, 1);
    cr_assert_eq(st->tx_len, 0);
    fx_check_empty(st);
    fx_free(st);
}

/* V30: no reflection off broadcasts. */
Test(icmp, v30_broadcast_echo_is_silent) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const uint32_t to[] = {0x0a0000ff, 0xffffffff};
    fx_know_peer(st);
    for (unsigned i = 0; i < 2; i++) {
        struct ip4_hdr h = fx_from_peer(PROTO_ICMP);
        h.dst = addr_v4(to[i]);
        fx_input_done(st, buf, echo(56, h));
    }
    size_t len = echo(56, fx_from_peer(PROTO_ICMP)); /* our address in a broadcast frame */
    memset(buf, 0xff, 6);
    fx_input_done(st, buf, len);
    cr_assert_eq(st->tx_len, 0);
    cr_assert_eq(st->ctr.IcmpInIgnored, 3);
    /* Nor errors: an unknown protocol to a broadcast. */
    struct ip4_hdr h = fx_from_peer(200);
    h.dst = addr_v4(to[0]);
    fx_input_done(st, buf, fx_build_ip4(buf, h, data, 20));
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

/* V3: short, and wrong checksums. */
Test(icmp, v3_malformed) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    for (size_t n = 0; n < 8; n++)
        fx_input_done(st, buf, fx_build_ip4(buf, fx_from_peer(PROTO_ICMP), data, n));
    cr_assert_eq(st->ctr.IcmpInErrors, 8);
    size_t len = echo(56, fx_from_peer(PROTO_ICMP));
    buf[len - 1] ^= 1;
    fx_input_done(st, buf, len);
    cr_assert_eq(st->ctr.IcmpInCsumErrors, 1);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

/* ---- errors about our packets ---- */

static size_t error_about(struct icmp4_hdr ih, struct ip4_hdr q, const void *l4, size_t n) {
    uint8_t quote[200];
    q.total_len = 500;
    ip4_build(quote, &q);
    memcpy(quote + 20, l4, n);
    size_t len = fx_build_icmp(msg, ih, quote, 20 + n);
    return fx_build_ip4(buf, fx_from_peer(PROTO_ICMP), msg, len);
}
static struct ip4_hdr ours(void) {
    return (struct ip4_hdr){.src = US, .dst = FX_V4(0xc0000201), .proto = PROTO_TCP, .ttl = 60};
}

Test(icmp, errors_and_their_errno) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const struct {
        uint8_t type, code, error;
        bool hard;
    } cases[] = {
        {3, 0, ENETUNREACH, false},   {3, 1, EHOSTUNREACH, false},  {3, 2, ENOPROTOOPT, true},
        {3, 3, ECONNREFUSED, true},   {3, 4, EMSGSIZE, false},      {3, 5, EOPNOTSUPP, false},
        {3, 6, ENETUNREACH, true},    {3, 7, EHOSTDOWN, true},      {3, 8, ENONET, true},
        {3, 9, ENETUNREACH, true},    {3, 10, EHOSTUNREACH, true},  {3, 11, ENETUNREACH, false},
        {3, 12, EHOSTUNREACH, false}, {3, 13, EHOSTUNREACH, true},  {3, 14, EHOSTUNREACH, true},
        {3, 15, EHOSTUNREACH, true},  {11, 0, EHOSTUNREACH, false}, {12, 0, EPROTO, true}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ip_in in;
        struct icmp_err err;
        struct icmp4_hdr ih = {.type = cases[i].type, .code = cases[i].code, .mtu = 1400};
        size_t len = error_about(ih, ours(), "ABCDEFGHIJKL", 12);
        cr_assert_eq(fx_input(st, buf, len, &in, &err), NET_IN_ICMP_ERR, "case %u", i);
        cr_assert_eq(err.error, cases[i].error);
        cr_assert_eq(err.hard, cases[i].hard);
        cr_assert_eq(err.type, cases[i].type);
        cr_assert_eq(err.code, cases[i].code);
        cr_assert(addr_eq(&err.src, &US));
        cr_assert(addr_eq(&err.dst, &FX_V4(0xc0000201)));
        cr_assert(addr_eq(&err.from, &PEER));
        cr_assert_eq(err.proto, PROTO_TCP);
        cr_assert_eq(err.quote_len, 12);
        cr_assert_arr_eq(err.quote, "ABCDEFGHIJKL", 12);
        cr_assert_eq(err.mtu, cases[i].type == 3 && cases[i].code == 4 ? 1400 : 0);
    }
    fx_free(st);
}

Test(icmp, errors_not_believed) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct icmp4_hdr ih = {.type = 3, .code = 3};
    struct ip4_hdr q = ours();
    fx_input_done(st, buf, error_about(ih, q, "ABCDEFG", 7)); /* not eight bytes */
    q.src = PEER;                                             /* not from us */
    fx_input_done(st, buf, error_about(ih, q, "ABCDEFGH", 8));
    q.src = FX_V4(0x7f000001);
    fx_input_done(st, buf, error_about(ih, q, "ABCDEFGH", 8));
    q = ours();
    q.frag_off = 8; /* which port is not known */
    fx_input_done(st, buf, error_about(ih, q, "ABCDEFGH", 8));
    ih.code = 16; /* no such code */
    fx_input_done(st, buf, error_about(ih, ours(), "ABCDEFGH", 8));
    cr_assert_eq(st->ctr.IcmpInErrors, 5);
    /* MUST-55 and redirects: silently dropped. */
    static const uint8_t ignored[] = {ICMP4_SOURCE_QUENCH, ICMP4_REDIRECT, ICMP4_ECHO_REPLY, 13,
                                      17};
    for (unsigned i = 0; i < 5; i++) {
        ih = (struct icmp4_hdr){.type = ignored[i]};
        fx_input_done(st, buf, error_about(ih, ours(), "ABCDEFGH", 8));
        cr_assert_eq(st->ctr.IcmpInIgnored, i + 1);
    }
    /* Every truncation of a good one, its checksum made good again. */
    ih = (struct icmp4_hdr){.type = 3, .code = 3};
    uint64_t before = st->ctr.IcmpInErrors;
    error_about(ih, ours(), "ABCDEFGH", 8);
    for (size_t n = 8; n < 36; n++) {
        uint8_t cut[64];
        memcpy(cut, msg, n);
        cut[2] = cut[3] = 0;
        be16_t c = csum_finish(csum_add(0, cut, n));
        memcpy(cut + 2, &c, 2);
        fx_input_done(st, buf, fx_build_ip4(buf, fx_from_peer(PROTO_ICMP), cut, n));
        cr_assert_eq(st->ctr.IcmpInErrors, ++before);
    }
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

/* ---- our own ---- */

static size_t unknown_proto_from(uint32_t src) {
    struct ip4_hdr h = fx_from_peer(200);
    h.src = addr_v4(src);
    return fx_build_ip4(buf, h, data, 600);
}

Test(icmp, error_that_is_sent) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    struct udp_hdr uh = {.sport = 5, .dport = 6, .len = 608};
    udp_build(data, &uh);
    fx_input_all(st, buf, fx_build_ip4(buf, fx_from_peer(PROTO_UDP), data, 608));
    cr_assert(fx_pop(st, &o));
    struct ip4_hdr h = fx_ip4(&o);
    cr_assert_eq(h.proto, PROTO_ICMP);
    cr_assert_eq(h.total_len, 576, "RFC 1812 §4.3.2.3");
    cr_assert_eq(h.tos, 0xc0);
    cr_assert(addr_eq(&h.src, &US) && addr_eq(&h.dst, &PEER));
    cr_assert_eq(FX_L4(&o)[0], 3);
    cr_assert_eq(FX_L4(&o)[1], 3);
    cr_assert_eq(csum_finish(csum_add(0, FX_L4(&o), FX_L4_LEN(&o))).raw, 0);
    cr_assert_arr_eq(FX_L4(&o) + 8, buf + ETH_HDR_LEN, 548);
    fx_check_empty(st);
    fx_free(st);
}

/* RFC 1122 §3.2.2: no errors about errors. */
Test(icmp, rfc1122_none_about_icmp_errors) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    struct ip_in in = {.src = PEER, .dst = US, .proto = PROTO_ICMP, .hdr_len = 20};
    msg[0] = ICMP4_UNREACH;
    frame_from_mem(&in.f, msg, 40);
    net_send_unreach(st, &in, 2);
    cr_assert_eq(st->tx_len, 0);
    msg[0] = ICMP4_ECHO;
    net_send_unreach(st, &in, 2);
    cr_assert_eq(st->tx_len, 1);
    in.src = addr_v4(0); /* nor to who is nobody */
    net_send_unreach(st, &in, 2);
    in.src = addr_v4(0x0a0000ff);
    net_send_unreach(st, &in, 2);
    in.src = addr_v4(0xe0000001);
    net_send_unreach(st, &in, 2);
    cr_assert_eq(st->tx_len, 1);
    fx_check_empty(st);
    fx_free(st);
}

Test(icmp, limit_by_destination) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    size_t len = unknown_proto_from(0x0a000002);
    for (int i = 0; i < 100; i++)
        fx_input_done(st, buf, len);
    cr_assert_eq(st->tx_len, ICMP_DST_BURST);
    cr_assert_eq(st->ctr.IcmpOutRateLimited, 100 - ICMP_DST_BURST);
    for (int s = 0; s < 5; s++) {
        fx_drain(st);
        st->now_ns += 1 * SEC;
        for (int i = 0; i < 10; i++)
            fx_input_done(st, buf, len);
        cr_assert_eq(st->tx_len, 1, "one a second");
    }
    fx_check_empty(st);
    fx_free(st);
}

static uint64_t sent_in_burst(struct stack *st, uint32_t from, unsigned n) {
    uint64_t before = st->ctr.IcmpOutMsgs;
    for (uint32_t i = 0; i < n; i++)
        fx_input_done(st, buf, unknown_proto_from(from + i));
    return st->ctr.IcmpOutMsgs - before;
}

/* V24, CVE-2020-25705 (SAD DNS): the common limit holds, but how many it lets through is noise. */
Test(icmp, v24_common_limit_has_jitter) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    uint64_t min = UINT64_MAX, max = 0, sum = 0;
    for (uint32_t round = 0; round < 50; round++) {
        st->now_ns += 10 * SEC;
        uint64_t n = sent_in_burst(st, 0xc0000000 + round * 1000, 1000);
        min = n < min ? n : min;
        max = n > max ? n : max;
        sum += n;
        fx_drain(st);
    }
    cr_assert_neq(min, max);
    cr_assert_geq(sum / 50, ICMP_GLOBAL_BURST / 2);
    cr_assert_leq(sum / 50, ICMP_GLOBAL_BURST * 2ull);
    /* A destination over its own limit takes nothing of what others share. */
    st->now_ns += 10 * SEC;
    for (int i = 0; i < 5000; i++)
        fx_input_done(st, buf, unknown_proto_from(0xd0000001));
    cr_assert_geq(sent_in_burst(st, 0xd1000000, 10), 10);
    fx_free(st);
}

Test(icmp, loopback_is_not_limited) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    for (uint16_t port = 1000; port < 1100; port++) { /* nc -zvu localhost */
        struct endpoint to = {FX_V4(0x7f000001), port};
        struct iovec iov = {data, 1};
        cr_assert_eq(udp_connect(st, u, &to), 0);
        cr_assert_eq(udp_send(st, u, &iov, 1, NULL), 1);
        fx_run_loop(st);
        cr_assert_eq(udp_take_error(u), ECONNREFUSED, "port %u", port);
    }
    cr_assert_eq(st->ctr.IcmpOutRateLimited, 0);
    fx_check_empty(st);
    fx_free(st);
}

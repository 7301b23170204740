/* Fragments: V6 (teardrop), V7 (ping of death), V8 (FragmentSmack), and our own. */
#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;
static uint8_t buf[70000], data[65536], whole[65536];

static void pattern(size_t n) {
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
}
static struct ip4_hdr part(uint16_t id, uint32_t off, bool more) {
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    h.id = id;
    h.frag_off = (uint16_t)off;
    h.mf = more;
    return h;
}
/* Bytes [off, off + n) of data as a fragment. True when that completes the datagram, which is then
 * in whole[], its length in *total. */
static bool give(struct stack *st, struct ip4_hdr h, size_t n, size_t *total) {
    struct ip_in in;
    struct icmp_err err;
    size_t len = fx_build_ip4(buf, h, data + h.frag_off, n);
    if (fx_input(st, buf, len, &in, &err) != NET_IN_L4)
        return false;
    struct iovec iov = {whole, sizeof(whole)};
    *total = in.f.len;
    cr_assert_geq(in.f.linear, in.f.len < 60 ? in.f.len : 60);
    cr_assert_eq(frame_read(&in.f, 0, in.f.len, &iov, 1), (int)in.f.len);
    cr_assert_eq(in.f.csum, FRAME_CSUM_UNKNOWN);
    net_input_end(st, &in);
    return true;
}
static void check_empty(struct stack *st) {
    cr_assert_eq(st->net->frag.mem, 0);
    cr_assert_eq(st->net->frag.queues.n_used, 0);
    cr_assert_eq(st->net->frag.pieces.n_used, 0);
    fx_check_empty(st);
}

Test(frag, any_order) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total = 0;
    pattern(65515);
    /* Orders: forwards, backwards, shuffled; sizes from tiny to an Ethernet's. */
    static const size_t sizes[] = {8, 96, 512, 1480};
    for (unsigned order = 0; order < 6; order++) {
        for (unsigned k = 0; k < 4; k++) {
            size_t step = sizes[k], len = step * 40 + 3;
            uint32_t n = (uint32_t)((len + step - 1) / step), at[64];
            for (uint32_t i = 0; i < n; i++)
                at[i] = order == 1 ? n - 1 - i : i;
            for (uint32_t i = n - 1; order > 1 && i > 0; i--) {
                uint32_t j = rand_below(&st->rand, i + 1), t = at[i];
                at[i] = at[j];
                at[j] = t;
            }
            for (uint32_t i = 0; i < n; i++) {
                size_t off = at[i] * step, m = len - off < step ? len - off : step;
                bool done = give(st, part((uint16_t)(order * 8 + k), (uint32_t)off, off + m < len),
                                 m, &total);
                cr_assert_eq(done, i == n - 1);
            }
            cr_assert_eq(total, len);
            cr_assert_arr_eq(whole, data, len);
        }
    }
    cr_assert_eq(st->ctr.IpReasmOKs, 24);
    cr_assert_eq(st->ctr.IpReasmFails, 0);
    check_empty(st);
    fx_free(st);
}

Test(frag, largest_datagram) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total = 0, len = 65515;
    pattern(len);
    for (size_t off = 0; off < len; off += 1480) {
        size_t n = len - off < 1480 ? len - off : 1480;
        give(st, part(1, (uint32_t)off, off + n < len), n, &total);
    }
    cr_assert_eq(total, len);
    cr_assert_arr_eq(whole, data, len);
    check_empty(st);
    fx_free(st);
}

Test(frag, not_linear) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct frame f;
    struct fx_split s;
    struct ip_in in;
    struct icmp_err err;
    pattern(9000);
    size_t len = fx_build_ip4(buf, part(1, 0, true), data, 8000);
    fx_frame(&f, &s, buf, len, 100);
    cr_assert_eq(net_input(st, &f, &in, &err), NET_IN_DONE);
    cr_assert_eq(s.reads, 1);
    size_t total = 0;
    cr_assert(give(st, part(1, 8000, false), 1000, &total));
    cr_assert_arr_eq(whole, data, 9000);
    check_empty(st);
    fx_free(st);
}

Test(frag, keyed_by_all_of_it) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    pattern(100);
    struct ip4_hdr h = part(1, 0, true);
    give(st, h, 16, &total);
    h = part(2, 16, false); /* another id */
    cr_assert_not(give(st, h, 8, &total));
    h = part(1, 16, false);
    h.proto = PROTO_ICMP;
    cr_assert_not(give(st, h, 8, &total));
    h = part(1, 16, false);
    h.src = FX_V4(0x0a000003);
    cr_assert_not(give(st, h, 8, &total));
    cr_assert(give(st, part(1, 16, false), 8, &total));
    cr_assert_eq(total, 24);
    fx_free(st);
}

Test(frag, exact_repetition_is_harmless) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    pattern(100);
    for (int i = 0; i < 3; i++) {
        cr_assert_not(give(st, part(1, 0, true), 24, &total));
        cr_assert_not(give(st, part(1, 48, false), 5, &total));
    }
    cr_assert(give(st, part(1, 24, true), 24, &total));
    cr_assert_eq(total, 53);
    cr_assert_arr_eq(whole, data, 53);
    check_empty(st);
    fx_free(st);
}

/* V6: teardrop and its kin. Each overlap kills its datagram. */
Test(frag, v6_overlaps) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const struct {
        uint32_t off, len;
    } second[] = {{24, 4}, {0, 48}, {8, 64}, {32, 16}, {0, 8}, {40, 100}};
    size_t total;
    pattern(300);
    for (unsigned i = 0; i < sizeof(second) / sizeof(*second); i++) {
        uint16_t id = (uint16_t)(100 + i);
        bool more = second[i].len % 8 == 0;
        cr_assert_not(give(st, part(id, 0, true), 80, &total));
        cr_assert_not(give(st, part(id, second[i].off, more), second[i].len, &total));
        cr_assert_eq(st->ctr.IpReasmFails, i + 1, "overlap %u", i);
        cr_assert_eq(st->net->frag.queues.n_used, 0);
    }
    /* From behind: what comes reaches into what is there. */
    give(st, part(7, 80, true), 80, &total);
    give(st, part(7, 40, true), 48, &total);
    cr_assert_eq(st->ctr.IpReasmFails, 7);
    check_empty(st);
    fx_free(st);
}

Test(frag, ends_that_disagree) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    pattern(300);
    give(st, part(1, 80, false), 10, &total);
    give(st, part(1, 160, false), 10, &total); /* two ends */
    cr_assert_eq(st->ctr.IpReasmFails, 1);
    give(st, part(2, 80, false), 10, &total);
    give(st, part(2, 96, true), 16, &total); /* behind the end */
    cr_assert_eq(st->ctr.IpReasmFails, 2);
    give(st, part(3, 96, true), 16, &total);
    give(st, part(3, 80, false), 10, &total); /* the end before what is there */
    cr_assert_eq(st->ctr.IpReasmFails, 3);
    check_empty(st);
    fx_free(st);
}

/* V7: ping of death. */
Test(frag, v7_past_65535) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    for (uint32_t off = 0; off < 65536 - 1480; off += 1480)
        give(st, part(1, off, true), 1480, &total);
    struct ip4_hdr h = part(1, 65528, false);
    cr_assert_not(give(st, h, 8, &total));
    cr_assert_eq(st->ctr.IpInHdrErrors, 1);
    cr_assert_not(give(st, part(2, 65512, false), 4, &total)); /* by one, with the header */
    cr_assert_eq(st->ctr.IpInHdrErrors, 2);
    check_empty(st);
    fx_free(st);
}

/* RFC 1858 and 3128; lengths that cannot be. */
Test(frag, tiny_and_odd) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    struct ip4_hdr h = part(1, 0, true);
    h.proto = PROTO_TCP;
    cr_assert_not(give(st, h, 16, &total)); /* flags in the next fragment */
    h = part(2, 8, false);
    h.proto = PROTO_TCP;
    cr_assert_not(give(st, h, 16, &total));                 /* would overwrite them */
    cr_assert_not(give(st, part(3, 0, true), 12, &total));  /* not a multiple of 8 */
    cr_assert_not(give(st, part(4, 16, false), 0, &total)); /* nothing */
    cr_assert_eq(st->ctr.IpInHdrErrors, 4);
    check_empty(st);
    fx_free(st);
}

/* V8, FragmentSmack: endless incomplete datagrams. */
Test(frag, v8_memory_is_bounded) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    for (uint32_t i = 0; i < 20000; i++) {
        struct ip4_hdr h = part((uint16_t)i, (i % 3) * 1480, true);
        h.src = addr_v4(0x0a000003 + i % 200);
        give(st, h, 1480, &total);
        cr_assert_leq(st->net->frag.mem, FRAG_MEM_MAX);
        cr_assert_leq(st->chunks.small.n_used * CHUNK_SMALL_SIZE, FRAG_MEM_MAX);
        cr_assert_leq(st->net->frag.queues.n_used, FRAGS_MAX);
    }
    pattern(2000);
    give(st, part(9, 0, true), 1480, &total);
    cr_assert(give(st, part(9, 1480, false), 100, &total), "an honest one gets through");
    fx_advance(st, 31 * SEC); /* and until the neighbours of its errors have failed */
    fx_advance(st, 4 * SEC);
    check_empty(st);
    fx_free(st);
}

/* Many large datagrams: the bound is on bytes of memory, and the oldest goes. */
Test(frag, v8_true_size) {
    struct net_config cfg = fx_config();
    cfg.frags_max = 1024;
    struct stack *st = fx_new(&cfg);
    size_t total;
    for (uint16_t id = 0; id < 1024; id++) {
        for (uint32_t off = 0; off < 4; off++)
            give(st, part(id, off * 2960, true), 1480, &total);
        cr_assert_leq(st->net->frag.mem, FRAG_MEM_MAX);
    }
    cr_assert_gt(st->ctr.IpReasmFails, 0);
    cr_assert_gt(st->net->frag.mem, FRAG_MEM_MAX / 2);
    fx_free(st);
}

Test(frag, pieces_of_one_datagram_are_bounded) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    for (uint32_t i = 0; i <= FRAG_DGRAM_PIECES_MAX; i++)
        give(st, part(1, i * 16, true), 8, &total);
    cr_assert_eq(st->ctr.IpReasmFails, 1);
    check_empty(st);
    fx_free(st);
}

Test(frag, time_exceeded_if_the_first_came) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    fx_know_peer(st);
    pattern(100);
    give(st, part(1, 0, true), 64, &total);
    give(st, part(2, 64, true), 64, &total);
    fx_advance(st, FRAG_TIMEOUT_NS - 1);
    cr_assert_eq(st->ctr.IpReasmTimeout, 0);
    fx_advance(st, 1);
    cr_assert_eq(st->ctr.IpReasmTimeout, 2);
    cr_assert_eq(st->tx_len, 1, "one had its first fragment");
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(FX_L4(&o)[0], ICMP4_TIME_EXCEEDED);
    cr_assert_eq(FX_L4(&o)[1], 1);
    cr_assert_arr_eq(FX_L4(&o) + 8 + 20, data, 64);
    struct ip4_hdr q;
    cr_assert(ip4_parse(FX_L4(&o) + 8, 20, &q) > 0);
    cr_assert_eq(q.id, 1);
    check_empty(st);
    fx_free(st);
}

/* RFC 3168 §5.3. */
Test(frag, congestion_mark_survives) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const struct {
        uint8_t a, b;
        int want; /* -1: dropped */
    } cases[] = {{2, 2, 2}, {2, 3, 3}, {3, 1, 3}, {0, 3, -1}, {0, 0, 0}};
    for (unsigned i = 0; i < 5; i++) {
        struct ip_in in;
        struct icmp_err err;
        struct ip4_hdr h = part((uint16_t)i, 0, true);
        h.tos = cases[i].a;
        fx_input_done(st, buf, fx_build_ip4(buf, h, data, 8));
        h = part((uint16_t)i, 8, false);
        h.tos = cases[i].b;
        enum net_in_kind k = fx_input(st, buf, fx_build_ip4(buf, h, data, 8), &in, &err);
        cr_assert_eq(k, cases[i].want < 0 ? NET_IN_DONE : NET_IN_L4, "case %u", i);
        if (cases[i].want >= 0)
            cr_assert_eq(in.tos, cases[i].want);
        net_input_end(st, &in);
    }
    check_empty(st);
    fx_free(st);
}

/* What we make, we can put together: two stacks' worth of both. */
Test(frag, made_and_put_together) {
    struct net_config cfg = fx_config(), peer_cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    peer_cfg.mac = fx_peer_mac;
    peer_cfg.addr[0].addr = PEER;
    struct stack *peer = fx_new(&peer_cfg);
    fx_know_peer(st);
    pattern(65507);
    struct udp *from = udp_open(st), *to = udp_open(peer);
    struct endpoint local = {PEER, 9}, remote = {PEER, 9};
    cr_assert_eq(udp_bind(peer, to, &local), 0);
    static const size_t sizes[] = {1472, 1473, 3000, 9001, 65507};
    for (unsigned i = 0; i < 5; i++) {
        struct iovec iov = {data, sizes[i]};
        cr_assert_eq(udp_send(st, from, &iov, 1, &remote), (ssize_t)sizes[i]);
        cr_assert_eq(st->tx_len, (sizes[i] + 8 + 1479) / 1480);
        while (fx_pop(st, &o)) {
            cr_assert_leq(o.len, 1514);
            fx_finish(&o);
            fx_input_all(peer, o.data, o.len);
        }
        struct iovec in = {whole, sizeof(whole)};
        cr_assert_eq(udp_recv(peer, to, &in, 1, false, NULL, NULL), (ssize_t)sizes[i]);
        cr_assert_arr_eq(whole, data, sizes[i]);
    }
    cr_assert_eq(peer->ctr.UdpInCsumErrors, 0);
    cr_assert_eq(st->ctr.IpFragOKs, 4);
    fx_check_empty(st);
    check_empty(peer);
    fx_free(st);
    fx_free(peer);
}

Test(frag, repair_forgets_them) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t total;
    give(st, part(1, 0, true), 1480, &total);
    chunk_pools_mark_begin(&st->chunks);
    timers_clear(&st->timers);
    st->net->frag.age.tqh_first = (void *)0x10; /* half changed */
    net_repair(st);
    chunk_pools_sweep(&st->chunks);
    check_empty(st);
    give(st, part(1, 0, true), 16, &total);
    cr_assert(give(st, part(1, 16, false), 8, &total));
    fx_free(st);
}

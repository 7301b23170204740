/* ARP as a host sees it: RFC 826, RFC 5227, V11. */
#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;
static const struct mac other_mac = {{2, 0, 0, 0, 0, 9}};

static struct neigh *peer(struct stack *st) {
    return neigh_find(st, &PEER);
}
static void arp(struct stack *st, enum arp_op op, struct mac sha, struct addr spa,
                struct addr tpa) {
    uint8_t b[64];
    fx_input_done(st, b, fx_build_arp(b, op, sha, spa, tpa));
}
static struct arp_hdr pop_arp(struct stack *st) {
    struct arp_hdr h;
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_eth(&o)->type, ETH_ARP);
    cr_assert(arp_parse(o.data + ETH_HDR_LEN, o.len - ETH_HDR_LEN, &h) > 0);
    return h;
}
static void ask(struct stack *st) {
    struct ip_out io = {.dst = PEER, .proto = PROTO_UDP};
    cr_assert_eq(net_output(st, fx_pkt(st, 1), &io), 0);
    fx_drain(st);
}

Test(arp, rfc826_answers_for_us_and_learns_who_asked) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    arp(st, ARP_REQUEST, fx_peer_mac, PEER, US);
    struct arp_hdr h = pop_arp(st);
    cr_assert_eq(h.op, ARP_REPLY);
    cr_assert(mac_eq(&h.sha, &fx_mac));
    cr_assert(mac_eq(&h.tha, &fx_peer_mac));
    cr_assert(addr_eq(&h.spa, &US));
    cr_assert(addr_eq(&h.tpa, &PEER));
    cr_assert(mac_eq(&fx_eth(&o)->dst, &fx_peer_mac), "not broadcast");
    cr_assert_eq(peer(st)->state, NEIGH_STALE);
    ask(st);
    cr_assert_eq(peer(st)->state, NEIGH_DELAY, "known: nothing waits");
    fx_check_empty(st);
    fx_free(st);
}

Test(arp, not_for_others) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    arp(st, ARP_REQUEST, fx_peer_mac, PEER, FX_V4(0x0a000063));
    arp(st, ARP_REQUEST, fx_peer_mac, PEER, addr_v4(0x7f000001));
    cr_assert_eq(st->tx_len, 0);
    cr_assert_null(peer(st), "no entry for who did not ask for us");
    cr_assert_eq(st->ctr.arp_in_ignored, 2);
    fx_free(st);
}

Test(arp, probe_is_answered_and_makes_no_entry) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    arp(st, ARP_REQUEST, fx_peer_mac, addr_v4(0), US);
    cr_assert_eq(pop_arp(st).op, ARP_REPLY);
    cr_assert_eq(st->net->neigh.pool.n_used, 0);
    fx_free(st);
}

/* V11, CVE-2019-12262 and CVE-2020-11914. */
Test(arp, v11_unsolicited_and_short) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    uint8_t b[64];
    arp(st, ARP_REPLY, fx_peer_mac, PEER, US);
    arp(st, ARP_REPLY, fx_peer_mac, PEER, PEER);
    arp(st, ARP_REQUEST, fx_peer_mac, PEER, PEER);
    cr_assert_eq(st->net->neigh.pool.n_used, 0);
    size_t len = fx_build_arp(b, ARP_REQUEST, fx_peer_mac, PEER, US);
    for (size_t n = ETH_HDR_LEN; n < len; n++) {
        uint8_t *copy = malloc(n); /* so that the sanitizer sees a read past the end */
        memcpy(copy, b, n);
        fx_input_done(st, copy, n);
        free(copy);
    }
    cr_assert_eq(st->ctr.arp_in_bad, ARP_LEN);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

Test(arp, v11_64k_spoofs) {
    struct net_config cfg = fx_config();
    cr_assert(addr_parse_prefix("10.0.0.1/8", &cfg.addr[0].addr, &cfg.addr[0].net));
    struct stack *st = fx_new(&cfg);
    ask(st);
    arp(st, ARP_REPLY, fx_peer_mac, PEER, US);
    for (uint32_t i = 0; i < 65536; i++) {
        struct mac m = {{2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        arp(st, ARP_REQUEST, m, addr_v4(0x0a010000 + i), US);
        fx_drain(st);
    }
    cr_assert_eq(st->net->neigh.pool.n_used, NEIGH_MAX);
    cr_assert_not_null(peer(st), "the one that we use is kept");
    /* An off-link sender is answered, but not remembered. */
    arp(st, ARP_REQUEST, other_mac, addr_v4(0xc0000201), US);
    cr_assert_null(neigh_find(st, &FX_V4(0xc0000201)));
    fx_check_empty(st);
    fx_free(st);
}

Test(arp, insane_senders) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct mac zero = {{0}};
    arp(st, ARP_REQUEST, eth_broadcast, PEER, US);
    arp(st, ARP_REQUEST, zero, PEER, US);
    arp(st, ARP_REQUEST, fx_mac, PEER, US); /* our own, come back */
    arp(st, ARP_REQUEST, fx_peer_mac, addr_v4(0x0a0000ff), US);
    arp(st, ARP_REQUEST, fx_peer_mac, addr_v4(0xe0000001), US);
    arp(st, ARP_REQUEST, fx_peer_mac, addr_v4(0x7f000001), US);
    cr_assert_eq(st->ctr.arp_in_bad, 6);
    cr_assert_eq(st->tx_len, 0);
    cr_assert_eq(st->net->neigh.pool.n_used, 0);
    fx_free(st);
}

Test(arp, only_the_first_answer_to_our_question_counts) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    ask(st);
    arp(st, ARP_REPLY, fx_peer_mac, PEER, US);
    cr_assert(mac_eq(&peer(st)->mac, &fx_peer_mac));
    arp(st, ARP_REPLY, other_mac, PEER, US);
    cr_assert(mac_eq(&peer(st)->mac, &fx_peer_mac));
    fx_advance(st, 10 * SEC);
    arp(st, ARP_REPLY, other_mac, PEER, US);
    cr_assert(mac_eq(&peer(st)->mac, &fx_peer_mac), "nobody had asked");
    fx_check_empty(st);
    fx_free(st);
}

/* RFC 826: an entry that exists follows its host to another card; it has to be confirmed then. */
Test(arp, known_host_moves) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    ask(st);
    arp(st, ARP_REPLY, fx_peer_mac, PEER, US);
    fx_advance(st, 2 * SEC);
    arp(st, ARP_REQUEST, other_mac, PEER, PEER); /* gratuitous */
    cr_assert(mac_eq(&peer(st)->mac, &other_mac));
    cr_assert_eq(peer(st)->state, NEIGH_STALE);
    fx_free(st);
}

Test(arp, a_request_resolves_what_waits) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    ask(st);
    arp(st, ARP_REQUEST, fx_peer_mac, PEER, US);
    cr_assert_eq(st->tx_len, 2); /* the packet, and our reply */
    cr_assert_eq(peer(st)->state, NEIGH_DELAY);
    fx_check_empty(st);
    fx_free(st);
}

Test(arp, announces_twice) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    net_announce(st);
    for (int i = 0; i < 2; i++) {
        struct arp_hdr h = pop_arp(st);
        cr_assert_eq(h.op, ARP_REQUEST);
        cr_assert(addr_eq(&h.spa, &h.tpa));
        cr_assert(addr_eq(&h.spa, &US));
        cr_assert(mac_eq(&fx_eth(&o)->dst, &eth_broadcast));
        cr_assert_eq(st->tx_len, 0);
        fx_advance(st, 2 * SEC);
    }
    fx_advance(st, 100 * SEC);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

Test(arp, rfc5227_conflict_is_defended_once_in_ten_seconds) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    for (int i = 0; i < 5; i++) {
        arp(st, ARP_REQUEST, other_mac, US, US);
        st->now_ns += 1 * SEC;
    }
    cr_assert_eq(st->ctr.arp_conflicts, 5);
    struct arp_hdr h = pop_arp(st);
    cr_assert(addr_eq(&h.spa, &US));
    cr_assert(mac_eq(&h.sha, &fx_mac));
    cr_assert_eq(st->tx_len, 0);
    st->now_ns += 6 * SEC;
    arp(st, ARP_REPLY, other_mac, US, PEER);
    cr_assert_eq(st->tx_len, 1);
    uint64_t cursor = 0, at;
    char line[LOG_LINELEN];
    bool told = false;
    while (log_read(&st->log, &cursor, &at, line))
        told |= strstr(line, "conflict") != NULL && strstr(line, "02:00:00:00:00:09") != NULL;
    cr_assert(told);
    fx_free(st);
}

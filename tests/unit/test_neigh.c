#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;

static int send_to(struct stack *st, struct addr dst, bool confirmed) {
    struct ip_out io = {.dst = dst, .proto = PROTO_UDP, .confirmed = confirmed};
    return net_output(st, fx_pkt(st, 10), &io);
}
static struct arp_hdr pop_arp(struct stack *st) {
    struct arp_hdr h;
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_eth(&o)->type, ETH_ARP);
    cr_assert(arp_parse(o.data + ETH_HDR_LEN, o.len - ETH_HDR_LEN, &h) > 0);
    return h;
}
static void answer(struct stack *st) {
    uint8_t b[64];
    fx_input_done(st, b, fx_build_arp(b, ARP_REPLY, fx_peer_mac, PEER, US));
}
static struct neigh *peer(struct stack *st) {
    return neigh_find(st, &PEER);
}

Test(neigh, resolves_and_sends_what_waited_in_order) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    for (unsigned i = 0; i < 5; i++) {
        struct ip_out io = {.dst = PEER, .proto = PROTO_UDP, .tos = (uint8_t)(4 * i)};
        cr_assert_eq(net_output(st, fx_pkt(st, 10), &io), 0);
    }
    struct arp_hdr h = pop_arp(st);
    cr_assert_eq(h.op, ARP_REQUEST);
    cr_assert(addr_eq(&h.tpa, &PEER));
    cr_assert(addr_eq(&h.spa, &US));
    cr_assert(mac_eq(&fx_eth(&o)->dst, &eth_broadcast));
    cr_assert_not(fx_pop(st, &o), "one question for all of them");
    answer(st);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert(fx_pop(st, &o));
        cr_assert(mac_eq(&fx_eth(&o)->dst, &fx_peer_mac));
        cr_assert(mac_eq(&fx_eth(&o)->src, &fx_mac));
        cr_assert_eq(fx_ip4(&o).tos, 4 * i);
    }
    cr_assert_eq(peer(st)->state, NEIGH_REACHABLE);
    cr_assert_eq(send_to(st, PEER, false), 0);
    cr_assert(fx_pop(st, &o));
    fx_check_empty(st);
    fx_free(st);
}

Test(neigh, three_questions_then_unreachable) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct addr failed;
    uint64_t begun = st->now_ns;
    cr_assert_eq(send_to(st, PEER, false), 0);
    pop_arp(st);
    cr_assert_not(net_next_failed(st, &failed));
    fx_advance(st, 1 * SEC);
    pop_arp(st);
    fx_advance(st, 1 * SEC);
    pop_arp(st);
    fx_advance(st, 999 * MS);
    cr_assert_not(net_next_failed(st, &failed));
    fx_advance(st, 1 * MS);
    cr_assert_eq(st->now_ns - begun, 3 * SEC); /* as Linux */
    cr_assert(net_next_failed(st, &failed));
    cr_assert(addr_eq(&failed, &PEER));
    cr_assert_not(net_next_failed(st, &failed));
    cr_assert_eq(st->ctr.neigh_failed, 1);
    cr_assert_eq(st->ctr.neigh_queue_drops, 1);
    cr_assert_eq(send_to(st, PEER, false), -EHOSTUNREACH);
    fx_advance(st, 600 * MS); /* then it is asked anew */
    cr_assert_eq(send_to(st, PEER, false), 0);
    pop_arp(st);
    answer(st);
    cr_assert(fx_pop(st, &o));
    fx_check_empty(st);
    fx_free(st);
}

Test(neigh, behind_a_dead_gateway_the_destinations_are_told) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct addr far1 = addr_v4(0xc0000201), far2 = addr_v4(0xc0000202), got;
    bool seen1 = false, seen2 = false;
    send_to(st, far1, false);
    send_to(st, far2, false);
    struct arp_hdr h = pop_arp(st);
    cr_assert(addr_eq(&h.tpa, &cfg.gateway));
    fx_advance(st, 3 * SEC);
    while (net_next_failed(st, &got)) {
        seen1 |= addr_eq(&got, &far1);
        seen2 |= addr_eq(&got, &far2);
    }
    cr_assert(seen1 && seen2);
    fx_check_empty(st);
    fx_free(st);
}

Test(neigh, queue_is_bounded_and_the_oldest_goes) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    for (unsigned i = 0; i < NEIGH_QUEUE_MAX + 10; i++) {
        struct ip_out io = {.dst = PEER, .proto = PROTO_UDP, .ttl = (uint8_t)(i + 1)};
        net_output(st, fx_pkt(st, 10), &io);
    }
    cr_assert_eq(st->ctr.neigh_queue_drops, 10);
    fx_drain(st);
    answer(st);
    cr_assert_eq(st->tx_len, NEIGH_QUEUE_MAX);
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_ip4(&o).ttl, 11);
    fx_check_empty(st);
    fx_free(st);
}

Test(neigh, ages_is_probed_and_found_alive) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    send_to(st, PEER, false);
    answer(st);
    fx_drain(st);
    fx_advance(st, 31 * SEC);
    cr_assert_eq(send_to(st, PEER, false), 0);
    cr_assert_eq(peer(st)->state, NEIGH_DELAY);
    cr_assert_eq(st->tx_len, 1, "the packet is not held up");
    fx_drain(st);
    fx_advance(st, 5 * SEC);
    cr_assert_eq(peer(st)->state, NEIGH_PROBE);
    pop_arp(st);
    cr_assert(mac_eq(&fx_eth(&o)->dst, &fx_peer_mac), "a probe goes to whom we know");
    answer(st);
    cr_assert_eq(peer(st)->state, NEIGH_REACHABLE);
    fx_advance(st, 10 * SEC);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

Test(neigh, dead_after_probes) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    send_to(st, PEER, false);
    answer(st);
    fx_advance(st, 31 * SEC);
    send_to(st, PEER, false);
    fx_advance(st, 5 * SEC + 3 * SEC);
    cr_assert_eq(peer(st)->state, NEIGH_FAILED);
    struct addr failed;
    cr_assert(net_next_failed(st, &failed));
    cr_assert_eq(send_to(st, PEER, false), -EHOSTUNREACH);
    fx_check_empty(st);
    fx_free(st);
}

Test(neigh, confirmation_from_above_keeps_it_fresh) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    send_to(st, PEER, false);
    answer(st);
    fx_drain(st);
    for (int i = 0; i < 20; i++) {
        fx_advance(st, 20 * SEC);
        cr_assert_eq(send_to(st, PEER, true), 0);
        cr_assert_eq(peer(st)->state, NEIGH_REACHABLE);
        cr_assert_eq(st->tx_len, 1, "no question is asked");
        fx_drain(st);
    }
    fx_advance(st, 31 * SEC); /* also out of DELAY */
    send_to(st, PEER, false);
    cr_assert_eq(peer(st)->state, NEIGH_DELAY);
    send_to(st, PEER, true);
    fx_drain(st);
    fx_advance(st, 20 * SEC);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

Test(neigh, cache_is_bounded_and_keeps_what_we_use) {
    struct net_config cfg = fx_config();
    cfg.neigh_max = 16;
    struct stack *st = fx_new(&cfg);
    uint8_t b[64];
    send_to(st, PEER, false);
    answer(st);
    for (uint32_t i = 10; i < 200; i++) { /* strangers ask for us */
        struct mac m = {{2, 0, 0, 0, 1, (uint8_t)i}};
        fx_input_done(st, b, fx_build_arp(b, ARP_REQUEST, m, addr_v4(0x0a000000 + i), US));
    }
    cr_assert_eq(st->net->neigh.pool.n_used, 16);
    cr_assert_gt(st->ctr.neigh_full, 0);
    cr_assert_not_null(peer(st));
    cr_assert_eq(peer(st)->state, NEIGH_REACHABLE);
    fx_free(st);
}

Test(neigh, full_of_waiting_entries_refuses) {
    struct net_config cfg = fx_config();
    cfg.neigh_max = 8;
    struct stack *st = fx_new(&cfg);
    for (uint32_t i = 10; i < 18; i++)
        cr_assert_eq(send_to(st, addr_v4(0x0a000000 + i), false), 0);
    cr_assert_eq(send_to(st, addr_v4(0x0a000030), false), -ENOBUFS);
    fx_advance(st, 3 * SEC); /* failed entries give way */
    cr_assert_eq(send_to(st, addr_v4(0x0a000030), false), 0);
    fx_free(st);
}

Test(neigh, repair_rebuilds_and_drops_what_waited) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    send_to(st, PEER, false);
    answer(st);
    send_to(st, addr_v4(0x0a000003), false); /* is being asked for */
    fx_drain(st);
    /* What stack.c does: packets and chunks are forgotten, timers cleared. */
    struct pkt *p;
    POOL_FOREACH (&st->pkts, i, p)
        pool_put(&st->pkts, p);
    chunk_pools_mark_begin(&st->chunks);
    timers_clear(&st->timers);
    memset(&st->net->neigh.order, 0x5a, sizeof(st->net->neigh.order)); /* half changed */
    net_repair(st);
    chunk_pools_sweep(&st->chunks);
    cr_assert_eq(st->net->neigh.pool.n_used, 2);
    cr_assert_eq(peer(st)->state, NEIGH_REACHABLE);
    cr_assert_eq(send_to(st, PEER, false), 0);
    cr_assert(fx_pop(st, &o));
    fx_advance(st, 3 * SEC); /* its timer still runs */
    cr_assert_eq(st->ctr.neigh_failed, 1);
    fx_check_empty(st);
    fx_free(st);
}

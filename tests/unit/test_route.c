#include <errno.h>

#include "stack_fixture.h"

static struct addr ip(const char *text) {
    struct addr a;
    cr_assert(addr_parse(text, &a), "%s", text);
    return a;
}
static enum route_kind kind_of(struct stack *st, const char *dst, struct route_hop *hop) {
    struct addr a = ip(dst);
    return route_lookup(st, &a, hop);
}
#define EQ(got, text) cr_assert(addr_eq(&(got), &(struct addr[]){ip(text)}[0]))

Test(route, kinds_and_sources) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct route_hop hop;
    cr_assert_eq(kind_of(st, "10.0.0.77", &hop), ROUTE_UNICAST);
    EQ(hop.next_hop, "10.0.0.77");
    EQ(hop.src, "10.0.0.1");
    cr_assert_eq(kind_of(st, "192.0.2.1", &hop), ROUTE_UNICAST);
    EQ(hop.next_hop, "10.0.0.254");
    EQ(hop.src, "10.0.0.1");
    cr_assert_eq(kind_of(st, "10.0.0.1", &hop), ROUTE_LOCAL);
    EQ(hop.src, "10.0.0.1");
    cr_assert_eq(kind_of(st, "127.0.0.5", &hop), ROUTE_LOCAL);
    EQ(hop.src, "127.0.0.1"); /* as `ip route get 127.0.0.5` says */
    cr_assert_eq(kind_of(st, "10.0.0.255", &hop), ROUTE_BROADCAST);
    cr_assert_eq(kind_of(st, "255.255.255.255", &hop), ROUTE_BROADCAST);
    EQ(hop.src, "10.0.0.1");
    cr_assert_eq(kind_of(st, "224.0.0.251", &hop), ROUTE_MULTICAST);
    cr_assert_eq(kind_of(st, "0.0.0.0", &hop), ROUTE_NONE);
    fx_free(st);
}

Test(route, without_gateway_unreachable) {
    struct net_config cfg = fx_config();
    struct addr src, dst = ip("192.0.2.1");
    cfg.gateway = addr_v4(0);
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(net_pick_source(st, &dst, &src), -ENETUNREACH);
    struct ip_out io = {.dst = dst, .proto = PROTO_UDP};
    cr_assert_eq(net_output(st, fx_pkt(st, 10), &io), -ENETUNREACH);
    cr_assert_eq(st->ctr.IpOutNoRoutes, 1);
    fx_check_empty(st);
    fx_free(st);
}

Test(route, longest_prefix_and_source_of_its_network) {
    struct net_config cfg = fx_config();
    struct route_hop hop;
    cfg.naddrs = 3;
    cr_assert(addr_parse_prefix("172.16.5.9/16", &cfg.addr[1].addr, &cfg.addr[1].net));
    cr_assert(addr_parse_prefix("172.16.7.1/24", &cfg.addr[2].addr, &cfg.addr[2].net));
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(kind_of(st, "172.16.5.1", &hop), ROUTE_UNICAST);
    EQ(hop.src, "172.16.5.9");
    cr_assert_eq(kind_of(st, "172.16.7.5", &hop), ROUTE_UNICAST);
    EQ(hop.src, "172.16.7.1");
    cr_assert_eq(kind_of(st, "172.16.5.9", &hop), ROUTE_LOCAL);
    cr_assert_eq(kind_of(st, "172.16.7.255", &hop), ROUTE_BROADCAST);
    fx_free(st);
}

static struct net_config with_routes(const char *a, const char *b) {
    struct net_config cfg = fx_config();
    const char *texts[] = {a, b};
    for (cfg.nroutes = 0; cfg.nroutes < 2; cfg.nroutes++)
        cr_assert_null(route_parse(texts[cfg.nroutes], &cfg.route[cfg.nroutes]));
    return cfg;
}

Test(route, configured_ones_go_before_derived_ones) {
    struct net_config cfg =
        with_routes("10.0.0.0/24 advmss 1200", "default via 10.0.0.253 window 9");
    struct route_hop hop;
    cfg.naddrs = 2;
    cr_assert(addr_parse_prefix("172.16.5.9/16", &cfg.addr[1].addr, &cfg.addr[1].net));
    cr_assert_null(route_parse("10.7.0.0/16 via 172.16.0.1", &cfg.route[cfg.nroutes++]));
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(kind_of(st, "10.0.0.77", &hop), ROUTE_UNICAST);
    cr_assert_eq(hop.metrics->advmss, 1200);
    EQ(hop.src, "10.0.0.1");
    cr_assert_eq(kind_of(st, "192.0.2.1", &hop), ROUTE_UNICAST);
    EQ(hop.next_hop, "10.0.0.253");
    cr_assert_eq(hop.metrics->window, 9);
    cr_assert_eq(kind_of(st, "10.7.0.1", &hop), ROUTE_UNICAST);
    EQ(hop.src, "172.16.5.9"); /* the gateway's network */
    cr_assert_eq(hop.metrics->advmss, 0);
    cr_assert_eq(kind_of(st, "10.0.0.1", &hop), ROUTE_LOCAL);
    cr_assert_eq(hop.metrics->advmss, 0);
    fx_free(st);
}

Test(route, is_described_with_its_metrics) {
    struct net_config cfg = with_routes("10.2.0.0/16 via 10.0.0.253 mtu lock 1400 advmss 1200 "
                                        "initcwnd 4 rto_min 50ms features ecn congctl lock bbr",
                                        "10.3.0.0/16 mtu 9000");
    char text[1024];
    struct stack *st = fx_new(&cfg);
    net_describe(st, text, sizeof(text));
    cr_assert_not_null(
        strstr(text, "10.2.0.0/16 via 10.0.0.253 src 10.0.0.1 mtu lock 1400 advmss 1200 initcwnd 4 "
                     "rto_min 50ms features ecn congctl lock bbr\n"),
        "%s", text);
    cr_assert_not_null(strstr(text, "10.3.0.0/16 src 10.0.0.1 mtu 1500\n"), "%s", text);
    fx_free(st);
}

Test(route, table_is_bounded) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct route r = {.dst = {.net = ip("198.51.100.0"), .plen = 120}, .src = US};
    int n = 0;
    while (route_add(st, &r))
        n++;
    cr_assert_eq(n, NET_MAX_ROUTES - 2);
    fx_free(st);
}

Test(pmtu, lowered_floored_and_forgotten) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct addr dst = ip("192.0.2.1"), lo = ip("127.0.0.1");
    cr_assert_eq(net_path_mtu(st, &dst), 1500);
    cr_assert_eq(net_path_mtu(st, &lo), 65535);
    net_set_path_mtu(st, &dst, 1400);
    cr_assert_eq(net_path_mtu(st, &dst), 1400);
    net_set_path_mtu(st, &dst, 1450); /* never up */
    cr_assert_eq(net_path_mtu(st, &dst), 1400);
    net_set_path_mtu(st, &dst, 68); /* V28 */
    cr_assert_eq(net_path_mtu(st, &dst), 552);
    struct addr other = ip("192.0.2.2");
    cr_assert_eq(net_path_mtu(st, &other), 1500);
    st->now_ns += 599 * SEC;
    cr_assert_eq(net_path_mtu(st, &dst), 552);
    st->now_ns += 2 * SEC;
    cr_assert_eq(net_path_mtu(st, &dst), 1500);
    fx_free(st);
}

Test(pmtu, cache_is_bounded) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    unsigned known = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        struct addr a = addr_v4(0xc0000000 + i);
        st->now_ns++;
        net_set_path_mtu(st, &a, 1000);
        cr_assert_eq(net_path_mtu(st, &a), 1000); /* the newest is always there */
    }
    for (uint32_t i = 0; i < 10000; i++) {
        struct addr a = addr_v4(0xc0000000 + i);
        known += net_path_mtu(st, &a) == 1000;
    }
    cr_assert_eq(known, PMTU_SETS * PMTU_WAYS);
    fx_free(st);
}

Test(route, gso_limits) {
    struct net_config cfg = fx_config();
    struct addr lo = ip("127.0.0.1"), dst = ip("10.0.0.2");
    cfg.gso_max = 0;
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(net_gso_max(st, &dst), 1500);
    cr_assert_eq(net_gso_max(st, &lo), 65535);
    fx_free(st);
    cfg.gso_max = 65535;
    st = fx_new(&cfg);
    cr_assert_eq(net_gso_max(st, &dst), 65535);
    fx_free(st);
}

Test(pmtu, of_a_route) {
    struct net_config cfg = with_routes("10.2.0.0/16 mtu 1400", "10.3.0.0/16 mtu 9000");
    struct addr low = ip("10.2.0.1"), high = ip("10.3.0.1"), other = ip("10.0.0.2");
    struct stack *st = fx_new(&cfg);
    cr_assert_eq(net_path_mtu(st, &low), 1400);
    cr_assert_eq(net_path_mtu(st, &high), 1500, "the interface takes no more");
    cr_assert_eq(net_path_mtu(st, &other), 1500);
    net_set_path_mtu(st, &low, 1450);
    cr_assert_eq(net_path_mtu(st, &low), 1400);
    net_set_path_mtu(st, &low, 1300);
    cr_assert_eq(net_path_mtu(st, &low), 1300);
    fx_free(st);
}

/* As Linux: no word of a router changes it, and packets bear no DF. */
Test(pmtu, a_locked_one_stays_and_packets_may_be_fragmented) {
    struct net_config cfg = with_routes("10.0.0.2 mtu lock 1400", "10.3.0.0/16");
    struct stack *st = fx_new(&cfg);
    net_set_path_mtu(st, &PEER, 1300);
    cr_assert_eq(net_path_mtu(st, &PEER), 1400);
    struct ip_out io = {.dst = PEER, .proto = PROTO_UDP, .df = true};
    cr_assert_eq(net_output(st, fx_pkt(st, 1450), &io), 0);
    cr_assert_eq(st->ctr.IpFragCreates, 2);
    fx_free(st);
}

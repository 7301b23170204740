#include "stack_fixture.h"

static struct endpoint ep(uint32_t a, uint16_t port) {
    return (struct endpoint){addr_v4(a), port};
}
static struct flow_key key(struct endpoint local, struct endpoint remote) {
    return (struct flow_key){.local = local, .remote = remote, .proto = PROTO_TCP};
}
static void put(struct stack *st, struct flow_node *n, struct endpoint local,
                struct endpoint remote) {
    struct flow_key k = key(local, remote);
    flow_insert(st, n, &k);
}
#define ANY ep(0, 0)

Test(flow, most_specific_wins) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node any = {0}, bound = {0}, conn = {0}, udp = {0};
    struct flow_key k = key(ep(0x0a000001, 80), ep(0x0a000002, 4000));
    cr_assert_null(flow_match(st, &k));
    put(st, &any, ep(0, 80), ANY);
    cr_assert_eq(flow_match(st, &k), &any);
    put(st, &bound, ep(0x0a000001, 80), ANY);
    cr_assert_eq(flow_match(st, &k), &bound);
    put(st, &conn, k.local, k.remote);
    cr_assert_eq(flow_match(st, &k), &conn);
    k.remote.port++;
    cr_assert_eq(flow_match(st, &k), &bound);
    k.local.addr = addr_v4(0x7f000001);
    cr_assert_eq(flow_match(st, &k), &any);
    k.local.port = 81;
    cr_assert_null(flow_match(st, &k));
    struct flow_key u = key(ep(0x0a000001, 81), ANY);
    u.proto = PROTO_UDP;
    flow_insert(st, &udp, &u);
    cr_assert_null(flow_match(st, &k), "another protocol");
    flow_remove(st, &conn);
    flow_remove(st, &conn); /* harmless */
    k = key(ep(0x0a000001, 80), ep(0x0a000002, 4000));
    cr_assert_eq(flow_match(st, &k), &bound);
    fx_free(st);
}

Test(flow, deaf_ones_are_passed_over) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node deaf = {.deaf = true}, any = {0}, same = {0};
    struct flow_key k = key(ep(0x0a000001, 80), ep(0x0a000002, 4000));
    put(st, &any, ep(0, 80), ANY);
    put(st, &deaf, ep(0x0a000001, 80), ANY);
    cr_assert_eq(flow_match(st, &k), &any);
    put(st, &same, ep(0x0a000001, 80), ANY);
    cr_assert_eq(flow_match(st, &k), &same);
    struct flow_key d = key(ep(0x0a000001, 80), ANY);
    cr_assert_not_null(flow_find(st, &d));
    fx_free(st);
}

Test(flow, both_wildcards_are_one) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node n = {0};
    struct endpoint zero = {.port = 80}, none = {0}; /* :: rather than 0.0.0.0 */
    struct flow_key k = key(ep(0x0a000001, 80), ep(0x0a000002, 4000));
    put(st, &n, zero, none);
    cr_assert_eq(flow_match(st, &k), &n);
    fx_free(st);
}

Test(flow, walk_by_port_gives_bound_ones_first) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node conn[5] = {0}, bound[3] = {0}, other = {0};
    for (uint16_t i = 0; i < 5; i++)
        put(st, &conn[i], ep(0x0a000001, 80), ep(0x0a000002, (uint16_t)(1000 + i)));
    for (uint32_t i = 0; i < 3; i++)
        put(st, &bound[i], ep(0x0a000001 + i, 80), ANY);
    put(st, &other, ep(0x0a000001, 81), ANY);
    struct flow_node *n = NULL;
    int count = 0;
    while ((n = flow_on_port(st, PROTO_TCP, 80, n)) != NULL) {
        cr_assert_eq(n->key.remote.port == 0, count < 3);
        count++;
    }
    cr_assert_eq(count, 8);
    cr_assert_null(flow_on_port(st, PROTO_UDP, 80, NULL));
    for (int i = 0; i < 3; i++)
        flow_remove(st, &bound[i]);
    cr_assert_not_null(flow_on_port(st, PROTO_TCP, 80, NULL));
    fx_free(st);
}

Test(flow, reuseport_spreads) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node n[4] = {0};
    unsigned hits[4] = {0};
    for (int i = 0; i < 4; i++) {
        n[i].spread = true;
        put(st, &n[i], ep(0, 80), ANY);
    }
    for (uint16_t port = 1; port <= 4000; port++) {
        struct flow_key k = key(ep(0x0a000001, 80), ep(0x0a000002, port));
        struct flow_node *m = flow_match(st, &k);
        cr_assert_eq(m, flow_match(st, &k), "always the same");
        hits[m - n]++;
    }
    for (int i = 0; i < 4; i++)
        cr_assert(hits[i] > 800 && hits[i] < 1200, "%u", hits[i]);
    n[0].deaf = true;
    struct flow_key k = key(ep(0x0a000001, 80), ep(0x0a000002, 1));
    cr_assert_neq(flow_match(st, &k), &n[0]);
    fx_free(st);
}

Test(flow, many_and_gone_again) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    enum { N = 20000 };
    struct flow_node *n = calloc(N, sizeof(*n));
    for (uint32_t i = 0; i < N; i++)
        put(st, &n[i], ep(0x0a000001, 80), ep(0xc0000000 + i, (uint16_t)(i | 1)));
    for (uint32_t i = 0; i < N; i++) {
        struct flow_key k = key(ep(0x0a000001, 80), ep(0xc0000000 + i, (uint16_t)(i | 1)));
        cr_assert_eq(flow_match(st, &k), &n[i]);
        flow_remove(st, &n[i]);
        cr_assert_null(flow_match(st, &k));
    }
    cr_assert_null(flow_on_port(st, PROTO_TCP, 80, NULL));
    free(n);
    fx_free(st);
}

Test(flow, clear_and_insert_anew) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct flow_node a = {0};
    put(st, &a, ep(0x0a000001, 80), ANY);
    flow_clear(st);
    cr_assert_null(flow_on_port(st, PROTO_TCP, 80, NULL));
    a.linked = false;
    put(st, &a, ep(0x0a000001, 80), ANY);
    cr_assert_eq(flow_on_port(st, PROTO_TCP, 80, NULL), &a);
    fx_free(st);
}

/* RFC 6056; CVE-2022-1012: successive ports towards one destination tell nothing of others. */
Test(flow, rfc6056_ephemeral_ports) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct endpoint local = ep(0x0a000001, 0), remote = ep(0x0a000002, 80);
    unsigned in_step = 0;
    uint16_t last = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        uint16_t p = flow_pick_port(st, PROTO_TCP, &local, &remote, NULL);
        cr_assert(p >= 32768 && p <= 60999);
        remote.addr = addr_v4(0xc0000000 + i);
        uint16_t q = flow_pick_port(st, PROTO_TCP, &local, &remote, NULL);
        in_step += (uint16_t)(q - p) < 100 || (uint16_t)(p - q) < 100;
        remote.addr = PEER;
        cr_assert_neq(p, last, "no port twice in a row, though nobody took it");
        last = p;
    }
    cr_assert_leq(in_step, 60);
    fx_free(st);
}

Test(flow, ephemeral_port_must_be_free) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    enum { N = 60999 - 32768 + 1 };
    struct flow_node *n = calloc(N, sizeof(*n)), extra = {0};
    static bool seen[65536];
    struct endpoint local = ep(0x0a000001, 0), remote = ep(0x0a000002, 80);
    struct endpoint other = ep(0x0a000003, 80), any = ANY, elsewhere = ep(0x0a000009, 0);
    for (uint32_t i = 0; i < N; i++) {
        uint16_t p = flow_pick_port(st, PROTO_TCP, &local, &remote, NULL);
        cr_assert_neq(p, 0);
        cr_assert_not(seen[p]);
        seen[p] = true;
        put(st, &n[i], ep(0x0a000001, p), remote);
    }
    cr_assert_eq(flow_pick_port(st, PROTO_TCP, &local, &remote, NULL), 0, "all are taken");
    cr_assert_neq(flow_pick_port(st, PROTO_TCP, &local, &other, NULL), 0, "not to another remote");
    cr_assert_eq(flow_pick_port(st, PROTO_TCP, &local, &any, NULL), 0,
                 "bind(0) wants one of its own");
    cr_assert_neq(flow_pick_port(st, PROTO_TCP, &elsewhere, &any, NULL), 0, "on another address");
    cr_assert_neq(flow_pick_port(st, PROTO_UDP, &local, &any, NULL), 0, "another protocol");
    flow_remove(st, &n[77]);
    uint16_t left = n[77].key.local.port;
    cr_assert_eq(flow_pick_port(st, PROTO_TCP, &local, &remote, NULL), left);
    put(st, &extra, ep(0, left), ANY); /* somebody is bound to it */
    cr_assert_eq(flow_pick_port(st, PROTO_TCP, &local, &remote, NULL), 0);
    free(n);
    fx_free(st);
}

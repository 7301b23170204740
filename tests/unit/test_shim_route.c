#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "shim/config_route.h"

static char err[256];

static struct config host(const char *routes) {
    struct config cfg;
    config_default(&cfg);
    cr_assert_eq(config_set(&cfg, "addr", "10.0.0.1/24", "test", err, sizeof(err)), 0, "%s", err);
    cr_assert_eq(config_set(&cfg, "route", routes, "test", err, sizeof(err)), 0, "%s", err);
    return cfg;
}

static struct netif_route kernel(const char *text) {
    struct netif_route k = {.ifindex = 7};
    const char *why = route_parse(text, &k.route);
    cr_assert_null(why, "%s: %s", text, why);
    return k;
}

Test(config_route, a_list) {
    struct config cfg = host("10.2.0.0/16 via 10.0.0.254 advmss 1200,default via 10.0.0.253");
    cr_assert_eq(cfg.nroutes, 2);
    cr_assert_eq(cfg.route[0].metrics.advmss, 1200);
    cr_assert_eq(config_check_routes(&cfg, err, sizeof(err)), 0, "%s", err);
}

Test(config_route, said_again_it_is_the_same_to_the_byte) { /* config_differs compares so */
    struct config a, b;
    memset(&a, 0x55, sizeof(a));
    config_default(&a);
    cr_assert_null(config_set_routes(&a, "10.2.0.0/16 advmss 1200,10.3.0.0/16 congctl reno"));
    memcpy(&b, &a, sizeof(b));
    cr_assert_null(config_set_routes(&b, "10.2.0.0/16 advmss 1200,10.3.0.0/16 congctl reno"));
    cr_assert_arr_eq(&a, &b, sizeof(a));
    cr_assert_null(config_set_routes(&b, "10.2.0.0/16 advmss 1201"));
    cr_assert(memcmp(&a, &b, sizeof(a)) != 0); /* NOLINT(bugprone-suspicious-memory-comparison) */
}

Test(config_route, each_mistake_is_refused_by_name) {
    static const struct {
        const char *list, *says;
    } bad[] = {{"10.2.0.0/16 advmss", "advmss:"},
               {"10.2.0.0/16,,", "begins with"},
               {"10.2.0.0/16 congctl vegas", "no such congestion control"},
               {"10.2.0.0/16 nonsense 1", "words of a route"}};
    struct config cfg;
    config_default(&cfg);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(config_set(&cfg, "route", bad[i].list, "SHIMSTACK_ROUTE", err, sizeof(err)),
                     -EINVAL);
        cr_assert(strstr(err, bad[i].says) != NULL && strstr(err, "SHIMSTACK_ROUTE") != NULL, "%s",
                  err);
    }
    char many[NET_CONF_ROUTES * 9 + 16] = "10.1.1.1";
    for (int i = 0; i < NET_CONF_ROUTES; i++)
        strcat(many, ",10.1.1.1");
    cr_assert_eq(config_set(&cfg, "route", many, "test", err, sizeof(err)), -EINVAL);
    cr_assert_not_null(strstr(err, "too many"));
}

Test(config_route, what_cannot_be_gone_is_refused) {
    struct config cfg = host("10.2.0.0/16 via 10.9.0.1");
    cr_assert_eq(config_check_routes(&cfg, err, sizeof(err)), -EINVAL);
    cr_assert_not_null(strstr(err, "10.9.0.1"));
    cfg = host("10.2.0.0/16 via 10.9.0.1 onlink");
    cr_assert_eq(config_check_routes(&cfg, err, sizeof(err)), 0);
    cfg = host("10.2.0.0/16 via 10.0.0.1");
    cr_assert_eq(config_check_routes(&cfg, err, sizeof(err)), -EINVAL, "that is the host itself");
    cfg = host("10.2.0.0/16 src 10.0.0.7");
    cr_assert_eq(config_check_routes(&cfg, err, sizeof(err)), -EINVAL);
}

/* The kernel may have addresses of its own on the interface, and routes that go by them. */
Test(config_route, the_namespaces_are_taken_where_we_can_go_them) {
    struct config cfg = host("10.4.0.0/16 advmss 500");
    struct netif_route k[] = {kernel("10.2.0.0/16 via 10.0.0.254 src 10.0.1.9 congctl vegas"),
                              kernel("10.3.0.0/16 via 10.0.1.254"),
                              kernel("10.4.0.0/16 advmss 600"),
                              kernel("10.5.0.0/16 via 10.0.0.254"),
                              kernel("0.0.0.0/0 via 10.0.0.254"),
                              kernel("10.6.0.0/16 via 10.0.9.9 onlink src 10.0.0.1")};
    k[3].ifindex = 8;
    config_adopt_routes(&cfg, 7, k, 6);
    cr_assert_eq(cfg.nadopted, 3);
    cr_assert_eq(addr_get_v4(&cfg.adopted[0].dst.net), 0x0a020000u);
    cr_assert(addr_is_any(&cfg.adopted[0].src), "not ours");
    cr_assert_eq(cfg.adopted[1].dst.plen, ADDR_V4_PLEN);
    cr_assert_eq(addr_get_v4(&cfg.adopted[2].src), 0x0a000001u);
}

Test(config_route, the_configured_gateway_stays_the_default) {
    struct config cfg = host("");
    cr_assert_eq(config_set(&cfg, "gw", "10.0.0.254", "test", err, sizeof(err)), 0);
    struct netif_route k[] = {kernel("default via 10.0.0.253 advmss 500"),
                              kernel("default via 10.0.0.254 advmss 600")};
    config_adopt_routes(&cfg, 7, k, 2);
    cr_assert_eq(cfg.nadopted, 1);
    cr_assert_eq(cfg.adopted[0].metrics.advmss, 600);
}

Test(config_route, there_is_an_end) {
    struct config cfg = host("10.4.0.0/16");
    struct netif_route k[NET_CONF_ROUTES + 5];
    for (int i = 0; i < NET_CONF_ROUTES + 5; i++) {
        k[i] = kernel("10.2.0.0/16");
        k[i].route.dst.net = addr_v4(0x0a020000u + (uint32_t)i);
    }
    config_adopt_routes(&cfg, 7, k, NET_CONF_ROUTES + 5);
    cr_assert_eq(cfg.nroutes + cfg.nadopted, NET_CONF_ROUTES);
    cr_assert_eq(cfg.routes_left, 6);
}

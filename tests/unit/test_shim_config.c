#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "shim/config.h"

static char err[256];

static struct netif make_if(const char *name, unsigned flags, const char *alias) {
    struct netif n = {.index = 7, .flags = flags, .type = ARPHRD_ETHER, .mtu = 1500};
    n.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
    strcpy(n.name, name);
    strcpy(n.alias, alias);
    return n;
}

static struct config with_addr(const char *addr) {
    struct config cfg;
    config_default(&cfg);
    cr_assert_eq(config_set(&cfg, "addr", addr, "test", err, sizeof(err)), 0, "%s", err);
    return cfg;
}

Test(config, addresses) {
    struct config cfg = with_addr("10.9.0.5/24,192.168.1.1/30");
    cr_assert_eq(cfg.naddrs, 2);
    cr_assert_eq(addr_get_v4(&cfg.addr[0].addr), 0x0a090005u);
    cr_assert_eq(cfg.addr[1].net.plen, ADDR_V4_PLEN + 30);
}

Test(config, each_mistake_is_refused_by_name) {
    static const struct {
        const char *key, *value, *says;
    } bad[] = {
        {"addr", "10.0.0.1", "prefix length"},
        {"addr", "10.0.0.1/33", "mask 1 to 32"},
        {"addr", "", "no address"},
        {"addr", "10.0.0.1/24,,", "not an address"},
        {"addr", "fe80::1/64", "IPv4 only"},
        {"gw", "10.0.0", "not an IPv4"},
        {"mac", "00:00:00:00:00:00", "unicast"},
        {"mac", "03:00:00:00:00:01", "unicast"},
        {"mac", "nonsense", "not a MAC"},
        {"mtu", "67", "MTU"},
        {"mtu", "1500x", "MTU"},
        {"mtu", "-1", "MTU"},
        {"take-over", "maybe", "neither"},
        {"log", "loud", "no such level"},
        {"spin", "1000001", "microseconds"},
        {"colour", "red", "no setting"},
        {"impair", "loss=200%", "share"},
        {"sysctl", "net.ipv4.tcp_sack", "NAME=VALUE"},
        {"sysctl", "net.ipv4.tcp_sack=x", "not a value"},
        {"sysctl", "net.ipv4.tcp_sock=1", "no such sysctl"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config cfg;
        config_default(&cfg);
        cr_assert_eq(config_set(&cfg, bad[i].key, bad[i].value, "WHERE", err, sizeof(err)), -EINVAL,
                     "%s=%s", bad[i].key, bad[i].value);
        cr_assert(strstr(err, bad[i].says) != NULL, "%s=%s: %s", bad[i].key, bad[i].value, err);
        cr_assert(strstr(err, "WHERE") != NULL && strchr(err, '\n') == NULL, "%s", err);
    }
}

Test(config, words_of_an_alias) {
    struct config cfg;
    config_default(&cfg);
    cfg.spin_us = 3;
    uint32_t skip = config_key_bit("spin");
    int r = config_set_words(&cfg, "addr=10.0.0.2/24  gw=10.0.0.1 take-over spin=9", skip, "alias",
                             err, sizeof(err));
    cr_assert_eq(r, 0, "%s", err);
    cr_assert_eq(cfg.naddrs, 1);
    cr_assert(cfg.take_over);
    cr_assert_eq(addr_get_v4(&cfg.gateway), 0x0a000001u);
    cr_assert_eq(cfg.spin_us, 3u); /* the environment has said otherwise */
}

Test(config, a_later_program_s_other_settings_are_named) {
    struct config host = with_addr("10.9.0.5/24");
    char names[100];
    cr_assert_eq(config_set(&host, "impair", "loss=1%,delay=10ms", "test", err, sizeof(err)), 0);
    cr_assert_not(config_differs(&host, names, sizeof(names)));
    setenv("SHIMSTACK_ADDR", "10.9.0.5/24", 1);
    setenv("SHIMSTACK_IMPAIR", "delay=10ms,loss=1%", 1);
    setenv("SHIMSTACK_LOG", "error", 1);
    cr_assert_not(config_differs(&host, names, sizeof(names)), "%s", names);
    setenv("SHIMSTACK_ADDR", "10.9.0.6/24", 1);
    setenv("SHIMSTACK_LOG", "loud", 1);
    cr_assert(config_differs(&host, names, sizeof(names)));
    cr_assert_str_eq(names, "SHIMSTACK_ADDR SHIMSTACK_LOG");
}

Test(config, the_interface_with_the_alias_wins) {
    struct netif ifs[] = {make_if("eth0", IFF_UP, ""),
                          make_if("veth1", 0, "shimstack addr=1.1.1.1/8"),
                          make_if("eth1", IFF_UP, "shimstack-kernel addr=1.1.1.2/8")};
    struct config cfg;
    config_default(&cfg);
    cr_assert_eq(config_pick_interface(&cfg, ifs, 3, err, sizeof(err)), 1);
    strcpy(cfg.ifname, "eth0");
    cr_assert_eq(config_pick_interface(&cfg, ifs, 3, err, sizeof(err)), 0);
    strcpy(cfg.ifname, "eth9");
    cr_assert_eq(config_pick_interface(&cfg, ifs, 3, err, sizeof(err)), -ENODEV);
    cr_assert(strstr(err, "eth0, veth1, eth1") != NULL, "%s", err);
}

Test(config, without_an_alias_the_only_one_that_is_up) {
    struct netif ifs[] = {make_if("lo", IFF_UP | IFF_LOOPBACK, ""), make_if("a", 0, ""),
                          make_if("b", IFF_UP, ""), make_if("c", IFF_UP, "")};
    struct config cfg;
    config_default(&cfg);
    cr_assert_eq(config_pick_interface(&cfg, ifs, 3, err, sizeof(err)), 2);
    cr_assert_eq(config_pick_interface(&cfg, ifs, 4, err, sizeof(err)), -ENODEV);
    cr_assert(strstr(err, "which interface? b, c") != NULL, "%s", err);
    cr_assert_eq(config_pick_interface(&cfg, ifs, 2, err, sizeof(err)), -ENODEV);
    cr_assert(strstr(err, "is up (there are: a)") != NULL, "%s", err);
    cr_assert_eq(config_pick_interface(&cfg, ifs, 1, err, sizeof(err)), -ENODEV);
}

Test(config, an_address_of_the_kernel_needs_take_over) {
    struct netif nif = make_if("lo", IFF_UP, "");
    struct netif_addr kernel = {.ifindex = 1, .addr = addr_v4(0x0a000002), .plen = 24};
    struct config cfg = with_addr("10.0.0.2/24");
    cr_assert_eq(config_check(&cfg, &nif, &kernel, 1, err, sizeof(err)), -EADDRINUSE);
    cr_assert(strstr(err, "--take-over") != NULL && strstr(err, "ip addr del 10.0.0.2/24") != NULL,
              "%s", err);
    cfg.take_over = true;
    cr_assert_eq(config_check(&cfg, &nif, &kernel, 1, err, sizeof(err)), 0, "%s", err);
}

Test(config, what_does_not_fit_together) {
    struct netif nif = make_if("eth0", IFF_UP, "");
    static const char *const bad[] = {"10.0.0.0/24", "10.0.0.255/24", "127.0.0.1/8", "224.0.0.1/24",
                                      "10.0.0.1/0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config cfg;
        config_default(&cfg);
        if (config_set(&cfg, "addr", bad[i], "test", err, sizeof(err)) == 0)
            cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), -EINVAL, "%s",
                         bad[i]);
    }
    struct config cfg = with_addr("10.0.0.4/31"); /* RFC 3021: both addresses of a /31 are hosts */
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), 0, "%s", err);
    cfg.mtu = 9000;
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), -EINVAL);
    cfg.mtu = 0;
    cfg.gateway = addr_v4(0x0a000101);
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), -EINVAL);
    cfg.gateway = addr_v4(0x0a000005);
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), 0, "%s", err);
    cfg.has_mac = true;
    cfg.mac = nif.mac;
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), -EINVAL);
    nif.flags = 0;
    cr_assert_eq(config_check(&cfg, &nif, NULL, 0, err, sizeof(err)), -ENETDOWN);
}

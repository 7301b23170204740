/* What the kernel knows of its interfaces, by small rtnetlink queries (so that it is right whatever
 * /sys is mounted), and the one change that the shim makes: ARP off and on. */
#ifndef SHIM_NETLINK_H
#define SHIM_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/addr.h"
#include "stack/net/route.h"

#define NETLINK_MAX_LINKS  64
#define NETLINK_MAX_ADDRS  128
#define NETLINK_MAX_ROUTES 256

struct netif {
    int index;
    unsigned flags; /* IFF_ */
    uint16_t type;  /* ARPHRD_ */
    struct mac mac;
    uint32_t mtu;
    char name[16];
    char alias[256];
};

struct netif_addr {
    int ifindex;
    struct addr addr;
    uint8_t plen; /* of 32 or 128 */
};

/* All interfaces (the first `max`) of this network namespace: their number, or -errno. */
int netlink_links(struct netif *out, int max);
/* All addresses that the kernel holds here. */
int netlink_addrs(struct netif_addr *out, int max);
struct netif_route {
    int ifindex;
    struct route route;
};
/* The unicast IPv4 routes of the main table that somebody has set (ip route, a DHCP client), not
 * those that the kernel made of its addresses; the best one of each network first. *left: those for
 * which out, that takes max - 1 of them, had no room. */
int netlink_routes(struct netif_route *out, int max, int *left);
/* IFF_NOARP off or on. -EPERM without CAP_NET_ADMIN. */
int netlink_set_arp(int ifindex, bool on);

#endif

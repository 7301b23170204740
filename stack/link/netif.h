/* What the kernel says about an interface. */
#ifndef STACK_LINK_NETIF_H
#define STACK_LINK_NETIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/addr.h"

struct netif {
    uint32_t index;
    uint16_t mtu;
    bool ethernet, up;
    struct mac mac;
    uint32_t
        gso_max; /* largest super-frame, headers included, that needs no software; 0: unknown */
};

/* Fills *out for the interface of that name in this namespace. 0 or -errno (-ENODEV: there is
 * none). */
int netif_get(const char *name, struct netif *out);
/* "lo, veth0, eth0" into buf, cut where it is full; "none" when there is none. */
void netif_list(char *buf, size_t len);

#endif

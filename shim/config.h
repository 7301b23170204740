/* What a host is to be: from the environment (SHIMSTACK_…), the command line of
 * run-with-stack.sh (which sets the environment), or the interface itself (its alias, an address
 * the kernel holds). */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/addr.h"
#include "stack/link/sim.h"
#include "stack/net/net.h"

struct config {
    char ifname[16];
    bool has_mac;
    struct mac mac;
    uint16_t mtu; /* 0: the interface's */
    int naddrs;
    struct {
        struct addr addr;
        struct prefix net;
    } addr[NET_MAX_ADDRS];
    struct addr gateway;
    bool take_over;
    char pcap[256]; /* "": none */
    bool has_impair;
    struct impair impair_out, impair_in;
    uint32_t spin_us; /* D7's one knob; 0: never spin */
    uint8_t log_level;
    bool stay; /* the keeper stays when nothing is left */
};

/* Fills cfg for this namespace:
 *   1. SHIMSTACK_IF, _ADDR ("10.9.0.5/24", comma-separated), _GW, _MAC, _MTU, _TAKE_OVER, _PCAP,
 *      _IMPAIR (text of impair_parse), _SPIN (µs), _LOG (error, info, debug);
 *   2. where _IF or _ADDR is missing: the one interface whose alias (ip link set … alias) begins
 *      with "shimstack ", which carries the same words: "shimstack addr=10.0.0.2/24 gw=…";
 *   3. else the one Ethernet interface that is up, with the address that the kernel holds on it
 *      (which then needs take_over).
 * 0, or -errno and one line in err: what is wrong and how to mend it. */
int config_load(struct config *cfg, char *err, size_t errlen);

#endif

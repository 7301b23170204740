/* What a host is to be: from the environment (SHIMSTACK_…), the command line of
 * run-with-stack.sh (which sets the environment), or the interface itself (its alias, an address
 * the kernel holds). */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/netlink.h"
#include "stack/base/addr.h"
#include "stack/link/sim.h"
#include "stack/net/net.h"

#define CONFIG_SPIN_US_DEFAULT 50

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
    struct addr gateway; /* any: none */
    int nroutes, nadopted;
    int routes_left;                       /* of the namespace, for want of room */
    struct route route[NET_CONF_ROUTES];   /* configured, … */
    struct route adopted[NET_CONF_ROUTES]; /* … and the namespace's (config_route.h) */
    bool take_over;
    char pcap[256]; /* "": none */
    bool has_impair;
    struct impair impair_out, impair_in;
    uint32_t spin_us; /* D7's one knob; 0: never spin */
    uint8_t log_level;
    bool stay;        /* the keeper stays when nothing is left */
    char sysctl[512]; /* "net.ipv4.tcp_sack=0,…", over what /proc/sys says */
    bool live_sysctl; /* /proc/sys is read anew whenever a socket is made or connected */
};

/* Fills cfg for this namespace:
 *   1. SHIMSTACK_IF, _ADDR ("10.9.0.5/24", comma-separated), _GW, _ROUTE (texts of route_parse,
 *      comma-separated), _MAC, _MTU, _TAKE_OVER, _PCAP,
 *      _IMPAIR (text of impair_parse; acts both ways), _SPIN (µs), _LOG (error, info, debug),
 *      _STAY, _SYSCTL (text of sysctl_from_list), _LIVE_SYSCTL;
 *   2. where _IF or _ADDR is missing: the one interface whose alias (ip link set … alias) begins
 *      with "shimstack ", which carries the same words: "shimstack addr=10.0.0.2/24 gw=…";
 *   3. else the one Ethernet interface that is up, with the address that the kernel holds on it
 *      (which then needs take_over).
 * Routes come from the namespace, too, where they lead over that interface (config_route.h).
 * Without a MAC address it makes one up: locally administered, the same each time for the same
 * interface (D6). 0, or -errno and one line in err: what is wrong and how to mend it. */
int config_load(struct config *cfg, char *err, size_t errlen);

/* Which settings of this process's environment are not those that the host was started with? Their
 * variables' names, separated by blanks, in names. False: none. */
bool config_differs(const struct config *host, char *names, size_t len);

/* ---- the parts of it, for tests ---- */

void config_default(struct config *cfg);
/* One setting, key in lower case as in the alias ("addr"). `where` names its place for the message.
 * -EINVAL and err. */
int config_set(struct config *cfg, const char *key, const char *value, const char *where, char *err,
               size_t errlen);
/* Words "key=value" or "key", separated by blanks. Keys in `skip` (bits, in config_key_bit's
 * numbering) are passed over. */
int config_set_words(struct config *cfg, const char *words, uint32_t skip, const char *where,
                     char *err, size_t errlen);
uint32_t config_key_bit(const char *key);
/* Which of these interfaces? Obeys cfg->ifname if that is set. Its index in ifs, or -errno and
 * err. */
int config_pick_interface(const struct config *cfg, const struct netif *ifs, int n, char *err,
                          size_t errlen);
/* Does it all fit together? 0 or -errno and err. */
int config_check(const struct config *cfg, const struct netif *nif, const struct netif_addr *kernel,
                 int n, char *err, size_t errlen);

#endif

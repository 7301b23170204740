/* A keeper that is killed with kill -9 cannot restore anything. If processes of its host live, its
 * successor knows from the segment; if none does, the record in /run tells the next keeper of the
 * same interface in the same namespace. */
#include "shim/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/netlink.h"
#include "shim/real.h"
#include "stack/wire/arp.h"
#include "stack/wire/eth.h"

static void record_path(const char *ifname, char *path, size_t size) {
    struct stat sb = {0};
    (void)stat("/proc/self/ns/net", &sb);
    snprintf(path, size, "/run/shimstack-%llu-%s.noarp", (unsigned long long)sb.st_ino, ifname);
}

static bool find_netif(uint32_t ifindex, struct netif *out) {
    struct netif *ifs = calloc(NETLINK_MAX_LINKS, sizeof(*ifs));
    bool found = false;
    int n = ifs != NULL ? netlink_links(ifs, NETLINK_MAX_LINKS) : 0;
    for (int i = 0; i < n && !found; i++) {
        found = ifs[i].index == (int)ifindex;
        if (found)
            *out = ifs[i];
    }
    free(ifs);
    return found;
}

static unsigned current_flags(uint32_t ifindex) {
    struct netif nif;
    return find_netif(ifindex, &nif) ? nif.flags : 0;
}

/* The neighbours have the stack's MAC in their caches: a gratuitous ARP (RFC 5227 §3) gives them
 * the interface's own, else they would not reach the kernel until their entries age. */
static void announce_kernel(uint32_t ifindex, const struct config *cfg) {
    struct netif nif;
    int fd = REAL(socket)(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0 || !find_netif(ifindex, &nif)) {
        if (fd >= 0)
            REAL(close)(fd);
        return;
    }
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
    struct eth_hdr eth = {.dst = eth_broadcast, .src = nif.mac, .type = ETH_ARP};
    for (int i = 0; i < cfg->naddrs; i++) {
        uint8_t frame[ETH_HDR_LEN + ARP_LEN];
        struct arp_hdr arp = {
            .op = ARP_REQUEST, .sha = nif.mac, .spa = cfg->addr[i].addr, .tpa = cfg->addr[i].addr};
        eth_build(frame, &eth);
        arp_build(frame + ETH_HDR_LEN, &arp);
        (void)REAL(sendto)(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&to,
                           sizeof(to));
    }
    REAL(close)(fd);
}

static void restore(const char *ifname, uint32_t ifindex) {
    char path[96];
    record_path(ifname, path, sizeof(path));
    (void)netlink_set_arp((int)ifindex, true);
    unlink(path);
}

int takeover_begin(const char *ifname, uint32_t ifindex, bool wanted, bool *taken, char *err,
                   size_t errlen) {
    char path[96];
    record_path(ifname, path, sizeof(path));
    bool left_off = access(path, F_OK) == 0, off = (current_flags(ifindex) & IFF_NOARP) != 0;
    *taken = wanted && (!off || left_off);
    if (!wanted && left_off)
        restore(ifname, ifindex);
    if (!*taken)
        return 0;
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) /* without the record: only a kill -9 of all would not be made good */
        REAL(close)(fd);
    int r = netlink_set_arp((int)ifindex, false);
    if (r == 0)
        return 0;
    unlink(path);
    snprintf(err, errlen,
             "cannot switch the kernel's ARP off on %s: %s%s; or free the address: "
             "ip addr flush dev %s",
             ifname, strerror(-r), r == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "",
             ifname);
    *taken = false;
    return r;
}

void takeover_end(const struct config *cfg, uint32_t ifindex) {
    restore(cfg->ifname, ifindex);
    announce_kernel(ifindex, cfg);
}

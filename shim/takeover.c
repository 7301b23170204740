/* A keeper that is killed with kill -9 cannot restore anything. If processes of its host live, its
 * successor knows from the segment; if none does, the record in /run tells the next keeper of the
 * same interface in the same namespace. */
#include "shim/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/netlink.h"
#include "shim/real.h"

static void record_path(const char *ifname, char *path, size_t size) {
    struct stat sb = {0};
    (void)stat("/proc/self/ns/net", &sb);
    snprintf(path, size, "/run/shimstack-%llu-%s.noarp", (unsigned long long)sb.st_ino, ifname);
}

static unsigned current_flags(uint32_t ifindex) {
    struct netif *ifs = calloc(NETLINK_MAX_LINKS, sizeof(*ifs));
    unsigned flags = 0;
    int n = ifs != NULL ? netlink_links(ifs, NETLINK_MAX_LINKS) : 0;
    for (int i = 0; i < n; i++)
        if (ifs[i].index == (int)ifindex)
            flags = ifs[i].flags;
    free(ifs);
    return flags;
}

int takeover_begin(const char *ifname, uint32_t ifindex, bool wanted, bool *taken, char *err,
                   size_t errlen) {
    char path[96];
    record_path(ifname, path, sizeof(path));
    bool left_off = access(path, F_OK) == 0, off = (current_flags(ifindex) & IFF_NOARP) != 0;
    *taken = wanted && (!off || left_off);
    if (!wanted && left_off)
        takeover_end(ifname, ifindex);
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

void takeover_end(const char *ifname, uint32_t ifindex) {
    char path[96];
    record_path(ifname, path, sizeof(path));
    (void)netlink_set_arp((int)ifindex, true);
    unlink(path);
}

#include "stack/link/netif.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "stack/link/sys.h"

#ifndef IFLA_GSO_IPV4_MAX_SIZE /* Linux 6.3; older headers lack it */
#define IFLA_GSO_IPV4_MAX_SIZE 63
#endif

static int ask(int fd, const char *name, unsigned long what, struct ifreq *r) {
    memset(r, 0, sizeof(*r));
    strncpy(r->ifr_name, name, IFNAMSIZ - 1);
    return sys_ioctl(fd, what, r) < 0 ? -errno : 0;
}

static uint32_t find_gso_max(const struct nlmsghdr *h) {
    const struct ifinfomsg *ifi = NLMSG_DATA(h);
    uint32_t any = 0, v4 = 0;
    int len = (int)IFLA_PAYLOAD(h);

    for (struct rtattr *a = IFLA_RTA(ifi); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == IFLA_GSO_MAX_SIZE)
            memcpy(&any, RTA_DATA(a), sizeof(any));
        else if (a->rta_type == IFLA_GSO_IPV4_MAX_SIZE)
            memcpy(&v4, RTA_DATA(a), sizeof(v4));
    }
    return v4 != 0 ? v4 : any;
}

/* RTM_GETLINK; 0 when the kernel doesn't say. */
static uint32_t get_gso_max(uint32_t index) {
    struct {
        struct nlmsghdr h;
        struct ifinfomsg ifi;
    } req = {
        .h = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .ifi = {.ifi_index = (int)index}};
    union {
        struct nlmsghdr h;
        uint8_t b[16384];
    } answer = {.h = {0}};
    uint32_t max = 0;

    int fd = sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return 0;
    if (sys_send(fd, &req, sizeof(req), 0) == (ssize_t)sizeof(req)) {
        ssize_t n = sys_recv(fd, &answer, sizeof(answer), 0);
        if (n > 0 && NLMSG_OK(&answer.h, (size_t)n) && answer.h.nlmsg_type == RTM_NEWLINK)
            max = find_gso_max(&answer.h);
    }
    sys_close(fd);
    return max;
}

int netif_get(const char *name, struct netif *out) {
    struct ifreq r;
    int err;

    if (strlen(name) >= IFNAMSIZ)
        return -ENODEV;
    int fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *out = (struct netif){0};
    if ((err = ask(fd, name, SIOCGIFINDEX, &r)) == 0) {
        out->index = (uint32_t)r.ifr_ifindex;
        if ((err = ask(fd, name, SIOCGIFFLAGS, &r)) == 0)
            out->up = (r.ifr_flags & IFF_UP) != 0;
    }
    if (err == 0 && (err = ask(fd, name, SIOCGIFMTU, &r)) == 0)
        out->mtu = (uint16_t)(r.ifr_mtu > UINT16_MAX ? UINT16_MAX : r.ifr_mtu);
    if (err == 0 && (err = ask(fd, name, SIOCGIFHWADDR, &r)) == 0) {
        out->ethernet = r.ifr_hwaddr.sa_family == ARPHRD_ETHER;
        memcpy(out->mac.b, r.ifr_hwaddr.sa_data, sizeof(out->mac.b));
    }
    sys_close(fd);
    if (err == 0)
        out->gso_max = get_gso_max(out->index);
    return err;
}

void netif_list(char *buf, size_t len) {
    struct if_nameindex *all = if_nameindex();
    size_t used = 0;

    snprintf(buf, len, "none");
    for (struct if_nameindex *i = all; i != NULL && i->if_index != 0 && used < len; i++)
        used += (size_t)snprintf(buf + used, len - used, "%s%s", used > 0 ? ", " : "", i->if_name);
    if (all != NULL)
        if_freenameindex(all);
}

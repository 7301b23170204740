/* Interface requests on a socket of ours. What belongs to the IP layer (addresses, masks) is the
 * stack's; what belongs to the link (index, flags) the kernel answers, which knows the interface,
 * too, except for the MAC address, where the stack has its own (D6). */
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shim/hook.h"

#define LOOPBACK_NAME "lo"

struct iface_addr {
    char name[IFNAMSIZ];
    uint32_t addr, mask; /* host order */
};

/* Address i of the host as interfaces have them: lo first. False past the last. */
static bool iface_addr(const struct config *cfg, int i, struct iface_addr *out) {
    memset(out, 0, sizeof(*out));
    if (i == 0) {
        memcpy(out->name, LOOPBACK_NAME, sizeof(LOOPBACK_NAME));
        out->addr = INADDR_LOOPBACK;
        out->mask = IN_CLASSA_NET;
        return true;
    }
    if (i > cfg->naddrs)
        return false;
    memcpy(out->name, cfg->ifname, sizeof(out->name));
    out->addr = addr_get_v4(&cfg->addr[i - 1].addr);
    int len = cfg->addr[i - 1].net.plen - ADDR_V4_PLEN;
    out->mask = len <= 0 ? 0 : ~0u << (32 - len);
    return true;
}

static bool iface_find(const struct config *cfg, const char *name, struct iface_addr *out) {
    for (int i = 0; iface_addr(cfg, i, out); i++)
        if (strncmp(name, out->name, IFNAMSIZ) == 0)
            return true;
    return false;
}

static void put_sin(struct sockaddr *sa, uint32_t host_order) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order)};
    memcpy(sa, &sin, sizeof(sin));
}

static int get_conf(const struct config *cfg, struct ifconf *ifc) {
    struct iface_addr ia;
    int len = 0;
    for (int i = 0; iface_addr(cfg, i, &ia); i++) {
        if (ifc->ifc_buf != NULL) { /* NULL: only asks for the length */
            if (len + (int)sizeof(struct ifreq) > ifc->ifc_len)
                break;
            struct ifreq r = {0};
            memcpy(r.ifr_name, ia.name, IFNAMSIZ);
            put_sin(&r.ifr_addr, ia.addr);
            memcpy(ifc->ifc_buf + len, &r, sizeof(r));
        }
        len += (int)sizeof(struct ifreq);
    }
    ifc->ifc_len = len;
    return 0;
}

static int get_hwaddr(int fd, const struct config *cfg, struct ifreq *r) {
    if (REAL(ioctl)(fd, SIOCGIFHWADDR, r) < 0)
        return -errno;
    if (cfg->has_mac && strncmp(r->ifr_name, cfg->ifname, IFNAMSIZ) == 0)
        memcpy(r->ifr_hwaddr.sa_data, cfg->mac.b, sizeof(cfg->mac.b));
    return 0;
}

static int get_mtu(int fd, const struct config *cfg, struct ifreq *r) {
    if (REAL(ioctl)(fd, SIOCGIFMTU, r) < 0)
        return -errno;
    if (cfg->mtu != 0 && strncmp(r->ifr_name, cfg->ifname, IFNAMSIZ) == 0)
        r->ifr_mtu = cfg->mtu;
    return 0;
}

int ioctl_iface(int fd, unsigned long req, void *arg) {
    struct host *h = host_get();
    if (h == NULL)
        return -errno;
    const struct config *cfg = &h->sh->cfg; /* does not change after the keeper made it */
    struct ifreq *r = arg;
    struct iface_addr ia;
    switch (req) {
    case SIOCGIFCONF:
        return get_conf(cfg, arg);
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK:
        if (!iface_find(cfg, r->ifr_name, &ia))
            return -ENODEV;
        put_sin(&r->ifr_addr, req == SIOCGIFNETMASK   ? ia.mask
                              : req == SIOCGIFBRDADDR ? ia.addr | ~ia.mask
                                                      : ia.addr);
        return 0;
    case SIOCGIFHWADDR:
        return get_hwaddr(fd, cfg, arg);
    case SIOCGIFMTU:
        return get_mtu(fd, cfg, arg);
    case SIOCGIFNAME:
    case SIOCGIFINDEX:
    case SIOCGIFFLAGS:
    case SIOCGIFMETRIC:
    case SIOCGIFTXQLEN:
        return REAL(ioctl)(fd, req, arg) < 0 ? -errno : 0;
    case SIOCSIFADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFBRDADDR:
    case SIOCSIFFLAGS:
    case SIOCSIFMTU:
    case SIOCSIFHWADDR:
    case SIOCADDRT:
    case SIOCDELRT:
        host_say_once("interfaces and routes of the stack are not changed by ioctl");
        return -EPERM;
    default:
        return -ENOTTY;
    }
}

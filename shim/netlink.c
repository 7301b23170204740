#include "shim/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/real.h"

#define REPLY_MAX (64u << 10)

struct query {
    struct nlmsghdr h;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
        struct rtmsg route;
    };
};

struct dump {
    /* One message; false: no more are wanted. */
    bool (*take)(struct dump *d, const struct nlmsghdr *h);
    void *out;
    int n, max, left;
};

/* Walks one datagram of the reply. 1: more will come; 0: done; -errno. */
static int take_datagram(struct dump *d, const void *buf, ssize_t len, uint16_t type) {
    size_t left = (size_t)len;
    for (const struct nlmsghdr *h = buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return 0;
        if (h->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
        if (h->nlmsg_type == type && d->n < d->max && !d->take(d, h))
            return 0;
    }
    return 1;
}

/* Sends q and hands every message of the reply to d->take. d NULL: only the verdict is wanted. */
static int transact(struct query *q, size_t body, struct dump *d, uint16_t reply_type) {
    int fd = REAL(socket)(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    /* Not on the stack: a thread's may be small. Not malloc: this may be a signal handler. */
    void *buf = mmap(NULL, REPLY_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct dump none = {0};
    int r;
    q->h.nlmsg_len = NLMSG_LENGTH(body);
    if (buf == MAP_FAILED)
        r = -ENOMEM;
    else if (REAL(sendto)(fd, q, q->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        r = -errno;
    else
        do {
            ssize_t n = REAL(recv)(fd, buf, REPLY_MAX, 0);
            r = n < 0 ? (errno == EINTR ? 1 : -errno)
                      : take_datagram(d != NULL ? d : &none, buf, n, reply_type);
        } while (r > 0);
    if (buf != MAP_FAILED)
        munmap(buf, REPLY_MAX);
    REAL(close)(fd);
    return r;
}

static void copy_text(char *to, size_t size, const struct rtattr *a) {
    size_t n = RTA_PAYLOAD(a);
    if (n > size - 1)
        n = size - 1;
    memcpy(to, RTA_DATA(a), n);
    to[n] = '\0';
}

static bool take_link(struct dump *d, const struct nlmsghdr *h) {
    const struct ifinfomsg *i = NLMSG_DATA(h);
    struct netif *out = (struct netif *)d->out + d->n;
    memset(out, 0, sizeof(*out));
    out->index = i->ifi_index;
    out->flags = i->ifi_flags;
    out->type = i->ifi_type;
    size_t left = IFLA_PAYLOAD(h);
    for (const struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFLA_IFNAME)
            copy_text(out->name, sizeof(out->name), a);
        else if (a->rta_type == IFLA_IFALIAS)
            copy_text(out->alias, sizeof(out->alias), a);
        else if (a->rta_type == IFLA_MTU && RTA_PAYLOAD(a) >= sizeof(out->mtu))
            memcpy(&out->mtu, RTA_DATA(a), sizeof(out->mtu));
        else if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == sizeof(out->mac))
            memcpy(&out->mac, RTA_DATA(a), sizeof(out->mac));
    }
    d->n++;
    return true;
}

static bool take_addr(struct dump *d, const struct nlmsghdr *h) {
    const struct ifaddrmsg *i = NLMSG_DATA(h);
    struct netif_addr *out = (struct netif_addr *)d->out + d->n;
    out->ifindex = (int)i->ifa_index;
    out->plen = i->ifa_prefixlen;
    bool have = false, local = false;
    size_t left = IFA_PAYLOAD(h);
    for (const struct rtattr *a = IFA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        /* On a point-to-point link IFA_ADDRESS is the peer's, IFA_LOCAL ours. */
        if ((a->rta_type != IFA_ADDRESS || local) && a->rta_type != IFA_LOCAL)
            continue;
        local = a->rta_type == IFA_LOCAL;
        if (i->ifa_family == AF_INET && RTA_PAYLOAD(a) == 4) {
            be32_t v4;
            memcpy(&v4, RTA_DATA(a), 4);
            out->addr = addr_from_be(v4);
            have = true;
        } else if (i->ifa_family == AF_INET6 && RTA_PAYLOAD(a) == 16) {
            memcpy(&out->addr, RTA_DATA(a), 16);
            have = true;
        }
    }
    if (have)
        d->n++;
    return true;
}

/* ---- routes ---- */

static uint32_t number_of(const struct rtattr *a, uint32_t max) {
    uint32_t v = 0;
    if (RTA_PAYLOAD(a) >= sizeof(v))
        memcpy(&v, RTA_DATA(a), sizeof(v));
    return v < max ? v : max;
}

static void take_metric(const struct rtattr *a, uint32_t locks, struct route_metrics *m) {
    bool locked = a->rta_type < 32 && (locks & 1u << a->rta_type) != 0;
    switch (a->rta_type) {
    case RTAX_MTU:
        m->mtu = (uint16_t)number_of(a, UINT16_MAX);
        m->mtu = m->mtu < ROUTE_MTU_LEAST ? ROUTE_MTU_LEAST : m->mtu;
        m->mtu_lock = locked;
        break;
    case RTAX_ADVMSS:
        m->advmss = (uint16_t)number_of(a, ROUTE_MSS_MOST);
        break;
    case RTAX_WINDOW:
        m->window = number_of(a, ROUTE_WINDOW_MOST);
        break;
    case RTAX_INITCWND:
        m->initcwnd = number_of(a, ROUTE_SEGS_MOST);
        break;
    case RTAX_INITRWND:
        m->initrwnd = number_of(a, ROUTE_SEGS_MOST);
        break;
    case RTAX_RTO_MIN: /* counts when locked only, as ip(8) does it by itself */
        m->rto_min_ms = locked ? number_of(a, ROUTE_RTO_MOST) : 0;
        break;
    case RTAX_QUICKACK:
        m->quickack = number_of(a, 1) != 0;
        break;
    case RTAX_FEATURES:
        m->ecn = (number_of(a, UINT32_MAX) & RTAX_FEATURE_ECN) != 0;
        break;
    case RTAX_CC_ALGO:
        copy_text(m->congctl, sizeof(m->congctl), a);
        m->congctl_lock = locked;
        break;
    default:
        break;
    }
}

static void take_metrics(const struct rtattr *nest, struct route_metrics *m) {
    uint32_t locks = 0;
    size_t left = RTA_PAYLOAD(nest);
    for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == RTAX_LOCK)
            locks = number_of(a, UINT32_MAX);
    left = RTA_PAYLOAD(nest);
    for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left))
        take_metric(a, locks, m);
}

static struct addr v4_of(const struct rtattr *a) {
    be32_t v4 = {0};
    if (RTA_PAYLOAD(a) == sizeof(v4))
        memcpy(&v4, RTA_DATA(a), sizeof(v4));
    return addr_from_be(v4);
}

static bool take_route(struct dump *d, const struct nlmsghdr *h) {
    const struct rtmsg *i = NLMSG_DATA(h);
    struct netif_route *out = (struct netif_route *)d->out + d->n;
    struct route *r = &out->route;
    if (i->rtm_family != AF_INET || i->rtm_type != RTN_UNICAST || i->rtm_table != RT_TABLE_MAIN ||
        i->rtm_protocol == RTPROT_KERNEL || i->rtm_tos != 0)
        return true;
    *out = (struct netif_route){.route = {.gateway = addr_v4(0), .src = addr_v4(0)}};
    r->dst = (struct prefix){addr_v4(0), (uint8_t)(ADDR_V4_PLEN + i->rtm_dst_len)};
    r->onlink = (i->rtm_flags & RTNH_F_ONLINK) != 0;
    size_t left = RTM_PAYLOAD(h);
    for (const struct rtattr *a = RTM_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == RTA_DST)
            r->dst.net = v4_of(a);
        else if (a->rta_type == RTA_GATEWAY)
            r->gateway = v4_of(a);
        else if (a->rta_type == RTA_PREFSRC)
            r->src = v4_of(a);
        else if (a->rta_type == RTA_OIF)
            out->ifindex = (int)number_of(a, INT32_MAX);
        else if (a->rta_type == RTA_METRICS)
            take_metrics(a, &r->metrics);
    }
    if (out->ifindex == 0) /* one of several ways has its interfaces elsewhere */
        return true;
    if (d->n + 1 < d->max) /* the last place is for looking at what has none */
        d->n++;
    else
        d->left++;
    return true;
}

int netlink_routes(struct netif_route *out, int max, int *left) {
    struct query q = {.h = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct dump d = {.take = take_route, .out = out, .max = max};
    q.route.rtm_family = AF_INET;
    int r = transact(&q, sizeof(q.route), &d, RTM_NEWROUTE);
    *left = d.left;
    return r < 0 ? r : d.n;
}

/* ---- the queries ---- */

int netlink_links(struct netif *out, int max) {
    struct query q = {.h = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct dump d = {.take = take_link, .out = out, .max = max};
    int r = transact(&q, sizeof(q.link), &d, RTM_NEWLINK);
    return r < 0 ? r : d.n;
}

int netlink_addrs(struct netif_addr *out, int max) {
    struct query q = {.h = {.nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct dump d = {.take = take_addr, .out = out, .max = max};
    int r = transact(&q, sizeof(q.addr), &d, RTM_NEWADDR);
    return r < 0 ? r : d.n;
}

int netlink_set_arp(int ifindex, bool on) {
    struct query q = {.h = {.nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    q.link.ifi_index = ifindex;
    q.link.ifi_change = IFF_NOARP;
    q.link.ifi_flags = on ? 0 : IFF_NOARP;
    return transact(&q, sizeof(q.link), NULL, 0);
}

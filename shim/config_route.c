#include "shim/config_route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/tcp/tcp.h"

#define ROUTE_TEXT_MAX 256

/* ---- of the configuration ---- */

static const char *add_route(struct config *cfg, const char *text) {
    if (cfg->nroutes == NET_CONF_ROUTES)
        return "too many routes (23 at most)";
    struct route *r = &cfg->route[cfg->nroutes];
    const char *why = route_parse(text, r);
    if (why != NULL)
        return why;
    const char *cc = r->metrics.congctl;
    if (cc[0] != '\0' && tcp_cc_find(cc, strlen(cc)) < 0)
        return "congctl: no such congestion control: cubic, reno, bbr or dctcp";
    cfg->nroutes++;
    return NULL;
}

const char *config_set_routes(struct config *cfg, const char *list) {
    char text[ROUTE_TEXT_MAX];
    memset(cfg->route, 0, sizeof(cfg->route)); /* all bytes: config_differs compares them */
    cfg->nroutes = 0;
    for (const char *s = list; *s != '\0';) {
        size_t n = strcspn(s, ",");
        if (n >= sizeof(text))
            return "too long a route: 255 bytes at most";
        memcpy(text, s, n);
        text[n] = '\0';
        const char *why = add_route(cfg, text);
        if (why != NULL)
            return why;
        s += n + (s[n] == ',');
    }
    return NULL;
}

/* ---- do they fit? ---- */

static bool is_ours(const struct config *cfg, const struct addr *a) {
    for (int i = 0; i < cfg->naddrs; i++)
        if (addr_eq(&cfg->addr[i].addr, a))
            return true;
    return false;
}

static bool is_within_reach(const struct config *cfg, const struct route *r) {
    if (addr_is_any(&r->gateway) || r->onlink)
        return true;
    for (int i = 0; i < cfg->naddrs; i++)
        if (prefix_contains(&cfg->addr[i].net, &r->gateway))
            return !is_ours(cfg, &r->gateway);
    return false;
}

int config_check_routes(const struct config *cfg, char *err, size_t errlen) {
    char text[ADDR_STRLEN];
    for (int i = 0; i < cfg->nroutes; i++) {
        const struct route *r = &cfg->route[i];
        if (!is_within_reach(cfg, r)) {
            snprintf(err, errlen,
                     "route via %s: that is in none of the host's networks, or the host itself: "
                     "name another gateway, or add onlink",
                     addr_format(&r->gateway, text));
            return -EINVAL;
        }
        if (!addr_is_any(&r->src) && !is_ours(cfg, &r->src)) {
            snprintf(err, errlen, "route with src %s: the host does not have that address",
                     addr_format(&r->src, text));
            return -EINVAL;
        }
    }
    return 0;
}

/* ---- of the namespace ---- */

static bool has_route(const struct config *cfg, const struct prefix *dst) {
    for (int i = 0; i < cfg->nroutes; i++)
        if (cfg->route[i].dst.plen == dst->plen && addr_eq(&cfg->route[i].dst.net, &dst->net))
            return true;
    return false;
}

/* The gateway that is configured is the default one; the namespace may tell more of the way to it.
 */
static bool contradicts_gateway(const struct config *cfg, const struct route *r) {
    return r->dst.plen == ADDR_V4_PLEN && !addr_is_any(&cfg->gateway) &&
           !addr_eq(&cfg->gateway, &r->gateway);
}

void config_adopt_routes(struct config *cfg, int ifindex, const struct netif_route *kernel, int n) {
    cfg->nadopted = cfg->routes_left = 0;
    for (int i = 0; i < n; i++) {
        struct route r = kernel[i].route;
        if (kernel[i].ifindex != ifindex || has_route(cfg, &r.dst) ||
            contradicts_gateway(cfg, &r) || !is_within_reach(cfg, &r))
            continue;
        if (cfg->nroutes + cfg->nadopted == NET_CONF_ROUTES) {
            cfg->routes_left++;
            continue;
        }
        if (!is_ours(cfg, &r.src))
            r.src = addr_v4(0); /* net_init chooses */
        cfg->adopted[cfg->nadopted++] = r;
    }
}

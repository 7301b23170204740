/* The host's routes: those of its configuration, and those of its namespace that our stack can take
 * as well. */
#ifndef SHIM_CONFIG_ROUTE_H
#define SHIM_CONFIG_ROUTE_H

#include "shim/config.h"

/* A list in the words of route_parse, with commas between. NULL, or what is wrong (static text). */
const char *config_set_routes(struct config *cfg, const char *list);
/* Do they fit the host's addresses? 0 or -EINVAL and err. */
int config_check_routes(const struct config *cfg, char *err, size_t errlen);
/* Takes over what the kernel routes by interface `ifindex`: not what the configuration has a route
 * for, nor a way by a gateway that is in none of our networks (the kernel may have addresses of its
 * own there). What is beyond NET_CONF_ROUTES is left, and counted in cfg->routes_left. */
void config_adopt_routes(struct config *cfg, int ifindex, const struct netif_route *kernel, int n);

#endif

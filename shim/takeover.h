/* Take-over: the kernel holds the very address that the stack uses. Both would answer ARP; so the
 * kernel's ARP on the interface is switched off (IFF_NOARP) while the stack runs. */
#ifndef SHIM_TAKEOVER_H
#define SHIM_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/config.h"

/* Before the stack starts. *taken: ARP was on, or a keeper that was killed had switched it off: it
 * is to be restored. `wanted` false: only repairs what such a keeper has left. 0, or -errno and
 * err. */
int takeover_begin(const char *ifname, uint32_t ifindex, bool wanted, bool *taken, char *err,
                   size_t errlen);
/* Restores, and tells the neighbours that the addresses of cfg are the kernel's again. */
void takeover_end(const struct config *cfg, uint32_t ifindex);

#endif

/* Where the stack's knobs come from (stack/tcp/sysctl.h): the namespace's /proc/sys, as far as it
 * can be read, then what --sysctl says. */
#ifndef SHIM_SYSCTL_H
#define SHIM_SYSCTL_H

#include "shim/config.h"
#include "stack/tcp/tcp.h"

/* Fills in what /proc/sys/net of this namespace says. What the stack cannot do (a congestion
 * control that it does not have) stays as it was: returns the first such name; NULL: none. */
const char *sysctl_from_proc(struct tcp_config *tcp);
/* Checks and applies a list "net.ipv4.tcp_sack=0,net.ipv4.tcp_rmem=4096/131072/6291456". NULL, or
 * what is wrong with it; then nothing has changed. */
const char *sysctl_from_list(struct tcp_config *tcp, const char *list);
/* All of it, for a host: the defaults, /proc/sys, the configuration. Returns as sysctl_from_proc,
 * unless the configuration names it. */
const char *sysctl_load(struct tcp_config *tcp, const struct config *cfg);

#endif

/* The knobs of the stack, by the names that they have in Linux (ip-sysctl): text → struct
 * tcp_config and back. Who reads the text, and where from, is the shim's affair (shim/sysctl.c). */
#ifndef STACK_TCP_SYSCTL_H
#define STACK_TCP_SYSCTL_H

#include <stddef.h>

#include "stack/tcp/tcp.h"

#define SYSCTL_TEXT PORTS_TEXT /* bytes of the longest value */

/* Name i, such as "net.ipv4.tcp_sack"; NULL past the last. *what: its meaning here. */
const char *sysctl_name(unsigned i, const char **what);
/* Sets one. 0; or nothing has changed: -ENOENT (no such name), -EINVAL (no such value), -E2BIG
 * (more than the stack can keep). A triple such as tcp_rmem's is separated by blanks or slashes. */
int sysctl_set(struct tcp_config *cfg, const char *name, const char *value);
/* The value as /proc/sys shows it, into text[SYSCTL_TEXT]. 0 or -ENOENT. */
int sysctl_get(const struct tcp_config *cfg, const char *name, char *text);

#endif

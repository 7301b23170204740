/* Descriptors: which of this process's numbers are sockets of ours. A flat table indexed by the
 * number, process-private, grown by nobody (reserved at the hard limit, untouched pages cost
 * nothing). An unknown number is looked at once: fstat tells a socket, its inode tells which (D4):
 * so inherited descriptors, those after exec and those from SCM_RIGHTS, are found. */
#ifndef SHIM_FDTAB_H
#define SHIM_FDTAB_H

#include <stdbool.h>

#include "shim/host.h"

enum fd_kind { FD_UNKNOWN, FD_KERNEL, FD_SOCK, FD_EPOLL };

/* The hot path: the sock behind fd, or NULL: not ours, let the kernel have it. */
struct sock *fd_sock(int fd);

#endif

/* Starting a keeper: libshim.so itself, executed, as a process that belongs to nobody. */
#ifndef SHIM_LAUNCH_H
#define SHIM_LAUNCH_H

#include <stddef.h>

/* Where the new keeper finds what it is given. */
#define LAUNCH_STATUS_FD 3 /* it says "ready IF" or one line that begins with '!' and a reason */
#define LAUNCH_MEMFD     4 /* when it is to succeed a dead one */
#define LAUNCH_PACKET_FD 5

/* Starts it and waits until it serves. memfd and packet_fd: -1, or those of the host that it is to
 * take on. ifname gets the interface. 0, or -errno and err. */
int launch_keeper(int memfd, int packet_fd, char ifname[16], char *err, size_t errlen);

#endif

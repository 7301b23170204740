/* Bells: abstract datagram sockets on which a sleeping thread, or the keeper, is woken. The names
 * live in the network namespace, so any process of the host rings with nothing but a number. */
#ifndef SHIM_BELL_H
#define SHIM_BELL_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "shim/host.h"

#define BELL_KEEPER 1u

/* "\0shimstack/IF", "\0shimstack/IF/bell/N". Returns the address's length. */
socklen_t bell_control_name(const char *ifname, struct sockaddr_un *sa);
socklen_t bell_name(const char *ifname, uint32_t bell, struct sockaddr_un *sa);
/* The socket behind a bell, non-blocking, close-on-exec; or -errno. */
int bell_open(const char *ifname, uint32_t bell);
/* A socket to ring with: bound to a name of its own, by which others see in /proc/net/unix that
 * the host lives, even while it has no keeper. */
int bell_open_ringer(const char *ifname, int32_t pid);
/* Takes the rings off that have come. */
void bell_drain(int fd);
/* True if somebody heard it (or has not heard the last one yet). */
bool bell_ring(const struct host *h, uint32_t bell);

#endif

/* getaddrinfo. Names are resolved by the C library (and its resolver's own sockets go to the
 * kernel, which has no route); but what it answers must fit the host that the program sees: one
 * with IPv4 and without IPv6, whatever the kernel's interfaces have. So
 * - IPv6 addresses are not given out. (ncat listens on every address that it is given, and ends
 * when one of them can't be had.)
 * - AI_ADDRCONFIG, which leaves out families that no interface of the kernel has, is not passed on:
 *   the kernel often has no IPv4 address where the stack has. */
#include <netdb.h>

#include "shim/hook.h"

HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                     struct addrinfo **res) {
    struct addrinfo h = {0};
    if (hints != NULL)
        h = *hints;
    if (h.ai_family == AF_INET6)
        return EAI_FAMILY;
    if (h.ai_family == AF_UNSPEC)
        h.ai_family = AF_INET;
    h.ai_flags &= ~AI_ADDRCONFIG;
    return REAL(getaddrinfo)(node, service, &h, res);
}

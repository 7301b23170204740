/* getsockopt and setsockopt. All but two options are the stack's affair: names of interfaces and
 * the cookie of the namespace are the kernel's. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shim/hook.h"

/* SO_BINDTODEVICE to what is no interface fails; to one that is, the stack notes it. */
static bool no_such_device(int fd, const void *val, socklen_t len) {
    struct ifreq r = {0};
    size_t n = val != NULL ? strnlen(val, len < IFNAMSIZ - 1 ? len : IFNAMSIZ - 1) : 0;
    if (n == 0)
        return false; /* unbind */
    memcpy(r.ifr_name, val, n);
    return REAL(ioctl)(fd, SIOCGIFINDEX, &r) < 0;
}

HOOK int getsockopt(int fd, int level, int name, void *val, socklen_t *len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(getsockopt)(fd, level, name, val, len);
    if (level == SOL_SOCKET && name == SO_NETNS_COOKIE)
        return REAL(getsockopt)(fd, level, name, val, len);
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = sock_getopt(h->st, so, level, name, val, len);
    host_leave(h);
    return (int)hook_ret(r);
}

HOOK int setsockopt(int fd, int level, int name, const void *val, socklen_t len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(setsockopt)(fd, level, name, val, len);
    if (level == SOL_SOCKET && name == SO_BINDTODEVICE && no_such_device(fd, val, len))
        return (int)hook_ret(-ENODEV);
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = sock_setopt(h->st, so, level, name, val, len);
    host_leave(h);
    return (int)hook_ret(r);
}

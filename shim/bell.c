#include "shim/bell.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shim/real.h"
#include "shim/wait.h"

static socklen_t name(struct sockaddr_un *sa, int len) {
    sa->sun_family = AF_UNIX;
    sa->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

socklen_t bell_control_name(const char *ifname, struct sockaddr_un *sa) {
    return name(sa, snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "shimstack/%s", ifname));
}

/* By hand, not by snprintf: wait_ring is called in signal handlers. */
socklen_t bell_name(const char *ifname, uint32_t bell, struct sockaddr_un *sa) {
    char *p = sa->sun_path + 1, digits[10];
    size_t n = strlen(ifname);
    int d = 0;
    memcpy(p, "shimstack/", 10);
    memcpy(p + 10, ifname, n);
    p += 10 + n;
    memcpy(p, "/bell/", 6);
    p += 6;
    do
        digits[d++] = (char)('0' + bell % 10);
    while ((bell /= 10) != 0);
    while (d > 0)
        *p++ = digits[--d];
    return name(sa, (int)(p - (sa->sun_path + 1)));
}

static int open_bound(const struct sockaddr_un *sa, socklen_t len) {
    int fd = REAL(socket)(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && REAL(bind)(fd, (const struct sockaddr *)sa, len) < 0) {
        int e = errno;
        REAL(close)(fd);
        return -e;
    }
    return fd >= 0 ? fd : -errno;
}

int bell_open(const char *ifname, uint32_t bell) {
    struct sockaddr_un sa;
    return open_bound(&sa, bell_name(ifname, bell, &sa));
}

int bell_open_ringer(const char *ifname, int32_t pid) {
    struct sockaddr_un sa;
    int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "shimstack/%s/pid/%d", ifname, pid);
    int fd = open_bound(&sa, name(&sa, n));
    if (fd ==
        -EADDRINUSE) /* the image before exec has not quite gone, or a child has our old pid's */
        fd = REAL(socket)(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd;
}

void bell_drain(int fd) {
    char c;
    while (REAL(recv)(fd, &c, sizeof(c), MSG_DONTWAIT) >= 0)
        ;
}

bool bell_ring(const struct host *h, uint32_t bell) {
    struct sockaddr_un sa;
    int saved = errno;
    socklen_t len = bell_name(h->sh->cfg.ifname, bell, &sa);
    ssize_t r =
        REAL(sendto)(h->bell_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
    bool heard = r >= 0 || errno == EAGAIN;
    errno = saved;
    return heard;
}

void wait_ring(struct host *h, uint32_t bell) {
    (void)bell_ring(h, bell);
}

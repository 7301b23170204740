/* What lies in the error queue of the current socket. */
#ifndef TESTS_TCP_REPORT_H
#define TESTS_TCP_REPORT_H

#include <string.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "tests/tcp/script.h"

struct report {
    struct sock_extended_err ee;
    bool has_time;
    struct timespec at;
};

/* recvmsg(MSG_ERRQUEUE): false, there is nothing. */
static inline bool next_report(struct report *r) {
    _Alignas(struct cmsghdr) char control[256];
    struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n = sock_recv(t_stack(), t_sock(), &msg, MSG_ERRQUEUE);
    memset(r, 0, sizeof(*r));
    if (n == -EAGAIN)
        return false;
    cr_assert_eq(n, 0);
    cr_assert(msg.msg_flags & MSG_ERRQUEUE);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
            r->has_time = true;
            memcpy(&r->at, CMSG_DATA(c), sizeof(r->at));
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
            memcpy(&r->ee, CMSG_DATA(c), sizeof(r->ee));
        }
    }
    return true;
}

#endif

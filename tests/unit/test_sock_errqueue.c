/* stack/sock/errqueue.c, cmsg.c, stack/net/errq.c: the error queue and times, over UDP. (Of TCP:
 * tests/tcp/tcp_errqueue.c.) */
#include <poll.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "tests/unit/sock_world.h"

static struct world w;
static void setup(void) {
    world_init(&w);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_errqueue, .init = setup, .fini = teardown);

#define A (&w.h[0])
#define B (&w.h[1])

struct got {
    ssize_t n;
    char data[64];
    struct sockaddr_in from;
    int flags;
    struct sock_extended_err ee;
    struct sockaddr_in offender;
    struct timespec ts;
    bool has_ee, has_ts;
};

static struct got recv_with(struct host *h, struct sock *so, int flags) {
    struct got g = {0};
    _Alignas(struct cmsghdr) char control[256];
    struct iovec iov = {g.data, sizeof(g.data)};
    struct msghdr msg = {.msg_name = &g.from,
                         .msg_namelen = sizeof(g.from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    g.n = sock_recv(h->st, so, &msg, flags);
    g.flags = msg.msg_flags;
    if (g.n < 0)
        return g;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
            g.has_ee = true;
            memcpy(&g.ee, CMSG_DATA(c), sizeof(g.ee));
            memcpy(&g.offender, CMSG_DATA(c) + sizeof(g.ee), sizeof(g.offender));
        } else if (c->cmsg_level == SOL_SOCKET) {
            g.has_ts = true;
            memcpy(&g.ts, CMSG_DATA(c), sizeof(g.ts));
        }
    }
    return g;
}

Test(sock_errqueue, ip_recverr_tells_an_unconnected_socket_who_refused_what) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    cr_assert_eq(setint(A, u, IPPROTO_IP, IP_RECVERR, 1), 0);
    cr_assert_eq(xsendto(A, u, "hello", 5, "10.0.0.2", 7777), 5);
    settle(&w);
    cr_assert(sock_ready(A->st, u) & POLLERR);
    struct got g = recv_with(A, u, MSG_ERRQUEUE);
    cr_assert_eq(g.n, 5);
    cr_assert_eq(memcmp(g.data, "hello", 5), 0);
    cr_assert(g.flags & MSG_ERRQUEUE);
    cr_assert(g.has_ee && g.ee.ee_errno == ECONNREFUSED && g.ee.ee_origin == SO_EE_ORIGIN_ICMP);
    cr_assert(g.ee.ee_type == 3 && g.ee.ee_code == 3);
    cr_assert_eq(g.from.sin_port, htons(7777), "whom the datagram was for");
    cr_assert_eq(g.offender.sin_addr.s_addr, inet_addr("10.0.0.2"));
    cr_assert_eq(recv_with(A, u, MSG_ERRQUEUE).n, -EAGAIN);
    cr_assert_eq(getint(A, u, SOL_SOCKET, SO_ERROR), 0, "it went with its message");
}

Test(sock_errqueue, turning_ip_recverr_off_empties_the_queue) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    cr_assert_eq(setint(A, u, IPPROTO_IP, IP_RECVERR, 1), 0);
    cr_assert_eq(xsendto(A, u, "hello", 5, "10.0.0.2", 7777), 5);
    settle(&w);
    cr_assert_eq(setint(A, u, IPPROTO_IP, IP_RECVERR, 0), 0);
    cr_assert_eq(recv_with(A, u, MSG_ERRQUEUE).n, -EAGAIN);
}

Test(sock_errqueue, a_datagrams_time_is_that_of_its_arrival_on_the_wall_clock) {
    struct sock *a = xopen(A, SOCK_DGRAM), *b = xopen(B, SOCK_DGRAM);
    cr_assert_eq(xbind(B, b, "10.0.0.2", 7000), 0);
    cr_assert_eq(setint(B, b, SOL_SOCKET, SO_TIMESTAMPNS, 1), 0);
    cr_assert_eq(xsendto(A, a, "x", 1, "10.0.0.2", 7000), 1);
    settle(&w);
    uint64_t sent_ns = w.now_ns;
    world_run(&w, 500 * MS);
    stack_set_wall(B->st, w.now_ns + 1000000 * S, w.now_ns);
    struct got g = recv_with(B, b, 0);
    cr_assert(g.n == 1 && g.has_ts);
    int64_t at = (int64_t)g.ts.tv_sec * (int64_t)S + g.ts.tv_nsec - (int64_t)(1000000 * S);
    cr_assert(at <= (int64_t)sent_ns && at > (int64_t)(sent_ns - 20 * MS));
}

Test(sock_errqueue, datagrams_sent_are_numbered_and_timed) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;
    cr_assert_eq(setint(A, u, SOL_SOCKET, SO_TIMESTAMPING, flags), 0);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(xsendto(A, u, "x", 1, "10.0.0.2", 7000), 1);
        struct got g = recv_with(A, u, MSG_ERRQUEUE);
        cr_assert(g.n == 0 && g.has_ts && g.has_ee && g.ee.ee_info == SCM_TSTAMP_SND);
        cr_assert_eq(g.ee.ee_data, i);
    }
}

Test(sock_errqueue, control_messages_are_cut_to_the_room_for_them) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    char control[CMSG_LEN(4)], data[8];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    cr_assert_eq(setint(A, u, IPPROTO_IP, IP_RECVERR, 1), 0);
    cr_assert_eq(xsendto(A, u, "hello", 5, "10.0.0.2", 7777), 5);
    settle(&w);
    cr_assert_eq(sock_recv(A->st, u, &msg, MSG_ERRQUEUE), 5);
    cr_assert(msg.msg_flags & MSG_CTRUNC);
    cr_assert_eq(msg.msg_controllen, sizeof(control));
}

Test(sock_errqueue, messages_survive_a_repair) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    cr_assert_eq(setint(A, u, IPPROTO_IP, IP_RECVERR, 1), 0);
    for (int i = 0; i < 3; i++) {
        char c = (char)('a' + i);
        cr_assert_eq(xsendto(A, u, &c, 1, "10.0.0.2", (uint16_t)(7777 + i)), 1);
        settle(&w);
        cr_assert_eq(getint(A, u, SOL_SOCKET, SO_ERROR),
                     ECONNREFUSED); /* else the next send says it */
    }
    stack_repair(A->st, w.now_ns);
    for (int i = 0; i < 3; i++) {
        struct got g = recv_with(A, u, MSG_ERRQUEUE);
        cr_assert_eq(g.n, 1, "message %d: %zd", i, g.n);
        cr_assert_eq(g.data[0], 'a' + i);
    }
}

Test(sock_errqueue, sendmsg_refuses_what_it_does_not_know) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4)] = {0};
    struct sockaddr_in to = ip("10.0.0.2", 7000);
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = 9999};
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EINVAL);
    c->cmsg_level = 9999; /* another layer's */
    cr_assert_eq(sock_send(A->st, u, &msg, 0), 1);
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_TIMESTAMPING};
    uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;
    memcpy(CMSG_DATA(c), &flags, sizeof(flags));
    cr_assert_eq(sock_send(A->st, u, &msg, 0), 1);
    struct got g = recv_with(A, u, MSG_ERRQUEUE);
    cr_assert(g.has_ee && g.ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING, "asked for by the call");
    flags = SOF_TIMESTAMPING_OPT_ID; /* no call can ask for that */
    memcpy(CMSG_DATA(c), &flags, sizeof(flags));
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EINVAL);
}

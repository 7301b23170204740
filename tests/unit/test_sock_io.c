/* stack/sock/io.c: send and recv. */
#include "tests/unit/sock_world.h"

static struct world w;

static void setup(void) {
    world_init(&w);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_io, .init = setup, .fini = teardown);

#define A (&w.h[0])
#define B (&w.h[1])

/* ---- streams ---- */

Test(sock_io, stream_not_connected) {
    struct sock *so = xopen(A, SOCK_STREAM);
    char b;
    cr_assert_eq(xsend(A, so, "x", 1), -EPIPE);
    cr_assert_eq(xrecv(A, so, &b, 1, 0), -ENOTCONN);
    struct sock *l = xlisten(A, "0.0.0.0", 5000);
    cr_assert_eq(xsend(A, l, "x", 1), -EPIPE);
    cr_assert_eq(xrecv(A, l, &b, 1, 0), -ENOTCONN);
}

Test(sock_io, stream_echo_peek_trunc) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    char b[16];
    cr_assert_eq(xrecv(B, p.s, b, 16, 0), -EAGAIN);
    cr_assert_eq(xsend(A, p.c, "hello world", 11), 11);
    settle(&w);
    cr_assert_eq(xrecv(B, p.s, b, 5, MSG_PEEK), 5);
    cr_assert_eq(memcmp(b, "hello", 5), 0);
    cr_assert_eq(xrecv(B, p.s, b, 16, MSG_PEEK | MSG_TRUNC), 11);
    cr_assert_eq(xrecv(B, p.s, b, 6, MSG_TRUNC), 6, "thrown away");
    cr_assert_eq(xrecv(B, p.s, b, 16, 0), 5);
    cr_assert_eq(memcmp(b, "world", 5), 0);
    cr_assert_eq(xrecv(B, p.s, b, 16, MSG_TRUNC), -EAGAIN);
}

Test(sock_io, stream_flags) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    char b[4];
    struct sockaddr_in in;
    struct iovec iov = {b, sizeof(b)};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &in, .msg_namelen = sizeof(in)};
    cr_assert_eq(xrecv(B, p.s, b, 4, MSG_OOB), -EINVAL);
    cr_assert_eq(xrecv(B, p.s, b, 4, MSG_ERRQUEUE), -EAGAIN);
    cr_assert_eq(sock_send(A->st, p.c, &msg, MSG_OOB), 4);
    cr_assert_eq(sock_send(A->st, p.c, &msg, 0), 4, "a name is ignored");
    settle(&w);
    msg.msg_flags = 0x7fffffff;
    cr_assert_eq(sock_recv(B->st, p.s, &msg, 0), 3, "a read ends before the urgent byte");
    cr_assert_eq(msg.msg_namelen, 0);
    cr_assert_eq(msg.msg_flags, 0);
    msg.msg_iovlen = 1025;
    cr_assert_eq(sock_send(A->st, p.c, &msg, 0), -EMSGSIZE);
}

Test(sock_io, stream_vector_and_full_buffer) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct iovec iov[3] = {{"a", 1}, {"", 0}, {"bc", 2}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};
    cr_assert_eq(sock_send(A->st, p.c, &msg, 0), 3);
    static char big[1 << 16], back[1 << 16];
    ssize_t n, sent = 0, got = 0;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    while ((n = xsend(A, p.c, big + sent % (ssize_t)sizeof(big),
                      sizeof(big) - (size_t)sent % sizeof(big))) > 0) {
        sent += n;
        settle(&w);
        cr_assert_lt(sent, 64 << 20, "a send buffer has an end");
    }
    cr_assert_eq(sock_ready(A->st, p.c) & POLLOUT, 0);
    char three[3];
    settle(&w);
    cr_assert_eq(xrecv(B, p.s, three, 3, 0), 3);
    cr_assert_eq(memcmp(three, "abc", 3), 0);
    for (int i = 0; i < 100000 && got < sent; i++) {
        n = xrecv(B, p.s, back, sizeof(back), 0);
        if (n == -EAGAIN) {
            world_run(&w, 50 * MS);
            continue;
        }
        cr_assert_gt(n, 0);
        for (ssize_t k = 0; k < n; k++)
            cr_assert_eq(back[k], big[(got + k) % (ssize_t)sizeof(big)]);
        got += n;
    }
    cr_assert_eq(got, sent);
    cr_assert(sock_ready(A->st, p.c) & POLLOUT);
}

/* ---- datagrams ---- */

Test(sock_io, dgram_errnos) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    char b[4];
    struct iovec iov = {b, 4};
    struct sockaddr_in in = ip("10.0.0.2", 0);
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &in, .msg_namelen = 16};
    cr_assert_eq(xsend(A, u, "x", 1), -EDESTADDRREQ);
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EINVAL, "port 0");
    in.sin_port = htons(53);
    msg.msg_namelen = 8;
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EINVAL);
    msg.msg_namelen = 16;
    in.sin_family = AF_INET6;
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EAFNOSUPPORT);
    in.sin_family = AF_INET;
    cr_assert_eq(sock_send(A->st, u, &msg, MSG_OOB), -EOPNOTSUPP);
    iov.iov_len = 65508;
    iov.iov_base = calloc(1, 65508);
    cr_assert_eq(sock_send(A->st, u, &msg, 0), -EMSGSIZE);
    free(iov.iov_base);
    cr_assert_eq(xsendto(A, u, "x", 1, "10.0.0.255", 53), -EACCES);
    cr_assert_eq(setint(A, u, SOL_SOCKET, SO_BROADCAST, 1), 0);
    cr_assert_eq(xsendto(A, u, "x", 1, "10.0.0.255", 53), 1);
    cr_assert_eq(xrecv(A, u, b, 4, 0), -EAGAIN);
    cr_assert_eq(xrecv(A, u, b, 4, MSG_OOB), -EOPNOTSUPP);
}

Test(sock_io, dgram_exchange_with_names_and_truncation) {
    struct sock *c = xopen(A, SOCK_DGRAM), *s = xopen(B, SOCK_DGRAM);
    cr_assert_eq(xbind(B, s, "0.0.0.0", 53), 0);
    cr_assert_eq(xsendto(A, c, "question", 8, "10.0.0.2", 53), 8);
    cr_assert_eq(xsendto(A, c, "", 0, "10.0.0.2", 53), 0);
    settle(&w);
    cr_assert_eq(sock_ready(B->st, s) & POLLIN, POLLIN);
    char b[4];
    struct sockaddr_in from;
    struct iovec iov = {b, 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = 16};
    cr_assert_eq(sock_recv(B->st, s, &msg, MSG_PEEK | MSG_TRUNC), 8, "its real length");
    cr_assert_eq(sock_recv(B->st, s, &msg, 0), 4);
    cr_assert_eq(msg.msg_flags, MSG_TRUNC);
    cr_assert_eq(memcmp(b, "ques", 4), 0);
    cr_assert_eq(msg.msg_namelen, sizeof(from));
    cr_assert_eq(from.sin_addr.s_addr, inet_addr("10.0.0.1"));
    cr_assert_eq(ntohs(from.sin_port), local_port(A, c));
    cr_assert_eq(sock_recv(B->st, s, &msg, 0), 0, "an empty datagram");
    cr_assert_eq(msg.msg_flags, 0);
    cr_assert_eq(sock_recv(B->st, s, &msg, 0), -EAGAIN);
}

Test(sock_io, dgram_to_any_is_this_host) {
    struct sock *c = xopen(A, SOCK_DGRAM), *s = xopen(A, SOCK_DGRAM);
    char b[4];
    cr_assert_eq(xbind(A, s, "127.0.0.1", 53), 0);
    cr_assert_eq(xsendto(A, c, "ab", 2, "0.0.0.0", 53), 2);
    settle(&w);
    cr_assert_eq(xrecv(A, s, b, 4, 0), 2);
}

Test(sock_io, dgram_refused_by_icmp) {
    struct sock *c = xopen(A, SOCK_DGRAM);
    cr_assert_eq(xconnect(A, c, "10.0.0.2", 53), 0);
    cr_assert_eq(xsend(A, c, "x", 1), 1);
    settle(&w);
    cr_assert(sock_ready(A->st, c) & POLLERR);
    char b;
    cr_assert_eq(xrecv(A, c, &b, 1, 0), -ECONNREFUSED);
    cr_assert_eq(xrecv(A, c, &b, 1, 0), -EAGAIN);
}

Test(sock_io, dgram_shutdown) {
    struct sock *c = xopen(A, SOCK_DGRAM);
    char b;
    cr_assert_eq(xconnect(A, c, "10.0.0.2", 53), 0);
    cr_assert_eq(sock_shutdown(A->st, c, SHUT_RDWR), 0);
    cr_assert_eq(xsend(A, c, "x", 1), -EPIPE);
    cr_assert_eq(xrecv(A, c, &b, 1, 0), 0);
    cr_assert_eq(sock_ready(A->st, c) & POLLHUP, POLLHUP);
}

/* ---- control messages ---- */

union cmsg_buf {
    struct cmsghdr align;
    char b[256];
};

Test(sock_io, cmsg_received) {
    struct sock *c = xopen(A, SOCK_DGRAM), *s = xopen(B, SOCK_DGRAM);
    xbind(B, s, "0.0.0.0", 53);
    setint(B, s, IPPROTO_IP, IP_PKTINFO, 1);
    setint(B, s, IPPROTO_IP, IP_RECVTTL, 1);
    setint(B, s, IPPROTO_IP, IP_RECVTOS, 1);
    setint(A, c, IPPROTO_IP, IP_TTL, 7);
    setint(A, c, IPPROTO_IP, IP_TOS, 0x20);
    xsendto(A, c, "x", 1, "10.0.0.2", 53);
    xsendto(A, c, "y", 1, "10.0.0.2", 53);
    settle(&w);
    union cmsg_buf ctl;
    char b;
    struct iovec iov = {&b, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.b, .msg_controllen = sizeof(ctl)};
    cr_assert_eq(sock_recv(B->st, s, &msg, 0), 1);
    int ttl = 0, tos = 0;
    struct in_pktinfo pi = {0};
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h != NULL; h = CMSG_NXTHDR(&msg, h)) {
        cr_assert_eq(h->cmsg_level, IPPROTO_IP);
        if (h->cmsg_type == IP_TTL)
            memcpy(&ttl, CMSG_DATA(h), sizeof(ttl));
        if (h->cmsg_type == IP_TOS)
            tos = *CMSG_DATA(h);
        if (h->cmsg_type == IP_PKTINFO)
            memcpy(&pi, CMSG_DATA(h), sizeof(pi));
    }
    cr_assert_eq(ttl, 7);
    cr_assert_eq(tos, 0x20);
    cr_assert_eq(pi.ipi_addr.s_addr, inet_addr("10.0.0.2"));
    cr_assert_eq(msg.msg_flags, 0);
    /* Room for the first only. */
    msg.msg_controllen = CMSG_SPACE(sizeof(pi));
    cr_assert_eq(sock_recv(B->st, s, &msg, 0), 1);
    cr_assert_eq(msg.msg_flags, MSG_CTRUNC);
    cr_assert_eq(msg.msg_controllen, CMSG_SPACE(sizeof(pi)));
}

Test(sock_io, cmsg_sent) {
    struct sock *c = xopen(A, SOCK_DGRAM), *s = xopen(B, SOCK_DGRAM);
    xbind(B, s, "0.0.0.0", 53);
    setint(B, s, IPPROTO_IP, IP_RECVTTL, 1);
    union cmsg_buf ctl, in;
    memset(&ctl, 0, sizeof(ctl));
    struct sockaddr_in to = ip("10.0.0.2", 53);
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_control = ctl.b,
                         .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    int v = 9;
    h->cmsg_level = IPPROTO_IP;
    h->cmsg_type = IP_TTL;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &v, sizeof(v));
    cr_assert_eq(sock_send(A->st, c, &msg, 0), 1);
    settle(&w);
    char b;
    struct iovec riov = {&b, 1};
    struct msghdr r = {
        .msg_iov = &riov, .msg_iovlen = 1, .msg_control = in.b, .msg_controllen = sizeof(in)};
    cr_assert_eq(sock_recv(B->st, s, &r, 0), 1);
    h = CMSG_FIRSTHDR(&r);
    cr_assert_not_null(h);
    memcpy(&v, CMSG_DATA(h), sizeof(v));
    cr_assert_eq(v, 9);
    cr_assert_eq(getint(A, c, IPPROTO_IP, IP_TTL), 64, "for that datagram only");
    h = CMSG_FIRSTHDR(&msg);
    h->cmsg_type = 9999;
    cr_assert_eq(sock_send(A->st, c, &msg, 0), -EINVAL);
    h->cmsg_type = IP_TTL;
    h->cmsg_len = 3;
    cr_assert_eq(sock_send(A->st, c, &msg, 0), -EINVAL);
    h->cmsg_len = 4096;
    cr_assert_eq(sock_send(A->st, c, &msg, 0), -EINVAL);
}

/* The error queue, control messages of what is received, records. */
#include "calls.h"

#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

struct report {
    struct sock_extended_err ee;
    struct timespec ts;
    bool has_ts;
};

/* One message of the error queue, or false within 2 s. */
static bool next_report(int fd, struct report *r) {
    _Alignas(struct cmsghdr) char control[512];
    char data[256];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct pollfd p = {.fd = fd};
    memset(r, 0, sizeof(*r));
    if (poll(&p, 1, 2000) != 1 || !(p.revents & POLLERR))
        return false;
    CHECK(recvmsg(fd, &msg, MSG_ERRQUEUE) >= 0);
    CHECK(msg.msg_flags & MSG_ERRQUEUE);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            memcpy(&r->ts, CMSG_DATA(c), sizeof(r->ts));
            r->has_ts = true;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
            memcpy(&r->ee, CMSG_DATA(c), sizeof(r->ee));
        }
    }
    return true;
}

static double seconds_ago(const struct timespec *ts) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - ts->tv_sec) + (double)(now.tv_nsec - ts->tv_nsec) / 1e9;
}

void test_zerocopy(void) {
    int fd[2], one = 1, two = 2;
    char buf[1000];
    struct report r;
    tcp_pair(fd);
    CHECK_ERR(setsockopt(fd[0], SOL_SOCKET, SO_ZEROCOPY, &two, sizeof(two)), EINVAL);
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(send(fd[0], buf, sizeof(buf), MSG_ZEROCOPY) == sizeof(buf));
        CHECK(read_full(fd[1], buf, sizeof(buf)) == sizeof(buf));
        CHECK(next_report(fd[0], &r));
        CHECK(r.ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY && r.ee.ee_errno == 0);
        CHECK(r.ee.ee_code == SO_EE_CODE_ZEROCOPY_COPIED);
        CHECK(r.ee.ee_info == i && r.ee.ee_data == i);
    }
    struct msghdr msg = {.msg_flags = 77, .msg_controllen = 5};
    CHECK_ERR(recvmsg(fd[0], &msg, MSG_ERRQUEUE), EAGAIN);
    CHECK(msg.msg_flags == 77 && msg.msg_controllen == 5); /* as it was */
    CHECK(send(fd[0], buf, 1, 0) == 1); /* a queue that was emptied is no error */
}

void test_tx_timestamps(void) {
    int fd[2];
    char buf[10];
    struct report r;
    int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK |
                SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
    tcp_pair(fd);
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) == 0);
    CHECK(send(fd[0], "0123456789", 10, 0) == 10);
    CHECK(read_full(fd[1], buf, 10) == 10);
    CHECK(next_report(fd[0], &r) && r.ee.ee_errno == ENOMSG);
    CHECK(r.ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && r.ee.ee_info == SCM_TSTAMP_SND);
    CHECK(r.ee.ee_data == 9 && r.has_ts && seconds_ago(&r.ts) >= 0 && seconds_ago(&r.ts) < 5);
    CHECK(next_report(fd[0], &r) && r.ee.ee_info == SCM_TSTAMP_ACK && r.ee.ee_data == 9);
    /* Reports are no reason for a blocking call to end. */
    CHECK(send(fd[0], "0123456789", 10, 0) == 10);
    struct timeval tv = {0, 100000};
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    int64_t begin = now_ms();
    CHECK_ERR(recv(fd[0], buf, 1, 0), EAGAIN);
    CHECK(now_ms() - begin >= 90);
}

static struct cmsghdr *recv_one(int fd, char *buf, size_t n, struct msghdr *msg, char *control,
                                size_t room) {
    struct iovec iov = {buf, n};
    *msg = (struct msghdr){
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    CHECK(recvmsg(fd, msg, 0) > 0);
    return CMSG_FIRSTHDR(msg);
}

void test_rx_timestamps(void) {
    _Alignas(struct cmsghdr) char control[256];
    struct msghdr msg;
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int fd[2], one = 1;
    char buf[10];
    struct timespec ts;
    struct timeval tv;
    tcp_pair(fd);
    CHECK(setsockopt(fd[1], SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == 0);
    CHECK(send(fd[0], "x", 1, 0) == 1);
    struct cmsghdr *c = recv_one(fd[1], buf, sizeof(buf), &msg, control, sizeof(control));
    CHECK(c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS);
    memcpy(&ts, CMSG_DATA(c), sizeof(ts));
    CHECK(seconds_ago(&ts) >= 0 && seconds_ago(&ts) < 5);
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(u, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK(getsockname(u, (struct sockaddr *)&sin, &len) == 0);
    CHECK(setsockopt(u, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0);
    CHECK(setsockopt(u, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)) == 0);
    CHECK(sendto(u, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) == 1);
    c = recv_one(u, buf, sizeof(buf), &msg, control, sizeof(control));
    CHECK(c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP);
    memcpy(&tv, CMSG_DATA(c), sizeof(tv));
    ts = (struct timespec){tv.tv_sec, tv.tv_usec * 1000};
    CHECK(seconds_ago(&ts) >= 0 && seconds_ago(&ts) < 5);
    c = CMSG_NXTHDR(&msg, c);
    CHECK(c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL);
}

void test_tcp_inq(void) {
    _Alignas(struct cmsghdr) char control[64];
    struct msghdr msg;
    int fd[2], one = 1, left;
    char buf[10];
    tcp_pair(fd);
    CHECK(setsockopt(fd[1], IPPROTO_TCP, TCP_INQ, &one, sizeof(one)) == 0);
    CHECK(send(fd[0], "0123456789", 10, 0) == 10);
    struct cmsghdr *c = recv_one(fd[1], buf, 4, &msg, control, sizeof(control));
    CHECK(c != NULL && c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_CM_INQ);
    memcpy(&left, CMSG_DATA(c), sizeof(left));
    CHECK(left == 6);
}

void test_peek_off(void) {
    int fd[2], off = 3;
    char buf[10];
    tcp_pair(fd);
    CHECK(send(fd[0], "0123456789", 10, 0) == 10);
    CHECK(recv(fd[1], buf, 1, MSG_PEEK) == 1);
    CHECK(setsockopt(fd[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) == 0);
    CHECK(recv(fd[1], buf, 2, MSG_PEEK) == 2 && memcmp(buf, "34", 2) == 0);
    CHECK(recv(fd[1], buf, 2, MSG_PEEK) == 2 && memcmp(buf, "56", 2) == 0);
    CHECK(recv(fd[1], buf, 4, 0) == 4 && memcmp(buf, "0123", 4) == 0);
    CHECK(recv(fd[1], buf, 2, MSG_PEEK) == 2 && memcmp(buf, "78", 2) == 0);
}

void test_recverr(void) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int u = socket(AF_INET, SOCK_DGRAM, 0), x = socket(AF_INET, SOCK_DGRAM, 0), one = 1, err = -1;
    struct report r;
    CHECK(bind(x, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK(getsockname(x, (struct sockaddr *)&sin, &len) == 0);
    CHECK(close(x) == 0); /* nobody has that port now */
    CHECK(setsockopt(u, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)) == 0);
    CHECK(sendto(u, "hello", 5, 0, (struct sockaddr *)&sin, sizeof(sin)) == 5);
    CHECK(next_report(u, &r));
    CHECK(r.ee.ee_errno == ECONNREFUSED && r.ee.ee_origin == SO_EE_ORIGIN_ICMP);
    CHECK(r.ee.ee_type == 3 && r.ee.ee_code == 3);
    len = sizeof(err);
    CHECK(getsockopt(u, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);
}

void test_eor(void) {
    int fd[2];
    char buf[10];
    tcp_pair(fd);
    CHECK(send(fd[0], "01234", 5, MSG_EOR) == 5);
    CHECK(send(fd[0], "56789", 5, MSG_EOR) == 5);
    CHECK(read_full(fd[1], buf, 10) == 10 && memcmp(buf, "0123456789", 10) == 0);
}

void test_empty_vectors(void) {
    int fd[2];
    struct msghdr none = {0};
    tcp_pair(fd);
    CHECK(sendmsg(fd[0], &none, 0) == 0);
    CHECK_ERR(recvmsg(fd[1], &none, MSG_DONTWAIT), EAGAIN);
    CHECK(send(fd[0], "x", 1, 0) == 1);
    usleep(20000);
    CHECK(recvmsg(fd[1], &none, MSG_DONTWAIT) == 0);
    char c;
    CHECK(recv(fd[1], &c, 1, 0) == 1);
}

#include "calls.h"

#include <net/if.h>
#include <sys/un.h>

void test_dup_shares(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    int d = dup(fd[0]), e = fcntl(fd[0], F_DUPFD, 100), f = fcntl(fd[0], F_DUPFD_CLOEXEC, 100);
    CHECK(d >= 0 && e == 100 && f == 101);
    CHECK(fcntl(e, F_GETFD) == 0 && fcntl(f, F_GETFD) == FD_CLOEXEC);
    CHECK(close(fd[0]) == 0);
    CHECK(write(d, "a", 1) == 1 && write(e, "b", 1) == 1 && write(f, "c", 1) == 1);
    CHECK(read_full(fd[1], buf, 3) == 3 && memcmp(buf, "abc", 3) == 0);
    CHECK(fcntl(d, F_SETFL, O_NONBLOCK) == 0);
    CHECK(fcntl(e, F_GETFL) == (O_RDWR | O_NONBLOCK)); /* of the description */
    CHECK(close(d) == 0 && close(e) == 0);
    CHECK_ERR(recv(fd[1], buf, 1, MSG_DONTWAIT), EAGAIN); /* f holds it open */
    CHECK(close(f) == 0);
    CHECK(read(fd[1], buf, 1) == 0);
}

void test_dup2_replaces(void) {
    int a[2], b[2];
    char buf[8];
    tcp_pair(a);
    tcp_pair(b);
    CHECK(dup2(a[0], b[0]) == b[0]); /* closes b's end */
    CHECK(read(b[1], buf, 1) == 0);
    CHECK(write(b[0], "x", 1) == 1);
    CHECK(read(a[1], buf, 1) == 1);
    CHECK(dup2(a[0], a[0]) == a[0]);
    CHECK_ERR(dup3(a[0], a[0], 0), EINVAL);
    CHECK_ERR(dup2(9999, b[0]), EBADF);
    CHECK(write(b[0], "y", 1) == 1); /* untouched by that */
    int null = open("/dev/null", O_RDWR);
    CHECK(dup2(null, b[0]) == b[0]);
    CHECK(read(b[0], buf, 1) == 0); /* the file's now */
    CHECK(dup3(a[0], null, O_CLOEXEC) == null);
    CHECK(fcntl(null, F_GETFD) == FD_CLOEXEC && write(null, "z", 1) == 1);
    CHECK(close(a[0]) == 0 && close(null) == 0);
    CHECK(read_full(a[1], buf, 8) == 2 && memcmp(buf, "yz", 2) == 0);
}

void test_lowest_number(void) {
    int a = socket(AF_INET, SOCK_STREAM, 0), b = open("/dev/null", O_RDONLY);
    CHECK(b == a + 1);
    CHECK(close(a) == 0);
    int c = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(c == a);
    int d = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(d == b + 1);
}

void test_status_flags(void) {
    int fd[2], on = 1, off = 0;
    char c;
    tcp_pair(fd);
    CHECK(fcntl(fd[0], F_GETFL) == O_RDWR);
    CHECK(ioctl(fd[0], FIONBIO, &on) == 0);
    CHECK(fcntl(fd[0], F_GETFL) == (O_RDWR | O_NONBLOCK));
    CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
    CHECK(ioctl(fd[0], FIONBIO, &off) == 0);
    CHECK(fcntl(fd[0], F_GETFL) == O_RDWR);
}

void test_close_on_exec_flag(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fcntl(s, F_SETFD, FD_CLOEXEC) == 0 && fcntl(s, F_GETFD) == FD_CLOEXEC);
    CHECK(ioctl(s, FIONCLEX) == 0 && fcntl(s, F_GETFD) == 0);
    CHECK(ioctl(s, FIOCLEX) == 0 && fcntl(s, F_GETFD) == FD_CLOEXEC);
}

void test_close_ranges(void) {
    int a[2], b[2];
    char c;
    tcp_pair(a);
    tcp_pair(b);
    CHECK(dup2(a[0], 50) == 50 && dup2(b[0], 51) == 51);
    CHECK(close(a[0]) == 0 && close(b[0]) == 0);
    CHECK(close_range(50, 50, 0) == 0);
    CHECK(read(a[1], &c, 1) == 0);
    CHECK(write(51, "x", 1) == 1 && read(b[1], &c, 1) == 1);
    closefrom(50);
    CHECK(read(b[1], &c, 1) == 0);
    CHECK_ERR(write(51, "x", 1), EBADF);
    int s = socket(AF_INET, SOCK_STREAM, 0); /* the library's own descriptors have survived */
    CHECK(s >= 0 && close(s) == 0);
    tcp_pair(a);
}

void test_ioctls(void) {
    int fd[2], n = -1;
    tcp_pair(fd);
    CHECK(ioctl(fd[1], FIONREAD, &n) == 0 && n == 0);
    CHECK(send(fd[0], "12345", 5, 0) == 5);
    struct pollfd p = {.fd = fd[1], .events = POLLIN};
    CHECK(poll(&p, 1, 1000) == 1);
    CHECK(ioctl(fd[1], FIONREAD, &n) == 0 && n == 5);
    CHECK_ERR(ioctl(fd[0], TIOCGWINSZ, &n), ENOTTY);
}

void test_interface_ioctls(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r[16];
    struct ifconf c = {.ifc_len = sizeof(r), .ifc_req = r};
    CHECK(ioctl(s, SIOCGIFCONF, &c) == 0);
    bool lo = false;
    for (int i = 0; i < c.ifc_len / (int)sizeof(*r); i++)
        lo |= strcmp(r[i].ifr_name, "lo") == 0;
    CHECK(lo);
    struct ifreq q = {.ifr_name = "lo"};
    CHECK(ioctl(s, SIOCGIFADDR, &q) == 0);
    CHECK(((struct sockaddr_in *)&q.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(ioctl(s, SIOCGIFINDEX, &q) == 0 && q.ifr_ifindex == 1);
    CHECK(ioctl(s, SIOCGIFFLAGS, &q) == 0 && (q.ifr_flags & IFF_LOOPBACK));
    struct ifreq none = {.ifr_name = "nosuchif0"};
    CHECK_ERR(ioctl(s, SIOCGIFADDR, &none), ENODEV);
}

void test_closed_number(void) {
    int fd[2];
    char c;
    tcp_pair(fd);
    CHECK(close(fd[0]) == 0);
    CHECK_ERR(close(fd[0]), EBADF);
    CHECK_ERR(send(fd[0], "x", 1, 0), EBADF);
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLNVAL);
    int p2[2]; /* the numbers are the kernel's next */
    CHECK(close(fd[1]) == 0 && pipe(p2) == 0);
    CHECK(write(p2[1], "x", 1) == 1 && read(p2[0], &c, 1) == 1);
}

static void pass(int via, int fd) {
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {"x", 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    CHECK(sendmsg(via, &m, 0) == 1);
}

static int take(int via) {
    char control[CMSG_SPACE(sizeof(int))], x;
    struct iovec iov = {&x, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    int fd;
    CHECK(recvmsg(via, &m, 0) == 1 && m.msg_controllen > 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c != NULL);
    memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}

static int use_passed(void *arg) {
    int via = *(int *)arg, fd = take(via);
    return write(fd, "passed", 6) == 6 && write(via, "done", 4) == 4 ? 0 : 1;
}

void test_passed_descriptor(void) {
    int sv[2], fd[2];
    char buf[16];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
    pid_t pid = child(use_passed, &sv[1]); /* before the connection is: it inherits nothing */
    tcp_pair(fd);
    pass(sv[0], fd[0]);
    CHECK(read_full(sv[0], buf, 4) == 4);
    CHECK(close(fd[0]) == 0);
    CHECK(read_full(fd[1], buf, 16) == 6 && memcmp(buf, "passed", 6) == 0);
    CHECK(child_status(pid) == 0);
}

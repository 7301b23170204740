/* Urgent data, as BSD and Linux show it to programs. */
#include "calls.h"

static volatile sig_atomic_t urgent_signals, io_signals;
static void on_urgent(int sig) {
    if (sig == SIGURG)
        urgent_signals = urgent_signals + 1;
    else
        io_signals = io_signals + 1;
}

static bool wait_for(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 2000) == 1 && (p.revents & events);
}

void test_oob_byte(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK_ERR(recv(fd[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(send(fd[0], "abc", 3, 0) == 3);
    CHECK(send(fd[0], "def", 3, MSG_OOB) == 3);
    CHECK(send(fd[0], "ghi", 3, 0) == 3);
    CHECK(wait_for(fd[1], POLLPRI));
    CHECK(recv(fd[1], buf, sizeof(buf), MSG_OOB) == 1 && buf[0] == 'f');
    CHECK_ERR(recv(fd[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(!sockatmark(fd[1]));
    CHECK(recv(fd[1], buf, 5, MSG_WAITALL) == 5 && memcmp(buf, "abcde", 5) == 0);
    CHECK(sockatmark(fd[1]) == 1);
    usleep(20000);
    CHECK(recv(fd[1], buf, sizeof(buf), 0) == 3 && memcmp(buf, "ghi", 3) == 0);
    CHECK(!sockatmark(fd[1]));
}

void test_oob_ends_waitall(void) {
    int fd[2], n;
    char buf[16];
    tcp_pair(fd);
    CHECK(send(fd[0], "abcX", 4, MSG_OOB) == 4);
    CHECK(wait_for(fd[1], POLLPRI));
    CHECK(ioctl(fd[1], FIONREAD, &n) == 0 && n == 3);
    CHECK(recv(fd[1], buf, sizeof(buf), MSG_WAITALL) == 3);
    CHECK_ERR(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
}

void test_oob_inline(void) {
    int fd[2], one = 1;
    char buf[16];
    tcp_pair(fd);
    CHECK(setsockopt(fd[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) == 0);
    CHECK(send(fd[0], "abX", 3, MSG_OOB) == 3);
    CHECK(send(fd[0], "cd", 2, 0) == 2);
    CHECK(wait_for(fd[1], POLLPRI));
    usleep(20000);
    CHECK_ERR(recv(fd[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(recv(fd[1], buf, sizeof(buf), 0) == 2 && sockatmark(fd[1]) == 1);
    CHECK(recv(fd[1], buf, sizeof(buf), 0) == 3 && memcmp(buf, "Xcd", 3) == 0);
}

void test_oob_splice(void) {
    int fd[2], p[2];
    char buf[16];
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    CHECK(send(fd[0], "abcX", 4, MSG_OOB) == 4);
    CHECK(wait_for(fd[1], POLLPRI));
    CHECK(splice(fd[1], NULL, p[1], NULL, 3, 0) == 3);
    CHECK(splice(fd[1], NULL, p[1], NULL, 1, 0) == 0); /* not the end, but no more goes this way */
    CHECK(read(p[0], buf, sizeof(buf)) == 3 && memcmp(buf, "abc", 3) == 0);
}

void test_oob_select(void) {
    int fd[2];
    char buf[16];
    fd_set except;
    tcp_pair(fd);
    CHECK(send(fd[0], "X", 1, MSG_OOB) == 1);
    FD_ZERO(&except);
    FD_SET(fd[1], &except);
    struct timeval tv = {2, 0};
    CHECK(select(fd[1] + 1, NULL, NULL, &except, &tv) == 1 && FD_ISSET(fd[1], &except));
    int ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLPRI}, got;
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[1], &ev) == 0);
    CHECK(epoll_wait(ep, &got, 1, 2000) == 1 && got.events == EPOLLPRI);
    CHECK(recv(fd[1], buf, 1, MSG_OOB) == 1 && buf[0] == 'X');
    CHECK(epoll_wait(ep, &got, 1, 0) == 0);
}

void test_sigurg(void) {
    int fd[2], one = 1, off = 0, who;
    struct f_owner_ex ex;
    tcp_pair(fd);
    CHECK(signal(SIGURG, on_urgent) != SIG_ERR && signal(SIGIO, on_urgent) != SIG_ERR);
    CHECK(fcntl(fd[1], F_GETOWN) == 0);
    CHECK(fcntl(fd[1], F_SETOWN, getpid()) == 0);
    CHECK(fcntl(fd[1], F_GETOWN) == getpid());
    CHECK(fcntl(fd[1], F_GETOWN_EX, &ex) == 0 && ex.type == F_OWNER_PID && ex.pid == getpid());
    CHECK_ERR(fcntl(fd[1], F_SETOWN, 0x3ffffff), ESRCH);
    CHECK(send(fd[0], "X", 1, MSG_OOB) == 1);
    for (int i = 0; i < 200 && urgent_signals == 0; i++)
        usleep(10000);
    CHECK(urgent_signals == 1 && io_signals == 0);
    CHECK(ioctl(fd[1], FIOASYNC, &one) == 0);
    CHECK(fcntl(fd[1], F_GETFL) & O_ASYNC);
    CHECK(send(fd[0], "Y", 1, 0) == 1);
    for (int i = 0; i < 200 && io_signals == 0; i++)
        usleep(10000);
    CHECK(io_signals > 0 && urgent_signals == 1);
    CHECK(ioctl(fd[1], FIOASYNC, &off) == 0);
    CHECK(!(fcntl(fd[1], F_GETFL) & O_ASYNC));
    CHECK(ioctl(fd[1], SIOCGPGRP, &who) == 0 && who == getpid());
    who = -getpgrp();
    CHECK(ioctl(fd[1], SIOCSPGRP, &who) == 0);
    CHECK(fcntl(fd[1], F_GETOWN_EX, &ex) == 0 && ex.type == F_OWNER_PGRP && ex.pid == getpgrp());
}

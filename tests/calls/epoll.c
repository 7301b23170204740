#include "calls.h"

#include <pthread.h>

static int add(int ep, int fd, uint32_t events) {
    struct epoll_event ev = {.events = events, .data.u64 = 0x100000000u + (unsigned)fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}
static int mod(int ep, int fd, uint32_t events) {
    struct epoll_event ev = {.events = events, .data.u64 = 0x100000000u + (unsigned)fd};
    return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}
/* One event, for fd, with exactly these bits. */
static bool one(int ep, int timeout, int fd, uint32_t events) {
    struct epoll_event ev[4];
    return epoll_wait(ep, ev, 4, timeout) == 1 && ev[0].data.u64 == 0x100000000u + (unsigned)fd &&
           ev[0].events == events;
}
static bool none(int ep, int timeout) {
    struct epoll_event ev;
    return epoll_wait(ep, &ev, 1, timeout) == 0;
}

static int write_later(void *arg) {
    usleep(60000);
    return write(*(int *)arg, "x", 1) == 1 ? 0 : 1;
}

void test_epoll_levels(void) {
    int fd[2], ep = epoll_create1(EPOLL_CLOEXEC);
    char c;
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    CHECK(none(ep, 0));
    CHECK(write(fd[1], "ab", 2) == 2);
    CHECK(one(ep, 1000, fd[0], EPOLLIN) && one(ep, 0, fd[0], EPOLLIN));
    CHECK(read(fd[0], &c, 1) == 1 && one(ep, 0, fd[0], EPOLLIN));
    CHECK(read(fd[0], &c, 1) == 1 && none(ep, 0));
    CHECK(mod(ep, fd[0], EPOLLIN | EPOLLOUT) == 0 && one(ep, 0, fd[0], EPOLLOUT));
    CHECK(close(fd[1]) == 0);
    CHECK(mod(ep, fd[0], EPOLLRDHUP) == 0 && one(ep, 1000, fd[0], EPOLLRDHUP));
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd[0], NULL) == 0 && none(ep, 0));
}

void test_epoll_edges(void) {
    int fd[2], ep = epoll_create(1);
    char c;
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN | EPOLLET) == 0);
    CHECK(write(fd[1], "a", 1) == 1);
    CHECK(one(ep, 1000, fd[0], EPOLLIN) && none(ep, 0)); /* told once */
    CHECK(write(fd[1], "b", 1) == 1);
    CHECK(one(ep, 1000, fd[0], EPOLLIN) && none(ep, 0)); /* new bytes, a new edge */
    CHECK(read(fd[0], &c, 1) == 1 && none(ep, 0));
    CHECK(mod(ep, fd[0], EPOLLIN | EPOLLET) == 0);
    CHECK(one(ep, 0, fd[0], EPOLLIN)); /* re-armed */
}

void test_epoll_oneshot(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN | EPOLLONESHOT) == 0);
    CHECK(write(fd[1], "a", 1) == 1);
    CHECK(one(ep, 1000, fd[0], EPOLLIN) && none(ep, 0));
    CHECK(write(fd[1], "b", 1) == 1 && none(ep, 20));
    CHECK(mod(ep, fd[0], EPOLLIN | EPOLLONESHOT) == 0 && one(ep, 0, fd[0], EPOLLIN));
}

void test_epoll_errors(void) {
    int fd[2], ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    tcp_pair(fd);
    CHECK_ERR(mod(ep, fd[0], EPOLLIN), ENOENT);
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd[0], NULL), ENOENT);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    CHECK_ERR(add(ep, fd[0], EPOLLIN), EEXIST);
    CHECK_ERR(epoll_ctl(ep, 99, fd[0], &ev), EINVAL);
    CHECK_ERR(add(fd[1], fd[0], EPOLLIN), EINVAL);
    CHECK_ERR(add(9999, fd[0], EPOLLIN), EBADF);
    CHECK_ERR(add(ep, 9999, EPOLLIN), EBADF);
    CHECK_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
    CHECK_ERR(epoll_wait(fd[0], &ev, 1, 0), EINVAL);
    CHECK_ERR(epoll_create1(0x7777), EINVAL);
}

void test_epoll_mixed(void) {
    int fd[2], p[2], ep = epoll_create1(0);
    char c;
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    CHECK(add(ep, fd[0], EPOLLIN) == 0 && add(ep, p[0], EPOLLIN) == 0);
    pid_t pid = child(write_later, &p[1]);
    CHECK(one(ep, 5000, p[0], EPOLLIN));
    CHECK(child_status(pid) == 0 && read(p[0], &c, 1) == 1);
    pid = child(write_later, &fd[1]);
    CHECK(one(ep, 5000, fd[0], EPOLLIN));
    CHECK(child_status(pid) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    struct epoll_event ev[2];
    CHECK(epoll_wait(ep, ev, 2, 0) == 2);
}

void test_epoll_close_removes(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(write(fd[1], "x", 1) == 1);
    CHECK(add(ep, fd[0], EPOLLIN) == 0 && one(ep, 1000, fd[0], EPOLLIN));
    int d = dup(fd[0]);
    CHECK(close(fd[0]) == 0);
    CHECK(one(ep, 0, fd[0], EPOLLIN)); /* the description lives on (epoll(7), Q6) */
    CHECK(close(d) == 0 && none(ep, 0));
    int a[2];
    tcp_pair(a); /* the same numbers, anew */
    CHECK(add(ep, a[0], EPOLLIN) == 0 && none(ep, 0));
}

struct late {
    int ep;
    int fd;
    int result;
};
static void *wait_thread(void *arg) {
    struct late *l = arg;
    l->result = one(l->ep, 5000, l->fd, EPOLLIN);
    return NULL;
}

void test_epoll_late_add(void) {
    int fd[2], p[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    CHECK(add(ep, p[0], EPOLLIN) == 0);
    struct late l = {ep, fd[0], -1}, k = {ep, p[0], -1};
    pthread_t t;
    CHECK(pthread_create(&t, NULL, wait_thread, &l) == 0);
    usleep(50000); /* it waits when nothing of ours is registered yet */
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    usleep(20000);
    CHECK(write(fd[1], "x", 1) == 1);
    CHECK(pthread_join(t, NULL) == 0 && l.result == 1);
    char c;
    CHECK(read(fd[0], &c, 1) == 1);
    CHECK(pthread_create(&t, NULL, wait_thread, &k) == 0);
    usleep(20000);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(pthread_join(t, NULL) == 0 && k.result == 1);
}

void test_epoll_dup(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    int d = dup(ep);
    CHECK(close(ep) == 0);
    CHECK(write(fd[1], "x", 1) == 1);
    CHECK(one(d, 1000, fd[0], EPOLLIN));
    CHECK(close(d) == 0);
    struct epoll_event ev;
    CHECK_ERR(epoll_wait(d, &ev, 1, 0), EBADF);
}

static int use_inherited(void *arg) {
    int *v = arg;
    return one(v[0], 5000, v[1], EPOLLIN) ? 0 : 1;
}

void test_epoll_fork(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    int v[2] = {ep, fd[0]};
    pid_t pid = child(use_inherited, v);
    usleep(50000);
    CHECK(write(fd[1], "x", 1) == 1);
    CHECK(child_status(pid) == 0);
    CHECK(one(ep, 1000, fd[0], EPOLLIN)); /* ours is as it was */
}

void test_epoll_in_poll(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    struct pollfd p = {.fd = ep, .events = POLLIN};
    CHECK(poll(&p, 1, 30) == 0);
    pid_t pid = child(write_later, &fd[1]);
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(one(ep, 0, fd[0], EPOLLIN));
    CHECK(child_status(pid) == 0);
}

void test_epoll_timeout(void) {
    int fd[2], ep = epoll_create1(0);
    tcp_pair(fd);
    CHECK(add(ep, fd[0], EPOLLIN) == 0);
    int64_t begin = now_ms();
    CHECK(none(ep, 80));
    CHECK(now_ms() - begin >= 78 && now_ms() - begin < 1000);
    struct epoll_event ev;
    struct timespec ts = {0, 30000000};
    begin = now_ms();
    CHECK(epoll_pwait2(ep, &ev, 1, &ts, NULL) == 0);
    CHECK(now_ms() - begin >= 29 && now_ms() - begin < 1000);
}

void test_epoll_fair(void) {
    int a[2], b[2], p[2], ep = epoll_create1(0);
    tcp_pair(a);
    tcp_pair(b);
    CHECK(pipe(p) == 0);
    CHECK(add(ep, a[0], EPOLLIN) == 0 && add(ep, b[0], EPOLLIN) == 0);
    CHECK(add(ep, p[0], EPOLLIN) == 0);
    CHECK(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1 && write(p[1], "x", 1) == 1);
    usleep(20000);
    bool seen[3] = {false, false, false};
    for (int i = 0; i < 12; i++) {
        struct epoll_event ev;
        CHECK(epoll_wait(ep, &ev, 1, 0) == 1);
        int fd = (int)(ev.data.u64 & 0xffffffffu);
        seen[fd == a[0] ? 0 : fd == b[0] ? 1 : 2] = true;
    }
    CHECK(seen[0] && seen[1] && seen[2]);
}

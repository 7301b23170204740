#include "calls.h"

static volatile sig_atomic_t signals;
static void count_signal(int sig) {
    (void)sig;
    signals = signals + 1;
}

static int write_later(void *arg) {
    usleep(60000);
    return write(*(int *)arg, "x", 1) == 1 ? 0 : 1;
}

void test_poll_mixed(void) {
    int fd[2], p[2];
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    struct pollfd set[4] = {{.fd = p[0], .events = POLLIN},
                            {.fd = -1, .events = POLLIN},
                            {.fd = fd[1], .events = POLLIN},
                            {.fd = fd[0], .events = POLLOUT | POLLIN}};
    CHECK(poll(set, 4, 1000) == 1);
    CHECK(set[0].revents == 0 && set[1].revents == 0 && set[2].revents == 0);
    CHECK(set[3].revents == POLLOUT);
    pid_t pid = child(write_later, &fd[0]);
    CHECK(poll(set, 3, 5000) == 1 && set[2].revents == POLLIN);
    CHECK(child_status(pid) == 0);
    char c;
    CHECK(read(fd[1], &c, 1) == 1);
    pid = child(write_later, &p[1]);
    CHECK(poll(set, 3, 5000) == 1 && set[0].revents == POLLIN);
    CHECK(child_status(pid) == 0);
    CHECK(write(fd[0], "y", 1) == 1);
    usleep(10000);
    CHECK(poll(set, 3, 0) == 2);
}

void test_poll_timeout(void) {
    int fd[2];
    tcp_pair(fd);
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    int64_t begin = now_ms();
    CHECK(poll(&p, 1, 80) == 0 && p.revents == 0);
    CHECK(now_ms() - begin >= 78 && now_ms() - begin < 1000);
    begin = now_ms();
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(now_ms() - begin < 50);
}

void test_poll_hangup(void) {
    int fd[2];
    tcp_pair(fd);
    struct pollfd p = {.fd = fd[0], .events = POLLIN | POLLRDHUP};
    CHECK(shutdown(fd[1], SHUT_WR) == 0);
    CHECK(poll(&p, 1, 1000) == 1 && p.revents == (POLLIN | POLLRDHUP));
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    p.events = 0;
    CHECK(poll(&p, 1, 1000) == 1 && p.revents == POLLHUP);
    int s = socket(AF_INET, SOCK_STREAM, 0); /* never connected */
    p = (struct pollfd){.fd = s, .events = POLLIN | POLLOUT};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLOUT | POLLHUP));
}

void test_poll_many(void) {
    enum { N = 300 };
    struct pollfd set[N];
    int fd[2];
    tcp_pair(fd);
    for (int i = 0; i < N; i++) {
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(s >= 0);
        set[i] = (struct pollfd){.fd = s, .events = POLLIN};
    }
    set[N - 1].fd = fd[1];
    CHECK(poll(set, N, 20) == 0);
    pid_t pid = child(write_later, &fd[0]);
    CHECK(poll(set, N, 5000) == 1 && set[N - 1].revents == POLLIN);
    CHECK(child_status(pid) == 0);
}

void test_poll_eintr(void) {
    int fd[2];
    tcp_pair(fd);
    struct sigaction sa = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    alarm_ms(50);
    CHECK_ERR(poll(&p, 1, 5000), EINTR); /* never restarted: signal(7) */
    CHECK(signals == 1);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd[0], &in);
    alarm_ms(50);
    CHECK_ERR(select(fd[0] + 1, &in, NULL, NULL, NULL), EINTR);
}

void test_select_sets(void) {
    int fd[2], p[2];
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    CHECK(write(p[1], "x", 1) == 1 && write(fd[0], "y", 1) == 1);
    usleep(20000);
    fd_set in, out, ex;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&ex);
    FD_SET(fd[0], &in);
    FD_SET(fd[1], &in);
    FD_SET(p[0], &in);
    FD_SET(fd[1], &out);
    FD_SET(fd[1], &ex);
    struct timeval tv = {1, 0};
    CHECK(select(FD_SETSIZE, &in, &out, &ex, &tv) == 3);
    CHECK(!FD_ISSET(fd[0], &in) && FD_ISSET(fd[1], &in) && FD_ISSET(p[0], &in));
    CHECK(FD_ISSET(fd[1], &out) && !FD_ISSET(fd[1], &ex));
    int high = fcntl(fd[1], F_DUPFD, 900);
    FD_ZERO(&in);
    FD_SET(high, &in);
    CHECK(select(high + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(high, &in));
}

void test_select_timeout(void) {
    int fd[2];
    tcp_pair(fd);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd[0], &in);
    struct timeval tv = {0, 80000};
    int64_t begin = now_ms();
    CHECK(select(fd[0] + 1, &in, NULL, NULL, &tv) == 0);
    CHECK(now_ms() - begin >= 78 && !FD_ISSET(fd[0], &in));
    CHECK(tv.tv_sec == 0 && tv.tv_usec == 0); /* Linux tells what is left */
    pid_t pid = child(write_later, &fd[1]);
    tv = (struct timeval){5, 0};
    FD_SET(fd[0], &in);
    CHECK(select(fd[0] + 1, &in, NULL, NULL, &tv) == 1);
    CHECK(tv.tv_sec == 4 && tv.tv_usec > 500000);
    CHECK(child_status(pid) == 0);
    tv = (struct timeval){-1, 0};
    FD_SET(fd[0], &in);
    CHECK_ERR(select(fd[0] + 1, &in, NULL, NULL, &tv), EINVAL);
}

void test_select_badf(void) {
    int fd[2];
    tcp_pair(fd);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd[0], &in);
    FD_SET(fd[1], &in);
    CHECK(close(fd[1]) == 0);
    CHECK_ERR(select(fd[1] + 1, &in, NULL, NULL, NULL), EBADF);
}

static void mask_test(bool by_pselect) {
    int fd[2];
    tcp_pair(fd);
    struct sigaction sa = {.sa_handler = count_signal};
    CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(signals == 0); /* pending: the call lets it in, atomically */
    struct timespec ts = {5, 0};
    if (by_pselect) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(fd[0], &in);
        CHECK_ERR(pselect(fd[0] + 1, &in, NULL, NULL, &ts, &old), EINTR);
    } else {
        struct pollfd p = {.fd = fd[0], .events = POLLIN};
        CHECK_ERR(ppoll(&p, 1, &ts, &old), EINTR);
    }
    CHECK(signals == 1);
    sigset_t now;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1) == 1);
}
void test_pselect_mask(void) {
    mask_test(true);
}
void test_ppoll_mask(void) {
    mask_test(false);
}

static int connect_later(void *arg) {
    usleep(60000);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    return connect(s, arg, sizeof(struct sockaddr_in)) == 0 ? 0 : 1;
}

void test_poll_listen(void) {
    struct sockaddr_in sin;
    int l = listener(&sin);
    struct pollfd p = {.fd = l, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    pid_t pid = child(connect_later, &sin);
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(accept(l, NULL, NULL) >= 0);
    CHECK(child_status(pid) == 0);
}

/* Signals, threads and sleeping, where the stack and the program meet in one thread. */
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>

#include "calls.h"

static struct sockaddr_in here; /* of the socket made last */
static volatile int runs;
static int handler_fd;
static sigjmp_buf jump;

static int udp_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    here = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0);
    socklen_t len = sizeof(here);
    CHECK(getsockname(fd, (struct sockaddr *)&here, &len) == 0);
    return fd;
}
static void send_to(int fd, const struct sockaddr_in *to, const char *text) {
    CHECK(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)to, sizeof(*to)) ==
          (ssize_t)strlen(text));
}

static void install(void (*handler)(int), int flags) {
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    runs = 0;
}
static void on_count(int sig) {
    (void)sig;
    runs++;
}
static void on_send(int sig) {
    (void)sig;
    runs++;
    send_to(handler_fd, &here, "from the handler");
}
static void on_jump(int sig) {
    (void)sig;
    siglongjmp(jump, 1);
}

/* What a handler sends wakes the thread that it interrupted. */
void test_handler_sends(void) {
    char buf[64];
    int fd = handler_fd = udp_socket();
    install(on_send, SA_RESTART);
    alarm_ms(50);
    CHECK(recv(fd, buf, sizeof(buf), 0) == 16);
    CHECK(runs == 1);
}

/* Thousands of signals hit a thread that is mostly inside the stack. */
void test_handler_storm(void) {
    char buf[64];
    int fd = handler_fd = udp_socket();
    struct itimerval often = {{0, 200}, {0, 200}}, off = {0};
    int64_t end = now_ms() + 1000;
    long got = 0;
    install(on_send, SA_RESTART);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (now_ms() < end) {
        send_to(fd, &here, "from the loop");
        while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
            got++;
    }
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    CHECK(runs > 500);
    CHECK(got > 1000);
}

/* alarm and longjmp, the old timeout: the socket works afterwards. */
void test_handler_jumps(void) {
    char buf[64];
    int fd = handler_fd = udp_socket();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (volatile int i = 0; i < 20; i++) {
        install(on_jump, SA_NODEFER);
        if (sigsetjmp(jump, 1) == 0) {
            alarm_ms(3);
            if (i % 2 == 0)
                (void)!recv(fd, buf, sizeof(buf), 0);
            else
                poll(&p, 1, -1);
            CHECK(!"nothing was to be received");
        }
    }
    install(on_send, SA_RESTART);
    alarm_ms(20);
    CHECK(recv(fd, buf, sizeof(buf), 0) == 16);
    close(fd);
    CHECK_ERR(recv(fd, buf, sizeof(buf), 0), EBADF);
}

/* signal(7): with a timeout set, not even SA_RESTART restarts. */
void test_rcvtimeo_eintr(void) {
    char buf[64];
    int fd = udp_socket();
    struct timeval tv = {.tv_sec = 5};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    install(on_count, SA_RESTART);
    alarm_ms(50);
    CHECK_ERR(recv(fd, buf, sizeof(buf), 0), EINTR);
}

static void *recv_thread(void *arg) {
    char buf[64];
    return (void *)(intptr_t)recv(*(int *)arg, buf, sizeof(buf), 0); /* NOLINT */
}

void test_cancel_in_recv(void) {
    char buf[64];
    int fd = udp_socket();
    for (int i = 0; i < 5; i++) {
        pthread_t t;
        void *result;
        CHECK(pthread_create(&t, NULL, recv_thread, &fd) == 0);
        usleep(20000);
        CHECK(pthread_cancel(t) == 0);
        CHECK(pthread_join(t, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    send_to(fd, &here, "still there");
    CHECK(recv(fd, buf, sizeof(buf), 0) == 11);
}

/* Eight threads in recv on one socket: each datagram wakes one, and none is forgotten. */
void test_recv_in_threads(void) {
    int fd = udp_socket();
    pthread_t t[8];
    void *result;
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, recv_thread, &fd) == 0);
    usleep(50000);
    for (int i = 0; i < 8; i++)
        send_to(fd, &here, "one");
    for (int i = 0; i < 8; i++) {
        CHECK(pthread_join(t[i], &result) == 0);
        CHECK((intptr_t)result == 3);
    }
}

/* One descriptor several times in a set, a regular file, a closed number, more than fit into a
 * small set. */
void test_poll_same_number(void) {
    int fd = udp_socket(), file = open("/etc/passwd", O_RDONLY), end[2];
    CHECK(pipe(end) == 0 && file >= 0);
    struct pollfd p[202] = {{.fd = end[0], .events = POLLIN},
                            {.fd = fd, .events = POLLIN},
                            {.fd = -1, .events = POLLIN},
                            {.fd = end[0], .events = POLLIN | POLLOUT}};
    CHECK(poll(p, 4, 30) == 0);
    CHECK(write(end[1], "x", 1) == 1);
    CHECK(poll(p, 4, -1) == 2);
    CHECK(p[0].revents == POLLIN && p[3].revents == POLLIN && p[1].revents == 0);
    char c;
    CHECK(read(end[0], &c, 1) == 1);
    p[2].fd = file;
    CHECK(poll(p, 4, -1) == 1 && p[2].revents == POLLIN);
    p[2].fd = 987;
    CHECK(poll(p, 4, -1) == 1 && p[2].revents == POLLNVAL);
    for (int i = 0; i < 200; i++)
        p[i] = (struct pollfd){.fd = end[0], .events = POLLIN};
    p[200] = (struct pollfd){.fd = fd, .events = POLLIN};
    p[201] = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(poll(p, 201, 20) == 0);
    CHECK(poll(p, 202, -1) == 1 && p[201].revents == POLLOUT);
}

static int soon_write(void *arg) {
    usleep(50000);
    return write(*(int *)arg, "y", 1) == 1 ? 0 : 1;
}
static int soon_send(void *arg) {
    usleep(50000);
    send_to(*(int *)arg, &here, "z");
    return 0;
}

/* A sleeper in poll on both kinds is woken by either; small and large set. */
void test_poll_wakes(void) {
    char c;
    int fd = udp_socket(), end[2];
    CHECK(pipe(end) == 0);
    for (int n = 2; n <= 101; n += 99) {
        struct pollfd p[101];
        for (int i = 0; i < n - 1; i++)
            p[i] = (struct pollfd){.fd = end[0], .events = POLLIN};
        p[n - 1] = (struct pollfd){.fd = fd, .events = POLLIN};
        pid_t pid = child(soon_write, &end[1]);
        CHECK(poll(p, (nfds_t)n, 5000) == n - 1 && p[0].revents == POLLIN);
        CHECK(child_status(pid) == 0);
        CHECK(read(end[0], &c, 1) == 1);
        pid = child(soon_send, &fd);
        CHECK(poll(p, (nfds_t)n, 5000) == 1 && p[n - 1].revents == POLLIN);
        CHECK(child_status(pid) == 0);
        CHECK(recv(fd, &c, 1, 0) == 1);
    }
}

struct loop {
    int ep;
    _Atomic int handled;
};
static void *loop_thread(void *arg) {
    struct loop *l = arg;
    struct epoll_event ev;
    while (epoll_wait(l->ep, &ev, 1, -1) == 1) {
        char c = 0;
        ssize_t n = recv(ev.data.fd, &c, 1, MSG_DONTWAIT);
        if (n == 1 && c == 'q')
            return NULL;
        if (n == 1)
            l->handled++;
    }
    return NULL;
}

/* Four threads wait on one epoll instance with four sockets: what comes to all at once is handled,
 * and every thread can be woken. */
void test_epoll_in_threads(void) {
    struct loop l = {.ep = epoll_create1(0)};
    struct sockaddr_in to[4];
    int fd[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        fd[i] = udp_socket();
        to[i] = here;
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd[i]};
        CHECK(epoll_ctl(l.ep, EPOLL_CTL_ADD, fd[i], &ev) == 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, loop_thread, &l) == 0);
    usleep(50000);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++)
            send_to(fd[0], &to[i], "x");
        for (int64_t end = now_ms() + 2000; l.handled < 4 * (round + 1) && now_ms() < end;)
            usleep(500);
        CHECK(l.handled == 4 * (round + 1));
    }
    for (int i = 0; i < 4; i++)
        send_to(fd[0], &to[i], "q");
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

#include "calls.h"

#include <sys/sendfile.h>
#include <sys/syscall.h>

#define BIG (8u << 20)

static volatile sig_atomic_t signals;
static void count_signal(int sig) {
    (void)sig;
    signals = signals + 1;
}
static void on_signal(int sig, int flags) {
    struct sigaction sa = {.sa_handler = count_signal, .sa_flags = flags};
    CHECK(sigaction(sig, &sa, NULL) == 0);
}

void test_send_recv(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK(send(fd[0], "hello", 5, 0) == 5);
    CHECK(recv(fd[1], buf, 2, 0) == 2 && memcmp(buf, "he", 2) == 0);
    CHECK(read(fd[1], buf, sizeof(buf)) == 3 && memcmp(buf, "llo", 3) == 0);
    CHECK(write(fd[1], "back", 4) == 4);
    struct sockaddr_in sin;
    socklen_t len = sizeof(sin);
    CHECK(recvfrom(fd[0], buf, sizeof(buf), 0, (struct sockaddr *)&sin, &len) == 4);
    CHECK(len == 0); /* a stream tells no sender */
}

void test_peek(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK(send(fd[0], "abc", 3, 0) == 3);
    CHECK(recv(fd[1], buf, sizeof(buf), MSG_PEEK) == 3);
    CHECK(recv(fd[1], buf, 1, MSG_PEEK) == 1 && buf[0] == 'a');
    CHECK(recv(fd[1], buf, sizeof(buf), 0) == 3 && memcmp(buf, "abc", 3) == 0);
    CHECK_ERR(recv(fd[1], buf, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
}

static int send_slowly(void *arg) {
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        if (send(*(int *)arg, "0123456789", 10, 0) != 10)
            return 1;
    }
    return 0;
}

void test_waitall(void) {
    int fd[2];
    char buf[64];
    tcp_pair(fd);
    pid_t pid = child(send_slowly, &fd[0]);
    CHECK(recv(fd[1], buf, 50, MSG_WAITALL) == 50 && buf[49] == '9');
    CHECK(child_status(pid) == 0);
    pid = child(send_slowly, &fd[0]);
    CHECK(close(fd[0]) == 0);
    CHECK(recv(fd[1], buf, 64, MSG_WAITALL) == 50); /* the end comes first */
    CHECK(child_status(pid) == 0);
}

void test_dontwait(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK_ERR(recv(fd[0], buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
    CHECK(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERR(read(fd[0], buf, sizeof(buf)), EAGAIN);
    char *big = calloc(1, BIG);
    ssize_t n, total = 0;
    while ((n = write(fd[0], big, BIG)) > 0)
        total += n;
    CHECK(n < 0 && errno == EAGAIN && total > 0);
    struct pollfd p = {.fd = fd[0], .events = POLLOUT};
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    while ((n = read(fd[1], big, BIG)) > 0)
        total -= n;
    CHECK(n == 0 && total == 0);
}

void test_rcvtimeo(void) {
    int fd[2];
    char buf[16];
    struct timeval tv = {0, 60000};
    tcp_pair(fd);
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    int64_t begin = now_ms();
    CHECK_ERR(recv(fd[0], buf, 1, 0), EAGAIN);
    int64_t took = now_ms() - begin;
    CHECK(took >= 55 && took < 1000);
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
    char *big = calloc(1, BIG);
    ssize_t n;
    while ((n = send(fd[0], big, BIG, 0)) > 0)
        ;
    int error = errno;
    free(big);
    CHECK(n < 0 && error == EAGAIN);
}

void test_vectors(void) {
    int fd[2];
    char a[3], b[4], c[8];
    tcp_pair(fd);
    struct iovec out[3] = {{"one", 3}, {NULL, 0}, {"three", 5}};
    CHECK(writev(fd[0], out, 3) == 8);
    struct iovec in[3] = {{a, 3}, {b, 4}, {c, 8}};
    CHECK(recv(fd[1], c, 8, MSG_PEEK | MSG_WAITALL) == 8);
    CHECK(readv(fd[1], in, 3) == 8);
    CHECK(memcmp(a, "one", 3) == 0 && memcmp(b, "thre", 4) == 0 && c[0] == 'e');
    volatile int negative = -1; /* else the compiler objects */
    CHECK_ERR(writev(fd[0], out, negative), EINVAL);
    struct iovec many[200]; /* more pieces than one look takes */
    char bytes[200], back[200];
    for (int i = 0; i < 200; i++) {
        bytes[i] = (char)i;
        many[i] = (struct iovec){&bytes[i], 1};
    }
    CHECK(writev(fd[0], many, 200) == 200);
    CHECK(read_full(fd[1], back, 200) == 200 && memcmp(bytes, back, 200) == 0);
    CHECK_ERR(pread(fd[0], back, 1, 0), ESPIPE);
}

void test_messages(void) {
    int fd[2];
    char buf[16], control[64];
    struct sockaddr_in sin;
    tcp_pair(fd);
    struct iovec iov = {"msg", 3};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    CHECK(sendmsg(fd[0], &m, 0) == 3);
    iov = (struct iovec){buf, sizeof(buf)};
    m = (struct msghdr){.msg_name = &sin,
                        .msg_namelen = sizeof(sin),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
                        .msg_flags = 0x7777};
    CHECK(recvmsg(fd[1], &m, 0) == 3);
    CHECK(m.msg_namelen == 0 && m.msg_controllen == 0 && m.msg_flags == 0);
    CHECK(memcmp(buf, "msg", 3) == 0);
}

void test_zero_bytes(void) {
    int fd[2];
    char c;
    tcp_pair(fd);
    CHECK(write(fd[0], "", 0) == 0 && send(fd[0], "", 0, 0) == 0);
    CHECK(read(fd[1], &c, 0) == 0);
    CHECK_ERR(recv(fd[1], &c, 1, MSG_DONTWAIT), EAGAIN);
}

void test_sigpipe(void) {
    int fd[2];
    tcp_pair(fd);
    on_signal(SIGPIPE, 0);
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    CHECK_ERR(send(fd[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(signals == 0);
    CHECK_ERR(write(fd[0], "x", 1), EPIPE);
    CHECK(signals == 1);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        _exit((int)write(fd[0], "x", 1));
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

void test_eintr(void) {
    int fd[2];
    char c;
    struct sockaddr_in sin;
    tcp_pair(fd);
    on_signal(SIGALRM, 0);
    alarm_ms(50);
    CHECK_ERR(recv(fd[0], &c, 1, 0), EINTR);
    alarm_ms(50);
    CHECK_ERR(accept(listener(&sin), NULL, NULL), EINTR);
    CHECK(signals == 2);
}

static int write_later(void *arg) {
    usleep(150000);
    return write(*(int *)arg, "x", 1) == 1 ? 0 : 1;
}

void test_sa_restart(void) {
    int fd[2];
    char c;
    tcp_pair(fd);
    on_signal(SIGALRM, SA_RESTART);
    pid_t pid = child(write_later, &fd[1]);
    alarm_ms(50);
    CHECK(recv(fd[0], &c, 1, 0) == 1);
    CHECK(signals == 1);
    CHECK(child_status(pid) == 0);
    /* with a timeout there is no restart (signal(7)) */
    struct timeval tv = {5, 0};
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    alarm_ms(50);
    CHECK_ERR(recv(fd[0], &c, 1, 0), EINTR);
}

void test_partial_send(void) {
    int fd[2];
    tcp_pair(fd);
    on_signal(SIGALRM, 0);
    alarm_ms(100);
    char *big = calloc(1, 64u << 20);
    ssize_t n = send(fd[0], big, 64u << 20, 0); /* nobody reads */
    free(big);
    CHECK(n > 0 && n < (ssize_t)(64u << 20));
    CHECK(signals == 1);
}

static int reader(void *arg) {
    int *fd = arg;
    close(fd[0]);
    unsigned char buf[65536];
    size_t total = 0;
    ssize_t n;
    while ((n = read(fd[1], buf, sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n; i++, total++)
            if (buf[i] != (unsigned char)(total * 7 + (total >> 12)))
                return 1;
    return n == 0 && total == BIG ? 0 : 2;
}

void test_large_send(void) {
    int fd[2];
    tcp_pair(fd);
    unsigned char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (unsigned char)(i * 7 + (i >> 12));
    pid_t pid = child(reader, fd);
    CHECK(close(fd[1]) == 0);
    CHECK(send(fd[0], big, BIG, 0) == BIG);
    CHECK(close(fd[0]) == 0);
    CHECK(child_status(pid) == 0);
}

void test_recv_trunc(void) {
    int fd[2];
    char buf[8] = "unused";
    tcp_pair(fd);
    CHECK(send(fd[0], "0123456789", 10, 0) == 10);
    CHECK(recv(fd[1], buf, 4, MSG_TRUNC) == 4); /* tcp(7): discards */
    CHECK(recv(fd[1], buf, 8, 0) == 6 && buf[0] == '4');
}

void test_udp(void) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {0};
    socklen_t len = sizeof(sin);
    char buf[16];
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(a, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK(getsockname(a, (struct sockaddr *)&sin, &len) == 0);
    CHECK_ERR(send(b, "x", 1, 0), EDESTADDRREQ);
    CHECK(sendto(b, "first", 5, 0, (struct sockaddr *)&sin, sizeof(sin)) == 5);
    CHECK(sendto(b, "", 0, 0, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    len = sizeof(from);
    CHECK(recvfrom(a, buf, 3, MSG_TRUNC, (struct sockaddr *)&from, &len) == 5);
    CHECK(len == sizeof(from) && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(recv(a, buf, sizeof(buf), 0) == 0); /* an empty datagram */
    CHECK_ERR(recv(a, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
    CHECK(connect(a, (struct sockaddr *)&from, sizeof(from)) == 0);
    CHECK(send(a, "back", 4, 0) == 4);
    CHECK(recv(b, buf, sizeof(buf), 0) == 4);
    struct timeval tv = {0, 50000};
    CHECK(setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    CHECK_ERR(recv(b, buf, sizeof(buf), 0), EAGAIN);
}

void test_udp_many(void) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(a, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK(getsockname(a, (struct sockaddr *)&sin, &len) == 0);
    CHECK(connect(b, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    char out[4] = "abcd", in[4][2];
    struct iovec ov[4], iv[4];
    struct mmsghdr om[4] = {0}, im[4] = {0};
    for (int i = 0; i < 4; i++) {
        ov[i] = (struct iovec){&out[i], 1};
        iv[i] = (struct iovec){in[i], 2};
        om[i].msg_hdr = (struct msghdr){.msg_iov = &ov[i], .msg_iovlen = 1};
        im[i].msg_hdr = (struct msghdr){.msg_iov = &iv[i], .msg_iovlen = 1};
    }
    CHECK(sendmmsg(b, om, 3, 0) == 3);
    CHECK(recvmmsg(a, im, 4, MSG_WAITFORONE, NULL) == 3);
    CHECK(im[2].msg_len == 1 && in[0][0] == 'a' && in[2][0] == 'c');
    CHECK_ERR(recvmmsg(a, im, 4, MSG_DONTWAIT, NULL), EAGAIN);
}

void test_sendfile_offset(void) {
    int fd[2];
    char buf[32];
    tcp_pair(fd);
    FILE *f = tmpfile();
    CHECK(f != NULL && fputs("0123456789abcdef", f) >= 0 && fflush(f) == 0);
    off_t off = 4;
    CHECK(sendfile(fd[0], fileno(f), &off, 6) == 6 && off == 10);
    CHECK(read_full(fd[1], buf, 6) == 6 && memcmp(buf, "456789", 6) == 0);
    CHECK(lseek(fileno(f), 12, SEEK_SET) == 12);
    CHECK(sendfile(fd[0], fileno(f), NULL, 100) == 4); /* up to the end */
    CHECK(lseek(fileno(f), 0, SEEK_CUR) == 16);
    CHECK(read_full(fd[1], buf, 4) == 4 && memcmp(buf, "cdef", 4) == 0);
}

void test_splice_pipe(void) {
    int fd[2], p[2];
    char buf[8];
    tcp_pair(fd);
    CHECK(pipe(p) == 0);
    CHECK(write(p[1], "spliced", 7) == 7);
    CHECK(splice(p[0], NULL, fd[0], NULL, 100, 0) == 7);
    CHECK(splice(fd[1], NULL, p[1], NULL, 100, 0) == 7);
    CHECK(read(p[0], buf, sizeof(buf)) == 7 && memcmp(buf, "spliced", 7) == 0);
}

void test_raw_syscalls(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    CHECK(syscall(SYS_write, fd[0], "sys", 3L) == 3);
    CHECK(syscall(SYS_read, fd[1], buf, 8L) == 3);
    CHECK_ERR(syscall(SYS_recvfrom, fd[1], buf, 8L, (long)MSG_DONTWAIT, NULL, NULL), EAGAIN);
    CHECK(syscall(SYS_getpid) == getpid());
    CHECK(syscall(SYS_close, fd[0]) == 0);
    CHECK(syscall(SYS_read, fd[1], buf, 8L) == 0);
}

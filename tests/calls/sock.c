#include "calls.h"

void test_socket_flags(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    struct stat sb;
    CHECK(fstat(fd, &sb) == 0 && S_ISSOCK(sb.st_mode));
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
    CHECK(close(fd) == 0);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fcntl(fd, F_GETFD) == 0);
    CHECK(fcntl(fd, F_GETFL) == O_RDWR);
    CHECK_ERR(lseek(fd, 0, SEEK_CUR), ESPIPE);
    CHECK(!isatty(fd));
}

void test_socket_errors(void) {
    int s;
    CHECK_ERR(socket(AF_INET, 77, 0), EINVAL);
    CHECK_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
    CHECK_ERR(listen(12345, 1), EBADF);
    CHECK_ERR(listen(-1, 1), EBADF);
    s = socket(AF_UNIX, SOCK_STREAM, 0); /* the kernel's still work */
    CHECK(s >= 0);
    int sv[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
    CHECK(send(sv[0], "x", 1, 0) == 1);
    char c;
    CHECK(recv(sv[1], &c, 1, 0) == 1 && c == 'x');
    CHECK_ERR(getsockname(STDIN_FILENO, NULL, NULL), ENOTSOCK);
}

void test_addresses(void) {
    struct sockaddr_in sin, a = {0}, b = {0};
    socklen_t len = sizeof(a);
    int l = listener(&sin);
    CHECK(sin.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    int c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(getpeername(c, (struct sockaddr *)&a, &len), ENOTCONN);
    CHECK(connect(c, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    len = sizeof(a);
    CHECK(getpeername(c, (struct sockaddr *)&a, &len) == 0 && len == sizeof(a));
    CHECK(a.sin_port == sin.sin_port && a.sin_addr.s_addr == sin.sin_addr.s_addr);
    len = sizeof(b);
    int s = accept(l, (struct sockaddr *)&b, &len);
    CHECK(s >= 0 && len == sizeof(b) && b.sin_family == AF_INET);
    len = sizeof(a);
    CHECK(getsockname(c, (struct sockaddr *)&a, &len) == 0);
    CHECK(a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr);
    len = 2; /* a short buffer gets a part, and the true length */
    CHECK(getsockname(c, (struct sockaddr *)&a, &len) == 0 && len == sizeof(a));
}

void test_bind_errors(void) {
    struct sockaddr_in sin;
    int l = listener(&sin), s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(bind(s, (struct sockaddr *)&sin, sizeof(sin)), EADDRINUSE);
    CHECK_ERR(bind(s, (struct sockaddr *)&sin, 3), EINVAL);
    sin.sin_addr.s_addr = htonl(0x08080808);
    CHECK_ERR(bind(s, (struct sockaddr *)&sin, sizeof(sin)), EADDRNOTAVAIL);
    CHECK(close(l) == 0);
    sin.sin_addr.s_addr = htonl(INADDR_ANY);
    CHECK(bind(s, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK_ERR(bind(s, (struct sockaddr *)&sin, sizeof(sin)), EINVAL);
    /* a child's port is free as soon as it has been waited for */
    CHECK(close(s) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            s = socket(AF_INET, SOCK_STREAM, 0);
            _exit(bind(s, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(s, 1) == 0 ? 0 : 1);
        }
        CHECK(child_status(pid) == 0);
    }
}

void test_accept_flags(void) {
    struct sockaddr_in sin;
    int l = listener(&sin);
    CHECK(fcntl(l, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
    int c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(c[i], (struct sockaddr *)&sin, sizeof(sin)) == 0);
    }
    int s = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(s >= 0);
    CHECK(fcntl(s, F_GETFD) == FD_CLOEXEC && fcntl(s, F_GETFL) == (O_RDWR | O_NONBLOCK));
    s = accept(l, NULL, NULL);
    CHECK(s >= 0);
    CHECK(fcntl(s, F_GETFD) == 0 && fcntl(s, F_GETFL) == O_RDWR); /* not inherited */
    CHECK_ERR(accept4(l, NULL, NULL, 1), EINVAL);
}

void test_accept_errors(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), fd[2];
    CHECK_ERR(accept(s, NULL, NULL), EINVAL);
    CHECK_ERR(accept(u, NULL, NULL), EOPNOTSUPP);
    CHECK_ERR(listen(u, 1), EOPNOTSUPP);
    tcp_pair(fd);
    CHECK_ERR(accept(fd[0], NULL, NULL), EINVAL);
    struct timeval tv = {0, 50000};
    struct sockaddr_in sin;
    int l = listener(&sin);
    CHECK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    int64_t begin = now_ms();
    CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
    CHECK(now_ms() - begin >= 45 && now_ms() - begin < 1000);
}

void test_refused(void) {
    struct sockaddr_in sin;
    int l = listener(&sin);
    CHECK(close(l) == 0);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect(s, (struct sockaddr *)&sin, sizeof(sin)), ECONNREFUSED);
    CHECK_ERR(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_ERR(connect(s, (struct sockaddr *)&sin, sizeof(sin)), ECONNREFUSED); /* once more */
    char c;
    int t = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(recv(t, &c, 1, 0), ENOTCONN);
    CHECK_ERR(shutdown(t, SHUT_WR), ENOTCONN);
}

void test_connect_nonblocking(void) {
    struct sockaddr_in sin;
    int l = listener(&sin), err = -1;
    socklen_t len = sizeof(err);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect(s, (struct sockaddr *)&sin, sizeof(sin));
    CHECK(r == 0 || errno == EINPROGRESS);
    struct pollfd p = {.fd = s, .events = POLLOUT};
    CHECK(poll(&p, 1, 1000) == 1 && p.revents == POLLOUT);
    CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);
    CHECK(r == 0 || connect(s, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    CHECK_ERR(connect(s, (struct sockaddr *)&sin, sizeof(sin)), EISCONN);
    CHECK(close(l) == 0);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_ERR(connect(s, (struct sockaddr *)&sin, sizeof(sin)), EINPROGRESS);
    p.fd = s;
    CHECK(poll(&p, 1, 1000) == 1 && (p.revents & POLLERR) && (p.revents & POLLHUP));
    CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == ECONNREFUSED);
    CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0); /* told once */
}

static int get_int(int fd, int level, int name) {
    int v = -1;
    socklen_t len = sizeof(v);
    CHECK(getsockopt(fd, level, name, &v, &len) == 0);
    return v;
}

void test_options(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in sin;
    CHECK(get_int(s, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
    CHECK(get_int(s, SOL_SOCKET, SO_DOMAIN) == AF_INET);
    CHECK(get_int(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
    CHECK(get_int(s, SOL_SOCKET, SO_ACCEPTCONN) == 0);
    CHECK(get_int(listener(&sin), SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(get_int(s, IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
    CHECK(get_int(s, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
    CHECK(get_int(s, SOL_SOCKET, SO_REUSEADDR) == 1);
    int size = 10000;
    CHECK(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
    CHECK(get_int(s, SOL_SOCKET, SO_SNDBUF) == 20000); /* socket(7): doubled */
    CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, 1), EINVAL);
    CHECK_ERR(setsockopt(s, SOL_SOCKET, 9999, &one, sizeof(one)), ENOPROTOOPT);
    CHECK_ERR(setsockopt(s, IPPROTO_TCP, 9999, &one, sizeof(one)), ENOPROTOOPT);
}

void test_half_close(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK(send(fd[0], "bye", 3, 0) == 3);
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    CHECK_ERR(send(fd[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(read_full(fd[1], buf, sizeof(buf)) == 3 && memcmp(buf, "bye", 3) == 0);
    CHECK(recv(fd[1], buf, 1, 0) == 0); /* the end stays */
    CHECK(send(fd[1], "still", 5, 0) == 5);
    CHECK(close(fd[1]) == 0);
    CHECK(read_full(fd[0], buf, sizeof(buf)) == 5);
    CHECK_ERR(shutdown(fd[0], 7), EINVAL);
}

void test_reset_on_unread(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    CHECK(send(fd[0], "unread", 6, 0) == 6);
    struct pollfd p = {.fd = fd[1], .events = POLLIN};
    CHECK(poll(&p, 1, 1000) == 1);
    CHECK(close(fd[1]) == 0);
    p = (struct pollfd){.fd = fd[0], .events = POLLIN};
    CHECK(poll(&p, 1, 1000) == 1 && (p.revents & POLLHUP));
    CHECK_ERR(recv(fd[0], buf, sizeof(buf), 0), ECONNRESET);
    CHECK(recv(fd[0], buf, sizeof(buf), 0) == 0);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERR(send(fd[0], "x", 1, 0), EPIPE);
}

void test_linger(void) {
    int fd[2];
    char buf[16];
    tcp_pair(fd);
    struct linger hard = {1, 0}, soft = {1, 5};
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
    CHECK(close(fd[0]) == 0);
    CHECK_ERR(recv(fd[1], buf, sizeof(buf), 0), ECONNRESET);
    CHECK(close(fd[1]) == 0);
    tcp_pair(fd);
    CHECK(setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &soft, sizeof(soft)) == 0);
    CHECK(send(fd[0], "data", 4, 0) == 4);
    int64_t begin = now_ms();
    CHECK(close(fd[0]) == 0);
    CHECK(now_ms() - begin < 2000);
    CHECK(read_full(fd[1], buf, sizeof(buf)) == 4);
}

/* A program of the socket calls' fine print: what man pages and Linux say they do. It knows nothing
 * of the shim: the same binary passes on the kernel's stack, and so tells what is right.
 *
 *     calls                 runs all tests, each in a process of its own, on 127.0.0.1
 *     calls NAME…           only those
 *
 * A test is a function that ends by returning or by a CHECK that fails. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            check_failed(__FILE__, __LINE__, #cond);                                               \
    } while (0)
/* The call returns −1 with that errno. */
#define CHECK_ERR(call, err)                                                                       \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long check_r = (long)(call);                                                               \
        if (check_r != -1 || errno != (err))                                                       \
            check_failed(__FILE__, __LINE__, #call " fails with " #err);                           \
    } while (0)

void check_failed(const char *file, int line, const char *what) __attribute__((noreturn));

/* Listening on 127.0.0.1, port in *sin. */
int listener(struct sockaddr_in *sin);
/* A connected pair of TCP sockets. */
void tcp_pair(int fd[2]);
/* Milliseconds on CLOCK_MONOTONIC. */
int64_t now_ms(void);
/* A child that runs fn(arg) and exits with its result; the parent gets the pid. */
pid_t child(int (*fn)(void *), void *arg);
/* Its exit status, or -1 when a signal ended it. */
int child_status(pid_t pid);
/* Reads exactly n bytes, or fewer at the end. */
ssize_t read_full(int fd, void *buf, size_t n);
/* Sends this process SIGALRM after ms milliseconds, once. */
void alarm_ms(int ms);

/* clang-format off */
#define SOCK_TESTS(X)                                                                              \
    X(socket_flags) X(socket_errors) X(addresses) X(bind_errors) X(accept_flags)                   \
    X(accept_errors) X(refused) X(connect_nonblocking) X(options) X(half_close)                    \
    X(reset_on_unread) X(linger)
#define IO_TESTS(X)                                                                                \
    X(send_recv) X(peek) X(waitall) X(dontwait) X(rcvtimeo) X(vectors) X(messages) X(zero_bytes)   \
    X(sigpipe) X(eintr) X(sa_restart) X(partial_send) X(large_send) X(recv_trunc) X(udp)           \
    X(udp_many) X(sendfile_offset) X(splice_pipe) X(raw_syscalls)
#define FD_TESTS(X)                                                                                \
    X(dup_shares) X(dup2_replaces) X(lowest_number) X(status_flags) X(close_on_exec_flag)          \
    X(close_ranges) X(ioctls) X(interface_ioctls) X(closed_number) X(passed_descriptor)
#define WAIT_TESTS(X)                                                                              \
    X(poll_mixed) X(poll_timeout) X(poll_hangup) X(poll_many) X(poll_eintr) X(select_sets)         \
    X(select_timeout) X(select_badf) X(pselect_mask) X(ppoll_mask) X(poll_listen)
#define EPOLL_TESTS(X)                                                                             \
    X(epoll_levels) X(epoll_edges) X(epoll_oneshot) X(epoll_errors) X(epoll_mixed)                 \
    X(epoll_close_removes) X(epoll_late_add) X(epoll_dup) X(epoll_fork) X(epoll_in_poll)           \
    X(epoll_timeout) X(epoll_fair)
#define PROC_TESTS(X)                                                                              \
    X(fork_shares) X(fork_server) X(exec_cat) X(exec_drops_cloexec) X(exec_fails) X(spawn_cat)     \
    X(vfork_child) X(exit_sends_all) X(daemon_keeps) X(threads)
#define STDIO_TESTS(X)                                                                             \
    X(fdopen_lines) X(fdopen_close) X(stdout_redirected) X(stdin_redirected) X(stdout_pending)     \
    X(stdout_closed) X(dprintf_socket)
#define SIG_TESTS(X)                                                                               \
    X(handler_sends) X(handler_storm) X(handler_jumps) X(rcvtimeo_eintr) X(cancel_in_recv)         \
    X(recv_in_threads) X(poll_same_number) X(poll_wakes) X(epoll_in_threads)
#define URGENT_TESTS(X)                                                                            \
    X(oob_byte) X(oob_ends_waitall) X(oob_inline) X(oob_select) X(oob_splice) X(sigurg)
#define ERRQUEUE_TESTS(X)                                                                          \
    X(zerocopy) X(tx_timestamps) X(rx_timestamps) X(tcp_inq) X(peek_off) X(recverr) X(eor)         \
    X(empty_vectors)
#define ALL_TESTS(X)                                                                               \
    SOCK_TESTS(X)                                                                                  \
    IO_TESTS(X)                                                                                    \
    FD_TESTS(X) WAIT_TESTS(X) EPOLL_TESTS(X) PROC_TESTS(X) STDIO_TESTS(X) SIG_TESTS(X)     \
    URGENT_TESTS(X) ERRQUEUE_TESTS(X)
/* clang-format on */

#define X(name) void test_##name(void);
ALL_TESTS(X)
#undef X

#endif

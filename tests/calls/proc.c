#include "calls.h"

#include <pthread.h>
#include <spawn.h>

static int echo(void *arg) {
    int *fd = arg;
    char buf[64];
    ssize_t n;
    close(fd[0]);
    while ((n = read(fd[1], buf, sizeof(buf))) > 0)
        if (write(fd[1], buf, (size_t)n) != n)
            return 1;
    return n == 0 ? 0 : 2;
}

void test_fork_shares(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    pid_t pid = child(echo, fd);
    CHECK(close(fd[1]) == 0); /* the child has it still */
    CHECK(write(fd[0], "ping", 4) == 4);
    CHECK(read_full(fd[0], buf, 4) == 4 && memcmp(buf, "ping", 4) == 0);
    CHECK(close(fd[0]) == 0);
    CHECK(child_status(pid) == 0);
}

static int serve_one(void *arg) {
    int s = accept(*(int *)arg, NULL, NULL), fd[2] = {-1, s};
    return s < 0 ? 3 : echo(fd);
}

void test_fork_server(void) {
    enum { N = 4 };
    struct sockaddr_in sin;
    int l = listener(&sin), c[N];
    pid_t pid[N];
    char buf[4];
    for (int i = 0; i < N; i++)
        pid[i] = child(serve_one, &l); /* all accept on one socket */
    CHECK(close(l) == 0);
    for (int i = 0; i < N; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(c[i], (struct sockaddr *)&sin, sizeof(sin)) == 0);
    }
    for (int i = 0; i < N; i++) {
        CHECK(write(c[i], "abcd", 4) == 4);
        CHECK(read_full(c[i], buf, 4) == 4);
        CHECK(shutdown(c[i], SHUT_WR) == 0);
    }
    for (int i = 0; i < N; i++)
        CHECK(child_status(pid[i]) == 0);
    CHECK_ERR(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&sin, sizeof(sin)),
              ECONNREFUSED);
}

static int become_cat(void *arg) {
    int *fd = arg;
    dup2(fd[1], 0);
    dup2(fd[1], 1);
    close(fd[0]);
    close(fd[1]);
    execl("/bin/cat", "cat", (char *)NULL);
    return 9;
}

static void expect_echo(int fd) {
    char buf[8];
    CHECK(write(fd, "through", 7) == 7);
    CHECK(read_full(fd, buf, 7) == 7 && memcmp(buf, "through", 7) == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(read(fd, buf, 1) == 0);
}

void test_exec_cat(void) {
    int fd[2];
    tcp_pair(fd);
    pid_t pid = child(become_cat, fd);
    CHECK(close(fd[1]) == 0);
    expect_echo(fd[0]);
    CHECK(child_status(pid) == 0);
}

static int become_sleep(void *arg) {
    (void)arg;
    execlp("sleep", "sleep", "10", (char *)NULL);
    return 9;
}

void test_exec_drops_cloexec(void) {
    int fd[2];
    char c;
    tcp_pair(fd);
    CHECK(fcntl(fd[1], F_SETFD, FD_CLOEXEC) == 0);
    pid_t pid = child(become_sleep, NULL);
    CHECK(close(fd[1]) == 0);
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    CHECK(poll(&p, 1, 3000) == 1 && read(fd[0], &c, 1) == 0); /* at the exec, not 10 s later */
    CHECK(kill(pid, SIGKILL) == 0 && child_status(pid) == -1);
}

void test_exec_fails(void) {
    int fd[2];
    char c;
    tcp_pair(fd);
    CHECK(fcntl(fd[1], F_SETFD, FD_CLOEXEC) == 0);
    char *argv[] = {"nosuch", NULL};
    CHECK_ERR(execv("/nonexistent/nosuch", argv), ENOENT);
    CHECK(write(fd[1], "x", 1) == 1 && read(fd[0], &c, 1) == 1); /* all is as it was */
}

extern char **environ;

void test_spawn_cat(void) {
    int fd[2];
    pid_t pid;
    tcp_pair(fd);
    CHECK(fcntl(fd[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd[1], F_SETFD, FD_CLOEXEC) == 0);
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, fd[1], 0);
    posix_spawn_file_actions_adddup2(&fa, fd[1], 1);
    char *argv[] = {"cat", NULL};
    CHECK(posix_spawnp(&pid, "cat", &fa, NULL, argv, environ) == 0);
    CHECK(close(fd[1]) == 0);
    expect_echo(fd[0]);
    CHECK(child_status(pid) == 0);
    CHECK(posix_spawnp(&pid, "/nonexistent/x", NULL, NULL, argv, environ) == ENOENT);
}

void test_vfork_child(void) {
    int fd[2];
    tcp_pair(fd);
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(fd[1], 0);
        dup2(fd[1], 1);
        close(fd[0]);
        close(fd[1]);
        execl("/bin/cat", "cat", (char *)NULL);
        _exit(9);
    }
    CHECK(pid > 0);
    CHECK(close(fd[1]) == 0); /* what the child closed is open here */
    expect_echo(fd[0]);
    CHECK(child_status(pid) == 0);
}

static int send_and_exit(void *arg) {
    int *fd = arg;
    close(fd[0]);
    static char big[200000];
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    return write(fd[1], big, sizeof(big)) > 0 ? 0 : 1;
}

void test_exit_sends_all(void) {
    int fd[2];
    tcp_pair(fd);
    pid_t pid = child(send_and_exit, fd);
    CHECK(close(fd[1]) == 0);
    CHECK(child_status(pid) == 0);
    char buf[65536];
    ssize_t n, total = 0;
    while ((n = read(fd[0], buf, sizeof(buf))) > 0)
        total += n;
    CHECK(n == 0 && total > 0);
}

void test_daemon_keeps(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (daemon(0, 0) < 0)
            _exit(1);
        usleep(50000);
        _exit(write(fd[1], "daemon", 6) == 6 ? 0 : 1);
    }
    CHECK(child_status(pid) == 0);
    CHECK(close(fd[1]) == 0);
    CHECK(read_full(fd[0], buf, 8) == 6 && memcmp(buf, "daemon", 6) == 0);
}

static void *thread_connects(void *arg) {
    char buf[4];
    for (int i = 0; i < 20; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(s, arg, sizeof(struct sockaddr_in)) < 0 || write(s, "abcd", 4) != 4 ||
            read_full(s, buf, 4) != 4 || close(s) < 0)
            return (void *)"failed";
    }
    return NULL;
}

void test_threads(void) {
    enum { N = 4 };
    struct sockaddr_in sin;
    int l = listener(&sin);
    pthread_t t[N];
    void *result;
    for (int i = 0; i < N; i++)
        CHECK(pthread_create(&t[i], NULL, thread_connects, &sin) == 0);
    for (int i = 0; i < N * 20; i++) {
        char buf[4];
        int s = accept(l, NULL, NULL);
        CHECK(s >= 0 && read_full(s, buf, 4) == 4 && write(s, buf, 4) == 4 && close(s) == 0);
    }
    for (int i = 0; i < N; i++)
        CHECK(pthread_join(t[i], &result) == 0 && result == NULL);
}

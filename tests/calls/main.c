#include "calls.h"

#include <sys/time.h>

#define TEST_SECONDS 20

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
#define X(name) {#name, test_##name},
    ALL_TESTS(X)
#undef X
};

void check_failed(const char *file, int line, const char *what) {
    int err = errno;
    char text[512];
    int n = snprintf(text, sizeof(text), "  %s:%d: not so: %s (errno %d: %s)\n", file, line, what,
                     err, strerror(err));
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(2);
    _exit(1);
}

int listener(struct sockaddr_in *sin) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    *sin = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (struct sockaddr *)sin, sizeof(*sin)) == 0);
    socklen_t len = sizeof(*sin);
    CHECK(getsockname(fd, (struct sockaddr *)sin, &len) == 0);
    CHECK(sin->sin_port != 0);
    CHECK(listen(fd, 64) == 0);
    return fd;
}

void tcp_pair(int fd[2]) {
    struct sockaddr_in sin;
    int l = listener(&sin);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd[0] >= 0);
    CHECK(connect(fd[0], (struct sockaddr *)&sin, sizeof(sin)) == 0);
    fd[1] = accept(l, NULL, NULL);
    CHECK(fd[1] >= 0);
    CHECK(close(l) == 0);
}

int64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

pid_t child(int (*fn)(void *), void *arg) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(fn(arg));
    return pid;
}

int child_status(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

ssize_t read_full(int fd, void *buf, size_t n) {
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (char *)buf + got, n - got);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

void alarm_ms(int ms) {
    struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000L}};
    CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static bool run(size_t i) {
    int64_t begin = now_ms();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(TEST_SECONDS);
        tests[i].run();
        _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        ;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "  ended by signal %d%s\n", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? " (took too long)" : "");
    printf("%s %s (%d ms)\n", ok ? "ok  " : "FAIL", tests[i].name, (int)(now_ms() - begin));
    fflush(stdout);
    return ok;
}

int main(int argc, char **argv) {
    int failed = 0, n = 0;
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], tests[i].name) == 0;
        if (!wanted)
            continue;
        n++;
        failed += !run(i);
    }
    printf("%d of %d failed\n", failed, n);
    return failed > 0 || n == 0;
}

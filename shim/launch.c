/* Theory of operation. The program must not notice: no child that its wait() would find, no
 * SIGCHLD, no descriptor, no thread, no fork handler run. So an intermediate child is made by
 * clone(2) with no exit signal, sharing memory (nothing is copied) while we wait; it makes the
 * keeper the same way and exits, so that the keeper is init's child. All signals are blocked
 * meanwhile. The keeper's own image resets what it inherits. */
#include "shim/launch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/host.h"
#include "shim/real.h"

#define LAUNCH_TIMEOUT_NS 10000000000ull
#define CHILD_STACK       (64u << 10)
#define LOADER            "/lib64/ld-linux-x86-64.so.2"

struct launch {
    char path[4096]; /* of libshim.so */
    int status_fd, memfd, packet_fd;
    bool keep_stderr;
    char **env;
    int error; /* of the child's last step */
    char *stack[2];
};

/* Where libshim.so lies: what the loader was given may have been relative to another directory. */
static bool find_self(char *path, size_t size) {
    uintptr_t here = (uintptr_t)&launch_keeper;
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    FILE *f = fd >= 0 ? REAL(fdopen)(fd, "r") : NULL;
    if (f == NULL) {
        if (fd >= 0)
            REAL(close)(fd);
        Dl_info info;
        return dladdr((void *)here, &info) != 0 && /* NOLINT(performance-no-int-to-ptr) */
               snprintf(path, size, "%s", info.dli_fname) < (int)size;
    }
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (!found && getline(&line, &room, f) > 0) {
        unsigned long lo, hi;
        int at = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &lo, &hi, &at) >= 2 && here >= lo &&
            here < hi && at > 0) {
            line[strcspn(line, "\n")] = '\0';
            found = snprintf(path, size, "%s", line + at) < (int)size;
        }
    }
    free(line);
    fclose(f);
    return found;
}

/* The environment without what would preload us into the keeper. */
static char **clean_env(void) {
    size_t n = 0;
    while (environ != NULL && environ[n] != NULL)
        n++;
    char **env = calloc(n + 1, sizeof(*env));
    size_t at = 0;
    for (size_t i = 0; env != NULL && i < n; i++)
        if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0 && strncmp(environ[i], "LD_AUDIT=", 9) != 0)
            env[at++] = environ[i];
    return env;
}

/* In the keeper-to-be. Its descriptor table is a copy: closing hurts nobody. */
static void place_fds(struct launch *l) {
    int from[3] = {l->status_fd, l->memfd, l->packet_fd};
    for (int i = 0; i < 3; i++) /* above their places first, so that none is run over */
        if (from[i] >= 0)
            from[i] = REAL(fcntl)(from[i], F_DUPFD, 10);
    for (int i = 0; i < 3; i++) {
        if (from[i] >= 0)
            REAL(dup2)(from[i], LAUNCH_STATUS_FD + i);
        else
            REAL(close)(LAUNCH_STATUS_FD + i);
    }
    REAL(syscall)(SYS_close_range, LAUNCH_PACKET_FD + 1, ~0u, 0);
    int null = (int)REAL(syscall)(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (null >= 0)
        for (int i = 0; i < (l->keep_stderr ? 2 : 3); i++)
            REAL(dup2)(null, i);
    if (null > LAUNCH_PACKET_FD)
        REAL(close)(null);
}

static int run_keeper(void *arg) {
    struct launch *l = arg;
    place_fds(l);
    char adopt[] = "--adopt", keeper[] = "keeper";
    char *argv[] = {l->path, keeper, l->memfd >= 0 ? adopt : NULL, NULL};
    REAL(execve)(l->path, argv, l->env);
    l->error = errno;
    if (l->error == EACCES || l->error == ENOEXEC) { /* not executable: the loader does it too */
        char loader[] = LOADER;
        char *argv2[] = {loader, l->path, keeper, l->memfd >= 0 ? adopt : NULL, NULL};
        REAL(execve)(loader, argv2, l->env);
    }
    _exit(127);
}

static int run_between(void *arg) {
    struct launch *l = arg;
    REAL(syscall)(SYS_setsid);
    if (clone(run_keeper, l->stack[1] + CHILD_STACK, CLONE_VM | CLONE_VFORK, l) < 0)
        l->error = errno;
    _exit(0);
}

static int spawn(struct launch *l) {
    char *stacks = mmap(NULL, 2 * (size_t)CHILD_STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED)
        return -ENOMEM;
    l->stack[0] = stacks;
    l->stack[1] = stacks + CHILD_STACK;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int pid = clone(run_between, l->stack[0] + CHILD_STACK, CLONE_VM | CLONE_VFORK, l);
    int r = pid < 0 ? -errno : 0;
    if (pid > 0)
        while (REAL(syscall)(SYS_wait4, pid, NULL, __WALL, NULL) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stacks, 2 * (size_t)CHILD_STACK);
    return r < 0 ? r : -l->error;
}

/* One line from the status pipe. Bytes read, 0 at its end without a word, or -errno. */
static int read_status(int fd, char *line, size_t size) {
    uint64_t deadline = host_now() + LAUNCH_TIMEOUT_NS;
    size_t n = 0;
    while (n < size - 1 && memchr(line, '\n', n) == NULL) {
        uint64_t now = host_now();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r = now < deadline ? REAL(poll)(&p, 1, (int)((deadline - now) / 1000000) + 1) : 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (r < 0 && errno == EINTR)
            continue;
        ssize_t got = REAL(read)(fd, line + n, size - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return (int)n;
}

static int understand(int n, const char *line, char ifname[16], char *err, size_t errlen) {
    if (n == -ETIMEDOUT)
        snprintf(err, errlen, "the stack's keeper does not get ready: see SHIMSTACK_LOG=debug");
    else if (n > 0 && line[0] == '!')
        snprintf(err, errlen, "%s", line + 1);
    else if (n > 0 && sscanf(line, "ready %15s", ifname) == 1)
        return 0;
    else
        snprintf(err, errlen, "the stack's keeper ended before it was ready");
    return n < 0 ? n : -ENETDOWN;
}

int launch_keeper(int memfd, int packet_fd, char ifname[16], char *err, size_t errlen) {
    struct launch *l = calloc(1, sizeof(*l));
    int pipefd[2] = {-1, -1}, r = -ENOMEM;
    char line[512] = "";
    if (l == NULL || (l->env = clean_env()) == NULL) {
        snprintf(err, errlen, "out of memory");
    } else if (!find_self(l->path, sizeof(l->path))) {
        snprintf(err, errlen, "cannot find libshim.so's own file (is /proc mounted?)");
        r = -ENOENT;
    } else if (pipe2(pipefd, O_CLOEXEC) < 0) {
        r = -errno;
        snprintf(err, errlen, "cannot start the stack's keeper: %s", strerror(-r));
    } else {
        const char *log = getenv("SHIMSTACK_LOG");
        l->keep_stderr = log != NULL && log[0] != '\0';
        l->status_fd = pipefd[1];
        l->memfd = memfd;
        l->packet_fd = packet_fd;
        r = spawn(l);
        REAL(close)(pipefd[1]);
        if (r < 0)
            snprintf(err, errlen, "cannot start the stack's keeper (%s): %s", l->path,
                     strerror(-r));
        else
            r = understand(read_status(pipefd[0], line, sizeof(line)), line, ifname, err, errlen);
        REAL(close)(pipefd[0]);
    }
    if (l != NULL)
        free(l->env);
    free(l);
    return r;
}

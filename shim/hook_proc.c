/* fork, spawn and exec: which process holds which socket.
 *
 * Theory of operation. A fork child holds what its parent holds: the references are copied before
 * the fork (an embryo in the segment), so that nothing closes in between. vfork is fork here: a
 * vfork child shares its parent's memory, and what its hooks do to the table would be done to the
 * parent's. posix_spawn's child runs no hook before its exec.
 *
 * exec keeps the process and its references, but not descriptors that are close-on-exec. When there
 * are any, a variable in the new image's environment (REATTACH) tells its start to attach and count
 * what is left. A program that runs without the shim then keeps them until it ends. */
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <pty.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utmp.h>

#include "shim/hook.h"
#include "shim/start.h"

/* ---- fork ---- */

static __thread bool forking; /* this thread, through a hook below */

/* First thing in the child: as an atfork handler, registered before the program's own, which may
 * close sockets already. (_Fork runs no handlers, hence the second call.) */
static void fork_child(void) {
    if (!forking)
        return;
    forking = false;
    host_fork_child();
    epoll_fork_child();
}

__attribute__((constructor)) static void register_fork_child(void) {
    pthread_atfork(NULL, NULL, fork_child);
}

static pid_t fork_with(pid_t (*real_fork)(void)) {
    host_fork_prepare();
    forking = true;
    pid_t pid = real_fork();
    int saved = errno;
    if (pid == 0) {
        fork_child();
    } else {
        forking = false;
        host_fork_parent(pid);
    }
    errno = saved;
    return pid;
}

HOOK pid_t fork(void) {
    return fork_with(REAL(fork));
}
HOOK pid_t vfork(void) {
    return fork_with(REAL(fork));
}
HOOK pid_t _Fork(void) {
    return fork_with(REAL(_Fork));
}
pid_t __fork(void);
HOOK pid_t __fork(void) {
    return fork_with(REAL(fork));
}

/* daemon(3), which in glibc forks and moves descriptors past our hooks. */
HOOK int daemon(int nochdir, int noclose) {
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0)
        _exit(0);
    if (setsid() < 0 || (!nochdir && chdir("/") < 0))
        return -1;
    if (noclose)
        return 0;
    int fd = open(_PATH_DEVNULL, O_RDWR);
    if (fd < 0)
        return -1;
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        dup2(fd, i);
    if (fd > STDERR_FILENO)
        close(fd);
    return 0;
}

/* forkpty(3), likewise. */
HOOK pid_t forkpty(int *amaster, char *name, const struct termios *tio, const struct winsize *win) {
    int master, slave;
    if (openpty(&master, &slave, name, tio, win) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        if (login_tty(slave) < 0)
            _exit(1);
        for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
            fd_drop(i), stdio_fd_changed(i);
        return 0;
    }
    close(slave);
    if (pid < 0)
        close(master);
    else
        *amaster = master;
    return pid;
}

/* ---- exec ---- */

static bool has_socket(void) {
    for (int fd = 0; fd < fdtab_high(); fd++)
        if (fd_is_sock(fd))
            return true;
    return false;
}

/* Has this process a socket of ours that exec will close? */
static bool has_cloexec(void) {
    for (int fd = 0; fd < fdtab_high(); fd++) {
        if (!fd_is_sock(fd))
            continue;
        int flags = REAL(fcntl)(fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC))
            return true;
    }
    return false;
}

static size_t env_count(char *const envp[]) {
    size_t n = 0;
    while (envp != NULL && envp[n] != NULL)
        n++;
    return n;
}

/* envp with the mark; room: env_count(envp) + 2. */
static void env_mark(char *const envp[], size_t n, char **out) {
    static char mark[] = START_REATTACH "=1";
    if (n > 0)
        memcpy(out, envp, n * sizeof(*out));
    out[n] = mark;
    out[n + 1] = NULL;
}

/* exec is async-signal-safe: the new vector lies on the stack. */
HOOK int execve(const char *path, char *const argv[], char *const envp[]) {
    if (!has_cloexec())
        return REAL(execve)(path, argv, envp);
    size_t n = env_count(envp);
    char *marked[n + 2];
    env_mark(envp, n, marked);
    return REAL(execve)(path, argv, marked);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[]) {
    if (!has_cloexec())
        return REAL(execvpe)(file, argv, envp);
    size_t n = env_count(envp);
    char *marked[n + 2];
    env_mark(envp, n, marked);
    return REAL(execvpe)(file, argv, marked);
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[]) {
    if (!has_cloexec())
        return REAL(fexecve)(fd, argv, envp);
    size_t n = env_count(envp);
    char *marked[n + 2];
    env_mark(envp, n, marked);
    return REAL(fexecve)(fd, argv, marked);
}

HOOK int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags) {
    if (!has_cloexec())
        return REAL(execveat)(fd, path, argv, envp, flags);
    size_t n = env_count(envp);
    char *marked[n + 2];
    env_mark(envp, n, marked);
    return REAL(execveat)(fd, path, argv, marked, flags);
}

HOOK int execv(const char *path, char *const argv[]) {
    return execve(path, argv, environ);
}
HOOK int execvp(const char *file, char *const argv[]) {
    return execvpe(file, argv, environ);
}

/* The arguments of execl and its kin as a vector; *envp: what follows the NULL (execle). */
static size_t args_count(va_list ap) {
    size_t n = 1;
    while (va_arg(ap, char *) != NULL)
        n++;
    return n;
}
static void args_take(va_list ap, const char *arg0, size_t n, char **argv) {
    argv[0] = (char *)(uintptr_t)arg0;
    for (size_t i = 1; i < n; i++)
        argv[i] = va_arg(ap, char *);
    argv[n] = va_arg(ap, char *); /* the NULL */
}

#define EXEC_L(call)                                                                               \
    do {                                                                                           \
        va_list ap;                                                                                \
        va_start(ap, arg);                                                                         \
        size_t n = args_count(ap);                                                                 \
        va_end(ap);                                                                                \
        char *argv[n + 1];                                                                         \
        va_start(ap, arg);                                                                         \
        args_take(ap, arg, n, argv);                                                               \
        int r = (call);                                                                            \
        va_end(ap);                                                                                \
        return r;                                                                                  \
    } while (0)

HOOK int execl(const char *path, const char *arg, ...) {
    EXEC_L(execve(path, argv, environ));
}
HOOK int execlp(const char *file, const char *arg, ...) {
    EXEC_L(execvpe(file, argv, environ));
}
HOOK int execle(const char *path, const char *arg, ...) {
    EXEC_L(execve(path, argv, va_arg(ap, char **)));
}

/* ---- posix_spawn ---- */

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const *, char *const *);

static int spawn_with(spawn_fn spawn, pid_t *pid, const char *path,
                      const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                      char *const argv[], char *const envp[]) {
    pid_t child = -1;
    size_t n = env_count(envp);
    char *marked[n + 2];
    bool mark = has_socket(); /* file actions may close any of them */
    if (mark)
        env_mark(envp, n, marked);
    host_fork_prepare();
    int r = spawn(&child, path, actions, attr, argv, mark ? marked : envp);
    host_fork_parent(r == 0 ? child : -1);
    if (r == 0 && pid != NULL)
        *pid = child;
    return r;
}

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    return spawn_with(REAL(posix_spawn), pid, path, actions, attr, argv, envp);
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    return spawn_with(REAL(posix_spawnp), pid, file, actions, attr, argv, envp);
}

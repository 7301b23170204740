#include "shim/fdtab.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/hook.h"
#include "shim/real.h"

#define FDTAB_MAX (1u << 20)

_Atomic(uintptr_t) *fdtab;
unsigned fdtab_size;
static _Atomic int high;

static void init_once(void) {
    struct rlimit rl;
    unsigned n = FDTAB_MAX;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max < n)
        n = (unsigned)rl.rlim_max;
    if (n < 1024)
        n = 1024;
    void *mem = mmap(NULL, n * sizeof(*fdtab), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED)
        return;
    fdtab = mem;
    atomic_thread_fence(memory_order_release);
    fdtab_size = n;
}

bool fdtab_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (fdtab_size == 0)
        pthread_once(&once, init_once);
    if (fdtab_size == 0)
        errno = ENOMEM;
    return fdtab_size != 0;
}

static bool in_table(int fd) {
    return (unsigned)fd < fdtab_size;
}

static bool set(int fd, uintptr_t e) {
    if (!in_table(fd))
        return false;
    int h = atomic_load(&high);
    while ((e & FD_KIND_MASK) != FD_KERNEL && fd >= h)
        if (atomic_compare_exchange_weak(&high, &h, fd + 1))
            break;
    atomic_store_explicit(&fdtab[fd], e, memory_order_release);
    return true;
}

int fdtab_high(void) {
    return atomic_load(&high);
}

bool fd_set_sock(int fd, struct sock *so) {
    return set(fd, (uintptr_t)so | FD_SOCK);
}
bool fd_set_epoll(int fd, struct epoll *ep) {
    return set(fd, (uintptr_t)ep | FD_EPOLL);
}
void fd_set_unknown(int fd) {
    if (in_table(fd))
        atomic_store_explicit(&fdtab[fd], FD_UNKNOWN, memory_order_release);
}
void fd_set_kernel(int fd) {
    if (in_table(fd))
        atomic_store_explicit(&fdtab[fd], FD_KERNEL, memory_order_release);
}

bool fd_is_sock(int fd) {
    return in_table(fd) &&
           (atomic_load_explicit(&fdtab[fd], memory_order_acquire) & FD_KIND_MASK) == FD_SOCK;
}

bool fd_is_still(int fd, const struct sock *so) {
    return in_table(fd) &&
           atomic_load_explicit(&fdtab[fd], memory_order_acquire) == ((uintptr_t)so | FD_SOCK);
}

struct epoll *fd_epoll(int fd) {
    if (!in_table(fd))
        return NULL;
    uintptr_t e = atomic_load_explicit(&fdtab[fd], memory_order_acquire);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (e & FD_KIND_MASK) == FD_EPOLL ? (struct epoll *)(e & ~FD_KIND_MASK) : NULL;
}

/* Takes an entry of that kind away; NULL when it is of another. */
static void *take(int fd, enum fd_kind kind) {
    if (!in_table(fd))
        return NULL;
    uintptr_t e = atomic_load(&fdtab[fd]);
    while ((e & FD_KIND_MASK) == kind)
        if (atomic_compare_exchange_weak(&fdtab[fd], &e, FD_KERNEL))
            return (void *)(e & ~FD_KIND_MASK); /* NOLINT(performance-no-int-to-ptr) */
    return NULL;
}
struct sock *fd_take_sock(int fd) {
    return take(fd, FD_SOCK);
}
struct epoll *fd_take_epoll(int fd) {
    return take(fd, FD_EPOLL);
}

/* Might fd stand for a socket of ours (an AF_UNIX socket of the kernel)? Its inode if so. */
static bool candidate(int fd, uint64_t *ino) {
    struct stat sb;
    int domain = 0;
    socklen_t len = sizeof(domain);
    if (fstat(fd, &sb) < 0 || !S_ISSOCK(sb.st_mode) ||
        REAL(getsockopt)(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
        return false;
    *ino = sb.st_ino;
    return true;
}

/* Enters fd's kind in the table, unless another thread did so meanwhile. */
static void identify(struct host *h, int fd, uint64_t ino) {
    host_enter(h);
    uintptr_t unknown = FD_UNKNOWN;
    struct sock *so = sock_find_ino(h->st, ino);
    if (so == NULL || sock_get(h->st, so, h->proc) < 0) {
        atomic_compare_exchange_strong(&fdtab[fd], &unknown, FD_KERNEL);
    } else if (atomic_load(&fdtab[fd]) == FD_UNKNOWN) {
        fd_set_sock(fd, so);
    } else {
        sock_put(h->st, so, h->proc);
    }
    host_leave(h);
}

struct sock *fd_sock_slow(int fd) {
    int saved = errno;
    struct stat sb;
    uint64_t ino;
    if (!fdtab_init() || !in_table(fd) || host_owns_fd(fd) || fstat(fd, &sb) < 0) {
        errno = saved;
        return NULL;
    }
    struct host *h = candidate(fd, &ino) ? host_peek() : NULL;
    /* host_peek may have attached and so looked at every descriptor. */
    uintptr_t unknown = FD_UNKNOWN;
    if (h == NULL)
        atomic_compare_exchange_strong(&fdtab[fd], &unknown, FD_KERNEL);
    else if (atomic_load(&fdtab[fd]) == FD_UNKNOWN)
        identify(h, fd, ino);
    errno = saved;
    uintptr_t e = atomic_load(&fdtab[fd]);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (e & FD_KIND_MASK) == FD_SOCK ? (struct sock *)(e & ~FD_KIND_MASK) : NULL;
}

static void reconcile_fd(struct host *h, int fd) {
    uint64_t ino;
    if (in_table(fd) && atomic_load(&fdtab[fd]) == FD_UNKNOWN && !host_owns_fd(fd) &&
        candidate(fd, &ino))
        identify(h, fd, ino);
}

void fdtab_reconcile(struct host *h) {
    if (!fdtab_init())
        return;
    for (int fd = 0; fd < fdtab_high(); fd++)
        fd_take_sock(fd); /* of a lost host; its reference went with it */
    epoll_host_lost();
    /* Raw getdents64: opendir allocates, and this may run in a signal handler's first write(). */
    int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        for (int fd = 0; fd < 1024; fd++)
            reconcile_fd(h, fd);
        return;
    }
    _Alignas(8) char buf[4096];
    long n;
    while ((n = REAL(syscall)(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
        for (long at = 0; at < n;) {
            /* struct linux_dirent64: u64 ino, s64 off, u16 reclen, u8 type, char name[] */
            uint16_t reclen = *(uint16_t *)(buf + at + 16);
            const char *name = buf + at + 19;
            if (name[0] != '.')
                reconcile_fd(h, atoi(name)); /* NOLINT(cert-err34-c) */
            at += reclen;
        }
    }
    REAL(close)(dir);
}

/* select and pselect: turned into poll when a socket of ours is in one of the sets. The sets may be
 * larger than FD_SETSIZE, as the kernel allows; how large is told by the first argument only. */
#include <string.h>
#include <sys/mman.h>

#include "shim/hook.h"

/* What each set asks for, and what in the answer belongs to it (select(2), "Correspondence between
 * select() and poll() notifications"). */
#define ASK_IN  (POLLIN | POLLRDNORM | POLLRDBAND)
#define ASK_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define ASK_EX  POLLPRI
#define GOT_IN  (ASK_IN | POLLHUP | POLLERR)
#define GOT_OUT (ASK_OUT | POLLERR)
#define GOT_EX  POLLPRI

#define FEW_FDS 64
#define MAX_FDS (1 << 20)
#define WORD    ((int)(8 * sizeof(unsigned long)))

struct sets {
    unsigned long *set[3]; /* in, out, except; NULL: not asked */
    int n;
};

static struct sets sets_of(int n, fd_set *in, fd_set *out, fd_set *ex) {
    return (struct sets){{(unsigned long *)in, (unsigned long *)out, (unsigned long *)ex}, n};
}

static bool bit(const unsigned long *set, int fd) {
    return set != NULL && (set[fd / WORD] >> (fd % WORD) & 1) != 0;
}

/* The next descriptor >= fd in any of the sets, or -1. */
static int sets_next(const struct sets *s, int fd) {
    while (fd < s->n) {
        unsigned long any = 0;
        for (int k = 0; k < 3; k++)
            if (s->set[k] != NULL)
                any |= s->set[k][fd / WORD];
        any >>= fd % WORD;
        if (any != 0) {
            fd += __builtin_ctzl(any);
            return fd < s->n ? fd : -1;
        }
        fd = (fd / WORD + 1) * WORD;
    }
    return -1;
}

/* How many descriptors the sets have; *ours: is one of them ours? */
static int sets_count(const struct sets *s, bool *ours) {
    int count = 0;
    *ours = false;
    for (int fd = sets_next(s, 0); fd >= 0; fd = sets_next(s, fd + 1)) {
        count++;
        *ours |= fd_sock(fd) != NULL || fd_epoll(fd) != NULL;
    }
    return count;
}

static void sets_to_poll(const struct sets *s, struct pollfd *fds) {
    for (int fd = sets_next(s, 0); fd >= 0; fd = sets_next(s, fd + 1)) {
        short ask = 0;
        if (bit(s->set[0], fd))
            ask |= ASK_IN;
        if (bit(s->set[1], fd))
            ask |= ASK_OUT;
        if (bit(s->set[2], fd))
            ask |= ASK_EX;
        *fds++ = (struct pollfd){.fd = fd, .events = ask};
    }
}

/* The answer into the sets. Returns the number of bits set, or -EBADF, and then leaves them. */
static int sets_from_poll(struct sets *s, const struct pollfd *fds, int count) {
    static const short got[3] = {GOT_IN, GOT_OUT, GOT_EX};
    static const short ask[3] = {ASK_IN, ASK_OUT, ASK_EX};
    int bits = 0;
    for (int i = 0; i < count; i++)
        if (fds[i].revents & POLLNVAL)
            return -EBADF;
    for (int k = 0; k < 3; k++)
        if (s->set[k] != NULL)
            memset(s->set[k], 0, (size_t)((s->n + WORD - 1) / WORD) * sizeof(unsigned long));
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 3; k++)
            if (s->set[k] != NULL && (fds[i].events & ask[k]) && (fds[i].revents & got[k])) {
                s->set[k][fds[i].fd / WORD] |= 1ul << (fds[i].fd % WORD);
                bits++;
            }
    return bits;
}

/* −errno, or as select. `count` descriptors are in the sets. */
static int select_by_poll(struct sets *s, int count, uint64_t deadline, const sigset_t *mask) {
    struct pollfd few[FEW_FDS], *fds = few;
    size_t size = (size_t)count * sizeof(*fds);
    if (count > FEW_FDS) {
        fds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fds == MAP_FAILED)
            return -ENOMEM;
    }
    sets_to_poll(s, fds);
    struct timespec ts, *tsp = NULL;
    if (deadline != WAIT_FOREVER) {
        uint64_t now = host_now(), left = deadline > now ? deadline - now : 0;
        ts = (struct timespec){(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        tsp = &ts;
    }
    int r = ppoll(fds, (nfds_t)count, tsp, mask);
    r = r < 0 ? -errno : sets_from_poll(s, fds, count);
    if (fds != few)
        munmap(fds, size);
    return r;
}

HOOK int select(int n, fd_set *in, fd_set *out, fd_set *ex, struct timeval *timeout) {
    struct sets s = sets_of(n, in, out, ex);
    bool ours = false;
    int count = n < 0 || n > MAX_FDS ? 0 : sets_count(&s, &ours);
    if (!ours)
        return REAL(select)(n, in, out, ex, timeout);
    uint64_t deadline = WAIT_FOREVER;
    if (timeout != NULL) {
        if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
            return (int)hook_ret(-EINVAL);
        struct timespec ts = {timeout->tv_sec + timeout->tv_usec / 1000000,
                              timeout->tv_usec % 1000000 * 1000};
        if (deadline_after_timespec(&ts, &deadline) < 0)
            return -1;
    }
    int r = select_by_poll(&s, count, deadline, NULL);
    if (timeout != NULL && deadline != WAIT_FOREVER) { /* Linux tells what is left of it */
        uint64_t now = host_now(), left = deadline > now ? deadline - now : 0;
        timeout->tv_sec = (time_t)(left / 1000000000u);
        timeout->tv_usec = (suseconds_t)(left % 1000000000u / 1000u);
    }
    return (int)hook_ret(r);
}

HOOK int pselect(int n, fd_set *in, fd_set *out, fd_set *ex, const struct timespec *timeout,
                 const sigset_t *mask) {
    struct sets s = sets_of(n, in, out, ex);
    bool ours = false;
    int count = n < 0 || n > MAX_FDS ? 0 : sets_count(&s, &ours);
    if (!ours)
        return REAL(pselect)(n, in, out, ex, timeout, mask);
    uint64_t deadline;
    if (deadline_after_timespec(timeout, &deadline) < 0)
        return -1;
    return (int)hook_ret(select_by_poll(&s, count, deadline, mask));
}

int __select(int n, fd_set *in, fd_set *out, fd_set *ex, struct timeval *timeout);
HOOK int __select(int n, fd_set *in, fd_set *out, fd_set *ex, struct timeval *timeout) {
    return select(n, in, out, ex, timeout);
}

/* The shim's own descriptors: which numbers they have. They lie high, where programs seldom are:
 * above 1023, so that select()able numbers stay the program's, and not at the very top, since the
 * kernel copies the table up to the highest number at each fork. The bitmap is read by the hooks of
 * close, dup2 and the like; the numbers themselves are kept by their owners, which are told of a
 * move through ownfd_moved (host.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shim/attach.h"
#include "shim/host.h"
#include "shim/real.h"
#include "shim/waiter.h"

#define OWN_MAX (1u << 20)
#define WORD    64u

static _Atomic uint64_t own[OWN_MAX / WORD];
static _Atomic int own_count;

bool host_owns_fd(int fd) {
    if (__builtin_expect(atomic_load_explicit(&own_count, memory_order_relaxed) == 0, 1))
        return false;
    return fd >= 0 && (unsigned)fd < OWN_MAX &&
           (atomic_load_explicit(&own[(unsigned)fd / WORD], memory_order_relaxed) >>
                ((unsigned)fd % WORD) &
            1) != 0;
}

static void set_own(int fd, bool on) {
    uint64_t bit = 1ull << ((unsigned)fd % WORD);
    _Atomic uint64_t *w = &own[(unsigned)fd / WORD];
    uint64_t before = on ? atomic_fetch_or(w, bit) : atomic_fetch_and(w, ~bit);
    if (((before & bit) != 0) != on)
        atomic_fetch_add(&own_count, on ? 1 : -1);
}

/* A copy of fd at a high number: as wished, else lower. */
static int dup_high(int fd) {
    struct rlimit rl;
    unsigned soft = 1024;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
        soft = rl.rlim_cur < OWN_MAX ? (unsigned)rl.rlim_cur : OWN_MAX;
    unsigned wish = soft >= 2048 ? 1024 : soft > 64 ? soft - 64 : 0;
    for (;; wish /= 2) {
        int high = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, (int)wish);
        if (high >= 0 && (unsigned)high < OWN_MAX)
            return high;
        if (high >= 0)
            REAL(close)(high);
        if (wish < 3)
            return high >= 0 ? -EMFILE : -errno;
    }
}

int host_adopt_fd(int fd) {
    int high = dup_high(fd);
    REAL(close)(fd);
    if (high >= 0)
        set_own(high, true);
    return high;
}

void host_drop_fd(int fd) {
    if (host_owns_fd(fd)) {
        set_own(fd, false);
        REAL(close)(fd);
    }
}

void host_yield_fd(int fd) {
    if (!host_owns_fd(fd))
        return;
    int to = dup_high(fd);
    if (to < 0) {
        host_say_once("no room to move the shim's own descriptor %d out of the program's way", fd);
        return;
    }
    set_own(to, true);
    attach_fd_moved(fd, to);
    waiter_fd_moved(fd, to);
    host_drop_fd(fd);
}

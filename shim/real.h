/* The C library's own functions behind our hooks, by dlsym(RTLD_NEXT), resolved at the first use of
 * any: other libraries' constructors may call us before ours has run. The shim itself calls the
 * kernel only through these. */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <spawn.h>

/* X(return type, name, parameters) */
#define REAL_FUNCTIONS(X)                                                                          \
    X(int, socket, (int, int, int))                                                                \
    X(int, close, (int))                                                                           \
    X(ssize_t, read, (int, void *, size_t))                                                        \
    X(ssize_t, write, (int, const void *, size_t))
    /* … to be completed by whoever writes hooks … */

struct real {
#define X(ret, name, params) ret(*name) params;
    REAL_FUNCTIONS(X)
#undef X
};
extern struct real real_table;
void real_resolve(void);
static inline const struct real *real_get(void) {
    if (__builtin_expect(real_table.socket == NULL, 0))
        real_resolve();
    return &real_table;
}
#define REAL(name) (real_get()->name)

#endif

#include "shim/real.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct real real_table;

/* Names that an older C library may lack: the caller finds NULL. */
static bool is_optional(const char *name) {
    return strcmp(name, "epoll_pwait2") == 0 || strcmp(name, "close_range") == 0 ||
           strcmp(name, "execveat") == 0 || strcmp(name, "_Fork") == 0;
}

static void *find(const char *name) {
    void *p = dlsym(RTLD_NEXT, name);
    if (p == NULL && !is_optional(name)) {
        static const char msg[] = "shimstack: the C library lacks a function that the shim needs\n";
        void *next_write = dlsym(RTLD_NEXT, "write");
        ssize_t (*say)(int, const void *, size_t);
        memcpy(&say, &next_write, sizeof(say));
        if (say != NULL)
            (void)!say(2, msg, sizeof(msg) - 1);
        abort();
    }
    return p;
}

/* Threads may come here at once: all write the same values, and `socket`, by which real_get knows
 * that the table is whole, is written last. */
void real_resolve(void) {
    struct real t;
#define X(ret, name, params)                                                                       \
    {                                                                                              \
        void *p = find(#name);                                                                     \
        memcpy(&t.name, &p, sizeof(p));                                                            \
    }
    REAL_FUNCTIONS(X)
#undef X
    _Static_assert(offsetof(struct real, socket) == 0, "socket comes first");
    memcpy((char *)&real_table + sizeof(t.socket), (char *)&t + sizeof(t.socket),
           sizeof(t) - sizeof(t.socket));
    __atomic_store_n(&real_table.socket, t.socket, __ATOMIC_RELEASE);
}

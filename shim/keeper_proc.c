#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/attach.h"
#include "shim/keeper.h"
#include "shim/real.h"

bool keeper_procs_init(struct keeper *k) {
    struct sock_config cfg;
    sock_config_default(&cfg);
    k->max_watched = cfg.max_procs;
    k->watched = calloc(k->max_watched, sizeof(*k->watched));
    for (uint32_t i = 0; k->watched != NULL && i < k->max_watched; i++)
        k->watched[i].pidfd = -1;
    k->deaths = REAL(epoll_create1)(EPOLL_CLOEXEC);
    return k->watched != NULL && k->deaths >= 0 &&
           keeper_watch(k, k->deaths, EPOLLIN, TAG_DEATHS, 0);
}

static void forget(struct watched *w) {
    if (w->pidfd >= 0)
        REAL(close)(w->pidfd);
    w->pidfd = -1;
}

static void detach(struct keeper *k, uint32_t proc) {
    forget(&k->watched[proc]);
    keeper_log(k, "process %d is gone", k->watched[proc].pid);
    host_enter(&k->host);
    proc_detach(k->host.st, proc);
    host_leave(&k->host);
}

/* False: it has died already. */
static bool watch(struct keeper *k, uint32_t proc, int32_t pid, uint64_t starttime) {
    struct watched *w = &k->watched[proc];
    forget(w);
    w->pid = pid;
    w->starttime = starttime;
    int fd = (int)REAL(syscall)(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno != ESRCH;
    w->pidfd = fd;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = proc};
    (void)REAL(epoll_ctl)(k->deaths, EPOLL_CTL_ADD, fd, &ev);
    /* The number may have been given to another process before we opened it. */
    return starttime == 0 || process_starttime(pid) == starttime;
}

void keeper_procs_sync(struct keeper *k) {
    uint32_t iter = 0, proc, n = 0;
    int32_t pid;
    uint64_t starttime;
    struct {
        uint32_t proc;
        int32_t pid;
        uint64_t starttime;
    } *fresh = calloc(k->max_watched, sizeof(*fresh));
    if (fresh == NULL)
        return;
    host_enter(&k->host);
    while ((proc = proc_next(k->host.st, &iter, &pid, &starttime)) != PROC_NONE) {
        struct watched *w = proc < k->max_watched ? &k->watched[proc] : NULL;
        bool known = w == NULL || (w->pidfd >= 0 && w->pid == pid && w->starttime == starttime);
        if (pid == 0 || known) /* an embryo goes with its parent */
            continue;
        fresh[n].proc = proc;
        fresh[n].pid = pid;
        fresh[n++].starttime = starttime;
    }
    host_leave(&k->host);
    for (uint32_t i = 0; i < n; i++)
        if (!watch(k, fresh[i].proc, fresh[i].pid, fresh[i].starttime))
            detach(k, fresh[i].proc);
    free(fresh);
}

/* Is the entry still the one that the pidfd was opened for? A process that execs changes entries.
 */
static bool is_current(struct keeper *k, uint32_t proc) {
    uint32_t iter = proc;
    int32_t pid = -1;
    uint64_t starttime = 0;
    host_enter(&k->host);
    bool same = proc_next(k->host.st, &iter, &pid, &starttime) == proc &&
                pid == k->watched[proc].pid && starttime == k->watched[proc].starttime;
    host_leave(&k->host);
    return same;
}

void keeper_procs_reap(struct keeper *k) {
    struct epoll_event ev[64];
    int n;
    while ((n = REAL(epoll_wait)(k->deaths, ev, 64, 0)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t proc = ev[i].data.u32;
            if (is_current(k, proc))
                detach(k, proc);
            else
                forget(&k->watched[proc]);
        }
}

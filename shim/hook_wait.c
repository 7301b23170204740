/* wait and its kin. In Linux a process's sockets are closed before its parent can wait for it; here
 * the keeper closes them. So whoever has waited for a child of this host lets the keeper finish
 * first: a port that the child held is free, a peer of the child's has its FIN. */
#include <sys/wait.h>

#include "shim/hook.h"

static pid_t reaped(pid_t pid, int status) {
    int saved = errno;
    if (pid > 0 && (WIFEXITED(status) || WIFSIGNALED(status)))
        host_child_is_gone(pid);
    errno = saved;
    return pid;
}

HOOK pid_t waitpid(pid_t pid, int *wstatus, int options) {
    int status = 0;
    pid_t r = REAL(waitpid)(pid, &status, options);
    if (r > 0 && wstatus != NULL)
        *wstatus = status;
    return reaped(r, status);
}
HOOK pid_t wait(int *wstatus) {
    return waitpid(-1, wstatus, 0);
}

HOOK pid_t wait4(pid_t pid, int *wstatus, int options, struct rusage *usage) {
    int status = 0;
    pid_t r = REAL(wait4)(pid, &status, options, usage);
    if (r > 0 && wstatus != NULL)
        *wstatus = status;
    return reaped(r, status);
}
HOOK pid_t wait3(int *wstatus, int options, struct rusage *usage) {
    return wait4(-1, wstatus, options, usage);
}

HOOK int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    siginfo_t own = {0}, *si = info != NULL ? info : &own;
    int r = REAL(waitid)(type, id, si, options);
    int saved = errno;
    if (r == 0 && (options & WEXITED) && si->si_pid > 0 &&
        (si->si_code == CLD_EXITED || si->si_code == CLD_KILLED || si->si_code == CLD_DUMPED))
        host_child_is_gone(si->si_pid);
    errno = saved;
    return r;
}

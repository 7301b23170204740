/* syscall(2) by number, as libuv and others call what their C library may lack. Those that a socket
 * of ours can be the object of go to the hooks; all else to the kernel. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/hook.h"

#define INT(i)  ((int)a[i])
#define PTR(i)  ((void *)a[i]) /* NOLINT(performance-no-int-to-ptr) */
#define LEN(i)  ((size_t)a[i])
#define SLEN(i) ((socklen_t)a[i])

static bool transfer(long number, const long a[6], long *r) {
    switch (number) {
    case SYS_read:
        *r = read(INT(0), PTR(1), LEN(2));
        return true;
    case SYS_readv:
        *r = readv(INT(0), PTR(1), INT(2));
        return true;
    case SYS_write:
        *r = write(INT(0), PTR(1), LEN(2));
        return true;
    case SYS_writev:
        *r = writev(INT(0), PTR(1), INT(2));
        return true;
    case SYS_recvfrom:
        *r = recvfrom(INT(0), PTR(1), LEN(2), INT(3), (struct sockaddr *)PTR(4), PTR(5));
        return true;
    case SYS_sendto:
        *r = sendto(INT(0), PTR(1), LEN(2), INT(3), (const struct sockaddr *)PTR(4), SLEN(5));
        return true;
    case SYS_recvmsg:
        *r = recvmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_sendmsg:
        *r = sendmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_recvmmsg:
        *r = recvmmsg(INT(0), PTR(1), (unsigned)a[2], INT(3), PTR(4));
        return true;
    case SYS_sendmmsg:
        *r = sendmmsg(INT(0), PTR(1), (unsigned)a[2], INT(3));
        return true;
    case SYS_sendfile:
        *r = sendfile(INT(0), INT(1), PTR(2), LEN(3));
        return true;
    default:
        return false;
    }
}

static bool endpoint(long number, const long a[6], long *r) {
    switch (number) {
    case SYS_socket:
        *r = socket(INT(0), INT(1), INT(2));
        return true;
    case SYS_bind:
        *r = bind(INT(0), (const struct sockaddr *)PTR(1), SLEN(2));
        return true;
    case SYS_listen:
        *r = listen(INT(0), INT(1));
        return true;
    case SYS_connect:
        *r = connect(INT(0), (const struct sockaddr *)PTR(1), SLEN(2));
        return true;
    case SYS_accept:
        *r = accept(INT(0), (struct sockaddr *)PTR(1), PTR(2));
        return true;
    case SYS_accept4:
        *r = accept4(INT(0), (struct sockaddr *)PTR(1), PTR(2), INT(3));
        return true;
    case SYS_shutdown:
        *r = shutdown(INT(0), INT(1));
        return true;
    case SYS_getsockname:
        *r = getsockname(INT(0), (struct sockaddr *)PTR(1), PTR(2));
        return true;
    case SYS_getpeername:
        *r = getpeername(INT(0), (struct sockaddr *)PTR(1), PTR(2));
        return true;
    case SYS_getsockopt:
        *r = getsockopt(INT(0), INT(1), INT(2), PTR(3), PTR(4));
        return true;
    case SYS_setsockopt:
        *r = setsockopt(INT(0), INT(1), INT(2), PTR(3), SLEN(4));
        return true;
    default:
        return false;
    }
}

static bool descriptor(long number, const long a[6], long *r) {
    switch (number) {
    case SYS_close:
        *r = close(INT(0));
        return true;
    case SYS_close_range:
        *r = close_range((unsigned)a[0], (unsigned)a[1], INT(2));
        return true;
    case SYS_dup:
        *r = dup(INT(0));
        return true;
#ifdef SYS_dup2
    case SYS_dup2:
        *r = dup2(INT(0), INT(1));
        return true;
#endif
    case SYS_dup3:
        *r = dup3(INT(0), INT(1), INT(2));
        return true;
    case SYS_fcntl:
        *r = fcntl(INT(0), INT(1), PTR(2));
        return true;
    case SYS_ioctl:
        *r = ioctl(INT(0), (unsigned long)a[1], PTR(2));
        return true;
    default:
        return false;
    }
}

static bool waiting(long number, const long a[6], long *r) {
    switch (number) {
#ifdef SYS_poll
    case SYS_poll:
        *r = poll(PTR(0), (nfds_t)a[1], INT(2));
        return true;
    case SYS_select:
        *r = select(INT(0), PTR(1), PTR(2), PTR(3), PTR(4));
        return true;
    case SYS_epoll_create:
        *r = epoll_create(INT(0));
        return true;
    case SYS_epoll_wait:
        *r = epoll_wait(INT(0), PTR(1), INT(2), INT(3));
        return true;
#endif
    case SYS_epoll_create1:
        *r = epoll_create1(INT(0));
        return true;
    case SYS_epoll_ctl:
        *r = epoll_ctl(INT(0), INT(1), INT(2), PTR(3));
        return true;
    default:
        return false;
    }
}

/* These carry a kernel's signal mask (8 bytes); sigset_t is larger. */
static bool waiting_masked(long number, const long a[6], long *r) {
    sigset_t mask, *m = NULL;
    const void *kernel_mask = number == SYS_ppoll ? PTR(3) : PTR(4);
    if (number != SYS_ppoll && number != SYS_epoll_pwait && number != SYS_epoll_pwait2)
        return false;
    if (kernel_mask != NULL) {
        sigemptyset(&mask);
        __builtin_memcpy(&mask, kernel_mask, _NSIG / 8);
        m = &mask;
    }
    if (number == SYS_ppoll)
        *r = ppoll(PTR(0), (nfds_t)a[1], PTR(2), m);
    else if (number == SYS_epoll_pwait)
        *r = epoll_pwait(INT(0), PTR(1), INT(2), INT(3), m);
    else
        *r = epoll_pwait2(INT(0), PTR(1), INT(2), PTR(3), m);
    return true;
}

HOOK long syscall(long number, ...) {
    long a[6], r;
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long); /* those not given are whatever the registers hold */
    va_end(ap);
    if (transfer(number, a, &r) || endpoint(number, a, &r) || descriptor(number, a, &r) ||
        waiting(number, a, &r) || waiting_masked(number, a, &r))
        return r;
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

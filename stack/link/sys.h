/* The system calls of stack/link, made directly: inside libshim.so a call of the C library's
 * `recvmsg` would reach our own hook of that name, which hides our descriptors from programs; its
 * `syscall` is hooked as well (shim/hook_syscall.c), hence the instruction itself.
 * All return what the kernel returns, -1 with errno on failure. */
#ifndef STACK_LINK_SYS_H
#define STACK_LINK_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static inline long sys_call(long n, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long r;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = n;
    register long r __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(r)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
#else
#error "no system call instruction known for this processor"
#endif
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return -1;
    }
    return r;
}
/* Arguments of any scalar type, those not given are 0. */
#define SYS_PAD(n, a, b, c, d, e, f, ...)                                                          \
    sys_call((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define SYS_CALL(...) SYS_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static inline int sys_socket(int domain, int type, int proto) {
    return (int)SYS_CALL(SYS_socket, domain, type, proto);
}
static inline int sys_bind(int fd, const void *addr, socklen_t len) {
    return (int)SYS_CALL(SYS_bind, fd, addr, len);
}
static inline int sys_setsockopt(int fd, int level, int opt, const void *val, socklen_t len) {
    return (int)SYS_CALL(SYS_setsockopt, fd, level, opt, val, len);
}
static inline int sys_getsockopt(int fd, int level, int opt, void *val, socklen_t *len) {
    return (int)SYS_CALL(SYS_getsockopt, fd, level, opt, val, len);
}
static inline ssize_t sys_send(int fd, const void *buf, size_t len, int flags) {
    return SYS_CALL(SYS_sendto, fd, buf, len, flags, NULL, 0);
}
static inline ssize_t sys_recv(int fd, void *buf, size_t len, int flags) {
    return SYS_CALL(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}
static inline ssize_t sys_recvmsg(int fd, struct msghdr *m, int flags) {
    return SYS_CALL(SYS_recvmsg, fd, m, flags);
}
static inline int sys_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
    return (int)SYS_CALL(SYS_recvmmsg, fd, m, n, flags, NULL);
}
static inline int sys_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
    return (int)SYS_CALL(SYS_sendmmsg, fd, m, n, flags);
}
static inline ssize_t sys_write(int fd, const void *buf, size_t len) {
    return SYS_CALL(SYS_write, fd, buf, len);
}
static inline ssize_t sys_writev(int fd, const struct iovec *iov, int n) {
    return SYS_CALL(SYS_writev, fd, iov, n);
}
static inline ssize_t sys_pread(int fd, void *buf, size_t len, off_t off) {
    return SYS_CALL(SYS_pread64, fd, buf, len, off);
}
static inline int sys_open(const char *path, int flags, mode_t mode) {
    return (int)SYS_CALL(SYS_openat, AT_FDCWD, path, flags, mode);
}
static inline int sys_flock(int fd, int op) {
    return (int)SYS_CALL(SYS_flock, fd, op);
}
static inline int sys_fcntl(int fd, int cmd, long arg) {
    return (int)SYS_CALL(SYS_fcntl, fd, cmd, arg);
}
static inline int sys_ioctl(int fd, unsigned long req, void *arg) {
    return (int)SYS_CALL(SYS_ioctl, fd, req, arg);
}
static inline int sys_fstat(int fd, struct stat *sb) {
    return (int)SYS_CALL(SYS_fstat, fd, sb);
}
static inline int sys_close(int fd) {
    return (int)SYS_CALL(SYS_close, fd);
}

#endif

/* The system calls of stack/link, made directly: inside libshim.so a call of the C library's
 * `recvmsg` would reach our own hook of that name, which hides our descriptors from programs.
 * All return what the kernel returns, -1 with errno on failure. */
#ifndef STACK_LINK_SYS_H
#define STACK_LINK_SYS_H

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static inline int sys_socket(int domain, int type, int proto) {
    return (int)syscall(SYS_socket, domain, type, proto);
}
static inline int sys_bind(int fd, const void *addr, socklen_t len) {
    return (int)syscall(SYS_bind, fd, addr, len);
}
static inline int sys_setsockopt(int fd, int level, int opt, const void *val, socklen_t len) {
    return (int)syscall(SYS_setsockopt, fd, level, opt, val, len);
}
static inline int sys_getsockopt(int fd, int level, int opt, void *val, socklen_t *len) {
    return (int)syscall(SYS_getsockopt, fd, level, opt, val, len);
}
static inline ssize_t sys_send(int fd, const void *buf, size_t len, int flags) {
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}
static inline ssize_t sys_recv(int fd, void *buf, size_t len, int flags) {
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}
static inline ssize_t sys_recvmsg(int fd, struct msghdr *m, int flags) {
    return syscall(SYS_recvmsg, fd, m, flags);
}
static inline int sys_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
    return (int)syscall(SYS_recvmmsg, fd, m, n, flags, NULL);
}
static inline int sys_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
    return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}
static inline ssize_t sys_write(int fd, const void *buf, size_t len) {
    return syscall(SYS_write, fd, buf, len);
}
static inline ssize_t sys_writev(int fd, const struct iovec *iov, int n) {
    return syscall(SYS_writev, fd, iov, n);
}
static inline ssize_t sys_pread(int fd, void *buf, size_t len, off_t off) {
    return syscall(SYS_pread64, fd, buf, len, off);
}
static inline int sys_open(const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
static inline int sys_flock(int fd, int op) {
    return (int)syscall(SYS_flock, fd, op);
}
static inline int sys_fcntl(int fd, int cmd, long arg) {
    return (int)syscall(SYS_fcntl, fd, cmd, arg);
}
static inline int sys_ioctl(int fd, unsigned long req, void *arg) {
    return (int)syscall(SYS_ioctl, fd, req, arg);
}
static inline int sys_fstat(int fd, struct stat *sb) {
    return (int)syscall(SYS_fstat, fd, sb);
}
static inline int sys_close(int fd) {
    return (int)syscall(SYS_close, fd);
}

#endif

/* stdio over sockets of ours. glibc's streams make their system calls without passing our hooks, so
 * a stream on one of our sockets is one of fopencookie, whose functions call the hooks:
 * - fdopen on a socket of ours;
 * - stdin, stdout and stderr, when descriptor 0, 1 or 2 becomes ours (dup2 in a shell's
 * redirection, or from the start, as in an inetd-style program). The variable then points to a
 * cookie stream, and to the original again when something else takes the number. Bytes that the
 * program has written to the old stream and not flushed move to the new one: for the program it is
 * still the same stream. Not done: unread input is not moved, and a program that has copied the
 * pointer keeps the old stream. */
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/hook.h"

int __dprintf_chk(int fd, int flag, const char *fmt, ...);
int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap);

static ssize_t cookie_read(void *cookie, char *buf, size_t len) {
    return read((int)(intptr_t)cookie, buf, len);
}
/* fopencookie(3): 0 means an error here, not −1. */
static ssize_t cookie_write(void *cookie, const char *buf, size_t len) {
    ssize_t r = write((int)(intptr_t)cookie, buf, len);
    return r < 0 ? 0 : r;
}
static int cookie_close(void *cookie) {
    return close((int)(intptr_t)cookie);
}
static FILE *cookie_open(int fd, const char *mode, cookie_close_function_t *close_fn) {
    FILE *f = fopencookie((void *)(intptr_t)fd, mode,
                          (cookie_io_functions_t){cookie_read, cookie_write, NULL, close_fn});
    if (f != NULL)
        f->_fileno = fd; /* fileno() is this field; glibc's cookie streams do not use it */
    return f;
}

HOOK FILE *fdopen(int fd, const char *mode) {
    if (fd_sock(fd) == NULL)
        return REAL(fdopen)(fd, mode);
    return cookie_open(fd, mode, cookie_close);
}

/* ---- stdin, stdout, stderr ---- */

static FILE *original[3], *cookie[3];

static FILE **variable(int fd) {
    return fd == STDIN_FILENO ? &stdin : fd == STDOUT_FILENO ? &stdout : &stderr;
}

/* What `from` has buffered for writing is `to`'s from now on. */
static void move_pending(FILE *from, FILE *to) {
    size_t n = __fpending(from);
    if (n > 0) {
        fwrite(from->_IO_write_base, 1, n, to);
        __fpurge(from);
    }
}

/* fclose: by the program (the descriptor goes, too, and the variable must not dangle), or by us
 * when the stream gives way to the original. */
static int cookie_close_standard(void *c) {
    int fd = (int)(intptr_t)c;
    if (cookie[fd] == NULL)
        return 0;
    cookie[fd] = NULL;
    *variable(fd) = original[fd];
    return close(fd);
}

static void use_cookie(int fd) {
    static const char *const mode[3] = {"r", "w", "w"};
    FILE **var = variable(fd);
    /* A program that has given the variable a stream of its own knows what it does. */
    if (cookie[fd] != NULL || *var == NULL || fileno(*var) != fd)
        return;
    FILE *f = cookie_open(fd, mode[fd], cookie_close_standard);
    if (f == NULL)
        return;
    if (fd == STDERR_FILENO)
        setvbuf(f, NULL, _IONBF, 0);
    if (fd != STDIN_FILENO)
        move_pending(*var, f);
    original[fd] = *var;
    cookie[fd] = f;
    *var = f;
}

static void use_original(int fd) {
    FILE **var = variable(fd), *f = cookie[fd];
    if (f == NULL)
        return;
    cookie[fd] = NULL;
    if (*var != f) /* replaced by the program */
        return;
    *var = original[fd];
    if (fd != STDIN_FILENO)
        move_pending(f, *var);
    fclose(f);
}

void stdio_fd_changed(int fd) {
    if (fd < STDIN_FILENO || fd > STDERR_FILENO)
        return;
    int saved = errno;
    if (fd_sock(fd) != NULL)
        use_cookie(fd);
    else
        use_original(fd);
    errno = saved;
}

/* ---- dprintf ---- */

static int print(int fd, const char *fmt, va_list ap) {
    char *text;
    int n = vasprintf(&text, fmt, ap);
    for (int done = 0; done < n;) {
        ssize_t r = write(fd, text + done, (size_t)(n - done));
        if (r < 0) {
            free(text);
            return -1;
        }
        done += (int)r;
    }
    if (n >= 0)
        free(text);
    return n;
}

HOOK int vdprintf(int fd, const char *fmt, va_list ap) {
    return fd_sock(fd) == NULL ? REAL(vdprintf)(fd, fmt, ap) : print(fd, fmt, ap);
}
HOOK int dprintf(int fd, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int r = vdprintf(fd, fmt, ap);
    va_end(ap);
    return r;
}
HOOK int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap) {
    (void)flag;
    return vdprintf(fd, fmt, ap);
}
HOOK int __dprintf_chk(int fd, int flag, const char *fmt, ...) {
    (void)flag;
    va_list ap;
    va_start(ap, fmt);
    int r = vdprintf(fd, fmt, ap);
    va_end(ap);
    return r;
}

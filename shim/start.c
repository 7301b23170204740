/* What the shim does when the library is loaded, before the program runs: as little as it can,
 * since most programs that run under it never open an Internet socket. */
#include "shim/start.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/hook.h"

/* LD_PRELOAD=./libshim.so would not be found by children of a program that changes its directory:
 * our own name in it is made absolute. */
static void make_preload_absolute(void) {
    const char *list = getenv("LD_PRELOAD");
    Dl_info info;
    char path[PATH_MAX];
    if (list == NULL || dladdr((void *)(uintptr_t)&make_preload_absolute, &info) == 0 ||
        info.dli_fname == NULL || info.dli_fname[0] == '/')
        return;
    const char *at = strstr(list, info.dli_fname);
    if (at == NULL || realpath(info.dli_fname, path) == NULL)
        return;
    const char *rest = at + strlen(info.dli_fname);
    if (*rest != '\0' && *rest != ':' && *rest != ' ')
        return;
    char *text;
    if (asprintf(&text, "%.*s%s%s", (int)(at - list), list, path, rest) < 0)
        return;
    setenv("LD_PRELOAD", text, 1);
    free(text);
}

__attribute__((constructor)) static void start(void) {
    int saved = errno;
    fdtab_init();
    make_preload_absolute();
    if (getenv(START_REATTACH) != NULL) {
        unsetenv(START_REATTACH);
        host_peek();
    }
    struct stat sb;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &sb) == 0 && S_ISSOCK(sb.st_mode) && fd_sock(fd) != NULL)
            stdio_fd_changed(fd);
    errno = saved;
}

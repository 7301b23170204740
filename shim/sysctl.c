#include "shim/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/real.h"
#include "stack/tcp/sysctl.h"

#define PROC_PATH 128
#define NAME_LEN  64 /* bytes of the longest name, with its '=' */

/* By raw calls: the program's own open and read are hooked, and this may run in a signal handler.
 */
static bool read_proc(const char *name, char value[static SYSCTL_TEXT + 1]) {
    char path[PROC_PATH] = "/proc/sys/";
    size_t n = strlen(path);
    for (; *name != '\0' && n < sizeof(path) - 1; name++)
        path[n++] = *name == '.' ? '/' : *name;
    path[n] = '\0';
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = REAL(read)(fd, value, SYSCTL_TEXT);
    REAL(close)(fd);
    value[got > 0 ? got : 0] = '\0';
    return got > 0;
}

const char *sysctl_from_proc(struct tcp_config *tcp) {
    const char *name, *what, *left = NULL;
    char value[SYSCTL_TEXT + 1];
    int saved = errno;
    for (unsigned i = 0; (name = sysctl_name(i, &what)) != NULL; i++) {
        if (!read_proc(name, value))
            continue;
        bool cut = strlen(value) == SYSCTL_TEXT;
        if ((cut || sysctl_set(tcp, name, value) != 0) && left == NULL)
            left = name;
    }
    errno = saved;
    return left;
}

static const char *set_one(struct tcp_config *tcp, const char *word, size_t len) {
    char text[SYSCTL_TEXT + NAME_LEN], *eq;
    if (len >= sizeof(text))
        return "too long a word: write NAME=VALUE, as net.ipv4.tcp_sack=0";
    memcpy(text, word, len);
    text[len] = '\0';
    eq = strchr(text, '=');
    if (eq == NULL)
        return "write NAME=VALUE, as net.ipv4.tcp_sack=0, and commas between";
    *eq = '\0';
    switch (sysctl_set(tcp, text, eq + 1)) {
    case 0:
        return NULL;
    case -E2BIG:
        return "more ranges of ports than the stack can keep: 32";
    case -ENOENT:
        return "no such sysctl, or none that this stack obeys: its README lists them";
    default:
        return "not a value of that sysctl";
    }
}

const char *sysctl_from_list(struct tcp_config *tcp, const char *list) {
    struct tcp_config changed = *tcp;
    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        const char *why = set_one(&changed, list, n);
        if (why != NULL)
            return why;
        list += n + (list[n] == ',');
    }
    *tcp = changed;
    return NULL;
}

static bool is_named(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = strstr(list, name); at != NULL; at = strstr(at + n, name))
        if (at[n] == '=')
            return true;
    return false;
}

const char *sysctl_load(struct tcp_config *tcp, const struct config *cfg) {
    const char *left = sysctl_from_proc(tcp);
    (void)sysctl_from_list(tcp, cfg->sysctl); /* checked when it was given */
    return left != NULL && !is_named(cfg->sysctl, left) ? left : NULL;
}

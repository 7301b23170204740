/* libshim.so as a program: `libshim.so keeper` is the keeper, `status` and `stop` talk to it. Like
 * libc.so.6 it has an entry point and names its interpreter, so the same file that is preloaded can
 * be executed, and keeper and programs can never be of different builds by accident. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/attach.h"
#include "shim/bell.h"
#include "shim/keeper.h"
#include "shim/launch.h"
#include "shim/real.h"
#include "shim/segment.h"
#include "shim/takeover.h"

/* ---- reporting ---- */

static int status_fd = -1;

static void report(const char *line) {
    if (status_fd < 0)
        return;
    (void)!REAL(write)(status_fd, line, strlen(line));
    REAL(close)(status_fd);
    status_fd = -1;
}

static int fail(const char *err) {
    char line[300];
    snprintf(line, sizeof(line), "!%s\n", err);
    if (status_fd >= 0)
        report(line);
    else
        fprintf(stderr, "shimstack: %s\n", err);
    return 1;
}

static int ready(const char *ifname) {
    char line[64];
    snprintf(line, sizeof(line), "ready %s\n", ifname);
    report(line);
    return 0;
}

/* ---- starting ---- */

/* What the program that started us may have left: masks, ignored signals, limits, a name. */
static void become_keeper(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_SETMASK, &set, NULL); /* these two come by signalfd */
    struct sigaction ign = {.sa_handler = SIG_IGN}, dfl = {.sa_handler = SIG_DFL};
    REAL(sigaction)(SIGPIPE, &ign, NULL);
    REAL(sigaction)(SIGHUP, &ign, NULL);
    REAL(sigaction)(SIGTERM, &dfl, NULL);
    REAL(sigaction)(SIGINT, &dfl, NULL);
    REAL(sigaction)(SIGCHLD, &dfl, NULL);
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) { /* two descriptors for each process */
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
    rl.rlim_cur = rl.rlim_max = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &rl); /* the segment is large */
    prctl(PR_SET_NAME, "stack-keeper");
}

static int open_loop(struct keeper *k, char *err, size_t errlen) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int bell = bell_open(k->host.sh->cfg.ifname, BELL_KEEPER);
    k->host.bell_fd = bell;
    k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    k->ep = REAL(epoll_create1)(EPOLL_CLOEXEC);
    if (bell >= 0 && k->signal_fd >= 0 && k->ep >= 0 &&
        keeper_watch(k, bell, EPOLLIN, TAG_BELL, (uint32_t)bell) &&
        keeper_watch(k, k->signal_fd, EPOLLIN, TAG_SIGNAL, 0) &&
        keeper_watch(k, k->listen_fd, EPOLLIN, TAG_LISTEN, 0) && keeper_procs_init(k))
        return 0;
    int e = bell < 0 ? -bell : errno;
    snprintf(err, errlen, "the keeper cannot open what it waits on: %s", strerror(e));
    return -e;
}

/* A new host: segment, packet socket, link, stack. */
static int create_host(struct keeper *k, const struct config *cfg, char *err, size_t errlen) {
    struct host *h = &k->host;
    h->memfd = segment_create(cfg, err, errlen);
    if (h->memfd < 0)
        return h->memfd;
    struct shared *sh = h->sh = SEGMENT_ADDR;
    struct addr addrs[NET_MAX_ADDRS];
    for (int i = 0; i < cfg->naddrs; i++)
        addrs[i] = cfg->addr[i].addr;
    h->packet_fd =
        afpacket_open(cfg->ifname, &cfg->mac, addrs, cfg->naddrs, &sh->packet, err, errlen);
    if (h->packet_fd < 0)
        return h->packet_fd;
    sh->ifindex = sh->packet.ifindex;
    int r = takeover_begin(cfg->ifname, sh->ifindex, cfg->take_over, &sh->arp_taken, err, errlen);
    if (r == 0)
        r = segment_open_link(h, err, errlen);
    if (r < 0)
        return r;
    r = segment_init_stack(sh, &h->link->caps, cfg);
    if (r < 0) {
        snprintf(err, errlen, "cannot build the stack in its memory: %s", strerror(-r));
        return r;
    }
    h->st = sh->st;
    host_enter(h);
    net_announce(h->st);
    host_leave(h);
    return 0;
}

/* The host of a keeper that died: its processes gave us what it had. */
static int adopt_host(struct keeper *k, char *err, size_t errlen) {
    struct host *h = &k->host;
    h->memfd = LAUNCH_MEMFD;
    h->packet_fd = LAUNCH_PACKET_FD;
    REAL(fcntl)(h->memfd, F_SETFD, FD_CLOEXEC);
    REAL(fcntl)(h->packet_fd, F_SETFD, FD_CLOEXEC);
    int r = segment_map(h->memfd, err, errlen);
    if (r < 0)
        return r;
    h->sh = SEGMENT_ADDR;
    h->st = h->sh->st;
    return segment_open_link(h, err, errlen);
}

static void open_log(struct keeper *k) {
    const char *level = getenv("SHIMSTACK_LOG");
    k->log_fd = level != NULL && level[0] != '\0' ? STDERR_FILENO : -1;
}

static int run_keeper(bool adopt) {
    static struct keeper k;
    static struct config cfg;
    char err[256] = "";
    k.host.keeper = true;
    k.host.pid = getpid();
    k.host.proc = PROC_NONE;
    k.host.ctl_fd = -1;
    become_keeper();
    open_log(&k);
    if (adopt) {
        if (adopt_host(&k, err, sizeof(err)) < 0)
            return fail(err);
        cfg = k.host.sh->cfg;
    } else if (config_load(&cfg, err, sizeof(err)) < 0) {
        return fail(err);
    }
    if (chdir("/") < 0) /* holds no directory; paths in cfg are absolute by now */
        return fail("cannot change to /");
    /* The name decides between many that start at once; the others' programs join the winner. */
    k.listen_fd = keeper_ctl_open(cfg.ifname);
    if (k.listen_fd == -EADDRINUSE)
        return ready(cfg.ifname);
    if (k.listen_fd < 0) {
        snprintf(err, sizeof(err), "cannot listen for programs: %s", strerror(-k.listen_fd));
        return fail(err);
    }
    if (!adopt && create_host(&k, &cfg, err, sizeof(err)) < 0) {
        if (k.host.sh != NULL && k.host.sh->arp_taken)
            takeover_end(&cfg, k.host.sh->ifindex);
        return fail(err);
    }
    if (open_loop(&k, err, sizeof(err)) < 0) {
        keeper_release(&k);
        return fail(err);
    }
    atomic_store(&k.host.sh->keeper_pid, (uint32_t)getpid());
    keeper_log(&k, "keeper %d %s", getpid(), adopt ? "takes over" : "starts");
    keeper_procs_sync(&k);
    ready(cfg.ifname);
    keeper_run(&k);
    return 0;
}

void keeper_release(struct keeper *k) {
    struct shared *sh = k->host.sh;
    keeper_log(k, "keeper %d leaves", getpid());
    /* Programs that are still there go on without us, and answer ARP. */
    if (sh->arp_taken && proc_count(sh->st) == 0)
        takeover_end(&sh->cfg, sh->ifindex);
}

/* ---- status, stop ---- */

#define STATUS_MAX (4u << 20)

static int find_keeper(const char *ifname, char name[16]) {
    char err[256];
    bool alive;
    if (ifname != NULL)
        setenv("SHIMSTACK_IF", ifname, 1);
    if (!attach_find(name, &alive, err, sizeof(err))) {
        if (err[0] != '\0')
            fprintf(stderr, "shimstack: %s\n", err);
        return -ENOENT;
    }
    return attach_connect(name);
}

static void print_counters(const struct counters *ctr) {
    uint64_t value;
    const char *what, *name;
    for (unsigned i = 0; (name = counters_get(ctr, i, &value, &what)) != NULL; i++)
        if (value != 0)
            printf("%-26s %12llu  %s\n", name, (unsigned long long)value, what);
}

/* Fills h, of a process that looks on: it is not registered, and drives nothing. */
static int observe(int ctl, struct host *h, int32_t *keeper_pid, char *err, size_t errlen) {
    struct control_reply r = {0};
    int fds[2] = {-1, -1}, e = attach_request(ctl, CONTROL_OBSERVE, &r, fds);
    if (e < 0 || r.error != 0) {
        snprintf(err, errlen, "%s", e < 0 ? strerror(-e) : r.text);
        return e < 0 ? e : -r.error;
    }
    e = segment_map(fds[0], err, errlen);
    if (e < 0)
        return e;
    *keeper_pid = r.keeper_pid;
    *h = (struct host){.keeper = true, .proc = PROC_NONE, .pid = getpid(), .packet_fd = fds[1]};
    h->sh = SEGMENT_ADDR;
    h->st = h->sh->st;
    return segment_open_link(h, err, errlen);
}

static void print_status(struct host *h, int32_t keeper_pid, char *text, size_t room) {
    host_enter_quiet(h);
    uint32_t procs = proc_count(h->st);
    int n = net_describe(h->st, text, room);
    if (n >= 0 && (size_t)n < room)
        sock_describe(h->st, text + n, room - (size_t)n);
    struct counters ctr = h->st->ctr;
    host_leave(h);
    printf("%s: keeper %d, %u processes\n%s", h->sh->cfg.ifname, keeper_pid, procs, text);
    print_counters(&ctr);
}

static int run_status(const char *ifname) {
    static struct host h;
    int32_t keeper_pid = 0;
    char name[16], err[256] = "";
    int ctl = find_keeper(ifname, name);
    if (ctl < 0) {
        printf("no stack runs in this network namespace\n");
        return 1;
    }
    char *text = calloc(1, STATUS_MAX);
    if (text == NULL || observe(ctl, &h, &keeper_pid, err, sizeof(err)) < 0) {
        free(text);
        return fail(err);
    }
    print_status(&h, keeper_pid, text, STATUS_MAX);
    free(text);
    return 0;
}

static int run_stop(const char *ifname) {
    struct control_reply r;
    char name[16];
    int ctl = find_keeper(ifname, name);
    if (ctl < 0)
        return 0; /* nothing to stop */
    return attach_request(ctl, CONTROL_STOP, &r, NULL) < 0;
}

static void usage(void) {
    puts("libshim.so: the Shimstack TCP/IP stack, to be preloaded:\n"
         "  LD_PRELOAD=./libshim.so nc 10.0.0.2 5000\n"
         "(run-with-stack.sh --help tells of everything around it.) As a program it is\n"
         "  libshim.so keeper        the stack's keeper; started by the first program on demand\n"
         "  libshim.so status [IF]   sockets, neighbours and counters of the stack that runs here\n"
         "  libshim.so stop [IF]     the keeper leaves with the last program, without waiting for "
         "connections");
}

static int shim_main_c(int argc, char **argv);
static int shim_main_c(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "--help", *arg = argc > 2 ? argv[2] : NULL;
    struct stat sb;
    if (strcmp(command, "keeper") == 0) {
        /* Started by a program: it waits for a word on the status pipe. */
        if (fstat(LAUNCH_STATUS_FD, &sb) == 0 && S_ISFIFO(sb.st_mode))
            status_fd = LAUNCH_STATUS_FD;
        return run_keeper(arg != NULL && strcmp(arg, "--adopt") == 0);
    }
    if (strcmp(command, "status") == 0)
        return run_status(arg);
    if (strcmp(command, "stop") == 0)
        return run_stop(arg);
    usage();
    return strcmp(command, "--help") == 0 ? 0 : 2;
}

/* The kernel starts us with argc and argv on the stack and, in rdx, the loader's fini; the rest is
 * what crt1.o does in an ordinary program. */
__attribute__((naked, visibility("default"))) void shim_main(void);
__attribute__((naked)) void shim_main(void) {
    __asm__("xor %%ebp, %%ebp\n\t"
            "mov %%rdx, %%r9\n\t"
            "pop %%rsi\n\t"
            "mov %%rsp, %%rdx\n\t"
            "and $-16, %%rsp\n\t"
            "push %%rax\n\t"
            "push %%rsp\n\t"
            "xor %%r8d, %%r8d\n\t"
            "xor %%ecx, %%ecx\n\t"
            "lea %c0(%%rip), %%rdi\n\t"
            "call *__libc_start_main@GOTPCREL(%%rip)\n\t"
            "hlt" ::"i"(shim_main_c));
}

/* Makes the kernel load the dynamic loader when libshim.so is executed. */
__attribute__((used, section(".interp"))) static const char interp[] =
    "/lib64/ld-linux-x86-64.so.2";

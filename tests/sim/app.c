#include "tests/sim/app.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#define BUF_MAX      70000u
#define MAX_ATTEMPTS 40
#define MAX_PIECES   5

/* One at a time is being served, so they share the place where bytes come and go. */
static uint8_t buf[BUF_MAX];
static struct iovec direct_iov[MAX_PIECES];
static struct direct_recv direct;
static struct app *lender;

static struct stack *stack_of(struct app *a) {
    return a->w->host[a->host].st;
}

__attribute__((format(printf, 2, 3))) static void fail(struct app *a, const char *fmt, ...) {
    va_list ap;
    if (a->error[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(a->error, sizeof(a->error), fmt, ap);
    va_end(ap);
}

static uint8_t stream_byte(uint64_t key, uint32_t off) {
    return (uint8_t)(((uint64_t)off * 0x9e3779b97f4a7c15u + key) >> 41);
}

static bool chance(struct app *a, uint32_t ppm) {
    return rand_below(&a->rand, 1000000) < ppm;
}

void app_init(struct app *a, struct world *w, int host, enum app_role role, uint16_t port,
              const struct app_config *cfg, uint64_t seed, uint64_t key_out, uint64_t key_in) {
    uint8_t s[16] = {(uint8_t)host, (uint8_t)role, (uint8_t)port, (uint8_t)(port >> 8)};
    memcpy(s + 8, &seed, sizeof(seed));
    *a = (struct app){.w = w,
                      .host = host,
                      .role = role,
                      .port = port,
                      .cfg = *cfg,
                      .key_out = key_out,
                      .key_in = key_in,
                      .may_read = true,
                      .may_write = true};
    rand_init(&a->rand, s);
}

/* ---- opening ---- */

static struct sockaddr_in sockaddr_of(int host, uint16_t port) {
    struct addr addr = world_addr(host);
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = addr_to_be(&addr).raw};
}

static void set_options(struct app *a, struct sock *so) {
    struct stack *st = stack_of(a);
    int on = 1;
    if (a->cfg.sndbuf != 0)
        sock_setopt(st, so, SOL_SOCKET, SO_SNDBUF, &a->cfg.sndbuf, sizeof(int));
    if (a->cfg.rcvbuf != 0)
        sock_setopt(st, so, SOL_SOCKET, SO_RCVBUF, &a->cfg.rcvbuf, sizeof(int));
    if (a->cfg.keepalive)
        sock_setopt(st, so, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (a->cfg.nodelay)
        sock_setopt(st, so, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static struct sock *open_socket(struct app *a, bool bind_port) {
    struct stack *st = stack_of(a);
    struct sock *so = NULL;
    int r = sock_open(st, a->w->host[a->host].proc, AF_INET, SOCK_STREAM, 0, 0, &so);
    if (r < 0) {
        fail(a, "socket: %s", strerror(-r));
        return NULL;
    }
    set_options(a, so);
    if (bind_port) {
        struct sockaddr_in sa = sockaddr_of(a->host, a->port);
        r = sock_bind(st, so, (struct sockaddr *)&sa, sizeof(sa));
        if (r < 0)
            fail(a, "bind: %s", strerror(-r));
    }
    return so;
}

static void begin_running(struct app *a) {
    a->phase = APP_RUNNING;
    if (!a->cfg.edge)
        return;
    a->ws = watchset_new(stack_of(a), a->w->host[a->host].proc);
    if (a->ws == NULL ||
        watch_add(stack_of(a), a->ws, a->so, POLLIN | POLLOUT | POLLRDHUP | EPOLLET, 7) == NULL)
        fail(a, "no watch");
}

static bool step_server_opening(struct app *a) {
    struct stack *st = stack_of(a);
    if (a->listener == NULL) {
        a->listener = open_socket(a, true);
        int r = a->listener == NULL ? -1 : sock_listen(st, a->listener, 8);
        if (r < 0)
            fail(a, "listen: %d", r);
        return true;
    }
    int r = sock_accept(st, a->listener, a->w->host[a->host].proc, 0, NULL, NULL, &a->so);
    if (r == -EAGAIN)
        return false;
    if (r < 0) {
        fail(a, "accept: %s", strerror(-r));
        return false;
    }
    sock_put(st, a->listener, a->w->host[a->host].proc);
    a->listener = NULL;
    begin_running(a);
    return true;
}

/* Under heavy loss an attempt may fail for good reasons (no answer to ARP, SYNs all lost): then it
 * tries again, as a user would. */
static void connect_failed(struct app *a, int error) {
    if (error != ETIMEDOUT && error != EHOSTUNREACH)
        fail(a, "connect: %s", strerror(error));
    if (a->role == APP_PEER || ++a->attempts > MAX_ATTEMPTS)
        fail(a, "connect: %s, attempt %d", strerror(error), a->attempts);
    sock_put(stack_of(a), a->so, a->w->host[a->host].proc);
    a->so = NULL;
    a->connect_at_ns = a->w->now_ns + NS_PER_S;
}

static bool step_connecting(struct app *a) {
    struct stack *st = stack_of(a);
    struct sockaddr_in sa = sockaddr_of(!a->host, a->port);
    bool fresh = a->so == NULL;
    if (fresh) {
        if (a->connect_at_ns > a->w->now_ns)
            return false;
        a->so = open_socket(a, a->role == APP_PEER);
        if (a->so == NULL)
            return false;
    } else if (!(sock_ready(st, a->so) & (POLLOUT | POLLERR | POLLHUP))) {
        return false;
    }
    int r = sock_connect(st, a->so, (struct sockaddr *)&sa, sizeof(sa));
    if (r == -EINPROGRESS || r == -EALREADY)
        return fresh;
    if (r == 0 || r == -EISCONN)
        begin_running(a);
    else
        connect_failed(a, -r);
    return true;
}

/* ---- transfer ---- */

/* Cuts buf[0..len) into up to MAX_PIECES pieces. */
static int cut(struct app *a, struct iovec *iov, uint32_t len) {
    int n = 0;
    for (uint32_t at = 0; at < len; n++) {
        uint32_t piece = len - at;
        if (n < MAX_PIECES - 1 && chance(a, 300000))
            piece = rand_below(&a->rand, piece + 1);
        iov[n] = (struct iovec){buf + at, piece};
        at += piece;
        if (n == MAX_PIECES - 1)
            return MAX_PIECES;
    }
    return n;
}

static void check_bytes(struct app *a, const uint8_t *p, size_t len) {
    if (len > a->cfg.expect_total - a->received) {
        fail(a, "received more than was sent");
        return;
    }
    for (size_t i = 0; i < len; i++)
        if (p[i] != stream_byte(a->key_in, a->received + (uint32_t)i)) {
            fail(a, "wrong byte at offset %u", a->received + (uint32_t)i);
            return;
        }
}

static void pause_perhaps(struct app *a) {
    if (a->cfg.think_ns > 0 && chance(a, a->cfg.think_ppm))
        a->wake_ns = a->w->now_ns + 1 + rand_u64(&a->rand) % a->cfg.think_ns;
}

static bool wants_to_send(const struct app *a) {
    return !a->shut && (!a->cfg.send_after_eof || a->eof);
}

static bool do_send(struct app *a) {
    struct iovec iov[MAX_PIECES];
    uint32_t left = a->cfg.send_total - a->sent;
    uint32_t n = 1 + rand_below(&a->rand, a->cfg.max_write);
    n = n < left ? n : left;
    for (uint32_t i = 0; i < n; i++)
        buf[i] = stream_byte(a->key_out, a->sent + i);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)cut(a, iov, n)};
    ssize_t r = sock_send(stack_of(a), a->so, &msg, chance(a, 100000) ? MSG_MORE : 0);
    if (r == -EAGAIN) {
        a->may_write = false;
        return false;
    }
    if (r <= 0 || r > n) {
        fail(a, "send of %u gave %zd", n, r);
        return false;
    }
    a->sent += (uint32_t)r;
    return true;
}

static bool step_sending(struct app *a) {
    if (a->sent < a->cfg.send_total)
        return do_send(a);
    int r = sock_shutdown(stack_of(a), a->so, SHUT_WR);
    if (r < 0)
        fail(a, "shutdown: %s", strerror(-r));
    a->shut = true;
    return true;
}

static bool step_receiving(struct app *a) {
    struct iovec iov[MAX_PIECES];
    uint32_t n = 1 + rand_below(&a->rand, a->cfg.max_read);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)cut(a, iov, n)};
    bool peek = chance(a, 50000);
    ssize_t r = sock_recv(stack_of(a), a->so, &msg, peek ? MSG_PEEK : 0);
    if (r == -EAGAIN) {
        a->may_read = false;
        return false;
    }
    if (r < 0 || r > n) {
        fail(a, "recv gave %zd (%s)", r, r < 0 ? strerror((int)-r) : "too many");
        return false;
    }
    if (r == 0) {
        if (a->received != a->cfg.expect_total)
            fail(a, "end of stream after %u of %u bytes", a->received, a->cfg.expect_total);
        a->eof = true;
        return true;
    }
    check_bytes(a, buf, (size_t)r);
    if (!peek)
        a->received += (uint32_t)r;
    return true;
}

/* Which of the two directions may do something now. */
static void look_for_readiness(struct app *a) {
    struct sock_event ev[2];
    uint32_t bits = 0;
    if (a->cfg.edge) {
        for (int n = watchset_collect(stack_of(a), a->ws, ev, 2); n > 0; n--)
            bits |= ev[n - 1].events;
        a->may_read |= bits & (POLLIN | POLLRDHUP | POLLERR | POLLHUP);
        a->may_write |= bits & (POLLOUT | POLLERR | POLLHUP);
        return;
    }
    bits = sock_ready(stack_of(a), a->so);
    a->may_read = bits & (POLLIN | POLLERR | POLLHUP);
    a->may_write = bits & (POLLOUT | POLLERR | POLLHUP);
}

static bool step_running(struct app *a) {
    bool did = false;
    look_for_readiness(a);
    bool send_first = chance(a, 500000);
    for (int turn = 0; turn < 2; turn++) {
        if ((turn == 0) == send_first) {
            if (a->may_write && wants_to_send(a))
                did |= step_sending(a);
        } else if (a->may_read && !a->eof) {
            did |= step_receiving(a);
        }
    }
    if (did)
        pause_perhaps(a);
    if (a->shut && a->eof)
        a->phase = APP_FLUSHING;
    return did;
}

static bool step_flushing(struct app *a) {
    int outq = 0;
    if (!a->cfg.close_early && sock_ioctl(stack_of(a), a->so, SIOCOUTQ, &outq) == 0 && outq > 0)
        return false;
    if (a->ws != NULL)
        watchset_free(stack_of(a), a->ws);
    sock_put(stack_of(a), a->so, a->w->host[a->host].proc);
    a->ws = NULL;
    a->so = NULL;
    a->phase = APP_CLOSED;
    return true;
}

bool app_step(struct app *a) {
    if (a->error[0] != '\0' || a->wake_ns > a->w->now_ns)
        return false;
    stack_set_time(stack_of(a), a->w->now_ns);
    switch (a->phase) {
    case APP_OPENING:
        return a->role == APP_SERVER ? step_server_opening(a) : step_connecting(a);
    case APP_RUNNING:
        return step_running(a);
    case APP_FLUSHING:
        return step_flushing(a);
    case APP_CLOSED:
        break;
    }
    return false;
}

/* ---- direct reception ---- */

void app_before_poll(struct app *a) {
    struct stack *st = stack_of(a);
    if (st->direct != NULL || !a->cfg.direct || a->phase != APP_RUNNING || a->eof ||
        a->wake_ns > a->w->now_ns || a->error[0] != '\0')
        return;
    struct tcb *t = sock_direct(st, a->so);
    if (t == NULL)
        return;
    uint32_t n = 1 + rand_below(&a->rand, a->cfg.max_read);
    direct = (struct direct_recv){.t = t, .iov = direct_iov, .niov = cut(a, direct_iov, n)};
    st->direct = &direct;
    lender = a;
}

void app_after_poll(struct app *a) {
    struct stack *st = stack_of(a);
    if (lender != a)
        return;
    lender = NULL;
    st->direct = NULL;
    check_bytes(a, buf, direct.got);
    a->received += (uint32_t)direct.got;
    a->may_read |= direct.got > 0; /* as after a recv that gave something: there may be more */
}

uint64_t app_next(const struct app *a) {
    if (a->phase == APP_CLOSED || a->error[0] != '\0')
        return TIME_NEVER;
    if (a->wake_ns > a->w->now_ns)
        return a->wake_ns;
    if (a->phase == APP_OPENING && a->so == NULL && a->connect_at_ns > a->w->now_ns)
        return a->connect_at_ns;
    return TIME_NEVER;
}

void app_describe(const struct app *a, char *out, size_t len) {
    static const char *const phase[] = {"opening", "running", "flushing", "closed"};
    snprintf(out, len, "host %d port %u %s: sent %u/%u%s, received %u/%u%s%s%s", a->host, a->port,
             phase[a->phase], a->sent, a->cfg.send_total, a->shut ? " FIN" : "", a->received,
             a->cfg.expect_total, a->eof ? " EOF" : "", a->error[0] ? ": " : "", a->error);
}

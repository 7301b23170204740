/* Shimstack's TCP/IP stack: the public face. A machine without I/O (DESIGN.md D1): link and time
 * are arguments, memory is given, nothing blocks, no system call is made. One entry at a time per
 * stack; who serializes them (a lock shared by processes, or a single-threaded test) is the
 * caller's affair.
 *
 *     struct stack *st = stack_init(mem, size, &cfg, seed, now);
 *     sock_open(st, …); sock_connect(st, …);
 *     next = stack_poll(st, link, now);      after every call and whenever the link has frames
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include "stack/base/state.h"
#include "stack/link/link.h"
#include "stack/net/net.h"
#include "stack/sock/sock.h"
#include "stack/tcp/tcp.h"

struct stack_config {
    struct net_config net;
    struct tcp_config tcp;
    struct sock_config sock;
    uint32_t max_pkts, max_small_chunks, max_large_chunks, max_udp, max_dgrams, max_errmsgs;
    enum log_level log_level;
};

/* Defaults for a program's host. `scale` 0: that; 1: small, for tests (a few MiB). */
void stack_config_default(struct stack_config *cfg, int scale);
/* Bytes of memory that stack_init wants for cfg (mostly untouched until used). */
size_t stack_mem_size(const struct stack_config *cfg);
/* Builds a stack in `mem` (zeroed, page-aligned, the caller's). NULL when size is too small. */
struct stack *stack_init(void *mem, size_t size, const struct stack_config *cfg,
                         const uint8_t seed[static 16], uint64_t now_ns);

/* To be called at each entry before sock_ calls, so that they see the time. */
static inline void stack_set_time(struct stack *st, uint64_t now_ns) {
    st->now_ns = now_ns;
}

/* Takes in what the link has (bounded: POLL_FRAMES_MAX), runs expired timers, sends what is due.
 * Returns when it wants to be called again at the latest (TIME_NEVER: only when frames come).
 * *more is set when frames were left over for want of budget; may be NULL. */
#define POLL_FRAMES_MAX 256
uint64_t stack_poll(struct stack *st, struct link *link, uint64_t now_ns, bool *more);
/* Only the sending part: after a sock_ call. Returns the next deadline like stack_poll. */
uint64_t stack_flush(struct stack *st, struct link *link, uint64_t now_ns);

/* A process died inside the stack: resets what was being changed and rebuilds every index. */
/* What the time is on CLOCK_REALTIME when it is now_ns on the stack's clock. */
void stack_set_wall(struct stack *st, uint64_t wall_ns, uint64_t now_ns);
void stack_repair(struct stack *st, uint64_t now_ns);

/* Nothing more to be done for anybody: no socket, no connection that has not finished. */
bool stack_idle(struct stack *st);

#endif

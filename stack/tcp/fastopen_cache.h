/* What a Fast Open client remembers of servers (RFC 7413 §4.1.3): the cookie, and the MSS that
 * bounds what a SYN may carry. A table of FASTOPEN_CACHE_SETS * FASTOPEN_CACHE_WAYS servers; the
 * one not used for longest makes room. */
#ifndef STACK_TCP_FASTOPEN_CACHE_H
#define STACK_TCP_FASTOPEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/addr.h"
#include "stack/wire/tcp.h"

struct stack;

#define FASTOPEN_CACHE_SETS 64
#define FASTOPEN_CACHE_WAYS 4

/* Which form of the option to ask in: servers of before RFC 7413 know the experimental one. */
enum fastopen_try { FASTOPEN_TRY_STANDARD, FASTOPEN_TRY_EXP, FASTOPEN_TRY_NO_MORE };

struct fastopen_server {
    struct addr addr;
    uint64_t used_ns;         /* 0: free */
    uint16_t mss;             /* that its last SYN-ACK told; 0: unknown */
    uint8_t try;              /* enum fastopen_try */
    struct tcp_fo_opt cookie; /* present if there is one */
};

struct fastopen_cache {
    struct fastopen_server server[FASTOPEN_CACHE_SETS][FASTOPEN_CACHE_WAYS];
};

/* NULL: nothing is known of it. */
const struct fastopen_server *fastopen_cache_find(struct stack *st, const struct addr *server);
/* From a SYN-ACK: its MSS, and its cookie if it has one. try: raises the form to ask in. */
void fastopen_cache_store(struct stack *st, const struct addr *server, uint16_t mss,
                          const struct tcp_fo_opt *cookie, enum fastopen_try try);

#endif

/* An application of the simulation: one end of one connection, which sends a known stream of bytes
 * in random pieces, receives the other's and checks every byte, half-closes, waits, and closes. */
#ifndef TESTS_SIM_APP_H
#define TESTS_SIM_APP_H

#include "tests/sim/world.h"

/* How it goes about it; chosen by the seed. */
struct app_config {
    uint32_t send_total;   /* bytes it sends */
    uint32_t expect_total; /* bytes the other sends */
    uint32_t max_write, max_read;
    uint32_t think_ppm; /* chance to pause after an operation */
    uint64_t think_ns;  /* for at most this long */
    int sndbuf, rcvbuf; /* 0: default */
    bool nodelay, keepalive;
    bool send_after_eof; /* begins to send when the other has finished (an echo-like half-close) */
    bool edge;           /* waits by an edge-triggered watch, else looks at sock_ready */
    bool direct;         /* lends its buffer to the poll when nothing is queued */
    bool close_early;    /* closes at once when it has all; else waits till all is acknowledged */
};

enum app_role { APP_CLIENT, APP_SERVER, APP_PEER /* simultaneous open: both connect */ };
enum app_phase { APP_OPENING, APP_RUNNING, APP_FLUSHING, APP_CLOSED };

struct app {
    struct world *w;
    int host;
    enum app_role role;
    enum app_phase phase;
    uint16_t port; /* of the server; of both for peers */
    struct app_config cfg;
    struct rand rand;
    uint64_t key_out, key_in; /* of the two streams' bytes */
    struct sock *listener, *so;
    struct watchset *ws;
    bool may_read, may_write; /* edge-triggered: not yet seen -EAGAIN since the last event */
    uint64_t wake_ns;         /* thinks until then */
    uint64_t connect_at_ns;   /* earliest next attempt */
    int attempts;
    uint32_t sent, received;
    bool shut, eof;
    char error[160]; /* not empty: the test has failed, and why */
};

void app_init(struct app *a, struct world *w, int host, enum app_role role, uint16_t port,
              const struct app_config *cfg, uint64_t seed, uint64_t key_out, uint64_t key_in);
/* Does what it can do now. True when it did something. */
bool app_step(struct app *a);
/* To be called around world_poll of its host: lends a buffer, and checks what came into it. */
void app_before_poll(struct app *a);
void app_after_poll(struct app *a);
/* When it will want to do something of its own accord; TIME_NEVER: only when something happens. */
uint64_t app_next(const struct app *a);
/* One line on how far it has come. */
void app_describe(const struct app *a, char *buf, size_t len);

#endif

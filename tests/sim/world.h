/* Two hosts on one simulated wire, on virtual time. Each host is a whole struct stack in memory of
 * its own; the world moves both of them and the clock. Nothing here sleeps or reads a clock, so a
 * world made twice from the same numbers does the same twice. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/link/sim.h"
#include "stack/stack.h"

#define WORLD_PORT  5000
#define WORLD_EPOCH 1000000000ull /* virtual time begins at 1 s: 0 means "off" to timers */
#define NS_PER_MS   1000000ull
#define NS_PER_S    1000000000ull

struct world_config {
    struct impair impair[2];
    struct link_caps caps;
    struct stack_config stack; /* of both; addresses are filled in by world_init */
    uint64_t seed;
    const char *pcap; /* capture of host 0's end; NULL: none */
};

struct host {
    struct stack *st;
    void *mem;
    size_t mem_size;
    struct link *link;
    uint32_t proc;
    uint64_t next_ns; /* when the stack wants to be called again */
    uint32_t chunks_at_start, pkts_at_start;
};

struct world {
    uint64_t now_ns;
    struct host host[2];
    struct sim_wire *wire;
    struct link *tap;
};

/* The default configuration of a test: small pools, nothing impaired, MTU 1500, no offloads. */
void world_config_default(struct world_config *cfg);
/* False and a message on stderr when it cannot be built. */
bool world_init(struct world *w, const struct world_config *cfg);
void world_free(struct world *w);
/* 10.0.0.1 and 10.0.0.2. */
struct addr world_addr(int host);
/* Lets one host take in, time out and send what there is to, at the present time. */
void world_poll(struct world *w, int host);
/* When something will happen next by itself: TIME_NEVER if nothing will. */
uint64_t world_next(const struct world *w);
/* Nothing is left of what was done since world_init: NULL, or what is (static text). */
const char *world_leftover(struct world *w);

#endif

#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/link/tap.h"

void world_config_default(struct world_config *cfg) {
    memset(cfg, 0, sizeof(*cfg));
    cfg->caps = (struct link_caps){.mtu = 1500};
    stack_config_default(&cfg->stack, 1);
}

struct addr world_addr(int host) {
    return addr_v4(0x0a000001u + (uint32_t)host);
}

static void fill_net_config(struct net_config *net, const struct link_caps *caps, int host) {
    net->mac = (struct mac){{2, 0, 0, 0, 0, (uint8_t)(host + 1)}};
    net->mtu = caps->mtu;
    net->gso_max = caps->gso_max;
    net->tx_csum = caps->tx_csum;
    net->naddrs = 1;
    addr_parse_prefix(host == 0 ? "10.0.0.1/24" : "10.0.0.2/24", &net->addr[0].addr,
                      &net->addr[0].net);
}

static uint32_t chunks_used(const struct stack *st) {
    return st->chunks.small.n_used + st->chunks.large.n_used;
}

static bool host_init(struct world *w, int i, const struct world_config *cfg) {
    struct host *h = &w->host[i];
    struct stack_config sc = cfg->stack;
    uint8_t seed[16] = {(uint8_t)(i + 1)};
    memcpy(seed + 8, &cfg->seed, sizeof(cfg->seed));
    fill_net_config(&sc.net, &cfg->caps, i);
    h->mem_size = (stack_mem_size(&sc) + 4095) & ~(size_t)4095;
    h->mem = mmap(NULL, h->mem_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (h->mem == MAP_FAILED)
        return false;
    h->st = stack_init(h->mem, h->mem_size, &sc, seed, w->now_ns);
    if (h->st == NULL)
        return false;
    h->link = sim_wire_end(w->wire, i);
    h->chunks_at_start = chunks_used(h->st);
    h->pkts_at_start = h->st->pkts.n_used;
    int proc = proc_attach(h->st, 1000 + i, 1);
    h->proc = (uint32_t)proc;
    return proc >= 0;
}

bool world_init(struct world *w, const struct world_config *cfg) {
    const char *why = NULL;
    *w = (struct world){.now_ns = WORLD_EPOCH};
    w->wire = sim_wire_new(cfg->impair, &cfg->caps);
    if (w->wire == NULL || !host_init(w, 0, cfg) || !host_init(w, 1, cfg)) {
        fprintf(stderr, "world: a stack cannot be built (too little memory?)\n");
        return false;
    }
    if (cfg->pcap != NULL) {
        w->tap = link_tap_new(w->host[0].link, cfg->pcap, 0, &why);
        if (w->tap == NULL) {
            fprintf(stderr, "world: %s: %s\n", cfg->pcap, why);
            return false;
        }
        w->host[0].link = w->tap;
    }
    for (int i = 0; i < 2; i++)
        net_announce(w->host[i].st);
    return true;
}

void world_free(struct world *w) {
    if (w->tap != NULL)
        w->tap->ops->close(w->tap);
    for (int i = 0; i < 2; i++)
        if (w->host[i].mem != NULL && w->host[i].mem != MAP_FAILED)
            munmap(w->host[i].mem, w->host[i].mem_size);
    if (w->wire != NULL)
        sim_wire_free(w->wire);
}

void world_poll(struct world *w, int host) {
    struct host *h = &w->host[host];
    bool more = true;
    while (more)
        h->next_ns = stack_poll(h->st, h->link, w->now_ns, &more);
}

uint64_t world_next(const struct world *w) {
    uint64_t next = TIME_NEVER;
    for (int i = 0; i < 2; i++) {
        uint64_t event = link_next_event(w->host[i].link);
        next = event < next ? event : next;
        next = w->host[i].next_ns < next ? w->host[i].next_ns : next;
    }
    return next;
}

const char *world_leftover(struct world *w) {
    for (int i = 0; i < 2; i++) {
        struct host *h = &w->host[i];
        uint32_t live, timewait;
        tcp_count(h->st, &live, &timewait);
        if (live != 0 || timewait != 0)
            return "connections";
        if (chunks_used(h->st) != h->chunks_at_start)
            return "buffer chunks";
        if (h->st->pkts.n_used != h->pkts_at_start)
            return "packets";
        if (!stack_idle(h->st))
            return "something that stack_idle sees";
    }
    return NULL;
}

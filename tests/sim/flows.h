/* Bulk flows that share one bottleneck, on virtual time: what a congestion control is judged by.
 * Host 0 sends, host 1 receives; the bottleneck and the delay act on what host 0 sends, the way
 * back only delays. Behind the bottleneck far flows go a longer way (wire.far_ns), and come back
 * by one as long. */
#ifndef TESTS_SIM_FLOWS_H
#define TESTS_SIM_FLOWS_H

#include "tests/sim/world.h"

#define FLOWS_MAX 16

struct flow_spec {
    char cc[16];       /* TCP_CONGESTION */
    uint64_t start_ns; /* after the beginning of the run */
    bool far;          /* each way takes wire.far_ns longer */
};

struct flows_config {
    struct impair wire; /* rate, queue, one-way delay, mark, loss …; far_port is ours to set */
    uint64_t run_ns;
    uint64_t from_ns; /* what was before this counts for nothing (slow start) */
    uint64_t seed;
    int n;
    struct flow_spec flow[FLOWS_MAX];
    /* Called every sample_ns with the time of the run, what each flow has received since the last
     * call, and the bottleneck's queue. NULL: not. */
    uint64_t sample_ns;
    void (*sample)(void *arg, uint64_t at_ns, const uint64_t *bytes, uint64_t queue_ns);
    void *arg;
    const char *pcap; /* NULL: none */
};

struct flows_result {
    uint64_t bytes[FLOWS_MAX]; /* received in order after from_ns */
    double goodput_bps[FLOWS_MAX];
    double utilisation; /* of the bottleneck, payload and headers */
    double jain;        /* fairness, 1/n … 1 */
    double queue_mean_ns, queue_p95_ns;
    uint64_t queue_drops, marked, retransmitted;
};

/* False and a message on stderr: something went wrong (a connection broke, no such algorithm). */
bool flows_run(const struct flows_config *cfg, struct flows_result *out);

#endif

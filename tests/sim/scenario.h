/* One seed: what the wire does, how the hosts are set up, which connections run, and what must
 * hold in the end. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "tests/sim/world.h"

/* Runs it. True when every byte arrived, both sides saw the end of the stream, all connections are
 * gone and all buffers are free again. Else says on stderr what went wrong. verbose: says what the
 * seed means, and the counters at the end. *took: the virtual time that has passed. */
struct scenario_time {
    uint64_t ns;
    bool idle; /* most of it was a rest with keepalive probes */
};
bool scenario_run(uint64_t seed, const char *pcap, bool verbose, struct scenario_time *took);

#endif

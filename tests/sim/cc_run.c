/* cc_run [--wire rate=10Mbit,delay=10ms,queue=64KB] [--seconds N] [--from N] [--seed N]
 *        [--series FILE] [--pcap FILE] CC[+far][@START] …
 *
 * Runs one bulk flow for each CC (beginning after START seconds) through one bottleneck, on virtual
 * time, and says how they shared it. Each way of a far one is longer by the wire's far-delay. The
 * series has a line each 100 ms: time in seconds, Mbit/s of
 * each flow, the queue in milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/flows.h"

#define SAMPLE_NS (100 * NS_PER_MS)
#define FAR_MARK  "+far"

static void to_series(void *arg, uint64_t at_ns, const uint64_t *bytes, uint64_t queue_ns) {
    FILE *f = arg;
    fprintf(f, "%.1f", (double)at_ns / NS_PER_S);
    for (int i = 0; i < FLOWS_MAX; i++)
        fprintf(f, " %.3f", (double)bytes[i] * 8 / 1e6 / ((double)SAMPLE_NS / NS_PER_S));
    fprintf(f, " %.2f\n", (double)queue_ns / NS_PER_MS);
}

static int usage(void) {
    fprintf(stderr, "usage: cc_run [--wire rate=10Mbit,delay=10ms,queue=64KB] [--seconds N] "
                    "[--from N] [--seed N]\n"
                    "              [--series FILE] [--pcap FILE] CC[+far][@START] ...\n");
    return 2;
}

static bool add_flow(struct flows_config *cfg, const char *word) {
    struct flow_spec *f = &cfg->flow[cfg->n];
    size_t n = strcspn(word, "@+"), mark = strlen(FAR_MARK);
    if (cfg->n == FLOWS_MAX || n == 0 || n >= sizeof(f->cc))
        return false;
    f->far = strncmp(word + n, FAR_MARK, mark) == 0;
    cfg->n++;
    memcpy(f->cc, word, n);
    word += n + (f->far ? mark : 0);
    f->start_ns = *word == '@' ? (uint64_t)(strtod(word + 1, NULL) * NS_PER_S) : 0;
    return *word == '@' || *word == '\0';
}

static bool option(struct flows_config *cfg, const char *name, const char *val, FILE **series) {
    if (strcmp(name, "--wire") == 0) {
        const char *why = impair_parse(val, &cfg->wire);
        if (why != NULL)
            fprintf(stderr, "cc_run: %s\n", why);
        return why == NULL;
    }
    if (strcmp(name, "--seconds") == 0)
        cfg->run_ns = (uint64_t)(strtod(val, NULL) * NS_PER_S);
    else if (strcmp(name, "--from") == 0)
        cfg->from_ns = (uint64_t)(strtod(val, NULL) * NS_PER_S);
    else if (strcmp(name, "--seed") == 0)
        cfg->seed = strtoull(val, NULL, 10);
    else if (strcmp(name, "--pcap") == 0)
        cfg->pcap = val;
    else if (strcmp(name, "--series") == 0)
        return (*series = fopen(val, "w")) != NULL;
    else
        return false;
    return true;
}

int main(int argc, char **argv) {
    struct flows_config cfg = {.run_ns = 30 * NS_PER_S, .seed = 1};
    struct flows_result res;
    FILE *series = NULL;
    impair_parse("rate=10Mbit,delay=10ms,queue=64KB", &cfg.wire);
    for (int i = 1; i < argc; i++) {
        bool is_option = strncmp(argv[i], "--", 2) == 0;
        if (is_option && (i + 1 >= argc || !option(&cfg, argv[i], argv[i + 1], &series)))
            return usage();
        if (!is_option && !add_flow(&cfg, argv[i]))
            return usage();
        i += is_option;
    }
    if (cfg.n == 0 || cfg.from_ns >= cfg.run_ns)
        return usage();
    if (series != NULL) {
        cfg.sample_ns = SAMPLE_NS;
        cfg.sample = to_series;
        cfg.arg = series;
    }
    if (!flows_run(&cfg, &res))
        return 1;
    for (int i = 0; i < cfg.n; i++)
        printf("%-8s %-3s %10.3f Mbit/s\n", cfg.flow[i].cc, cfg.flow[i].far ? "far" : "",
               res.goodput_bps[i] / 1e6);
    printf("utilisation %.3f  jain %.3f  queue ms: mean %.2f, 95 %% %.2f  drops %llu  marks %llu  "
           "retransmitted %llu\n",
           res.utilisation, res.jain, res.queue_mean_ns / NS_PER_MS, res.queue_p95_ns / NS_PER_MS,
           (unsigned long long)res.queue_drops, (unsigned long long)res.marked,
           (unsigned long long)res.retransmitted);
    if (series != NULL && fclose(series) != 0)
        return 1;
    return 0;
}

/* sim_run --seeds N [--days D] [--from S] [--jobs J]
 *                                   runs seeds S .. S+N-1, spread over J processes; on beyond them
 *                                   until so many days of virtual time have passed in all
 * sim_run --seed S [--pcap FILE]    replays one, and says what it means
 *
 * Exit status 0 when all were good. A seed that crashes (assertion, sanitizer) is told like one
 * that fails; the others go on. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/scenario.h"

#define MAX_JOBS     16
#define MAX_FAILURES 10 /* after so many, no more are begun */

struct shared {
    _Atomic uint64_t next; /* seed to be taken next */
    _Atomic uint32_t failures;
    _Atomic uint64_t busy_s, idle_s; /* of virtual time, of all that have ended */
    uint64_t end, min_virtual_s;
    uint64_t current[MAX_JOBS]; /* seed that each process is at */
};

static uint64_t virtual_s(struct shared *sh) {
    return atomic_load(&sh->busy_s) + atomic_load(&sh->idle_s);
}

static _Noreturn void work(struct shared *sh, int job) {
    for (;;) {
        bool enough = atomic_load(&sh->next) >= sh->end && virtual_s(sh) >= sh->min_virtual_s;
        if (enough || atomic_load(&sh->failures) >= MAX_FAILURES)
            _exit(0);
        uint64_t seed = sh->current[job] = atomic_fetch_add(&sh->next, 1);
        struct scenario_time took = {0};
        if (!scenario_run(seed, NULL, false, &took))
            atomic_fetch_add(&sh->failures, 1);
        atomic_fetch_add(took.idle ? &sh->idle_s : &sh->busy_s, took.ns / NS_PER_S);
    }
}

static pid_t start_worker(struct shared *sh, int job) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        work(sh, job);
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    return pid;
}

static int run_seeds(uint64_t from, uint64_t n, uint64_t days, int jobs) {
    struct shared *sh =
        mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid[MAX_JOBS];
    if (sh == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    atomic_init(&sh->next, from);
    sh->end = from + n;
    sh->min_virtual_s = days * 86400;
    for (int i = 0; i < jobs; i++)
        pid[i] = start_worker(sh, i);
    for (int i = 0; i < jobs; i++) {
        int status;
        if (waitpid(pid[i], &status, 0) < 0) {
            perror("waitpid");
            return 2;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        fprintf(stderr, "seed %" PRIu64 ": CRASHED; replay: sim_run --seed %" PRIu64 "\n",
                sh->current[i], sh->current[i]);
        atomic_fetch_add(&sh->failures, 1);
        pid[i] = start_worker(sh, i);
        i--;
    }
    uint32_t failures = atomic_load(&sh->failures);
    printf("%" PRIu64
           " seeds, %.1f days of virtual time, %.1f of them without long rests, %u failed\n",
           atomic_load(&sh->next) - from, (double)virtual_s(sh) / 86400,
           (double)atomic_load(&sh->busy_s) / 86400, failures);
    return failures == 0 ? 0 : 1;
}

static int usage(void) {
    fprintf(stderr, "usage: sim_run --seeds N [--days D] [--from S] [--jobs J]\n"
                    "       sim_run --seed S [--pcap FILE]\n");
    return 2;
}

int main(int argc, char **argv) {
    const char *pcap = NULL;
    uint64_t seeds = 0, days = 0, from = 1, seed = 0;
    struct scenario_time took;
    int jobs = 2;
    bool one = false;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc)
            return usage();
        const char *val = argv[i + 1];
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(val, NULL, 10);
        else if (strcmp(argv[i], "--days") == 0)
            days = strtoull(val, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            from = strtoull(val, NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            jobs = atoi(val);
        else if (strcmp(argv[i], "--pcap") == 0)
            pcap = val;
        else if (strcmp(argv[i], "--seed") == 0)
            one = true, seed = strtoull(val, NULL, 10);
        else
            return usage();
    }
    if (one)
        return scenario_run(seed, pcap, true, &took) ? 0 : 1;
    if (seeds == 0 || jobs < 1 || jobs > MAX_JOBS)
        return usage();
    return run_seeds(from, seeds, days, jobs);
}

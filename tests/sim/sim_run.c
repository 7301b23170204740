/* sim_run --seeds N [--from S] [--jobs J]   runs seeds S .. S+N-1, spread over J processes
 * sim_run --seed S [--pcap FILE]            replays one, and says what it means
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
    uint64_t end;
    uint64_t current[MAX_JOBS]; /* seed that each process is at */
};

static _Noreturn void work(struct shared *sh, int job) {
    for (;;) {
        uint64_t seed = atomic_fetch_add(&sh->next, 1);
        if (seed >= sh->end || atomic_load(&sh->failures) >= MAX_FAILURES)
            _exit(0);
        sh->current[job] = seed;
        if (!scenario_run(seed, NULL, false))
            atomic_fetch_add(&sh->failures, 1);
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

static int run_seeds(uint64_t from, uint64_t n, int jobs) {
    struct shared *sh =
        mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid[MAX_JOBS];
    if (sh == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    atomic_init(&sh->next, from);
    sh->end = from + n;
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
    uint64_t done = atomic_load(&sh->next);
    uint32_t failures = atomic_load(&sh->failures);
    done = (done < sh->end ? done : sh->end) - from;
    printf("%" PRIu64 " seeds, %u failed\n", done, failures);
    return failures == 0 ? 0 : 1;
}

static int usage(void) {
    fprintf(stderr, "usage: sim_run --seeds N [--from S] [--jobs J]\n"
                    "       sim_run --seed S [--pcap FILE]\n");
    return 2;
}

int main(int argc, char **argv) {
    const char *pcap = NULL;
    uint64_t seeds = 0, from = 1, seed = 0;
    int jobs = 2;
    bool one = false;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc)
            return usage();
        const char *val = argv[i + 1];
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(val, NULL, 10);
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
        return scenario_run(seed, pcap, true) ? 0 : 1;
    if (seeds == 0 || jobs < 1 || jobs > MAX_JOBS)
        return usage();
    return run_seeds(from, seeds, jobs);
}

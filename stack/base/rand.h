/* Randomness without a system call: a keyed hash (SipHash-2-4) for ISNs, ports and hash tables,
 * and a generator seeded by the caller (from getrandom in a program, by the seed in a test). */
#ifndef STACK_BASE_RAND_H
#define STACK_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k[2];
};
struct rand {
    struct siphash_key key;
    uint64_t counter;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
/* Output i is SipHash of i under the key: not predictable from earlier outputs. */
void rand_init(struct rand *r, const uint8_t seed[static 16]);
uint64_t rand_u64(struct rand *r);
/* Uniform in [0, n), n > 0. */
uint32_t rand_below(struct rand *r, uint32_t n);
/* A fresh key, for a table or an ISN generator. */
struct siphash_key rand_key(struct rand *r);

#endif

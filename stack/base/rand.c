/* SipHash-2-4 (Aumasson, Bernstein 2012) and the generator made of it. */
#include "stack/base/rand.h"

#include <string.h>

static inline uint64_t rotl(uint64_t x, int b) {
    return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t m) {
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len) {
    /* The initial words spell "somepseudorandomlygeneratedbytes". */
    uint64_t v[4] = {key->k[0] ^ 0x736f6d6570736575, key->k[1] ^ 0x646f72616e646f6d,
                     key->k[0] ^ 0x6c7967656e657261, key->k[1] ^ 0x7465646279746573};
    const uint8_t *p = data;
    uint64_t last = (uint64_t)len << 56;
    uint64_t m;
    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&m, p, 8);
        sip_word(v, m);
    }
    m = 0;
    memcpy(&m, p, len);
    sip_word(v, last | m);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void rand_init(struct rand *r, const uint8_t seed[static 16]) {
    memcpy(r->key.k, seed, 16);
    r->counter = 0;
}

uint64_t rand_u64(struct rand *r) {
    uint64_t i = r->counter++;
    return siphash(&r->key, &i, sizeof(i));
}

uint32_t rand_below(struct rand *r, uint32_t n) {
    /* The high half of a product is uniform once the low half clears the remainder of 2^32 / n
     * (Lemire 2019). */
    uint32_t reject = -n % n;
    for (;;) {
        uint64_t product = (rand_u64(r) >> 32) * n;
        if ((uint32_t)product >= reject)
            return (uint32_t)(product >> 32);
    }
}

struct siphash_key rand_key(struct rand *r) {
    struct siphash_key key;
    key.k[0] = rand_u64(r);
    key.k[1] = rand_u64(r);
    return key;
}

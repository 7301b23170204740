/* Big-endian integers as they stand in a frame. Types of their own: a forgotten swap does not
 * compile. Packed to one byte, so a header struct may lie at any address. */
#ifndef STACK_BASE_BE_H
#define STACK_BASE_BE_H

#include <stdint.h>

typedef struct __attribute__((packed)) {
    uint16_t raw;
} be16_t;
typedef struct __attribute__((packed)) {
    uint32_t raw;
} be32_t;

static inline uint16_t be16_get(be16_t b) {
    return __builtin_bswap16(b.raw);
}
static inline uint32_t be32_get(be32_t b) {
    return __builtin_bswap32(b.raw);
}
static inline be16_t be16(uint16_t v) {
    return (be16_t){__builtin_bswap16(v)};
}
static inline be32_t be32(uint32_t v) {
    return (be32_t){__builtin_bswap32(v)};
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be.h swaps always");

#endif

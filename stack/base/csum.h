/* The Internet checksum (RFC 1071): one's-complement sum of 16-bit words. Partial sums are
 * uint64_t accumulators over bytes in memory order; fold once at the end. */
#ifndef STACK_BASE_CSUM_H
#define STACK_BASE_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "stack/base/addr.h"
#include "stack/base/be.h"

/* Adds `len` bytes to `sum`. Where pieces are summed in turn, every piece but the last must be
 * of even length, or use csum_add_at. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);
/* The same for a piece that begins at offset `at` of the whole (odd offsets swap). */
uint64_t csum_add_at(uint64_t sum, const void *data, size_t len, size_t at);
/* Pseudo-header of TCP and UDP over IPv4 (RFC 9293 §3.1) or IPv6 (RFC 8200 §8.1). */
uint64_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, uint32_t len);
/* Folded, not complemented: what a NEEDS_CSUM frame carries in its checksum field. */
be16_t csum_fold(uint64_t sum);
/* Folded and complemented: what goes on the wire. A sum over data that includes a right checksum
 * finishes as 0. */
be16_t csum_finish(uint64_t sum);

#endif

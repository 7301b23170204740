/* DCTCP's state (RFC 8257). The algorithm: cc_dctcp.c; the exact echo: ecn.c. */
#ifndef STACK_TCP_DCTCP_H
#define STACK_TCP_DCTCP_H

#include <stdint.h>

#include "stack/base/seq.h"

struct dctcp {
    uint32_t alpha; /* the fraction of bytes marked, in 1/1024 */
    seq_t window_end;
    uint32_t acked_bytes, marked_bytes; /* in this window of data */
};

#endif

/* Shared by the header files of stack/wire. A parser takes the bytes and their number, checks
 * every length against it, and fills a host-order struct; it keeps no state and never writes to
 * the input. It returns the header's length, or -1 when the bytes are not such a header. */
#ifndef STACK_WIRE_WIRE_H
#define STACK_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/addr.h"
#include "stack/base/be.h"
#include "stack/base/csum.h"
#include "stack/base/seq.h"

enum ip_proto { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

#endif

/* The shared segment (D2): a sealed memfd, mapped at SEGMENT_ADDR in every process of the host.
 * First struct shared, then the stack's memory, then the impairment's. */
#ifndef SHIM_SEGMENT_H
#define SHIM_SEGMENT_H

#include "shim/host.h"

/* Bytes that tell this build of libshim.so from others: the linker's build id, zero-padded. */
void segment_build_id(char out[24]);
/* By the keeper: makes and maps a segment for cfg; struct shared is filled, except what needs the
 * link. The memfd, or -errno and err. */
int segment_create(const struct config *cfg, char *err, size_t errlen);
/* Maps one that another process made. 0, or -errno and err (another build, no room at the
 * address). */
int segment_map(int memfd, char *err, size_t errlen);
/* Builds the stack in it, for a link with these abilities. -ENOMEM. */
int segment_init_stack(struct shared *sh, const struct link_caps *caps, const struct config *cfg);
void segment_unmap(void);

/* This process's link: AF_PACKET over fd, impairment and tap as configured. Fills h->packet and
 * h->link. 0, or -errno and err. */
int segment_open_link(struct host *h, char *err, size_t errlen);

#endif

/* A pcap tap around any link: every frame that passes is written to a capture file (libpcap,
 * nanosecond stamps). Super-frames are written as they are. */
#ifndef STACK_LINK_TAP_H
#define STACK_LINK_TAP_H

#include "stack/link/link.h"

/* Around `inner` (not owned). Several processes may append to one file: each record is one
 * write(2) with O_APPEND. An existing capture of the same kind is continued. clock_offset_ns: added
 * to now_ns for the stamp (realtime - monotonic). NULL and *why on failure. */
struct link *link_tap_new(struct link *inner, const char *path, int64_t clock_offset_ns,
                          const char **why);
/* The capture file's descriptor, close-on-exec, owned by the tap; for whoever moves it out of the
 * program's way (dup it to a high number, close the old one, set the new one). */
int link_tap_fd(const struct link *tap);
void link_tap_set_fd(struct link *tap, int fd);

#endif

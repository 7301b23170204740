/* libpcap, loaded when it is needed. Linked in the ordinary way, it would bring ten more libraries
 * (D-Bus, systemd, gcrypt …) and a millisecond into every program that the shim is loaded into,
 * where only the keeper compiles a filter and only a traced run writes a capture. */
#ifndef STACK_LINK_PCAPLIB_H
#define STACK_LINK_PCAPLIB_H

#include <stdbool.h>
#include <stdio.h>

#include <pcap/pcap.h>

#define PCAPLIB_SNAPLEN 262144 /* libpcap's own largest: no frame is cut */

struct pcaplib {
    void *handle;
    pcap_t *dead; /* Ethernet, nanosecond stamps */
    int (*compile)(pcap_t *, struct bpf_program *, const char *, int, bpf_u_int32);
    void (*freecode)(struct bpf_program *);
    char *(*geterr)(pcap_t *);
    pcap_dumper_t *(*dump_fopen)(pcap_t *, FILE *);
    void (*dump_close)(pcap_dumper_t *);
    void (*close)(pcap_t *);
};

/* False when the library isn't there. */
bool pcaplib_open(struct pcaplib *lib);
void pcaplib_close(struct pcaplib *lib);

#endif

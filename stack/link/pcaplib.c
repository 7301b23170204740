#include "stack/link/pcaplib.h"

#include <dlfcn.h>
#include <string.h>

/* POSIX lets a data pointer hold a function's address; ISO C has no cast for it. */
static bool load(void *handle, const char *name, void *fn) {
    void *p = dlsym(handle, name);
    memcpy(fn, &p, sizeof(p));
    return p != NULL;
}

bool pcaplib_open(struct pcaplib *lib) {
    pcap_t *(*open_dead)(int, int, u_int);

    *lib = (struct pcaplib){.handle = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL)};
    if (lib->handle == NULL) /* Debian's name; others have kept to the version number */
        lib->handle = dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
    if (lib->handle == NULL)
        return false;
    if (load(lib->handle, "pcap_open_dead_with_tstamp_precision", &open_dead) &&
        load(lib->handle, "pcap_compile", &lib->compile) &&
        load(lib->handle, "pcap_freecode", &lib->freecode) &&
        load(lib->handle, "pcap_geterr", &lib->geterr) &&
        load(lib->handle, "pcap_dump_fopen", &lib->dump_fopen) &&
        load(lib->handle, "pcap_dump_close", &lib->dump_close) &&
        load(lib->handle, "pcap_close", &lib->close))
        lib->dead = open_dead(DLT_EN10MB, PCAPLIB_SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
    if (lib->dead != NULL)
        return true;
    pcaplib_close(lib);
    return false;
}

void pcaplib_close(struct pcaplib *lib) {
    if (lib->dead != NULL)
        lib->close(lib->dead);
    if (lib->handle != NULL)
        dlclose(lib->handle);
    *lib = (struct pcaplib){0};
}

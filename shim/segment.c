#include "shim/segment.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim/lock.h"
#include "shim/real.h"
#include "shim/sysctl.h"
#include "stack/link/tap.h"

#define SEGMENT_HEAD (64u << 10)
_Static_assert(sizeof(struct shared) <= SEGMENT_HEAD, "struct shared outgrows its place");

static size_t round_page(size_t n) {
    return (n + 4095) & ~(size_t)4095;
}

/* ---- build id ---- */

static int find_build_id(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    char *out = arg;
    uintptr_t here = (uintptr_t)&segment_build_id;
    bool ours = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        ours |= p->p_type == PT_LOAD && here >= at && here < at + p->p_memsz;
    }
    for (int i = 0; ours && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_NOTE)
            continue;
        const char *n = (const char *)(info->dlpi_addr + p->p_vaddr); /* NOLINT */
        const char *end = n + p->p_memsz;
        while (n + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *h = (const ElfW(Nhdr) *)n;
            const char *desc = n + sizeof(*h) + ((h->n_namesz + 3u) & ~3u);
            if (h->n_type == NT_GNU_BUILD_ID) {
                memcpy(out, desc, h->n_descsz < 24 ? h->n_descsz : 24);
                return 1;
            }
            n = desc + ((h->n_descsz + 3u) & ~3u);
        }
    }
    return ours;
}

/* Looked up once: dl_iterate_phdr takes the loader's lock, and host_settle may be called in a
 * signal handler. Threads that come at once find the same. */
void segment_build_id(char out[24]) {
    static char id[24];
    static _Atomic bool known;
    if (!atomic_load_explicit(&known, memory_order_acquire)) {
        char found[24] = "";
        dl_iterate_phdr(find_build_id, found);
        memcpy(id, found, sizeof(id));
        atomic_store_explicit(&known, true, memory_order_release);
    }
    memcpy(out, id, sizeof(id));
}

/* ---- making and mapping ---- */

static int map_at(int memfd, size_t size, char *err, size_t errlen) {
    void *p = mmap(SEGMENT_ADDR, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, memfd, 0);
    if (p == SEGMENT_ADDR)
        return 0;
    int e = errno;
    if (p != MAP_FAILED) { /* a kernel before 4.17 takes the address as a hint */
        munmap(p, size);
        e = EEXIST;
    }
    if (e == EEXIST)
        snprintf(err, errlen,
                 "this program has something of its own at address %p, where the "
                 "stack's memory must lie: it cannot run on this stack",
                 SEGMENT_ADDR);
    else
        snprintf(err, errlen, "cannot map the stack's memory (%zu MiB of address space): %s%s",
                 size >> 20, strerror(e),
                 e == ENOMEM ? ": is RLIMIT_AS (ulimit -v) set? Lift it" : "");
    return -e;
}

static void stack_cfg(const struct config *cfg, struct stack_config *sc) {
    stack_config_default(sc, 0);
    sc->log_level = cfg->log_level;
}

int segment_create(const struct config *cfg, char *err, size_t errlen) {
    struct stack_config sc;
    stack_cfg(cfg, &sc);
    size_t stack_size = round_page(stack_mem_size(&sc));
    size_t size = SEGMENT_HEAD + stack_size + (cfg->has_impair ? IMPAIR_MEM_DEFAULT : 0);
    int fd = memfd_create("shimstack", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* Sealed: no process can shrink it under the others (SIGBUS). */
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
        REAL(fcntl)(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        snprintf(err, errlen, "cannot make the stack's memory (%zu MiB): %s", size >> 20,
                 strerror(errno));
        int e = errno;
        if (fd >= 0)
            REAL(close)(fd);
        return -e;
    }
    int r = map_at(fd, size, err, errlen);
    if (r < 0) {
        REAL(close)(fd);
        return r;
    }
    struct shared *sh = SEGMENT_ADDR;
    sh->abi = SEGMENT_ABI;
    segment_build_id(sh->build_id);
    sh->size = size;
    sh->cfg = *cfg;
    (void)!getrandom(&sh->id, sizeof(sh->id), 0);
    lock_init(sh);
    struct timespec rt;
    clock_gettime(CLOCK_REALTIME, &rt);
    sh->clock_offset_ns = (int64_t)rt.tv_sec * 1000000000 + rt.tv_nsec - (int64_t)host_now();
    sh->next_ns = sh->keeper_wake_ns = TIME_NEVER;
    sh->next_bell = 2; /* 1 is the keeper's */
    if (cfg->has_impair) {
        sh->impair_mem = (char *)SEGMENT_ADDR + SEGMENT_HEAD + stack_size;
        if (!impair_init(sh->impair_mem, IMPAIR_MEM_DEFAULT, &cfg->impair_out, &cfg->impair_in)) {
            snprintf(err, errlen,
                     "SHIMSTACK_IMPAIR: queue and delay need more than %u MiB: lower "
                     "queue, delay or rate",
                     IMPAIR_MEM_DEFAULT >> 20);
            segment_unmap();
            REAL(close)(fd);
            return -ENOMEM;
        }
    }
    return fd;
}

int segment_map(int memfd, char *err, size_t errlen) {
    struct stat sb;
    if (fstat(memfd, &sb) < 0 || (size_t)sb.st_size < SEGMENT_HEAD) {
        snprintf(err, errlen, "what the keeper sent is not the stack's memory");
        return -EPROTO;
    }
    int r = map_at(memfd, (size_t)sb.st_size, err, errlen);
    if (r < 0)
        return r;
    const struct shared *sh = SEGMENT_ADDR;
    char id[24];
    segment_build_id(id);
    if (sh->magic == SEGMENT_MAGIC && sh->abi == SEGMENT_ABI && sh->size == (size_t)sb.st_size &&
        memcmp(sh->build_id, id, sizeof(id)) == 0)
        return 0;
    snprintf(err, errlen, "the stack's memory is of another build of libshim.so");
    munmap(SEGMENT_ADDR, (size_t)sb.st_size);
    return -EPROTO;
}

void segment_unmap(void) {
    munmap(SEGMENT_ADDR, ((struct shared *)SEGMENT_ADDR)->size);
}

int segment_init_stack(struct shared *sh, const struct link_caps *caps, const struct config *cfg) {
    struct stack_config sc;
    stack_cfg(cfg, &sc);
    const char *left = sysctl_load(&sc.tcp, cfg);
    if (left != NULL)
        snprintf(sh->sysctl_left, sizeof(sh->sysctl_left), "%s", left);
    sc.net.mac = cfg->mac;
    sc.net.mtu = cfg->mtu != 0 ? cfg->mtu : caps->mtu;
    sc.net.naddrs = cfg->naddrs;
    for (int i = 0; i < cfg->naddrs; i++) {
        sc.net.addr[i].addr = cfg->addr[i].addr;
        sc.net.addr[i].net = cfg->addr[i].net;
    }
    sc.net.gateway = cfg->gateway;
    for (int i = 0; i < cfg->nroutes; i++)
        sc.net.route[sc.net.nroutes++] = cfg->route[i];
    for (int i = 0; i < cfg->nadopted; i++)
        sc.net.route[sc.net.nroutes++] = cfg->adopted[i];
    sc.net.gso_max = caps->gso_max;
    sc.net.tx_csum = caps->tx_csum;
    uint8_t seed[16];
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    size_t size = round_page(stack_mem_size(&sc));
    sh->st = stack_init((char *)SEGMENT_ADDR + SEGMENT_HEAD, size, &sc, seed, host_now());
    if (sh->st == NULL)
        return -ENOMEM;
    sh->magic = SEGMENT_MAGIC;
    return 0;
}

int segment_open_link(struct host *h, char *err, size_t errlen) {
    struct shared *sh = h->sh;
    h->packet = afpacket_attach(h->packet_fd, &sh->packet);
    h->link = h->packet;
    if (h->link != NULL && sh->impair_mem != NULL)
        h->link = link_impair_new(h->link, sh->impair_mem);
    if (h->link == NULL) {
        int e = errno;
        snprintf(err, errlen, "cannot attach to the packet socket of %s: %s", sh->cfg.ifname,
                 strerror(e));
        return -e;
    }
    if (sh->cfg.pcap[0] != '\0') {
        const char *why = "";
        struct link *tap = link_tap_new(h->link, sh->cfg.pcap, sh->clock_offset_ns, &why);
        int fd = tap == NULL ? -1 : h->keeper ? link_tap_fd(tap) : host_adopt_fd(link_tap_fd(tap));
        if (fd >= 0) {
            link_tap_set_fd(tap, fd);
            h->link = h->tap = tap;
        } else { /* the program matters more than its capture */
            host_say_once("no capture to %s: %s", sh->cfg.pcap,
                          tap == NULL ? why : "no descriptor");
        }
    }
    return 0;
}

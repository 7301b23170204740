/* What every socket option says, as text: getsockopt into room of several sizes, setsockopt of
 * several values and lengths and what getsockopt says then. The same program on the kernel and on
 * ours must print the same; 21_options.sh compares. Nothing that differs from run to run (ports,
 * times, cookies) is printed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#define CHECK(e)                                                                                   \
    do {                                                                                           \
        if (!(e)) {                                                                                \
            perror(#e);                                                                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct option {
    int level, name;
    const char *text;
    int shows; /* 0: its value varies: only error and length are printed; 2: varies once connected
                */
};
#define O(level, name)                                                                             \
    { level, name, #name, 1 }
#define ONCE(level, name)                                                                          \
    { level, name, #name, 2 }
#define VARIES(level, name)                                                                        \
    { level, name, #name, 0 }
#define UNKNOWN(level, n)                                                                          \
    { level, n, "unknown " #level " " #n, 1 }

static const struct option options[] = {
    O(SOL_SOCKET, SO_DEBUG),
    O(SOL_SOCKET, SO_REUSEADDR),
    O(SOL_SOCKET, SO_TYPE),
    O(SOL_SOCKET, SO_ERROR),
    O(SOL_SOCKET, SO_DONTROUTE),
    O(SOL_SOCKET, SO_BROADCAST),
    ONCE(SOL_SOCKET, SO_SNDBUF),
    O(SOL_SOCKET, SO_RCVBUF),
    O(SOL_SOCKET, SO_SNDBUFFORCE),
    O(SOL_SOCKET, SO_RCVBUFFORCE),
    O(SOL_SOCKET, SO_KEEPALIVE),
    O(SOL_SOCKET, SO_OOBINLINE),
    O(SOL_SOCKET, SO_NO_CHECK),
    O(SOL_SOCKET, SO_PRIORITY),
    O(SOL_SOCKET, SO_LINGER),
    O(SOL_SOCKET, SO_BSDCOMPAT),
    O(SOL_SOCKET, SO_REUSEPORT),
    O(SOL_SOCKET, SO_PASSCRED),
    O(SOL_SOCKET, SO_PEERCRED),
    O(SOL_SOCKET, SO_RCVLOWAT),
    O(SOL_SOCKET, SO_SNDLOWAT),
    O(SOL_SOCKET, SO_RCVTIMEO_OLD),
    O(SOL_SOCKET, SO_SNDTIMEO_OLD),
    O(SOL_SOCKET, SO_RCVTIMEO_NEW),
    O(SOL_SOCKET, SO_SNDTIMEO_NEW),
    O(SOL_SOCKET, SO_BINDTODEVICE),
    O(SOL_SOCKET, SO_ATTACH_FILTER),
    O(SOL_SOCKET, SO_DETACH_FILTER),
    VARIES(SOL_SOCKET, SO_PEERNAME),
    O(SOL_SOCKET, SO_TIMESTAMP_OLD),
    O(SOL_SOCKET, SO_TIMESTAMP_NEW),
    O(SOL_SOCKET, SO_TIMESTAMPNS_OLD),
    O(SOL_SOCKET, SO_TIMESTAMPNS_NEW),
    O(SOL_SOCKET, SO_TIMESTAMPING_OLD),
    O(SOL_SOCKET, SO_TIMESTAMPING_NEW),
    O(SOL_SOCKET, SO_ACCEPTCONN),
    O(SOL_SOCKET, SO_PEERSEC),
    O(SOL_SOCKET, SO_PASSSEC),
    O(SOL_SOCKET, SO_MARK),
    O(SOL_SOCKET, SO_PROTOCOL),
    O(SOL_SOCKET, SO_DOMAIN),
    O(SOL_SOCKET, SO_RXQ_OVFL),
    O(SOL_SOCKET, SO_WIFI_STATUS),
    O(SOL_SOCKET, SO_PEEK_OFF),
    O(SOL_SOCKET, SO_NOFCS),
    O(SOL_SOCKET, SO_LOCK_FILTER),
    O(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
    O(SOL_SOCKET, SO_BUSY_POLL),
    O(SOL_SOCKET, SO_MAX_PACING_RATE),
    O(SOL_SOCKET, SO_BPF_EXTENSIONS),
    VARIES(SOL_SOCKET, SO_INCOMING_CPU),
    VARIES(SOL_SOCKET, SO_MEMINFO),
    VARIES(SOL_SOCKET, SO_INCOMING_NAPI_ID),
    VARIES(SOL_SOCKET, SO_COOKIE),
    O(SOL_SOCKET, SO_PEERGROUPS),
    O(SOL_SOCKET, SO_ZEROCOPY),
    O(SOL_SOCKET, SO_TXTIME),
    O(SOL_SOCKET, SO_BINDTOIFINDEX),
    O(SOL_SOCKET, SO_PREFER_BUSY_POLL),
    O(SOL_SOCKET, SO_BUSY_POLL_BUDGET),
    VARIES(SOL_SOCKET, SO_NETNS_COOKIE),
    O(SOL_SOCKET, SO_BUF_LOCK),
    O(SOL_SOCKET, SO_RESERVE_MEM),
    O(SOL_SOCKET, SO_TXREHASH),
    O(SOL_SOCKET, SO_RCVMARK),
    {SOL_SOCKET, 83, "SO_PASSRIGHTS", 1},
    UNKNOWN(SOL_SOCKET, 99),
    UNKNOWN(SOL_SOCKET, 0x4000),
    O(IPPROTO_IP, IP_TOS),
    O(IPPROTO_IP, IP_TTL),
    O(IPPROTO_IP, IP_HDRINCL),
    O(IPPROTO_IP, IP_OPTIONS),
    O(IPPROTO_IP, IP_ROUTER_ALERT),
    O(IPPROTO_IP, IP_RECVOPTS),
    O(IPPROTO_IP, IP_RETOPTS),
    O(IPPROTO_IP, IP_PKTINFO),
    O(IPPROTO_IP, IP_MTU_DISCOVER),
    O(IPPROTO_IP, IP_RECVERR),
    O(IPPROTO_IP, IP_RECVTTL),
    O(IPPROTO_IP, IP_RECVTOS),
    O(IPPROTO_IP, IP_MTU),
    O(IPPROTO_IP, IP_FREEBIND),
    O(IPPROTO_IP, IP_TRANSPARENT),
    O(IPPROTO_IP, IP_ORIGDSTADDR),
    O(IPPROTO_IP, IP_MINTTL),
    O(IPPROTO_IP, IP_NODEFRAG),
    O(IPPROTO_IP, IP_CHECKSUM),
    O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    O(IPPROTO_IP, IP_RECVFRAGSIZE),
    O(IPPROTO_IP, IP_RECVERR_RFC4884),
    O(IPPROTO_IP, IP_MULTICAST_IF),
    O(IPPROTO_IP, IP_MULTICAST_TTL),
    O(IPPROTO_IP, IP_MULTICAST_LOOP),
    O(IPPROTO_IP, IP_MULTICAST_ALL),
    O(IPPROTO_IP, IP_UNICAST_IF),
    {IPPROTO_IP, 51, "IP_LOCAL_PORT_RANGE", 1},
    {IPPROTO_IP, 52, "IP_PROTOCOL", 0},
    UNKNOWN(IPPROTO_IP, 60),
    O(IPPROTO_TCP, TCP_NODELAY),
    ONCE(IPPROTO_TCP, TCP_MAXSEG),
    O(IPPROTO_TCP, TCP_CORK),
    O(IPPROTO_TCP, TCP_KEEPIDLE),
    O(IPPROTO_TCP, TCP_KEEPINTVL),
    O(IPPROTO_TCP, TCP_KEEPCNT),
    O(IPPROTO_TCP, TCP_SYNCNT),
    O(IPPROTO_TCP, TCP_LINGER2),
    O(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    ONCE(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    VARIES(IPPROTO_TCP, TCP_INFO),
    O(IPPROTO_TCP, TCP_QUICKACK),
    O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS),
    O(IPPROTO_TCP, TCP_THIN_DUPACK),
    O(IPPROTO_TCP, TCP_USER_TIMEOUT),
    O(IPPROTO_TCP, TCP_REPAIR),
    O(IPPROTO_TCP, TCP_REPAIR_QUEUE),
    O(IPPROTO_TCP, TCP_QUEUE_SEQ),
    O(IPPROTO_TCP, TCP_REPAIR_OPTIONS),
    O(IPPROTO_TCP, TCP_FASTOPEN),
    VARIES(IPPROTO_TCP, TCP_TIMESTAMP),
    O(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    O(IPPROTO_TCP, TCP_CC_INFO),
    O(IPPROTO_TCP, TCP_SAVE_SYN),
    O(IPPROTO_TCP, TCP_SAVED_SYN),
    O(IPPROTO_TCP, TCP_REPAIR_WINDOW),
    O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
    O(IPPROTO_TCP, TCP_ULP),
    O(IPPROTO_TCP, TCP_MD5SIG),
    O(IPPROTO_TCP, TCP_MD5SIG_EXT),
    VARIES(IPPROTO_TCP, TCP_FASTOPEN_KEY),
    O(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE),
    O(IPPROTO_TCP, TCP_INQ),
    O(IPPROTO_TCP, TCP_TX_DELAY),
    VARIES(IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE),
    {IPPROTO_TCP, 44, "TCP_RTO_MAX_MS", 1},
    {IPPROTO_TCP, 45, "TCP_RTO_MIN_US", 1},
    {IPPROTO_TCP, 46, "TCP_DELACK_MAX_US", 1},
    UNKNOWN(IPPROTO_TCP, 77),
    UNKNOWN(99, 1),
};

static const char *name_of(int err) {
    return err == 0 ? "ok" : strerrorname_np(err);
}

static bool connected;

static void get(int fd, const struct option *o, socklen_t room) {
    unsigned char buf[512];
    socklen_t len = room;
    memset(buf, 0xee, sizeof(buf));
    errno = 0;
    int r = getsockopt(fd, o->level, o->name, buf, &len);
    printf("    get %d: %s", (int)room, name_of(r == 0 ? 0 : errno));
    if (r == 0) {
        printf(" len %d", (int)len);
        bool shows = o->shows == 1 || (o->shows == 2 && !connected);
        for (socklen_t i = 0; shows && i < len && i < 48; i++)
            printf("%s%02x", i % 4 == 0 ? " " : "", buf[i]);
    }
    printf("\n");
}

static void set(int fd, const struct option *o, const void *val, socklen_t len, const char *what) {
    errno = 0;
    int r = setsockopt(fd, o->level, o->name, val, len);
    printf("    set %s: %s\n", what, name_of(r == 0 ? 0 : errno));
    if (r == 0)
        get(fd, o, 64);
}

/* ---- sockets in several states ---- */

static struct sockaddr_in here(void) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listening(struct sockaddr_in *sin) {
    socklen_t len = sizeof(*sin);
    *sin = here();
    int l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(l >= 0 && bind(l, (struct sockaddr *)sin, sizeof(*sin)) == 0 && listen(l, 5) == 0);
    CHECK(getsockname(l, (struct sockaddr *)sin, &len) == 0);
    return l;
}

static void pair(int fd[2]) {
    struct sockaddr_in sin;
    int l = listening(&sin);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd[0], (struct sockaddr *)&sin, sizeof(sin)) == 0);
    fd[1] = accept(l, NULL, NULL);
    CHECK(fd[1] >= 0);
    close(l);
}

enum kind { FRESH_TCP, LISTENER, CONNECTED, ACCEPTED, UDP, CONNECTED_UDP, KINDS };
static const char *const kind_name[] = {"fresh tcp", "listener", "connected",
                                        "accepted",  "udp",      "connected udp"};

static int make(enum kind k) {
    struct sockaddr_in sin;
    int fd[2];
    switch (k) {
    case FRESH_TCP:
        return socket(AF_INET, SOCK_STREAM, 0);
    case LISTENER:
        return listening(&sin);
    case CONNECTED:
        pair(fd);
        return fd[0];
    case ACCEPTED:
        pair(fd);
        return fd[1];
    default:
        fd[0] = socket(AF_INET, SOCK_DGRAM, 0);
        sin = here();
        sin.sin_port = htons(9);
        if (k == CONNECTED_UDP)
            CHECK(connect(fd[0], (struct sockaddr *)&sin, sizeof(sin)) == 0);
        return fd[0];
    }
}

static void one_option(enum kind k, const struct option *o) {
    static const int values[] = {0,   1,   -1,  2,   7,     100,   127,
                                 128, 255, 256, 536, 32767, 32768, 100000};
    static const socklen_t rooms[] = {0, 1, 2, 4, 5, 8, 16, 64, 300};
    printf("%s %s\n", kind_name[k], o->text);
    connected = k == CONNECTED || k == ACCEPTED;
    int fd = make(k);
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        get(fd, o, rooms[i]);
    close(fd);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char what[32];
        snprintf(what, sizeof(what), "%d", values[i]);
        fd = make(k);
        set(fd, o, &values[i], sizeof(int), what);
        close(fd);
    }
    unsigned char bytes[64] = {1};
    static const socklen_t lens[] = {0, 1, 2, 3, 8, 16, 64};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        char what[32];
        snprintf(what, sizeof(what), "1 in %d bytes", (int)lens[i]);
        fd = make(k);
        set(fd, o, bytes, lens[i], what);
        close(fd);
    }
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
            if (argc < 2 || strcmp(argv[1], options[i].text) == 0)
                one_option(k, &options[i]);
    return 0;
}

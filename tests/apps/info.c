/* TCP_INFO at the stations of a connection: what does not depend on time, buffer sizes or the way
 * that a host talks to itself. The same program on the kernel and on ours must print the same. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/tcp.h>

#define CHECK(e)                                                                                   \
    do {                                                                                           \
        if (!(e)) {                                                                                \
            perror(#e);                                                                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Linux 6.18's structure ends beyond that of older headers. */
struct rest {
    uint32_t rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time;
    uint32_t received_ce, delivered_e1, delivered_e0, delivered_ce, received_e1, received_e0,
        received_ce_bytes;
    uint16_t accecn_fail_mode, accecn_opt_seen;
};
#define REST_AT 232

static void print_info(int fd, const char *who) {
    union {
        struct tcp_info i;
        char bytes[512];
    } u;
    socklen_t len = sizeof(u);
    memset(&u, 0, sizeof(u));
    CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &u, &len) == 0);
    struct rest r;
    memcpy(&r, u.bytes + REST_AT, sizeof(r));
    const struct tcp_info *i = &u.i;
    printf("%s: len %d state %d ca %d retransmits %d probes %d backoff %d options %d\n", who,
           (int)len, i->tcpi_state, i->tcpi_ca_state, i->tcpi_retransmits, i->tcpi_probes,
           i->tcpi_backoff, i->tcpi_options);
    printf("  unacked %u sacked %u lost %u retrans %u fackets %u total_retrans %u reordering %u\n",
           i->tcpi_unacked, i->tcpi_sacked, i->tcpi_lost, i->tcpi_retrans, i->tcpi_fackets,
           i->tcpi_total_retrans, i->tcpi_reordering);
    printf("  acked %llu received %llu sent %llu retrans %llu notsent %u\n",
           (unsigned long long)i->tcpi_bytes_acked, (unsigned long long)i->tcpi_bytes_received,
           (unsigned long long)i->tcpi_bytes_sent, (unsigned long long)i->tcpi_bytes_retrans,
           i->tcpi_notsent_bytes);
    printf("  data_segs out %u in %u delivered %u ce %u dsack %u reord_seen %u ooopack %u\n",
           i->tcpi_data_segs_out, i->tcpi_data_segs_in, i->tcpi_delivered, i->tcpi_delivered_ce,
           i->tcpi_dsack_dups, i->tcpi_reord_seen, i->tcpi_rcv_ooopack);
    printf("  rtt %d min_rtt %d rto %d snd_wnd %d ssthresh %u max_pacing %llx\n", i->tcpi_rtt != 0,
           i->tcpi_min_rtt != 0, i->tcpi_rto >= 200000, i->tcpi_snd_wnd != 0, i->tcpi_snd_ssthresh,
           (unsigned long long)i->tcpi_max_pacing_rate);
    printf("  rcv_wnd %d rehash %u total_rto %u %u %u ce %u busy %d rwnd %d sndbuf %d\n",
           r.rcv_wnd != 0, r.rehash, r.total_rto, r.total_rto_recoveries, r.total_rto_time,
           r.received_ce, i->tcpi_busy_time < 100000, i->tcpi_rwnd_limited != 0,
           i->tcpi_sndbuf_limited != 0);
}

int main(void) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    char buf[64];
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(l, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(l, 5) == 0);
    CHECK(getsockname(l, (struct sockaddr *)&sin, &len) == 0);
    print_info(c, "fresh");
    print_info(l, "listener");
    CHECK(connect(c, (struct sockaddr *)&sin, sizeof(sin)) == 0);
    usleep(10000);
    print_info(l, "listener with one waiting");
    int s = accept(l, NULL, NULL);
    CHECK(s >= 0);
    print_info(c, "client, connected");
    print_info(s, "server, accepted");
    CHECK(send(c, "0123456789", 10, 0) == 10);
    CHECK(recv(s, buf, 10, MSG_WAITALL) == 10);
    CHECK(send(s, "0123456789abcdefghij", 20, 0) == 20);
    CHECK(recv(c, buf, 20, MSG_WAITALL) == 20);
    usleep(100000); /* delayed ACKs */
    print_info(c, "client, after a question and its answer");
    print_info(s, "server, after a question and its answer");
    CHECK(shutdown(c, SHUT_WR) == 0);
    usleep(100000);
    print_info(c, "client, half closed");
    print_info(s, "server, half closed");
    CHECK(close(s) == 0);
    usleep(20000);
    print_info(c, "client, closed by both");
    return 0;
}

/* Counters of a stack: every drop, refusal and limit reached has one. X(name, what it counts).
 * The names follow /proc/net/snmp and /proc/net/netstat where those have one. Add freely. */
#ifndef STACK_BASE_COUNTERS_H
#define STACK_BASE_COUNTERS_H

#include <stdint.h>

#define STACK_COUNTERS(X)                                                                          \
    X(link_rx_frames, "frames received")                                                           \
    X(link_rx_bytes, "bytes received, frame headers included")                                     \
    X(link_tx_frames, "frames sent (a super-frame counts once)")                                   \
    X(link_tx_bytes, "bytes sent, frame headers included")                                         \
    X(link_tx_dropped, "frames the link refused")                                                  \
    X(link_rx_ring_drops, "frames the kernel dropped because the RX ring or queue was full")       \
    X(link_rx_truncated, "frames of which the ring held only a part and the queue nothing")        \
    X(eth_in_bad, "frames too short or of an unknown kind")                                        \
    X(eth_in_other, "frames for another host")                                                     \
    X(arp_in_bad, "malformed ARP packets")                                                         \
    X(arp_in_ignored, "ARP packets that were nothing to us")                                       \
    X(arp_conflicts, "another host claimed one of our addresses (RFC 5227)")                       \
    X(neigh_queue_drops, "packets dropped while their neighbour was being resolved")               \
    X(neigh_failed, "neighbours that did not answer")                                              \
    X(neigh_full, "neighbour entries evicted or refused because the cache was full")               \
    X(IpInReceives, "IP packets received")                                                         \
    X(IpInHdrErrors, "bad IP headers")                                                             \
    X(IpInAddrErrors, "IP packets not for us or from an impossible source")                        \
    X(IpInUnknownProtos, "IP packets of a protocol we do not have")                                \
    X(IpInDiscards, "good IP packets dropped for lack of room")                                    \
    X(IpInDelivers, "IP packets handed up")                                                        \
    X(IpOutRequests, "IP packets sent")                                                            \
    X(IpOutNoRoutes, "IP packets without a route")                                                 \
    X(IpOutDiscards, "IP packets not sent for lack of room")                                       \
    X(IpReasmReqds, "fragments received")                                                          \
    X(IpReasmOKs, "datagrams reassembled")                                                         \
    X(IpReasmFails, "datagrams whose reassembly failed (overlap, bound)")                          \
    X(IpReasmTimeout, "datagrams whose reassembly timed out")                                      \
    X(IpFragOKs, "datagrams fragmented")                                                           \
    X(IpFragCreates, "fragments sent")                                                             \
    X(IcmpInMsgs, "ICMP messages received")                                                        \
    X(IcmpInErrors, "bad ICMP messages")                                                           \
    X(IcmpInCsumErrors, "ICMP messages with a wrong checksum")                                     \
    X(IcmpInIgnored, "ICMP messages of no meaning to a host (redirect, source quench, unknown)")   \
    X(IcmpOutMsgs, "ICMP messages sent")                                                           \
    X(IcmpOutRateLimited, "ICMP messages not sent because of the rate limit")                      \
    X(UdpInDatagrams, "UDP datagrams delivered")                                                   \
    X(UdpNoPorts, "UDP datagrams for a port nobody has")                                           \
    X(UdpInErrors, "bad UDP datagrams")                                                            \
    X(UdpInCsumErrors, "UDP datagrams with a wrong checksum")                                      \
    X(UdpRcvbufErrors, "UDP datagrams dropped because the receive buffer was full")                \
    X(UdpOutDatagrams, "UDP datagrams sent")                                                       \
    X(TcpActiveOpens, "connections begun by connect")                                              \
    X(TcpPassiveOpens, "connections begun by a SYN to a listener")                                 \
    X(TcpAttemptFails, "connections that failed before they were established")                     \
    X(TcpEstabResets, "established connections that ended by reset")                               \
    X(TcpInSegs, "segments received")                                                              \
    X(TcpOutSegs, "segments sent")                                                                 \
    X(TcpRetransSegs, "segments sent again")                                                       \
    X(TcpInErrs, "bad segments")                                                                   \
    X(TcpInCsumErrors, "segments with a wrong checksum")                                           \
    X(TcpOutRsts, "RSTs sent")                                                                     \
    X(TcpExtListenOverflows, "connections refused by a full accept queue")                         \
    X(TcpExtListenDrops, "SYNs dropped by a listener")                                             \
    X(TcpExtPAWSEstab, "segments dropped by PAWS")                                                 \
    X(TcpExtTCPChallengeACK, "challenge ACKs sent (RFC 5961)")                                     \
    X(TcpExtTCPSYNChallenge, "challenge ACKs sent for a SYN")                                      \
    X(TcpExtTCPTimeouts, "retransmission timeouts")                                                \
    X(TcpExtTCPFastRetrans, "fast retransmissions")                                                \
    X(TcpExtTCPSackRecovery, "recoveries begun by SACK")                                           \
    X(TcpExtTCPRenoRecovery, "recoveries begun by duplicate ACKs")                                 \
    X(TcpExtTCPAckCompressed, "duplicate ACKs that became one with a later one")                   \
    X(TcpExtTCPOFOQueue, "segments queued out of order")                                           \
    X(TcpExtTCPOFODrop, "out-of-order segments dropped for lack of room")                          \
    X(TcpSynQueueFull, "SYNs dropped because the listener's SYN queue was full")                   \
    X(TcpUnsentAcks, "ACKs dropped that acknowledged what was never sent")                         \
    X(TcpIcmpIgnored, "ICMP errors that matched no connection or failed validation (RFC 5927)")    \
    X(TcpOutRetries, "times output had to wait for memory")                                        \
    X(TcpExtTCPRcvQDrop, "segments dropped because the receive buffer was full")                   \
    X(TcpExtTCPDSACKOldSent, "DSACKs sent for duplicates")                                         \
    X(TcpExtTCPKeepAlive, "keepalive probes sent")                                                 \
    X(TcpExtTCPWinProbe, "zero-window probes sent")                                                \
    X(TcpExtTCPAbortOnClose, "connections reset because data was left unread at close")            \
    X(TcpExtTCPAbortOnData, "connections reset because data came after close")                     \
    X(TcpExtTCPAbortOnTimeout, "connections given up after too many timeouts")                     \
    X(TcpExtTCPMemoryPressures, "times that tcp_mem's pressure was entered")                       \
    X(TcpExtTCPMemoryPressuresChrono, "milliseconds spent in it")                                  \
    X(TcpExtPruneCalled, "times received data found memory short")                                 \
    X(TcpExtOfoPruned, "… and out-of-order data gone for it")                                      \
    X(TcpExtRcvPruned, "… and was dropped itself")                                                 \
    X(TcpExtTCPAbortOnMemory, "connections given up or refused for lack of memory")                \
    X(TcpExtTW, "connections that went through TIME-WAIT")                                         \
    X(TcpExtTCPTimeWaitOverflow,                                                                   \
      "connections whose TIME-WAIT was cut short because there were too many")                     \
    X(TcpUrgentIn, "announcements of urgent data")                                                 \
    X(TcpExtTWRecycled, "TIME-WAIT ports reopened by a newer SYN (RFC 6191)")                      \
    X(TcpInCE, "data segments marked by a router (CE)")                                            \
    X(TcpExtSyncookiesSent, "SYNs answered by a cookie")                                           \
    X(TcpExtSyncookiesRecv, "connections made from a cookie")                                      \
    X(TcpExtSyncookiesFailed, "ACKs whose cookie was none")                                        \
    X(TcpExtTCPLostRetransmit, "retransmissions lost themselves")                                  \
    X(TcpExtTCPSACKReorder, "times reordering was seen by SACK")                                   \
    X(TcpExtTCPSACKReneging, "times a receiver had thrown away what it had SACKed")                \
    X(TcpExtTCPSACKDiscard, "SACK blocks that made no sense")                                      \
    X(TcpExtTCPDSACKRecv, "DSACKs received")                                                       \
    X(TcpExtTCPLossProbes, "tail loss probes sent")                                                \
    X(TcpExtTCPLossProbeRecovery, "losses that a tail loss probe mended")                          \
    X(TcpExtTCPSpuriousRTOs, "timeouts found spurious by F-RTO")                                   \
    X(TcpExtTCPLossUndo, "timeouts undone")                                                        \
    X(TcpExtTCPFullUndo, "recoveries undone at their end")                                         \
    X(TcpExtTCPPartialUndo, "recoveries undone by a partial ACK")                                  \
    X(TcpExtTCPDSACKUndo, "recoveries undone because all that was sent again was a duplicate")     \
    X(TcpExtTCPSlowStartRetrans, "retransmissions after a timeout")                                \
    X(TcpExtTCPFastOpenActive, "SYNs with data of ours that was acknowledged")                     \
    X(TcpExtTCPFastOpenActiveFail, "SYNs with data of ours that was not")                          \
    X(TcpExtTCPFastOpenPassive, "connections opened by the data or cookie of a SYN")               \
    X(TcpExtTCPFastOpenPassiveFail, "SYNs with a wrong Fast Open cookie")                          \
    X(TcpExtTCPFastOpenListenOverflow, "Fast Open SYNs beyond a listener's bound")                 \
    X(TcpExtTCPFastOpenCookieReqd, "SYNs that asked for a Fast Open cookie")                       \
    X(TcpExtTCPFastOpenBlackhole, "times Fast Open was given up for a while")                      \
    X(TcpExtTCPFastOpenPassiveAltKey, "Fast Open cookies of the key before the present one")       \
    X(TcpExtTCPMTUPSuccess, "probes of a larger MTU that arrived (RFC 4821)")                      \
    X(TcpExtTCPMTUPFail, "… that did not")                                                         \
    X(TcpExtTCPMD5NotFound, "segments dropped because they were not signed (RFC 2385)")            \
    X(TcpExtTCPMD5Unexpected, "segments dropped because they were signed, and no key was set")     \
    X(TcpExtTCPMD5Failure, "segments dropped because their signature was false")                   \
    X(mem_keys_out, "times no room for another key was left")                                      \
    X(mem_sents_out, "times no record for a segment sent was free")                                \
    X(TcpExtTCPMinTTLDrop, "segments dropped because of IP_MINTTL")                                \
    X(errq_drops, "messages for an error queue dropped for lack of room")                          \
    X(mem_chunks_out, "times no buffer chunk was free")                                            \
    X(mem_pkts_out, "times no packet was free")                                                    \
    X(mem_conns_out, "times no connection was free")                                               \
    X(mem_socks_out, "times no socket was free")                                                   \
    X(mem_procs_out, "times no process slot was free")                                             \
    X(mem_refs_out, "times no socket reference was free")                                          \
    X(mem_watches_out, "times no watch or watch set was free")                                     \
    X(loop_overruns, "polls that left loopback packets for the next one")                          \
    X(repairs, "times a process died while it held the lock")                                      \
    X(repaired_conns, "connections reset because their owner died inside a change")

struct counters {
#define X(name, what) uint64_t name;
    STACK_COUNTERS(X)
#undef X
};

/* Name, value and meaning of counter i; NULL past the last. */
const char *counters_get(const struct counters *c, unsigned i, uint64_t *value, const char **what);

#endif

// Package group is the group coordinator as a pure state machine: requests, timer expiries and the fate of appended records go
// in; answers, records to append and the next deadline come out. No clock, disk, socket or goroutine; maps are never
// walked where their order could be seen.
//
// One Machine holds all groups of one partition of `__consumer_offsets`. The rules are Apache Kafka's (4.3): the classic
// protocol with KIP-345 (static members), KIP-394 (member id required), KIP-211 (expiry of offsets), KIP-800/814, and the
// consumer protocol of KIP-848.
//
// How an answer waits for the disk: a request that changes durable state produces an Append and is answered when Appended
// says that it is committed. What the log holds is applied to the offsets only then, so a read never shows what a crash
// could take back; a classic group's members and generations are soft state and change at once, as in Kafka.
package group

// Package compact decides what a compacted log keeps (Kafka documentation, "Log Compaction"; KIP-534 for delete markers).
//
// How the parts share the work:
//
//   - offsetMap (offsetmap.go, hash.go) remembers, in bounded memory, the last offset of each key of the dirty part of a log.
//   - Job (job.go, filter.go) goes over a log in small steps: it fills the map from the dirty part, then copies what stays, segment
//     group by segment group, into cleaned segments (segment.Output), each of which its owner swaps in (segment.Log.Swap).
//
// A Job knows no clock and starts nothing: whoever drives it (actors/cleaner) paces it. What is kept of a log:
//
//   - of each key with a record below the end of this round, the last record; of records that the map did not see, all;
//   - a delete marker until deleteRetentionMs after the first round that met it as the last of its key;
//   - the last batch of each active producer, without records if need be, and the last batch of the round.
package compact

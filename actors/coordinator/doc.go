// Package coordinator is the actor of group coordination: one for each partition of `__consumer_offsets` that has a replica
// here. It owns the groups whose ids hash to its partition (package group), keeps them durable as records in that partition
// (package record), and serves them while its replica leads.
//
//	standby ──leads──▶ loading ──read to the high watermark──▶ active
//	   ▲                  │                                      │
//	   └──────────────────┴────────── leads no more ─────────────┘
//
// What survives is only the log. An incarnation of the actor, or a term of leadership, begins by reading its partition
// from the start; answers to a former one carry its number and are told apart.
package coordinator

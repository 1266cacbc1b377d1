// Package cleaner compacts the logs of this broker whose topics ask for it (cleanup.policy=compact): one actor, one log at a time.
//
// The parts: cleaner.go is the actor and its pace; choose.go picks the log that needs it most; checkpoint.go remembers how far each log
// was cleaned; board.go is what it shows (GET /v1/cleaner), metrics.go what it counts. What is kept of a log is decided in
// storage/compact; files are swapped by the log's own actor and segment writer.
//
// The actor works on a lane of its own, in steps of at most stepBytes, and rests after each as long as its limit of bytes per second
// asks: partitions never wait for it. It can be killed at any moment: a log is then cleaned up to some segment, and what was swapped in
// stays.
package cleaner

// Package connection is the broker's front door: the listener actor, one actor for each client connection, and the socket shells
// beneath them.
//
// A connection is three parties:
//
//   - the reader, a goroutine that reads frames into pooled memory, takes Produce requests all the way to the partitions' mailboxes,
//     and numbers every call in a ring (framer.go, reader.go); while the client is silent an attendant waits in its place, for
//     many silent clients at once (idle.go, poll.go);
//   - the actor, on the Core lane, which runs the handlers, takes answers in the order of the ring and writes what is due with
//     one system call that never waits (connection.go, call.go);
//   - the writer, a goroutine that exists only while something has to wait: a full socket, a file part (sendfile), a cold
//     read (writer.go).
//
// Invariants:
//
//   - answers go out in the order of the requests; a handler starts when all that came before it is answered, so that a client
//     that pipelines sees what it would see from Kafka. Only Produce requests overlap, with each other, and OffsetCommits, with
//     each other: they reach their coordinator in the order in which they came.
//   - memory is bounded by credit: the reader takes no memory for a request while its connection or the broker is over budget, a
//     frame that has not arrived holds about what has arrived of it, and at most one answer (or 256 KiB of small ones) waits for
//     a client that does not read.
//   - whatever goes wrong with one connection closes that connection, says so once, and returns its credit.
package connection

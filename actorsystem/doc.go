// Package actorsystem is the ground every actor of Troupe stands on: protoactor-go with a dispatcher and a mailbox of our
// own, supervision that counts and logs, and a registry that shows every actor from outside.
//
// What it adds to protoactor, and why:
//
//   - CoreDispatcher: one run queue and one long-lived goroutine a core. protoactor starts a goroutine for each wake of an
//     actor; its small stack grows anew each time, which cost 14-20 % of all CPU in our prototype.
//   - A mailbox (mailbox.go) that takes whole batches, tells the actor when a batch is drained (Drained), keeps the rest of
//     a batch when a message panics, and counts depth, age and messages handled.
//   - Undeliverable: a message that killed its actor, or that was queued for an actor that stopped, is told so, so that its
//     sender gets an error rather than silence.
//   - Clock, timers and goroutines live here and in the few other shells; actors see only messages.
//
// Rules for actors on the Core lane: never block. Disk, sockets and waiting belong on the Own lane or in a shell.
package actorsystem

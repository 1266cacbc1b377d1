package controller

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kerr"
)

// This file owns what the controller's actor takes and answers.

// Ask heads every request. A request is answered exactly once: with what came of it, or with a retriable error if the
// controller failed or stopped meanwhile.
type Ask struct {
	// TimeoutMs bounds the wait for the new partitions to be ready; the change itself goes on after it (Kafka's timeoutMs).
	TimeoutMs int32
	// Done gets the answer, on the controller's actor or, if the request could not be delivered, on any goroutine. It must
	// not block.
	Done func(Answer)

	answered atomic.Bool
}

func (a *Ask) answer(ans Answer) {
	if a != nil && a.answered.CompareAndSwap(false, true) && a.Done != nil {
		a.Done(ans)
	}
}

// Undelivered answers a request that killed the controller's actor or that came after its end (actorsystem.Undeliverable).
// Whether it was carried out is not known, so the error is the retriable one of a time-out.
func (a *Ask) Undelivered(reason error) {
	a.answer(failed(kerr.RequestTimedOut, "the controller could not handle the request: "+reason.Error()))
}

// Answer is what came of a request.
type Answer struct {
	// Code and Message tell of the request as a whole; with a Code other than 0 there are no Results.
	Code    int16
	Message string
	// Image is one that contains the change.
	Image *Image
	// Results are in the order of the request's items.
	Results    []Result
	ProducerID int64 // of NextProducerID
}

func failed(e *kerr.Error, message string) Answer { return Answer{Code: e.Code, Message: message} }

// CreateTopics creates topics. It is answered when this broker's partitions of them can be produced to, or at TimeoutMs.
type CreateTopics struct {
	Ask
	Topics       []NewTopic
	ValidateOnly bool
}

// DeleteTopics deletes topics.
type DeleteTopics struct {
	Ask
	IDs []TopicID
}

// CreatePartitions raises partition counts.
type CreatePartitions struct {
	Ask
	Topics       []MorePartitions
	ValidateOnly bool
}

// AlterConfigs changes configurations of topics and brokers. TimeoutMs bounds the wait for the partitions to use them.
type AlterConfigs struct {
	Ask
	Resources    []ResourceChange
	ValidateOnly bool
}

// NextProducerID asks for a producer id that nobody has had.
type NextProducerID struct{ Ask }

// Subscribe makes Subscriber hear of every published image, beginning with a full one.
type Subscribe struct{ Subscriber *actor.PID }

// Unsubscribe ends a subscription.
type Unsubscribe struct{ Subscriber *actor.PID }

// ImageChanged tells a subscriber of a new image. The image is in the Holder by then.
type ImageChanged struct {
	Image *Image
	// Full says that nothing is known of what the subscriber saw before (the first message, or the controller restarted): it
	// compares everything it has with Image, and the lists below are empty.
	Full bool
	// Created lists partitions that are new since the subscriber's last image, Deleted topics that are gone (as they were last
	// published), Reconfigured topics whose Config is another.
	Created      []PartitionRange
	Deleted      []*Topic
	Reconfigured []*Topic
}

// PartitionRange is the partitions First <= p < End of a topic.
type PartitionRange struct {
	Topic      *Topic
	First, End int32
}

// ImageApplied answers ImageChanged: every partition of the image with that Index on this broker is open and led, and what
// was deleted is gone. Until then the requests that led to the image wait, at most their timeout.
type ImageApplied struct {
	Index      uint64
	Subscriber *actor.PID
}

// timedOut is a request's timer.
type timedOut struct{ r *request }

// registerAgain retries the proposals of a new leader that were dropped.
type registerAgain struct{ term uint64 }

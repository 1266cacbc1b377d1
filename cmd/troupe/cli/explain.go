package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// This file owns what a person is told of an error that came over the wire: the broker's words and what to do about it.

var advices = []struct {
	err    error
	advice string
}{
	{kerr.UnknownTopicOrPartition, "see `troupe topic list`, or create it with `troupe topic create`"},
	{kerr.TopicAlreadyExists, "use it as it is, or change it with `troupe config set topic`"},
	{kerr.InvalidReplicationFactor, "--replication-factor must not exceed the number of brokers"},
	{kerr.KafkaStorageError, "the broker's disk is full or has failed; its log tells more"},
	{kerr.GroupIDNotFound, "see `troupe group list`"},
	{kerr.NonEmptyGroup, "stop its members first; `troupe group describe` lists them"},
	{kerr.UnknownMemberID, "a member has joined the group; stop its members first; `troupe group describe` lists them"},
	{kerr.GroupSubscribedToTopic, "a member of the group is subscribed to the topic; stop its members first"},
	{kerr.CoordinatorLoadInProgress, "the broker is still reading the groups' log; try again in a moment"},
	{kerr.MessageTooLarge, "the record is larger than the topic's max.message.bytes; raise it with `troupe config set topic`"},
	{kerr.RecordListTooLarge, "the batch is larger than the topic's segment.bytes"},
	{context.DeadlineExceeded, "the broker did not answer in time; --timeout allows more"},
}

// Explain turns an error of a request into a sentence that says what was asked (what), what was found (the error and the
// broker's own message, "" if there is none) and, where that is known, what to do. No error gives none; an interrupt stays one.
func Explain(what string, err error, message string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return ErrInterrupted
	}
	text := err.Error()
	var ke *kerr.Error
	if errors.As(err, &ke) {
		text = ke.Message
		if message != "" && message != ke.Message && message != ke.Description {
			text += ": " + message
		}
	}
	for _, a := range advices {
		if errors.Is(err, a.err) {
			text += "; " + a.advice
			break
		}
	}
	return explained{what + ": " + text, err}
}

// explained keeps the cause of a sentence, for errors.Is.
type explained struct {
	text  string
	cause error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.cause }

// Interrupted is ErrInterrupted if a signal ended ctx, else err.
func Interrupted(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ErrInterrupted
	}
	return err
}

// Results collects what a command did to each of several things, and says so in one way: a line each on standard output, or
// all as JSON, and each failure on standard error.
type Results[T any] struct {
	List []T
	errs []error
}

// Add adds the outcome of one thing; err is already explained.
func (r *Results[T]) Add(v T, err error) {
	r.List = append(r.List, v)
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// Fail adds a failure that has nothing to show.
func (r *Results[T]) Fail(err error) { r.errs = append(r.errs, err) }

// Explained is the text of err for an "error" field, "" for none.
func Explained(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Nullable is a nullable string of an answer, "" for null.
func Nullable(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Failed is ErrReported if something failed, after each failure was printed to stderr.
func (r *Results[T]) Failed(stderr interface{ Write([]byte) (int, error) }) error {
	for _, e := range r.errs {
		fmt.Fprintf(stderr, "troupe: %v\n", e)
	}
	if len(r.errs) > 0 {
		return ErrReported
	}
	return nil
}

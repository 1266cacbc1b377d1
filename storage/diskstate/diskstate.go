// Package diskstate says what the broker's disk can do right now. The WAL writer and the segment writers set it; anyone reads it.
package diskstate

import "sync/atomic"

// State is shared by all of one data directory. Safe for concurrent use.
type State struct {
	full   atomic.Int32 // how many writers are waiting for space
	failed atomic.Pointer[failure]
	onFail func(error)
}

type failure struct{ err error }

// New makes a State that calls onFail, once, on whatever goroutine found the failure. The zero State calls nobody.
func New(onFail func(error)) *State { return &State{onFail: onFail} }

// AddFull counts a writer that starts (+1) or stops (-1) waiting for space.
func (s *State) AddFull(delta int32) { s.full.Add(delta) }

// Full says that produce must be refused (KAFKA_STORAGE_ERROR) until there is space again.
func (s *State) Full() bool { return s.full.Load() > 0 }

// Fail records the first I/O error on a write or sync: final, an fsync is never tried again.
func (s *State) Fail(err error) {
	if s.failed.CompareAndSwap(nil, &failure{err}) && s.onFail != nil {
		s.onFail(err)
	}
}

// Failed is the error that fenced the broker, or nil.
func (s *State) Failed() error {
	if f := s.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// Writable says that a produce may be accepted.
func (s *State) Writable() bool { return !s.Full() && s.Failed() == nil }

package diskstate

import (
	"errors"
	"testing"
)

func TestAFullDiskPassesAndAFailureStays(t *testing.T) {
	var s State
	if !s.Writable() {
		t.Fatal("a fresh disk is not writable")
	}
	s.AddFull(1)
	s.AddFull(1)
	s.AddFull(-1)
	if !s.Full() || s.Writable() {
		t.Fatal("one writer still waits for space")
	}
	s.AddFull(-1)
	if s.Full() || !s.Writable() {
		t.Fatal("nobody waits for space any more")
	}
	first := errors.New("first")
	s.Fail(first)
	s.Fail(errors.New("second"))
	if s.Failed() != first || s.Writable() {
		t.Fatalf("failed: %v", s.Failed())
	}
}

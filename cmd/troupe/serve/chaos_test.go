//go:build chaos

package serve

import "testing"

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return
}

func TestChaosPanicsAtTheMessagesAskedFor(t *testing.T) {
	c, err := parseChaos([]string{"wal=3", "partition=every:2"})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[uint64]bool{1: false, 3: true, 4: false, 6: false} {
		if got := panics(func() { c.BeforeMessage("wal", "1", n, nil) }); got != want {
			t.Errorf("wal message %d: panics %v", n, got)
		}
	}
	for n, want := range map[uint64]bool{1: false, 2: true, 3: false, 4: true} {
		if got := panics(func() { c.BeforeMessage("partition", "t-0", n, nil) }); got != want {
			t.Errorf("partition message %d: panics %v", n, got)
		}
	}
	if panics(func() { c.BeforeMessage("raft", "0", 3, nil) }) {
		t.Error("a kind that was not named panicked")
	}
	for _, bad := range []string{"wal", "wal=0", "=3", "wal=x", "wal=every:"} {
		if _, err := parseChaos([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

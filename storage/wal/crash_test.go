package wal_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

var crashRounds = flag.Int("wal.crash-rounds", 12, "random crash histories to run")

// history opens a log on fs and runs a random history; it says with what error it ended, if any.
func history(t *testing.T, fs vfs.FS, d *driver, steps, groups int, change func(*wal.Config)) error {
	r := newRig(t, fs, "/wal", change)
	d.r = r
	got, err := r.recover()
	if err == nil && d.compare(r, got, "before the history") {
		d.steps(steps, groups)
		err = d.failed
	}
	r.stop()
	return err
}

// after opens the log that a crash left and compares.
func after(t *testing.T, fs vfs.FS, d *driver, what string) {
	t.Helper()
	r := newRig(t, fs, "/wal", small)
	got, err := r.recover()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	d.compare(r, got, what)
	r.stop()
}

func TestAcknowledgedSurvivesACrashAtEveryWriteBoundary(t *testing.T) {
	const seed = 20
	total := int64(0)
	{
		m := vfs.NewMem()
		d := &driver{t: t, rng: seeded(t, seed), groups: map[wal.GroupID]*modelGroup{}}
		if err := history(t, m, d, 40, 5, small); err != nil {
			t.Fatal(err)
		}
		total = m.Ops()
		after(t, m, d, "clean stop")
	}
	t.Logf("%d operations", total)
	for n := int64(1); n <= total; n++ {
		m := vfs.NewMem()
		m.CrashAt(n)
		d := &driver{t: t, rng: rand.New(rand.NewPCG(seed, 1)), groups: map[wal.GroupID]*modelGroup{}}
		_ = history(t, m, d, 40, 5, small) // an error if the crash came before the end
		for k := range uint64(2) {
			clone := m.CrashClone(rand.New(rand.NewPCG(uint64(n), k)))
			copied := *d
			after(t, clone, &copied, fmt.Sprintf("crash in operation %d, clone %d", n, k))
		}
	}
}

// Crash after crash on the same log: what one crash tore must not come back after the next.
func TestAcknowledgedSurvivesManyCrashesInARow(t *testing.T) {
	for round := range uint64(*crashRounds) {
		rng := rand.New(rand.NewPCG(round, 99))
		d := &driver{t: t, rng: rng, groups: map[wal.GroupID]*modelGroup{}}
		m := vfs.NewMem()
		if rng.IntN(4) == 0 {
			m.RefuseDirect()
		}
		for crash := range 12 {
			if rng.IntN(8) > 0 {
				m.CrashAt(1 + rng.Int64N(60))
			}
			d.what = fmt.Sprintf("seed %d, crash %d", round, crash)
			_ = history(t, m, d, 1+rng.IntN(20), 1+rng.IntN(8), small) // an error if the crash came before the end
			m = m.CrashClone(rng)
			after(t, m.CrashClone(rng), &driver{t: t, groups: d.groups}, fmt.Sprintf("seed %d, crash %d", round, crash))
		}
	}
}

package wal

import "sync"

// Goroutines is a Config.Fanout for real machines: the one place of this package that starts goroutines. Recovery's scans share
// nothing while they run, and their results are taken in order afterwards.
func Goroutines(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

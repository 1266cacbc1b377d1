//go:build !storagewal

package main

import "github.com/spf13/cobra"

// newWAL stands in for wal.go until storage/wal.Dump is there.
func newWAL() *cobra.Command { return group("wal", "Look into the write-ahead log") }

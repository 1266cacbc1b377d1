//go:build storagewal

package main

import (
	"bufio"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

func newWAL() *cobra.Command {
	var dir string
	dump := &cobra.Command{Use: "dump", Short: "List the records of a write-ahead log", Args: args(cobra.NoArgs),
		Long: `List the records of the write-ahead log in a data directory, one a line: file, offset, type, group, index, term, size.

It reads only, and tells where a torn tail or a bad record stands. Best used while the broker is stopped.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(dir); err != nil {
				return usagef("data directory: %w; name it with --data-dir", err)
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			err := wal.Dump(vfs.OS(), filepath.Join(dir, "wal"), w)
			if flushErr := w.Flush(); err == nil {
				err = flushErr
			}
			return err
		}}
	dump.Flags().StringVar(&dir, "data-dir", "data", "the broker's data directory")
	return group("wal", "Look into the write-ahead log", dump)
}

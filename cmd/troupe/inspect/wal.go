package inspect

import (
	"bufio"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// NewWAL makes `troupe wal`.
func NewWAL() *cobra.Command {
	var dir string
	dump := &cobra.Command{Use: "dump", Short: "List the records of a write-ahead log", Args: cli.Args(cobra.NoArgs),
		Long: `List the records of the write-ahead log in a data directory, one a line: file, offset, type, group, index, term, size.

It reads only, and tells where a torn tail or a bad record stands. Best used while the broker is stopped.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(dir); err != nil {
				return cli.Usagef("data directory: %w; name it with --data-dir", err)
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			err := wal.Dump(vfs.OS(), filepath.Join(dir, "wal"), w)
			if flushErr := w.Flush(); err == nil {
				err = flushErr
			}
			return err
		}}
	dump.Flags().StringVar(&dir, "data-dir", "data", "the broker's data directory")
	cli.Complete(dump, "data-dir", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	return cli.Group("wal", "Look into the write-ahead log", dump)
}

package inspect

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// NewWAL makes `troupe wal`.
func NewWAL() *cobra.Command {
	var (
		out cli.Output
		dir string
	)
	dump := &cobra.Command{Use: "dump", Short: "List the records of a write-ahead log", Args: cli.Args(cobra.NoArgs),
		Long: `List what stands in the write-ahead log of a data directory: each file, each write (all that one sync made durable), and each of
its records with offset, Raft group, type, index, term and size.

It only reads, and tells where a torn tail or a bad record stands. Best used while the broker is stopped.

-o json prints one object a line. Its field "kind" is file, write, record or end (of a file; "state" is complete, torn or corrupt).`,
		Example: `  troupe wal dump --data-dir data
  troupe wal dump --data-dir data -o json | jq -c 'select(.kind == "record" and .group == 1)'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(dir); err != nil {
				return cli.Usagef("data directory: %w; name it with --data-dir", err)
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			err := wal.Walk(vfs.OS(), filepath.Join(dir, "wal"), func(d wal.Dumped) error {
				if out.JSON() {
					return enc.Encode(d)
				}
				_, err := fmt.Fprintln(w, d.Line())
				return err
			})
			if flushErr := w.Flush(); err == nil {
				err = flushErr
			}
			return err
		}}
	out.Flags(dump)
	dump.Flags().StringVar(&dir, "data-dir", "data", "the broker's data directory")
	cli.Complete(dump, "data-dir", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	return cli.Group("wal", "Look into the write-ahead log", dump)
}

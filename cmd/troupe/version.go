package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// version is set by the Makefile (-ldflags -X); without it, what the Go toolchain recorded is shown.
var version = ""

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func newVersion() *cobra.Command {
	var out cli.Output
	c := &cobra.Command{Use: "version", Short: "Show the version", Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{cli.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH}
			return out.Write(cmd.OutOrStdout(), v, func(w io.Writer) {
				fmt.Fprintf(w, "troupe %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
			})
		}}
	out.Flags(c)
	return c
}

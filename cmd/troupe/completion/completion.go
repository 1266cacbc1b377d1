// Package completion is `troupe completion`: the scripts that teach a shell what can follow.
package completion

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// bashWords is what the script needs of the bash-completion package, for a bash without it.
//
//go:embed words.bash
var bashWords []byte

// New makes the command.
func New() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{Use: "completion bash|zsh|fish", Short: "Print the completion script of a shell",
		Long: `Print a script that teaches a shell to complete commands, flags, their values, and the names of topics and groups. Names come from the
broker that --bootstrap or TROUPE_BOOTSTRAP names; one that does not answer within 1.5 seconds completes nothing.

bash    source <(troupe completion bash)             now; to keep it:
        troupe completion bash > ~/.local/share/bash-completion/completions/troupe
zsh     source <(troupe completion zsh)              now (after compinit); to keep it, in a directory of $fpath:
        troupe completion zsh > "${fpath[1]}/_troupe"
fish    troupe completion fish | source              now; to keep it:
        troupe completion fish > ~/.config/fish/completions/troupe.fish`,
		Example:   "  source <(troupe completion bash)",
		Args:      cli.Args(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, a []string) error {
			var script bytes.Buffer
			var err error
			switch root := cmd.Root(); a[0] {
			case "bash":
				script.Write(bashWords)
				err = root.GenBashCompletionV2(&script, true)
			case "zsh":
				err = root.GenZshCompletion(&script)
			case "fish":
				err = root.GenFishCompletion(&script, true)
			}
			if err != nil {
				return fmt.Errorf("make the script: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(script.Bytes())
			return err
		}}
}

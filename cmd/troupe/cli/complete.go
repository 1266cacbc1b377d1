package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/actors/topicconfig"
)

// This file owns what a shell can complete beyond commands and flags: names that the broker knows, configuration keys,
// words. A broker that does not answer within completionTimeout completes nothing: a shell must never hang on TAB.

const completionTimeout = 1500 * time.Millisecond

// noFiles tells the shell not to fall back to file names.
const noFiles = cobra.ShellCompDirectiveNoFileComp

// Complete registers how the value of a flag of cmd is completed.
func Complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag does not exist or is registered twice: a mistake of ours, found by any test
	}
}

// CompleteRest gives every flag under root that has no completion yet one that completes nothing: by default shells offer file names,
// which only the flags named in files take.
func CompleteRest(root *cobra.Command, files ...string) {
	for _, cmd := range root.Commands() {
		CompleteRest(cmd, files...)
	}
	root.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, has := root.GetFlagCompletionFunc(f.Name); !has && f.Value.Type() != "bool" && !slices.Contains(files, f.Name) {
			Complete(root, f.Name, cobra.NoFileCompletions)
		}
	})
}

// Ask puts a question to the broker with a short time-out and without retries, for completions; a failure answers nothing.
func (c *Client) Ask(cmd *cobra.Command, question func(context.Context, *kadm.Client, *kgo.Client) []string) []string {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	seeds, err := c.Seeds()
	if err != nil {
		return nil
	}
	cl, err := kgo.NewClient(c.options(seeds, []kgo.Opt{kgo.DialTimeout(completionTimeout / 2), kgo.RequestRetries(0), kgo.RetryTimeout(completionTimeout), kgo.RequestTimeoutOverhead(completionTimeout)})...)
	if err != nil {
		return nil
	}
	defer cl.Close()
	return question(ctx, kadm.NewClient(cl), cl)
}

// startingWith keeps what begins with prefix and is not given already.
func startingWith(names []string, prefix string, given []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) || slices.Contains(given, n) })
}

// TopicNames completes up to limit arguments with topics of the broker; 0 is no limit.
func (c *Client) TopicNames(limit int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if limit > 0 && len(given) >= limit {
			return nil, noFiles
		}
		return startingWith(c.topics(cmd, strings.HasPrefix(prefix, "_")), prefix, given), noFiles
	}
}

func (c *Client) topics(cmd *cobra.Command, internal bool) []string {
	return c.Ask(cmd, func(ctx context.Context, adm *kadm.Client, _ *kgo.Client) []string {
		list := adm.ListTopics
		if internal {
			list = adm.ListTopicsWithInternal
		}
		topics, err := list(ctx)
		if err != nil {
			return nil
		}
		return topics.Names()
	})
}

// GroupNames completes up to limit arguments with groups of the broker; 0 is no limit.
func (c *Client) GroupNames(limit int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if limit > 0 && len(given) >= limit {
			return nil, noFiles
		}
		names := c.Ask(cmd, func(ctx context.Context, adm *kadm.Client, _ *kgo.Client) []string {
			groups, err := adm.ListGroups(ctx)
			if err != nil {
				return nil
			}
			return groups.Groups()
		})
		return startingWith(names, prefix, given), noFiles
	}
}

// TopicConfigs completes KEY=VALUE with topic configurations: keys first, then the words that a key takes.
func TopicConfigs(_ *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
	key, word, value := strings.Cut(prefix, "=")
	if value {
		var out []string
		if k := topicconfig.Lookup(key); k != nil {
			for _, allowed := range k.Allowed {
				if strings.HasPrefix(allowed, word) {
					out = append(out, key+"="+allowed)
				}
			}
		}
		return out, noFiles
	}
	out := TopicConfigKeys(given, prefix)
	for i, k := range out {
		name, doc, _ := strings.Cut(k, "\t")
		out[i] = name + "=\t" + doc
	}
	return out, noFiles | cobra.ShellCompDirectiveNoSpace
}

// TopicConfigKeys lists the topic configurations that begin with prefix and are not given, each with its description.
func TopicConfigKeys(given []string, prefix string) []string {
	var out []string
	for _, k := range topicconfig.Keys() {
		taken := slices.ContainsFunc(given, func(g string) bool { name, _, _ := strings.Cut(g, "="); return name == k.Name })
		if strings.HasPrefix(k.Name, prefix) && !taken {
			out = append(out, k.Name+"\t"+k.Doc)
		}
	}
	return out
}

// Package configs is `troupe config`: the configurations of topics, brokers and groups, as the cluster keeps them, and the settings
// that a broker of this machine would start with (`config print`, made in serve/).
package configs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// New makes `troupe config`; print is its subcommand of another package.
func New(print *cobra.Command) *cobra.Command {
	return cli.Group("config", "Look at and change configurations of topics, brokers and groups", newGet(), newSet(), newUnset(), print)
}

// allBrokers is the name that stands for what holds for every broker; on the wire it is the empty one.
const allBrokers = "all"

// resource is what has configurations.
type resource struct {
	kind kmsg.ConfigResourceType
	word string // topic, broker or group
	name string // as it is on the wire
}

var kinds = map[string]kmsg.ConfigResourceType{
	"topic": kmsg.ConfigResourceTypeTopic, "broker": kmsg.ConfigResourceTypeBroker, "group": kmsg.ConfigResourceTypeGroupConfig,
}

var kindWords = []string{"topic", "broker", "group"}

// parseResource reads the two words that name a resource.
func parseResource(word, name string) (resource, error) {
	kind, ok := kinds[word]
	if !ok {
		return resource{}, cli.Usagef("%q has no configurations; allowed: %s", word, strings.Join(kindWords, ", "))
	}
	if kind == kmsg.ConfigResourceTypeBroker && name == allBrokers {
		name = ""
	} else if name == "" {
		return resource{}, cli.Usagef("the name of the %s is empty", word)
	}
	return resource{kind, word, name}, nil
}

func (r resource) String() string {
	if r.kind == kmsg.ConfigResourceTypeBroker && r.name == "" {
		return "broker all"
	}
	return r.word + " " + r.name
}

// entry is one configuration. Source is Kafka's name for where the value comes from.
type entry struct {
	Key       string  `json:"key"`
	Value     *string `json:"value"` // null: secret
	Source    string  `json:"source"`
	Default   *string `json:"default"` // null: the broker does not tell
	Type      string  `json:"type"`
	ReadOnly  bool    `json:"read_only"`
	Sensitive bool    `json:"sensitive"`
	Doc       string  `json:"doc"`

	source  kmsg.ConfigSource
	beneath *string // what unset would leave; nil: not known
}

// own says whether the value was set on the resource itself, so that unset takes it away.
func (e *entry) own(r resource) bool {
	switch e.source {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return r.kind == kmsg.ConfigResourceTypeTopic
	case kmsg.ConfigSourceDynamicBrokerConfig:
		return r.kind == kmsg.ConfigResourceTypeBroker && r.name != ""
	case kmsg.ConfigSourceDynamicDefaultBrokerConfig:
		return r.kind == kmsg.ConfigResourceTypeBroker && r.name == ""
	case kmsg.ConfigSourceGroupConfig:
		return r.kind == kmsg.ConfigResourceTypeGroupConfig
	}
	return false
}

// describe asks for all configurations of a resource, in the order of their keys.
func describe(ctx context.Context, cl *kgo.Client, r resource) ([]entry, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = r.kind, r.name
	req.Resources = append(req.Resources, rr)
	what := "describe the configuration of " + r.String()
	if err := known(ctx, cl, r); err != nil {
		return nil, cli.Explain(what, err, "")
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, cli.Explain(what, err, "")
	}
	if len(resp.Resources) != 1 {
		return nil, fmt.Errorf("%s: the broker answered for %d resources instead of 1", what, len(resp.Resources))
	}
	answer := resp.Resources[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, cli.Explain(what, err, cli.Nullable(answer.ErrorMessage))
	}
	out := make([]entry, 0, len(answer.Configs))
	for _, c := range answer.Configs {
		e := entry{Key: c.Name, Value: c.Value, Source: c.Source.String(), Type: strings.ToLower(c.ConfigType.String()), ReadOnly: c.ReadOnly,
			Sensitive: c.IsSensitive, Doc: cli.Nullable(c.Documentation), source: c.Source}
		inMilliseconds(c.Name, c.ConfigSynonyms)
		e.beneath = beneath(&e, r, c.ConfigSynonyms)
		if e.source == kmsg.ConfigSourceDefaultConfig {
			e.Default = e.Value
		}
		for _, s := range c.ConfigSynonyms {
			if s.Source == kmsg.ConfigSourceDefaultConfig {
				e.Default = s.Value
			}
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// known checks a broker's id: the library has no route to one that is not there.
func known(ctx context.Context, cl *kgo.Client, r resource) error {
	if r.kind != kmsg.ConfigResourceTypeBroker || r.name == "" {
		return nil
	}
	brokers, err := kadm.NewClient(cl).ListBrokers(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, id := range brokers.NodeIDs() {
		ids = append(ids, fmt.Sprint(id))
	}
	if !slices.Contains(ids, r.name) {
		return fmt.Errorf("there is no such broker; there are %s, and \"all\" for what is set for every broker", strings.Join(ids, ", "))
	}
	return nil
}

// inMilliseconds turns the values of synonyms that count hours or minutes (log.retention.hours) into those of a key that counts milliseconds.
func inMilliseconds(key string, synonyms []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym) {
	if !strings.HasSuffix(key, ".ms") {
		return
	}
	for i := range synonyms {
		s := &synonyms[i]
		unit := int64(0)
		switch {
		case strings.HasSuffix(s.Name, ".hours"):
			unit = 3_600_000
		case strings.HasSuffix(s.Name, ".minutes"):
			unit = 60_000
		}
		if s.Value == nil || unit == 0 {
			continue
		}
		if n, err := strconv.ParseInt(*s.Value, 10, 64); err == nil && n > 0 && n <= math.MaxInt64/unit {
			ms := strconv.FormatInt(n*unit, 10)
			s.Value = &ms
		}
	}
}

// beneath is the value that holds once what is set on the resource itself is gone: the first synonym that is not that.
func beneath(e *entry, r resource, synonyms []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym) *string {
	for _, s := range synonyms {
		if !(&entry{source: s.Source}).own(r) {
			return s.Value
		}
	}
	if !e.own(r) {
		return e.Value
	}
	return nil
}

// alter sets (or, with a nil value, unsets) configurations of a resource, or only lets the broker check that.
func alter(ctx context.Context, cl *kgo.Client, r resource, changes []change, check bool) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = check
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = r.kind, r.name
	for _, c := range changes {
		op := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		op.Name, op.Op, op.Value = c.Key, kmsg.IncrementalAlterConfigOpSet, c.New
		if c.New == nil {
			op.Op = kmsg.IncrementalAlterConfigOpDelete
		}
		rr.Configs = append(rr.Configs, op)
	}
	req.Resources = append(req.Resources, rr)
	what := "change the configuration of " + r.String()
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return cli.Explain(what, err, "")
	}
	var errs []error
	for _, answer := range resp.Resources {
		errs = append(errs, cli.Explain(what, kerr.ErrorForCode(answer.ErrorCode), cli.Nullable(answer.ErrorMessage)))
	}
	return errors.Join(errs...)
}

// names completes KIND and NAME; more completes what follows them.
func names(c *cli.Client, more func(*cobra.Command, resource, []string, string) ([]string, cobra.ShellCompDirective)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		const noFiles = cobra.ShellCompDirectiveNoFileComp
		if len(given) == 0 {
			return kindWords, noFiles
		}
		if len(given) > 1 {
			r, err := parseResource(given[0], given[1])
			if err != nil {
				return nil, noFiles
			}
			return more(cmd, r, given[2:], prefix)
		}
		switch given[0] {
		case "topic":
			return c.TopicNames(0)(cmd, nil, prefix)
		case "group":
			return c.GroupNames(0)(cmd, nil, prefix)
		case "broker":
			return append([]string{allBrokers}, c.Ask(cmd, func(ctx context.Context, adm *kadm.Client, _ *kgo.Client) []string {
				brokers, _ := adm.ListBrokers(ctx)
				var ids []string
				for _, id := range brokers.NodeIDs() {
					ids = append(ids, fmt.Sprint(id))
				}
				return ids
			})...), noFiles
		}
		return nil, noFiles
	}
}

package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/broker"
	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/cleaner"
	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/groupconfig"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/config"
	"github.com/troupe-io/troupe/storage/segment"
)

// stations are the structs that a configuration travels through, and the packages that only fill or show them.
var stations = []struct {
	name   string
	of     any
	except []string
}{
	{"config.Settings", config.Settings{}, []string{"config"}},
	{"actors/topicconfig.Config", topicconfig.Config{}, []string{"actors/topicconfig"}},
	{"actors/brokerconfig.Config", brokerconfig.Config{}, []string{"actors/brokerconfig"}},
	{"actors/broker.Config", broker.Config{}, nil},
	{"actors/api.Settings", api.Settings{}, nil},
	{"actors/api.StaticConfig", api.StaticConfig{}, nil},
	{"actors/connection.Limits", connection.Limits{}, nil},
	{"actors/coordinator/group.Config", group.Config{}, nil},
	{"actors/coordinator/group.ConsumerConfig", group.ConsumerConfig{}, nil},
	{"actors/partition.Options", partition.Options{}, nil},
	{"actors/cleaner.Config", cleaner.Config{}, nil},
	{"storage/segment.Options", segment.Options{}, nil},
	{"actors/groupconfig.Key", groupconfig.Key{}, nil},
}

// readElsewhere are fields that count although the test cannot see it, and why.
var readElsewhere = map[string]string{
	"config.Settings.AdvertisedAddr":              "Settings.Advertised, beside it, makes of it what serve takes",
	"actors/topicconfig.Config.MinInsyncReplicas": "counts at most as many replicas as a partition has, and one broker's have one: nothing is left to ask",
}

// settingsOf maps the fields of config.Settings to the keys of config's table, as its source says.
func settingsOf(t *testing.T) map[string]string {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "config", "table.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		entry, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		key, field := "", ""
		for _, e := range entry.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				switch name, _ := kv.Key.(*ast.Ident); {
				case name == nil:
				case name.Name == "Key":
					if text, ok := kv.Value.(*ast.BasicLit); ok {
						key, _ = strconv.Unquote(text.Value)
					}
				case name.Name == "field":
					ast.Inspect(kv.Value, func(n ast.Node) bool {
						if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name != "Settings" {
							field = s.Sel.Name
						}
						return true
					})
				}
			}
		}
		if key != "" && field != "" {
			keys[field] = key
		}
		return true
	})
	if len(keys) != len(config.Table()) {
		t.Fatalf("%d settings found in the source of a table of %d", len(keys), len(config.Table()))
	}
	return keys
}

// TestEveryConfigurationIsReadBySomebody follows each configuration from where it is parsed to where it counts: a value that is carried
// about and never asked for is one that is accepted and not enforced. It does not prove that a reader does the right thing with it.
func TestEveryConfigurationIsReadBySomebody(t *testing.T) {
	reads, err := FindReads(root, "./cmd/troupe")
	if err != nil {
		t.Fatal(err)
	}
	keys := settingsOf(t)
	for _, s := range stations {
		of := reflect.TypeOf(s.of)
		for i := range of.NumField() {
			field := of.Field(i)
			if !field.IsExported() {
				continue
			}
			if s.name == "config.Settings" && topicconfig.LookupBroker(keys[field.Name]) != nil {
				continue // goes to the topics by its key, as DescribeConfigs shows it: the next test
			}
			what := s.name + "." + field.Name
			switch read, known := reads.By(what, s.except...), readElsewhere[what] != ""; {
			case !read && !known:
				t.Errorf("nobody reads %s: what sets it is accepted and not enforced", what)
			case read && known:
				t.Errorf("%s is read now: it needs no exception", what)
			}
		}
	}
	for _, name := range []string{"SessionTimeout", "HeartbeatInterval", "AssignmentInterval"} {
		if !reads["actors/groupconfig."+name]["actors/coordinator"] {
			t.Errorf("the coordinator does not read the group configuration %s", name)
		}
	}
	if n := len(groupconfig.Default()); n != 3 {
		t.Errorf("there are %d group configurations; this test knows 3", n)
	}
	if reads.By("actors/topicconfig.Config.NoSuchField") || !reads.By("actors/topicconfig.Config.SegmentBytes", "actors/topicconfig") {
		t.Error("the test does not see what is read")
	}
}

func TestEveryTopicConfigurationHasItsBrokerSettingAndChangesWhatTopicsGet(t *testing.T) {
	standard := new(topicconfig.Layers).Resolve(nil)
	for _, k := range topicconfig.Keys() {
		s := config.Lookup(k.BrokerName())
		if s == nil {
			t.Errorf("%s: the broker has no setting %s", k.Name, k.BrokerName())
		} else if s.Default != k.Default {
			t.Errorf("%s is %s by default, but %s is %s", k.Name, k.Default, s.Key, s.Default)
		}
		other := ""
		for _, v := range append([]string{"1", "2097152", "0.25"}, k.Allowed...) {
			if k.Check(v) == nil && k.Canonical(v) != k.Default {
				other = v
			}
		}
		if other == "" {
			t.Errorf("%s: no value but the default is known to this test", k.Name)
			continue
		}
		if got := new(topicconfig.Layers).Resolve(map[string]string{k.Name: other}); *got == *standard {
			t.Errorf("%s=%s changes nothing of a topic's configuration", k.Name, other)
		}
		below := topicconfig.Layers{Static: map[string]string{k.BrokerName(): other}}
		if got := below.Resolve(nil); *got == *standard {
			t.Errorf("%s=%s changes nothing of the topics' default", k.BrokerName(), other)
		}
	}
}

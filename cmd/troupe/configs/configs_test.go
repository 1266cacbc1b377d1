package configs

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func TestUnsetLeavesTheFirstSynonymThatIsNotTheResourcesOwn(t *testing.T) {
	synonym := func(value string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
		return kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{Value: &value, Source: source}
	}
	topic, _ := parseResource("topic", "t")
	value := "1"
	set := &entry{Value: &value, source: kmsg.ConfigSourceDynamicTopicConfig}
	all := []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{synonym("1", kmsg.ConfigSourceDynamicTopicConfig),
		synonym("2", kmsg.ConfigSourceStaticBrokerConfig), synonym("3", kmsg.ConfigSourceDefaultConfig)}
	if got := beneath(set, topic, all); got == nil || *got != "2" {
		t.Errorf("%v", got)
	}
	if got := beneath(set, topic, all[:1]); got != nil {
		t.Errorf("not told, but taken as %q", *got)
	}
	if got := beneath(&entry{Value: &value, source: kmsg.ConfigSourceDefaultConfig}, topic, nil); got != &value {
		t.Errorf("%v", got)
	}
}

func TestAResourceIsNamedByTwoWords(t *testing.T) {
	if r, err := parseResource("broker", "all"); err != nil || r.name != "" || r.String() != "broker all" {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range [][2]string{{"planet", "x"}, {"topic", ""}, {"", "x"}} {
		if _, err := parseResource(bad[0], bad[1]); cli.ExitCode(err) != 2 {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestDefaultsThatCountHoursAreShownInTheKeysOwnUnit(t *testing.T) {
	hours, own := "168", "5"
	all := []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{{Name: "log.retention.ms", Value: &own}, {Name: "log.retention.hours", Value: &hours}, {Name: "log.retention.minutes"}}
	inMilliseconds("retention.ms", all)
	if *all[0].Value != "5" || *all[1].Value != "604800000" || all[2].Value != nil || hours != "168" {
		t.Errorf("%+v", all)
	}
	all[1].Value = &hours
	if inMilliseconds("log.retention.hours", all); *all[1].Value != "168" {
		t.Errorf("%+v", all)
	}
}

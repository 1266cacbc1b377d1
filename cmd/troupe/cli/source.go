package cli

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// configSources say where the value of a configuration comes from; what is dynamic was set while the cluster ran.
var configSources = map[kmsg.ConfigSource]string{
	kmsg.ConfigSourceDynamicTopicConfig:         "dynamic (topic)",
	kmsg.ConfigSourceDynamicBrokerConfig:        "dynamic (broker)",
	kmsg.ConfigSourceDynamicDefaultBrokerConfig: "dynamic (all brokers)",
	kmsg.ConfigSourceStaticBrokerConfig:         "static (broker)",
	kmsg.ConfigSourceDefaultConfig:              "default",
	kmsg.ConfigSourceDynamicBrokerLoggerConfig:  "dynamic (logger)",
	kmsg.ConfigSourceClientMetricsConfig:        "dynamic (client metrics)",
	kmsg.ConfigSourceGroupConfig:                "dynamic (group)",
}

// ConfigSource says for people where the value of a configuration comes from.
func ConfigSource(s kmsg.ConfigSource) string {
	if w, ok := configSources[s]; ok {
		return w
	}
	return strings.ToLower(s.String())
}

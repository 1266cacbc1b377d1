package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/topicconfig"
)

// DescribeConfigs, v1-v4.
//
//	v1     synonyms and sources (KIP-226)
//	v3     types and documentation
//	v4     flexible
//
// A topic shows every configuration that is enforced, a broker its settings, the empty broker name the dynamic defaults of
// all brokers, a group its own values. Loggers and client metrics have no configuration here and show an empty list. On success the error
// message is empty, not null, as Kafka has it.
func init() { register(32, 1, 4, describeConfigs) }

func describeConfigs(c *Call) {
	req := c.Request.(*kmsg.DescribeConfigsRequest)
	resp := kmsg.NewPtrDescribeConfigsResponse()
	image := c.Broker.Metadata.Load()
	for i := range req.Resources {
		r := &req.Resources[i]
		d := configDescription{c: c, image: image, synonyms: req.IncludeSynonyms, docs: req.IncludeDocumentation}
		rr := kmsg.NewDescribeConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		message := ""
		if refusal := d.resource(r); refusal != nil {
			rr.ErrorCode, message = refusal.code, refusal.message
		} else {
			for _, e := range d.out {
				if len(r.ConfigNames) == 0 || slices.Contains(r.ConfigNames, e.Name) {
					rr.Configs = append(rr.Configs, e)
				}
			}
		}
		rr.ErrorMessage = &message
		resp.Resources = append(resp.Resources, rr)
	}
	c.Reply(resp)
}

// refusal is an error of one resource.
type refusal struct {
	code    int16
	message string
}

func refuseWith(e *kerr.Error, format string, args ...any) *refusal {
	return &refusal{e.Code, fmt.Sprintf(format, args...)}
}

// configDescription collects one resource's entries.
type configDescription struct {
	c              *Call
	image          *controller.Image
	synonyms, docs bool
	out            []kmsg.DescribeConfigsResponseResourceConfig
}

func (d *configDescription) resource(r *kmsg.DescribeConfigsRequestResource) *refusal {
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return d.topic(r.ResourceName)
	case kmsg.ConfigResourceTypeBroker:
		if r.ResourceName == "" {
			d.dynamicDefaults()
			return nil
		}
		if refused := d.c.Broker.isSelf(r.ResourceName); refused != nil {
			return refused
		}
		d.broker()
	case kmsg.ConfigResourceTypeBrokerLogger:
		return d.c.Broker.isSelf(r.ResourceName)
	case kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
		if r.ResourceName == "" {
			return refuseWith(kerr.InvalidRequest, "the resource's name must not be empty")
		}
		if r.ResourceType == kmsg.ConfigResourceTypeGroupConfig {
			d.group(r.ResourceName)
		}
	default:
		return refuseWith(kerr.InvalidRequest, "a resource of type %d has no configuration", int8(r.ResourceType))
	}
	return nil
}

// isSelf checks that a resource's name is this broker's id.
func (b *Broker) isSelf(name string) *refusal {
	id, err := strconv.ParseInt(name, 10, 32)
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		return refuseWith(kerr.InvalidRequest, "%q is not a broker's id", name)
	}
	if int32(id) != b.NodeID {
		return refuseWith(kerr.InvalidRequest, "this is broker %d; ask broker %d itself", b.NodeID, id)
	}
	return nil
}

func (d *configDescription) topic(name string) *refusal {
	if err := controller.CheckTopicName(name); err != nil {
		return refuseWith(kerr.InvalidTopicException, "%v", err)
	}
	t := d.image.Topic(name)
	if t == nil {
		return refuseWith(kerr.UnknownTopicOrPartition, "there is no topic %q", name)
	}
	for _, e := range d.image.Layers.Describe(t.Configs) {
		if _, own := t.Configs[e.Name]; own { // as it was understood, not as it was written
			e.Value = e.Key.Canonical(e.Value)
			e.Synonyms[0].Value = e.Value
		}
		d.add(e)
	}
	return nil
}

// synonym is one value that a configuration has somewhere.
type synonym = kmsg.DescribeConfigsResponseResourceConfigConfigSynonym

// broker lists the defaults of topics as they hold here, then the broker's own settings, then dynamic values of other names.
func (d *configDescription) broker() {
	seen := map[string]bool{}
	layers := &d.image.Layers
	for _, e := range layers.DescribeBroker() {
		seen[e.Name] = true
		d.add(e)
	}
	for i := range d.c.Broker.Settings.Static {
		s := &d.c.Broker.Settings.Static[i]
		if seen[s.Name] {
			continue
		}
		seen[s.Name] = true
		k := brokerconfig.Lookup(s.Name)
		var all []synonym
		if k != nil {
			all = dynamicSynonyms(layers, s.Name)
		}
		if !s.Default {
			all = append(all, synonym{Name: s.Name, Value: &s.Value, Source: kmsg.ConfigSourceStaticBrokerConfig})
		}
		if standard := s.standard(); standard != "" || s.Default {
			if k != nil {
				standard = k.Canonical(standard)
			}
			all = append(all, synonym{Name: s.Name, Value: &standard, Source: kmsg.ConfigSourceDefaultConfig})
		}
		d.own(s.Name, k, s.Type, s.Sensitive, s.Doc, all)
	}
	d.others(layers, layers.Broker, seen)
	d.others(layers, layers.Cluster, seen)
}

// standard is the default, "" if there is none.
func (s *StaticConfig) standard() string {
	if s.Default {
		return s.Value
	}
	return s.Standard
}

// dynamicSynonyms are the values that were set while brokers ran, this broker's first.
func dynamicSynonyms(l *topicconfig.Layers, name string) (out []synonym) {
	if v, ok := l.Broker[name]; ok {
		out = append(out, synonym{Name: name, Value: &v, Source: kmsg.ConfigSourceDynamicBrokerConfig})
	}
	if v, ok := l.Cluster[name]; ok {
		out = append(out, synonym{Name: name, Value: &v, Source: kmsg.ConfigSourceDynamicDefaultBrokerConfig})
	}
	return out
}

// own adds a configuration of a broker that is no default of topics; k is nil if it cannot be changed, and all its values, that in force
// first.
func (d *configDescription) own(name string, k *brokerconfig.Key, kind kmsg.ConfigType, sensitive bool, doc string, all []synonym) {
	rc := kmsg.NewDescribeConfigsResponseResourceConfig()
	rc.Name, rc.ReadOnly, rc.Source, rc.IsSensitive, rc.ConfigType = name, k == nil, all[0].Source, sensitive, kind
	if !sensitive {
		value := *all[0].Value
		if k != nil {
			value, rc.ConfigType = k.Canonical(value), k.Type
		}
		rc.Value = &value
	}
	if d.synonyms {
		if sensitive {
			for i := range all {
				all[i].Value = nil
			}
		}
		rc.ConfigSynonyms = all
	}
	if d.docs {
		rc.Documentation = &doc
	}
	d.out = append(d.out, rc)
}

// others lists dynamic values of names that the broker was not started with: those that are only kept, and those that nobody knows.
// What the latter mean is not known either, so they count as sensitive. values are one of layers' own.
func (d *configDescription) others(layers *topicconfig.Layers, values map[string]string, seen map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if seen[name] {
			continue
		}
		seen[name] = true
		if k := brokerconfig.Lookup(name); k != nil {
			d.own(name, k, k.Type, false, brokerconfig.KeptDoc, dynamicSynonyms(layers, name))
		} else {
			d.own(name, nil, 0, true, "", dynamicSynonyms(layers, name))
		}
	}
}

// group lists what a consumer group has; it need not exist.
func (d *configDescription) group(name string) {
	own := d.image.GroupConfigs[name]
	for i := range d.c.Broker.Settings.GroupConfigs {
		k := &d.c.Broker.Settings.GroupConfigs[i]
		standard := fmt.Sprint(k.Default)
		rc := kmsg.NewDescribeConfigsResponseResourceConfig()
		rc.Name, rc.Value, rc.ConfigType, rc.Source = k.Name, &standard, kmsg.ConfigTypeInt, kmsg.ConfigSourceDefaultConfig
		if !k.IsDefault {
			rc.Source = kmsg.ConfigSourceStaticBrokerConfig
		}
		synonyms := []synonym{{Name: k.BrokerName(), Value: rc.Value, Source: rc.Source}}
		if b := brokerconfig.Lookup(k.BrokerName()); b != nil {
			if above := dynamicSynonyms(&d.image.Layers, k.BrokerName()); len(above) > 0 {
				inForce := b.Canonical(*above[0].Value)
				rc.Value, rc.Source, synonyms = &inForce, above[0].Source, append(above, synonyms...)
			}
		}
		if value, set := own[k.Name]; set {
			rc.Value, rc.Source = &value, kmsg.ConfigSourceGroupConfig
			synonyms = slices.Insert(synonyms, 0, synonym{Name: k.Name, Value: rc.Value, Source: rc.Source})
		}
		if d.synonyms {
			rc.ConfigSynonyms = synonyms
		}
		if d.docs {
			rc.Documentation = &k.Doc
		}
		d.out = append(d.out, rc)
	}
}

// dynamicDefaults lists what is set for all brokers, as it was set.
func (d *configDescription) dynamicDefaults() {
	set := d.image.Layers.Cluster
	seen := map[string]bool{}
	for _, e := range d.image.Layers.DescribeBroker() {
		value, ok := set[e.Name]
		if !ok {
			continue
		}
		seen[e.Name] = true
		e.Value, e.Source = value, kmsg.ConfigSourceDynamicDefaultBrokerConfig
		e.Synonyms = []topicconfig.Value{{Name: e.Name, Value: value, Source: e.Source}}
		d.add(e)
	}
	for i := range d.c.Broker.Settings.Static {
		s := &d.c.Broker.Settings.Static[i]
		if k := brokerconfig.Lookup(s.Name); k != nil && !seen[s.Name] {
			if value, ok := set[s.Name]; ok {
				seen[s.Name] = true
				d.asSet(s.Name, k, s.Doc, value)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if seen[name] {
			continue
		}
		if k := brokerconfig.Lookup(name); k != nil {
			d.asSet(name, k, brokerconfig.KeptDoc, set[name])
		} else {
			d.own(name, nil, 0, true, "", []synonym{{Name: name, Source: kmsg.ConfigSourceDynamicDefaultBrokerConfig}})
		}
	}
}

// asSet adds a value for all brokers, in the words of whoever set it.
func (d *configDescription) asSet(name string, k *brokerconfig.Key, doc, value string) {
	d.own(name, k, k.Type, false, doc, []synonym{{Name: name, Value: &value, Source: kmsg.ConfigSourceDynamicDefaultBrokerConfig}})
	d.out[len(d.out)-1].Value = &value
}

func (d *configDescription) add(e topicconfig.Entry) {
	rc := kmsg.NewDescribeConfigsResponseResourceConfig()
	rc.Name, rc.Value, rc.Source, rc.ConfigType = e.Name, &e.Value, e.Source, e.Key.Type
	if d.synonyms {
		for _, s := range e.Synonyms {
			rc.ConfigSynonyms = append(rc.ConfigSynonyms, synonym{Name: s.Name, Value: &s.Value, Source: s.Source})
		}
	}
	if d.docs {
		rc.Documentation = &e.Key.Doc
	}
	d.out = append(d.out, rc)
}

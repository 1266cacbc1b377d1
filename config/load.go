package config

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// This file owns precedence: which of flag, environment, file and default a value comes from.

// Sources are where values come from. None is read from the process itself, so that tests can say what there is.
type Sources struct {
	Flags   map[string]string // key → text, only those given
	Environ []string          // "NAME=value"
	// File is the YAML file's path, "" for none; ReadFile reads it (nil is os.ReadFile).
	File     string
	ReadFile func(string) ([]byte, error)
}

// Load works out the settings in force. The error lists everything that is wrong, not only the first. Warnings are what
// is suspicious but allowed: a TROUPE_ variable that is nearly the name of a setting.
func Load(src Sources) (s *Settings, warnings []string, err error) {
	var errs []error
	file, err := readFile(src)
	if err != nil {
		errs = append(errs, err)
	}
	env := map[string]string{}
	for _, line := range src.Environ {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, EnvPrefix) {
			env[name] = value
		}
	}
	for key := range src.Flags {
		if byKey[key] == nil {
			errs = append(errs, unknownKey("flag --"+key, key))
		}
	}
	s = &Settings{}
	explicit := map[string]bool{}
	for _, d := range table {
		v := Value{Key: d.Key, Origin: FromDefault, Default: d.Default, Allowed: d.Allowed(), Env: d.Env(), Doc: d.Doc}
		if d.Auto != nil {
			v.Default = d.Auto()
		}
		text := v.Default
		if f, ok := file[d.Key]; ok {
			text, v.Origin, v.Where = f.text, FromFile, fmt.Sprintf("%s line %d", src.File, f.line)
		}
		if e, ok := env[d.Env()]; ok {
			text, v.Origin, v.Where = e, FromEnv, d.Env()
		}
		if f, ok := src.Flags[d.Key]; ok {
			text, v.Origin, v.Where = f, FromFlag, "--"+d.Key
		}
		explicit[d.Key] = v.Origin != FromDefault
		if d.Auto == nil || explicit[d.Key] || text != "" {
			if err := d.parse(s, text); err != nil {
				where := ""
				if v.Where != "" {
					where = " (from " + v.Where + ")"
				}
				errs = append(errs, fmt.Errorf("%w%s", err, where))
			}
		}
		s.values = append(s.values, v)
	}
	if !explicit["tail-cache"] {
		s.TailCache = tailCacheFor(s.MemoryLimit)
	}
	if !explicit["in-flight-bytes"] {
		s.InFlightTotal = inFlightFor(s.MemoryLimit)
	}
	if !explicit["log.cleaner.dedupe.buffer.size"] {
		s.CleanerMapBytes = cleanerMapFor(s.MemoryLimit)
	}
	for i, d := range table {
		s.values[i].Value = d.get(s)
		if s.values[i].Default == "" && d.Auto != nil {
			s.values[i].Default = map[string]string{"tail-cache": FormatBytes(tailCacheFor(s.MemoryLimit)),
				"in-flight-bytes":                FormatBytes(inFlightFor(s.MemoryLimit)),
				"log.cleaner.dedupe.buffer.size": FormatBytes(cleanerMapFor(s.MemoryLimit))}[d.Key]
		}
	}
	if len(errs) == 0 {
		errs = s.check()
	}
	return s, nearMisses(env), errors.Join(errs...)
}

// check is what must hold between settings.
func (s *Settings) check() []error {
	var errs []error
	if s.WALSizeLimit < 4*s.WALFileSize {
		errs = append(errs, fmt.Errorf("wal-size-limit: %s is not allowed with wal-file-size %s; allowed: at least four files",
			FormatBytes(s.WALSizeLimit), FormatBytes(s.WALFileSize)))
	}
	if s.TailCache+s.InFlightTotal > s.MemoryLimit {
		errs = append(errs, fmt.Errorf("tail-cache (%s) and in-flight-bytes (%s) do not fit into memory-limit (%s); lower them, or raise it",
			FormatBytes(s.TailCache), FormatBytes(s.InFlightTotal), FormatBytes(s.MemoryLimit)))
	}
	if s.MessageMaxBytes > s.RequestMaxBytes {
		errs = append(errs, fmt.Errorf("message.max.bytes: %d is not allowed; allowed: up to socket.request.max.bytes, which is %d",
			s.MessageMaxBytes, s.RequestMaxBytes))
	}
	if s.ConsumerSessionTimeoutMs <= s.ConsumerHeartbeatIntervalMs {
		errs = append(errs, fmt.Errorf("group.consumer.session.timeout.ms: %d is not allowed; allowed: more than group.consumer.heartbeat.interval.ms, which is %d",
			s.ConsumerSessionTimeoutMs, s.ConsumerHeartbeatIntervalMs))
	}
	return errs
}

type fileValue struct {
	text string
	line int
}

// readFile flattens the YAML file: nested maps and dotted keys name the same setting.
func readFile(src Sources) (map[string]fileValue, error) {
	if src.File == "" {
		return nil, nil
	}
	read := src.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	raw, err := read(src.File)
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", src.File, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil // empty, or comments alone
	}
	out := map[string]fileValue{}
	var errs []error
	flatten(src.File, "", doc.Content[0], out, &errs)
	return out, errors.Join(errs...)
}

func flatten(file, prefix string, n *yaml.Node, out map[string]fileValue, errs *[]error) {
	fail := func(line int, format string, args ...any) {
		*errs = append(*errs, fmt.Errorf("configuration file %s line %d: %s", file, line, fmt.Sprintf(format, args...)))
	}
	if n.Kind != yaml.MappingNode {
		fail(n.Line, "found no map of settings; write lines such as `kafka-addr: 127.0.0.1:9092`")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		switch {
		case byKey[key] != nil && v.Kind == yaml.ScalarNode:
			if before, twice := out[key]; twice {
				fail(k.Line, "%s stands here and in line %d; keep one", key, before.line)
				continue
			}
			text := v.Value
			if v.Tag == "!!null" {
				text = ""
			}
			out[key] = fileValue{text, k.Line}
		case v.Kind == yaml.MappingNode && isPrefix(key+"."):
			flatten(file, key+".", v, out, errs)
		case byKey[key] != nil:
			fail(k.Line, "%s takes one value; allowed: %s", key, byKey[key].Allowed())
		default:
			fail(k.Line, "%v", unknownKey("key "+strconv.Quote(key), key))
		}
	}
}

func isPrefix(p string) bool {
	for _, d := range table {
		if strings.HasPrefix(d.Key, p) {
			return true
		}
	}
	return false
}

func unknownKey(what, key string) error {
	near, _ := nearest(key)
	return fmt.Errorf("unknown %s; the nearest known is %q (`troupe config print` lists all)", what, near)
}

// nearest finds the known key most like the given one, and how many edits lie between.
func nearest(key string) (string, int) {
	best, bestAt := "", 1<<30
	for _, d := range table {
		if n := edits(key, d.Key); n < bestAt {
			best, bestAt = d.Key, n
		}
	}
	return best, bestAt
}

// notSettings are variables that other parts of the command read.
var notSettings = map[string]bool{"TROUPE_CONFIG": true, "TROUPE_BOOTSTRAP": true}

// nearMisses warns of variables that are one or two letters off a setting. Other unknown TROUPE_ variables are nobody's
// business: container platforms make such for a service of that name.
func nearMisses(env map[string]string) []string {
	var out []string
	for name := range env {
		if notSettings[name] {
			continue
		}
		best, bestAt := "", 3
		for _, d := range table {
			if n := edits(name, d.Env()); n < bestAt {
				best, bestAt = d.Env(), n
			}
		}
		if bestAt > 0 && best != "" {
			out = append(out, fmt.Sprintf("environment variable %s is not a setting; did you mean %s?", name, best))
		}
	}
	sort.Strings(out)
	return out
}

// edits is the Levenshtein distance; a and b are short names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

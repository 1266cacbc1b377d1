package record

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns how `troupe consume` prints a record.

// recordWriter makes the function that appends one printed record to a buffer.
func recordWriter(format string) (func([]byte, *kgo.Record) []byte, error) {
	switch format {
	case "value":
		return func(b []byte, r *kgo.Record) []byte { return append(append(b, r.Value...), '\n') }, nil
	case "key-value":
		return func(b []byte, r *kgo.Record) []byte {
			return append(append(append(append(b, r.Key...), '\t'), r.Value...), '\n')
		}, nil
	case "json":
		return appendJSON, nil
	}
	if !strings.Contains(format, "%") {
		return nil, cli.Usagef("format: %q is not allowed; allowed: value, key-value, json, or a layout such as '%%k %%v\\n'", format)
	}
	f, err := kgo.NewRecordFormatter(format)
	if err != nil {
		return nil, cli.Usagef("format: %q is not allowed: %w", format, err)
	}
	return f.AppendRecord, nil
}

// jsonRecord is a record as --format json prints it. Text that is not UTF-8 stands in the _base64 field instead.
type jsonRecord struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	LeaderEpoch int32        `json:"leader_epoch"`
	TimestampMs int64        `json:"timestamp_ms"`
	Timestamp   string       `json:"timestamp"`
	Key         *string      `json:"key"` // null if there is none
	KeyBase64   string       `json:"key_base64,omitempty"`
	Value       *string      `json:"value"` // null is a tombstone
	ValueBase64 string       `json:"value_base64,omitempty"`
	Headers     []jsonHeader `json:"headers"`
}

type jsonHeader struct {
	Name        string  `json:"name"`
	Value       *string `json:"value"`
	ValueBase64 string  `json:"value_base64,omitempty"`
}

func appendJSON(b []byte, r *kgo.Record) []byte {
	out := jsonRecord{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		TimestampMs: r.Timestamp.UnixMilli(), Timestamp: r.Timestamp.UTC().Format(time.RFC3339Nano), Headers: []jsonHeader{}}
	out.Key, out.KeyBase64 = text(r.Key)
	out.Value, out.ValueBase64 = text(r.Value)
	for _, h := range r.Headers {
		jh := jsonHeader{Name: h.Key}
		jh.Value, jh.ValueBase64 = text(h.Value)
		out.Headers = append(out.Headers, jh)
	}
	line, err := json.Marshal(out)
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	return append(append(b, line...), '\n')
}

// text is the bytes as a string, or as base64 if they are not UTF-8; nil stays null.
func text(b []byte) (*string, string) {
	if b == nil {
		return nil, ""
	}
	if !utf8.Valid(b) {
		return nil, base64.StdEncoding.EncodeToString(b)
	}
	s := string(b)
	return &s, ""
}

package main

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns how an answer is written down: every field of it, save what differs from run to run and from broker to broker without
// meaning anything (throttle times, hosts, the wording of messages). Names, ids, member ids and leader epochs become
// placeholders, times are told from T, and lists that have no order of their own are sorted.

// shown turns values into text for one case and one broker.
type shown struct {
	base  int64
	names map[string]string // what the case named → $label
	ids   map[string]string // what the broker made up → $kind1
	count map[string]int
	epoch int32 // the leader epoch of the case's topics
	group int32 // the epoch that the case's KIP-848 group was found at; 0: there is none
}

func newShown(base int64) shown {
	return shown{base, map[string]string{}, map[string]string{}, map[string]int{}, -1, 0}
}

// hidden are the fields that are not written down; settled are those of which only whether there is something is.
var (
	hidden  = map[string]bool{"ThrottleMillis": true, "Version": true, "Host": true, "Port": true, "ClientHost": true, "Documentation": true}
	settled = map[string]bool{"ErrorMessage": true, "ClusterID": true, "Dir": true, "TotalBytes": true, "UsableBytes": true}
	// unordered: everything but what a broker says in an order that matters.
	ordered = map[string]bool{"Records": true}
)

// response writes down an answer.
func (s *shown) response(resp kmsg.Response) []string {
	return s.structure("  ", "", reflect.ValueOf(resp).Elem())
}

// structure writes a struct: its plain fields on one line, then each list of structs beneath.
func (s *shown) structure(indent, head string, v reflect.Value) []string {
	var plain []string
	var below []string
	if head != "" {
		plain = append(plain, head+":")
	}
	inner := indent + "  "
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if hidden[name] || name == "ErrorMessage" && failed(v) {
			continue
		}
		if name == "UnknownTags" {
			tags := f.Interface().(kmsg.Tags)
			if tags.Len() > 0 {
				plain = append(plain, fmt.Sprintf("UnknownTags=%d", tags.Len()))
			}
			continue
		}
		if name == "RecordBatches" {
			below = append(below, s.batches(inner, f.Bytes())...)
			continue
		}
		switch {
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			if f.Len() == 0 {
				plain = append(plain, name+"="+map[bool]string{true: "null", false: "[]"}[f.IsNil()])
				continue
			}
			var items []string
			for j := range f.Len() {
				items = append(items, strings.Join(s.structure(inner, strings.TrimSuffix(name, "s"), f.Index(j)), "\n"))
			}
			if !ordered[name] {
				sort.Strings(items)
			}
			below = append(below, items...)
		case f.Kind() == reflect.Struct:
			if !untouched(f) {
				below = append(below, s.structure(inner, name, f)...)
			}
		case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct:
			if f.IsNil() {
				plain = append(plain, name+"=null")
			} else {
				below = append(below, s.structure(inner, name, f.Elem())...)
			}
		default:
			plain = append(plain, name+"="+s.plain(name, f))
		}
	}
	var lines []string
	if len(plain) > 0 {
		lines = append(lines, indent+strings.Join(plain, " "))
	}
	for _, b := range below {
		lines = append(lines, strings.Split(b, "\n")...)
	}
	return lines
}

// untouched says whether a struct within an answer is as an answer without it leaves it.
func untouched(v reflect.Value) bool {
	fresh := reflect.New(v.Type())
	if d, ok := fresh.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	return reflect.DeepEqual(fresh.Elem().Interface(), v.Interface())
}

// failed says whether a struct tells of an error: whether it has a message then is as free as the message's words.
func failed(v reflect.Value) bool {
	code := v.FieldByName("ErrorCode")
	return code.IsValid() && code.Int() != 0
}

// plain writes a value that has no fields.
func (s *shown) plain(name string, v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return s.plain(name, v.Elem())
	case reflect.String:
		if settled[name] {
			if v.Len() == 0 {
				return `""`
			}
			return "…"
		}
		text := v.String()
		if (name == "MemberID" || name == "LeaderID") && text != "" && s.names[text] == "" {
			return s.id("member", text)
		}
		return strconv.Quote(s.text(text))
	case reflect.Slice:
		if v.IsNil() {
			return "null"
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return s.text(fmt.Sprintf("%q", v.Bytes()))
		}
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = s.plain(name, v.Index(i))
		}
		if name != "Replicas" && name != "ISR" {
			slices.Sort(parts)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Array:
		id := fmt.Sprintf("%x", v.Interface())
		if strings.Trim(id, "0") == "" {
			return "0"
		}
		if label := s.names[id]; label != "" {
			return label
		}
		return s.id("id", id)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return s.number(name, v.Int())
	}
	return fmt.Sprint(v.Interface())
}

func (s *shown) number(name string, n int64) string {
	switch {
	case name == "ErrorCode":
		if err := kerr.ErrorForCode(int16(n)); n != 0 {
			if known, ok := err.(*kerr.Error); ok {
				return fmt.Sprintf("%d(%s)", n, known.Message)
			}
		}
	case settled[name]:
		if n > 0 {
			return "…"
		}
	case s.group > 0 && (name == "MemberEpoch" || name == "AssignmentEpoch" || name == "Epoch"): // how many it took is a matter of timing
		if n > 0 {
			return fmt.Sprintf("G%+d", n-int64(s.group))
		}
	case strings.HasSuffix(name, "LeaderEpoch") || name == "Epoch":
		if n >= 0 && s.epoch >= 0 {
			return fmt.Sprintf("E%+d", n-int64(s.epoch))
		}
	case name == "ProducerID" || name == "SessionID":
		if n > 0 || n == 0 && name == "ProducerID" {
			return s.id(map[bool]string{true: "producer", false: "session"}[name == "ProducerID"], strconv.FormatInt(n, 10))
		}
	}
	return s.time(n)
}

// time writes a number; what can only be a time near now is told from T, or as now.
func (s *shown) time(n int64) string {
	const near, day = 20 * 60 * 1000, 24 * 3600 * 1000
	switch now := time.Now().UnixMilli(); {
	case n < s.base-400*day || n > s.base+400*day:
	case n > now-near && n < now+near:
		return "now"
	default:
		return fmt.Sprintf("T%+d", n-s.base)
	}
	return strconv.FormatInt(n, 10)
}

// id is the placeholder of something that the broker made up, numbered as they appear.
func (s *shown) id(kind, value string) string {
	key := kind + value
	if s.ids[key] == "" {
		s.count[kind]++
		s.ids[key] = fmt.Sprintf("$%s%d", kind, s.count[kind])
	}
	return s.ids[key]
}

// text replaces the names in a text.
func (s *shown) text(text string) string {
	if text == "" {
		return ""
	}
	known := make([]string, 0, len(s.names))
	for name := range s.names {
		known = append(known, name)
	}
	sort.Slice(known, func(i, j int) bool { return len(known[i]) > len(known[j]) })
	for _, name := range known {
		text = strings.ReplaceAll(text, name, s.names[name])
	}
	return text
}

// batches writes down the record batches of a Fetch answer; a cut one at the end is told as such.
func (s *shown) batches(indent string, raw []byte) []string {
	if raw == nil {
		return []string{indent + "RecordBatches=null"}
	}
	lines := []string{}
	for len(raw) > 0 {
		var b kmsg.RecordBatch
		if len(raw) < 61 || b.ReadFrom(raw) != nil {
			lines = append(lines, fmt.Sprintf("%sa part of a batch, %d bytes", indent, len(raw)))
			break
		}
		records := "compressed"
		if b.Attributes&7 == 0 {
			records = s.text(fmt.Sprintf("%q", b.Records))
		}
		lines = append(lines, fmt.Sprintf("%sRecordBatch: FirstOffset=%d Magic=%d Attributes=%#x LastOffsetDelta=%d FirstTimestamp=%s MaxTimestamp=%s ProducerID=%s ProducerEpoch=%d FirstSequence=%d NumRecords=%d %s",
			indent, b.FirstOffset, b.Magic, b.Attributes, b.LastOffsetDelta, s.time(b.FirstTimestamp), s.time(b.MaxTimestamp), s.number("ProducerID", b.ProducerID), b.ProducerEpoch, b.FirstSequence, b.NumRecords, records))
		raw = raw[min(len(raw), int(b.Length)+12):]
	}
	if len(lines) == 0 {
		return []string{indent + "RecordBatches=[]"}
	}
	return lines
}

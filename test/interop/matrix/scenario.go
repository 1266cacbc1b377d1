// Package matrix is what every client must do against the broker, described once (steps), and the table of which client does
// it. Each client has a glue program (../agents), which speaks one small protocol; what is stored, committed and assigned is asked
// of the broker by a client that the matrix trusts, not of the client under test.
package matrix

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// client is one client of the matrix: how its glue is started.
type client struct {
	name    string
	command []string
	env     []string
	// forgetful: a member that is asked to leave drops the record it has in hand, though that record's offset is committed. It is
	// asked when nothing comes.
	forgetful bool
}

// step is one column of the matrix.
type step struct {
	name string
	what string
	run  func(t testing.TB, b *harness.Broker, c client) error
}

// steps is what every client must do, in order.
var steps = []step{
	{"create", "creates a topic of six partitions with its admin calls", create},
	{"none", "produces without a codec: each record is acknowledged and stored once, at the place the client was told; so with each codec", producing("none")},
	{"gzip", "all stored batches have the codec gzip", producing("gzip")},
	{"snappy", "… snappy", producing("snappy")},
	{"lz4", "… lz4", producing("lz4")},
	{"zstd", "… zstd", producing("zstd")},
	{"consume", "reads alone, from the beginning, topics of each of those codecs: each record once, in order, unchanged", consume},
	{"group", "three members join one after another, one leaves, one is killed; nothing lost, nothing committed comes again", grouping("classic")},
	{"resume", "kill -9 of the broker under a producer and a member: both go on, no acknowledged record is lost, the group goes on from its commits", resuming("classic")},
	{"group-848", "group, with group.protocol=consumer (KIP-848)", grouping("consumer")},
	{"resume-848", "resume, with group.protocol=consumer (KIP-848)", resuming("consumer")},
}

const (
	records = 300
	// The longest that a group may take to share its partitions again: a session time-out (6 s), a rebalance, and a slow machine.
	rebalanceWithin = 60 * time.Second
	deliverWithin   = 60 * time.Second
)

func create(t testing.TB, b *harness.Broker, c client) error {
	if _, err := start(t, c, b.Addr).do("create", "created", 6); err != nil {
		return err
	}
	cl := b.Client()
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(harness.Context(t), "created")
	if err != nil {
		return err
	}
	if got := len(topics["created"].Partitions); got != 6 {
		return fmt.Errorf("the topic has %d partitions, want 6", got)
	}
	return nil
}

func producing(codec string) func(testing.TB, *harness.Broker, client) error {
	return func(t testing.TB, b *harness.Broker, c client) error {
		topic := b.CreateTopic("codec-"+codec, 2, nil)
		made, err := start(t, c, b.Addr).do("produce", topic, codec, 0, records, 0)
		if err != nil {
			return err
		}
		if len(made.acks) != records || made.unacked != 0 {
			return fmt.Errorf("%d of %d records are acknowledged, %d refused", len(made.acks), records, made.unacked)
		}
		log, err := readLog(t, b, topic)
		if err != nil {
			return err
		}
		if n := len(log[0]) + len(log[1]); n != records {
			return fmt.Errorf("%d records are stored, want %d", n, records)
		}
		if err := log.holds(made.acks); err != nil {
			return err
		}
		found, err := storedCodecs(t, b, topic, 2)
		if err != nil {
			return err
		}
		return wantCodec(found, codec)
	}
}

func consume(t testing.TB, b *harness.Broker, c client) error {
	a := start(t, c, b.Addr)
	for _, codec := range codecs {
		topic := b.CreateTopic("consume-"+codec, 2, nil)
		if err := fill(t, b, topic, codec, 0, records); err != nil {
			return err
		}
		got, err := a.do("consume", topic, records)
		if err != nil {
			return fmt.Errorf("%s: %w", codec, err)
		}
		next, seen := map[int32]int64{}, map[int]bool{}
		for _, r := range got.records {
			if r.offset != next[r.partition] {
				return fmt.Errorf("%s: partition %d: offset %d came where %d was due", codec, r.partition, r.offset, next[r.partition])
			}
			next[r.partition]++
			seen[r.n] = true
		}
		if len(seen) != records || len(got.records) != records {
			return fmt.Errorf("%s: %d records came, %d different ones, want %d", codec, len(got.records), len(seen), records)
		}
	}
	return nil
}

// fill produces records with the client that the matrix trusts, spread over all partitions.
func fill(t testing.TB, b *harness.Broker, topic, codec string, first, count int) error {
	return paced(t, b, topic, codec, first, count, 0)
}

func paced(t testing.TB, b *harness.Broker, topic, codec string, first, count int, pace time.Duration) error {
	with := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[codec]
	cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(with), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer cl.Close()
	ctx, failed := harness.Context(t), make(chan error, count)
	for n := first; n < first+count; n++ {
		cl.Produce(ctx, &kgo.Record{Key: []byte(key(n)), Value: []byte(value(n))}, func(_ *kgo.Record, err error) { failed <- err })
		time.Sleep(pace)
	}
	for range count {
		if err := <-failed; err != nil {
			return fmt.Errorf("fill %s: %w", topic, err)
		}
	}
	return nil
}

// audience is the members of one group and what they got. A record may come again only above what was committed when the quiet
// ended: below, at least once does not allow it.
type audience struct {
	t                      testing.TB
	b                      *harness.Broker
	c                      client
	group, topic, protocol string
	partitions             int

	mu      sync.Mutex
	members []*member
	seen    map[int32]map[int64]bool
	floor   map[int32]int64 // committed offsets when the quiet ended
	doubles int
	wrong   error
}

type member struct {
	*agent
	got  int // records that came, under audience.mu
	gone bool
	end  chan error
}

func newAudience(t testing.TB, b *harness.Broker, c client, topic, protocol string, partitions int) *audience {
	return &audience{t: t, b: b, c: c, group: "group-" + topic, topic: topic, protocol: protocol, partitions: partitions, seen: map[int32]map[int64]bool{}, floor: map[int32]int64{}}
}

// join starts one more member.
func (a *audience) join() (*member, error) {
	m := &member{agent: start(a.t, a.c, a.b.Addr), end: make(chan error, 1)}
	if err := m.send("member", a.group, a.topic, a.protocol); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.members = append(a.members, m)
	a.mu.Unlock()
	go func() {
		for words := range m.lines {
			switch words[0] {
			case "record":
				d, err := parseRecord(words)
				a.take(m, d, err)
			case "done":
				m.end <- nil
			default:
				err := fmt.Errorf("a member of %s said: %s", a.c.name, strings.Join(words, " "))
				a.take(nil, delivery{}, err)
				m.end <- err
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !m.gone {
			a.wrong = fmt.Errorf("a member of %s ended by itself", a.c.name)
		}
	}()
	return m, nil
}

func (a *audience) take(m *member, d delivery, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.wrong = err
		return
	}
	m.got++
	if a.seen[d.partition] == nil {
		a.seen[d.partition] = map[int64]bool{}
	}
	if a.seen[d.partition][d.offset] {
		a.doubles++
		if d.offset < a.floor[d.partition] {
			a.wrong = fmt.Errorf("partition %d, offset %d came again, though %d was committed before", d.partition, d.offset, a.floor[d.partition])
		}
	}
	a.seen[d.partition][d.offset] = true
}

// leave asks a member to leave the group and waits until it has ended.
func (a *audience) leave(m *member) error {
	a.mu.Lock()
	m.gone = true
	a.mu.Unlock()
	if err := m.send("leave"); err != nil {
		return err
	}
	select {
	case err := <-m.end:
		return err
	case <-time.After(answerWithin):
		return fmt.Errorf("a member of %s did not leave within %s", a.c.name, answerWithin)
	}
}

// kill ends a member with SIGKILL.
func (a *audience) kill(m *member) {
	a.mu.Lock()
	m.gone = true
	a.mu.Unlock()
	m.agent.kill()
}

func (a *audience) active() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, m := range a.members {
		if !m.gone {
			n++
		}
	}
	return n
}

// quiet waits until all that the topic holds was delivered and committed, and takes that as the floor.
func (a *audience) quiet() error {
	var last string
	for deadline := time.Now().Add(deliverWithin); time.Now().Before(deadline); pause() {
		ends, err := end(a.t, a.b, a.topic)
		if err != nil {
			return err
		}
		commits, err := committed(a.t, a.b, a.group, a.topic)
		if err != nil {
			last = err.Error()
			continue
		}
		a.mu.Lock()
		wrong, missing, uncommitted := a.wrong, 0, int64(0)
		for p, e := range ends {
			for o := range e {
				if !a.seen[p][o] {
					missing++
				}
			}
			uncommitted += e - commits[p]
		}
		if wrong == nil && missing == 0 && uncommitted == 0 {
			a.floor = commits
		}
		a.mu.Unlock()
		if wrong != nil {
			return wrong
		}
		if missing == 0 && uncommitted == 0 {
			return nil
		}
		last = fmt.Sprintf("%d of %d records have not come, %d are not committed", missing, sum(ends), uncommitted)
	}
	return fmt.Errorf("after %s: %s", deliverWithin, last)
}

// each checks that every member that is left gets a share of what is produced once the group is stable.
func (a *audience) each(first int) error {
	a.mu.Lock()
	before := map[*member]int{}
	for _, m := range a.members {
		before[m] = m.got
	}
	a.mu.Unlock()
	if err := fill(a.t, a.b, a.topic, "lz4", first, 20*a.partitions); err != nil {
		return err
	}
	if err := a.quiet(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, m := range a.members {
		if !m.gone && m.got == before[m] {
			return fmt.Errorf("member %d got none of the records that came when the group was stable", i+1)
		}
	}
	return nil
}

func grouping(protocol string) func(testing.TB, *harness.Broker, client) error {
	return func(t testing.TB, b *harness.Broker, c client) error {
		const partitions = 6
		a := newAudience(t, b, c, b.CreateTopic("group-"+protocol, partitions, nil), protocol, partitions)
		if err := fill(t, b, a.topic, "none", 0, records); err != nil {
			return err
		}
		join := func() error { _, err := a.join(); return err }
		changes := []struct {
			name string
			make func() error
		}{
			{"the first joins", join},
			{"the second joins", join},
			{"the third joins", join},
			{"the third leaves", func() error { return a.leave(a.members[2]) }},
			{"the second is killed", func() error { a.kill(a.members[1]); return nil }},
		}
		number := records
		for _, change := range changes {
			// Records come while the group changes, and once more when it has.
			loaded := make(chan error, 1)
			load := func() { loaded <- paced(t, b, a.topic, "none", number, records, 5*time.Millisecond) }
			if !c.forgetful {
				go load()
			}
			err := change.make()
			if c.forgetful {
				go load()
			}
			if err == nil {
				err = covered(t, b, a.group, a.topic, protocol, a.active(), partitions, rebalanceWithin)
			}
			if loading := <-loaded; err == nil {
				err = loading
			}
			if err == nil {
				err = a.each(number + records)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", change.name, err)
			}
			number += records + 20*partitions
		}
		t.Logf("%s: %d records, %d came twice, none of them committed before", c.name, number, a.doubles)
		return a.leave(a.members[0])
	}
}

func resuming(protocol string) func(testing.TB, *harness.Broker, client) error {
	return func(t testing.TB, b *harness.Broker, c client) error {
		const partitions = 3
		a := newAudience(t, b, c, b.CreateTopic("resume-"+protocol, partitions, nil), protocol, partitions)
		if err := fill(t, b, a.topic, "none", 0, records); err != nil {
			return err
		}
		first, err := a.join()
		if err != nil {
			return err
		}
		if err := a.quiet(); err != nil {
			return fmt.Errorf("before the kill: %w", err)
		}
		// A producer of the client's own writes across the kill.
		producer := start(t, c, b.Addr)
		if err := producer.send("produce", a.topic, "none", records, 2*records, 10); err != nil {
			return err
		}
		if err := reaches(t, b, a.topic, records+50); err != nil {
			return err
		}
		before, err := committed(t, b, a.group, a.topic)
		if err != nil {
			return err
		}
		a.mu.Lock()
		a.floor = before
		a.mu.Unlock()
		b.Restart()
		after, err := committed(t, b, a.group, a.topic)
		if err != nil {
			return err
		}
		for p, o := range before {
			if after[p] < o {
				return fmt.Errorf("partition %d: %d was committed before the kill, %d after", p, o, after[p])
			}
		}
		made, err := producer.finish("produce across the kill")
		if err != nil {
			return err
		}
		if len(made.acks)+made.unacked != 2*records || len(made.acks) < records {
			return fmt.Errorf("across the kill %d records were acknowledged and %d refused, of %d", len(made.acks), made.unacked, 2*records)
		}
		log, err := readLog(t, b, a.topic)
		if err != nil {
			return err
		}
		if err := log.holds(made.acks); err != nil {
			return err
		}
		if err := a.quiet(); err != nil {
			return fmt.Errorf("the member that lived through the kill: %w", err)
		}
		if err := a.leave(first); err != nil {
			return err
		}
		// What comes while nobody reads goes to a new member, which must begin at the commits.
		if err := fill(t, b, a.topic, "none", 3*records, records); err != nil {
			return err
		}
		second, err := a.join()
		if err != nil {
			return err
		}
		if err := a.quiet(); err != nil {
			return fmt.Errorf("the member that came after the kill: %w", err)
		}
		t.Logf("%s: %d acknowledged across the kill, %d refused; %d came twice, none of them committed before", c.name, len(made.acks), made.unacked, a.doubles)
		if second.got != records {
			return fmt.Errorf("the member that came after the kill got %d records, want the %d after the commits", second.got, records)
		}
		return a.leave(second)
	}
}

// reaches waits until a topic holds this many records.
func reaches(t testing.TB, b *harness.Broker, topic string, count int64) error {
	for deadline := time.Now().Add(deliverWithin); time.Now().Before(deadline); pause() {
		ends, err := end(t, b, topic)
		if err != nil {
			return err
		}
		if sum(ends) >= count {
			return nil
		}
	}
	return fmt.Errorf("the topic does not reach %d records in %s", count, deliverWithin)
}

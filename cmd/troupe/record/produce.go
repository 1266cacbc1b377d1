package record

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// lineMax bounds a line of input, bytes.
const lineMax = 64 << 20

type producer struct {
	cli.Client
	out          cli.Output
	keySeparator string
	key          string
	headers      []string
	rate         float64
	partition    int32
	acks         string
	compression  string
	idempotent   bool
	tombstones   bool
	createTopic  bool
	batchBytes   int32
	quiet        bool
	file         string
}

// NewProduce makes `troupe produce`.
func NewProduce() *cobra.Command {
	p := &producer{}
	cmd := &cobra.Command{Use: "produce TOPIC", Short: "Send lines as records", Args: cli.Args(cobra.ExactArgs(1)),
		Long: `Send lines from standard input as records, and print what the broker acknowledged.

An interrupt ends the reading; what was read is still delivered, and the exit code is 130. -o json prints an object for each record
(topic, partition, offset, timestamp_ms, line) besides the summary on standard error.`,
		Example: `  echo hello | troupe produce greetings
  printf 'k1:v1\nk2:v2\n' | troupe produce greetings --key-separator :
  seq 1000 | troupe produce numbers --rate 100 --compression zstd -H source=seq
  troupe produce orders --file orders.txt`,
		ValidArgsFunction: p.TopicNames(1),
		RunE:              func(cmd *cobra.Command, a []string) error { return p.run(cmd, a[0]) }}
	p.Client.Flags(cmd)
	p.out.Flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&p.keySeparator, "key-separator", "K", "", "what stands between key and value in a line; without it the whole line is the value")
	f.StringVarP(&p.file, "file", "i", "", "read this file instead of standard input")
	f.StringVarP(&p.key, "key", "k", "", "the key of every record")
	f.StringArrayVarP(&p.headers, "header", "H", nil, "NAME=VALUE header of every record (repeatable)")
	f.Float64Var(&p.rate, "rate", 0, "records a second; 0 is as fast as it goes")
	f.Int32VarP(&p.partition, "partition", "p", -1, "the partition of every record; -1 lets the key decide")
	cli.ChoiceVar(cmd, &p.acks, "acks", "", "all", []string{"0", "1", "all"}, "who must have the record before it counts as sent: 0, 1 or all")
	cli.ChoiceVar(cmd, &p.compression, "compression", "z", "none", []string{"none", "gzip", "snappy", "lz4", "zstd"}, "codec of the batches: none, gzip, snappy, lz4 or zstd")
	f.BoolVar(&p.idempotent, "idempotent", true, "let the broker drop duplicates of retries (needs --acks all; off with other acks)")
	f.BoolVar(&p.tombstones, "tombstones", false, "send an empty value as null, which deletes the key from a compacted topic")
	f.BoolVar(&p.createTopic, "create-topic", false, "create a topic that does not exist, with the broker's defaults, if the broker allows that")
	f.Int32Var(&p.batchBytes, "batch-max-bytes", 1_000_012, "the largest batch, before compression, bytes")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "no summary and no progress on standard error")
	return cmd
}

func (p *producer) options(cmd *cobra.Command, topic string) ([]kgo.Opt, []kgo.RecordHeader, error) {
	opts := []kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.RecordDeliveryTimeout(p.Timeout), kgo.ProducerBatchMaxBytes(p.batchBytes),
		kgo.ProducerBatchCompression(map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
			"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[p.compression])}
	if p.createTopic {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	if p.batchBytes > 100<<20 {
		opts = append(opts, kgo.BrokerMaxWriteBytes(p.batchBytes))
	}
	if p.acks != "all" {
		if p.idempotent && cmd.Flags().Changed("idempotent") {
			return nil, nil, cli.Usagef("idempotent: not allowed with --acks %s; allowed: --acks all", p.acks)
		}
		p.idempotent = false
	}
	opts = append(opts, kgo.RequiredAcks(map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[p.acks]))
	if !p.idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if p.partition >= 0 {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	if p.rate < 0 {
		return nil, nil, cli.Usagef("rate: %v is not allowed; allowed: a number from 0", p.rate)
	}
	if p.key != "" && p.keySeparator != "" {
		return nil, nil, cli.Usagef("key: not allowed with --key-separator")
	}
	var headers []kgo.RecordHeader
	for _, h := range p.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, nil, cli.Usagef("header: %q is not allowed; allowed: NAME=VALUE", h)
		}
		headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return opts, headers, nil
}

// record makes a record of one line.
func (p *producer) record(line []byte, number int, headers []kgo.RecordHeader) (*kgo.Record, error) {
	r := &kgo.Record{Headers: headers, Partition: max(p.partition, 0)}
	text := string(line)
	if p.key != "" {
		r.Key = []byte(p.key)
	}
	if p.keySeparator != "" {
		key, value, ok := strings.Cut(text, p.keySeparator)
		if !ok {
			return nil, fmt.Errorf("line %d has no key separator %q", number, p.keySeparator)
		}
		r.Key, text = []byte(key), value
	}
	if text != "" || !p.tombstones {
		r.Value = []byte(text)
	}
	return r, nil
}

// receipts counts what the broker acknowledged. Its callbacks come from the client's goroutines.
type receipts struct {
	mu          sync.Mutex
	acked       int64
	bytes       int64           // of keys and values that were acknowledged
	first, last map[int32]int64 // offsets by partition
	failed      error           // the first failure
	failedLine  int
	enc         *json.Encoder
}

func (r *receipts) add(line int, rec *kgo.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.failed == nil {
			r.failed, r.failedLine = err, line
		}
		return
	}
	r.acked++
	r.bytes += int64(len(rec.Key) + len(rec.Value))
	if o, ok := r.first[rec.Partition]; !ok || rec.Offset < o {
		r.first[rec.Partition] = rec.Offset
	}
	r.last[rec.Partition] = max(r.last[rec.Partition], rec.Offset)
	if r.enc != nil {
		_ = r.enc.Encode(map[string]any{"topic": rec.Topic, "partition": rec.Partition, "offset": rec.Offset, "timestamp_ms": rec.Timestamp.UnixMilli(), "line": line})
	}
}

func (r *receipts) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (p *producer) run(cmd *cobra.Command, topic string) error {
	opts, headers, err := p.options(cmd, topic)
	if err != nil {
		return err
	}
	ctx, stop := cli.Interruptible(cmd)
	defer stop()
	in, err := p.open(cmd)
	if err != nil {
		return err
	}
	defer in.Close()
	cl, err := p.Connect(ctx, opts...)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	defer cl.Close()
	got := &receipts{first: map[int32]int64{}, last: map[int32]int64{}}
	w := bufio.NewWriter(cmd.OutOrStdout())
	if p.out.JSON() {
		got.enc = json.NewEncoder(w)
	}
	began := time.Now()
	line := p.live(cmd, in, got)
	defer line.Stop()
	readErr := p.send(ctx, cl, in, headers, got)
	if readErr == nil && ctx.Err() != nil {
		readErr = cli.ErrInterrupted
	}
	// An interrupt ends the reading; what was read is still delivered.
	if err := cl.Flush(context.WithoutCancel(ctx)); err != nil && readErr == nil {
		readErr = err
	}
	took := time.Since(began)
	line.Stop()
	got.mu.Lock()
	defer got.mu.Unlock()
	if err := w.Flush(); err != nil {
		return err
	}
	if !p.quiet {
		fmt.Fprintln(cmd.ErrOrStderr(), got.summary(topic, p.acks, took))
	}
	if got.failed != nil {
		return cli.Explain(fmt.Sprintf("produce line %d to %s", got.failedLine, topic), got.failed, "")
	}
	return readErr
}

func (r *receipts) summary(topic, acks string, took time.Duration) string {
	verb := "acknowledged"
	if acks == "0" {
		verb = "sent (acks=0: nothing is acknowledged)"
	}
	s := fmt.Sprintf("%s %s in %s", cli.Plural(r.acked, "record"), verb, took.Round(time.Millisecond))
	if acks == "0" || len(r.last) == 0 {
		return s
	}
	parts := make([]int, 0, len(r.last))
	for p := range r.last {
		parts = append(parts, int(p))
	}
	sort.Ints(parts)
	const shownMax = 8
	for i, p := range parts {
		if i == shownMax {
			return s + fmt.Sprintf(", and %s more", cli.Plural(len(parts)-shownMax, "partition"))
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		s += fmt.Sprintf("%s%s-%d offsets %d–%d", sep, topic, p, r.first[int32(p)], r.last[int32(p)])
	}
	return s
}

// Command go is the glue between the interop matrix and the Go clients: go CLIENT HOST:PORT. It reads commands from standard
// input and answers on standard output, as ../README.md tells; each client's file holds only its calls.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client is what every client must do. Calls report each record as it is acknowledged or comes; produce waits for every
// acknowledgement; member returns when the context ends and it has left the group.
type client interface {
	create(topic string, partitions int) error
	produce(topic, codec string, records []record, pace time.Duration) error
	consume(topic string, count int) error
	member(ctx context.Context, group, topic, protocol string) error
}

// record is one numbered record: its key and value are functions of the number.
type record struct {
	n          int
	key, value string
}

var (
	out     sync.Mutex
	modules = map[string]string{"franz-go": "github.com/twmb/franz-go", "sarama": "github.com/IBM/sarama",
		"kafka-go": "github.com/segmentio/kafka-go", "confluent-kafka-go": "github.com/confluentinc/confluent-kafka-go/v2"}
)

func say(format string, args ...any) {
	out.Lock()
	defer out.Unlock()
	fmt.Printf(format+"\n", args...)
}

func acked(n int, partition int32, offset int64) { say("acked %d %d %d", n, partition, offset) }

func unacked(n int, err error) { say("unacked %d %s", n, oneLine(err)) }

func got(partition int32, offset int64, key, value []byte) {
	say("record %d %d %s %s", partition, offset, key, value)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

func main() {
	name, addr := os.Args[1], os.Args[2]
	c := map[string]client{"franz-go": franz{addr}, "sarama": saramaClient{addr}, "kafka-go": segmentio{addr}, "confluent-kafka-go": confluent{addr}}[name]
	say("version %s", version(modules[name]))
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := run(c, in, strings.Fields(in.Text())); err != nil {
			say("failed %s", oneLine(err))
		} else {
			say("done")
		}
	}
}

func run(c client, in *bufio.Scanner, args []string) error {
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	switch args[0] {
	case "create":
		return c.create(args[1], number(2))
	case "produce":
		records := make([]record, number(4))
		for i := range records {
			n := number(3) + i
			records[i] = record{n, fmt.Sprintf("key-%d", n), fmt.Sprintf("value-%d-%s", n, strings.Repeat("x", 100))}
		}
		return c.produce(args[1], args[2], records, time.Duration(number(5))*time.Millisecond)
	case "consume":
		return c.consume(args[1], number(2))
	case "member":
		ctx, leave := context.WithCancel(context.Background())
		go func() {
			// The next line, or the end of the input, says that the member is to leave.
			in.Scan()
			leave()
		}()
		return c.member(ctx, args[1], args[2], args[3])
	}
	return fmt.Errorf("command %q: %w", args[0], io.ErrUnexpectedEOF)
}

// version is the version of a module that this binary was built with.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "unknown"
}

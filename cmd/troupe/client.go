package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// This file owns how client commands reach a broker, and what they say when they cannot.

const (
	defaultBootstrap = "127.0.0.1:9092"
	defaultAdminAddr = "127.0.0.1:9644"
	dialTimeout      = 3 * time.Second
)

// client is the flags of every command that speaks Kafka.
type client struct {
	bootstrap string
	timeout   time.Duration
}

func (c *client) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.bootstrap, "bootstrap", "b", envOr("TROUPE_BOOTSTRAP", defaultBootstrap), "brokers to ask first, HOST:PORT,… (environment: TROUPE_BOOTSTRAP)")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 15*time.Second, "how long a request may take")
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// connect makes a Kafka client and makes sure that a broker answers: the library would otherwise try for minutes in silence.
func (c *client) connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	seeds := strings.FieldsFunc(c.bootstrap, func(r rune) bool { return r == ',' || r == ' ' })
	if len(seeds) == 0 {
		return nil, usagef("bootstrap: %q is not allowed; allowed: HOST:PORT,…", c.bootstrap)
	}
	var failures []string
	for i, seed := range seeds {
		if !strings.Contains(seed, ":") {
			seeds[i] = seed + ":9092"
		}
		err := tryDial(ctx, seeds[i])
		if err == nil {
			failures = nil
			break
		}
		failures = append(failures, fmt.Sprintf("%s (%v)", seeds[i], reason(err)))
	}
	if failures != nil {
		return nil, fmt.Errorf("no broker answers at %s. Is it running? `troupe serve` starts one; --bootstrap HOST:PORT names another", strings.Join(failures, ", "))
	}
	opts = append([]kgo.Opt{kgo.SeedBrokers(seeds...), kgo.ClientID("troupe-cli"), kgo.SoftwareNameAndVersion("troupe", cliVersion()),
		kgo.DialTimeout(dialTimeout), kgo.RetryTimeout(c.timeout)}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, usageError{err}
	}
	pingCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := cl.Ping(pingCtx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("something listens at %s, but it does not answer as a Kafka broker: %w", c.bootstrap, err)
	}
	return cl, nil
}

// cliVersion is the version without characters that ApiVersions does not allow (KIP-511).
func cliVersion() string {
	v := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, buildVersion())
	return strings.Trim(v, ".-")
}

func tryDial(ctx context.Context, addr string) error {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// reason is the last, most telling part of a network error.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}

// admin is connect for commands that ask and are done.
func (c *client) admin(ctx context.Context) (*kadm.Client, context.Context, func(), error) {
	cl, err := c.connect(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	adm := kadm.NewClient(cl)
	adm.SetTimeoutMillis(int32(min(c.timeout.Milliseconds(), 1<<31-1)))
	return adm, ctx, func() { cancel(); cl.Close() }, nil
}

// explain turns a Kafka error into a sentence that says what to do, where that is known.
func explain(what string, err error, message string) error {
	if err == nil {
		return nil
	}
	advice := ""
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		advice = "see `troupe topic list`, or create it with `troupe topic create`"
	case errors.Is(err, kerr.TopicAlreadyExists):
		advice = "use it as it is, or change it with `troupe topic alter`"
	case errors.Is(err, kerr.InvalidReplicationFactor):
		advice = "--replication-factor must not exceed the number of brokers"
	case errors.Is(err, kerr.KafkaStorageError):
		advice = "the broker's disk is full or has failed; its log tells more"
	case errors.Is(err, context.DeadlineExceeded):
		advice = "the broker did not answer in time; --timeout allows more"
	}
	var ke *kerr.Error
	text := err.Error()
	if errors.As(err, &ke) {
		text = ke.Message
		if message != "" {
			text += ": " + message
		}
	}
	if advice != "" {
		text += "; " + advice
	}
	return fmt.Errorf("%s: %s", what, text)
}

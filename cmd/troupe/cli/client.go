package cli

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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns how client commands reach a broker. The library alone would try for minutes in silence, so each way of not
// being reached is looked for first and told within a few seconds: nobody there, no Kafka there, an advertised address
// that leads nowhere.

// DefaultBootstrap is where a broker listens by default.
const DefaultBootstrap = "127.0.0.1:9092"

const (
	defaultPort  = "9092"
	dialTimeout  = 3 * time.Second
	helloTimeout = 5 * time.Second
)

// Version is shown to brokers (KIP-511). main sets it.
var Version = "dev"

// Client is the flags of every command that speaks Kafka.
type Client struct {
	Bootstrap string
	Timeout   time.Duration
}

// Flags adds --bootstrap and --timeout to cmd.
func (c *Client) Flags(cmd *cobra.Command) {
	c.BootstrapFlag(cmd)
	cmd.Flags().DurationVar(&c.Timeout, "timeout", 15*time.Second, "how long a request may take")
}

// BootstrapFlag adds --bootstrap alone, for commands with time-outs of their own.
func (c *Client) BootstrapFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.Bootstrap, "bootstrap", "b", EnvOr("TROUPE_BOOTSTRAP", DefaultBootstrap), "brokers to ask first, HOST:PORT,… (environment: TROUPE_BOOTSTRAP)")
}

// Seeds are the addresses to ask first, each with a port. An error is a UsageError.
func (c *Client) Seeds() ([]string, error) {
	seeds := strings.FieldsFunc(c.Bootstrap, func(r rune) bool { return r == ',' || r == ' ' })
	if len(seeds) == 0 {
		return nil, Usagef("bootstrap: %q is not allowed; allowed: HOST:PORT,…", c.Bootstrap)
	}
	for i, seed := range seeds {
		if _, _, err := net.SplitHostPort(seed); err != nil {
			seeds[i] = net.JoinHostPort(strings.Trim(seed, "[]"), defaultPort)
		}
		if host, port, err := net.SplitHostPort(seeds[i]); err != nil || host == "" || port == "" || strings.ContainsAny(host, "/") {
			return nil, Usagef("bootstrap: %q is not allowed; allowed: HOST:PORT,…", seed)
		}
	}
	return seeds, nil
}

func (c *Client) options(seeds []string, more []kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(seeds...), kgo.ClientID("troupe-cli"), kgo.SoftwareNameAndVersion("troupe", softwareVersion()),
		kgo.DialTimeout(dialTimeout), kgo.RetryTimeout(c.Timeout)}, more...)
}

// Connect makes a Kafka client and makes sure that a broker answers.
func (c *Client) Connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	if c.Timeout <= 0 {
		return nil, Usagef("timeout: %s is not allowed; allowed: a span from 1ms, such as 15s", c.Timeout)
	}
	seeds, err := c.Seeds()
	if err != nil {
		return nil, err
	}
	if failures := dialAny(ctx, seeds); len(failures) > 0 {
		return nil, fmt.Errorf("no broker answers at %s. Is it running? `troupe serve` starts one; --bootstrap HOST:PORT names another", strings.Join(failures, ", "))
	}
	cl, err := kgo.NewClient(c.options(seeds, opts)...)
	if err != nil {
		return nil, UsageError{err}
	}
	// While the library waits for the first answer on a connection it does not look at the context.
	said := make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, min(c.Timeout, helloTimeout))
	defer cancel()
	go func() { said <- c.hello(ctx, cl, seeds) }()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = c.notKafka(ctx.Err())
	}
	if err != nil {
		go cl.Close()
		return nil, err
	}
	return cl, nil
}

// Reach makes sure that a broker answers, as Connect does, for commands that then speak to brokers in their own way.
func (c *Client) Reach(ctx context.Context) error {
	cl, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	cl.Close()
	return nil
}

// notKafka says that whoever listens there has not answered as a broker does.
func (c *Client) notKafka(err error) error {
	how := fmt.Sprintf("does not answer as a Kafka broker (%v)", err)
	if errors.Is(err, context.DeadlineExceeded) {
		how = fmt.Sprintf("did not answer as a Kafka broker within %s", min(c.Timeout, helloTimeout))
	}
	return fmt.Errorf("something listens at %s, but %s. Is that the broker's Kafka address (kafka-addr), not another port?", c.Bootstrap, how)
}

// hello asks who the brokers are, and that one of them can be reached where it says it is.
func (c *Client) hello(ctx context.Context, cl *kgo.Client, seeds []string) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none: only the brokers
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return c.notKafka(err)
	}
	var advertised []string
	for _, b := range resp.Brokers {
		addr := net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
		for _, seed := range seeds {
			if seed == addr {
				return nil
			}
		}
		advertised = append(advertised, addr)
	}
	if failures := dialAny(ctx, advertised); len(failures) > 0 {
		return fmt.Errorf("the broker at %s tells clients to connect to %s, where nobody answers. Set the broker's advertised-addr to an address that reaches it from here",
			c.Bootstrap, strings.Join(failures, ", "))
	}
	return nil
}

// softwareVersion is the version without characters that ApiVersions does not allow (KIP-511).
func softwareVersion() string {
	v := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, Version)
	return strings.Trim(v, ".-")
}

// dialAny dials all addresses at the same time. It returns nothing if one answers (or there are none), else why each does not.
func dialAny(ctx context.Context, addrs []string) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		i   int
		err error
	}
	results := make(chan result, len(addrs))
	for i, addr := range addrs {
		go func() {
			d := net.Dialer{Timeout: dialTimeout}
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				_ = conn.Close()
			}
			results <- result{i, err}
		}()
	}
	failures := make([]string, len(addrs))
	for range addrs {
		r := <-results
		if r.err == nil {
			return nil
		}
		failures[r.i] = fmt.Sprintf("%s (%v)", addrs[r.i], reason(r.err))
	}
	return failures
}

// reason is the last, most telling part of a network error.
func reason(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New(dns.Err + " " + dns.Name)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Timeout() {
			return fmt.Errorf("no answer within %s", dialTimeout)
		}
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}

// Conn is a connected client: kadm's questions, and the client itself for those that kadm does not know.
type Conn struct {
	*kadm.Client
	Kafka *kgo.Client

	signals context.Context // ends with the first signal
	timeout time.Duration
}

// Request is a context for one request of a command that makes many: it has --timeout to itself.
func (c *Conn) Request() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.signals, c.timeout)
}

// Admin is Connect for commands that ask and are done. The context ends with --timeout, or with the first signal; done releases
// everything.
func (c *Client) Admin(cmd *cobra.Command, opts ...kgo.Opt) (conn *Conn, ctx context.Context, done func(), err error) {
	ctx, stop := Interruptible(cmd)
	cl, err := c.Connect(ctx, opts...)
	if err != nil {
		defer stop()
		return nil, nil, nil, Interrupted(ctx, err)
	}
	adm := kadm.NewClient(cl)
	adm.SetTimeoutMillis(int32(min(c.Timeout.Milliseconds(), 1<<31-1)))
	conn = &Conn{adm, cl, ctx, c.Timeout}
	ctx, cancel := conn.Request()
	return conn, ctx, func() { cancel(); stop(); cl.Close() }, nil
}

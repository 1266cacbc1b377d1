// Package kfakeshim stands in for franz-go's fake cluster (kfake): it has the part of kfake's API that the client integration tests
// ported from Apache Kafka use, and serves it from a real broker. Every NewCluster starts a broker of its own, behind a proxy that
// lets a test watch or answer requests, as kfake does.
//
// $CONFORMANCE_BROKER is the binary. A test's broker configurations become flags of the same names; cluster sizes are ignored:
// there is one broker.
package kfakeshim

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startWithin bounds how long a broker may take to answer, and how long to stop.
const startWithin = 20 * time.Second

type config struct {
	flags map[string]string
	seeds []seed
}

type seed struct {
	partitions int32
	topics     []string
}

// Opt is an option of NewCluster.
type Opt func(*config)

// NumBrokers is accepted and ignored.
func NumBrokers(int) Opt { return func(*config) {} }

// BrokerConfigs sets broker configurations by Kafka's names.
func BrokerConfigs(configs map[string]string) Opt {
	return func(c *config) {
		for k, v := range configs {
			c.flags[k] = v
			if k == "group.max.size" { // kfake's is for both protocols
				c.flags["group.consumer.max.size"] = v
			}
		}
	}
}

// SeedTopics creates topics with a number of partitions before NewCluster returns.
func SeedTopics(partitions int32, topics ...string) Opt {
	return func(c *config) { c.seeds = append(c.seeds, seed{partitions, topics}) }
}

// Cluster is one running broker.
type Cluster struct {
	proxy *proxy
	cmd   *exec.Cmd
	ended chan struct{}
	dir   string
	cl    *kgo.Client
	adm   *kadm.Client
	once  sync.Once
}

// NewCluster starts a broker and creates the seed topics. Its defaults are kfake's and those of Kafka's own integration tests: topics
// are not created by asking for them, a topic created without a number has 10 partitions, a new group is not kept waiting.
func NewCluster(opts ...Opt) (*Cluster, error) {
	cfg := config{flags: map[string]string{"auto.create.topics.enable": "false", "num.partitions": "10", "group.initial.rebalance.delay.ms": "0",
		// What the tests choose lies below Kafka's lower bounds.
		"group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.min.session.timeout.ms": "1000"}}
	for _, o := range opts {
		o(&cfg)
	}
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, ended: make(chan struct{})}
	if err := c.start(cfg); err != nil {
		close(c.ended)
		c.Close()
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	if err := c.seed(cfg.seeds); err != nil {
		log, _ := os.ReadFile(c.log())
		c.Close()
		return nil, fmt.Errorf("%w\nthe broker's log:\n%s", err, log)
	}
	return c, nil
}

func (c *Cluster) log() string { return filepath.Join(c.dir, "log") }

func (c *Cluster) start(cfg config) error {
	upstream, err := freeAddr()
	if err != nil {
		return err
	}
	if c.proxy, err = listen(upstream); err != nil {
		return err
	}
	args := []string{"serve", "--data-dir", filepath.Join(c.dir, "data"), "--kafka-addr", upstream, "--advertised-addr", c.proxy.addr(), "--admin-addr", "off"}
	for k, v := range cfg.flags {
		args = append(args, "--"+k, v)
		if k == "auto.create.topics.enable" {
			args = append(args[:len(args)-2], "--"+k+"="+v)
		}
	}
	log, err := os.Create(c.log())
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command(os.Getenv("CONFORMANCE_BROKER"), args...)
	c.cmd.Stderr = log
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	return nil
}

// seed creates the topics as soon as the broker answers.
func (c *Cluster) seed(seeds []seed) error {
	var err error
	if c.cl, err = kgo.NewClient(kgo.SeedBrokers(c.proxy.addr())); err != nil {
		return err
	}
	c.adm = kadm.NewClient(c.cl)
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		if err := c.cl.Ping(ctx); err == nil {
			break
		} else if ctx.Err() != nil {
			return fmt.Errorf("the broker does not answer within %s: %w", startWithin, err)
		}
		select {
		case <-c.ended:
			return fmt.Errorf("the broker ended by itself: %v", c.cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
	}
	// A group's first question makes the topic that holds the groups; in kfake they are just there.
	for c.adm.FindGroupCoordinators(ctx, "any").Error() != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no group coordinator within %s", startWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
	for _, s := range seeds {
		created, err := c.adm.CreateTopics(ctx, s.partitions, 1, nil, s.topics...)
		if err == nil {
			err = created.Error()
		}
		if err != nil {
			return fmt.Errorf("create topics %v: %w", s.topics, err)
		}
	}
	return nil
}

// ListenAddrs is where clients connect to.
func (c *Cluster) ListenAddrs() []string { return []string{c.proxy.addr()} }

// Close stops the broker and removes its data. A broker whose log tells of a panic ends the whole test run.
func (c *Cluster) Close() {
	c.once.Do(func() {
		if c.cl != nil {
			c.cl.Close()
		}
		if c.cmd != nil && c.cmd.Process != nil {
			_ = c.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-c.ended:
			case <-time.After(startWithin):
				_ = c.cmd.Process.Kill()
				<-c.ended
			}
		}
		if c.proxy != nil {
			c.proxy.close()
		}
		log, _ := os.ReadFile(c.log())
		if strings.Contains(string(log), "panicked") {
			panic("an actor of the broker panicked:\n" + string(log))
		}
		_ = os.RemoveAll(c.dir)
	})
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(0)))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

package wire

// This file owns what is known of the cluster: where the brokers are and who leads the partitions of one topic. Invariant: a View is
// never changed, only replaced; at most one Refresh runs at a time.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The newest versions that the native client speaks: the last that name topics by name.
const (
	MetadataVersion = 9
	ProduceVersion  = 12
	FetchVersion    = 12
)

// View is the cluster at some moment.
type View struct {
	Brokers map[int32]string // node id → HOST:PORT
	Leaders []int32          // by partition; -1 if it has none
}

// Addr is where the leader of a partition is; false if it has none.
func (v *View) Addr(partition int32) (node int32, addr string, ok bool) {
	if v == nil || int(partition) >= len(v.Leaders) {
		return -1, "", false
	}
	node = v.Leaders[partition]
	addr, ok = v.Brokers[node]
	return node, addr, ok
}

// Cluster follows one topic.
type Cluster struct {
	seeds []string
	topic string
	view  atomic.Pointer[View]

	mu    sync.Mutex
	conn  *Conn // where metadata is asked
	asked time.Time
}

// refreshMin is the least time between two metadata requests.
const refreshMin = 50 * time.Millisecond

// NewCluster follows topic on the brokers that the seeds name.
func NewCluster(seeds []string, topic string) *Cluster { return &Cluster{seeds: seeds, topic: topic} }

// View is what is known; nil before the first Refresh.
func (c *Cluster) View() *View { return c.view.Load() }

// Topic is the topic's name.
func (c *Cluster) Topic() string { return c.topic }

// Refresh asks a broker, any that answers, who leads. Calls at the same time wait for each other and share an answer.
func (c *Cluster) Refresh(ctx context.Context) (*View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.View(); v != nil && time.Since(c.asked) < refreshMin {
		return v, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(c.topic)
	req.Topics = append(req.Topics, t)
	resp, err := c.ask(ctx, req, MetadataVersion)
	c.asked = time.Now()
	if err != nil {
		return nil, err
	}
	m := resp.(*kmsg.MetadataResponse)
	v := &View{Brokers: map[int32]string{}}
	for _, b := range m.Brokers {
		v.Brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	if len(m.Topics) != 1 {
		return nil, fmt.Errorf("metadata of topic %s: the broker answered for %d topics", c.topic, len(m.Topics))
	}
	if code := m.Topics[0].ErrorCode; code != 0 && len(m.Topics[0].Partitions) == 0 {
		return nil, fmt.Errorf("metadata of topic %s: %w", c.topic, kerr.ErrorForCode(code))
	}
	for _, p := range m.Topics[0].Partitions {
		const partitionsMax = 1 << 20
		if p.Partition < 0 || p.Partition >= partitionsMax {
			return nil, fmt.Errorf("metadata of topic %s: partition %d", c.topic, p.Partition)
		}
		for len(v.Leaders) <= int(p.Partition) {
			v.Leaders = append(v.Leaders, -1)
		}
		v.Leaders[p.Partition] = p.Leader
	}
	c.view.Store(v)
	return v, nil
}

// Ask sends one request to any broker that answers.
func (c *Cluster) Ask(ctx context.Context, req kmsg.Request, newest int16) (kmsg.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ask(ctx, req, newest)
}

func (c *Cluster) ask(ctx context.Context, req kmsg.Request, newest int16) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var errs []error
	for _, addr := range c.addrs() {
		if c.conn != nil && c.conn.Addr != addr {
			continue // the one that is there comes first; without it, all in turn
		}
		if c.conn == nil {
			conn, err := Dial(ctx, addr)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			c.conn = conn
		}
		resp, err := c.conn.Ask(ctx, req, newest)
		if err == nil {
			return resp, nil
		}
		c.conn.Close(ErrClosed)
		c.conn = nil
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// addrs is where to ask: the broker that is connected, then all that are known.
func (c *Cluster) addrs() []string {
	var list []string
	seen := map[string]bool{}
	add := func(a string) {
		if !seen[a] {
			seen[a] = true
			list = append(list, a)
		}
	}
	if c.conn != nil {
		add(c.conn.Addr)
	}
	var known []string
	if v := c.View(); v != nil {
		for _, a := range v.Brokers {
			known = append(known, a)
		}
		sort.Strings(known)
	}
	for _, a := range known {
		add(a)
	}
	for _, a := range c.seeds {
		add(a)
	}
	return list
}

// Close ends the connection for metadata.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close(ErrClosed)
		c.conn = nil
	}
}

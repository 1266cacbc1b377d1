package groupload

// This file owns a member of a group on the wire: one connection, which joins, syncs, and then sends prebuilt requests.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	joinTimeout      = time.Minute
	sessionTimeoutMs = 45_000 // the default of Kafka's clients
)

// member is one member of one group. Not safe for concurrent use, save that one goroutine may write while another reads.
type member struct {
	conn        net.Conn
	answers     *bufio.Reader // of conn
	correlation int32

	group, topic string
	id           string
	generation   int32
	buf          []byte
}

func dial(addr, group, topic string) (*member, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &member{conn: c, answers: bufio.NewReader(c), group: group, topic: topic, buf: make([]byte, 0, 512)}, nil
}

// frame builds a request with the next correlation id.
func (m *member) frame(req kmsg.Request, version int16) []byte {
	req.SetVersion(version)
	m.correlation++
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("groupload")).AppendRequest(nil, req, m.correlation)
}

// read reads one answer: the bytes behind the correlation id. They are valid until the next read.
func (m *member) read() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(m.answers, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > 1<<24 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	if cap(m.buf) < n {
		m.buf = make([]byte, n)
	}
	m.buf = m.buf[:n]
	_, err := io.ReadFull(m.answers, m.buf)
	return m.buf, err
}

// ask sends a request and reads its answer into resp.
func (m *member) ask(req kmsg.Request, version int16, resp kmsg.Response) error {
	if _, err := m.conn.Write(m.frame(req, version)); err != nil {
		return err
	}
	raw, err := m.read()
	if err != nil {
		return fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	resp.SetVersion(version)
	if resp.IsFlexible() {
		raw = raw[1:]
	}
	return resp.ReadFrom(raw)
}

// join makes m a member of its group's next generation.
func (m *member) join() error {
	_ = m.conn.SetDeadline(time.Now().Add(joinTimeout))
	defer m.conn.SetDeadline(time.Time{})
	for {
		req, resp := kmsg.NewPtrJoinGroupRequest(), kmsg.NewPtrJoinGroupResponse()
		req.Group, req.MemberID, req.ProtocolType = m.group, m.id, "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = sessionTimeoutMs, 300_000
		meta := kmsg.NewConsumerMemberMetadata()
		meta.Topics = []string{m.topic}
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: meta.AppendTo(nil)}}
		if err := m.ask(req, 5, resp); err != nil {
			return err
		}
		switch err := kerr.ErrorForCode(resp.ErrorCode); {
		case err == nil:
		case errors.Is(err, kerr.MemberIDRequired):
			m.id = resp.MemberID
			continue
		case kerr.IsRetriable(err):
			time.Sleep(20 * time.Millisecond)
			continue
		default:
			return fmt.Errorf("join: %w", err)
		}
		m.id, m.generation = resp.MemberID, resp.Generation
		sync, synced := kmsg.NewPtrSyncGroupRequest(), kmsg.NewPtrSyncGroupResponse()
		sync.Group, sync.MemberID, sync.Generation = m.group, m.id, m.generation
		for _, x := range resp.Members {
			a := kmsg.NewConsumerMemberAssignment()
			a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: m.topic, Partitions: []int32{0}}}
			sync.GroupAssignment = append(sync.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: x.MemberID, MemberAssignment: a.AppendTo(nil)})
		}
		if err := m.ask(sync, 3, synced); err != nil {
			return err
		}
		if synced.ErrorCode == kerr.RebalanceInProgress.Code {
			continue
		}
		return kerr.ErrorForCode(synced.ErrorCode)
	}
}

func (m *member) heartbeat() []byte {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	return m.frame(req, 3)
}

func (m *member) commit(partition int32, offset int64) []byte {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: m.topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{
		{Partition: partition, Offset: offset, LeaderEpoch: -1}}}}
	return m.frame(req, 7)
}

// joinAll joins members, so many at a time, and says when each is in.
func joinAll(members []*member, atOnce int) error {
	errs, room := make(chan error, len(members)), make(chan struct{}, atOnce)
	for _, m := range members {
		room <- struct{}{}
		go func() {
			errs <- m.join()
			<-room
		}()
	}
	for range members {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

package api

// This file owns fetch sessions (KIP-227): what a client fetches is remembered here, so that its next request names only what has
// changed, and the answer only what is new. Invariants:
//
//   - at most slots sessions, and sessionPartitionsMax partitions over all of them: a client that gets none is served without one;
//   - where all slots are taken, a new session gets that of one that has not been used for sessionIdleMs, else that of the smallest that is
//     older than that, if it is smaller than the new one: those who would lose most without a session keep theirs;
//   - a session's epoch goes up by one with each request that used it, from 1 on, and wraps from 2^31-1 to 1;
//   - the order of a session's partitions turns: one that gave records goes to the end, so that none starves behind the others.
//
// Sessions are shared by all connections, since a client may come back on another one, hence the mutex. It is held while a request is
// merged into its session or an answer's differences are taken, never while anything waits.

import (
	"container/heap"
	"container/list"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

const (
	// sessionIdleMs is how long a session must not have been used before any other may take its place, and how old it must be before a larger one may.
	sessionIdleMs = 120_000
	// sessionPartitionsMax bounds the partitions remembered for all sessions, about 200 bytes each.
	sessionPartitionsMax = 200_000

	sessionless  int32 = 0  // session id
	initialEpoch int32 = 0  // asks for a new session
	finalEpoch   int32 = -1 // wants none, and ends the one it names
)

// FetchSessions is the broker's cache of fetch sessions. Safe for concurrent use.
type FetchSessions struct {
	slots int
	// newID draws the id of a session; ids are not guessable by counting, and never 0.
	newID func() int32

	mu         sync.Mutex
	byID       map[int32]*fetchSession
	oldest     list.List // of *fetchSession, least recently used first
	yielding   yielding  // those older than sessionIdleMs when they were last used
	partitions int
}

// NewFetchSessions keeps at most slots sessions (max.incremental.fetch.session.cache.slots). random is the broker's source of randomness.
func NewFetchSessions(slots int, random func() uint64) *FetchSessions {
	return &FetchSessions{slots: slots, byID: map[int32]*fetchSession{}, newID: func() int32 { return 1 + int32(random()%(1<<31-1)) }}
}

// Len counts the sessions.
func (f *FetchSessions) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byID)
}

// Partitions counts the partitions of all sessions.
func (f *FetchSessions) Partitions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.partitions
}

// fetchKey names a partition as the client does: by name before v13, by id from then on.
type fetchKey struct {
	topic  string
	id     [16]byte
	number int32
}

// fetchSession is one client's session. FetchSessions.mu guards it.
type fetchSession struct {
	id       int32
	epoch    int32 // the one the next request must have
	byIDs    bool  // v13 and later
	madeMs   int64
	usedMs   int64
	place    *list.Element
	yields   int       // index in FetchSessions.yielding, -1: it is not there
	order    list.List // of *sessionPartition, in the order to serve
	elements map[fetchKey]*list.Element
}

// sessionPartition is what a session remembers of a partition.
type sessionPartition struct {
	fetchKey
	asked kmsg.FetchRequestTopicPartition
	// What the client was last told; -1: nothing, or an error.
	highWatermark, logStart int64
	met                     bool // it was in the metadata
}

// sessionUse is one request's use of the cache.
type sessionUse struct {
	cache       *FetchSessions
	id          int32 // what the answer says
	incremental bool  // the answer names only what is new
	code        protocol.ErrorCode
}

// open finds what a request asks for: parts in the order to serve, or a code to answer instead.
func (f *FetchSessions) open(req *kmsg.FetchRequest, nowMs int64) (use sessionUse, parts []fetchPart) {
	byIDs := req.Version >= 13
	if f == nil || req.Version < 7 {
		return sessionUse{}, requested(req)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	use.cache = f
	switch req.SessionEpoch {
	case finalEpoch, initialEpoch:
		if s := f.byID[req.SessionID]; s != nil {
			f.remove(s)
		}
		parts = requested(req)
		if req.SessionEpoch == initialEpoch {
			use.id = f.create(parts, byIDs, nowMs)
		}
		return use, parts
	}
	s := f.byID[req.SessionID]
	switch {
	case s == nil:
		use.code = protocol.ErrFetchSessionIDNotFound
	case s.epoch != req.SessionEpoch:
		use.code = protocol.ErrInvalidFetchSessionEpoch
	case s.byIDs != byIDs:
		use.code = protocol.ErrFetchSessionTopicIDError
	default:
		if !f.update(s, req) {
			use.code = protocol.ErrFetchSessionIDNotFound
			break
		}
		f.touch(s, nowMs)
		if s.order.Len() == 0 {
			f.remove(s)
			return use, requested(req)
		}
		use.id, use.incremental = s.id, true
		parts = make([]fetchPart, 0, s.order.Len())
		for e := s.order.Front(); e != nil; e = e.Next() {
			p := e.Value.(*sessionPartition)
			parts = append(parts, fetchPart{fetchKey: p.fetchKey, asked: p.asked, met: p.met})
		}
	}
	return use, parts
}

// requested lists what the request itself names. A partition that is named twice has the first's place and the last's offset.
func requested(req *kmsg.FetchRequest) []fetchPart {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts := make([]fetchPart, 0, n)
	var named firsts[fetchKey]
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			key := fetchKey{t.Topic, t.TopicID, t.Partitions[j].Partition}
			if at := named.add(key, n); at < len(parts) {
				parts[at].asked = t.Partitions[j]
			} else {
				parts = append(parts, fetchPart{fetchKey: key, asked: t.Partitions[j]})
			}
		}
	}
	return parts
}

// create makes a session for parts, if there is room; sessionless if not.
func (f *FetchSessions) create(parts []fetchPart, byIDs bool, nowMs int64) int32 {
	for len(f.byID) >= f.slots || f.partitions+len(parts) > sessionPartitionsMax {
		s := f.evictable(len(parts), nowMs)
		if s == nil {
			return sessionless
		}
		f.remove(s)
	}
	s := &fetchSession{id: f.newID(), epoch: 1, byIDs: byIDs, madeMs: nowMs, usedMs: nowMs, yields: -1, elements: make(map[fetchKey]*list.Element, len(parts))}
	for f.byID[s.id] != nil {
		s.id = f.newID()
	}
	for i := range parts {
		f.set(s, parts[i].fetchKey, parts[i].asked)
	}
	f.byID[s.id] = s
	s.place = f.oldest.PushBack(s)
	return s.id
}

// evictable is a session whose place one of so many partitions may take, nil if there is none.
func (f *FetchSessions) evictable(partitions int, nowMs int64) *fetchSession {
	if front := f.oldest.Front(); front != nil && nowMs-front.Value.(*fetchSession).usedMs > sessionIdleMs {
		return front.Value.(*fetchSession)
	}
	if len(f.yielding) == 0 {
		return nil
	}
	if size := f.yielding[0].order.Len(); size < partitions && f.partitions-size+partitions <= sessionPartitionsMax {
		return f.yielding[0]
	}
	return nil
}

// update merges an incremental request into its session (what it both names and forgets is forgotten); false if that would take more room than there is: then the session is gone.
func (f *FetchSessions) update(s *fetchSession, req *kmsg.FetchRequest) bool {
	for i := range req.Topics {
		t := &req.Topics[i]
		if f.partitions+len(t.Partitions) > sessionPartitionsMax {
			f.remove(s)
			return false
		}
		for j := range t.Partitions {
			f.set(s, fetchKey{t.Topic, t.TopicID, t.Partitions[j].Partition}, t.Partitions[j])
		}
	}
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, number := range t.Partitions {
			key := fetchKey{t.Topic, t.TopicID, number}
			if e := s.elements[key]; e != nil {
				s.order.Remove(e)
				delete(s.elements, key)
				f.partitions--
			}
		}
	}
	return true
}

func (f *FetchSessions) set(s *fetchSession, key fetchKey, asked kmsg.FetchRequestTopicPartition) {
	if e := s.elements[key]; e != nil {
		e.Value.(*sessionPartition).asked = asked
		return
	}
	s.elements[key] = s.order.PushBack(&sessionPartition{fetchKey: key, asked: asked, highWatermark: -1, logStart: -1})
	f.partitions++
}

func (f *FetchSessions) touch(s *fetchSession, nowMs int64) {
	s.usedMs = nowMs
	f.oldest.MoveToBack(s.place)
	if s.yields >= 0 {
		heap.Fix(&f.yielding, s.yields) // its size may have changed
	} else if nowMs-s.madeMs > sessionIdleMs {
		heap.Push(&f.yielding, s)
	}
	if s.epoch++; s.epoch <= 0 {
		s.epoch = 1
	}
}

func (f *FetchSessions) remove(s *fetchSession) {
	delete(f.byID, s.id)
	f.oldest.Remove(s.place)
	if s.yields >= 0 {
		heap.Remove(&f.yielding, s.yields)
	}
	f.partitions -= s.order.Len()
}

// forget ends a session that the request has made.
func (u *sessionUse) forget() {
	if u.cache == nil || u.id == sessionless {
		return
	}
	u.cache.mu.Lock()
	defer u.cache.mu.Unlock()
	if s := u.cache.byID[u.id]; s != nil {
		u.cache.remove(s)
	}
}

// yielding is a heap of sessions, the one with the fewest partitions first; those of one size by their id, which is drawn at random.
type yielding []*fetchSession

func (y yielding) Len() int { return len(y) }

func (y yielding) Less(i, j int) bool {
	if a, b := y[i].order.Len(), y[j].order.Len(); a != b {
		return a < b
	}
	return y[i].id < y[j].id
}

func (y yielding) Swap(i, j int) {
	y[i], y[j] = y[j], y[i]
	y[i].yields, y[j].yields = i, j
}

func (y *yielding) Push(s any) {
	s.(*fetchSession).yields = len(*y)
	*y = append(*y, s.(*fetchSession))
}

func (y *yielding) Pop() any {
	last := len(*y) - 1
	s := (*y)[last]
	(*y)[last] = nil
	*y, s.yields = (*y)[:last], -1
	return s
}

// told takes down what an answer is about to tell the client, and, if it is incremental, says of each part whether it is news.
func (u *sessionUse) told(parts []fetchPart) {
	for i := range parts {
		parts[i].told = true
	}
	if u.cache == nil || u.id == sessionless {
		return
	}
	f := u.cache
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.byID[u.id]
	if s == nil {
		return // ended meanwhile: the client gets everything
	}
	for i := range parts {
		p := &parts[i]
		e := s.elements[p.fetchKey]
		if e == nil {
			continue
		}
		known := e.Value.(*sessionPartition)
		if u.incremental {
			p.told = p.size > 0 || p.code != protocol.ErrNone || p.diverging.Epoch >= 0 ||
				known.highWatermark != p.highWatermark || known.logStart != p.logStart
		}
		known.highWatermark, known.logStart, known.met = p.highWatermark, p.logStart, p.met
		if p.size > 0 {
			s.order.MoveToBack(e)
		}
	}
}

// Package records makes the keys, values and record batches that troupe bench sends.
package records

// This file owns what keys and values look like. Invariant: what a Source yields is a function of its pattern and seed alone.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Pattern says what records look like.
type Pattern struct {
	Keys         string  // none, sequential, random or zipf
	KeyCount     int64   // how many different keys
	KeySize      int     // bytes
	Payload      string  // random, zero, text or json
	Size         int     // bytes of a value
	Compressible float64 // share of a random value that is zeros, 0 to 1
	Stamped      bool    // values begin with a stamp
}

// Keys and payloads that a Pattern knows.
var (
	KeyKinds     = []string{"none", "sequential", "random", "zipf"}
	PayloadKinds = []string{"random", "zero", "text", "json"}
)

const (
	// poolBytes is how many bytes of different values are made beforehand: more than a batch, less than a cache.
	poolBytes = 1 << 20
	// zipfSkew is the exponent of the zipf keys: the busiest key gets about a tenth of the records.
	zipfSkew = 1.1
)

// Check says what of a pattern is not allowed.
func (p *Pattern) Check() error {
	least := 0
	switch {
	case p.Stamped:
		least = StampSize(p.Payload)
	case p.Payload == "json":
		least = len(`{"text":""}`)
	}
	switch {
	case p.Size < least:
		return fmt.Errorf("record-size: %d is not allowed; with this payload and numbered records: at least %d", p.Size, least)
	case p.Size > 1<<30:
		return fmt.Errorf("record-size: %d is not allowed; at most 1 GiB", p.Size)
	case p.Compressible < 0 || p.Compressible > 1:
		return fmt.Errorf("compressible: %v is not allowed; allowed: 0 to 1", p.Compressible)
	case p.Keys != "none" && p.KeyCount < 1:
		return fmt.Errorf("key-count: %d is not allowed; at least 1", p.KeyCount)
	case p.Keys != "none" && (p.KeySize < 1 || p.KeySize > 1<<16):
		return fmt.Errorf("key-size: %d is not allowed; allowed: 1 to 65536", p.KeySize)
	}
	return nil
}

// Pool is the values of a pattern, made once and shared by all sources of a run: they only read it.
type Pool struct {
	p      Pattern
	seed   uint64
	values []byte
}

// NewPool makes the values.
func NewPool(p Pattern, seed uint64) *Pool {
	count := 1
	if p.Size > 0 {
		count = max(1, poolBytes/p.Size)
	}
	l := &Pool{p: p, seed: seed, values: make([]byte, 0, count*p.Size)}
	rng := rand.New(rand.NewPCG(seed, 0))
	for range count {
		l.values = p.appendValue(l.values, rng)
	}
	return l
}

// Source yields keys and values. It is for one goroutine.
type Source struct {
	p    Pattern
	rng  *rand.Rand
	zipf *rand.Zipf
	key  []byte
	next int64
	pool []byte
	at   int
	json bool
}

// Source makes the source of one producer.
func (l *Pool) Source(producer int) *Source {
	p := l.p
	rng := rand.New(rand.NewPCG(l.seed, uint64(producer)+1))
	s := &Source{p: p, rng: rng, json: p.Payload == "json", pool: l.values}
	if p.Keys != "none" {
		s.key = make([]byte, p.KeySize)
	}
	if p.Keys == "zipf" {
		s.zipf = rand.NewZipf(rng, zipfSkew, 1, uint64(p.KeyCount-1))
	}
	if p.Size > 0 {
		s.at = rng.IntN(len(l.values)/p.Size) * p.Size
	}
	return s
}

// NewSource makes a source with a pool of its own.
func NewSource(p Pattern, seed uint64, producer int) *Source {
	return NewPool(p, seed).Source(producer)
}

var words = strings.Fields("actor batch broker cluster commit consumer epoch fetch follower group index leader log mailbox " +
	"message node offset partition producer quorum record replica segment sequence supervisor term topic vote voter write")

// appendValue appends one value of the pattern.
func (p *Pattern) appendValue(b []byte, rng *rand.Rand) []byte {
	end := len(b) + p.Size
	switch p.Payload {
	case "zero":
		return append(b, make([]byte, p.Size)...)
	case "text":
		return text(b, end, rng)
	case "json":
		at := len(b)
		if p.Stamped {
			b = append(b, jsonPrefix...)
			b = append(b, bytes.Repeat([]byte{'0'}, 2*stampBytes)...)
			b = append(b, '"')
			if end-len(b) < len(`,"text":""}`) {
				for len(b) < end-1 {
					b = append(b, ' ')
				}
				return append(b, '}')
			}
			b = append(b, `,"text":"`...)
		} else {
			b = append(b, `{"text":"`...)
		}
		b = text(b, end-len(`"}`), rng)
		if b = append(b, `"}`...); len(b) != at+p.Size {
			panic("a JSON value has the wrong size")
		}
		return b
	}
	noise := end - int(p.Compressible*float64(p.Size))
	for len(b) < noise {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return append(b[:noise], make([]byte, end-noise)...)
}

// text appends words up to the length end.
func text(b []byte, end int, rng *rand.Rand) []byte {
	for len(b) < end {
		b = append(append(b, words[rng.IntN(len(words))]...), ' ')
	}
	return b[:end]
}

// Value is the next value. It is not to be changed.
func (s *Source) Value() []byte {
	v := s.pool[s.at : s.at+s.p.Size]
	if s.at += s.p.Size; s.at >= len(s.pool) {
		s.at = 0
	}
	return v
}

// Key is the next key, good until the next call; nil if records have none.
func (s *Source) Key() []byte {
	var n int64
	switch s.p.Keys {
	case "none":
		return nil
	case "sequential":
		n = s.next
		if s.next++; s.next == s.p.KeyCount {
			s.next = 0
		}
	case "random":
		n = s.rng.Int64N(s.p.KeyCount)
	case "zipf":
		n = int64(s.zipf.Uint64())
	}
	for i := len(s.key) - 1; i >= 0; i-- {
		s.key[i] = '0' + byte(n%10)
		n /= 10
	}
	return s.key
}

// Partition is where the Java client's default partitioner puts a key: murmur2, positive, modulo the number of partitions.
func Partition(key []byte, partitions int) int {
	return int(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is MurmurHash2 by Austin Appleby (public domain) with the seed that Kafka's clients share.
func murmur2(b []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

package group

// This file owns what the Machine knows of the cluster's topics. A Topics is immutable and is asked for anew with each use, so
// the Machine follows the cluster without being told.

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"slices"
)

// Topics is one state of the cluster's topics. Immutable.
type Topics interface {
	// Version grows with every change.
	Version() int64
	// Complete says whether a topic that is not among these is sure to be no more: they are never older than any offset that was committed.
	Complete() bool
	Topic(name string) (TopicInfo, bool)
	TopicByID(id [16]byte) (TopicInfo, bool)
	// Names is every topic, sorted; the caller must not change it.
	Names() []string
}

// TopicInfo is one topic.
type TopicInfo struct {
	Name       string
	ID         [16]byte
	Partitions int32
}

type noTopics struct{}

func (noTopics) Version() int64                       { return 0 }
func (noTopics) Complete() bool                       { return false }
func (noTopics) Topic(string) (TopicInfo, bool)       { return TopicInfo{}, false }
func (noTopics) TopicByID([16]byte) (TopicInfo, bool) { return TopicInfo{}, false }
func (noTopics) Names() []string                      { return nil }

func (m *Machine) topics() Topics {
	if m.cfg.Topics == nil {
		return noTopics{}
	}
	return m.cfg.Topics()
}

// metadataHash is a number that changes when any of the topics named is made, deleted, made anew or grows. 0 stands for
// no topic. names must be sorted.
func metadataHash(topics Topics, names []string) int64 {
	h := uint64(0)
	for _, name := range names {
		t, ok := topics.Topic(name)
		if !ok {
			continue
		}
		f := fnv.New64a()
		f.Write(t.ID[:])
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(t.Partitions))
		f.Write(b[:])
		f.Write([]byte(t.Name))
		h = bits.RotateLeft64(h, 7)*0x9e3779b97f4a7c15 + f.Sum64() | 1 // never 0
	}
	return int64(h)
}

// sortedUnique sorts a list and takes doubles out; it may change list. An empty list becomes nil.
func sortedUnique(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return slices.Compact(list)
}

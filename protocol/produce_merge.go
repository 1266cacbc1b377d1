package protocol

// This file owns Produce requests that name a topic or a partition more than once, which no client sends and Kafka takes all the
// same. What is named once, as ever, costs a look and no allocation.

import "bytes"

// repeatsSearched is how many topics or partitions are compared with each other; more are looked up in a map.
const repeatsSearched = 32

// repeats says whether a topic is empty or comes twice, or a partition comes twice.
func (p *ProduceRequest) repeats() bool {
	if len(p.Topics) > repeatsSearched {
		seen := make(map[string]bool, len(p.Topics))
		for i := range p.Topics {
			seen[p.Topics[i].key()] = true
		}
		if len(seen) < len(p.Topics) {
			return true
		}
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		if t.First == t.Last || p.partitionsRepeat(t.First, t.Last) {
			return true
		}
		if len(p.Topics) <= repeatsSearched {
			for j := range i {
				if o := &p.Topics[j]; o.ID == t.ID && bytes.Equal(o.Name, t.Name) {
					return true
				}
			}
		}
	}
	return false
}

func (p *ProduceRequest) partitionsRepeat(first, last int) bool {
	if last-first > repeatsSearched {
		seen := make(map[int32]bool, last-first)
		for i := first; i < last; i++ {
			seen[p.Partitions[i].Partition] = true
		}
		return len(seen) < last-first
	}
	for i := first; i < last; i++ {
		for j := first; j < i; j++ {
			if p.Partitions[i].Partition == p.Partitions[j].Partition {
				return true
			}
		}
	}
	return false
}

// key is what tells topics apart, whatever the version.
func (t *ProduceTopic) key() string { return string(t.ID[:]) + string(t.Name) }

// merge makes of all entries of a topic one, in the first's place, and keeps the last record set of each partition.
func (p *ProduceRequest) merge() {
	topics := make([]ProduceTopic, 0, len(p.Topics))
	parts := make([][]ProducePartition, 0, len(p.Topics))
	numbers := map[string]int{}
	type place struct {
		topic     int
		partition int32
	}
	places := map[place]int{}
	for i := range p.Topics {
		t := p.Topics[i]
		if t.First == t.Last {
			continue
		}
		number, known := numbers[t.key()]
		if !known {
			number = len(topics)
			numbers[t.key()] = number
			topics, parts = append(topics, t), append(parts, nil)
		}
		for _, part := range p.Partitions[t.First:t.Last] {
			part.Topic = int32(number)
			at, twice := places[place{number, part.Partition}]
			if twice {
				parts[number][at] = part
				continue
			}
			places[place{number, part.Partition}] = len(parts[number])
			parts[number] = append(parts[number], part)
		}
	}
	all := make([]ProducePartition, 0, len(p.Partitions))
	for i := range topics {
		topics[i].First = len(all)
		all = append(all, parts[i]...)
		topics[i].Last = len(all)
	}
	p.Topics, p.Partitions = topics, all
}

package partition

// This file owns replicas put together by hand: for tests of what stands in front of partitions, with an actor of their own behind.

import (
	"maps"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/segment"
)

// Stage adds r to the directory, as it is described by the arguments; called again, it changes what readers see.
func (d *Directory) Stage(r *Replica, reader *segment.Reader, l Leadership, epochs []EpochStart, config *topicconfig.Config) {
	r.reader.Store(reader)
	r.leader.Store(&l)
	r.epochs.Store(&epochs)
	r.config.Store(config)
	next := maps.Clone(d.All())
	if next == nil {
		next = map[Key]*Replica{}
	}
	next[Key{r.TopicID, r.Partition}] = r
	d.byKey.Store(&next)
}

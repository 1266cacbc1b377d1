package assignor

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

var (
	runs = flag.Int("assignor.runs", 400, "random groups to assign")
	seed = flag.Uint64("assignor.seed", 1, "seed of the first group")
)

func id(n int) TopicID { return TopicID{byte(n)} }

// group is a group whose members come and go; its targets are those of the assignor.
type group struct {
	t          *testing.T
	rnd        *rand.Rand
	assign     Assignor
	members    []Member
	partitions map[TopicID]int32
	mixed      bool
	born       int
}

func (g *group) topics() []TopicID {
	var list []TopicID
	for n := range 5 {
		if !g.mixed && g.partitions[id(n)] > 0 || g.mixed && g.partitions[id(n)] > 0 && g.rnd.IntN(2) == 0 {
			list = append(list, id(n))
		}
	}
	return list
}

func (g *group) join() {
	g.born++
	m := Member{ID: fmt.Sprintf("%c%03d", 'a'+rune(g.rnd.IntN(26)), g.born), Topics: g.topics()}
	if g.rnd.IntN(4) == 0 {
		s := fmt.Sprint("instance", g.born)
		m.InstanceID = &s
	}
	g.members = append(g.members, m)
	slices.SortFunc(g.members, func(a, b Member) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
}

// rebalance assigns anew and checks what must always hold; it tells how many partitions were taken from a member that is still there.
func (g *group) rebalance() (taken int) {
	g.t.Helper()
	out := g.assign(g.members, g.partitions)
	owner := map[TopicID]map[int32]string{}
	for i := range out {
		for k, tp := range out[i] {
			if k > 0 && CompareID(out[i][k-1].TopicID, tp.TopicID) >= 0 || !slices.IsSorted(tp.Partitions) || len(tp.Partitions) == 0 {
				g.t.Fatalf("the assignment of %s is not in order: %v", g.members[i].ID, out[i])
			}
			if !subscribed(g.members[i].Topics, tp.TopicID) {
				g.t.Fatalf("%s gets topic %v, to which it is not subscribed", g.members[i].ID, tp.TopicID[0])
			}
			if owner[tp.TopicID] == nil {
				owner[tp.TopicID] = map[int32]string{}
			}
			for _, p := range tp.Partitions {
				if p < 0 || p >= g.partitions[tp.TopicID] || owner[tp.TopicID][p] != "" {
					g.t.Fatalf("partition %d of topic %d goes to %s and %s", p, tp.TopicID[0], owner[tp.TopicID][p], g.members[i].ID)
				}
				owner[tp.TopicID][p] = g.members[i].ID
			}
		}
	}
	wanted := map[TopicID]bool{}
	for i := range g.members {
		for _, t := range g.members[i].Topics {
			wanted[t] = true
		}
	}
	for t := range wanted {
		if len(owner[t]) != int(g.partitions[t]) {
			g.t.Fatalf("of %d partitions of topic %d %d are assigned", g.partitions[t], t[0], len(owner[t]))
		}
	}
	for i := range g.members {
		for _, tp := range g.members[i].Owned {
			for _, p := range tp.Partitions {
				if owner[tp.TopicID][p] != g.members[i].ID && p < g.partitions[tp.TopicID] && subscribed(g.members[i].Topics, tp.TopicID) {
					taken++
				}
			}
		}
		g.members[i].Owned = out[i]
	}
	return taken
}

func count(list []record.TopicPartitions) (n int) {
	for i := range list {
		n += len(list[i].Partitions)
	}
	return n
}

// eachGroup plays random groups: check runs after each change, with the number of partitions taken from those who stayed.
func eachGroup(t *testing.T, a Assignor, mixed bool, check func(g *group, taken, joined int)) {
	for i := range uint64(*runs) {
		s := *seed + i
		g := &group{t: t, rnd: rand.New(rand.NewPCG(s, 3)), assign: a, partitions: map[TopicID]int32{}, mixed: mixed}
		t.Run(fmt.Sprint("seed ", s), func(t *testing.T) {
			g.t = t
			for n := range 5 {
				g.partitions[id(n)] = int32(g.rnd.IntN(12))
			}
			for range 30 {
				joined := 0
				switch k := g.rnd.IntN(10); {
				case k < 5 || len(g.members) == 0:
					g.join()
					joined = 1
				case k < 8:
					n := g.rnd.IntN(len(g.members))
					g.members = slices.Delete(g.members, n, n+1)
				case k < 9 && g.mixed:
					g.members[g.rnd.IntN(len(g.members))].Topics = g.topics()
				default:
					if n := id(g.rnd.IntN(5)); g.partitions[n] > 0 {
						g.partitions[n] += int32(g.rnd.IntN(4))
					}
				}
				taken := g.rebalance()
				if len(g.members) > 0 {
					check(g, taken, joined)
				}
				if again := g.rebalance(); again != 0 && len(g.members) > 0 && !mixed {
					t.Fatalf("nothing changed and %d partitions moved", again)
				}
			}
		})
	}
}

func TestUniformGivesEveryoneTheSameNumberAndMovesNoMoreThanItMust(t *testing.T) {
	eachGroup(t, Uniform, false, func(g *group, taken, joined int) {
		least, most, total := 1<<30, 0, 0
		for i := range g.members {
			n := count(g.members[i].Owned)
			least, most, total = min(least, n), max(most, n), total+n
		}
		if most-least > 1 {
			g.t.Fatalf("members have between %d and %d partitions", least, most)
		}
		if share := (total + len(g.members) - 1) / len(g.members); taken > joined*share {
			g.t.Fatalf("%d partitions were taken from members that stay; %d joined, of whom each gets %d at most", taken, joined, share)
		}
	})
}

func TestUniformIsLevelForEveryTopicWhenSubscriptionsDiffer(t *testing.T) {
	eachGroup(t, Uniform, true, func(g *group, _, _ int) {
		loads := map[string]int{}
		for i := range g.members {
			loads[g.members[i].ID] = count(g.members[i].Owned)
		}
		for i := range g.members {
			for _, tp := range g.members[i].Owned {
				for k := range g.members {
					if a, b := &g.members[i], &g.members[k]; subscribed(b.Topics, tp.TopicID) && loads[a.ID]-loads[b.ID] > 1 {
						g.t.Fatalf("%s has %d partitions, one of topic %d; %s, who is subscribed to it too, has %d", a.ID, loads[a.ID], tp.TopicID[0], b.ID, loads[b.ID])
					}
				}
			}
		}
		if again := g.rebalance(); again != 0 {
			g.t.Fatalf("nothing changed and %d partitions moved", again)
		}
	})
}

func TestRangeGivesRunsOfPartitionsThatAreLevelWithinEachTopic(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		eachGroup(t, Range, mixed, func(g *group, _, _ int) {
			for n := range 5 {
				least, most := 1<<30, 0
				for i := range g.members {
					if !subscribed(g.members[i].Topics, id(n)) {
						continue
					}
					have := 0
					for _, tp := range g.members[i].Owned {
						if tp.TopicID == id(n) {
							if have = len(tp.Partitions); tp.Partitions[have-1]-tp.Partitions[0] != int32(have-1) {
								g.t.Fatalf("%s has no run of topic %d: %v", g.members[i].ID, n, tp.Partitions)
							}
						}
					}
					least, most = min(least, have), max(most, have)
				}
				if most-least > 1 && least != 1<<30 {
					g.t.Fatalf("of topic %d members have between %d and %d partitions", n, least, most)
				}
			}
		})
	}
}

func TestRangeGivesTheSameNumbersOfTopicsThatAreEquallyLarge(t *testing.T) {
	topics := []TopicID{id(1), id(2)}
	out := Range([]Member{{ID: "a", Topics: topics}, {ID: "b", Topics: topics}}, map[TopicID]int32{id(1): 3, id(2): 3})
	if got := fmt.Sprint(out[0][0].Partitions, out[0][1].Partitions, out[1][0].Partitions, out[1][1].Partitions); got != "[0 1] [0 1] [2] [2]" {
		t.Error(got)
	}
}

func TestRangeKeepsAStaticMembersPartitionsWhenItComesBackUnderAnotherID(t *testing.T) {
	one, two := "i1", "i2"
	topics := []TopicID{id(1)}
	sizes := map[TopicID]int32{id(1): 3}
	before := Range([]Member{{ID: "m0", InstanceID: &one, Topics: topics}, {ID: "m1", InstanceID: &two, Topics: topics}}, sizes)
	after := Range([]Member{{ID: "m1", InstanceID: &two, Topics: topics}, {ID: "m2", InstanceID: &one, Topics: topics}}, sizes)
	if got, want := fmt.Sprint(after[1], after[0]), fmt.Sprint(before[0], before[1]); got != want {
		t.Errorf("before %v, after %v", want, got)
	}
}

func BenchmarkUniformOfAThousandMembers(b *testing.B) {
	sizes := map[TopicID]int32{}
	var topics []TopicID
	for n := range 10 {
		sizes[id(n)] = 1000
		topics = append(topics, id(n))
	}
	for _, mixed := range []bool{false, true} {
		members := make([]Member, 1000)
		for i := range members {
			members[i] = Member{ID: fmt.Sprintf("%04d", i), Topics: topics}
			if mixed {
				members[i].Topics = topics[i%3:]
			}
		}
		b.Run(fmt.Sprint("mixed ", mixed), func(b *testing.B) {
			for b.Loop() {
				Uniform(members, sizes)
			}
		})
	}
}

package group

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns the order of members and assignments, and how partitions are written: pure functions.

func assignments(set kadm.TopicsSet) []assignment {
	out := []assignment{}
	for _, topic := range slices.Sorted(maps.Keys(set)) {
		out = append(out, assignment{topic, slices.Sorted(maps.Keys(set[topic]))})
	}
	return out
}

// sort puts members in the order of client, instance and id, and partitions in theirs. A target that is what the member has
// already is left out.
func (s *state) sort() {
	slices.SortFunc(s.Members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.MemberID, b.MemberID))
	})
	for i := range s.Members {
		m := &s.Members[i]
		for _, list := range [][]assignment{m.Assigned, m.Target} {
			for j := range list {
				slices.Sort(list[j].Partitions)
			}
			slices.SortFunc(list, func(a, b assignment) int { return cmp.Compare(a.Topic, b.Topic) })
		}
		slices.Sort(m.Topics)
		same := slices.EqualFunc(m.Assigned, m.Target, func(a, b assignment) bool {
			return a.Topic == b.Topic && slices.Equal(a.Partitions, b.Partitions)
		})
		if same {
			m.Target = []assignment{}
		}
	}
}

// owners finds the member that each assigned partition belongs to.
func (s *state) owners() map[cli.Partition]*member {
	out := map[cli.Partition]*member{}
	for i := range s.Members {
		for _, a := range s.Members[i].Assigned {
			for _, p := range a.Partitions {
				out[cli.Partition{Topic: a.Topic, Partition: p}] = &s.Members[i]
			}
		}
	}
	return out
}

// ranges writes partitions as 0-3,7.
func ranges(partitions []int32) string {
	var out []string
	for i := 0; i < len(partitions); {
		j := i
		for j+1 < len(partitions) && partitions[j+1] == partitions[j]+1 {
			j++
		}
		text := strconv.Itoa(int(partitions[i]))
		if j > i {
			text += "-" + strconv.Itoa(int(partitions[j]))
		}
		out = append(out, text)
		i = j + 1
	}
	return strings.Join(out, ",")
}

// written writes assignments as orders:0-3,7 payments:1.
func written(list []assignment) string {
	if len(list) == 0 {
		return "-"
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Topic + ":" + ranges(a.Partitions)
	}
	return strings.Join(out, " ")
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups: every version, and filters by state and type.
func init() {
	list := func(c *C, v int16, states, types []string) {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = states, types
		c.ask(v, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.ListGroupsResponse)
			var mine []kmsg.ListGroupsResponseGroup
			for _, g := range r.Groups {
				if c.shown.names[g.Group] != "" {
					mine = append(mine, g)
				}
			}
			r.Groups = mine
		})
	}
	groups := func(c *C) {
		c.stable(c.name("stable"))
		c.empty(c.name("empty"))
		c.joined(c.name("completing"))
		c.committed(c.name("offsets"), c.topic(), 1)
	}
	versions(0, 5, func(c *C, v int16) { groups(c); list(c, v, nil, nil) })
	for _, states := range [][]string{{"Stable"}, {"stable"}, {"Empty", "CompletingRebalance"}, {"Dead"}, {"nonsense"}, {""}, {"PreparingRebalance"}, {"Assigning"}} {
		for _, v := range []int16{4, 5} {
			add(fmt.Sprintf("states %q, v%d", states, v), func(c *C) { groups(c); list(c, v, states, nil) })
		}
	}
	for _, types := range [][]string{{"classic"}, {"Classic"}, {"consumer"}, {"share"}, {"unknown"}, {"nonsense"}, {"classic", "nonsense"}, {""}} {
		add(fmt.Sprintf("types %q", types), func(c *C) { groups(c); list(c, 5, nil, types) })
	}
	add("state and type", func(c *C) { groups(c); list(c, 5, []string{"Stable"}, []string{"classic"}) })
}

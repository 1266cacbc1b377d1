package raftactor

// This file is the clock of the groups: one tick message for all that need one. A group whose only member leads it needs none, so
// a broker that stands alone has no timer at all.
//
// Followers' election time-outs are counted here and not by raft, which draws them from a source that no seed reaches.

type tick struct{ incarnation uint64 }

// watch decides anew whether g needs ticks; it is called when its configuration or leader has changed.
func (a *Raft) watch(g *group) {
	count, self := g.node.Members()
	g.sole = self && count == 1
	// A sole member that campaigns has won as soon as its own vote is on disk.
	needs := self && !(g.sole && (g.node.Leads() || g.node.Campaigns()))
	if needs && !g.ticking {
		g.countdown = a.electionTicks()
		if !g.listed {
			g.listed = true
			a.tickers = append(a.tickers, g)
		}
		if a.timer == nil {
			a.arm()
		}
	}
	g.ticking = needs
}

func (a *Raft) arm() {
	if a.fenced == nil {
		a.timer = a.cfg.System.SendAfter(a.cfg.TickInterval, a.self, tick{a.incarnation})
	}
}

func (a *Raft) onTick(m tick) {
	if m.incarnation != a.incarnation || a.fenced != nil {
		return
	}
	a.timer = nil
	keep := a.tickers[:0]
	for _, g := range a.tickers {
		if !g.ticking {
			g.listed = false
			continue
		}
		keep = append(keep, g)
		if g.node.Leads() {
			g.node.TickLeader()
			a.mark(g)
			continue
		}
		g.node.TickFollower()
		if g.countdown--; g.countdown <= 0 {
			g.countdown = a.electionTicks()
			if g.sole {
				g.node.CampaignAlone()
			} else {
				g.node.Campaign()
			}
			a.mark(g)
		}
	}
	clear(a.tickers[len(keep):])
	a.tickers = keep
	if len(a.tickers) > 0 {
		a.arm()
	}
}

// electionTicks draws a follower's patience: one to two election time-outs.
func (a *Raft) electionTicks() int {
	a.random += 0x9e3779b97f4a7c15 // splitmix64
	z := a.random
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return a.cfg.ElectionTicks + int(z%uint64(a.cfg.ElectionTicks))
}

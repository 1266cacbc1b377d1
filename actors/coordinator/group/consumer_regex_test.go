package group

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// subscribe is a member's first heartbeat with an expression; it gives back how it was refused, "" if it was not.
func (w *world) subscribe(group, member, regex string) string {
	w.t.Helper()
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.RebalanceTimeoutMillis = 1, group, member, 60_000
	req.SubscribedTopicRegex, req.Topics = &regex, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	w.m.Handle(w.now, "heartbeat", Client{ID: "c", Host: "/h"}, req)
	_, answer, ok := strings.Cut(w.drain(), "heartbeat: ")
	if !ok {
		w.t.Fatalf("%s was not answered", member)
	}
	if strings.HasPrefix(answer, "beat "+member+" ") {
		return ""
	}
	return answer
}

func TestAnExpressionThatIsTooLargeToRunIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, hostile := range []string{
		strings.Repeat("(a?){1000}", 800),
		strings.Repeat(`(\pL|\pN){0,1000}`, 400),
		"((((a{0,30}){0,30}){1,1})[b-c]?){1,1}" + strings.Repeat("(.?.?.?.?.?.?.?.?.?.?){100}", 200),
	} {
		began := time.Now()
		refusal := w.subscribe("g", "m", hostile)
		if took := time.Since(began); !strings.Contains(refusal, "INVALID_REGULAR_EXPRESSION") || took > 3*time.Second {
			t.Errorf("%.40s: %.200q after %s", hostile, refusal, took)
		}
		if len(refusal) > 1000 {
			t.Errorf("the refusal has %d bytes", len(refusal))
		}
	}
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf("a-topic-with-a-long-name-for-%d-reasons", i))
	}
	for i, good := range []string{"a.*", strings.Join(names, "|"), "(?i)[a-z]{1,100}-(orders|invoices)", `\p{Lu}+`} {
		if refusal := w.subscribe("good", fmt.Sprint("m", i), good); refusal != "" {
			t.Errorf("%.40s: %s", good, refusal)
		}
	}
}

// Hundreds of names and an expression that takes long for each: the coordinator serves others in between.
func TestExpressionsAreResolvedAPieceAtATime(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.topics.set(fmt.Sprintf("%0*d%s", 5, i, strings.Repeat("ab", 100)), 1)
	}
	slow, quick := `(.?a?.?b?.?){250}(x|10(abab)+)?`, `0009.*`
	if refusal := w.subscribe("g", "m1", slow); refusal != "" {
		t.Fatal(refusal)
	}
	if refusal := w.subscribe("g", "m2", quick); refusal != "" {
		t.Fatal(refusal)
	}
	var longest time.Duration
	ticks := 0
	c := w.m.lookup("g").consumer
	for ; len(c.regexes) < 2; ticks++ {
		if ticks == 5 {
			w.topics.set("00095-late", 1) // seen by the next resolution
		}
		if ticks == 10 {
			w.subscribe("other", "m3", "a")
		}
		at, ok := w.m.NextDeadline()
		if !ok || ticks > 10_000 {
			t.Fatal("the expressions are never resolved")
		}
		w.now = max(w.now, at)
		began := time.Now()
		w.m.Tick(w.now)
		longest = max(longest, time.Since(began))
		w.drain()
	}
	if ticks < 20 || longest > 3*time.Second {
		t.Errorf("resolved in %d ticks, the longest took %s", ticks, longest)
	}
	t.Logf("%d ticks, the longest took %s", ticks, longest)
	for _, pattern := range []string{slow, quick} {
		var want []string
		re := regexp.MustCompile(`^(?:` + pattern + `)$`)
		for _, name := range w.topics.Names() {
			if re.MatchString(name) && name != "00095-late" {
				want = append(want, name)
			}
		}
		if got := c.regexes[pattern].Topics; !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %d topics, want %d", pattern, len(got), len(want))
		}
	}
	w.now += 2 * regexPauseMs
	w.subscribe("g", "m4", quick)
	for range 10_000 {
		if slices.Contains(c.regexes[quick].Topics, "00095-late") {
			return
		}
		at, _ := w.m.NextDeadline()
		w.now = max(w.now, at)
		w.m.Tick(w.now)
		w.drain()
	}
	t.Error("the topic that came while the expressions were resolved is never found")
}

func TestAnExpressionThatNobodyHasAnyMoreWhenItIsResolvedIsNotKept(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.topics.set(fmt.Sprintf("%0*d%s", 5, i, strings.Repeat("ab", 100)), 1)
	}
	slow := `(.?a?.?b?.?){250}`
	w.subscribe("g", "m1", slow)
	w.subscribe("g", "m2", "x")
	w.m.Tick(w.now) // begins
	leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	leave.Version, leave.Group, leave.MemberID, leave.MemberEpoch, leave.RebalanceTimeoutMillis = 1, "g", "m1", -1, -1
	w.m.Handle(w.now, "leaves", Client{}, leave)
	w.drain()
	c := w.m.lookup("g").consumer
	for range 10_000 {
		if c.regexes["x"] != nil {
			break
		}
		at, _ := w.m.NextDeadline()
		w.now = max(w.now, at)
		w.m.Tick(w.now)
		w.drain()
	}
	if c.regexes["x"] == nil || c.regexes[slow] != nil {
		t.Errorf("resolved expressions: %v", c.regexes)
	}
}

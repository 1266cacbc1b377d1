package test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/test/harness"
)

// A client that makes groups without end, with all the metadata that fits a request, is told to try again before the broker
// has used up its memory; a group that was there before goes on.
func TestAFloodOfGroupsDoesNotUseUpTheMemory(t *testing.T) {
	b := harness.Start(t, "--memory-limit", "96MiB", "--group.initial.rebalance.delay.ms", "0")
	b.CreateGroupTopic()
	cl, ctx := b.Client(kgo.RequestRetries(0)), harness.Context(t)
	join := func(group string, bytes int) *kmsg.JoinGroupResponse {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, "flood", 600_000, 600_000
		instance := "i" // a static member is let in at once
		req.InstanceID = &instance
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: make([]byte, bytes)}}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var before *kmsg.JoinGroupResponse
	for before == nil || before.ErrorCode != 0 {
		before = join("before", 10)
	}
	const each, most = 1 << 20, 400
	refused := 0
	for i := range most {
		switch resp := join(fmt.Sprint("flood-", i), each); resp.ErrorCode {
		case 0, kerr.CoordinatorLoadInProgress.Code:
		case kerr.CoordinatorNotAvailable.Code:
			refused++
		default:
			t.Fatalf("join: %v", kerr.ErrorForCode(resp.ErrorCode))
		}
	}
	if refused < most/2 {
		t.Errorf("%d of %d groups of %d bytes were refused", refused, most, each)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "before", before.MemberID, before.Generation
	if resp, err := beat.RequestWith(ctx, cl); err != nil || resp.ErrorCode != 0 {
		t.Errorf("a heartbeat of the group from before: %v %+v", err, resp)
	}
	if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.PID())); err == nil {
		for _, line := range strings.Split(string(raw), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
				t.Logf("most memory in use: %s KiB, %d of %d refused", f[1], refused, most)
			}
		}
	}
	b.MustNotHavePanicked()
}

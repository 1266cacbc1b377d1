package groupconfig

import "testing"

func TestValuesAreCheckedAgainstTheBrokersLimits(t *testing.T) {
	for _, c := range []struct {
		name, value string
		good        bool
	}{
		{SessionTimeout, "45000", true}, {SessionTimeout, "60000", true}, {SessionTimeout, "44999", false}, {SessionTimeout, "60001", false},
		{HeartbeatInterval, "15000", true}, {HeartbeatInterval, "1000", false}, {AssignmentInterval, "0", true}, {AssignmentInterval, "-1", false},
		{SessionTimeout, "", false}, {SessionTimeout, "4e4", false}, {SessionTimeout, "99999999999", false}, {"share.session.timeout.ms", "45000", false},
	} {
		if err := Default().Check(map[string]string{c.name: c.value}); (err == nil) != c.good {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
}

func TestTheSessionTimeOutMustExceedTheHeartbeatInterval(t *testing.T) {
	k := Default()
	k.Lookup(SessionTimeout).Min = 1
	if err := k.Check(map[string]string{SessionTimeout: "5000"}); err == nil {
		t.Error("a session time-out of one heartbeat interval was accepted")
	}
	if err := k.Check(map[string]string{SessionTimeout: "5001"}); err != nil {
		t.Error(err)
	}
	if err := CheckNames(map[string]string{SessionTimeout: "5000", HeartbeatInterval: "5000"}); err == nil {
		t.Error("a session time-out of one heartbeat interval, both of the group's own, was accepted")
	}
}

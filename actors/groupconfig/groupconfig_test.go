package groupconfig

import (
	"slices"
	"strings"
	"testing"
)

func TestValuesAreCheckedAgainstTheBrokersLimits(t *testing.T) {
	for _, c := range []struct {
		name, value string
		good        bool
	}{
		{SessionTimeout, "45000", true}, {SessionTimeout, "60000", true}, {SessionTimeout, "44999", false}, {SessionTimeout, "60001", false},
		{HeartbeatInterval, "5000", true}, {HeartbeatInterval, "15000", true}, {HeartbeatInterval, "4999", false}, {HeartbeatInterval, "15001", false},
		{AssignmentInterval, "0", true}, {AssignmentInterval, "15000", true}, {AssignmentInterval, "-1", false}, {AssignmentInterval, "15001", false},
		{SessionTimeout, "", false}, {SessionTimeout, "4e4", false}, {SessionTimeout, "99999999999", false}, {SessionTimeout, "-45000", false},
		{SessionTimeout, " 45000", false}, {SessionTimeout, "45000ms", false}, {SessionTimeout, "0xb000", false},
		{"share.session.timeout.ms", "45000", false}, {"", "45000", false}, {"CONSUMER.SESSION.TIMEOUT.MS", "45000", false},
	} {
		err := Default().Check(map[string]string{c.name: c.value})
		if (err == nil) != c.good {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
		if err != nil && c.name != "" && !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s=%s: the error does not say which: %v", c.name, c.value, err)
		}
	}
	if err := Default().Check(nil); err != nil {
		t.Errorf("a group without configurations of its own: %v", err)
	}
}

func TestABrokersOwnLimitsCount(t *testing.T) {
	k := Default()
	session := k.Lookup(SessionTimeout)
	session.Min, session.Max, session.Default, session.IsDefault = 6000, 10_000, 8000, false
	for value, good := range map[string]bool{"5999": false, "6000": true, "10000": true, "10001": false, "45000": false} {
		if err := k.Check(map[string]string{SessionTimeout: value}); (err == nil) != good {
			t.Errorf("%s: %v", value, err)
		}
	}
	if Default().Lookup(SessionTimeout).Min != 45_000 {
		t.Error("one broker's limits are another's")
	}
	if err := CheckNames(map[string]string{SessionTimeout: "6000"}); err != nil {
		t.Errorf("a value that some broker may allow: %v", err)
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
	// The group's heartbeat interval against the broker's session time-out.
	k.Lookup(SessionTimeout).Default = 7000
	if err := k.Check(map[string]string{HeartbeatInterval: "7000"}); err == nil {
		t.Error("a heartbeat interval of the broker's session time-out was accepted")
	}
	if err := k.Check(map[string]string{HeartbeatInterval: "7000", SessionTimeout: "7001"}); err != nil {
		t.Error(err)
	}
}

func TestAGroupHasItsOwnValuesElseTheBrokers(t *testing.T) {
	k := Default()
	k.Lookup(AssignmentInterval).Default = 1234
	own := map[string]string{SessionTimeout: "50000", HeartbeatInterval: "not a number"}
	for name, want := range map[string]int32{SessionTimeout: 50_000, HeartbeatInterval: 5000, AssignmentInterval: 1234} {
		if got := k.Value(own, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestTheKeysAreSortedNamedAsTheBrokersSettingsAndWithinTheirLimits(t *testing.T) {
	k := Default()
	if !slices.IsSortedFunc(k, func(a, b Key) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the keys are not sorted by name")
	}
	values := map[string]string{}
	for i := range k {
		if k[i].BrokerName() != "group."+k[i].Name || k[i].Doc == "" || !k[i].IsDefault {
			t.Errorf("%+v", k[i])
		}
		if k[i].Default < k[i].Min || k[i].Default > k[i].Max {
			t.Errorf("%s: the default %d is not within %d to %d", k[i].Name, k[i].Default, k[i].Min, k[i].Max)
		}
		if k.Lookup(k[i].Name) != &k[i] {
			t.Errorf("%s is not found", k[i].Name)
		}
	}
	if k.Lookup("consumer.session.timeout") != nil {
		t.Error("a name that is none was found")
	}
	// Whatever is wrong, the same request is told the same thing.
	values["z"], values["a"], values[SessionTimeout] = "1", "2", "x"
	first := CheckNames(values)
	for range 50 {
		if err := CheckNames(values); err == nil || err.Error() != first.Error() {
			t.Fatalf("%v, then %v", first, err)
		}
	}
}

func FuzzValues(f *testing.F) {
	f.Add("45000", "5000")
	f.Add("", "-0")
	f.Add("2147483648", "+5")
	f.Fuzz(func(t *testing.T, session, heartbeat string) {
		k := Default()
		own := map[string]string{SessionTimeout: session, HeartbeatInterval: heartbeat}
		if k.Check(own) != nil {
			return
		}
		s, h := k.Value(own, SessionTimeout), k.Value(own, HeartbeatInterval)
		if s <= h || s < 45_000 || s > 60_000 || h < 5000 || h > 15_000 {
			t.Errorf("%q and %q passed as %d and %d", session, heartbeat, s, h)
		}
	})
}

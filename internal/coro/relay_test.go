package coro

import "testing"

func TestOnlyAGoThatWasTestedSwitchesDirectly(t *testing.T) {
	for _, c := range []struct {
		version, asked string
		relay          bool
	}{
		{"go1.26", "", false},
		{"go1.26.8", "", false},
		{"go1.27rc1", "", false},
		{"go1.27.3 X:nocoverageredesign", "", false},
		{"go1.27.1-vendor", "", false},
		{"devel go1.27-0123456789 Mon Jun 1 00:00:00 2026 +0000", "", false},
		{"go1.28", "", true},
		{"go1.28rc2", "", true},
		{"go1.100", "", true},
		{"go2.0", "", true},
		{"devel go1.28-0123456789 Mon Jun 1 00:00:00 2026 +0000", "", true},
		{"devel +0123456789", "", true},
		{"", "", true},
		{"go1.26", "relay", true},
		{"go1.28", "direct", false},
		{"go1.28", "sideways", true},
	} {
		if got := chooseRelay(c.version, c.asked); got != c.relay {
			t.Errorf("Go %q, asked for %q: relay is %v", c.version, c.asked, got)
		}
	}
}

func TestHomeIsReadFromTheFirstLineOfAStack(t *testing.T) {
	for stack, want := range map[string]Home{
		"goroutine 7 [running]:\nmain.main()":                                       {},
		"goroutine 7 [running, locked to thread]:\nmain.main()":                     {Locked: 7},
		"goroutine 7 [running, synctest bubble 12]:\nmain.main()":                   {Bubble: 12},
		"goroutine 7 [running, locked to thread, synctest bubble 12]:\nmain.main()": {Locked: 7, Bubble: 12},
		"something else": {},
		"":               {},
	} {
		if got := parseHome(stack); got != want {
			t.Errorf("%q gives %+v", stack, got)
		}
	}
}

package conformance_test

import (
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/conformance"
)

func TestSideBySideShowsTheLinesAroundTheFirstDifference(t *testing.T) {
	var ours, theirs []string
	for range 20 {
		ours, theirs = append(ours, "same"), append(theirs, "same")
	}
	ours = append(ours, "red", "green")
	theirs = append(theirs, "blue")
	got := conformance.SideBySide(ours, theirs)
	want := strings.Join([]string{
		"       ours    reference",
		"   16  same    same",
		"   17  same    same",
		"   18  same    same",
		"   19  same    same",
		"   20  same    same",
		"   21  red   | blue",
		"   22  green |",
		"",
	}, "\n")
	if got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if d := conformance.SideBySide(ours, ours); d != "" {
		t.Fatal(d)
	}
}

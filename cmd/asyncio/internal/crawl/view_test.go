package crawl_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

func TestATerminalShowsTheHosts(t *testing.T) {
	g := &sleeper{pages: 40, hosts: 12}
	o := &crawl.Options{Roots: []string{g.url(0)}, Domains: []string{"example.com"}, Parallel: 4, ParallelHost: 1, Tries: 1, NoRobots: true}
	var out, errs bytes.Buffer
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		s := fetch.Streams{Stdout: &out, Stderr: &errs, Width: func() int { return 100 }}
		if code := crawl.RunWith(ctx, o, s, g); code != 0 {
			t.Error("code ", code)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	text := errs.String()
	if !regexp.MustCompile(`host\d+\.example\.com +\d+ pages +\d+\.\d/s +\d+ errors +\d+ queued +1 active\n`).MatchString(text) || !strings.Contains(text, "\x1b[9A\r\x1b[J") {
		t.Errorf("%q", text)
	}
	for line := range strings.Lines(regexp.MustCompile(`\x1b\[[^A-Z]*[A-Z]|\r`).ReplaceAllString(text, "")) {
		if len(line) > 100 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
	if !strings.HasSuffix(text, "\x1b[J") && !strings.HasSuffix(text, "A\r\x1b[J") {
		t.Errorf("the view stays: %q", text[max(0, len(text)-40):])
	}
	if !strings.Contains(out.String(), "40 requests to 12 hosts") {
		t.Error(out.String())
	}
	errs.Reset()
	g = &sleeper{pages: 40, hosts: 12}
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		crawl.RunWith(ctx, o, fetch.Streams{Stdout: &out, Stderr: &errs}, g)
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil || errs.Len() != 0 {
		t.Errorf("without a terminal: %q, %v", errs.String(), err)
	}
}

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

// crawl runs "asyncio crawl" in this process, against servers of this machine.
func crawl(t testing.TB, args ...string) done {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	code := cli.Run(ctx, append([]string{"crawl"}, args...), strings.NewReader(""), &out, &errs)
	if ctx.Err() != nil {
		t.Errorf("crawl %q did not end", args)
	}
	return done{code, out.String(), errs.String()}
}

func TestCrawlSavesAndReports(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	state := filepath.Join(dir, "state")
	got := crawl(t, "-P", filepath.Join(dir, "files"), "--state", state, "--allow-private", "-w", "0", u+"/echo", u+"/hops/3", u+"/status/404", "-A", "echo*,0*", "--user-agent", "me/2")
	host := strings.ReplaceAll(strings.TrimPrefix(u, "http://"), ":", "+http+")
	if names := files(t, filepath.Join(dir, "files")); got.code != 0 || !slices.Equal(names, []string{host + "/echo_.data", host + "/hops/0_.data"}) {
		t.Fatalf("%q, %+v", names, got)
	}
	if text := content(t, dir, "files", host, "echo_.data"); !strings.Contains(text, "User-Agent: me/2\r\n") {
		t.Error(text)
	}
	if !strings.Contains(got.out, "2 saved: 0 pages, 0 style sheets, 2 others") || !strings.Contains(got.out, "3 redirected") || !strings.Contains(got.out, "1 status 404") || got.errs != "" {
		t.Errorf("%+v", got)
	}
	status := crawl(t, "status", state)
	if status.code != 0 || !strings.Contains(status.out, "2 saved") || !strings.Contains(status.out, "not running") {
		t.Errorf("%+v", status)
	}
	if got := crawl(t, "-s", "-P", dir, "--state", state, "--resume", "--allow-private"); got.code != 0 || got.out != "" || got.errs != "" {
		t.Errorf("%+v", got)
	}
}

// TestCrawlPrintsFetchsNames compares the names of a line with those of fetch.
func TestCrawlPrintsFetchsNames(t *testing.T) {
	u := newSite(t)
	line := func(d done) (names []string) {
		var object map[string]any
		if err := json.Unmarshal([]byte(d.out), &object); err != nil {
			t.Fatalf("%v: %+v", err, d)
		}
		for name := range object {
			names = append(names, name)
		}
		return names
	}
	of := line(fetch(t, "-s", "--ndjson", u+"/echo"))
	got := line(crawl(t, "-s", "--ndjson", "-P", "", "--allow-private", "-w", "0", u+"/echo"))
	for _, name := range of {
		if !slices.Contains(got, name) {
			t.Errorf("%s is missing", name)
		}
	}
	if len(got) != len(of)+4 {
		t.Errorf("%d names, fetch has %d", len(got), len(of))
	}
}

func TestCrawlUsesFetchsConnectionOptions(t *testing.T) {
	u, ca := newTLSSite(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(u, "https://"))
	args := []string{"-P", "", "--allow-private", "-w", "0", "--tries", "1", "--no-robots", "--ndjson", "-s", "https://example.com:" + port + "/echo", "--resolve", "example.com:" + port + ":127.0.0.1"}
	if got := crawl(t, args...); !strings.Contains(got.out, `"exitcode":60`) {
		t.Errorf("%+v", got)
	}
	if got := crawl(t, append(args, "--cacert", ca, "-H", "X-A: 1", "-u", "a:b")...); !strings.Contains(got.out, `"exitcode":0`) || !strings.Contains(got.out, `"http_code":200`) {
		t.Errorf("%+v", got)
	}
}

func TestCrawlOptionsThatCannotBe(t *testing.T) {
	u := "http://127.0.0.1:1/"
	for _, args := range [][]string{
		{}, {"--resume", u}, {"-l", "x", u}, {"-l", "-1", u}, {"--parallel-max", "0", u}, {"--tries", "0", u}, {"--max-redirs", "-1", u},
		{"--accept-regex", "(", u}, {"--reject-regex", "(", u}, {"-A", "[", u}, {"--convert-links", "-P", "", u}, {"--wait", "-1", u}, {"--max-pages", "-1", u},
		{"--quota", "x", u}, {"-H", "x", u}, {"--resolve", "x", u}, {"status"}, {"--nope", u},
	} {
		if got := crawl(t, args...); got.code != 2 || !strings.HasPrefix(got.errs, "asyncio: (2) ") || !strings.HasSuffix(got.errs, "'asyncio help crawl'\n") || got.out != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := crawl(t, "http://a b/"); got.code != 3 {
		t.Errorf("%+v", got)
	}
	if got := crawl(t, "status", t.TempDir()); got.code != 26 {
		t.Errorf("%+v", got)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := crawl(t, "-P", file, u); got.code != 23 {
		t.Errorf("%+v", got)
	}
}

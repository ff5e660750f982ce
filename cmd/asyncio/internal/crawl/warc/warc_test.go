package warc_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base32"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/warc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func digest(b []byte) string {
	sum := sha1.Sum(b)
	return "sha1:" + base32.StdEncoding.EncodeToString(sum[:])
}

func exchange(n int) *warc.Exchange {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	body := make([]byte, rnd.IntN(3000))
	for i := range body {
		body[i] = byte(rnd.IntN(256))
	}
	if n%10 == 9 {
		body = []byte("the same each time")
	}
	return &warc.Exchange{
		URL: fmt.Sprintf("http://h/%d", n), Addr: "127.0.0.1", Time: time.Unix(int64(1_700_000_000+n), 123_456_000),
		Request:  fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", n),
		Response: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n", len(body)),
		Payload:  body,
		Metadata: []warc.Field{{Name: "fetchTimeMs", Value: "7"}, {Name: "bad", Value: "a\r\nWARC-Type: x"}},
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func read(t testing.TB, name string) (records []*warc.Record, err error) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for r := warc.NewReader(bytes.NewReader(b)); ; {
		record, err := r.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
}

// TestAThousandExchangesComeBackAsTheyWere reads what was written, through
// several files.
func TestAThousandExchangesComeBackAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	w, err := warc.NewWriter(filepath.Join(dir, "a"), 200<<10, "test/1")
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		if err := w.Write(exchange(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var records []*warc.Record
	files := names(t, dir)
	if len(files) < 3 {
		t.Errorf("%q", files)
	}
	for i, name := range files {
		if want := fmt.Sprintf("a-%05d.warc.gz", i); filepath.Base(name) != want {
			t.Errorf("%s, want %s", name, want)
		}
		list, err := read(t, name)
		if err != nil || list[0].Get("WARC-Type") != "warcinfo" {
			t.Fatal(name, err)
		}
		records = append(records, list[1:]...)
	}
	if len(records) != 3*n {
		t.Fatalf("%d records", len(records))
	}
	revisits := 0
	for i := range n {
		e, response, request, meta := exchange(i), records[3*i], records[3*i+1], records[3*i+2]
		want := append(bytes.Clone(e.Response), e.Payload...)
		if response.Get("WARC-Type") == "revisit" {
			revisits++
			want = e.Response
			if response.Get("WARC-Refers-To-Target-URI") != "http://h/9" {
				t.Errorf("%d: %+v", i, response.Fields)
			}
		}
		if !bytes.Equal(response.Block, want) || !bytes.Equal(request.Block, e.Request) || request.Get("WARC-Concurrent-To") != response.Get("warc-record-id") ||
			response.Get("WARC-Target-URI") != e.URL || response.Get("WARC-Date") != e.Time.UTC().Format("2006-01-02T15:04:05.000000Z") || response.Get("WARC-IP-Address") != e.Addr {
			t.Fatalf("exchange %d came back as %+v", i, response.Fields)
		}
		for _, r := range []*warc.Record{response, request, meta} {
			if got := r.Get("WARC-Block-Digest"); got != digest(r.Block) {
				t.Errorf("the block of %s has the digest %s", r.Get("WARC-Type"), got)
			}
		}
		if got := response.Get("WARC-Payload-Digest"); got != digest(e.Payload) {
			t.Errorf("the payload %d has the digest %s", i, got)
		}
		if string(meta.Block) != "fetchTimeMs: 7\r\nbad: a  WARC-Type: x\r\n" {
			t.Errorf("%q", meta.Block)
		}
	}
	if revisits != n/10-1 {
		t.Errorf("%d revisits", revisits)
	}
}

// TestAnUnfinishedFileIsMended cuts a file at many places, as a crash does.
func TestAnUnfinishedFileIsMended(t *testing.T) {
	dir := t.TempDir()
	prefix := filepath.Join(dir, "a")
	w, err := warc.NewWriter(prefix, 0, "test/1")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := w.Write(exchange(i)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(prefix + "-00000.warc.gz.open")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for at := 0; at <= len(whole); at += 4999 {
		dir := t.TempDir()
		prefix := filepath.Join(dir, "b")
		if err := os.WriteFile(prefix+"-00000.warc.gz.open", whole[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := warc.NewWriter(prefix, 0, "test/1")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(exchange(99)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		files := names(t, dir)
		if len(files) != 2 {
			t.Fatalf("cut at %d: %q", at, files)
		}
		for _, name := range files {
			if _, err := read(t, name); err != nil {
				t.Errorf("cut at %d: %s: %v", at, name, err)
			}
		}
	}
}

// TestWarcioAgrees has warcio read a file. WARCIO is its path, where it is not in
// PATH.
func TestWarcioAgrees(t *testing.T) {
	program := os.Getenv("WARCIO")
	if program == "" {
		var err error
		if program, err = exec.LookPath("warcio"); err != nil {
			t.Skip("warcio is not here (npm install -g warcio): ", err)
		}
	}
	dir := t.TempDir()
	w, err := warc.NewWriter(filepath.Join(dir, "a"), 0, "test/1")
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	for i := range n {
		if err := w.Write(exchange(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := names(t, dir)[0]
	out, err := exec.CommandContext(t.Context(), program, "index", name, "-f", "warc-type,warc-target-uri,http:status").CombinedOutput()
	count := func(what string) int { return strings.Count(strings.ReplaceAll(string(out), " ", ""), what) }
	responses, revisits := count(`"warc-type":"response"`), count(`"warc-type":"revisit"`)
	if err != nil || responses+revisits != n || revisits != n/10-1 || count(`"warc-type":"request"`) != n || count(`"http:status":"200"`)+count(`"http:status":200`) < responses {
		t.Errorf("%d responses, %d revisits, %v\n%.2000s", responses, revisits, err, out)
	}
}

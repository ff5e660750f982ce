package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMisbehavingServersEndWithCurlsCode asks each for the same as curl.
func TestMisbehavingServersEndWithCurlsCode(t *testing.T) {
	u := newRawSite(t, misbehave)
	for path, args := range map[string][]string{
		"never":           {"--max-time", "0.3"},
		"drip":            {"--speed-limit", "100", "--speed-time", "1", "--max-time", "9"},
		"endless-body":    {"--max-time", "0.3", "-o", "/dev/null"},
		"reset":           {},
		"endless-headers": {},
		"endless-100":     {},
		"loop":            {"-L"},
		"bad-encoding":    {"--compressed"},
		"bad-gzip":        {"--compressed"},
		"to-gopher":       {"-L"},
		"to-nowhere":      {"-L"},
		"empty-reply":     {}, "short": {}, "short-chunk": {}, "no-last-chunk": {}, "bad-chunk": {},
		"bad-length": {}, "no-colon": {}, "nul": {}, "not-http": {}, "bad-status": {}, "http2": {}, "bad-transfer": {},
		"http09": {}, "http09-page": {}, "http09-byte": {}, "http10": {}, "good": {},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			args := append(args, u+"/"+path)
			want, got := curl(t, args...), fetch(t, append([]string{"-sS"}, args...)...)
			if got.code != want.code || got.out != want.out && path != "drip" {
				t.Errorf("(%d) %q %s; curl: (%d) %q, %s", got.code, got.out, got.errs, want.code, want.out, want.errs)
			}
			if strings.HasPrefix(path, "http09") && !strings.HasSuffix(got.errs, strings.TrimPrefix(want.errs, "curl: (1)")) {
				t.Errorf("%q; curl: %q", got.errs, want.errs)
			}
			if got.code != 0 && (!strings.HasPrefix(got.errs, fmt.Sprintf("asyncio: (%d) %s/%s: ", got.code, u, path)) || strings.Count(got.errs, "\n") != 1) {
				t.Errorf("the error is %q", got.errs)
			}
		})
	}
}

// TestMisbehavingServersDoNotKeepOthersFromFinishing asks all of them at once,
// and looks at what is different from curl, too: differing Content-Lengths are
// an error here, and one endless header line is, by the code that curl has for
// many.
func TestMisbehavingServersDoNotKeepOthersFromFinishing(t *testing.T) {
	u := newRawSite(t, misbehave)
	good := newSite(t)
	secure, _ := newTLSSite(t) // whose authority nobody knows
	want := map[string]int{
		u + "/never": 28, u + "/drip": 28, u + "/reset": 56, u + "/endless-header": 56, u + "/endless-headers": 56, u + "/endless-100": 56,
		u + "/endless-body": 63, u + "/loop": 47, u + "/to-gopher": 1, u + "/to-nowhere": 3, u + "/empty-reply": 52, u + "/short": 18,
		u + "/short-chunk": 18, u + "/no-last-chunk": 18, u + "/bad-chunk": 56, u + "/differing-lengths": 8, u + "/bad-length": 8,
		u + "/no-colon": 8, u + "/nul": 8, u + "/not-http": 1, u + "/bad-status": 1, u + "/http2": 1, u + "/bad-transfer": 61,
		u + "/bad-encoding": 61, u + "/bad-gzip": 61, good + "/bomb": 63,
		secure + "/plain": 60, "foo://x": 1, "http://": 3, "http://no.such.host.invalid/": 6,
		u + "/http10": 0, u + "/good": 0, good + "/hops/3": 0,
	}
	var list strings.Builder
	for u := range want {
		fmt.Fprintln(&list, u)
	}
	for i := range 100 {
		page := fmt.Sprintf("%s/page/%d", good, i)
		want[page] = 0
		fmt.Fprintln(&list, page)
	}
	// All but those that time out end in a moment; on a busy machine that may be long.
	for maxTime := 2; ; maxTime *= 3 {
		wrong := misbehavingAtOnce(t, list.String(), want, maxTime)
		if len(wrong) > 0 && maxTime < 10 {
			t.Logf("within %d s: %q", maxTime, wrong)
			continue
		}
		for _, text := range wrong {
			t.Error(text)
		}
		return
	}
}

// misbehavingAtOnce fetches the URLs of a list, and returns what is not as it should be.
func misbehavingAtOnce(t *testing.T, list string, want map[string]int, maxTime int) (wrong []string) {
	t.Helper()
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	got := fetchFrom(t, list, "-sS", "-L", "-i", "-", "--ndjson", "--compressed", "--max-filesize", "10M", "--max-time", strconv.Itoa(maxTime), "--parallel-max", "200")
	runtime.ReadMemStats(&after)
	if took := time.Since(began); took > time.Duration(maxTime+18)*time.Second {
		note("it took %v", took)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 128<<20 {
		note("the heap grew by %d bytes", grown)
	}
	seen := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(got.out)); lines.Scan(); {
		var r struct {
			URL      string
			Exitcode int
			Errormsg string
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		seen[r.URL] = true
		if code, ok := want[r.URL]; !ok || code != r.Exitcode {
			note("%s: (%d) %s, want (%d)", r.URL, r.Exitcode, r.Errormsg, code)
		}
		if line := fmt.Sprintf("asyncio: (%d) %s: %s\n", r.Exitcode, r.URL, r.Errormsg); r.Exitcode != 0 && !strings.Contains(got.errs, line) {
			note("%q was not told", line)
		}
	}
	for u := range want {
		if !seen[u] {
			note("%s is not done", u)
		}
	}
	return wrong
}

func TestConnectTimeout(t *testing.T) {
	// A listener that accepts nothing, and whose queue is full.
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := shrinkBacklog(l); err != nil {
		t.Skip("the queue of connections cannot be made small here:", err)
	}
	var held []net.Conn
	for late := 0; len(held) < 3 && late < 2; { // some systems keep one more than the backlog
		c, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond)
		if err != nil {
			late++ // the queue is full, or this machine is slow
			continue
		}
		held = append(held, c)
	}
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	u := "http://" + l.Addr().String() + "/"
	got := fetch(t, "-sS", "--connect-timeout", "0.3", u)
	if got.code != 28 || !strings.Contains(got.errs, "(28) "+u+": connection to") {
		t.Fatalf("%+v", got)
	}
}

func TestAHandshakeThatIsNotAnsweredIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the system connects, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := "https://" + l.Addr().String() + "/"
	for _, limit := range []string{"--connect-timeout", "--max-time"} {
		if want, got := curl(t, limit, "0.3", u), fetch(t, "-sS", limit, "0.3", u); got.code != want.code || !strings.Contains(got.errs, "(28) "+u) {
			t.Errorf("%s: %+v; curl: %+v", limit, got, want)
		}
	}
}

func TestHeaderOfAServerThatNeverEndsIsLimited(t *testing.T) {
	var sent atomic.Int64
	u := newRawSite(t, func(_ string, c *net.TCPConn, _ <-chan struct{}) {
		c.SetWriteBuffer(16 << 10)
		n, _ := c.Write([]byte("HTTP/1.1 200 OK\r\nA: "))
		for n > 0 {
			n, _ = c.Write([]byte(strings.Repeat("x", 1024)))
			sent.Add(int64(n))
		}
	})
	got := fetch(t, "-sS", u)
	if got.code != 56 || !strings.Contains(got.errs, "header too large") {
		t.Fatalf("%+v", got)
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

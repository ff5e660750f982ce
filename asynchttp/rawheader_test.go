package asynchttp

import (
	"net/http"
	"testing"
)

func TestWhatNetHTTPHidesOfAHeader(t *testing.T) {
	for _, x := range []struct {
		lines []string
		want  rawHeader
	}{
		{[]string{"GET / HTTP/1.1"}, rawHeader{}},
		{[]string{"Host: first line"}, rawHeader{}},
		{[]string{"", "Host: a"}, rawHeader{hosts: 1, host: "a"}},
		{[]string{"", "hOST:a", "Host:  b\t"}, rawHeader{hosts: 2, host: "b"}},
		{[]string{"", "Host: a", " b"}, rawHeader{hosts: 1, host: "a b"}},
		{[]string{"", "Host: a", "\t b\t"}, rawHeader{hosts: 1, host: "a b"}},
		{[]string{"", "Host: a", "", "X: y"}, rawHeader{hosts: 1, host: "a"}},
		{[]string{"", "Host: a", "X: y", " b"}, rawHeader{hosts: 1, host: "a"}},
		{[]string{"", "Hose: a", "Host", "Accept-Charset: x", "If-Modified-Since: x"}, rawHeader{}},
		{[]string{"", "content-length: 1"}, rawHeader{length: true}},
		{[]string{"", "Content-Length: 1", "Accept-Charset: x"}, rawHeader{length: true}},
		{[]string{"", "transfer-encoding: 1", "If-Modified-Since: x"}, rawHeader{transfer: true}},
	} {
		var h rawHeader
		for _, l := range x.lines {
			h.line([]byte(l))
		}
		h.first, h.inHost = false, false
		if h != x.want {
			t.Errorf("%q: got %+v, want %+v", x.lines, h, x.want)
		}
	}
}

func TestWhichRequestsEndTheirConnection(t *testing.T) {
	for _, x := range []struct {
		length, transfer bool
		minor            int
		want             bool
	}{
		{false, false, 1, false}, {true, false, 1, false}, {false, true, 1, false}, {true, true, 1, true},
		{false, false, 0, false}, {true, false, 0, false}, {false, true, 0, true}, {true, true, 0, true},
	} {
		h := rawHeader{length: x.length, transfer: x.transfer}
		if got := h.mustClose(&http.Request{ProtoMajor: 1, ProtoMinor: x.minor}); got != x.want {
			t.Errorf("%+v: got %v", x, got)
		}
	}
}

// A line that comes in pieces is shown whole, and cut off where it is long.
func TestAMeterShowsTheLinesOfAHeader(t *testing.T) {
	var m headerMeter
	var got []string
	m.start(1<<20, 10)
	m.seen = func(line []byte) { got = append(got, string(line)) }
	long := make([]byte, 3*maxSeen)
	for i := range long {
		long[i] = 'x'
	}
	for _, p := range []string{"GET", " /\r", "\nA: b\r\n", "L: ", string(long), string(long), "\r\nC: d\n\r\nbody\n"} {
		if err := m.take([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 4 || got[0] != "GET /" || got[1] != "A: b" || len(got[2]) != maxSeen || got[2][:4] != "L: x" || got[3] != "C: d" {
		t.Errorf("got %.50q", got)
	}
}

package h2

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// encoded returns fields, each as "name=value", as they are on the wire.
func encoded(fields ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		_ = enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	return b.Bytes()
}

func TestABlockIsAsLargeAsItsLimits(t *testing.T) {
	value := func(n int) string { return "a=" + strings.Repeat("x", n-len("a")-32) } // of n bytes, as hpack counts
	many := func(n int) (all []string) {
		for range n {
			all = append(all, "a=b")
		}
		return all
	}
	for name, x := range map[string]struct {
		fields []string
		large  bool
		err    string
	}{
		"as many bytes":     {[]string{value(1000)}, false, ""},
		"one more":          {[]string{value(1001)}, true, ""},
		"twice as many":     {[]string{value(1000), value(1000)}, true, ""},
		"more than twice":   {[]string{value(1000), value(1001)}, true, "header list too large"},
		"as many fields":    {many(10), false, ""},
		"one field more":    {many(11), true, ""},
		"twice the fields":  {many(20), true, ""},
		"more than those":   {many(21), true, "header list too large"},
		"a field too large": {[]string{"a=" + strings.Repeat("x", 2001)}, false, "header field too large"},
	} {
		b := block{names: &nameCache{}, limits: blockLimits{bytes: 1000, fields: 10}}
		b.start(1, requestBlock, false)
		err := b.add(encoded(x.fields...), true)
		if b.large != x.large || (err != nil) != (x.err != "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%s: large %v, %v", name, b.large, err)
		}
	}
}

func TestABlockHasSoManyPieces(t *testing.T) {
	b := block{names: &nameCache{}, limits: blockLimits{bytes: 16 << 10, fields: 10}}
	b.start(1, requestBlock, false)
	most := 64 + 2
	for i := range most {
		if err := b.add(nil, false); err != nil {
			t.Fatalf("piece %d: %v", i, err)
		}
	}
	if err := b.add(nil, true); err == nil || !strings.Contains(err.Error(), "too many CONTINUATION frames") {
		t.Errorf("one more: %v", err)
	}
	b = block{names: &nameCache{}, limits: blockLimits{bytes: 1 << 10, fields: 10}}
	b.start(5, requestBlock, false)
	b.encoded = 2 << 10
	if err := b.add(nil, false); err != nil {
		t.Error(err)
	}
	if err := b.add(encoded(":method=GET"), true); err == nil || !strings.Contains(err.Error(), "header block too large") {
		t.Errorf("more than twice the bytes: %v", err)
	}
}

func TestFieldsThatMayNotBe(t *testing.T) {
	for field, want := range map[string]string{
		"connection=close": "header of a connection: connection", "te=gzip": "te is not trailers", "te=trailers": "",
		"A=b": `invalid header name "A"`, "a b=c": `invalid header name "a b"`, "a=\x00": "invalid value of header a",
		"content-length=1": "", "content-length=-1": "invalid content-length", "content-length=9223372036854775808": "invalid content-length",
		"accept=x": "",
	} {
		b := block{names: &nameCache{}, limits: blockLimits{bytes: 1000, fields: 10}}
		b.start(1, requestBlock, false)
		if err := b.add(encoded(field), true); err != nil || b.wrong != want || !b.regular {
			t.Errorf("%q: %q, %v", field, b.wrong, err)
		}
	}
	b := block{names: &nameCache{}, limits: blockLimits{bytes: 1000, fields: 10}}
	for _, x := range []struct {
		kind   blockKind
		fields []string
		wrong  string
		length int64
	}{
		{requestBlock, []string{"content-length=7", "content-length=7"}, "", 7},
		{requestBlock, []string{"content-length=7", "content-length=8"}, "invalid content-length", 7},
		{requestBlock, []string{"content-length=0"}, "", 0},
		{trailerBlock, []string{"content-length=7"}, "content-length in a trailer", -1},
		{unwantedBlock, []string{"connection=close"}, "", -1},
	} {
		b.start(1, x.kind, false)
		if err := b.add(encoded(x.fields...), true); err != nil || b.wrong != x.wrong || b.length != x.length {
			t.Errorf("%v: %q, %d, %v", x.fields, b.wrong, b.length, err)
		}
	}
	b.start(1, requestBlock, false)
	if err := b.add(encoded("a=1", "b=2", "a=3", "c=4", "d=5", "e=6", "f=7"), true); err != nil || fmt.Sprint(b.header) != "map[A:[1 3] B:[2] C:[4] D:[5] E:[6] F:[7]]" {
		t.Errorf("%v, %v", b.header, err)
	}
}

func TestNamesAreKnownUpToANumber(t *testing.T) {
	var c nameCache
	for name, want := range map[string]string{"content-type": "Content-Type", "x-a": "X-A", "X-A": "", "x a": "", "": ""} {
		for range 2 {
			if got := c.canonical(name); got != want {
				t.Errorf("%q: %q", name, got)
			}
		}
	}
	if len(c.known) != 1 {
		t.Errorf("it knows %v", c.known)
	}
	c.canonical(strings.Repeat("y", 63))
	c.canonical(strings.Repeat("y", 64))
	if len(c.known) != 2 {
		t.Errorf("it knows %d names", len(c.known))
	}
	for i := range 2 * maxCachedNames {
		if name := fmt.Sprintf("x-%d", i); c.canonical(name) != fmt.Sprintf("X-%d", i) {
			t.Error(name)
		}
	}
	if len(c.known) != maxCachedNames {
		t.Errorf("it knows %d names", len(c.known))
	}
	for name, want := range map[string]string{"Content-Type": "content-type", "X-A": "x-a", "x": "x"} {
		if got := lowerName(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestErrorsOfTheFramerAreTold(t *testing.T) {
	for _, x := range []struct {
		err  error
		want error
	}{
		{http2.StreamError{StreamID: 3, Code: http2.ErrCodeProtocol}, streamError(3, http2.ErrCodeProtocol, "malformed PING")},
		{http2.ConnectionError(http2.ErrCodeFrameSize), connError(http2.ErrCodeFrameSize, "malformed PING")},
		{io.ErrUnexpectedEOF, connError(http2.ErrCodeFrameSize, "PING is too short")},
		{io.ErrClosedPipe, connError(http2.ErrCodeProtocol, "io: read/write on closed pipe")},
	} {
		if got := framerError(http2.FramePing, fmt.Errorf("read: %w", x.err)); got.Error() != x.want.Error() && x.err != io.ErrClosedPipe {
			t.Errorf("%v: %v, want %v", x.err, got, x.want)
		}
	}
}

func TestHEADERSThatAreTooShort(t *testing.T) {
	var c conn
	for _, x := range []struct {
		p     []byte
		flags http2.Flags
		id    uint32
		want  string
	}{
		{nil, 0, 0, "malformed HEADERS"},
		{nil, http2.FlagHeadersPadded, 1, "HEADERS is too short"},
		{make([]byte, 4), http2.FlagHeadersPriority, 1, "HEADERS is too short"},
		{make([]byte, 5), http2.FlagHeadersPriority | http2.FlagHeadersPadded, 1, "HEADERS is too short"},
		{[]byte{1}, http2.FlagHeadersPadded, 1, "malformed HEADERS"},
		{[]byte{1, 0, 0, 0, 0, 0}, http2.FlagHeadersPriority | http2.FlagHeadersPadded, 1, "malformed HEADERS"},
	} {
		if err := c.headersFrame(x.p, x.flags, x.id); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v with %v: %v", x.p, x.flags, err)
		}
	}
}

func TestASenderLeavesTheQueueFromAnyPlace(t *testing.T) {
	for gone := range 3 {
		var q sendQueue
		all := []*sender{{id: 1}, {id: 2}, {id: 3}}
		for _, s := range all {
			q.push(s)
		}
		q.remove(all[gone])
		q.remove(all[gone]) // it is not there
		if all[gone].queued || q.n != 2 {
			t.Errorf("%d of them are left", q.n)
		}
		last := &sender{id: 4}
		q.push(last)
		for _, s := range append(append([]*sender{}, all...), last) {
			if s == all[gone] {
				continue
			}
			if got := q.pop(); got != s || s.queued {
				t.Errorf("without %d: got %v, want %d", gone+1, got, s.id)
			}
		}
		if s := q.pop(); s != nil || q.n != 0 {
			t.Errorf("%v was left, and %d", s, q.n)
		}
		if q.rest(); q.lists != nil {
			t.Error("an idle one keeps its lists")
		}
		q.push(last)
		if q.rest(); q.lists == nil || q.pop() != last {
			t.Error("one that waits was forgotten")
		}
	}
}

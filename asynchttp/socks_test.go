package asynchttp

import (
	"io"
	"net/url"
	"strings"
	"testing"
)

func TestRequestsToASOCKSProxy(t *testing.T) {
	for target, want := range map[string]string{
		"1.2.3.4:80":         "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50",
		"[::1]:443":          "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x01\xbb",
		"[::ffff:1.2.3.4]:1": "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x01",
		"example.org:258":    "\x05\x01\x00\x03\x0bexample.org\x01\x02",
	} {
		if got, err := socksRequest(target); string(got) != want || err != nil {
			t.Errorf("%s: got %q, %v", target, got, err)
		}
	}
	for _, target := range []string{"x", "x:y", "x:65536", strings.Repeat("x", 256) + ":1"} {
		if got, err := socksRequest(target); err == nil {
			t.Errorf("%.10s: got %q", target, got)
		}
	}
}

func TestAnswersOfASOCKSProxy(t *testing.T) {
	for answer, want := range map[string]int{
		"\x05\x00\x00\x01\x01": 5,
		"\x05\x00\x00\x04\x01": 17,
		"\x05\x00\x00\x03\x07": 9,
	} {
		if rest, err := socksAnswer([]byte(answer)); rest != want || err != nil {
			t.Errorf("%q: %d are to come, %v", answer, rest, err)
		}
	}
	for answer, want := range map[string]string{
		"\x04\x00\x00\x01\x01": "malformed",
		"\x05\x00\x01\x01\x01": "malformed",
		"\x05\x00\x00\x02\x01": "malformed",
		"\x05\x05\x00\x01\x01": "connection refused",
		"\x05\x63\x00\x01\x01": "code 99",
	} {
		if rest, err := socksAnswer([]byte(answer)); rest != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %d, %v", answer, rest, err)
		}
	}
}

// memory is a stream to a proxy that has said all that it will ever say.
type memory struct {
	stream
	says *strings.Reader
	got  strings.Builder
}

func (m *memory) Read(p []byte) (int, error)  { return m.says.Read(p) }
func (m *memory) Write(p []byte) (int, error) { return m.got.Write(p) }

func TestTalkingWithASOCKSProxy(t *testing.T) {
	const (
		plain   = "\x05\x01\x00"
		asks    = "\x05\x01\x02"
		request = "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"
		answer  = "\x05\x00\x00\x01\x09\x09\x09\x09\x09\x09"
		login   = "\x01\x01a\x01b"
	)
	long := strings.Repeat("x", 255)
	for name, x := range map[string]struct {
		user       *url.Userinfo
		says, want string // what the proxy says, and is told
		err        string
		left       int
	}{
		"without a user":      {nil, "\x05\x00" + answer, plain + request, "", 0},
		"what follows":        {nil, "\x05\x00" + answer + "more", plain + request, "", 4},
		"with one":            {url.UserPassword("a", "b"), "\x05\x02\x01\x00" + answer, asks + login + request, "", 0},
		"without a password":  {url.User("a"), "\x05\x02\x01\x00" + answer, asks + "\x01\x01a\x00" + request, "", 0},
		"as long as may be":   {url.UserPassword(long, long), "\x05\x02\x01\x00" + answer, asks + "\x01\xff" + long + "\xff" + long + request, "", 0},
		"too long a user":     {url.UserPassword(long+"x", "b"), "\x05\x02\x01\x00" + answer, asks, "too long", 12},
		"too long a password": {url.UserPassword("a", long+"x"), "\x05\x02\x01\x00" + answer, asks, "too long", 12},
		"no name":             {url.UserPassword("", "b"), "\x05\x02\x01\x00" + answer, asks, "no user", 12},
		"refused":             {url.UserPassword("a", "b"), "\x05\x02\x01\x01" + answer, asks + login, "refused", 10},
		"SOCKS 4":             {nil, "\x04\x00" + answer, plain, "our way to log in: 04 00", 10},
		"no way to log in":    {nil, "\x05\xff" + answer, plain, "our way to log in: 05 ff", 10},
		"another way":         {url.User("a"), "\x05\x00" + answer, asks, "our way to log in: 05 00", 10},
		"host unreachable":    {nil, "\x05\x00\x05\x04\x00\x01\x00", plain + request, "host unreachable", 0},
		"an end at once":      {nil, "", plain, "EOF", 0},
		"half a greeting":     {nil, "\x05", plain, "unexpected EOF", 0},
		"half a login":        {url.User("a"), "\x05\x02\x01", asks + "\x01\x01a\x00", "unexpected EOF", 0},
		"half an answer":      {nil, "\x05\x00\x05\x00", plain + request, "unexpected EOF", 0},
		"half an address":     {nil, "\x05\x00" + answer[:7], plain + request, "unexpected EOF", 0},
	} {
		m := &memory{says: strings.NewReader(x.says)}
		err := (&conn{s: m}).connectSOCKS(&url.URL{User: x.user}, "1.2.3.4:80")
		if (err != nil) != (x.err != "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%s: %v", name, err)
		}
		if err == io.EOF && x.err != "EOF" {
			t.Errorf("%s: one more answer was waited for", name)
		}
		if m.got.String() != x.want || m.says.Len() != x.left {
			t.Errorf("%s: the proxy was told %q, and %d bytes are left", name, m.got.String(), m.says.Len())
		}
	}
	m := &memory{says: strings.NewReader("\x05\x00" + answer)}
	if err := (&conn{s: m}).connectSOCKS(&url.URL{}, "nowhere"); err == nil || m.got.String() != plain {
		t.Errorf("a target without a port: %v, and %q was said", err, m.got.String())
	}
}

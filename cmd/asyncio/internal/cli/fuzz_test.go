package cli_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// FuzzAnyAnswerEndsTheTransfer lets a server send what comes to mind: the
// program ends, with an error in one line if it is one.
func FuzzAnyAnswerEndsTheTransfer(f *testing.F) {
	for _, answer := range answers {
		f.Add([]byte(answer), true)
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n\x28\xb5\x2f\xfd"), true)
	f.Add([]byte("HTTP/1.1 301 \r\nLocation: \x1b]0;title\x07\r\n\r\n"), false)
	var answer atomic.Pointer[[]byte]
	u := newRawSite(f, func(_ string, c *net.TCPConn, _ <-chan struct{}) {
		_, _ = c.Write(*answer.Load())
		_ = c.CloseWrite()
		_, _ = c.Read(make([]byte, 4096))
	})
	f.Fuzz(func(t *testing.T, given []byte, compressed bool) {
		answer.Store(&given)
		args := []string{"-sS", "--max-filesize", "1M", "--max-time", "5", u + "/"}
		if compressed {
			args = append(args, "--compressed")
		}
		got := fetch(t, args...)
		switch {
		case got.code == 0 && got.errs != "":
			t.Errorf("%q: an error that is none: %s", given, got.errs)
		case got.code == 28:
			t.Errorf("%q: it did not end by itself", given)
		case got.code != 0 && (strings.Count(got.errs, "\n") != 1 || !strings.Contains(got.errs, u)):
			t.Errorf("%q: the error is %q", given, got.errs)
		}
		for _, c := range got.errs {
			if c < ' ' && c != '\n' {
				t.Errorf("%q: a control character in %q", given, got.errs)
			}
		}
	})
}

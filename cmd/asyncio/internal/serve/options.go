// Package serve is a web server of a directory's files, on an event loop or on
// several: what python -m http.server is for.
//
// A request's file is looked for, opened and, where it is small, read on the loop, if
// the kernel has it in memory and says so, and else in one job of the loop's executor;
// nothing on the loop waits for the disk but sendfile.
package serve

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"
)

// Options is what to serve, and how.
type Options struct {
	Dir       string      // empty: the current directory
	Listen    string      // host and port; empty: DefaultListen
	TLS       *tls.Config // nil: http
	HTTP      Versions    // of HTTP
	Workers   int         // loops, each on a core; below 1: one for each
	Log       LogFormat
	Hidden    bool  // files and directories whose names begin with a dot are served, too
	Upload    bool  // PUT makes files
	MaxUpload int64 // bytes of one; 0: DefaultMaxUpload
}

const (
	// DefaultListen is reached from this machine only.
	DefaultListen = "127.0.0.1:8000"
	// DefaultMaxUpload is 100 MiB.
	DefaultMaxUpload = 100 << 20
)

const (
	// headerTime is how long a request's header may take to come, idleTime how
	// long a connection is kept for the next request.
	headerTime, idleTime = 30 * time.Second, 2 * time.Minute
	// graceTime is how long requests that are under way have at the end.
	graceTime = 10 * time.Second
	// skipTime and skipBytes bound the reading of a body that nobody wants.
	skipTime, skipBytes = time.Second, 64 << 10
	// smallFile is what is read whole in the job that opens the file. What is
	// larger goes by sendfile, or comes in pieces of pieceSize.
	smallFile, pieceSize = 64 << 10, 128 << 10
	// minZip is the smallest body that is packed: what it saves below that is no
	// packet less.
	minZip = 1 << 10
	// maxListed is how many names a listing shows.
	maxListed = 20000
)

// Versions is which versions of HTTP are spoken.
type Versions uint8

const (
	// HTTPAll is HTTP/1.1 and HTTP/2, on the same port.
	HTTPAll Versions = iota
	// HTTP1 is HTTP/1.1 alone.
	HTTP1
	// HTTP2 is HTTP/2 alone.
	HTTP2
)

// ParseVersions reads what is to be spoken: all, 1.1 or 2.
func ParseVersions(s string) (Versions, error) {
	for v, name := range []string{"all", "1.1", "2"} {
		if s == name {
			return Versions(v), nil
		}
	}
	return 0, fmt.Errorf("%q is no version of HTTP to speak: all, 1.1 or 2", s)
}

// protocols is what a server is told; nil means all.
func (v Versions) protocols() *http.Protocols {
	if v == HTTPAll {
		return nil
	}
	p := new(http.Protocols)
	p.SetHTTP1(v == HTTP1)
	p.SetHTTP2(v == HTTP2)
	p.SetUnencryptedHTTP2(v == HTTP2)
	return p
}

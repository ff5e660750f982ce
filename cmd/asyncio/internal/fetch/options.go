// Package fetch gets many URLs at once on one event loop, in the manner of
// curl: its names for options, its variables, its exit codes.
//
// [Run] is the whole of it. Inside, a schedule decides which job may start, an
// attempt makes the requests of one, a sink takes its body, and a
// report prints the result. All of them run on the loop's goroutine; nothing is
// locked.
package fetch

import (
	"crypto/tls"
	"net/netip"
	"net/url"
	"time"
)

// Options is what to fetch, and how. A zero value means what leaving out
// curl's option of that name means.
type Options struct {
	// Targets is what to fetch, in order.
	Targets []Target

	OutputDir  string // where files are saved; empty: the current directory
	CreateDirs bool   // make directories that are missing

	ParallelMax     int // transfers at a time; 0: 50
	ParallelMaxHost int // of those, to one host and port; 0: no bound
	Rate            Rate

	Location  bool // follow redirects
	MaxRedirs int  // at most so many; negative: no bound

	Method    string
	Headers   []Header
	Data      []byte // the body of the request, when HasData
	HasData   bool
	UserAgent *string // nil: our own
	User      *url.Userinfo

	Proxy   *string // nil: from the environment; empty: none
	Resolve []ResolveRule
	// CheckAddr returns an error for an address that must not be connected to;
	// nil: any may be. It is called on any goroutine. It does not see what a
	// proxy connects to, and is not asked about proxies.
	CheckAddr  func(netip.Addr) error
	TLS        *tls.Config // nil: the system's certificates
	Compressed bool
	HTTP       HTTPVersion

	ConnectTimeout time.Duration // 0: none
	MaxTime        time.Duration // for each attempt; 0: none
	SpeedLimit     int64         // bytes a second; 0: none
	SpeedTime      time.Duration // 0: 30 seconds
	MaxFilesize    int64         // decoded bytes of a body; 0: no bound
	Trace          bool          // results have all their fields, also where nothing prints them

	MaxIdle int // idle connections that are kept; 0: two for each transfer

	proxies []string // host and port of each

	Retry          int
	RetryDelay     time.Duration // 0: one second, doubled each time
	RetryMaxTime   time.Duration // 0: no bound
	RetryAllErrors bool

	Fail       bool // a status of 400 and above is an error
	Silent     bool
	ShowError  bool // errors are printed although Silent
	Verbose    bool
	WriteOut   string
	NDJSON     bool
	NoProgress bool
}

// A Target is a URL, or the name of a list of them, and where their bodies go.
type Target struct {
	URL    string
	List   string // a file with a URL a line, "-" for standard input; URL is empty then
	Output Output
}

// An Output is where a body goes.
type Output struct {
	Kind OutputKind
	Path string // for ToFile
}

// OutputKind is the kind of an [Output].
type OutputKind uint8

const (
	ToStdout  OutputKind = iota
	ToFile               // a file that the user named
	ToRemote             // a file named after the last part of the URL's path
	ToNowhere            // the body is read, counted and dropped
)

// An HTTPVersion is which versions of HTTP are spoken.
type HTTPVersion uint8

const (
	HTTPAny   HTTPVersion = iota // HTTP/2 where an https server offers it
	HTTP1                        // HTTP/1.1 only
	HTTP2Only                    // HTTP/2 from the first byte on, also without TLS
)

// A Header is one that the user asked for. Remove takes away one that would be
// sent otherwise.
type Header struct {
	Name, Value string
	Remove      bool
}

// A ResolveRule holds the addresses of a host, which is then not looked up.
type ResolveRule struct {
	Host  string // in lower case; "*" for every host
	Port  uint16
	Addrs []netip.Addr
}

const (
	defaultParallel  = 50
	defaultSpeedTime = 30 * time.Second
	// DefaultMaxRedirs is curl's.
	DefaultMaxRedirs = 50
)

const (
	// unlimited is more files than any run has open.
	unlimited = 1 << 20
	// A transfer may have a connection and a file open, and leaves two idle
	// connections; some more files are for the rest of the program.
	filesEach, filesElse = 4, 64
)

// parallel returns how many transfers may run at a time, and reports whether that is less
// than was asked for, because no more files may be open.
func (o *Options) parallel() (n int, less bool) {
	n = o.ParallelMax
	if n <= 0 {
		n = defaultParallel
	}
	if most := max(1, (openFiles()-filesElse)/filesEach); n > most {
		return most, true
	}
	return n, false
}

func (o *Options) speedTime() time.Duration {
	if o.SpeedTime <= 0 {
		return defaultSpeedTime
	}
	return o.SpeedTime
}

// several reports whether there may be more than one body.
func (o *Options) several() bool {
	return len(o.Targets) > 1 || len(o.Targets) == 1 && o.Targets[0].List != ""
}

// toStdout reports whether a body may go to standard output.
func (o *Options) toStdout() bool {
	for _, t := range o.Targets {
		if t.Output.Kind == ToStdout {
			return true
		}
	}
	return false
}

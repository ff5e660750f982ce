package fetch

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/asyncio-go/asyncio"
)

// RunWith is Run with another transport.
func RunWith(ctx context.Context, o *Options, s Streams, t http.RoundTripper) Code {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return BadUsage
	}
	return run(ctx, newClient(loop, o, t), s)
}

// Lines returns the URLs of a list that comes in these blocks.
func Lines(blocks ...[]byte) (lines []string, err error) {
	var s lineSplitter
	for i := range len(blocks) + 1 {
		var block []byte
		if i < len(blocks) {
			block = blocks[i]
		}
		for line, e := range s.feed(block, i == len(blocks)) {
			if e != nil {
				return lines, e
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// FormatWriteOut is what -w prints for r, and the names it does not know.
func FormatWriteOut(format string, r *Result) (out, errs string, unknown []string) {
	w, unknown := parseWriteOut(format)
	a, b := w.format(r)
	return string(a), string(b), unknown
}

// Again is the decision about another attempt.
func (o *Options) Again(r *Result, retries int, since time.Duration, now time.Time) (time.Duration, bool) {
	return o.again(r, retries, since, now)
}

// NoProxyHas reports whether a NO_PROXY list has a host.
func NoProxyHas(list, host string) bool { return parseNoProxy(list).has(host) }

// ProxyFor returns the proxy for a URL.
func ProxyFor(o *Options, env map[string]string, u *url.URL) (*url.URL, error) {
	f, err := proxyFunc(o, func(name string) string { return env[name] })
	if err != nil || f == nil {
		return nil, err
	}
	return f(&http.Request{URL: u})
}

// AppendJSON is a line of --ndjson.
func AppendJSON(r *Result) string { return string(appendJSON(nil, r)) }

// VariableNames are the names of -w.
func VariableNames() (names []string) {
	for _, v := range variables {
		names = append(names, v.name)
	}
	return names
}

var (
	RemoteName = remoteName
	ParseURL   = parseURL
	Decoded    = decoded
)

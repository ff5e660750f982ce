// Package remote has the fetches of a crawl made by other processes, on this machine
// and others: the members, which meet the crawl's owner at a NATS server.
//
// The owner keeps everything: what is to be fetched, what was, and what a host may be
// asked at a time. A member holds no state; it makes single fetches. So there is one
// question to get right: when may the owner have a fetch made again by somebody else,
// whose member is not heard of any more? Its request may still run, and the host's
// limit must hold. Both sides go by their own clocks:
//
//   - A member tells every 250 milliseconds that it is there, with a number that grows.
//     The owner's orders name the last number that it has heard. A member works for an
//     owner until two seconds after it had sent the number that was named last: its
//     lease. Then it cancels what it does for it, and refuses orders with older
//     numbers, as those that have waited while the process stood still.
//   - The owner gives a member nothing more of which it has not heard for 0.8 seconds,
//     and gives its fetches up when it was silent for three: they go back to the front
//     of their hosts' queues. Until then they keep their hosts' places.
//
// An owner that is started again has a higher generation than its predecessor. Its
// first order ends what a member does for that.
package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
)

const (
	beatEvery = 250 * time.Millisecond
	silence   = 800 * time.Millisecond
	lease     = 2 * time.Second
	giveUp    = 3 * time.Second // since a member was heard last
)

// Subjects.
const (
	prefix        = "asyncio_crawl."
	beatSubject   = prefix + "beat"    // what members tell of themselves
	statusSubject = prefix + "status"  // who asks here is told of crawls
	memberSubject = prefix + "member." // and the member's id: orders
)

// A Member is what a member tells of itself.
type Member struct {
	ID      string
	Host    string // the machine's name
	Process int    // the process id there
	Beat    uint64 // how often it was told
	Places  int    // as many fetches as it makes at a time
	Running int    // as many as it makes now
	Fetched uint64 // as many as it has made
	Leaving bool   // it takes no more
	Left    bool   // and is gone
}

// order is what an owner tells a member.
type order struct {
	Crawl      string // the same after a restart
	Generation int64  // of the owner: a later one has a higher number
	Reply      string // where reports go
	Beat       uint64 // the member's that was heard last
	SettingsID string
	Settings   []byte // when the member may not have them
	Fetches    []job
	Cancel     []uint64
	Ask        []uint64 // jobs that the member should have: it says which are lost
}

// job is a fetch that is to be made.
type job struct {
	N         uint64
	URL       string
	Limit     int64
	Cut, Keep bool
}

// report is what a member tells an owner.
type report struct {
	Member  string
	Results []result
	Refused []uint64 // were not begun
	Lost    []uint64 // were begun, or never came; nothing is done for them any more
	Unset   bool     // the settings are not known
}

// result is the response to a job, as far as a crawl uses it.
type result struct {
	N                                        uint64
	Code, ConnectCode                        int
	URL, Method, Scheme, HTTPVersion         string
	ContentType, RedirectURL                 string
	Header                                   http.Header
	Connects, Headers                        int
	Downloaded, Uploaded                     int64
	HeaderSize, RequestSize                  int64
	Times                                    fetch.Times
	Remote, Local                            netip.AddrPort
	Failure                                  *failure
	Body, RequestHead, ResponseHead, RawBody []byte
}

// failure is a [fetch.Error].
type failure struct {
	Code    fetch.Code
	URL     string
	Text    string
	Refused *safety.AddressError // the address that was not allowed
}

// remoteError is an error of a member's fetch: its text, and what the owner looks for.
type remoteError struct {
	text    string
	refused *safety.AddressError
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error {
	if e.refused == nil {
		return nil
	}
	return e.refused
}

func newResult(n uint64, r *fetch.Response) *result {
	out := &result{
		N: n, Code: r.Code, ConnectCode: r.ConnectCode, URL: r.URL, Method: r.Method, Scheme: r.Scheme,
		HTTPVersion: r.HTTPVersion, ContentType: r.ContentType, RedirectURL: r.RedirectURL, Header: r.Header,
		Connects: r.Connects, Headers: r.Headers, Downloaded: r.Downloaded, Uploaded: r.Uploaded,
		HeaderSize: r.HeaderSize, RequestSize: r.RequestSize, Times: r.Times, Remote: r.Remote, Local: r.Local,
		Body: r.Body, RequestHead: r.RequestHead, ResponseHead: r.ResponseHead, RawBody: r.Raw,
	}
	if r.Err != nil {
		out.Failure = &failure{Code: r.Err.Code, URL: r.Err.URL, Text: r.Err.Err.Error()}
		_ = errors.As(r.Err, &out.Failure.Refused)
	}
	return out
}

func (r *result) response() *fetch.Response {
	out := &fetch.Response{
		Result: fetch.Result{
			Code: r.Code, ConnectCode: r.ConnectCode, URL: r.URL, Method: r.Method, Scheme: r.Scheme,
			HTTPVersion: r.HTTPVersion, ContentType: r.ContentType, RedirectURL: r.RedirectURL, Header: r.Header,
			Connects: r.Connects, Headers: r.Headers, Downloaded: r.Downloaded, Uploaded: r.Uploaded,
			HeaderSize: r.HeaderSize, RequestSize: r.RequestSize, Times: r.Times, Remote: r.Remote, Local: r.Local,
		},
		Body: r.Body, RequestHead: r.RequestHead, ResponseHead: r.ResponseHead, Raw: r.RawBody,
	}
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if f := r.Failure; f != nil {
		out.Err = &fetch.Error{Code: f.Code, URL: f.URL, Err: &remoteError{f.Text, f.Refused}}
	}
	return out
}

// size is about how many bytes a result has when it is encoded.
func (r *result) size() int {
	n := 256 + len(r.URL) + len(r.Body) + len(r.RequestHead) + len(r.ResponseHead) + len(r.RawBody)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// A message to an owner is a report, or a piece of one result that is too large for
// a message.
const (
	kindReport byte = 'R'
	kindPiece  byte = 'P'
)

func encodeReport(r *report) ([]byte, error) {
	p, err := gobvalue.Encode(r)
	return append([]byte{kindReport}, p...), err
}

// piece is a part of an encoded result.
type piece struct {
	n     uint64
	index uint64
	last  bool
	data  []byte
}

func (p *piece) encode() []byte {
	b := []byte{kindPiece, 0}
	if p.last {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, p.n)
	b = binary.AppendUvarint(b, p.index)
	return append(b, p.data...)
}

var errMessage = errors.New("a message is cut off or of another version")

func decodePiece(b []byte) (p piece, err error) {
	if len(b) < 2 || b[0] != kindPiece {
		return p, errMessage
	}
	p.last = b[1] == 1
	b = b[2:]
	for _, v := range []*uint64{&p.n, &p.index} {
		n := 0
		if *v, n = binary.Uvarint(b); n <= 0 {
			return p, errMessage
		}
		b = b[n:]
	}
	p.data = b
	return p, nil
}

func decode[T any](what string, b []byte) (*T, error) {
	v, err := gobvalue.Decode[*T](b)
	if err == nil && v == nil {
		err = errMessage
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

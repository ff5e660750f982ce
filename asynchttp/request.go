package asynchttp

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"

	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
	"golang.org/x/net/http/httpguts"
)

// defaultUserAgent is sent by requests that name none.
const defaultUserAgent = "asyncio-go/1"

// unsentHeaders are the headers that appendRequest writes by itself.
var unsentHeaders = map[string]bool{
	"Host": true, "User-Agent": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true,
}

// outgoing is a request on its way to the wire.
//
// net/http's own Request.Write is not used: for a body of unknown length on a
// GET it starts a goroutine that reads it, and headers that the Transport adds
// would need a copy of the request's.
type outgoing struct {
	req       *http.Request
	trace     *httptrace.ClientTrace
	absolute  bool   // the request line has the whole URL, for a proxy
	gzip      bool   // ask for gzip
	close     bool   // say that the connection is not kept
	proxyAuth string // for the proxy that gets this request
}

// length is that of the body; -1 when it is not known.
func (o *outgoing) length() int64 {
	switch r := o.req; {
	case r.Body == nil || r.Body == http.NoBody:
		return 0
	case r.ContentLength != 0:
		return max(r.ContentLength, -1)
	default:
		return -1
	}
}

// checkRequest returns what is wrong with a request, before it costs a
// connection.
func checkRequest(r *http.Request) error {
	switch {
	case r.URL == nil:
		return errors.New("asynchttp: request without a URL")
	case r.Header == nil:
		return errors.New("asynchttp: request without a Header")
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return &UnsupportedSchemeError{r.URL.Scheme}
	case r.URL.Host == "":
		return errors.New("asynchttp: no host in the request's URL")
	case r.Method != "" && !validToken(r.Method):
		return fmt.Errorf("asynchttp: invalid method %q", r.Method)
	case r.ContentLength > 0 && r.Body == nil:
		return fmt.Errorf("asynchttp: ContentLength is %d and Body is nil", r.ContentLength)
	}
	if hasControl(r.URL.Opaque) || hasControl(r.URL.RawQuery) {
		return errControl
	}
	if _, err := hostHeader(r); err != nil {
		return err
	}
	if err := checkHeader("header", r.Header); err != nil {
		return err
	}
	return checkHeader("trailer", r.Trailer)
}

var errControl = errors.New("asynchttp: control character in the request's URL")

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// validToken reports whether s is a token of RFC 9110, as methods are.
func validToken(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// appendHeader writes the request up to the blank line.
func (o *outgoing) appendHeader(w *wire) error {
	r := o.req
	host, err := hostHeader(r)
	if err != nil {
		return err
	}
	method := cmp.Or(r.Method, http.MethodGet)
	target, err := o.target(method, host)
	if err != nil {
		return err
	}
	w.add(method, " ", target, " HTTP/1.1\r\n")
	o.field(w, "Host", host)
	if agent := o.userAgent(); agent != "" {
		o.field(w, "User-Agent", agent)
	}
	if o.close && !hasToken(r.Header["Connection"], "close") {
		o.field(w, "Connection", "close")
	}
	if err := o.appendFraming(w, method); err != nil {
		return err
	}
	w.fields(r.Header, unsentHeaders)
	o.traceFields()
	if o.gzip {
		o.field(w, "Accept-Encoding", "gzip")
	}
	if o.proxyAuth != "" && r.Header["Proxy-Authorization"] == nil {
		o.field(w, "Proxy-Authorization", o.proxyAuth)
	}
	w.add("\r\n")
	return nil
}

// target returns what stands in the request's line between method and version.
func (o *outgoing) target(method, host string) (string, error) {
	u := o.req.URL
	target := u.RequestURI()
	switch {
	case o.absolute && u.Opaque == "":
		target = u.Scheme + "://" + host + target
	case method == http.MethodConnect && u.Path == "":
		target = cmp.Or(u.Opaque, host)
	}
	if hasControl(target) {
		return "", errControl
	}
	return target, nil
}

// userAgent returns the User-Agent; empty when the request wants none.
func (o *outgoing) userAgent() string {
	v, ok := o.req.Header["User-Agent"]
	switch {
	case !ok:
		return defaultUserAgent
	case len(v) == 0:
		return ""
	}
	return v[0]
}

// appendFraming writes the fields by which the server knows the end of the body.
func (o *outgoing) appendFraming(w *wire, method string) error {
	switch n := o.length(); {
	case n < 0:
		o.field(w, "Transfer-Encoding", "chunked")
		return o.appendTrailerNames(w)
	case n > 0, method == http.MethodPost, method == http.MethodPut, method == http.MethodPatch:
		o.field(w, "Content-Length", strconv.FormatInt(n, 10))
	}
	return nil
}

// traceFields tells the trace of the fields that come from the request as they
// are.
func (o *outgoing) traceFields() {
	if o.trace == nil || o.trace.WroteHeaderField == nil {
		return
	}
	for k, vs := range o.req.Header {
		if !unsentHeaders[k] {
			o.trace.WroteHeaderField(k, vs)
		}
	}
}

func (o *outgoing) field(w *wire, name, value string) {
	w.field(name, value)
	if o.trace != nil && o.trace.WroteHeaderField != nil {
		o.trace.WroteHeaderField(name, []string{value})
	}
}

func (o *outgoing) appendTrailerNames(w *wire) error {
	var names []string
	for k := range o.req.Trailer {
		k = http.CanonicalHeaderKey(k)
		switch k {
		case "Transfer-Encoding", "Trailer", "Content-Length":
			return fmt.Errorf("asynchttp: %q cannot be a trailer", k)
		}
		names = append(names, k)
	}
	if len(names) > 0 {
		slices.Sort(names)
		o.field(w, "Trailer", strings.Join(names, ","))
	}
	return nil
}

// writeBody writes the body to w. It does not close it.
func (o *outgoing) writeBody(w io.Writer) error {
	r := o.req
	n := o.length()
	if n < 0 {
		return o.writeChunked(w)
	}
	got, err := io.Copy(w, &bodySource{io.LimitReader(r.Body, n)})
	if err != nil {
		return err
	}
	if got == n {
		// Too long a body is an error too, or the rest would be lost unseen.
		var one [1]byte
		extra, err := io.ReadFull(r.Body, one[:])
		if extra == 0 && (err == io.EOF || err == io.ErrUnexpectedEOF) {
			return nil
		}
		if extra == 0 {
			return &RequestBodyError{err}
		}
		return &RequestBodyError{fmt.Errorf("it has more than the %d bytes of its ContentLength", n)}
	}
	return &RequestBodyError{fmt.Errorf("it ended after %d of the %d bytes of its ContentLength", got, n)}
}

// chunkSize is how much is read from a body of unknown length at a time.
const chunkSize = 32 << 10

// writeChunked sends a chunk for each Read of the body, at once: who reads it
// at the other end may be waited for.
func (o *outgoing) writeChunked(w io.Writer) error {
	src := bodySource{o.req.Body}
	const room = 16 // for the size before the data
	buf := make([]byte, room+chunkSize+2)
	for {
		n, err := src.Read(buf[room : room+chunkSize])
		if n > 0 {
			head := append(strconv.AppendInt(make([]byte, 0, room), int64(n), 16), "\r\n"...)
			from := room - len(head)
			copy(buf[from:], head)
			copy(buf[room+n:], "\r\n")
			if _, err := w.Write(buf[from : room+n+2]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	end := wire("0\r\n")
	end.fields(o.req.Trailer, nil) // it may have been set by the body's Read
	end.add("\r\n")
	_, err := w.Write(end)
	return err
}

// bodySource marks the errors of a body's Read as such, apart from those of
// the connection.
type bodySource struct{ r io.Reader }

func (b *bodySource) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = &RequestBodyError{err}
	}
	return n, err
}

// wantsClose reports whether the request asks that the connection be closed.
func wantsClose(r *http.Request) bool {
	return r.Close || hasToken(r.Header["Connection"], "close")
}

// hostHeader returns the value of the Host header.
func hostHeader(r *http.Request) (string, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	host, err := requesturi.ASCIIHost(host)
	if err != nil {
		return "", fmt.Errorf("asynchttp: host %q: %w", r.URL.Host, err)
	}
	if !httpguts.ValidHostHeader(host) {
		return "", fmt.Errorf("asynchttp: invalid host %q", host)
	}
	return withoutZone(host), nil
}

// withoutZone takes the zone out of an IPv6 address: it means nothing to
// anybody else.
func withoutZone(host string) string {
	if !strings.HasPrefix(host, "[") {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	if end < 0 {
		return host
	}
	if i := strings.LastIndexByte(host[:end], '%'); i >= 0 {
		return host[:i] + host[end:]
	}
	return host
}

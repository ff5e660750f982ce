package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// UserAgent is what is sent unless the user names another.
const UserAgent = "asyncio-fetch/1"

// acceptEncoding is what [decoded] understands.
const acceptEncoding = "deflate, gzip, zstd"

// A hop is one request of an attempt: the first, or one that a redirect led to.
type hop struct {
	url    *url.URL
	method string
	body   bool // the request has the user's body
	home   bool // it goes to the host that the user named
}

// firstHop is the request for what the user asked.
func (o *Options) firstHop(u *url.URL) hop {
	method := o.Method
	if method == "" {
		if method = http.MethodGet; o.HasData {
			method = http.MethodPost
		}
	}
	return hop{url: u, method: method, body: o.HasData, home: true}
}

// follow returns the request that a redirect leads to. As in curl, a POST becomes a
// GET without a body, but for 307 and 308; and a method that the user has named
// stays.
func (o *Options) follow(h hop, status int, location string) (hop, error) {
	to, err := h.url.Parse(withoutSpaces(location))
	if err != nil {
		return h, fail(BadURL, "the redirect to %q is malformed: %w", location, parseReason(err))
	}
	to.Scheme = strings.ToLower(to.Scheme)
	if err := checkURL(to); err != nil {
		return h, err
	}
	if to.Fragment == "" {
		to.Fragment = h.url.Fragment
	}
	next := hop{url: to, method: h.method, body: h.body}
	next.home = h.home && to.Scheme == h.url.Scheme && hostPort(to) == hostPort(h.url)
	switch status {
	case http.StatusMovedPermanently, http.StatusFound:
		if h.method == http.MethodPost || h.body {
			next.method, next.body = http.MethodGet, false
		}
	case http.StatusSeeOther:
		if h.method != http.MethodHead {
			next.method = http.MethodGet
		}
		next.body = false
	}
	if o.Method != "" {
		next.method = o.Method
	}
	return next, nil
}

// withoutSpaces makes the spaces that some servers send in a Location what they
// must have meant.
func withoutSpaces(location string) string {
	if !strings.Contains(location, " ") {
		return location
	}
	path, query, has := strings.Cut(location, "?")
	path = strings.ReplaceAll(path, " ", "%20")
	if has {
		path += "?" + strings.ReplaceAll(query, " ", "+")
	}
	return path
}

// request makes the request of a hop.
func (o *Options) request(ctx context.Context, h hop) *http.Request {
	r := new(http.Request).WithContext(ctx) // which makes a copy, so the rest comes after it
	r.Method, r.URL, r.Host = h.method, h.url, h.url.Host
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Header = make(http.Header, 4+len(o.Headers))
	agent := UserAgent
	if o.UserAgent != nil {
		agent = *o.UserAgent
	}
	r.Header["User-Agent"] = []string{agent} // an empty one is not sent
	r.Header["Accept"] = []string{"*/*"}
	if o.Compressed {
		r.Header["Accept-Encoding"] = []string{acceptEncoding}
	}
	if h.body {
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		r.ContentLength = int64(len(o.Data))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(o.Data)), nil }
		r.Body, _ = r.GetBody()
		if len(o.Data) == 0 {
			r.Body = http.NoBody
		}
	}
	user := h.url.User
	if user == nil && h.home {
		user = o.User
	}
	if user != nil {
		password, _ := user.Password()
		r.Header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))}
	}
	o.addHeaders(r, h.home)
	return r
}

// addHeaders sets the headers that the user asked for, but for secrets where
// the request goes to another host than the user named.
func (o *Options) addHeaders(r *http.Request, home bool) {
	if len(o.Headers) == 0 {
		return
	}
	fresh := make(map[string]bool, len(o.Headers))
	for _, h := range o.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		switch {
		case !home && (name == "Authorization" || name == "Cookie" || name == "Host"):
		case name == "Host":
			if !h.Remove {
				r.Host = h.Value
			}
		case h.Remove && name == "User-Agent":
			r.Header[name] = []string{""}
		case h.Remove:
			delete(r.Header, name)
		case fresh[name]:
			r.Header[name] = append(r.Header[name], h.Value)
		default: // the first of a name takes the place of ours
			r.Header[name] = []string{h.Value}
			fresh[name] = true
		}
	}
}

// Package look is the commands that look into the loops of other processes: ps, top,
// pstree, where, graph, cancel, dump, watch, record and web.
package look

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// A target is a process that can be looked into.
type target struct {
	pid    int // as it is known here; in its container it may have another number
	client *http.Client
	header http.Header
	close  func()
}

// errStale is the error for a socket at which nobody listens any more.
var errStale = errors.New("nobody listens at it any more")

// newTarget makes a target whose connections dial makes.
func newTarget(pid int, dial func(ctx context.Context) (net.Conn, error), done func()) *target {
	tr := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
	}
	return &target{pid: pid, client: &http.Client{Transport: tr}, header: make(http.Header), close: func() {
		tr.CloseIdleConnections()
		done()
	}}
}

// socketTarget makes a target of a socket, or of the file that stands for one, by its
// name. It returns errStale when nobody listens there.
func socketTarget(pid int, path string) (*target, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		return loopbackTarget(pid, path)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("%s is no socket", path)
	}
	t := newTarget(pid, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}, func() {})
	return t, t.try()
}

// loopbackTarget makes a target of a file with an address and a token.
func loopbackTarget(pid int, path string) (*target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var at insightwire.Loopback
	if err := json.Unmarshal(text, &at); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := newTarget(pid, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", at.Address)
	}, func() {})
	t.header.Set("Authorization", "Bearer "+at.Token)
	t.header.Set("Host", at.Address)
	return t, t.try()
}

// try reports whether somebody listens.
func (t *target) try() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := t.client.Transport.(*http.Transport).DialContext(ctx, "", "")
	if err == nil {
		return c.Close()
	}
	t.close()
	if refused(err) {
		return errStale
	}
	return err
}

// request makes a request for a path with its parameters: "name", "value", ...
func (t *target) request(ctx context.Context, method, path string, parameters ...string) (*http.Request, error) {
	q := make(url.Values)
	for i := 0; i+1 < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://insight"+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range t.header {
		r.Header[name] = values
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	return r, nil
}

// do sends a request and returns the answer if it is a good one.
func (t *target) do(r *http.Request) (*http.Response, error) {
	resp, err := t.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which says nothing to the user
		}
		if r.Context().Err() != nil {
			return nil, context.Cause(r.Context())
		}
		return nil, fmt.Errorf("process %d does not answer: %w", t.pid, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, fmt.Errorf("process %d: %s", t.pid, clean(strings.TrimSpace(string(text))))
	}
	return resp, nil
}

// get asks for a value.
func (t *target) get(ctx context.Context, v any, path string, parameters ...string) error {
	return t.ask(ctx, http.MethodGet, v, path, parameters...)
}

func (t *target) ask(ctx context.Context, method string, v any, path string, parameters ...string) error {
	r, err := t.request(ctx, method, path, parameters...)
	if err != nil {
		return err
	}
	resp, err := t.do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("process %d: its answer is broken: %w", t.pid, err)
	}
	return nil
}

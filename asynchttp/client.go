package asynchttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/loopvalue"
)

// The time limits of the default client, beside those that every [Transport] has.
const (
	defaultHeaderTimeout = time.Minute
	defaultBodyTimeout   = time.Minute
)

// DefaultClient returns the client of the running loop: one for each loop, which
// keeps connections for the next request and uses the proxy of the environment
// ([http.ProxyFromEnvironment]). It lives as long as the loop, and so do its
// connections.
//
// Its time limits are for what stands still, not for the whole: 30 seconds for a
// connection, ten for TLS, a minute for the header of a response, and a minute for
// each wait for more of a body. The end of a request's context holds, too;
// [asyncio.Timeout] limits the whole.
//
// It is for the loop's goroutine. It returns [asyncio.ErrNoRunningLoop] when ctx
// belongs to no loop.
func DefaultClient(ctx context.Context) (*http.Client, error) {
	loop, err := asyncio.RunningLoop(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("asynchttp: default client: %w", err)
	case !coro.OnMarkedGoroutine():
		return nil, fmt.Errorf("asynchttp: default client: %w", asyncio.ErrWrongGoroutine)
	}
	return loopvalue.Of(loop, defaultClientKey{}, newDefaultClient).(*http.Client), nil
}

type defaultClientKey struct{}

func newDefaultClient() any {
	return &http.Client{Transport: &Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ResponseHeaderTimeout: defaultHeaderTimeout,
		BodyTimeout:           defaultBodyTimeout,
	}}
}

// Get sends a GET by the [DefaultClient] of the running loop. It suspends the
// running task until the header of the response has come. Redirects are followed,
// as [http.Client.Get] does; a status that is no success is no error. The body must
// be closed.
func Get(ctx context.Context, url string) (*http.Response, error) {
	return do(ctx, http.MethodGet, url, "", nil)
}

// Head sends a HEAD by the [DefaultClient] of the running loop, as [Get] does.
func Head(ctx context.Context, url string) (*http.Response, error) {
	return do(ctx, http.MethodHead, url, "", nil)
}

// Post sends a POST with a body of that type by the [DefaultClient] of the running
// loop, as [Get] does. The body is read on the loop, and closed if it is an
// [io.Closer].
func Post(ctx context.Context, url, contentType string, body io.Reader) (*http.Response, error) {
	return do(ctx, http.MethodPost, url, contentType, body)
}

// PostForm sends a POST with a form by the [DefaultClient] of the running loop, as
// [Get] does.
func PostForm(ctx context.Context, url string, data url.Values) (*http.Response, error) {
	return Post(ctx, url, "application/x-www-form-urlencoded", strings.NewReader(data.Encode()))
}

func do(ctx context.Context, method, url, contentType string, body io.Reader) (*http.Response, error) {
	c, err := DefaultClient(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return c.Do(req)
}

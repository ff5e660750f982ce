//go:build unix

package cli_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/h2spec"
)

// Without TLS the server is asked to speak HTTP/2 alone: else what is no preface of
// HTTP/2 is a bad request of HTTP/1.1 on the same port, and answered as one.
func TestServePassesH2specInStrictMode(t *testing.T) {
	spec := h2spec.Path(t)
	for name, test := range map[string]struct{ serve, spec []string }{
		"plain": {[]string{"--http", "2"}, nil},
		"TLS":   {[]string{"--tls"}, []string{"-t", "-k"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServe(t, served(t), append(test.serve, "--log", "none")...)
			u, err := url.Parse(s.url)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if out, passed := h2spec.Run(ctx, spec, u.Host, test.spec...); !passed {
				t.Errorf("h2spec:\n%s", out)
			}
		})
	}
}

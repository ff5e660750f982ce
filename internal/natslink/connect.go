// Package natslink connects loops with NATS, for package cluster and for crawls on
// several machines: how to connect, by the environment; and how what NATS' goroutines
// receive comes to a loop, and what a loop wants to have sent goes out, without
// either waiting for the other.
package natslink

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Environment variables that say where NATS is and what to show there, as NATS' own
// tools know them.
const (
	envURL   = "NATS_URL"
	envToken = "NATS_TOKEN"
	envCreds = "NATS_CREDS"
	envCA    = "NATS_CA"
	envCert  = "NATS_CERT"
	envKey   = "NATS_KEY"
)

// EnvNode is set by asyncio-node for its workers, which then leave when their
// standard input ends.
const EnvNode = "ASYNCIO_NODE"

// Connect connects to NATS, and goes on to connect again when the connection is lost.
// An empty url is that of the environment. The name is what the server is told; log
// learns of what goes wrong later.
func Connect(url, name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if url == "" {
		url = os.Getenv(envURL)
	}
	if url == "" {
		url = nats.DefaultURL
	}
	opts := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		// What was not sent is sent again by those who wait for an answer.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(5 * time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS", "name", name, "error", err)
		}),
	}
	if v := os.Getenv(envToken); v != "" {
		opts = append(opts, nats.Token(v))
	}
	if v := os.Getenv(envCreds); v != "" {
		opts = append(opts, nats.UserCredentials(v))
	}
	if v := os.Getenv(envCA); v != "" {
		opts = append(opts, nats.RootCAs(v))
	}
	if cert, key := os.Getenv(envCert), os.Getenv(envKey); cert != "" || key != "" {
		opts = append(opts, nats.ClientCert(cert, key))
	}
	nc, err := nats.Connect(url, append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", WithoutSecrets(url), err)
	}
	return nc, nil
}

// WithoutSecrets returns urls, with commas between them, without what lets one in.
func WithoutSecrets(urls string) string {
	all := strings.Split(urls, ",")
	for i, u := range all {
		if at := strings.LastIndexByte(u, '@'); at >= 0 {
			scheme, _, ok := strings.Cut(u, "://")
			if !ok || len(scheme) > at {
				all[i] = u[at+1:]
			} else {
				all[i] = scheme + "://" + u[at+1:]
			}
		}
	}
	return strings.Join(all, ",")
}

package crawl

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/remote"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// newRemote returns what gives fetches to members. current returns the crawler, or
// nil while there is none.
func newRemote(ctx context.Context, o *Options, s fetch.Streams, current func() *crawler) (*remote.Owner, error) {
	agent := UserAgent
	if o.Fetch.UserAgent != nil {
		agent = *o.Fetch.UserAgent
	}
	host, _ := os.Hostname()
	name := crawlName(host, o.State)
	r, err := remote.Connect(ctx, remote.OwnerOptions{
		URL: o.Join, Crawl: name, Resumed: o.Resume,
		Settings: remote.NewSettings(&o.Fetch, agent, o.AllowPrivate, o.CA, o.Insecure),
		Log:      remoteLog(s.Stderr, o.Silent),
		Note: func(format string, args ...any) {
			if c := current(); c != nil {
				c.note(format, args...)
			}
		},
		Status: func() remote.CrawlStatus {
			status := remote.CrawlStatus{Crawl: name, Host: host, Process: os.Getpid(), State: o.State}
			if len(o.Roots) > 0 {
				status.Root = o.Roots[0]
			}
			if c := current(); c != nil {
				c.tellStatus(&status)
			}
			return status
		},
	})
	if err != nil {
		return nil, &fetch.Error{Code: fetch.CannotConnect, Err: fmt.Errorf("--join: %w", err)}
	}
	return r, nil
}

// crawlName names a crawl so that members know it again when it is resumed: they end
// then what they do for the process that was killed.
func crawlName(host, state string) string {
	if dir, err := filepath.Abs(state); err == nil && state != "" {
		sum := sha256.Sum256([]byte(host + "\x00" + dir))
		return hex.EncodeToString(sum[:8])
	}
	return rand.Text()
}

// remoteLog is told what goes wrong with a connection to NATS.
func remoteLog(w io.Writer, silent bool) *slog.Logger {
	if silent {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// tellStatus tells how far the crawl is.
func (c *crawler) tellStatus(s *remote.CrawlStatus) {
	s.Seconds = (c.now() - c.stats.begun).Seconds()
	for _, n := range c.stats.saved {
		s.Saved += n
	}
	for _, n := range c.stats.ended {
		s.Ended += n
	}
	s.Redirected, s.Requests, s.Bytes = c.stats.redirects, c.stats.requests, c.stats.bytes
	s.Queued, s.Hosts = c.front.Queued(), c.front.Met()
}

// MemberOptions are those of [RunMember].
type MemberOptions struct {
	Join         string // a NATS server; empty: that of the environment
	Places       int    // fetches at a time
	AllowPrivate bool
	Silent       bool
}

// DefaultPlaces is how many fetches a member makes at a time.
const DefaultPlaces = 50

// memberGrace is how long a member that leaves waits for what it does.
const memberGrace = 10 * time.Second

// RunMember makes fetches for crawls of others until the task is cancelled. It runs in
// a coroutine.
func RunMember(ctx context.Context, o *MemberOptions, s fetch.Streams) fetch.Code {
	note := func(format string, args ...any) {
		if !o.Silent {
			_, _ = fmt.Fprintln(s.Stderr, "asyncio: note: "+fetch.Printable(fmt.Sprintf(format, args...)))
		}
	}
	err := remote.Serve(ctx, remote.MemberOptions{
		URL: o.Join, Places: o.Places, AllowPrivate: o.AllowPrivate, Grace: memberGrace,
		Log: remoteLog(s.Stderr, o.Silent), Note: note,
	})
	if err != nil {
		return complain(s, &fetch.Error{Code: fetch.CannotConnect, Err: fmt.Errorf("--join: %w", err)})
	}
	return fetch.OK
}

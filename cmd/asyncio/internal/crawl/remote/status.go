package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio/internal/natslink"
)

// CrawlStatus is how far a crawl is that runs with members.
type CrawlStatus struct {
	Crawl   string
	Host    string // the machine of its owner
	Process int
	Root    string // the first
	State   string // its directory, if it has one
	Seconds float64

	Saved, Redirected, Ended int
	Queued                   int
	Active                   int // fetches that members have
	Requests                 int
	Bytes                    int64 // that were fetched
	Hosts                    int
	Lost                     int // fetches that were lost with their members
}

// Status is what crawls and members have told.
type Status struct {
	Crawls  []CrawlStatus
	Members []Member
}

// answerTime is how long owners and members have to answer.
const answerTime = 500 * time.Millisecond

// ReadStatus asks all owners and members at a NATS server. It blocks the goroutine for
// half a second.
func ReadStatus(ctx context.Context, url string, log *slog.Logger) (*Status, error) {
	nc, err := natslink.Connect(url, "crawl status", log)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err == nil {
		err = nc.PublishMsg(&nats.Msg{Subject: statusSubject, Reply: inbox})
	}
	if err != nil {
		return nil, fmt.Errorf("ask for crawls: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s := &Status{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break // the time is over
		}
		var c CrawlStatus
		var member Member
		switch {
		case json.Unmarshal(m.Data, &member) == nil && member.ID != "":
			s.Members = append(s.Members, member)
		case json.Unmarshal(m.Data, &c) == nil && c.Crawl != "":
			s.Crawls = append(s.Crawls, c)
		}
	}
	slices.SortFunc(s.Crawls, func(a, b CrawlStatus) int { return strings.Compare(a.Crawl, b.Crawl) })
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.Host+a.ID, b.Host+b.ID) })
	return s, nil
}

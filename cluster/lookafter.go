package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio/internal/hook"
)

// A job's result comes by a message that is not stored, which costs half of what a
// stored one does. It may be lost: with a connection, or with the server. So a
// client looks after each job of which it has not heard for long: whether it is
// still in its stream, and if it is not, whether its key has a result. What is
// neither there nor answered is submitted again.
const (
	checkEvery = 250 * time.Millisecond
	answerTime = 2 * time.Second // how long NATS has for an answer
	firstCheck = 2 * time.Second // when a stored job is looked after first
	lastCheck  = 30 * time.Second

	firstOffer = 10 * time.Millisecond // until a refused job is offered again
	lastOffer  = time.Second
	maxFailed  = 20 // refusals for another reason than want of room
)

// Codes of NATS' errors.
const (
	codeNoPeers     = 10005 // too few servers for the replicas
	codeNoCluster   = 10008 // the cluster has no leader
	codeWrongLast   = 10071 // there is a message of that subject
	codeStoreFailed = 10077 // the stream is full
)

// arm sees to it that calls are looked after.
func (c *Client) arm() {
	if c.check == nil && len(c.calls)+len(c.ghosts) > 0 {
		c.check = c.loop.CallLater(checkEvery, c.lookAfter)
	}
}

func (c *Client) lookAfter() {
	c.check = nil
	c.arm()
	now := c.loop.Time()
	if c.asked != nil && now-c.askedAt > answerTime {
		c.asked = nil
	}
	c.lookups.forget(now)
	for _, n := range slices.Sorted(maps.Keys(c.ghosts)) {
		k := c.ghosts[n]
		if now > k.due+answerTime {
			delete(c.ghosts, n)
			if k.hash == "" { // the job of a key may be another's
				c.withdraw(k) // should it have come after all
			}
		}
	}
	var ask []*call
	for _, n := range slices.Sorted(maps.Keys(c.calls)) {
		k := c.calls[n]
		if k.due > now {
			continue
		}
		switch k.phase {
		case looking:
			c.look(k)
		case offered, waiting:
			c.offer(k)
		case submitted:
			if k.hash != "" {
				c.look(k) // and then, when there is none, for the job
			} else if c.asked == nil {
				ask = append(ask, k)
			}
		}
	}
	if ask != nil {
		c.asked, c.askedAt = ask, now
		request, _ := json.Marshal(map[string]string{"subjects_filter": c.streams.ofClient(c.name)})
		c.out.request(c.streams.api("STREAM.INFO", c.streams.jobs), c.inbox+".i", request)
	}
}

// reconnected looks after all calls at once: what was on its way is lost. A server
// that kept all in memory has lost that, too.
func (c *Client) reconnected() {
	if c.closed {
		return
	}
	c.others.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, setupTime)
		defer cancel()
		if err := c.streams.ensure(ctx, c.config); err != nil {
			c.config.log.Warn("cluster: after a new connection", "error", err)
		}
		c.in.post(c.lookAfterAll)
	})
}

func (c *Client) lookAfterAll() {
	if c.closed {
		return
	}
	now := c.loop.Time()
	for _, k := range c.calls {
		if !k.storing {
			k.due = now
		}
	}
	c.asked = nil
	if c.check != nil {
		c.check.Cancel()
	}
	c.lookAfter()
}

// problem returns what NATS says against a request: a status, or an error in its
// answer.
func problem(m *nats.Msg) (code int, err error) {
	if status := m.Header.Get("Status"); status != "" {
		return 0, fmt.Errorf("NATS says %s %s", status, m.Header.Get("Description"))
	}
	if !bytes.Contains(m.Data, []byte(`"error"`)) {
		return 0, nil
	}
	var answer struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, err
	}
	if answer.Error == nil {
		return 0, nil
	}
	return answer.Error.Code, errors.New(answer.Error.Description)
}

// acknowledged takes NATS' answer to a job that was offered.
func (c *Client) acknowledged(k *call, m *nats.Msg) {
	if k.phase == submitted {
		return // of an earlier offer
	}
	code, err := problem(m)
	switch {
	case err == nil:
		c.inStream(k)
	case code == codeWrongLast && k.hash != "":
		c.follow(k)
	case code == codeWrongLast:
		c.inStream(k) // by an earlier offer
	case code == codeStoreFailed:
		c.putOff(k)
	default:
		c.refuse(k, err)
	}
}

// refuse puts a call off that NATS has not taken.
func (c *Client) refuse(k *call, err error) {
	if k.failed++; k.failed > maxFailed {
		c.finish(k, fmt.Errorf("cluster: submit a job of %s: %w", k.job.function, err))
		return
	}
	c.putOff(k)
}

// putOff has a call offered again after a pause that grows.
func (c *Client) putOff(k *call) {
	pause := min(firstOffer<<min(k.refused, 10), lastOffer)
	k.refused++
	k.phase = waiting
	pause = pause/2 + time.Duration(hook.Rand(c.loop, int64(pause)))
	k.due = c.loop.Time() + pause + answerTime
	c.loop.CallLater(pause, func() {
		if !k.ended && k.phase == waiting {
			c.offer(k)
		}
	})
}

// present takes the answer to which jobs of this client are in their stream.
func (c *Client) present(m *nats.Msg) {
	asked := c.asked
	c.asked = nil
	if _, err := problem(m); err != nil {
		return // due as they are, they are asked about again
	}
	var info struct {
		State struct {
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		c.config.log.Warn("cluster: what NATS says of a stream", "error", err)
		return
	}
	for _, k := range asked {
		if k.ended || k.phase != submitted {
			continue
		}
		if _, there := info.State.Subjects[k.subject]; there {
			c.stillThere(k)
		} else {
			c.notThere(k)
		}
	}
}

func (c *Client) stillThere(k *call) {
	k.missing = 0
	k.pause = min(max(2*k.pause, firstCheck), lastCheck)
	k.due = c.loop.Time() + k.pause
}

// notThere notes that a job is done, or lost. Its result may still be on its way:
// so only the second time counts.
func (c *Client) notThere(k *call) {
	if k.missing++; k.missing >= 2 {
		c.resubmit(k)
		return
	}
	k.due = c.loop.Time() + 2*checkEvery
}

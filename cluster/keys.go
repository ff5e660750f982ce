package cluster

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// maxLooks is how many keys NATS is asked about at once: as many results as it can
// send in one answer.
const maxLooks = 128

// lookup is a question about the results of several keys.
type lookup struct {
	calls []*call
	sent  time.Duration
}

// look asks for the result of a key, together with the others of this turn of the
// loop.
func (c *Client) look(k *call) {
	k.due = c.loop.Time() + answerTime
	c.looks = append(c.looks, k)
	switch len(c.looks) {
	case 1:
		c.loop.CallSoon(c.askLooks)
	case maxLooks:
		c.askLooks()
	}
}

func (c *Client) askLooks() {
	if len(c.looks) == 0 {
		return
	}
	subjects := make([]string, len(c.looks))
	for i, k := range c.looks {
		subjects[i] = c.streams.resultOf(k.hash)
	}
	request, _ := json.Marshal(map[string][]string{"multi_last": subjects})
	c.lookups.n++
	c.lookups.asked[c.lookups.n] = &lookup{c.looks, c.loop.Time()}
	c.looks = nil
	c.out.request(c.streams.api("DIRECT.GET", c.streams.results), c.inbox+".m."+strconv.FormatUint(c.lookups.n, 36), request)
}

// lookups are the questions that NATS has not answered.
type lookups struct {
	n     uint64
	asked map[uint64]*lookup
}

// forget drops those that it will never answer.
func (l *lookups) forget(now time.Duration) {
	for n, q := range l.asked {
		if now-q.sent > 2*answerTime {
			delete(l.asked, n)
		}
	}
}

// looked takes a part of an answer: a result, or that there are no more.
func (c *Client) looked(n uint64, m *nats.Msg) {
	q := c.lookups.asked[n]
	if q == nil {
		return
	}
	status := m.Header.Get("Status")
	if status == "" {
		hash := strings.TrimPrefix(m.Header.Get("Nats-Subject"), c.streams.resultOf(""))
		q.calls = slices.DeleteFunc(q.calls, func(k *call) bool {
			if k.hash != hash {
				return false
			}
			c.hasResult(k, m.Data)
			return true
		})
		return
	}
	delete(c.lookups.asked, n)
	for _, k := range q.calls {
		switch {
		case k.ended:
		case status != "204" && status != "404":
			k.due = c.loop.Time() + firstOffer // NATS cannot tell at the moment
		case k.phase == looking:
			c.offer(k)
		case k.phase == submitted:
			k.due = c.loop.Time() + answerTime
			c.out.request(c.streams.api("DIRECT.GET", c.streams.jobs)+"."+k.subject, c.about("x", k), nil)
		}
	}
}

// hasResult settles a call with the stored result of its key.
func (c *Client) hasResult(k *call, p []byte) {
	if k.ended {
		return
	}
	r, err := decodeReply(p)
	if err == nil && r.kind != replyValue {
		err = errors.New("cluster: a stored result is none")
	}
	if err != nil {
		c.finish(k, err)
		return
	}
	c.settle(k, r)
}

// found takes the answer to whether the job of a key is in its stream.
func (c *Client) found(k *call, m *nats.Msg) {
	if k.phase != submitted {
		return
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		c.stillThere(k)
	case "404":
		c.notThere(k)
	default:
		k.due = c.loop.Time() + firstOffer
	}
}

// follow has a call wait for the job that another has submitted with its key.
func (c *Client) follow(k *call) {
	k.follower = true
	c.inStream(k)
	k.due = c.loop.Time() + 2*checkEvery // it may have ended before we listen
	c.attached[k.hash] = append(c.attached[k.hash], k)
	if len(c.attached[k.hash]) == 1 {
		c.out.listen(k.hash)
	}
}

// detach takes a call out of those that wait for another's job.
func (c *Client) detach(k *call) {
	all, ok := c.attached[k.hash]
	if !ok {
		return
	}
	if all = slices.DeleteFunc(all, func(o *call) bool { return o == k }); len(all) > 0 {
		c.attached[k.hash] = all
		return
	}
	delete(c.attached, k.hash)
	c.out.unlisten(k.hash)
}

// heard takes what a worker tells everybody of the job of a key.
func (c *Client) heard(hash string, p []byte) {
	r, err := decodeReply(p)
	if err != nil {
		return
	}
	for _, k := range slices.Clone(c.attached[hash]) {
		c.settle(k, r)
	}
}

// resultSeen is called when a worker has sent a result to be stored. Whether it was
// the first, only the store knows, and only in a moment.
func (c *Client) resultSeen(hash string) {
	c.loop.CallLater(firstOffer, func() {
		for _, k := range c.attached[hash] {
			c.look(k)
		}
	})
}

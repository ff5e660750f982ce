package remote

import (
	"cmp"
	"fmt"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// piece takes a part of a large result.
func (o *Owner) piece(b []byte) {
	p, err := decodePiece(b)
	c := o.calls[p.n]
	if err != nil || c == nil {
		return
	}
	switch {
	case p.index == 0:
		c.pieces, c.next = nil, 0
	case p.index != c.next: // one is lost; the member is asked, and has it no more
		return
	}
	c.next++
	if most := maxResult(c.q); int64(len(c.pieces)+len(p.data)) > most {
		o.lostResult(c, most)
		return
	}
	c.pieces = append(c.pieces, p.data...)
	if !p.last {
		return
	}
	r, err := decode[result]("a result", c.pieces)
	if err != nil || r.N != c.n {
		o.opts.Note("of a member: %v", cmp.Or(err, errMessage))
		return
	}
	o.result(r)
	o.give()
}

// maxResult is how many bytes the response to a request may have on the wire: the
// body, what came of it over the network, and headers.
func maxResult(q *fetch.Request) int64 {
	if q.Limit <= 0 {
		return 1 << 40
	}
	return 2*q.Limit + 4<<20
}

// lostResult ends a call whose member sends more than it may.
func (o *Owner) lostResult(c *call, most int64) {
	c.pieces = nil
	c.peer.cancel = append(c.peer.cancel, c.n)
	o.take(c)
	r := &fetch.Response{Result: fetch.Result{URL: c.q.URL.String()}}
	r.Err = &fetch.Error{Code: fetch.FileTooLarge, URL: r.URL, Err: tooLargeError(most)}
	o.settle(c, r, nil)
	o.flushSoon()
}

func tooLargeError(most int64) error {
	return fmt.Errorf("the member sends more than the %d bytes that a result may have", most)
}

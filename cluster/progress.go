package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// ErrNoJob is returned by [Report] for a context that no worker has given to a
// function.
var ErrNoJob = errors.New("cluster: the context is not that of a job")

// A Progress says how far a running job is.
type Progress struct {
	Done, Total int64  // in a unit of the function's; Total is 0 when it is not known
	Note        string // what it is at
}

// reportEvery is how often a job's progress is told.
const reportEvery = 10 * time.Millisecond

// Report tells the client that submitted the running job how far it is. The context
// is the one that the function was given, or comes from it. Of reports that follow
// each other within 10 milliseconds only the first is sent, but one whose Done has
// reached Total always is. It does not wait, and may be called on any goroutine.
// What is reported in the process pool of one machine goes nowhere: [ErrNoJob].
func Report(ctx context.Context, p Progress) error {
	h, ok := ctx.Value(jobKey{}).(*held)
	if !ok {
		return ErrNoJob
	}
	now := time.Now()
	last := h.reported.Load()
	if now.UnixNano()-last < int64(reportEvery) && (p.Total == 0 || p.Done < p.Total) {
		return nil
	}
	if !h.reported.CompareAndSwap(last, now.UnixNano()) {
		return nil // another goroutine has just reported
	}
	h.worker.tell(h, reply{kind: replyProgress, body: p.encode()})
	return nil
}

// jobKey is what a running job's context is asked for.
type jobKey struct{}

func (p Progress) encode() []byte {
	b := binary.AppendVarint(nil, p.Done)
	b = binary.AppendVarint(b, p.Total)
	return append(b, p.Note...)
}

func decodeProgress(b []byte) (p Progress, err error) {
	var n int
	for _, v := range []*int64{&p.Done, &p.Total} {
		if *v, n = binary.Varint(b); n <= 0 {
			return Progress{}, errWire
		}
		b = b[n:]
	}
	p.Note = string(b)
	return p, nil
}

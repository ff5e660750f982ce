package asyncio

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// readBatches reads some datagrams, several in one call of the system's. They are told
// one by one, and what a callback does concerns those after it as if each had been read
// by itself.
func (t *datagramTransport) readBatches() {
	for told := 0; told < datagramsAtOnce; {
		if t.closing || t.readPaused {
			return
		}
		if len(t.stowed) > 0 {
			told += t.tellStowed()
			continue
		}
		if !t.mayRead {
			return
		}
		b, err := t.batcher.ReadBatch()
		t.check(t.order == callsMade, "DatagramReceived")
		switch err {
		case nil:
			t.mayRead = !b.Drained
			told += t.tellBatch(b.Datagrams)
			b.Release()
		case driver.ErrWouldBlock:
			t.mayRead = false
			return
		default:
			told++
			t.protocol.ErrorReceived(err)
		}
	}
	if t.mayRead || len(t.stowed) > 0 {
		t.schedule()
	}
}

// tellStowed tells what was stowed, as far as a turn goes, and returns how much.
func (t *datagramTransport) tellStowed() int {
	ds := t.stowed
	t.stowed = nil
	n := t.tell(ds[:min(len(ds), datagramsAtOnce)])
	if t.closing {
		return n
	}
	if t.stowed = ds[n:]; len(t.stowed) == 0 {
		t.stowed = nil
	}
	return n
}

// tellBatch tells the datagrams of a batch, and returns how many. What it leaves it
// copies, because the memory is the batch's.
func (t *datagramTransport) tellBatch(ds []driver.Datagram) int {
	n := t.tell(ds[:min(len(ds), joinedDatagramsAtOnce)])
	if t.closing || n == len(ds) {
		return n
	}
	size := 0
	for _, d := range ds[n:] {
		size += len(d.Data)
	}
	room := make([]byte, 0, size)
	t.stowed = slices.Clone(ds[n:])
	for i, d := range t.stowed {
		from := len(room)
		room = append(room, d.Data...)
		t.stowed[i].Data = room[from:len(room):len(room)]
	}
	return n
}

// tell calls DatagramReceived with each, until there is nobody to hear of more, and
// returns how many it has told.
func (t *datagramTransport) tell(ds []driver.Datagram) int {
	if len(ds) == 1 {
		t.protocol.DatagramReceived(ds[0].Data, ds[0].Addr)
		return 1
	}
	began := t.loop.driver.Now()
	if !t.hurries && !t.direct {
		t.answers = datagramsOf(t.loop).takeAnswers()
		t.answers.began, t.answers.looked = began, began
	}
	n := 0
	for n < len(ds) && !t.closing && !t.readPaused {
		if t.answers != nil {
			t.answers.to = ds[n].Addr
		}
		t.protocol.DatagramReceived(ds[n].Data, ds[n].Addr)
		if n++; t.answers != nil && n%answersBetweenLooks == 1 {
			t.hastenAnswers()
		}
	}
	t.dropAnswers()
	if !t.closed {
		t.hurries = t.loop.driver.Now()-began > time.Duration(n)*slowCallback
	}
	return n
}

const (
	// maxAnswersWait is about how long an answer waits for others, when callbacks
	// are short. After callbacks that were longer than slowCallback none does.
	maxAnswersWait      = 50 * time.Microsecond
	slowCallback        = 10 * time.Microsecond
	answersBetweenLooks = 4 // at the clock

	maxAnswers     = 64
	maxAnswer      = 8 << 10 // bytes of one; there is nothing to be gained with longer ones
	maxAnswersSize = 64 << 10
)

// answers is what a protocol sends back to the senders of datagrams that have come
// together, while it is told of them. It is sent together, too: when the last of them
// was told, or when it becomes late. That is to be seen by nobody but a clock. So
// whatever asks how far sending has got, or ends it, has the answers sent first; what
// is sent to others than the sender goes behind them; and an endpoint whose socket a
// user has in hand, so that he may change how it sends, does not wait with any.
type answers struct {
	list   []driver.Datagram
	room   []byte
	to     net.Addr      // the sender of the datagram that is being told
	began  time.Duration // when the oldest may have been sent
	looked time.Duration // when the clock was last looked at
}

// takeAnswers returns an empty one.
func (d *datagrams) takeAnswers() *answers {
	if a, ok := d.answers.Get().(*answers); ok {
		return a
	}
	return &answers{list: make([]driver.Datagram, 0, maxAnswers), room: make([]byte, 0, maxAnswersSize)}
}

// dropAnswers sends the answers, and lets none wait any more.
func (t *datagramTransport) dropAnswers() {
	a := t.answers
	if a == nil {
		return
	}
	t.sendAnswers()
	t.answers, a.to = nil, nil
	datagramsOf(t.loop).answers.Put(a)
}

// answer keeps p to be sent with other answers, if it is one. Otherwise those are sent,
// and it is to be sent behind them.
func (t *datagramTransport) answer(p []byte, to net.Addr) bool {
	a := t.answers
	back := to != nil && to == a.to || to == nil && t.conn.RemoteAddr() != nil
	if !back || len(p) > maxAnswer || len(t.queue) > 0 {
		t.sendAnswers()
		return false
	}
	if len(a.list) == maxAnswers || len(a.room)+len(p) > maxAnswersSize {
		t.sendAnswers()
		if len(t.queue) > 0 {
			return false
		}
	}
	from := len(a.room)
	a.room = append(a.room, p...)
	a.list = append(a.list, driver.Datagram{Data: a.room[from:len(a.room):len(a.room)], Addr: to})
	return true
}

// hastenAnswers sends the answers when they become late. When the callbacks since it
// looked last were slow, the rest of the batch goes out without waiting.
func (t *datagramTransport) hastenAnswers() {
	a := t.answers
	now := t.loop.driver.Now()
	slow := now-a.looked > answersBetweenLooks*slowCallback
	a.looked = now
	switch {
	case slow:
		t.dropAnswers()
	case now-a.began > maxAnswersWait:
		t.sendAnswers()
		a.looked = t.loop.driver.Now()
		a.began = a.looked
	}
}

// sendAnswers sends the answers that there are.
func (t *datagramTransport) sendAnswers() {
	a := t.answers
	if a == nil || len(a.list) == 0 {
		return
	}
	list := a.list
	a.list, a.room = a.list[:0], a.room[:0]
	_, _ = t.sendAll(list) // what is wrong with a call would not have come so far
	clear(list)
}

// sendAll sends datagrams as SendTo does each. It returns the error of the first of
// which the call was wrong, and how many were before that.
func (t *datagramTransport) sendAll(ds []driver.Datagram) (int, error) {
	done := 0
	for done < len(ds) && len(t.queue) == 0 {
		n, err := t.writeSome(ds[done:])
		if done += n; err == nil {
			continue
		}
		if err == driver.ErrWouldBlock {
			t.blocked()
			break
		}
		if err := t.sent(err); err != nil {
			return done, err
		}
		done++
	}
	for _, d := range ds[done:] {
		t.enqueue(d.Data, d.Addr)
	}
	t.settleFlow()
	return len(ds), nil
}

// A Datagram is one of those that SendBatch sends.
type Datagram struct {
	Data []byte   // which may be empty
	Addr net.Addr // as that of SendTo; nil: the remote address
}

func (t *datagramTransport) SendBatch(batch []Datagram) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	if t.closing {
		return 0, fmt.Errorf("asyncio: send datagrams: %w", net.ErrClosed)
	}
	t.sendAnswers()
	a := datagramsOf(t.loop).takeAnswers()
	done := 0
	var err error
	for done < len(batch) && err == nil {
		list := a.list[:0]
		for _, d := range batch[done:min(len(batch), done+maxAnswers)] {
			list = append(list, driver.Datagram{Data: d.Data, Addr: t.receiver(d.Addr)})
		}
		var n int
		n, err = t.sendAll(list)
		done += n
		clear(list)
	}
	datagramsOf(t.loop).answers.Put(a)
	return done, err
}

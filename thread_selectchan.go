package asyncio

import (
	"reflect"
)

// OnReceive is the case that a value comes from ch: it is put into v, which may be nil.
// When ch is closed, the case is done with [ErrChannelClosed].
func OnReceive[T any](ch <-chan T, v *T) SelectCase { return &receiveCase[T]{ch, v} }

// OnSend is the case that v can be sent to ch.
func OnSend[T any](ch chan<- T, v T) SelectCase { return &sendCase[T]{ch, v} }

// A channelCase is a case of a channel. Who waits for channels in a goroutine cannot take
// back what has been received or sent there, so one goroutine waits for all of them.
type channelCase interface {
	// reflected returns the case for [reflect.Select].
	reflected() reflect.SelectCase
	// received does what is left to do when the goroutine has done the case.
	received(v reflect.Value, ok bool) error
}

type receiveCase[T any] struct {
	ch <-chan T
	v  *T
}

func (c *receiveCase[T]) poll() (bool, error) {
	select {
	case v, ok := <-c.ch:
		return true, c.take(v, ok)
	default:
		return false, nil
	}
}

func (c *receiveCase[T]) take(v T, ok bool) error {
	if !ok {
		return ErrChannelClosed
	}
	if c.v != nil {
		*c.v = v
	}
	return nil
}

func (c *receiveCase[T]) begin(*task) (*future, error) { return nil, nil }
func (c *receiveCase[T]) end(*task, bool)              {}

func (c *receiveCase[T]) reflected() reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.ch)}
}

func (c *receiveCase[T]) received(v reflect.Value, ok bool) error {
	got, _ := v.Interface().(T) // a nil interface is none
	return c.take(got, ok)
}

type sendCase[T any] struct {
	ch chan<- T
	v  T
}

func (c *sendCase[T]) poll() (bool, error) {
	select {
	case c.ch <- c.v:
		return true, nil
	default:
		return false, nil
	}
}

func (c *sendCase[T]) begin(*task) (*future, error)       { return nil, nil }
func (c *sendCase[T]) end(*task, bool)                    {}
func (c *sendCase[T]) received(reflect.Value, bool) error { return nil }

func (c *sendCase[T]) reflected() reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectSend, Chan: reflect.ValueOf(c.ch), Send: reflect.ValueOf(&c.v).Elem()}
}

// A channelWait is the channels of a Select, and the goroutine that waits for them. What
// that has done is the task's when over is settled.
type channelWait struct {
	indexes []int
	cases   []channelCase
	run     *channelRun
}

type channelRun struct {
	loop *Loop
	over future
	stop chan struct{}

	ended  bool
	chosen int
	value  reflect.Value
	ok     bool
}

func (w *channelWait) any() bool { return len(w.cases) > 0 }

func (w *channelWait) add(index int, c channelCase) {
	w.indexes, w.cases = append(w.indexes, index), append(w.cases, c)
}

// begin starts the goroutine. The future is settled when that has ended.
func (w *channelWait) begin(l *Loop) *future {
	r := &channelRun{loop: l, stop: make(chan struct{})}
	r.over.loop = l
	w.run = r
	list := make([]reflect.SelectCase, 0, len(w.cases)+2)
	for _, c := range w.cases {
		list = append(list, c.reflected())
	}
	list = append(list,
		reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(r.stop)},
		reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(l.gone)})
	l.inbox.outside.Add(1)
	go func() {
		r.chosen, r.value, r.ok = reflect.Select(list)
		l.deliver(channelEnd{r})
	}()
	return &r.over
}

// channelEnd tells the task that the goroutine has ended.
type channelEnd struct{ r *channelRun }

func (e channelEnd) run() {
	e.r.ended = true
	if e.r.over.state == pending {
		e.r.over.setResult()
	}
}

// end makes the goroutine end, waits until it has, and reports whether it has done a case,
// which one, and how. An error that comes meanwhile is put into err.
func (w *channelWait) end(t *task, err *error) (index int, caseErr error, done bool) {
	r := w.run
	close(r.stop)
	told := t.patient()
	defer told()
	for !r.ended {
		if r.over.state == cancelled { // with the wait before
			r.over = future{loop: t.loop}
		}
		if e := t.wait(&r.over, nil); e != nil {
			*err = e
			if t.loop.closing {
				return -1, nil, false
			}
		}
	}
	if r.chosen >= len(w.cases) {
		return -1, nil, false
	}
	return w.indexes[r.chosen], w.cases[r.chosen].received(r.value, r.ok), true
}

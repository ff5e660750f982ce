package natslink

import "sync"

// An Outbox sends what a loop wants to have sent. To publish may block, on a network
// that is slow, and the loop must not: so a goroutine does it.
type Outbox[T any] struct {
	send  func(T)
	ended chan struct{}

	mu     sync.Mutex
	items  []T
	closed bool
	filled sync.Cond
}

// NewOutbox starts an outbox, whose goroutine calls send with each item in order.
func NewOutbox[T any](send func(T)) *Outbox[T] {
	o := &Outbox[T]{send: send, ended: make(chan struct{})}
	o.filled.L = &o.mu
	go o.run()
	return o
}

// Put is for any goroutine. What is put after Close is dropped.
func (o *Outbox[T]) Put(item T) {
	o.mu.Lock()
	if !o.closed {
		o.items = append(o.items, item)
		if len(o.items) == 1 {
			o.filled.Signal()
		}
	}
	o.mu.Unlock()
}

// Close ends the outbox once all that was put is sent.
func (o *Outbox[T]) Close() {
	o.mu.Lock()
	o.closed = true
	o.filled.Signal()
	o.mu.Unlock()
}

// Wait waits, after Close, until it has ended. It blocks the goroutine.
func (o *Outbox[T]) Wait() { <-o.ended }

func (o *Outbox[T]) run() {
	defer close(o.ended)
	var items []T
	for {
		o.mu.Lock()
		for len(o.items) == 0 && !o.closed {
			o.filled.Wait()
		}
		items, o.items = o.items, items[:0]
		closed := o.closed
		o.mu.Unlock()
		if len(items) == 0 && closed {
			return
		}
		for i, item := range items {
			o.send(item)
			var none T
			items[i] = none
		}
		if cap(items) > maxSpare {
			items = nil
		}
	}
}

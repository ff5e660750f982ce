package simnats

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// A stream keeps messages. One with a consumer is a work queue.
type stream struct {
	engine   *Engine
	config   jetstream.StreamConfig
	messages []*stored // by sequence
	last     uint64
	consumer *consumer
}

// stored is a message in a stream.
type stored struct {
	message
	seq  uint64
	at   time.Duration // on the loop's clock, of the start in which it came
	time int64         // of the day, in nanoseconds

	delivered uint64
	until     time.Duration // its lease ends then; it may be delivered from then on
	leased    bool          // it is delivered, and not acknowledged
}

// A consumer deals the messages of a stream out.
type consumer struct {
	config jetstream.ConsumerConfig
	pulls  []*pull
	seq    uint64 // deliveries
}

// A pull asks for messages.
type pull struct {
	reply string
	left  int
	until time.Duration
}

// restarted begins anew on a new start of the engine, and reports whether the stream has
// outlived the last. Leases count from now.
func (s *stream) restarted() bool {
	if s.config.Storage != jetstream.FileStorage {
		return false
	}
	now := s.engine.now()
	for _, m := range s.messages {
		m.at = now
		if m.leased && s.consumer != nil {
			m.until = now + s.consumer.config.AckWait
		} else {
			m.until = now
		}
	}
	if s.consumer != nil {
		s.consumer.pulls = nil
	}
	return true
}

func (s *stream) takes(subject string) bool {
	return slices.ContainsFunc(s.config.Subjects, func(p string) bool { return matches(p, subject) })
}

// find returns the last message of a subject; nil: there is none.
func (s *stream) find(subject string) *stored {
	for _, m := range slices.Backward(s.messages) {
		if m.subject == subject {
			return m
		}
	}
	return nil
}

func (s *stream) remove(which func(*stored) bool) (n int) {
	before := len(s.messages)
	s.messages = slices.DeleteFunc(s.messages, which)
	return before - len(s.messages)
}

// expire drops what is too old.
func (s *stream) expire() {
	if age := s.config.MaxAge; age > 0 {
		now := s.engine.now()
		s.remove(func(m *stored) bool { return now-m.at > age })
	}
}

// Codes of errors, as of NATS.
const (
	codeNoMessage    = 10037
	codeNoStream     = 10059
	codeStreamExists = 10058
	codeWrongLast    = 10071
	codeFull         = 10077
	codeConsumer     = 10148
	codeNoConsumer   = 10014
)

// store stores a message, and returns the answer to who sent it.
func (s *stream) store(m message) any {
	s.expire()
	if want := m.get("Nats-Expected-Last-Subject-Sequence"); want != "" {
		var last uint64
		if old := s.find(m.subject); old != nil {
			last = old.seq
		}
		if want != strconv.FormatUint(last, 10) {
			return failure(400, codeWrongLast, fmt.Sprintf("wrong last sequence: %d", last))
		}
	}
	if most := s.config.MaxMsgs; most > 0 && int64(len(s.messages)) >= most {
		if s.config.Discard == jetstream.DiscardNew {
			return failure(503, codeFull, "maximum messages exceeded")
		}
		s.messages = slices.Delete(s.messages, 0, 1)
	}
	if s.config.MaxMsgsPerSubject == 1 {
		s.remove(func(o *stored) bool { return o.subject == m.subject })
	}
	s.last++
	now := s.engine.now()
	s.messages = append(s.messages, &stored{message: m, seq: s.last, at: now, time: time.Now().UnixNano(), until: now})
	return map[string]any{"stream": s.config.Name, "seq": s.last}
}

// deliver deals messages out to those who have asked.
func (e *Engine) deliver(s *stream) {
	c := s.consumer
	if c == nil {
		return
	}
	now := e.now()
	c.pulls = slices.DeleteFunc(c.pulls, func(p *pull) bool {
		if now >= p.until {
			e.status(p.reply, "408", "Request Timeout", map[string][]string{"Nats-Pending-Messages": {strconv.Itoa(p.left)}})
			return true
		}
		return !e.listened(p.reply)
	})
	for _, m := range s.messages {
		if len(c.pulls) == 0 {
			break
		}
		if m.until > now {
			continue
		}
		p := c.pulls[0]
		m.delivered++
		m.leased, m.until = true, now+c.config.AckWait
		c.seq++
		e.pass(message{
			subject: p.reply, header: m.header, data: m.data,
			reply: fmt.Sprintf("$JS.ACK.%s.%s.%d.%d.%d.%d.%d", s.config.Name, c.config.Durable, m.delivered, m.seq, c.seq, m.time, 0),
		})
		// The one who has waited longest is served, and then the others, by turns.
		c.pulls = c.pulls[1:]
		if p.left--; p.left > 0 {
			c.pulls = append(c.pulls, p)
		}
	}
	e.look()
}

// due returns when something is to be done next, if anything is.
func (s *stream) due() (next time.Duration, ok bool) {
	if s.consumer == nil || len(s.consumer.pulls) == 0 {
		return 0, false
	}
	next = s.consumer.pulls[0].until
	for _, p := range s.consumer.pulls {
		next = min(next, p.until)
	}
	now := s.engine.now()
	for _, m := range s.messages {
		if m.until > now {
			next = min(next, m.until)
		}
	}
	return next, true
}

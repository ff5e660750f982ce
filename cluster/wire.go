package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A message of this package is a byte for the version of its form, numbers as
// varints, and texts with their length in front. What comes last has no length.

const wireVersion = 1

var errWire = errors.New("cluster: a message is cut off or of another version")

// maxWait bounds the times that a message may name.
const maxWait = 1000 * 24 * time.Hour

// job is what a client asks of the workers.
type job struct {
	id       string // of this submission: the client's name and a number
	function string
	key      string // as the user gave it
	reply    string // the subject that the client listens to
	timeout  time.Duration
	attempts uint64 // how often the function may be called until it succeeds
	first    time.Duration
	most     time.Duration // the pauses between attempts: the first, and the longest
	object   bool          // arg is the name of an object that has the argument
	arg      []byte
}

func (j *job) encode() []byte {
	p := make([]byte, 0, 40+len(j.id)+len(j.function)+len(j.key)+len(j.reply)+len(j.arg))
	p = append(p, wireVersion, flag(j.object, 1))
	for _, s := range [...]string{j.id, j.function, j.key, j.reply} {
		p = appendText(p, s)
	}
	p = binary.AppendUvarint(p, uint64(j.timeout))
	p = binary.AppendUvarint(p, j.attempts)
	p = binary.AppendUvarint(p, uint64(j.first))
	p = binary.AppendUvarint(p, uint64(j.most))
	return append(p, j.arg...)
}

func decodeJob(p []byte) (j job, err error) {
	r := wireReader{p: p}
	r.version()
	j.object = r.byte()&1 != 0
	j.id, j.function, j.key, j.reply = r.text(), r.text(), r.text(), r.text()
	j.timeout, j.attempts = r.duration(), r.uint()
	j.first, j.most = r.duration(), r.duration()
	j.arg = r.p
	return j, r.failed("a job")
}

// What a reply says.
type replyKind byte

const (
	replyValue     replyKind = iota // body is the result, or the name of its object
	replyFailed                     // the function returned an error
	replyPanicked                   // body is the stack
	replyTimedOut                   // the job's time was over
	replyTooLarge                   // the result is larger than may be
	replyCancelled                  // somebody cancelled the job
	replyUnknown                    // no worker knows the function
	replyCrashed                    // its workers have died too often
	replyProgress                   // body is a Progress
	replyKinds
)

// reply is what becomes of a job, on its way to who waits for it. That of a job
// with a key is kept in this form.
type reply struct {
	kind     replyKind
	object   bool // body is the name of an object that has the result
	buried   bool // the job is among the dead letters
	id       string
	attempts uint64 // how often the function was called
	message  string
	body     []byte
}

func (r *reply) encode() []byte {
	p := make([]byte, 0, 16+len(r.id)+len(r.message)+len(r.body))
	p = append(p, wireVersion, byte(r.kind), flag(r.object, 1)|flag(r.buried, 2))
	p = appendText(p, r.id)
	p = binary.AppendUvarint(p, r.attempts)
	p = appendText(p, r.message)
	return append(p, r.body...)
}

func decodeReply(p []byte) (r reply, err error) {
	w := wireReader{p: p}
	w.version()
	r.kind = replyKind(w.byte())
	flags := w.byte()
	r.object, r.buried = flags&1 != 0, flags&2 != 0
	r.id, r.attempts, r.message = w.text(), w.uint(), w.text()
	r.body = w.p
	w.bad = w.bad || r.kind >= replyKinds
	return r, w.failed("a reply")
}

// letter is a job that nobody tries any more, and why.
type letter struct {
	job, reply []byte
}

func (l *letter) encode() []byte {
	p := append(make([]byte, 0, 8+len(l.job)+len(l.reply)), wireVersion)
	return append(appendText(p, string(l.job)), l.reply...)
}

func decodeLetter(p []byte) (j job, r reply, err error) {
	w := wireReader{p: p}
	w.version()
	raw := []byte(w.text())
	if err := w.failed("a dead letter"); err != nil {
		return j, r, err
	}
	if j, err = decodeJob(raw); err != nil {
		return j, r, err
	}
	r, err = decodeReply(w.p)
	return j, r, err
}

// tries is what is remembered of a job between its deliveries.
type tries struct {
	starts   uint64 // how often a worker began, and was not heard of again
	failures uint64
}

func (t tries) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint([]byte{wireVersion}, t.starts), t.failures)
}

func decodeTries(p []byte) (t tries, err error) {
	w := wireReader{p: p}
	w.version()
	t.starts, t.failures = w.uint(), w.uint()
	return t, w.failed("a job's tries")
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

func appendText(p []byte, s string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(s))), s...)
}

// wireReader takes a message apart; bad says that it could not.
type wireReader struct {
	p   []byte
	bad bool
}

func (r *wireReader) failed(what string) error {
	if r.bad {
		return fmt.Errorf("decode %s: %w", what, errWire)
	}
	return nil
}

func (r *wireReader) version() { r.bad = r.byte() != wireVersion || r.bad }

func (r *wireReader) byte() byte {
	if len(r.p) == 0 {
		r.bad = true
		return 0
	}
	b := r.p[0]
	r.p = r.p[1:]
	return b
}

func (r *wireReader) uint() uint64 {
	v, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.bad, r.p = true, nil
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *wireReader) duration() time.Duration {
	v := r.uint()
	if v > uint64(maxWait) {
		r.bad = true
		return 0
	}
	return time.Duration(v)
}

func (r *wireReader) text() string {
	n := r.uint()
	if n > uint64(len(r.p)) {
		r.bad, r.p = true, nil
		return ""
	}
	s := string(r.p[:n])
	r.p = r.p[n:]
	return s
}

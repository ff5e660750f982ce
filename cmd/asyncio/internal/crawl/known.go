package crawl

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/journal"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// known is all URLs of the crawl, in memory and, with a journal, on the disk.
type known struct {
	salt    frontier.Salt
	seen    frontier.Seen
	next    uint64           // ID
	journal *journal.Journal // nil: in memory only
	sync    bool
	cut     int64 // bytes that were not whole when the journal was opened

	compacts  bool  // the journal may be made smaller
	compactAt int64 // but not before it is so large

	roots  []string // whose hosts belong to the crawl
	counts Counts

	replayed *replay // the first reading of a journal, until the crawl goes on
	text     []byte
}

// Counts is how many URLs are in which state, and what they hold.
type Counts struct {
	Pending, Saved, Redirected, Ended int
	Bytes                             int64 // of what is saved
}

func (c *Counts) add(state frontier.State, size int64) {
	switch {
	case state.Saved():
		c.Saved++
		c.Bytes += size
	case state == frontier.Redirected:
		c.Redirected++
	case state == frontier.Ended:
		c.Ended++
	}
}

// newKnown begins a crawl; with a directory, one that has not begun there.
func newKnown(dir string, sync, compacts bool) (*known, error) {
	k := &known{sync: sync, compacts: compacts}
	_, _ = rand.Read(k.salt[:]) // it never fails
	if dir == "" {
		return k, nil
	}
	var err error
	if k.journal, err = journal.Create(dir); err != nil {
		return nil, err
	}
	k.journal.Append(append([]byte{recordSalt}, k.salt[:]...))
	return k, k.commit()
}

// resumeKnown reads the journal of a crawl. It hands each URL of it to found,
// with its state and, for a redirect, where it leads; those that are done only if
// all is set.
func resumeKnown(dir string, sync, all bool, found func(j frontier.Job, state frontier.State, target string)) (*known, error) {
	k := &known{sync: sync, replayed: &replay{targets: map[uint64]string{}}}
	j, cut, err := journal.Open(dir, k.replayed.read)
	if err != nil {
		return nil, err
	}
	k.journal, k.cut, k.salt = j, cut.Bytes, k.replayed.salt
	if err := k.load(j.Records, all, found); err != nil {
		_ = j.Close()
		return nil, err
	}
	if !k.replayed.salted { // it was cut off before there was a crawl
		_, _ = rand.Read(k.salt[:])
		k.journal.Append(append([]byte{recordSalt}, k.salt[:]...))
		return k, k.commit()
	}
	return k, nil
}

// goOn ends the resumption. compact is whether the journal may be made smaller, now
// and later: those that are done are then not known by their names any more.
func (k *known) goOn(compact bool) error {
	k.replayed, k.compacts = nil, compact
	if compact && k.worth(whenResumed) {
		return k.compact()
	}
	return nil
}

// replay is what is done, by ID: the first of two readings of a journal.
type replay struct {
	urls   int // about how many there are
	salt   frontier.Salt
	salted bool
	states []frontier.State
	// Where redirects lead.
	targets map[uint64]string
	counts  Counts
}

// maxIDs bounds the IDs that a journal can have, so that a bad one takes no
// memory.
const maxIDs = 1 << 31

func (p *replay) read(record []byte) error {
	r := recordReader{b: record}
	switch r.byte() {
	case recordKnown:
		p.urls += len(r.b) / 8
	case recordSalt:
		if len(r.b) != len(p.salt) {
			return errRecord
		}
		p.salted = true
		copy(p.salt[:], r.b)
	case recordDone:
		d := r.done()
		p.urls += int(min(r.number(), uint64(len(r.b)))) // that were added
		if r.err == nil && d.id < maxIDs {
			for uint64(len(p.states)) <= d.id {
				p.states = append(p.states, frontier.Unknown)
			}
			p.states[d.id] = d.state
			p.counts.add(d.state, d.size)
			if d.state == frontier.Redirected {
				p.targets[d.id] = d.target
			}
		}
	}
	return r.err
}

func (p *replay) state(id uint64) frontier.State {
	if id < uint64(len(p.states)) && p.states[id] != frontier.Unknown {
		return p.states[id]
	}
	return frontier.Pending
}

// load is the second reading.
func (k *known) load(records func(read func([]byte) error) error, all bool, found func(frontier.Job, frontier.State, string)) error {
	p := k.replayed
	k.seen.Reserve(p.urls)
	take := func(j frontier.Job, text []byte) {
		state := p.state(j.ID)
		k.seen.Set(k.salt.Key(text), state)
		if state == frontier.Pending {
			k.counts.Pending++
		} else if !all {
			return
		}
		j.URL = urls.Split(string(text))
		found(j, state, p.targets[j.ID])
	}
	err := records(func(record []byte) error {
		r := recordReader{b: record, text: k.text}
		switch r.byte() {
		case recordDone:
			r.done()
			fallthrough
		case recordAdded:
			r.jobs(func(j frontier.Job, text []byte) {
				j.ID = k.next
				k.next++
				take(j, text)
			})
		case recordRoots:
			k.roots = append(k.roots, r.texts()...)
		case recordNext:
			k.next = r.number()
			k.counts.Bytes += int64(r.number())
		case recordPending:
			r.pending(take)
		case recordKnown:
			for len(r.b) >= 8 {
				v := binary.LittleEndian.Uint64(r.b)
				key, state := frontier.Key(v&^7), frontier.State(v&7)
				k.seen.Set(key, state)
				k.counts.add(state, 0)
				r.b = r.b[8:]
			}
		}
		k.text = r.text
		return r.err
	})
	k.text = nil
	k.counts.Saved += p.counts.Saved
	k.counts.Redirected += p.counts.Redirected
	k.counts.Ended += p.counts.Ended
	k.counts.Bytes += p.counts.Bytes
	return err
}

// state returns what is known of a URL.
func (k *known) state(url string) frontier.State { return k.seen.Get(k.salt.Key([]byte(url))) }

// add takes URLs that are new, and gives them their IDs.
func (k *known) add(jobs []frontier.Job) {
	for i := range jobs {
		jobs[i].ID = k.next
		k.next++
		k.seen.Set(k.salt.Key([]byte(jobs[i].URL.String())), frontier.Pending)
	}
	k.counts.Pending += len(jobs)
}

// addRoots takes note of URLs whose hosts belong to the crawl.
func (k *known) addRoots(list ...string) {
	k.roots = append(k.roots, list...)
	if k.journal != nil && len(list) > 0 {
		k.journal.Append(appendTexts([]byte{recordRoots}, list))
	}
}

// begin adds URLs that no page has led to.
func (k *known) begin(jobs []frontier.Job) {
	k.add(jobs)
	if k.journal != nil && len(jobs) > 0 {
		k.journal.Append(appendJobs([]byte{recordAdded}, jobs))
	}
}

// finish takes note of a URL that is done, whose added URLs have their IDs.
func (k *known) finish(url string, d *done) {
	k.seen.Set(k.salt.Key([]byte(url)), d.state)
	k.counts.Pending--
	k.counts.add(d.state, d.size)
	if k.journal != nil {
		k.journal.Append(d.append(nil))
	}
}

// commit writes what was added and finished. It makes the journal smaller where that
// is worth it; when it cannot, the journal stays as it is.
func (k *known) commit() error {
	if k.journal == nil {
		return nil
	}
	if err := k.journal.Commit(k.sync); err != nil {
		return err
	}
	if k.compacts && k.worth(whileRunning) && k.journal.Size() >= k.compactAt {
		if err := k.compact(); err != nil {
			k.compactAt = 2 * k.journal.Size() // as when the disk is full
		}
	}
	return nil
}

// worthwhile is when to compact a journal: when it has so many bytes, and is so many
// times as large as it would be then.
type worthwhile struct{ size, times int64 }

var (
	whenResumed = worthwhile{8 << 20, 2}
	// Less often, so that each URL is copied about once.
	whileRunning = worthwhile{64 << 20, 4}
)

// worth reports whether most URLs of the journal are done: of those only the keys are
// kept.
func (k *known) worth(w worthwhile) bool {
	finished := k.counts.Saved + k.counts.Redirected + k.counts.Ended
	after := int64(9*finished + 64*k.counts.Pending)
	return k.journal.Size() >= w.size && k.journal.Size() >= w.times*after
}

// perRecord is how many URLs a record of a compacted journal has.
const perRecord = 1000

func (k *known) compact() error {
	return k.journal.Compact(func(to *journal.Journal) error {
		to.Append(append([]byte{recordSalt}, k.salt[:]...))
		record := []byte{recordKnown}
		for key, state := range k.seen.All() {
			if state == frontier.Pending {
				continue
			}
			record = binary.LittleEndian.AppendUint64(record, uint64(key)|uint64(state))
			if len(record) > 8*perRecord {
				to.Append(record)
				record = record[:1]
				if err := to.Flush(); err != nil {
					return err
				}
			}
		}
		to.Append(record)
		if err := k.copyPending(to); err != nil {
			return err
		}
		to.Append(appendTexts([]byte{recordRoots}, k.roots))
		to.Append(binary.AppendUvarint(binary.AppendUvarint([]byte{recordNext}, k.next), uint64(k.counts.Bytes)))
		return nil
	})
}

// copyPending copies the URLs that are not done from the journal to another.
func (k *known) copyPending(to *journal.Journal) error {
	if k.counts.Pending == 0 {
		return nil
	}
	// A URL stands in the journal once.
	record, last, n, next := []byte{recordPending}, "", 0, uint64(0)
	take := func(j frontier.Job, text []byte) {
		if k.seen.Get(k.salt.Key(text)) != frontier.Pending {
			return
		}
		record = binary.AppendUvarint(record, j.ID)
		j.URL = urls.Split(string(text))
		record, last = appendJob(record, &j, last)
		n++
	}
	err := k.journal.Records(func(b []byte) error {
		r := recordReader{b: b}
		switch r.byte() {
		case recordDone:
			r.done()
			fallthrough
		case recordAdded:
			r.jobs(func(j frontier.Job, text []byte) {
				j.ID = next
				next++
				take(j, text)
			})
		case recordNext:
			next = r.number()
		case recordPending:
			r.pending(take)
		}
		if n >= perRecord {
			to.Append(record)
			record, last, n = record[:1], "", 0
			if err := to.Flush(); err != nil {
				return err
			}
		}
		return r.err
	})
	to.Append(record)
	return err
}

func (k *known) close() error {
	if k.journal == nil {
		return nil
	}
	return k.journal.Close()
}

// errState is returned where a state directory is used in the wrong way.
func errState(dir string, err error) error {
	if errors.Is(err, journal.ErrExists) {
		return errors.New("--state " + dir + ": a crawl has begun there; --resume goes on with it")
	}
	return err
}

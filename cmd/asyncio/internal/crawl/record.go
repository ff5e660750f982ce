package crawl

import (
	"encoding/binary"
	"errors"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
)

// The records of the journal. Each begins with its type. Numbers are varints,
// texts have their length before them.
const (
	recordSalt    = 'S' // the salt of the keys: the first record
	recordRoots   = 'R' // URLs whose hosts belong to the crawl
	recordAdded   = 'A' // URLs that no page has led to
	recordDone    = 'D' // a URL that is done, and the new URLs that it led to
	recordKnown   = 'K' // keys and states of URLs that are done, in a compacted journal
	recordPending = 'P' // URLs that are not, with their IDs
	recordNext    = 'N' // the next ID, and the bytes that are saved, of a compacted journal
)

// done is what is kept of a URL that is done: enough that it need not be fetched
// again.
type done struct {
	id     uint64
	state  frontier.State
	status int
	size   int64
	ctype  string // of what is neither a page nor a style sheet
	target string // of a redirect
	added  []frontier.Job
}

var errRecord = errors.New("the journal has a record that cannot be")

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// appendJobs appends URLs, each without what it has in common with the one
// before. Their IDs follow one another.
func appendJobs(b []byte, jobs []frontier.Job) []byte {
	b = binary.AppendUvarint(b, uint64(len(jobs)))
	last := ""
	for i := range jobs {
		b, last = appendJob(b, &jobs[i], last)
	}
	return b
}

func appendJob(b []byte, j *frontier.Job, last string) ([]byte, string) {
	b = append(b, byte(j.Kind))
	b = binary.AppendUvarint(b, uint64(j.Depth))
	b = append(b, j.Redirects)
	text := j.URL.String()
	same := 0
	for same < len(last) && same < len(text) && last[same] == text[same] {
		same++
	}
	b = binary.AppendUvarint(b, uint64(same))
	return appendText(b, text[same:]), text
}

func (d *done) append(b []byte) []byte {
	b = append(b, recordDone)
	b = binary.AppendUvarint(b, d.id)
	b = append(b, byte(d.state))
	b = binary.AppendUvarint(b, uint64(d.status))
	b = binary.AppendUvarint(b, uint64(d.size))
	if d.state == frontier.SavedOther {
		b = appendText(b, d.ctype)
	}
	if d.state == frontier.Redirected {
		b = appendText(b, d.target)
	}
	return appendJobs(b, d.added)
}

// recordReader reads the parts of a record. After an error all are zero.
type recordReader struct {
	b    []byte
	err  error
	text []byte // of the last URL
}

func (r *recordReader) fail() {
	r.b, r.err = nil, errRecord
}

func (r *recordReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *recordReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

// texts reads texts up to the end of the record.
func (r *recordReader) texts() (list []string) {
	for len(r.b) > 0 {
		list = append(list, string(r.bytes()))
	}
	return list
}

// jobs hands each URL of a list to take: a job without its ID and URL, and the
// URL's text, which is take's only until it returns.
func (r *recordReader) jobs(take func(j frontier.Job, text []byte)) {
	r.text = r.text[:0]
	for n := r.number(); n > 0 && r.err == nil; n-- {
		r.job(0, take)
	}
}

// pending hands each URL of a record of that type to take.
func (r *recordReader) pending(take func(j frontier.Job, text []byte)) {
	r.text = r.text[:0]
	for len(r.b) > 0 && r.err == nil {
		r.job(r.number(), take)
	}
}

func (r *recordReader) job(id uint64, take func(j frontier.Job, text []byte)) {
	j := frontier.Job{ID: id, Kind: frontier.Kind(r.byte()), Depth: uint16(r.number()), Redirects: r.byte()}
	same := r.number()
	rest := r.bytes()
	if same > uint64(len(r.text)) {
		r.fail()
	}
	if r.err == nil {
		r.text = append(r.text[:same], rest...)
		take(j, r.text)
	}
}

// countRecord returns how many URLs a record makes known that are to be fetched,
// and counts those that were done before a journal was compacted.
func countRecord(record []byte, c *Counts) (n int, err error) {
	r := recordReader{b: record}
	count := func(frontier.Job, []byte) { n++ }
	switch r.byte() {
	case recordDone:
		r.done()
		fallthrough
	case recordAdded:
		r.jobs(count)
	case recordPending:
		r.pending(count)
	case recordKnown:
		for ; len(r.b) >= 8; r.b = r.b[8:] {
			c.add(frontier.State(r.b[0]&7), 0)
		}
	case recordNext:
		r.number()
		c.Bytes += int64(r.number())
	}
	return n, r.err
}

// done reads a record of that type, but for the URLs that were added.
func (r *recordReader) done() done {
	d := done{id: r.number(), state: frontier.State(r.byte()), status: int(r.number()), size: int64(r.number())}
	if d.state == frontier.SavedOther {
		d.ctype = string(r.bytes())
	}
	if d.state == frontier.Redirected {
		d.target = string(r.bytes())
	}
	return d
}

// Package frontier holds what a crawl has still to fetch, and decides what may
// be fetched now: a queue for each host, bounds on what runs at a time in all,
// at one host and at one address, and pauses between two requests to a host.
//
// It does no I/O and starts nothing. A [Frontier] and a [Seen] each belong to one
// goroutine.
package frontier

import (
	"encoding/binary"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// Kind is what a URL is fetched for.
type Kind uint8

const (
	Page      Kind = iota // to be saved, and its links followed
	Requisite             // what a page needs to be shown
	Sitemap               // for the URLs in it
	Robots                // the rules of a host; not from a queue
)

// A Job is a URL that is to be fetched. Its ID is that of the URL in the crawl.
type Job struct {
	ID        uint64
	URL       urls.URL
	Kind      Kind
	Depth     uint16 // links from a root
	Redirects uint8  // that led here
	Tries     uint8  // that have failed
}

// queue is a first-in first-out queue of the jobs of one host. It keeps them as
// bytes, without the host: a million of them must fit into memory.
type queue struct {
	chunks [][]byte // the first is read from at
	at     int
	n      int
	front  []Job // what came back; taken first
}

// Chunks begin small, since most hosts have few URLs.
const minChunk, maxChunk = 256, 16 << 10

func (q *queue) len() int { return q.n + len(q.front) }

func (q *queue) push(j Job) {
	need := 3*binary.MaxVarintLen64 + 3 + len(j.URL.Target)
	last := len(q.chunks) - 1
	if last < 0 || cap(q.chunks[last])-len(q.chunks[last]) < need {
		size := minChunk
		if last >= 0 {
			size = min(2*cap(q.chunks[last]), maxChunk)
		}
		q.chunks = append(q.chunks, make([]byte, 0, max(size, need)))
		last++
	}
	b := q.chunks[last]
	b = binary.AppendUvarint(b, j.ID)
	b = append(b, byte(j.Kind), j.Redirects, j.Tries)
	b = binary.AppendUvarint(b, uint64(j.Depth))
	b = binary.AppendUvarint(b, uint64(len(j.URL.Target)))
	q.chunks[last] = append(b, j.URL.Target...)
	q.n++
}

func (q *queue) pushFront(j Job) { q.front = append(q.front, j) }

// pop returns the next job, for the host of origin.
func (q *queue) pop(origin urls.URL) Job {
	if n := len(q.front); n > 0 {
		j := q.front[n-1]
		q.front = q.front[:n-1]
		return j
	}
	b := q.chunks[0][q.at:]
	begin := len(b)
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	j := Job{URL: origin, ID: number()}
	j.Kind, j.Redirects, j.Tries = Kind(b[0]), b[1], b[2]
	b = b[3:]
	j.Depth = uint16(number())
	length := number()
	j.URL.Target = string(b[:length])
	q.at += begin - len(b) + int(length)
	q.n--
	if q.at == len(q.chunks[0]) {
		q.at = 0
		if len(q.chunks) == 1 && cap(q.chunks[0]) <= minChunk {
			q.chunks[0] = q.chunks[0][:0]
		} else {
			q.chunks = q.chunks[1:]
		}
	}
	if q.n == 0 && len(q.chunks) == 0 {
		q.chunks = nil
	}
	return j
}

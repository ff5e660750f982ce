package asynchttp

import "bytes"

// A headerMeter bounds a header while it is read. It sits below the
// [bufio.Reader] that net/http parses from: an endless header then ends in an
// error after so many bytes or lines, whatever the parser would make of it.
//
// It is told what is read, also what is read ahead, and finds the blank line
// that ends the header by itself: the lines of a body do not count.
type headerMeter struct {
	on     bool
	bytes  int64 // how many may still come
	lines  int   // how many lines may still come
	length int   // of the line that has begun
	last   byte  // the last byte of it
	ended  bool  // the blank line was there

	// seen gets each line of the header, without its end. A line is cut off
	// after maxSeen bytes.
	seen func(line []byte)
	part []byte // of the line that has begun, for seen
}

// maxSeen is how much of a line a headerMeter shows.
const maxSeen = 1 << 10

// start begins to measure a header of so many bytes and lines.
func (m *headerMeter) start(bytes int64, lines int) {
	*m = headerMeter{on: true, bytes: bytes, lines: lines, part: m.part[:0]}
}

// again begins with another header on the same allowance of bytes. ahead is
// what was read ahead of it already.
func (m *headerMeter) again(lines int, ahead []byte) error {
	m.lines, m.length, m.last, m.ended = lines, 0, 0, false
	return m.scan(ahead)
}

func (m *headerMeter) stop() { m.on, m.seen = false, nil }

// allow returns how many of n bytes may be read now; 0 means that the header is
// too large.
func (m *headerMeter) allow(n int) int {
	if !m.on || m.ended {
		return n
	}
	return int(min(int64(n), m.bytes))
}

// take counts what was read.
func (m *headerMeter) take(p []byte) error {
	if !m.on {
		return nil
	}
	m.bytes -= int64(len(p))
	return m.scan(p)
}

func (m *headerMeter) scan(p []byte) error {
	for !m.ended && len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			m.length += len(p)
			m.last = p[len(p)-1]
			m.keep(p)
			return nil
		}
		if i > 0 {
			m.length += i
			m.last = p[i-1]
		}
		if m.length == 0 || m.length == 1 && m.last == '\r' {
			m.ended = true
			return nil
		}
		if m.lines--; m.lines < 0 {
			return ErrHeaderTooLarge
		}
		m.show(p[:i])
		m.length = 0
		p = p[i+1:]
	}
	return nil
}

// keep keeps the beginning of a line until the rest of it has come.
func (m *headerMeter) keep(p []byte) {
	if m.seen != nil {
		m.part = append(m.part, p[:min(len(p), maxSeen-len(m.part))]...)
	}
}

// show gives a line that has come whole to seen.
func (m *headerMeter) show(end []byte) {
	if m.seen == nil {
		return
	}
	if len(m.part) > 0 {
		m.keep(end)
		end = m.part
		m.part = m.part[:0]
	}
	m.seen(bytes.TrimSuffix(end, crlf[:1]))
}

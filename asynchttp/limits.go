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
}

// start begins to measure a header of so many bytes and lines.
func (m *headerMeter) start(bytes int64, lines int) {
	*m = headerMeter{on: true, bytes: bytes, lines: lines}
}

// again begins with another header on the same allowance of bytes. ahead is
// what was read ahead of it already.
func (m *headerMeter) again(lines int, ahead []byte) error {
	m.lines, m.length, m.last, m.ended = lines, 0, 0, false
	return m.scan(ahead)
}

func (m *headerMeter) stop() { m.on = false }

// allow gives how many of n bytes may be read now; 0 means that the header is
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
		m.length = 0
		p = p[i+1:]
	}
	return nil
}

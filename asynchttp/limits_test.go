package asynchttp

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// The meter must find the end of a header where a reader of lines would, and
// count its lines, however the bytes are cut.
func TestHeaderMeterAgreesWithReadingLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]byte("a\r\n:")), 0, 60).Draw(t, "text")
		limit := rapid.IntRange(0, 12).Draw(t, "limit")
		var m headerMeter
		m.start(1<<20, limit)
		var err error
		for rest := text; len(rest) > 0 && err == nil; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			err = m.take(rest[:n])
			rest = rest[n:]
		}
		lines, ended := headerLines(text)
		if tooMany := lines > limit; tooMany != (err != nil) {
			t.Fatalf("%d lines with a limit of %d gave %v", lines, limit, err)
		}
		if err == nil && m.ended != ended {
			t.Fatalf("ended is %v, not %v", m.ended, ended)
		}
	})
}

// headerLines counts the lines up to the blank one.
func headerLines(text []byte) (n int, ended bool) {
	for {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return n, false
		}
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return n, true
		}
		n++
		text = rest
	}
}

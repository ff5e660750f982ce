package sim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// A stream is a part of a tape: what chooses one kind of things. Streams do not move
// each other, so a change of the network's choices leaves those of the schedule.
type stream uint8

const (
	schedStream stream = iota
	netStream
	execStream
	userStream
	diskStream
	procStream
	cryptoStream

	numStreams
)

var streamNames = [numStreams]string{"sched", "net", "exec", "user", "disk", "proc", "crypto"}

// maxChoice is the most that can be chosen among.
const maxChoice = 1 << 24

// A tape is all choices of a run, in their order: a byte for each among at most 256,
// else three. 0 is always the tame one. A tape that is at its end gives 0.
type tape struct {
	streams [numStreams]struct {
		state uint64 // of the generator
		thin  uint64 // not 0: of what that gives, only one choice in so many
		data  []byte
		at    int // of a replay
	}
	replay bool
	one    bool // there is one stream, for fuzzing
	frozen bool // the world is over
}

// seededTape returns a tape that is written by a generator.
func seededTape(seed uint64) *tape {
	t := new(tape)
	for i := range t.streams {
		state := seed ^ uint64(i+1)<<56
		t.streams[i].state = splitmix64(&state)
	}
	return t
}

// thinTape returns a tape that is written by a generator, on which few choices are not
// tame: in some streams none, in others one in two, or one in sixty-four. Which failure
// needs which kind of choice nobody knows, so the seed says it.
func thinTape(seed uint64) *tape {
	t := seededTape(seed)
	for i := range t.streams {
		kind := splitmix64(&seed) % 8
		if t.streams[i].thin = 1 << kind; kind == 0 || kind == 7 {
			t.streams[i].thin = never
		}
	}
	return t
}

// never is how thin a stream is that has tame choices only.
const never = ^uint64(0)

// again returns a tape that plays back what is on t.
func (t *tape) again() *tape {
	r := &tape{replay: true, one: t.one}
	for i := range t.streams {
		r.streams[i].data = t.streams[i].data
	}
	return r
}

// splitmix64 is the generator.
func splitmix64(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// pick returns a choice of at least 0 and less than n.
func (t *tape) pick(of stream, n int) int {
	if n <= 1 || t.frozen {
		return 0
	}
	if n > maxChoice {
		panic(fmt.Sprintf("sim: a choice among %d, of at most %d", n, maxChoice))
	}
	if t.one {
		of = 0
	}
	s := &t.streams[of]
	wide := n > 256
	if t.replay {
		size := 1
		if wide {
			size = 3
		}
		if s.at >= len(s.data) {
			return 0
		}
		var p [3]byte // zeros at the end may have been cut off
		s.at += copy(p[:size], s.data[s.at:])
		if wide {
			return (int(p[0])<<16 | int(p[1])<<8 | int(p[2])) % n
		}
		return int(p[0]) % n
	}
	v := int((splitmix64(&s.state) >> 32 * uint64(n)) >> 32)
	if s.thin > 0 && (s.thin == never || splitmix64(&s.state)%s.thin != 0) {
		v = 0
	}
	if wide {
		s.data = append(s.data, byte(v>>16), byte(v>>8), byte(v))
	} else {
		s.data = append(s.data, byte(v))
	}
	return v
}

// chance returns true with probability p, as exactly as its bytes allow.
func (t *tape) chance(of stream, p float64) bool {
	switch {
	case p <= 0:
		return false
	case p >= 1:
		return true
	}
	n := 256
	if p < 1./16 || p > 15./16 {
		n = 1 << 16
	}
	return t.pick(of, n) >= n-int(p*float64(n)+0.5)
}

// trimmed returns what is on the tape, without the zeros at the ends.
func (t *tape) trimmed() *tape {
	r := t.again()
	for i := range r.streams {
		r.streams[i].data = bytes.TrimRight(r.streams[i].data, "\x00")
	}
	return r
}

// wild counts the choices that are not tame.
func (t *tape) wild() (n int) {
	for i := range t.streams {
		for _, b := range t.streams[i].data {
			if b != 0 {
				n++
			}
		}
	}
	return n
}

const tapeHead = "asyncio simulation tape 1"

// text returns the tape as the text of a file.
func (t *tape) text() string {
	var b strings.Builder
	b.WriteString(tapeHead + "\n")
	for i := range t.streams {
		fmt.Fprintf(&b, "%s %s\n", streamNames[i], hex.EncodeToString(t.streams[i].data))
	}
	return b.String()
}

// parseTape reads the text of a file.
func parseTape(text string) (*tape, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if strings.TrimSpace(lines[0]) != tapeHead {
		return nil, fmt.Errorf("the first line of a tape is %q, not %q", tapeHead, lines[0])
	}
	t := &tape{replay: true}
	for n, line := range lines[1:] {
		name, data, _ := strings.Cut(line, " ")
		p, err := hex.DecodeString(strings.TrimSpace(data))
		if err != nil {
			return nil, fmt.Errorf("line %d of a tape: %w", n+2, err)
		}
		found := false
		for i := range streamNames {
			if streamNames[i] == name {
				t.streams[i].data, found = p, true
			}
		}
		if !found {
			return nil, fmt.Errorf("line %d of a tape: there is no stream %q", n+2, name)
		}
	}
	return t, nil
}

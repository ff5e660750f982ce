package h2

import (
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// A bucket holds tokens, to which some are added every second. They are counted
// when it is empty, so one that was not for long gives its size once more.
type bucket struct {
	tokens float32
	size   float32
	rate   float32 // a second
	at     time.Duration
}

func newBucket(size, rate float32) bucket { return bucket{tokens: size, size: size, rate: rate} }

// take takes a token, and reports whether there was one. The clock is asked only
// when the bucket seems empty: most never are.
func (b *bucket) take(l *asyncio.Loop) bool {
	if b.tokens < 1 {
		t := l.Time()
		b.tokens = min(b.size, b.tokens+b.rate*float32((t-b.at).Seconds()))
		b.at = t
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) put(n float32) { b.tokens = min(b.size, b.tokens+n) }

// A guard bounds what a peer costs beside what it asks for: frames that carry
// nothing, and streams that are begun and given up. Each takes a token; those
// that carry something bring some back, and so does time. A peer that has used
// them up is told ENHANCE_YOUR_CALM, and the connection ends.
type guard struct {
	idle   bucket // frames that carry nothing
	resets bucket // streams that were begun for nothing
	loop   *asyncio.Loop
}

const (
	// idleFrames are the frames without a content that a peer may send at once,
	// and idleFramesRate those that it may send in a second for ever.
	idleFrames     = 2000
	idleFramesRate = 100

	// resetsPerStream times the concurrent streams is how many may be given up
	// at once; as many as are concurrent may be in a second for ever.
	resetsPerStream = 4
)

func newGuard(streams uint32, l *asyncio.Loop) guard {
	n := float32(max(streams, 25))
	return guard{idle: newBucket(idleFrames, idleFramesRate), resets: newBucket(resetsPerStream*n, n), loop: l}
}

// idleFrame counts a frame that carries nothing.
func (g *guard) idleFrame(kind http2.FrameType) error {
	if g.idle.take(g.loop) {
		return nil
	}
	return connError(http2.ErrCodeEnhanceYourCalm, "too many frames that carry nothing; the last was "+kind.String())
}

// useful counts n frames that carry something.
func (g *guard) useful(n int) { g.idle.put(float32(n)) }

// reset counts a stream that was begun for nothing.
func (g *guard) reset() error {
	if g.resets.take(g.loop) {
		return nil
	}
	return connError(http2.ErrCodeEnhanceYourCalm, "too many streams were reset")
}

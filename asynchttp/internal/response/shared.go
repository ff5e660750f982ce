package response

import (
	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// holdBack is how much of a response is held back: one that is shorter gets a
// Content-Length, and goes out in one piece with its header.
const holdBack = 4096

// Shared is what the responses of a server have in common: buffers that each
// needs for a moment only. It belongs to a loop.
type Shared struct {
	loop   *asyncio.Loop
	held   freelist.List
	Copies freelist.Copies
	date   date
}

// NewShared returns what the responses on a loop share.
func NewShared(l *asyncio.Loop) *Shared {
	return &Shared{
		loop: l,
		held: freelist.List{Size: holdBack, Most: 64},
		date: date{clock: hook.Clock(l)},
	}
}

// Date returns the value of a Date field.
func (s *Shared) Date() string { return s.date.now() }

package flow

import (
	"context"

	"github.com/asyncio-go/asyncio"
)

// news is what tasks wait for that have seen all there is. Each piece of news has an event of
// its own, which stays set: so a case of a Select is done also when the news has come between
// the making of the case and the wait. The event is made when somebody wants to wait.
type news struct{ next *asyncio.Event }

func (n *news) event() *asyncio.Event {
	if n.next == nil {
		n.next = asyncio.NewEvent()
	}
	return n.next
}

// tell wakes all that wait now.
func (n *news) tell() {
	if n.next != nil {
		n.next.Set()
		n.next = nil
	}
}

// wait suspends the running task until the next tell.
func (n *news) wait(ctx context.Context) error { return n.event().Wait(ctx) }

// on is the case of the next tell, or one that can be done at once.
func (n *news) on(already bool) asyncio.SelectCase {
	if already {
		return asyncio.OnTimeout(0)
	}
	return asyncio.OnSet(n.event())
}

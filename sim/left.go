package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrLeft is the failure of a world that has left something behind: goroutines in
	// any test, and with [NothingLeft] tasks and sockets, too.
	ErrLeft = errors.New("sim: something is left behind")

	// ErrBlocked is the failure of a world, in a test, in which a task, a callback or a
	// job waits for something that nobody will ever do, such as a receive from a channel.
	ErrBlocked = errors.New("sim: this will wait for ever, and all of the world with it")
)

// NothingLeft makes a world fail with [ErrLeft] when a host that has no function given
// to [Host.Serve] has tasks or sockets left when its functions given to [Host.Go] have
// returned. What is on its way out then, such as a connection with unsent data, has a
// time within which it must be gone; the world goes on for so long.
func NothingLeft(within time.Duration) Option {
	return option(func(c *config) { c.nothingLeft, c.leaves = true, within })
}

// leave lets a world go on until nothing is left behind, for some time.
func (w *World) leave() {
	if !w.cfg.nothingLeft || w.failure != nil {
		return
	}
	over := w.Now() + w.cfg.leaves
	for w.failure == nil && w.left() != "" {
		m := w.choose()
		if m.stall == 0 && m.host == nil && w.due() > over {
			w.fail(fmt.Errorf("%w:\n%s", ErrLeft, w.left()))
			return
		}
		w.move(m)
	}
}

// left says what hosts have left behind that serve nobody.
func (w *World) left() string {
	var b strings.Builder
	for _, h := range w.hosts {
		if h.loop == nil || len(h.serves) > 0 || h.mains > 0 {
			continue
		}
		tasks := h.step.Tasks()
		if n := h.driver.Handles(); n > 0 {
			fmt.Fprintf(&b, "host %s: %d sockets\n", h.Name(), n)
		}
		if len(tasks) > 0 {
			fmt.Fprintf(&b, "host %s: %d tasks\n%s", h.Name(), len(tasks), h.loop.WaitGraph())
		}
	}
	return b.String()
}

// enterBubble runs a world where it is to run, and fails it when goroutines of its
// bubble are left, or when all of them, the world's own included, wait for ever.
func (c *config) enterBubble(live func(), world func() *World) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		text, w := fmt.Sprint(v), world()
		if w == nil || !strings.Contains(text, "goroutines") {
			panic(v)
		}
		w.leaks = true
		if w.over {
			w.over = false
			w.fail(fmt.Errorf("%w: goroutines in the bubble of the test\n%s", ErrLeft, bubbleStacks()))
		} else {
			stack := bubbleStacks()
			who, where := "somebody", "a place that is not known"
			for _, s := range worldStacks() {
				who, where = doing(s)
			}
			w.fail(fmt.Errorf("%w: %s, at %s\n%s", ErrBlocked, who, where, stack))
		}
		w.over = true
	}()
	c.enter(live)
}

// bubbleStacks returns the stacks of the goroutines of the youngest bubble, without
// coroutines that wait for their turn.
func bubbleStacks() string {
	youngest := 0
	var found []string
	for _, stack := range strings.Split(allStacks(), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		_, number, in := strings.Cut(head, "synctest bubble ")
		if !in || strings.Contains(head, "[coroutine") {
			continue
		}
		n, err := strconv.Atoi(strings.TrimRight(number, "]:"))
		if err != nil || n < youngest {
			continue
		}
		if n > youngest {
			youngest, found = n, nil
		}
		found = append(found, stack)
	}
	return strings.Join(found, "\n\n")
}

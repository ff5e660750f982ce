package sim

import (
	"context"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

// A LinkOption says how packets fare on a [Link].
type LinkOption interface{ applyLink(*netsim.Link) }

type linkOption func(*netsim.Link)

func (f linkOption) applyLink(l *netsim.Link) { f(l) }

// Latency sets how long a packet takes: at least d, 1 millisecond without it, and up
// to jitter more, in whole milliseconds where it is at least one; 3 milliseconds
// without it. Steps that are too fine would mean that nothing ever happens at the same
// time as something else.
func Latency(d, jitter time.Duration) LinkOption {
	return linkOption(func(l *netsim.Link) {
		l.Latency, l.Jitter, l.Quantum = d, jitter, stepOf(jitter)
	})
}

// stepOf returns the steps in which something varies: milliseconds, where it takes no more
// than two hundred of them.
func stepOf(jitter time.Duration) time.Duration {
	return max(min(jitter, time.Millisecond), jitter/200)
}

// Loss sets the probability with which a packet is lost. A stream sends it again,
// after 200 milliseconds, 400 and so on, and what is behind it waits; after ten times
// the connection has timed out. A datagram is gone.
func Loss(p float64) LinkOption { return linkOption(func(l *netsim.Link) { l.Loss = p }) }

// Duplicates sets the probability with which a datagram arrives twice.
func Duplicates(p float64) LinkOption { return linkOption(func(l *netsim.Link) { l.Duplicate = p }) }

// Bandwidth sets how many bytes get through in a second; 0: any number.
func Bandwidth(bytes int) LinkOption { return linkOption(func(l *netsim.Link) { l.Rate = bytes }) }

// MTU sets how many bytes a packet may have, its heads among them; 0: any number. A
// longer datagram goes in pieces, and is lost with any of them. Streams heed it by
// themselves.
func MTU(bytes int) LinkOption {
	return linkOption(func(l *netsim.Link) { l.MTU, l.TooLong = bytes, netsim.Fragmented })
}

// MTURefused is [MTU] where the sender of a longer datagram gets syscall.EMSGSIZE.
func MTURefused(bytes int) LinkOption {
	return linkOption(func(l *netsim.Link) { l.MTU, l.TooLong = bytes, netsim.Refused })
}

// MTUSwallowed is [MTU] where a longer datagram is lost and nobody is told, as where
// firewalls drop pieces.
func MTUSwallowed(bytes int) LinkOption {
	return linkOption(func(l *netsim.Link) { l.MTU, l.TooLong = bytes, netsim.Swallowed })
}

// A Link is the connection of two hosts, or one direction of it.
type Link struct {
	w     *World
	pairs [][2]*Host
}

// Link returns the link of two hosts, both ways.
func (w *World) Link(a, b *Host) *Link { return &Link{w, [][2]*Host{{a, b}, {b, a}}} }

// OneWay returns the link by which from reaches to, and not the way back.
func (w *World) OneWay(from, to *Host) *Link { return &Link{w, [][2]*Host{{from, to}}} }

// Set sets how packets fare from now on.
func (l *Link) Set(opts ...LinkOption) {
	for _, p := range l.pairs {
		link := l.w.net.Link(p[0].machine, p[1].machine)
		for _, o := range opts {
			o.applyLink(link)
		}
	}
}

// Cut lets nothing through any more. Nobody is told; what is under way still arrives.
func (l *Link) Cut() { l.cut(true) }

// Heal takes Cut back.
func (l *Link) Heal() { l.cut(false) }

func (l *Link) cut(cut bool) {
	for _, p := range l.pairs {
		state := uint64(0)
		if cut {
			state = 1
		}
		l.w.note(netsim.Cut, p[0].machine.ID, uint64(p[1].machine.ID), state)
		l.w.net.Link(p[0].machine, p[1].machine).Cut = cut
	}
}

// Partition cuts the links between two hosts, both ways.
func (w *World) Partition(a, b *Host) { w.Link(a, b).Cut() }

// Heal takes Partition back.
func (w *World) Heal(a, b *Host) { w.Link(a, b).Heal() }

// Links sets how packets fare on all links of which nothing else is said later. It is
// to be called before hosts have talked to each other.
func (w *World) Links(opts ...LinkOption) {
	for _, o := range opts {
		o.applyLink(&w.net.Default)
	}
}

// A DNSAnswer is what the world's DNS says of a name.
type DNSAnswer struct {
	Addrs []netip.Addr  // none, and no Err: there is no such name
	Err   error         // instead
	Delay time.Duration // how long the answer takes, beside some milliseconds
}

// DNS sets what a name stands for from now on. Each host has its own name.
func (w *World) DNS(name string, answer DNSAnswer) { w.names[name] = answer }

// netWorld is a World as its network sees it.
type netWorld World

var _ netsim.World = (*netWorld)(nil)

func (n *netWorld) Pick(most int) int     { return n.tape.pick(netStream, most) }
func (n *netWorld) Chance(p float64) bool { return n.tape.chance(netStream, p) }

func (n *netWorld) Trace(k netsim.Kind, host uint8, a, b uint64) { (*World)(n).note(k, host, a, b) }

// Escape fails the world and returns the error of the call.
func (n *netWorld) Escape(what string) error {
	err := fmt.Errorf("%w: %s, at %s", ErrEscaped, what, caller())
	(*World)(n).fail(err)
	return err
}

// Lookup is the world's DNS.
func (n *netWorld) Lookup(from *netsim.Machine, network, host string) ([]netip.Addr, time.Duration, error) {
	answer := n.names[strings.TrimSuffix(host, ".")]
	if host == "localhost" {
		answer = DNSAnswer{Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}}
	}
	var addrs []netip.Addr
	for _, a := range answer.Addrs {
		if network == "ip" || (network == "ip4") == a.Is4() {
			addrs = append(addrs, a)
		}
	}
	n.Trace(netsim.Name, from.ID, uint64(crc32.ChecksumIEEE([]byte(host))), uint64(len(addrs)))
	delay := answer.Delay + time.Duration(n.Pick(4))*time.Millisecond
	switch {
	case answer.Err != nil:
		return nil, delay, answer.Err
	case len(addrs) == 0:
		return nil, delay, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, delay, nil
}

// Submit runs a job at some moment, on the world's goroutine.
func (n *netWorld) Submit(of *netsim.Driver, ctx context.Context, job func(context.Context)) error {
	n.jobs++
	number := n.jobs
	n.net.At(n.net.Now()+time.Duration(n.tape.pick(execStream, maxJob))*jobUnit, netsim.EventFunc(func() {
		if !of.Up() {
			return // it has died with its host
		}
		n.Trace(netsim.Job, of.Machine().ID, number, 0)
		coro.UnmarkGoroutine() // a job is on no loop
		defer coro.MarkGoroutine()
		job(ctx)
	}))
	return nil
}

const module = "github.com/asyncio-go/asyncio"

// own reports whether a function is of the library, and not of its user's program.
func own(function string) bool {
	for _, p := range []string{".", "/internal/", "/sim.", "/asynchttp.", "/asyncfile."} {
		if strings.HasPrefix(function, module+p) {
			return true
		}
	}
	return strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "iter.")
}

// userFrames returns the calls that led here, but for those of the library.
func userFrames() (found []runtime.Frame) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); f.Function != "" && !own(f.Function) {
			found = append(found, f)
		}
	}
	return found
}

// caller returns the place in the user's program that has called.
func caller() string {
	for _, f := range userFrames() {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return "a place that is not the program's own"
}

// userStack returns the user's part of the stack.
func userStack() string {
	var b strings.Builder
	for _, f := range userFrames() {
		fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

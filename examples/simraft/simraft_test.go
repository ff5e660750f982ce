package simraft

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// A disk is a file that is written as a whole, and takes its time.
type disk struct {
	w              *sim.World
	term, votedFor int
}

func (d *disk) Load(context.Context) (term, votedFor int, err error) { return d.term, d.votedFor, nil }

func (d *disk) Save(ctx context.Context, term, votedFor int) error {
	if err := asyncio.Sleep(ctx, time.Duration(d.w.Pick(5))*time.Millisecond); err != nil {
		return err
	}
	d.term, d.votedFor = term, votedFor
	return nil
}

// TestATermHasAtMostOneLeaderWhateverFails crashes members and cuts them off from each
// other for five seconds. When all is whole, one of them leads soon, and all know it.
func TestATermHasAtMostOneLeaderWhateverFails(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		const members = 3
		leaders := make(map[int]int) // by term
		var hosts []*sim.Host
		running := make([]*Member, members)
		for i := range members {
			id := i + 1
			peers := make(map[int]string)
			for other := 1; other <= members; other++ {
				if other != id {
					peers[other] = fmt.Sprintf("member%d:7000", other)
				}
			}
			h, d := w.Host(fmt.Sprint("member", id)), &disk{w: w}
			hosts = append(hosts, h)
			h.Serve(func(ctx context.Context) error {
				m := &Member{
					ID: id, Peers: peers, Disk: d,
					Patience: func() time.Duration { return time.Duration(150+w.Pick(150)) * time.Millisecond },
					Elected: func(term int) {
						w.Note("%d leads in term %d", id, term)
						if other, led := leaders[term]; led && other != id {
							w.Failf("term %d has two leaders, %d and %d", term, other, id)
						}
						leaders[term] = id
					},
				}
				running[i] = m
				return m.Run(ctx, ":7000")
			})
		}
		for range w.Pick(6) {
			h, other := hosts[w.Pick(members)], hosts[w.Pick(members)]
			at := time.Duration(w.Pick(100)) * 40 * time.Millisecond
			over := at + time.Duration(1+w.Pick(20))*40*time.Millisecond
			switch w.Pick(3) {
			case 0:
				w.At(at, h.Crash)
				w.At(over, func() {
					if !h.Up() {
						h.Restart()
					}
				})
			case 1:
				w.At(at, func() { w.OneWay(h, other).Cut() })
				w.At(over, func() { w.OneWay(h, other).Heal() })
			case 2:
				w.At(at, func() { h.Pause(over - at) })
			}
		}
		w.Eventually("one leads, and all are in its term", 30*time.Second, func() bool {
			if w.Now() < 6*time.Second {
				return false
			}
			w.Sometimes("terms have changed", len(leaders) > 1)
			n := 0
			for _, m := range running {
				if m.Leads() {
					n++
				}
			}
			return n == 1 && running[0].Term() == running[1].Term() && running[1].Term() == running[2].Term()
		})
	})
}

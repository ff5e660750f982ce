package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// An ablation is a rule of Raft's election that a program leaves out.
type ablation int

const (
	forgetsVotes ablation = iota
	votesTwice
	countsOldVotes
)

// A raftNode is a member of a cluster that elects a leader.
type raftNode struct {
	w       *sim.World
	id      int
	without ablation
	mended  bool
	disk    *raftDisk
	leads   map[int]int // of all members: the leader of each term

	term, votedFor int // votedFor is 0 for nobody
	votes          int
	heard          time.Duration // when it has last heard of a leader or voted
}

// A raftDisk is what a crash leaves.
type raftDisk struct{ term, votedFor int }

// left reports whether a rule is left out.
func (n *raftNode) left(rule ablation) bool { return !n.mended && n.without == rule }

func (n *raftNode) save() {
	n.disk.term = n.term
	if !n.left(forgetsVotes) {
		n.disk.votedFor = n.votedFor
	}
}

func (n *raftNode) follow(term int) {
	if term > n.term {
		n.term, n.votedFor, n.votes = term, 0, 0
		n.disk.votedFor = 0
		n.save()
	}
}

// answer is what another member is told.
func (n *raftNode) answer(_ context.Context, line string) string {
	var term, candidate, granted int
	if _, err := fmt.Sscanf(line, "vote %d %d", &term, &candidate); err != nil {
		return "error"
	}
	n.follow(term)
	if term == n.term && (n.votedFor == 0 || n.votedFor == candidate || n.left(votesTwice)) {
		n.votedFor, granted = candidate, 1
		n.heard = n.w.Now()
		n.save()
	}
	return fmt.Sprint(n.term, granted)
}

// run begins elections until there is a leader.
func (n *raftNode) run(ctx context.Context) error {
	n.term, n.votedFor, n.heard = n.disk.term, n.disk.votedFor, n.w.Now()
	asyncio.Go(ctx, serveLines(":1", n.answer))
	for {
		patience := time.Duration(20+10*n.w.Pick(4)) * time.Millisecond
		if err := asyncio.Sleep(ctx, patience); err != nil {
			return err
		}
		if n.w.Now()-n.heard < patience {
			continue
		}
		n.term, n.votedFor, n.votes, n.heard = n.term+1, n.id, 1, n.w.Now()
		n.save()
		for other := 1; other <= 3; other++ {
			if other != n.id {
				asyncio.Go(ctx, func(ctx context.Context) error { return n.canvass(ctx, other, n.term) })
			}
		}
	}
}

// canvass asks another member for its vote.
func (n *raftNode) canvass(ctx context.Context, other, term int) error {
	reply, err := call(ctx, fmt.Sprintf("node%d:1", other), fmt.Sprintf("vote %d %d", term, n.id), 100*time.Millisecond)
	if err != nil {
		return nil // it is down, or slow
	}
	var theirs, granted int
	if _, err := fmt.Sscan(reply, &theirs, &granted); err != nil {
		return nil
	}
	n.follow(theirs)
	if granted == 0 || term != n.term && !n.left(countsOldVotes) {
		return nil
	}
	if n.votes++; n.votes == 2 && n.votedFor == n.id {
		if leader := n.leads[n.term]; leader != 0 && leader != n.id {
			n.w.Failf("term %d has two leaders, %d and %d", n.term, leader, n.id)
		}
		n.leads[n.term] = n.id
	}
	return nil
}

// raftElection is three members that crash now and then.
func raftElection(without ablation) func(w *sim.World, mended bool) {
	return func(w *sim.World, mended bool) {
		leads := make(map[int]int)
		var hosts []*sim.Host
		for id := 1; id <= 3; id++ {
			h := w.Host(fmt.Sprintf("node%d", id))
			hosts = append(hosts, h)
			disk := new(raftDisk)
			h.Serve(func(ctx context.Context) error {
				n := &raftNode{w: w, id: id, without: without, mended: mended, disk: disk, leads: leads}
				return n.run(ctx)
			})
		}
		w.Links(sim.Latency(time.Millisecond, 10*time.Millisecond))
		for i := range 10 {
			w.At(time.Duration(i+1)*20*time.Millisecond, func() {
				if w.Chance(0.5) {
					h := hosts[w.Pick(3)]
					h.Crash()
					w.At(w.Now()+time.Duration(w.Pick(20))*time.Millisecond, h.Restart)
				}
			})
		}
		w.Host("watch").Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
	}
}

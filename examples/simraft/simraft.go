// Package simraft is the election of Raft: members choose a leader, and another when that
// falls silent. A test of it is in a simulated world. Nothing in this file knows of
// simulation.
package simraft

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Disk keeps what a member must not forget.
type Disk interface {
	// Load returns what was saved last; zero, where nothing was.
	Load(ctx context.Context) (term, votedFor int, err error)
	// Save returns when it would outlive a loss of power.
	Save(ctx context.Context, term, votedFor int) error
}

// A Member is one of those that choose a leader among themselves. Its fields are not to
// be changed once it runs.
type Member struct {
	ID       int            // from 1
	Peers    map[int]string // the addresses of the others
	Disk     Disk
	Patience func() time.Duration // how long to wait for a leader: random, so that not all begin at once
	Elected  func(term int)       // told when this member leads

	term, votedFor int // 0: nobody
	leads          bool
	heard          time.Duration // when a leader or a candidate that got the vote was last heard of
	saving         asyncio.Lock
}

const (
	beat  = 50 * time.Millisecond  // between two heartbeats of a leader
	reply = 100 * time.Millisecond // how long a member has for an answer
)

// Run takes part, at an address, for ever.
func (m *Member) Run(ctx context.Context, address string) (err error) {
	if m.term, m.votedFor, err = m.Disk.Load(ctx); err != nil {
		return err
	}
	s, err := asyncio.StartServer(ctx, "tcp", address, m.serve)
	if err != nil {
		return err
	}
	defer s.Close()
	m.heard = s.Loop().Time()
	for {
		patience := m.Patience()
		if m.leads {
			patience = beat
		}
		if err := asyncio.Sleep(ctx, patience); err != nil {
			return err
		}
		switch {
		case m.leads:
			m.askAll(ctx, "lead")
		case s.Loop().Time()-m.heard >= patience:
			if err := m.stand(ctx); err != nil {
				return err
			}
		}
	}
}

// Leads reports whether the member believes that it leads.
func (m *Member) Leads() bool { return m.leads }

// Term returns the term that it is in.
func (m *Member) Term() int { return m.term }

// stand begins a term and asks all others for their votes.
func (m *Member) stand(ctx context.Context) error {
	term := m.term + 1
	if ok, err := m.enter(ctx, term, m.ID); !ok || err != nil {
		return err
	}
	votes := 1 + m.askAll(ctx, "vote")
	if m.term == term && votes > (len(m.Peers)+1)/2 {
		m.leads = true
		m.Elected(term)
		m.askAll(ctx, "lead")
	}
	return nil
}

// enter changes the term and the vote in it. The disk has both before anybody is told. It
// reports whether they are as wanted then: a term never goes back, and a vote is given
// once.
func (m *Member) enter(ctx context.Context, term, vote int) (ok bool, err error) {
	err = m.saving.With(ctx, func(ctx context.Context) error {
		switch {
		case term < m.term, term == m.term && m.votedFor != 0 && vote != m.votedFor:
			return nil
		case term == m.term && vote == m.votedFor:
			ok = true
			return nil
		}
		if err := m.Disk.Save(ctx, term, vote); err != nil {
			return err
		}
		if term > m.term {
			m.leads = false
		}
		m.term, m.votedFor, ok = term, vote, true
		return nil
	})
	return ok, err
}

// askAll sends a question to all others at once, and returns how many say yes. One that
// knows of a later term makes this member follow.
func (m *Member) askAll(ctx context.Context, question string) (yes int) {
	term := m.term
	var calls []*asyncio.Task[answer]
	for id := range len(m.Peers) + 1 {
		if address, ok := m.Peers[id+1]; ok {
			calls = append(calls, asyncio.CreateTask(ctx, func(ctx context.Context) (answer, error) {
				return ask(ctx, address, fmt.Sprintln(question, term, m.ID))
			}))
		}
	}
	outcomes, err := asyncio.GatherSettled[answer](ctx, calls...)
	if err != nil {
		return 0
	}
	for _, o := range outcomes {
		switch {
		case o.Err != nil: // it is down, or slow
		case o.Value.term > m.term:
			if _, err := m.enter(ctx, o.Value.term, 0); err != nil {
				return 0
			}
		case o.Value.yes:
			yes++
		}
	}
	return yes
}

// An answer is what another member says.
type answer struct {
	term int
	yes  bool
}

// ask asks one member.
func ask(ctx context.Context, address, question string) (a answer, err error) {
	err = asyncio.Timeout(ctx, reply, func(ctx context.Context) error {
		s, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := io.WriteString(s, question); err != nil {
			return err
		}
		line, err := bufio.NewReader(s).ReadString('\n')
		if err != nil {
			return err
		}
		_, err = fmt.Sscan(line, &a.term, &a.yes)
		return err
	})
	return a, err
}

// serve answers one question.
func (m *Member) serve(ctx context.Context, s *asyncio.Stream) error {
	defer s.Close()
	line, err := s.ReadLine(ctx)
	if err != nil {
		return nil
	}
	var question string
	var term, from int
	if _, err := fmt.Sscan(string(line), &question, &term, &from); err != nil {
		return nil // it has gone, or is none of us
	}
	vote := from
	if question == "lead" { // its voters know of it already
		vote = 0
		if term == m.term {
			vote = m.votedFor
		}
	}
	yes, err := m.enter(ctx, term, vote)
	if err != nil {
		return err
	}
	if yes {
		m.heard = s.Loop().Time()
	}
	_, _ = fmt.Fprintln(s, m.term, yes) // who asked has perhaps gone
	return nil
}

// Package simjobs is a queue of jobs with workers that may crash, and a test of it in
// a simulated world. Nothing in this file knows of simulation.
package simjobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Queue deals jobs out. A worker has a job for as long as its lease lasts; then
// another may have it.
type Queue struct {
	Lease  time.Duration
	Store  *Store
	leased map[string]time.Duration // until when
}

// A Store is what outlives the queue: the jobs in their order, and the results of
// those that are done.
type Store struct {
	Jobs    []string
	Results map[string]string
}

// Serve deals out jobs at an address. A line "take" is answered by a job, or by
// nothing; a line "done JOB RESULT" by "ok".
func (q *Queue) Serve(ctx context.Context, address string) error {
	q.leased = make(map[string]time.Duration)
	s, err := asyncio.StartServer(ctx, "tcp", address, func(ctx context.Context, s *asyncio.Stream) error {
		defer s.Close()
		for {
			line, err := s.ReadLine(ctx)
			if err != nil || len(line) == 0 {
				return nil // the worker has gone
			}
			answer, err := q.answer(s.Loop().Time(), strings.Fields(string(line)))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(s, answer); err != nil {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

func (q *Queue) answer(now time.Duration, words []string) (string, error) {
	switch {
	case len(words) == 1 && words[0] == "take":
		for _, job := range q.Store.Jobs {
			if _, done := q.Store.Results[job]; !done && now >= q.leased[job] {
				q.leased[job] = now + q.Lease
				return job, nil
			}
		}
		return "", nil
	case len(words) == 3 && words[0] == "done":
		if _, twice := q.Store.Results[words[1]]; !twice {
			q.Store.Results[words[1]] = words[2]
		}
		return "ok", nil
	}
	return "", fmt.Errorf("a request of %d words", len(words))
}

// Work takes jobs and does them, for ever. It waits for the queue where that is away.
func Work(ctx context.Context, address string, do func(ctx context.Context, job string) (string, error)) error {
	for {
		err := session(ctx, address, do)
		if asyncio.IsCancelled(err) {
			return err
		}
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// session works until the connection breaks.
func session(ctx context.Context, address string, do func(context.Context, string) (string, error)) error {
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer s.Close()
	ask := func(question string) (answer string, err error) {
		// A queue that has crashed says nothing. Who only reads would never know.
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			if _, err := fmt.Fprintln(s, question); err != nil {
				return err
			}
			line, err := s.ReadLine(ctx)
			if err == nil && len(line) == 0 {
				err = errors.New("the queue has gone")
			}
			answer = strings.TrimSpace(string(line))
			return err
		})
		return answer, err
	}
	for {
		job, err := ask("take")
		if err != nil {
			return err
		}
		if job == "" {
			if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		result, err := do(ctx, job)
		if err != nil {
			return err
		}
		if _, err := ask("done " + job + " " + result); err != nil {
			return err
		}
	}
}

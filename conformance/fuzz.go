package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/asyncio-go/asyncio"
)

// batchSize is how many programs one process of the reference runs. It keeps
// them all in memory.
const batchSize = 100

// A Fuzzer compares fresh programs with the reference.
type Fuzzer struct {
	Reference *Reference
	Programs  int      // how many to compare, over all profiles
	Seed      int      // the first seed; each profile goes on from there
	Profiles  []string // by default all
	Changes   int      // how often each program is changed, see [Mutate]
	Workers   int      // processes of the reference at a time
	Options   []asyncio.Option

	// Progress is told now and then how many programs were compared. It may
	// be nil.
	Progress func(done int)
}

type batch struct {
	profile     string
	seed, count int
}

// Run compares, and returns what differs as it was generated. It ends early when
// enough differ to be worth a look, or ctx ends.
func (f *Fuzzer) Run(ctx context.Context) (differ []Result, done int, err error) {
	const enough = 20
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	next := f.batches()
	work := func() error {
		for {
			mu.Lock()
			b, ok := next()
			ended := !ok || len(differ) >= enough
			mu.Unlock()
			if ended {
				return nil
			}
			results, err := f.compare(ctx, b)
			if err != nil {
				return err
			}
			mu.Lock()
			done += len(results)
			for _, r := range results {
				if !r.agrees() {
					differ = append(differ, r)
				}
			}
			if f.Progress != nil {
				f.Progress(done)
			}
			mu.Unlock()
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, max(1, f.Workers))
	for i := range errs {
		wg.Go(func() {
			if errs[i] = work(); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	return differ, done, errors.Join(errs...)
}

// batches deals the programs out to the profiles in turn.
func (f *Fuzzer) batches() func() (batch, bool) {
	profiles := f.Profiles
	if len(profiles) == 0 {
		profiles = Profiles
	}
	dealt, i := 0, 0
	return func() (batch, bool) {
		left := f.Programs - dealt
		if left <= 0 {
			return batch{}, false
		}
		rounds := (left + len(profiles) - 1) / len(profiles)
		b := batch{profiles[i%len(profiles)], f.Seed + i/len(profiles)*batchSize, min(batchSize, left, max(rounds, 10))}
		dealt += b.count
		i++
		return b, true
	}
}

func (f *Fuzzer) compare(ctx context.Context, b batch) ([]Result, error) {
	ps, err := f.Reference.Generate(ctx, b.profile, b.seed, b.count)
	if err != nil {
		return nil, err
	}
	if f.Changes > 0 {
		r := rand.New(rand.NewPCG(uint64(b.seed), uint64(len(b.profile))))
		for i, p := range ps {
			ps[i] = Mutate(r, p, f.Changes)
		}
	}
	if err := f.Reference.Record(ctx, ps); err != nil {
		return nil, fmt.Errorf("%s from seed %d: %w", b.profile, b.seed, err)
	}
	return Check(ps, 1, f.Options...), nil
}

// Smallest shrinks a program that differs.
func (f *Fuzzer) Smallest(ctx context.Context, r Result) (Result, error) {
	p, err := Shrink(r.Program, func(ps []*Program) (int, error) {
		if err := f.Reference.Record(ctx, ps); err != nil {
			return -1, err
		}
		for i, r := range Check(ps, 1, f.Options...) {
			if !r.agrees() {
				return i, nil
			}
		}
		return -1, nil
	})
	trace, runErr := Run(p, f.Options...)
	return Result{p, trace, runErr}, err
}

package cluster

import (
	"context"
	"iter"

	"github.com/asyncio-go/asyncio"
)

// Map submits a job for each value of in, and yields the results in that order, each
// with its error. It holds as many jobs ahead as [WithMaxPending] allows, and takes
// values from in only as there is room. The loop may be left at any time: the jobs
// that have not ended are cancelled then, as they are when the running task is, whose
// error comes last. Python: Executor.map.
func Map[In, Out any](ctx context.Context, c *Client, fn *asyncio.WorkerFunc[In, Out], in iter.Seq[In], opts ...JobOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var ahead []*asyncio.Future[Out]
		defer func() {
			for _, f := range ahead {
				f.Cancel()
			}
		}()
		// oldest yields the result that is next, and reports whether to go on.
		oldest := func() bool {
			f := ahead[0]
			v, err := f.Await(ctx)
			if err != nil && (!f.Done() || f.Cancelled()) {
				yield(v, err)
				return false
			}
			ahead = ahead[1:]
			return yield(v, err)
		}
		for v := range in {
			// Others may have jobs under way too: who has none waits for room in Submit.
			for len(ahead) > 0 && (ahead[0].Done() || c.room.Locked()) {
				if !oldest() {
					return
				}
			}
			f, err := Submit(ctx, c, fn, v, opts...)
			if err != nil {
				var zero Out
				yield(zero, err)
				return
			}
			ahead = append(ahead, f)
		}
		for len(ahead) > 0 && oldest() {
		}
	}
}

// A Pair is an argument and what the function made of it.
type Pair[In, Out any] struct {
	In  In  // the argument
	Out Out // the zero value when it failed
}

// MapAsCompleted is [Map] that yields results as they come. Python: as_completed of
// what Executor.submit returned.
func MapAsCompleted[In, Out any](ctx context.Context, c *Client, fn *asyncio.WorkerFunc[In, Out], in iter.Seq[In], opts ...JobOption) iter.Seq2[Pair[In, Out], error] {
	return func(yield func(Pair[In, Out], error) bool) {
		type result struct {
			pair Pair[In, Out]
			err  error
		}
		ready := asyncio.NewQueue[result](0)
		underWay := map[*asyncio.Future[Out]]struct{}{}
		defer func() {
			left := underWay
			underWay = nil
			for f := range left {
				f.Cancel()
			}
		}()
		next := func() bool {
			r, err := ready.Get(ctx)
			if err != nil {
				r = result{err: err}
			}
			return yield(r.pair, r.err) && err == nil
		}
		for v := range in {
			for !ready.Empty() || len(underWay) > 0 && c.room.Locked() {
				if !next() {
					return
				}
			}
			f, err := Submit(ctx, c, fn, v, opts...)
			if err != nil {
				yield(Pair[In, Out]{}, err)
				return
			}
			underWay[f] = struct{}{}
			f.AddDoneCallback(func() {
				if _, wanted := underWay[f]; !wanted {
					return // the loop was left
				}
				delete(underWay, f)
				out, err := f.Result()
				_ = ready.PutNowait(result{Pair[In, Out]{v, out}, err}) // it has no bound
			})
		}
		for !ready.Empty() || len(underWay) > 0 {
			if !next() {
				return
			}
		}
	}
}

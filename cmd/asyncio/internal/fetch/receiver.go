package fetch

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// jobReceiver is the receiver of a job's transfers.
type jobReceiver struct {
	run *engine
	job *job
}

func (q *jobReceiver) tryAgain(r *Result) (time.Duration, bool) { return q.run.tryAgain(q.job, r) }

func (q *jobReceiver) received(p []byte) { q.run.stats.bytes += int64(len(p)) }

// openSink opens what takes the body of the job.
func (q *jobReceiver) openSink(ctx context.Context, _ *http.Response, r *Result) (sink, error) {
	e, j := q.run, q.job
	switch j.out.Kind {
	case ToNowhere:
		return nowhere{}, nil
	case ToStdout:
		// With another attempt to come, what was written could not be taken
		// back.
		if !e.opts.several() && e.opts.Retry == 0 {
			return streamSink{e.out}, nil
		}
		return &spoolSink{all: &e.spools, open: func(context.Context) (*outlet, error) { return e.out, nil }}, nil
	}
	if j.place == nil {
		p, err := e.places.find(j.out, j.url)
		if err != nil {
			return nil, err
		}
		j.place = p
	}
	r.Filename = j.place.path
	switch {
	case j.place.null:
		return nowhere{}, nil
	case j.place.root == nil && e.opts.several():
		return &spoolSink{all: &e.spools, open: func(ctx context.Context) (*outlet, error) { return e.device(ctx, j.place) }}, nil
	case j.place.root == nil:
		return newDeviceSink(ctx, e.loop, e.pool, j.place.path)
	}
	return newFileSink(j.place)
}

// say prints what happens, for -v.
func (q *jobReceiver) say(format string, args ...any) {
	e := q.run
	text := fmt.Sprintf(format, args...)
	if e.opts.several() || e.opts.Retry > 0 {
		// Lines of several transfers carry their numbers.
		mark := fmt.Sprintf("[%d] ", q.job.number)
		text = mark + strings.ReplaceAll(text, "\n", "\n"+mark)
	}
	e.line(text)
}

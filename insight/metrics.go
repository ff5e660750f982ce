package insight

import (
	"context"
	"math"
	"runtime/metrics"
	"strconv"

	"github.com/asyncio-go/asyncio"
)

// A Sample is one value of one loop, as in package runtime/metrics.
type Sample struct {
	// Name is as in Prometheus: asyncio_busy_seconds_total. Its unit is part of it.
	Name string
	// Help says what it is.
	Help string
	// Cumulative is whether it only grows, as long as the loop lives.
	Cumulative bool
	// Labels tell samples of the same name apart: the loop's number as "loop", and
	// for executors their kind.
	Labels []Label
	// Value is the value, unless it is a histogram.
	Value float64
	// Histogram counts durations in seconds. It is cumulative.
	Histogram *metrics.Float64Histogram
}

// A Label is a name and a value of a [Sample].
type Label struct{ Name, Value string }

// Read returns what is measured of all loops of the process. It asks each loop, and
// one that hangs is looked at from outside, after a quarter of a second; see
// [asyncio.Loop.Look] for what that costs. It may be called in any goroutine but a
// loop's.
func Read(ctx context.Context) []Sample { return newWindow().samples(ctx) }

// metricTasks is up to how many tasks circles of them are looked for each time.
const metricTasks = 1000

func (w *window) samples(ctx context.Context) []Sample {
	looks := w.looks(ctx, 0, defaultPatience, func(uint64) asyncio.LookOptions { return asyncio.LookOptions{Tasks: metricTasks} })
	all := []Sample{loopCount(len(looks.Loops))}
	for _, m := range loopMetrics {
		for _, k := range looks.Loops {
			if m.when != nil && !m.when(k) {
				continue
			}
			all = append(all, Sample{
				Name: m.name, Help: m.help, Cumulative: m.cumulative,
				Labels: []Label{{"loop", strconv.FormatUint(k.Loop, 10)}},
				Value:  m.value(k),
			})
		}
	}
	for _, m := range histogramMetrics {
		for _, k := range looks.Loops {
			if !answered(k) {
				continue
			}
			all = append(all, Sample{
				Name: m.name, Help: m.help, Cumulative: true,
				Labels:    []Label{{"loop", strconv.FormatUint(k.Loop, 10)}},
				Histogram: histogram(m.value(k)),
			})
		}
	}
	for _, m := range executorMetrics {
		for _, k := range looks.Loops {
			for _, e := range k.Executors {
				all = append(all, Sample{
					Name: m.name, Help: m.help,
					Labels: []Label{{"loop", strconv.FormatUint(k.Loop, 10)}, {"kind", e.Kind}},
					Value:  float64(m.value(e)),
				})
			}
		}
	}
	return all
}

// Descriptions returns a sample of each name that [Read] may return, without labels and
// value. It may be called in any goroutine.
func Descriptions() []Sample {
	all := []Sample{loopCount(0)}
	for _, m := range loopMetrics {
		all = append(all, Sample{Name: m.name, Help: m.help, Cumulative: m.cumulative})
	}
	for _, m := range histogramMetrics {
		all = append(all, Sample{Name: m.name, Help: m.help, Cumulative: true, Histogram: histogram(asyncio.HistogramLook{})})
	}
	for _, m := range executorMetrics {
		all = append(all, Sample{Name: m.name, Help: m.help})
	}
	return all
}

func loopCount(n int) Sample {
	return Sample{Name: "asyncio_loops", Help: "Loops that run.", Value: float64(n)}
}

type loopMetric struct {
	name, help string
	cumulative bool
	when       func(k *asyncio.LoopLook) bool // nil: always known
	value      func(k *asyncio.LoopLook) float64
}

// answered reports whether the loop has answered itself: of one that hangs, counts are
// not known, and must not fall to nothing.
func answered(k *asyncio.LoopLook) bool { return k.State != "stuck" }

// searched reports whether circles of tasks were looked for.
func searched(k *asyncio.LoopLook) bool { return answered(k) && !k.More }

var loopMetrics = []loopMetric{
	{"asyncio_loop_responsive", "1, or 0 while the loop does not answer.", false, nil, func(k *asyncio.LoopLook) float64 {
		if k.State == "stuck" {
			return 0
		}
		return 1
	}},
	{"asyncio_stuck_seconds", "How long a loop that does not answer has not moved.", false, nil, func(k *asyncio.LoopLook) float64 { return k.Stuck.Seconds() }},
	{"asyncio_tasks", "Tasks that have not ended.", false, nil, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Tasks) }},
	{"asyncio_ready", "Callbacks and steps that are to run.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Ready) }},
	{"asyncio_timers", "Timers that are set.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Timers) }},
	{"asyncio_jobs", "Functions in executors whose results the loop waits for.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Jobs) }},
	{"asyncio_sockets", "Sockets.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(k.SocketCount) }},
	{"asyncio_processes", "Subprocesses.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(len(k.Processes)) }},
	{"asyncio_deadlocks", "Circles of tasks that wait for each other, of a loop with a thousand tasks at most.", false, searched, func(k *asyncio.LoopLook) float64 { return float64(len(k.Cycles)) }},
	{"asyncio_lag_seconds", "How late the last timer fired.", false, answered, func(k *asyncio.LoopLook) float64 { return k.Stats.Lag.Seconds() }},
	{"asyncio_max_lag_seconds", "The latest that a timer ever fired.", false, answered, func(k *asyncio.LoopLook) float64 { return k.Stats.MaxLag.Seconds() }},
	{"asyncio_tasks_made_total", "Tasks made.", true, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.TasksMade) }},
	{"asyncio_turns_total", "Rounds of the loop.", true, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Turns) }},
	{"asyncio_parks_total", "How often the loop had nothing to do and waited.", true, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.Parks) }},
	{"asyncio_timers_fired_total", "Timers that were due and ran.", true, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Stats.TimersFired) }},
	{"asyncio_busy_seconds_total", "How long the loop has run things.", true, answered, func(k *asyncio.LoopLook) float64 { return k.Stats.Busy.Seconds() }},
	{"asyncio_idle_seconds_total", "How long the loop has waited.", true, answered, func(k *asyncio.LoopLook) float64 { return k.Stats.Idle.Seconds() }},
	{"asyncio_unseen_errors", "Errors of futures and tasks that nobody has looked at yet.", false, answered, func(k *asyncio.LoopLook) float64 { return float64(k.Unseen) }},
}

var histogramMetrics = []struct {
	name, help string
	value      func(k *asyncio.LoopLook) asyncio.HistogramLook
}{
	{"asyncio_turn_seconds", "How long turns of the loop took.", func(k *asyncio.LoopLook) asyncio.HistogramLook { return k.Turns }},
	{"asyncio_timer_late_seconds", "How late timers fired.", func(k *asyncio.LoopLook) asyncio.HistogramLook { return k.Late }},
	{"asyncio_step_seconds", "How long steps and callbacks took, while they were timed.", func(k *asyncio.LoopLook) asyncio.HistogramLook { return k.Steps }},
}

var executorMetrics = []struct {
	name, help string
	value      func(e asyncio.ExecutorLook) int
}{
	{"asyncio_executor_workers", "Workers of an executor.", func(e asyncio.ExecutorLook) int { return e.Workers }},
	{"asyncio_executor_max_workers", "The most workers that an executor may have.", func(e asyncio.ExecutorLook) int { return e.Max }},
	{"asyncio_executor_running", "Jobs that an executor runs.", func(e asyncio.ExecutorLook) int { return e.Running }},
	{"asyncio_executor_queued", "Jobs that wait for a worker.", func(e asyncio.ExecutorLook) int { return e.Queued }},
}

const (
	firstBucket = 128e-9 // seconds: the bound of the first count of a HistogramLook
	buckets     = 31     // up to two minutes; what took longer is in the last
)

// histogram makes a histogram with bounds that are always the same.
func histogram(h asyncio.HistogramLook) *metrics.Float64Histogram {
	f := &metrics.Float64Histogram{Counts: make([]uint64, buckets+1), Buckets: make([]float64, buckets+2)}
	for i := range buckets {
		f.Buckets[i+1] = math.Ldexp(firstBucket, i)
	}
	f.Buckets[buckets+1] = math.Inf(1)
	for i, n := range h.Counts {
		f.Counts[min(i, buckets)] += n
	}
	return f
}

// Command cluster measures package cluster: a NATS server and a client in this
// process, workers in processes of their own, which are this program started again.
//
//	cluster [flags] rate      jobs a second
//	cluster [flags] latency   one job after another
//	cluster [flags] cancel    how long until a running job hears that it is cancelled
//	cluster [flags] death     how long until a client hears that a worker is killed, or
//	                          stopped, and until another has its job
//	cluster [flags] pool      jobs a second of the process pool of this machine
//
// It prints a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

const workerOf = "CLUSTER_BENCH_WORKER"

// A task is what a job is asked.
type task struct {
	N    int
	Work time.Duration // how long to compute
}

var square = asyncio.RegisterWorker("square", func(_ context.Context, t task) (int, error) {
	if t.Work > 0 {
		for began := time.Now(); time.Since(began) < t.Work; {
		}
	}
	return t.N * t.N, nil
})

// untilCancelled gives the time at which its context ended.
var untilCancelled = asyncio.RegisterWorker("untilCancelled", func(ctx context.Context, file string) (int64, error) {
	if err := cluster.Report(ctx, cluster.Progress{}); err != nil {
		return 0, err
	}
	<-ctx.Done()
	at := time.Now().UnixNano()
	return at, os.WriteFile(file, strconv.AppendInt(nil, at, 10), 0o600)
})

var (
	jobs    = flag.Int("jobs", 100_000, "how many jobs")
	count   = flag.Int("workers", 2, "how many worker processes")
	places  = flag.Int("places", 1, "how many jobs a worker runs at a time")
	pending = flag.Int("pending", 2000, "how many jobs may be under way")
	work    = flag.Duration("work", 0, "how long a job computes")
	keys    = flag.Bool("keys", false, "each job has a key")
	file    = flag.Bool("file", false, "keep jobs in files")
	profile = flag.String("cpuprofile", "", "where to write a profile of this process; workers add their process id")
	kill    = flag.Duration("kill", 0, "kill a worker every so often")
)

func main() {
	asyncio.WorkerMain()
	flag.Parse()
	if *profile != "" {
		name := *profile
		if os.Getenv(workerOf) != "" {
			name += "." + strconv.Itoa(os.Getpid())
		}
		f, err := os.Create(name)
		if err != nil {
			log.Fatal(err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			log.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	if url := os.Getenv(workerOf); url != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := cluster.Serve(ctx, url, cluster.WithConcurrency(*places)); err != nil {
			log.Fatal(err)
		}
		return
	}
	out, err := run(flag.Arg(0))
	if err != nil {
		log.Fatal("cluster: ", err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

// figures is what is printed.
type figures map[string]any

func run(mode string) (figures, error) {
	if mode == "pool" {
		return pool()
	}
	body := map[string]func(context.Context, *cluster.Client, figures) error{"rate": rate, "latency": latency, "cancel": cancelled}[mode]
	if mode == "death" {
		return death()
	}
	if body == nil {
		return nil, errors.New("which of rate, latency, cancel, death, pool?")
	}
	s, stop, err := startServer()
	if err != nil {
		return nil, err
	}
	defer stop()
	p, err := startWorkers(s.ClientURL())
	if err != nil {
		return nil, err
	}
	out := figures{"mode": mode, "workers": *count, "places": *places, "keys": *keys, "file": *file}
	opts := []cluster.ConnectOption{cluster.WithMaxPending(*pending)}
	if *file {
		opts = append(opts, cluster.WithFileStore())
	}
	err = asyncio.Run(context.Background(), func(ctx context.Context) error {
		c, err := cluster.Connect(ctx, s.ClientURL(), opts...)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		// Once all workers have their first job, they are there.
		for range *count * 50 {
			if _, err := cluster.Call(ctx, c, square, task{Work: time.Millisecond}); err != nil {
				return err
			}
		}
		began := cpuOfSelf()
		kills := p.killSome()
		err = body(ctx, c, out)
		out["kills"] = kills()
		out["cpu_us"] = (cpuOfSelf() - began).Microseconds() / int64(*jobs)
		return err
	})
	p.stop()
	out["cpu_workers_us"] = cpuOfChildren().Microseconds() / int64(*jobs)
	return out, err
}

func startServer() (s *server.Server, stop func(), err error) {
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		return nil, nil, err
	}
	s, err = server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err == nil {
		if s.Start(); !s.ReadyForConnections(10 * time.Second) {
			s.Shutdown()
			err = errors.New("the server does not get ready")
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}, nil
}

func rate(ctx context.Context, c *cluster.Client, out figures) error {
	results := make([]int, *jobs)
	wrong := 0
	delays := make([]time.Duration, 0, *jobs)
	began := time.Now()
	for i := range *jobs {
		var opts []cluster.JobOption
		if *keys {
			opts = append(opts, cluster.WithKey(strconv.Itoa(i)))
		}
		f, err := cluster.Submit(ctx, c, square, task{i, *work}, opts...)
		if err != nil {
			return err
		}
		at := time.Now()
		f.AddDoneCallback(func() {
			delays = append(delays, time.Since(at))
			results[i]++
			if v, err := f.Result(); err != nil || v != i*i {
				wrong++
			}
		})
	}
	for c.Pending() > 0 {
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	took := time.Since(began)
	missing := 0
	for _, n := range results {
		if n != 1 {
			missing++
		}
	}
	out["jobs"], out["jobs_s"] = *jobs, int(float64(*jobs)/took.Seconds())
	out["not_once"], out["wrong"] = missing, wrong
	spread(out, delays)
	return nil
}

func latency(ctx context.Context, c *cluster.Client, out figures) error {
	var all []time.Duration
	for i := range *jobs {
		at := time.Now()
		if _, err := cluster.Call(ctx, c, square, task{N: i}); err != nil {
			return err
		}
		all = append(all, time.Since(at))
	}
	spread(out, all)
	return nil
}

func cancelled(ctx context.Context, c *cluster.Client, out figures) error {
	var all []time.Duration
	f, err := os.CreateTemp("", "cancelled")
	if err != nil {
		return err
	}
	_ = f.Close()
	defer os.Remove(f.Name())
	for range min(*jobs, 200) {
		begun := asyncio.NewEvent()
		j, err := cluster.Submit(ctx, c, untilCancelled, f.Name(), cluster.WithProgress(func(cluster.Progress) { begun.Set() }))
		if err != nil {
			return err
		}
		if err := begun.Wait(ctx); err != nil {
			return err
		}
		if err := os.Truncate(f.Name(), 0); err != nil {
			return err
		}
		at := time.Now().UnixNano()
		j.Cancel()
		for {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			p, err := os.ReadFile(f.Name())
			if err != nil {
				return err
			}
			if ended, err := strconv.ParseInt(string(p), 10, 64); err == nil {
				all = append(all, time.Duration(ended-at))
				break
			}
		}
	}
	spread(out, all)
	return nil
}

func spread(out figures, all []time.Duration) {
	slices.Sort(all)
	n := len(all)
	out["p50_us"], out["p99_us"], out["max_ms"] = all[n/2].Microseconds(), all[n*99/100].Microseconds(), all[n-1].Milliseconds()
}

// processes are the workers.
type processes struct {
	url string
	all []*exec.Cmd
}

func startWorkers(url string) (*processes, error) {
	p := &processes{url: url}
	for range *count {
		w, err := p.start()
		if err != nil {
			return nil, err
		}
		p.all = append(p.all, w)
	}
	return p, nil
}

func (p *processes) start() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := exec.Command(self, "-places", strconv.Itoa(*places), "-cpuprofile", *profile)
	w.Env = append(os.Environ(), workerOf+"="+p.url)
	w.Stderr = os.Stderr
	return w, w.Start()
}

// killSome kills workers now and then until it is stopped, and says how many.
func (p *processes) killSome() (stop func() int) {
	if *kill == 0 {
		return func() int { return 0 }
	}
	end, ended := make(chan struct{}), make(chan struct{})
	kills := 0
	go func() {
		defer close(ended)
		tick := time.NewTicker(*kill)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			i := rand.IntN(len(p.all))
			_ = p.all[i].Process.Kill()
			_ = p.all[i].Wait()
			w, err := p.start()
			if err != nil {
				fmt.Fprintln(os.Stderr, "cluster:", err)
				return
			}
			p.all[i] = w
			kills++
		}
	}()
	return func() int {
		close(end)
		<-ended
		return kills
	}
}

func (p *processes) stop() {
	for _, w := range p.all {
		_ = w.Process.Signal(os.Interrupt)
	}
	for _, w := range p.all {
		_ = w.Wait()
	}
}

// pool runs the same jobs in the process pool of this machine.
func pool() (figures, error) {
	p, err := asyncio.NewProcessPoolExecutor(*count)
	if err != nil {
		return nil, err
	}
	out := figures{"mode": "pool", "workers": *count, "jobs": *jobs}
	err = asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		for range *count {
			if _, err := square.Call(ctx, p, task{}); err != nil {
				return err
			}
		}
		room := asyncio.NewSemaphore(*pending)
		began := time.Now()
		for i := range *jobs {
			if err := room.Acquire(ctx); err != nil {
				return err
			}
			square.Start(loop, p, task{i, *work}).AddDoneCallback(room.Release)
		}
		for range *pending {
			if err := room.Acquire(ctx); err != nil {
				return err
			}
		}
		out["jobs_s"] = int(float64(*jobs) / time.Since(began).Seconds())
		return nil
	})
	return out, errors.Join(err, p.Shutdown(context.Background()))
}

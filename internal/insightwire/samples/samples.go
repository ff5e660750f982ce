// Package samples has looks that were made by hand, for the tests of what shows them.
package samples

import (
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// At is when all looks were taken.
var At = time.Date(2026, 3, 1, 14, 5, 6, 0, time.UTC)

// Head returns the head of an answer of a process.
func Head() insightwire.Head {
	return insightwire.Head{
		Version: insightwire.Version, At: At,
		Process: insightwire.Process{PID: 4711, Program: "shop", Module: "example.com/shop", Go: "go1.26.0", Started: At.Add(-26 * time.Hour)},
	}
}

// Looks returns the answer of a process with these loops.
func Looks(loops ...*asyncio.LoopLook) *insightwire.Looks {
	return &insightwire.Looks{Head: Head(), Loops: loops}
}

func frame(function string, line int) asyncio.FrameLook {
	return asyncio.FrameLook{Function: "example.com/shop/" + function, File: "/src/shop/main.go", Line: line}
}

func of(function, file string, line int) asyncio.FrameLook {
	return asyncio.FrameLook{Function: "github.com/asyncio-go/asyncio." + function, File: "/src/asyncio/" + file, Line: line}
}

// Program returns a loop with nested groups, a lock, a queue, a stream and a subprocess.
func Program() *asyncio.LoopLook {
	at := func(f asyncio.FrameLook) *asyncio.FrameLook { return &f }
	group := of("(*Group).Wait", "wait_group.go", 120)
	lock, queue, read, wait, sleep := of("(*Lock).Lock", "sync_lock.go", 40), of("(*Queue[...]).Put", "sync_queue.go", 88), of("(*Stream).Read", "stream.go", 200), of("(*Process).Wait", "process.go", 90), of("Sleep", "loop_sleep.go", 20)
	var steps []uint64
	for i := range 20 {
		steps = append(steps, uint64(1000>>i))
	}
	return &asyncio.LoopLook{
		Loop: 1, State: "runs", Level: "on", Now: 95 * time.Second, Busy: 0.123,
		Stats: asyncio.Stats{
			Ready: 1, Timers: 2, Tasks: 9, Jobs: 1, TasksMade: 4321, Turns: 99_999, Parks: 88_888, TimersFired: 777,
			Lag: 120 * time.Microsecond, MaxLag: 31 * time.Millisecond, Busy: 11 * time.Second, Idle: 84 * time.Second,
		},
		Turns: asyncio.HistogramLook{Counts: steps}, Late: asyncio.HistogramLook{Counts: steps}, Steps: asyncio.HistogramLook{Counts: steps},
		Slow: []asyncio.StepLook{
			{Of: 1, At: 90 * time.Second, Took: 14 * time.Millisecond, Task: 7, Name: "report", Stack: []asyncio.FrameLook{frame("report.render", 12), frame("report.Run", 30)}},
			{Of: 12, At: 40 * time.Second, Took: 2 * time.Millisecond},
		},
		Ended: []asyncio.EndLook{
			{ID: 40, Parent: 2, Name: "order-39", Ended: 94 * time.Second, Busy: 80 * time.Microsecond, Steps: 5, State: "done"},
			{ID: 39, Parent: 2, Name: "order-38", Ended: 93 * time.Second, Steps: 2, State: "failed", Err: "no stock"},
		},
		Events: []asyncio.EventLook{
			{Seq: 1, At: 93 * time.Second, Kind: "made", Task: 40, Parent: 2},
			{Seq: 2, At: 93*time.Second + 200*time.Microsecond, Kind: "step", Task: 40, Took: 80 * time.Microsecond},
			{Seq: 3, At: 94 * time.Second, Kind: "ended", Task: 40},
			{Seq: 4, At: 94*time.Second + 500*time.Millisecond, Kind: "park", Took: 400 * time.Millisecond},
			{Seq: 5, At: 94*time.Second + 600*time.Millisecond, Kind: "slow", Task: 7, Took: 14 * time.Millisecond},
		},
		Tasks: []asyncio.TaskLook{
			{ID: 1, Name: "Task-1", State: "waits", For: 95 * time.Second, Busy: time.Millisecond, Steps: 1, Waits: &asyncio.WaitLook{Kind: "tasks", Tasks: []uint64{2, 5}},
				Function: "example.com/shop/main.run", At: at(frame("main.run", 31)), Stack: []asyncio.FrameLook{group, frame("main.run", 31)}},
			{ID: 2, Parent: 1, Name: "orders", State: "waits", For: 94 * time.Second, Busy: 2 * time.Millisecond, Steps: 7, Waits: &asyncio.WaitLook{Kind: "tasks", Tasks: []uint64{3, 4}},
				Function: "example.com/shop/main.orders", At: at(frame("main.orders", 44)), Stack: []asyncio.FrameLook{group, frame("main.each", 50), frame("main.orders", 44)}},
			{ID: 3, Parent: 2, Name: "order-1 \x1b[31mred\u202e", State: "waits", For: 1500 * time.Millisecond, Busy: 90 * time.Microsecond, Steps: 3, Cancels: 1, Waits: &asyncio.WaitLook{Kind: "lock", Object: "0x1", Tasks: []uint64{4}},
				Function: "example.com/shop/main.order", At: at(frame("main.order", 82)), Stack: []asyncio.FrameLook{lock, frame("main.order", 82)}},
			{ID: 4, Parent: 2, Name: "order-2", State: "waits", For: 1400 * time.Millisecond, Busy: 100 * time.Microsecond, Steps: 4, Waits: &asyncio.WaitLook{Kind: "queue", Object: "0x2", Detail: "full, 100 items"},
				Function: "example.com/shop/main.order", At: at(frame("main.order", 90)), Stack: []asyncio.FrameLook{queue, frame("main.order", 90)}},
			{ID: 5, Parent: 1, Name: "服务器", State: "waits", For: 90 * time.Second, Steps: 2, Waits: &asyncio.WaitLook{Kind: "socket", Detail: "127.0.0.1:8080"},
				Function: "example.com/shop/main.serve", At: at(frame("main.serve", 99)), Stack: []asyncio.FrameLook{read, frame("main.serve", 99)}, Labels: map[string]string{"tenant": "a"}},
			{ID: 6, Parent: 1, Name: "converter", State: "waits", For: 12 * time.Second, Steps: 2, Waits: &asyncio.WaitLook{Kind: "process", Detail: "PID 4712"},
				Function: "example.com/shop/main.convert", At: at(frame("main.convert", 120)), Stack: []asyncio.FrameLook{wait, frame("main.convert", 120)}},
			{ID: 7, Name: "report", State: "ready", For: 20 * time.Microsecond, Busy: 3 * time.Second, Steps: 1200,
				Function: "example.com/shop/report.Run", At: at(frame("report.Run", 30)), Stack: []asyncio.FrameLook{frame("report.Run", 30)}},
			{ID: 8, Name: "ticker", State: "waits", For: 300 * time.Millisecond, Steps: 95, Waits: &asyncio.WaitLook{Kind: "sleep", Until: 95*time.Second + 700*time.Millisecond},
				Function: "example.com/shop/main.tick", At: at(frame("main.tick", 140)), Stack: []asyncio.FrameLook{sleep, frame("main.tick", 140)}},
			{ID: 9, Name: "Task-9", State: "not started", For: -1},
		},
		Executors:   []asyncio.ExecutorLook{{Kind: "threads", Workers: 2, Max: 6, Running: 1, Queued: 0}},
		Sockets:     []asyncio.SocketLook{{Kind: "server", State: "open", Local: "127.0.0.1:8080"}, {Kind: "stream", State: "open", Local: "127.0.0.1:8080", Remote: "127.0.0.1:50000"}},
		Processes:   []asyncio.ProcessLook{{PID: 4712, Command: "convert in.png out.jpg"}},
		SocketCount: 2,
		Unseen:      1, Took: 300 * time.Microsecond, Held: 60 * time.Microsecond,
	}
}

// Hung returns a loop that hangs.
func Hung() *asyncio.LoopLook {
	return &asyncio.LoopLook{
		Loop: 2, State: "stuck", Level: "on", Stuck: 3200 * time.Millisecond, Now: 60 * time.Second,
		Stats: asyncio.Stats{Tasks: 3, Ready: 2},
		Culprit: &asyncio.CulpritLook{
			Task: 12, Name: "writer", Doing: "blocked in sync.Mutex.Lock", Hint: "run it in ToThread, or use asyncio.Lock", Place: "/src/shop/store.go:82",
			Stack: []asyncio.FrameLook{
				{Function: "sync.(*Mutex).Lock", File: "/usr/lib/go/src/sync/mutex.go", Line: 46},
				{Function: "example.com/shop/store.(*Store).Put", File: "/src/shop/store.go", Line: 82},
				{Function: "example.com/shop/store.Write", File: "/src/shop/write.go", Line: 17},
			},
		},
		Tasks: []asyncio.TaskLook{
			{ID: 10, Name: "Task-10", State: "waits", For: 60 * time.Second, Waits: &asyncio.WaitLook{Kind: "tasks", Tasks: []uint64{12}}},
			{ID: 11, Name: "reader", State: "ready", For: 3 * time.Second},
			{ID: 12, Name: "writer", State: "runs", For: 3200 * time.Millisecond},
		},
		Places: []asyncio.PlaceLook{{Count: 2, Stack: []asyncio.FrameLook{of("(*Stream).Read", "stream.go", 200), frame("main.serve", 99)}}},
	}
}

// Deadlock returns a loop in which two tasks wait for each other.
func Deadlock() *asyncio.LoopLook {
	return &asyncio.LoopLook{
		Loop: 3, State: "parked", Level: "on", Now: 60 * time.Second, Stats: asyncio.Stats{Tasks: 3},
		Cycles: [][]uint64{{21, 22}},
		Tasks: []asyncio.TaskLook{
			{ID: 20, Name: "Task-20", State: "waits", For: 60 * time.Second, Waits: &asyncio.WaitLook{Kind: "tasks", Tasks: []uint64{21, 22}}},
			{ID: 21, Parent: 20, Name: "debit", State: "waits", For: 59 * time.Second, Waits: &asyncio.WaitLook{Kind: "lock", Object: "0xa", Tasks: []uint64{22}}},
			{ID: 22, Parent: 20, Name: "credit", State: "waits", For: 59 * time.Second, Waits: &asyncio.WaitLook{Kind: "lock", Object: "0xb", Tasks: []uint64{21}}},
		},
	}
}

// Many returns a loop with n tasks in a few places, as it is at a moment.
func Many(n int, now time.Duration) *asyncio.LoopLook {
	k := &asyncio.LoopLook{Loop: 1, State: "runs", Level: "on", Now: now, Stats: asyncio.Stats{Tasks: n, Ready: 5, Busy: now / 4, Idle: now - now/4}, Busy: 0.25}
	functions := []string{"main.serve", "main.order", "report.Run"}
	kinds := []string{"socket", "lock", "sleep"}
	for i := range n {
		f := frame(functions[i%3], 10+i%3)
		t := asyncio.TaskLook{
			ID: uint64(i + 1), Parent: uint64(i / 100), Name: fmt.Sprintf("connection-%d", i), State: "waits", For: now + time.Duration(i)*time.Millisecond,
			Busy: time.Duration(i%997) * now / 1000, Steps: uint32(now/time.Millisecond) + uint32(i%13), Waits: &asyncio.WaitLook{Kind: kinds[i%3]}, Function: f.Function, At: &f,
		}
		if i%3 == 1 {
			t.Waits.Object, t.Waits.Tasks = fmt.Sprintf("0x%x", i/30), []uint64{uint64(i/30*30 + 1)}
		}
		k.Tasks = append(k.Tasks, t)
	}
	return k
}

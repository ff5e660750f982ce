package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A loop that hangs is looked at from outside: of its tasks is seen what lies in single
// words, and by pieces as well.
func TestWhatIsSeenOfTheTasksOfAHungLoop(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			loops, free, over := make(chan *asyncio.Loop, 1), make(chan struct{}), make(chan error, 1)
			go func() {
				over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
					asyncio.CurrentTask(ctx).SetName("main")
					l := loopOf(ctx)
					forever := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
					asyncio.Go(ctx, forever, asyncio.WithName("sleeps"))
					asyncio.Go(ctx, asyncio.NewEvent().Wait, asyncio.WithName("waits"))
					ready := asyncio.NewEvent()
					asyncio.Go(ctx, ready.Wait, asyncio.WithName("ready"))
					asyncio.Sleep(ctx, time.Millisecond)
					ready.Set()
					asyncio.Go(ctx, forever).Cancel()
					loops <- l
					<-free
					return nil
				}, driver, asyncio.WithStallWatch(0), asyncio.WithInterrupts(false))
			}()
			l := <-loops
			k := untilStuck(t, l, "inspect_lookoutside_test.go")
			state := func(name string) string {
				task := taskOf(t, k, name)
				if task.Waits != nil {
					return task.State + " " + task.Waits.Kind
				}
				return task.State
			}
			if len(k.Tasks) != 5 || k.More {
				t.Fatalf("%d tasks, %t", len(k.Tasks), k.More)
			}
			for name, want := range map[string]string{"main": "runs", "sleeps": "waits sleep", "waits": "waits future", "ready": "ready", k.Tasks[4].Name: "not started"} {
				if got := state(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			main, last := taskOf(t, k, "main"), k.Tasks[4]
			if last.Name != "Task-5" || last.Cancels != 1 || last.Parent != main.ID || last.For < 0 || taskOf(t, k, "sleeps").Steps != 1 || taskOf(t, k, "sleeps").Cancels != 0 {
				t.Errorf("%+v", k.Tasks)
			}
			if c := k.Culprit; c == nil || c.Task != main.ID || c.Name != "main" || !strings.Contains(c.Stack[0].Function, "TestWhatIsSeen") {
				t.Errorf("%+v", c)
			}
			if k.Now <= 0 || k.Loop != l.ID() || k.Level != "on" || k.Busy != k.Stats.BusyRatio() || k.Stats.Tasks != 5 || k.Stats.TasksMade != 5 || k.Took <= 0 {
				t.Errorf("%+v", k)
			}
			part := func(o asyncio.LookOptions) *asyncio.LoopLook {
				k, err := l.Look(t.Context(), time.Millisecond, o)
				if err != nil {
					t.Fatal(err)
				}
				return k
			}
			names := func(k *asyncio.LoopLook) (list []string) {
				for _, task := range k.Tasks {
					list = append(list, task.Name)
				}
				return list
			}
			if k := part(asyncio.LookOptions{Tasks: 2}); !slices.Equal(names(k), []string{"main", "sleeps"}) || !k.More {
				t.Errorf("two of them are %v, more %t", names(k), k.More)
			}
			// What runs is always there.
			if k := part(asyncio.LookOptions{Tasks: 2, After: k.Tasks[1].ID}); !slices.Equal(names(k), []string{"main", "waits"}) || !k.More {
				t.Errorf("of the rest there are %v, more %t", names(k), k.More)
			}
			if k := part(asyncio.LookOptions{After: k.Tasks[3].ID}); !slices.Equal(names(k), []string{"main", "Task-5"}) || k.More {
				t.Errorf("at the end there are %v, more %t", names(k), k.More)
			}
			if k := part(asyncio.LookOptions{Tasks: -1}); !slices.Equal(names(k), []string{"main"}) || !k.More || k.Culprit.Name != "main" {
				t.Errorf("of none there are %v, more %t", names(k), k.More)
			}
			close(free)
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACallbackThatHangsHasNoName(t *testing.T) {
	loops, free, over := make(chan *asyncio.Loop, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			l := loopOf(ctx)
			l.CallSoon(func() { loops <- l; <-free })
			return asyncio.Sleep(ctx, time.Millisecond)
		}, asyncio.WithStallWatch(0), asyncio.WithInterrupts(false))
	}()
	k := untilStuck(t, <-loops, "inspect_lookoutside_test.go")
	if k.Culprit == nil || k.Culprit.Task != 0 || k.Culprit.Name != "" || k.Level != "off" || k.Tasks[0].For != -1 {
		t.Errorf("%+v, %+v", k.Culprit, k.Tasks)
	}
	close(free)
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestALookTellsWhatALoopIsAt(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		failed := asyncio.NewFuture[int](l)
		failed.SetError(errBoom)
		asyncio.Sleep(ctx, 0)
		labelled := pprof.WithLabels(ctx, pprof.Labels("who", "me"))
		parent := asyncio.Go(labelled, func(ctx context.Context) error {
			_, err := asyncio.Shield(ctx, asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("child")))
			return err
		}, asyncio.WithName("parent"))
		turns(ctx, 3)
		asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 0, nil })
		asyncio.Sleep(ctx, 2*time.Millisecond)
		k := look(t, ctx)
		if k.Unseen != 1 || k.Busy <= 0 || k.Took <= 0 || k.Held <= 0 || k.Held > k.Took || k.State != "parked" && k.State != "runs" {
			t.Errorf("%+v", k)
		}
		if task := taskOf(t, k, "parent"); task.Labels["who"] != "me" || task.Function == "" || task.Waits.Object == "" || task.Waits.Kind != "task" || len(task.Waits.Tasks) != 1 || task.Waits.Tasks[0] != taskOf(t, k, "child").ID {
			t.Errorf("%+v waits for %+v", task, task.Waits)
		}
		bare, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
			return l.Look(ctx, time.Minute, asyncio.LookOptions{})
		})
		if err != nil {
			t.Fatal(err)
		}
		if task := taskOf(t, bare, "parent"); task.Labels != nil || task.Function != "" || task.Stack != nil || task.Waits.Call != "" {
			t.Errorf("%+v", task)
		}
		if !errors.Is(failed.Err(), errBoom) {
			t.Error("it has no error")
		}
		if k := look(t, ctx); k.Unseen != 0 {
			t.Errorf("%d errors were not seen", k.Unseen)
		}
		parent.Cancel()
		asyncio.GatherSettled(ctx, parent)
	})
}

func TestATaskThatHasNotStartedIsKnownByItsFunction(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		stop := false
		var again func()
		again = func() { // so that there is always one that has not begun
			if !stop {
				asyncio.CreateTask(ctx, func(context.Context) (int, error) { return 0, nil }, asyncio.WithName("new"))
				asyncio.Go(ctx, func(context.Context) error { return nil }, asyncio.WithName("without a value"))
				l.CallSoon(again)
			}
		}
		again()
		k := look(t, ctx)
		stop = true
		asyncio.Sleep(ctx, 0)
		if task := taskOf(t, k, "new"); task.State != "not started" || !strings.Contains(task.Function, "TestATaskThatHasNotStarted") || task.Stack != nil || task.Waits != nil {
			t.Errorf("%+v", task)
		}
		if task := taskOf(t, k, "without a value"); task.State != "not started" || strings.Contains(task.Function, "noValue") {
			t.Errorf("%+v", task)
		}
	})
}

func TestLoopsAreNumberedAndListedWhileTheyRun(t *testing.T) {
	one, two := newLoop(t), newLoop(t)
	defer one.Close()
	defer two.Close()
	if two.ID() != one.ID()+1 {
		t.Errorf("they are %d and %d", one.ID(), two.ID())
	}
	var during []*asyncio.Loop
	run := func(l *asyncio.Loop, f func()) {
		l.CallSoon(func() { f(); l.Stop() })
		if err := l.RunForever(); err != nil {
			t.Error(err)
		}
	}
	run(two, func() { // the younger first
		over := make(chan struct{})
		go func() {
			defer close(over)
			run(one, func() { during = asyncio.Loops() })
		}()
		<-over
	})
	if i := slices.Index(during, one); i < 0 || i+1 >= len(during) || during[i+1] != two {
		t.Errorf("%v, want %v and %v in it", during, one, two)
	}
	if after := asyncio.Loops(); slices.Contains(after, one) || slices.Contains(after, two) {
		t.Errorf("%v run still", after)
	}
}

func TestIncidentsThatNobodyTakesAreDroppedAfterAHundred(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	begun, goOn := make(chan struct{}), make(chan struct{})
	told := 0
	busy := false
	all := make(chan struct{})
	stop := asyncio.NotifyIncidents(func(i asyncio.Incident) {
		if busy {
			t.Error("two are told at once")
		}
		busy = true
		if told++; told == 1 {
			close(begun)
			<-goOn
		}
		busy = false
		if told == 101 {
			close(all)
		}
	})
	other := 0
	seen := make(chan struct{})
	stopOther := asyncio.NotifyIncidents(func(asyncio.Incident) {
		if other++; other == 1 {
			close(seen)
		}
	})
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		fail := func() { loopOf(ctx).CallSoon(func() { panic("of a callback") }); asyncio.Sleep(ctx, 0) }
		fail()
		<-begun
		<-seen
		stopOther()
		for range 150 {
			fail()
		}
		close(goOn)
		<-all
		return nil
	}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	if err != nil {
		t.Error(err)
	}
	stop()
	if other != 1 || told != 101 {
		t.Errorf("%d were told, and %d after the end", told, other-1)
	}
}

func TestAHungLoopIsSeenFromOutside(t *testing.T) {
	for name, h := range hangs {
		for driverName, driver := range drivers() {
			t.Run(name+"/"+driverName, func(t *testing.T) {
				at, free, loops := make(chan string, 1), make(chan struct{}), make(chan *asyncio.Loop, 1)
				over := make(chan error, 1)
				go func() {
					over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
						loops <- loopOf(ctx)
						for range 20 {
							asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
						}
						asyncio.CurrentTask(ctx).SetName("main")
						asyncio.Sleep(ctx, 0)
						return h.hang(ctx, at, free)
					}, driver, asyncio.WithStallWatch(0), asyncio.WithInterrupts(false))
				}()
				l, place := <-loops, <-at
				k := untilStuck(t, l, place)
				if c := k.Culprit; c == nil || !strings.Contains(c.Place, place) || !strings.Contains("a callback is "+c.Doing, h.want) || len(c.Stack) == 0 {
					t.Errorf("the culprit is %+v, want %s at %s", k.Culprit, h.want, place)
				}
				if strings.HasPrefix(k.Culprit.Stack[0].Function, "runtime.") || k.Stats.TasksMade == 0 || k.Stats.Turns == 0 {
					t.Errorf("the stack is %+v, the stats %+v", k.Culprit.Stack, k.Stats)
				}
				if len(k.Tasks) < 21 || k.Tasks[0].Name != "main" || k.Stuck == 0 || len(k.Places) == 0 || k.Places[0].Count < 20 {
					t.Errorf("%d tasks, the first %+v; places %+v", len(k.Tasks), k.Tasks[0], k.Places)
				}
				close(free)
				if err := <-over; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// untilStuck looks until the loop hangs at that place: it says so before it does.
func untilStuck(t *testing.T, l *asyncio.Loop, place string) *asyncio.LoopLook {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		k, err := l.Look(t.Context(), 10*time.Millisecond, asyncio.LookOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if k.State == "stuck" && k.Culprit != nil && strings.Contains(k.Culprit.Place, place) || time.Now().After(deadline) {
			return k
		}
	}
}

func TestLooksAtALoopThatNeverRestsFindItAndDoNotHoldIt(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	looks := 1000
	if testing.Short() {
		looks = 100
	}
	loops, stop, over := make(chan *asyncio.Loop, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			loops <- loopOf(ctx)
			lock := asyncio.NewLock()
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for range 20 {
					g.Go(func(ctx context.Context) error {
						for n := 0; ; n++ {
							select {
							case <-stop:
								return nil
							default:
							}
							asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }, asyncio.WithName(fmt.Sprint(n)))
							asyncio.CurrentTask(ctx).SetName(fmt.Sprint("worker ", n))
							if err := lock.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }); err != nil {
								return err
							}
						}
					})
				}
				return nil
			})
		})
	}()
	l := <-loops
	var both sync.WaitGroup
	for _, patience := range []time.Duration{0, time.Minute} { // from outside, and by asking
		both.Go(func() {
			for range looks {
				k, err := l.Look(t.Context(), patience, asyncio.LookOptions{Stacks: true})
				if err != nil || len(k.Tasks) == 0 && k.State != "stuck" {
					t.Errorf("%+v, %v", k, err)
					return
				}
			}
		})
	}
	both.Wait()
	close(stop)
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestALookThatNobodyAnswersEndsWithItsContext(t *testing.T) {
	loops, free, over := make(chan *asyncio.Loop, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			loops <- loopOf(ctx)
			<-free
			return nil
		}, asyncio.WithStallWatch(0))
	}()
	l := <-loops
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := l.Look(ctx, time.Hour, asyncio.LookOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(free)
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func BenchmarkLookFromOutside(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("%d tasks", n), func(b *testing.B) {
			loops, free := make(chan *asyncio.Loop, 1), make(chan struct{})
			var all sync.WaitGroup
			all.Go(func() {
				_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
					for range n {
						asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
					}
					asyncio.Sleep(ctx, time.Millisecond)
					loops <- loopOf(ctx)
					<-free
					return nil
				}, asyncio.WithStallWatch(0))
			})
			l := <-loops
			for b.Loop() {
				k, err := l.Look(b.Context(), time.Millisecond, asyncio.LookOptions{})
				if err != nil || k.Culprit == nil {
					b.Fatal(k, err)
				}
			}
			close(free)
			all.Wait()
		})
	}
}

func TestALoopThatStopsAnsweringIsLookedAtFromOutsideForTheRest(t *testing.T) {
	l := newLoop(t)
	if n := asyncio.LeftToLookAt(l, 100, 20, 10); n != 70 {
		t.Errorf("after 30 of 100 there are %d left", n)
	}
}

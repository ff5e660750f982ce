package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// manyJobs gives an executor n jobs that last until they are let go. begun has one
// element for each that runs.
func manyJobs(t *testing.T, e *asyncio.ThreadPoolExecutor, n int) (begun chan struct{}, letGo func()) {
	t.Helper()
	begun, over := make(chan struct{}, n), make(chan struct{})
	for range n {
		err := e.Submit(context.Background(), func(context.Context) {
			begun <- struct{}{}
			<-over
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return begun, func() { close(over) }
}

func TestJobsThatWaitAllHaveAWorker(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(40)
	begun, letGo := manyJobs(t, e, 40)
	for range 40 { // each waits for the others
		<-begun
	}
	letGo()
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// Who looks whether a processor is free has one, and where there is one alone, it is never
// free. Jobs that wait are seen all the same: nobody is ready.
func TestJobsThatWaitAllHaveAWorkerWhereThereIsOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := asyncio.NewThreadPoolExecutor(40)
	e.SetPatience(time.Hour)
	e.SetProcessorFree(false, 0)
	begun, letGo := manyJobs(t, e, 40)
	for range 40 {
		<-begun
	}
	letGo()
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestWhereGoroutinesCannotRunJobsGetNoMoreWorkersThanProcessorsAtOnce(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(40)
	e.SetGoroutinesReady(1000)
	e.SetPatience(time.Hour)
	begun, letGo := manyJobs(t, e, 40)
	few := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	if n := e.Stats().Running; n > few {
		t.Errorf("%d run at once, and there are %d processors", n, few)
	}
	e.SetPatience(time.Millisecond)
	for range few + 2 { // a job does not wait for ever behind those that compute
		<-begun
	}
	e.SetGoroutinesReady(0)
	for range 40 - few - 2 {
		<-begun
	}
	letGo()
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestWorkersThatAreTooManyEndWithTheirJob(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(40)
	begun, letGo := manyJobs(t, e, 40)
	for range 40 {
		<-begun
	}
	e.SetGoroutinesReady(1000)
	e.SetJobsLast(time.Hour)
	e.SetPatience(time.Hour)
	again, letGoAgain := manyJobs(t, e, 40)
	letGo()
	few := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	for range few { // those that were there
		<-again
	}
	for e.Stats().Done < 40 {
		runtime.Gosched()
	}
	if n := e.Stats().Running; n > few {
		t.Errorf("%d run, and there are %d processors", n, few)
	}
	e.SetGoroutinesReady(0)
	for range 40 - few {
		<-again
	}
	letGoAgain()
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestJobsThatAreShortHaveAllWorkersWhoeverElseIsReady(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(40)
	e.SetGoroutinesReady(1000)
	e.SetJobsLast(time.Microsecond)
	begun, letGo := manyJobs(t, e, 40)
	if n := e.Workers(); n != 40 {
		t.Errorf("there are %d workers for 40 jobs", n)
	}
	for range 40 {
		<-begun
	}
	letGo()
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

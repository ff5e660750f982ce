package blocking

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Functions out of tables run where the table is used.

func overATable(ctx context.Context) {
	for _, f := range []func(){func() {
		time.Sleep(1) // want `time.Sleep blocks`
	}} {
		asyncio.Go(ctx, func(context.Context) error { f(); return nil })
	}
	for _, f := range map[string]func(){"elsewhere": func() { time.Sleep(1) }} {
		go f()
	}
}

func outOfATable(ctx context.Context, name string) {
	byName := map[string]func(context.Context) (int, error){"now": func(context.Context) (int, error) {
		time.Sleep(1) // want `time.Sleep blocks`
		return 0, nil
	}}
	byName["later"] = func(context.Context) (int, error) {
		time.Sleep(1) // want `time.Sleep blocks`
		return 0, nil
	}
	if f, ok := byName[name]; ok {
		asyncio.CreateTask(ctx, f)
	}
}

func rightOutOfATable(ctx context.Context, name string) {
	byName := map[string]func(context.Context) (int, error){"now": func(context.Context) (int, error) {
		time.Sleep(1) // want `time.Sleep blocks`
		return 0, nil
	}}
	asyncio.CreateTask(ctx, byName[name])
}

func outOfATableElsewhere(ctx context.Context, name string) error {
	jobs := map[string]func(context.Context) (int, error){"job": func(context.Context) (int, error) {
		time.Sleep(1)
		return 0, nil
	}}
	_, err := asyncio.ToThread(ctx, jobs[name])
	return err
}

// A literal that a variable holds runs where it is called, not where it is written.

func calledElsewhere(ctx context.Context) error {
	nap := func() { time.Sleep(1) }
	_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { nap(); return 0, nil })
	return err
}

package alarm_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ringing runs f with an alarm, waits, and returns when the alarm has rung.
func ringing(t *testing.T, f func(ctx context.Context, a *alarm.Alarm)) (rung []time.Duration) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop := asyncio.CurrentTask(ctx).Loop()
		began := loop.Time()
		a := alarm.New(loop, func() { rung = append(rung, loop.Time()-began) })
		f(ctx, &a)
		return asyncio.Sleep(ctx, time.Hour)
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	return rung
}

func TestAlarmRingsOnceWhenItIsDue(t *testing.T) {
	for name, test := range map[string]struct {
		f    func(ctx context.Context, a *alarm.Alarm)
		want []time.Duration
	}{
		"set":     {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second) }, []time.Duration{time.Second}},
		"later":   {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second); a.Set(time.Minute) }, []time.Duration{time.Minute}},
		"earlier": {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Minute); a.Set(time.Second) }, []time.Duration{time.Second}},
		"put off": {func(ctx context.Context, a *alarm.Alarm) {
			a.Set(2 * time.Second)
			asyncio.Sleep(ctx, time.Second)
			a.Set(2 * time.Second)
		}, []time.Duration{3 * time.Second}},
		"stopped":   {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second); a.Stop() }, nil},
		"set again": {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second); a.Stop(); a.Set(5 * time.Second) }, []time.Duration{5 * time.Second}},
		"never":     {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second); a.Set(0) }, nil},
		"never, later": {func(ctx context.Context, a *alarm.Alarm) {
			asyncio.Sleep(ctx, time.Second)
			a.Set(time.Minute)
			a.Set(0)
			asyncio.Sleep(ctx, time.Second)
			a.Set(-1)
		}, nil},
		"ended": {func(_ context.Context, a *alarm.Alarm) { a.Set(time.Second); a.End(); a.End() }, nil},
		"twice": {func(ctx context.Context, a *alarm.Alarm) {
			a.Set(time.Second)
			asyncio.Sleep(ctx, 2*time.Second)
			a.Set(time.Second)
		}, []time.Duration{time.Second, 3 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ringing(t, test.f)
			if len(got) != len(test.want) {
				t.Fatalf("it rang at %v, want %v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("it rang at %v, want %v", got, test.want)
				}
			}
		})
	}
}
